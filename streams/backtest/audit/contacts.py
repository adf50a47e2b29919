"""Contacts: a customer writes again and again about something that is not resolved."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from streams.backtest.audit.finding import Finding, Remedy
from streams.core.calendar import ALWAYS
from streams.core.record import Record
from streams.core.spans import Span
from streams.core.timestamps import DAY
from streams.core.triggers.contacts import Contacts
from streams.core.triggers.trigger import Now

COUNT, MOST = 3, 20
"""How many contacts are a failure; and up to how many a path may ask for."""
WITHIN = Span("24h", DAY)
_VISITS = frozenset({"visits"})


class WritesAgain:
    """As the trigger `{contacts: 3, within: 24h}` has it.

    Over with the change that leaves fewer contacts about something unresolved. Where no feed says what is
    resolved (`closes`), and where the customer comes back later, nobody knows: then it is over with
    the last contact of the run.
    """

    title: ClassVar[str] = "customers who write again and again"

    def __init__(self, closes: bool) -> None:
        self._closes = closes
        self._trigger = Contacts(COUNT, WITHIN, closes, frozenset(), ALWAYS)
        self._going: dict[str, Finding] = {}

    def saw(self, before: Record | None, after: Record) -> Finding | None:
        key = after.key
        going = self._going.get(key)
        now = Now(after.at, after.at, _VISITS)
        since = self._trigger.since(after, before, None if going is None else going.noticeable, now)
        if since is None:
            if going is None:
                return None
            del self._going[key]
            came_back = before is not None and before.visits != after.visits
            over = going.record.visits[-1].at if came_back else after.at
            return msgspec.structs.replace(going, over=over)
        if going is None or before is None or before.visits != after.visits:
            what = self._trigger.because(after, after.at)[0]
            if going is None:
                going = Finding(after, after.visits[-COUNT].at, max(since, after.at), None, what)
            self._going[key] = msgspec.structs.replace(going, record=after, what=what)
        return None

    def midnight(self, at: int) -> None:
        pass

    def lasting(self, records: Mapping[str, Record], end: int) -> Iterator[Finding]:
        for going in self._going.values():
            over = None if self._closes else going.record.visits[-1].at
            yield msgspec.structs.replace(going, over=over)

    def remedy(self, findings: Sequence[Finding]) -> Remedy:
        asked: dict[str, Any] = {"within": WITHIN.text}
        if not self._closes:
            asked["unresolved"] = False
        conditions = [
            {"when": {"contacts": count, **asked}, "rearm": "7d"} for count in range(COUNT, MOST + 1)
        ]
        return Remedy("writes-again-and-again", conditions, findings)
