"""Falls in health: the score falls so far below the record's own earlier ones as is unusual for it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from streams.backtest.audit.finding import RISES, Finding, Remedy
from streams.core.record import Record
from streams.core.triggers.health import UNUSUAL_SAMPLES, HealthUnusual
from streams.core.triggers.trigger import Now

LIMIT, CLEAR = 3.5, 2.0
_HEALTH = frozenset({"health"})


class Fallen:
    """As the trigger `health: {unusual: 3.5, clear: 2}` has it, which measures by the record's own past."""

    title: ClassVar[str] = "falls in health"

    def __init__(self) -> None:
        self._trigger = HealthUnusual(UNUSUAL_SAMPLES, LIMIT, CLEAR, None)
        self._going: dict[str, Finding] = {}
        self._held: dict[str, int] = {}

    def saw(self, before: Record | None, after: Record) -> Finding | None:
        key, at = after.key, after.at
        if before is not None and before.health == after.health and after.alive:
            return None
        held = self._held.pop(key, None)
        since = self._trigger.since(after, before, held, Now(at, at, _HEALTH)) if after.alive else None
        going = self._going.get(key)
        if since is None:
            if going is None:
                return None
            del self._going[key]
            return Finding(going.record, going.began, going.noticeable, at, going.what)
        self._held[key] = since
        if going is None:
            what = self._trigger.because(after, at)[0]
            # A score may become known later than it was measured.
            self._going[key] = Finding(after, since, max(since, at), None, what)
        return None

    def midnight(self, at: int) -> None:
        pass

    def lasting(self, records: Mapping[str, Record], end: int) -> Iterator[Finding]:
        yield from self._going.values()

    def remedy(self, findings: Sequence[Finding]) -> Remedy:
        conditions = [
            {"when": {"health": {"unusual": round(LIMIT * rise, 1), "clear": CLEAR}}} for rise in RISES
        ]
        return Remedy("health-falls", conditions, findings)
