"""Failures that are waits: a record waits for longer than such records usually do."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from streams.backtest.audit.finding import RISES, Finding, span
from streams.backtest.audit.limits import Limits, Wait
from streams.core.baselines import Group
from streams.core.record import Record
from streams.core.timestamps import duration


class Going(msgspec.Struct, frozen=True, gc=False):
    """A wait that goes on, in its present group since `joined`; `noticeable`: from when it was, before."""

    wait: Wait
    joined: int
    noticeable: int | None = None


class Waits:
    """What the failures that are waits have in common: each says what a record waits for (`wait`), and in
    words what a wait was (`word`)."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._going: dict[str, Going] = {}

    def wait(self, record: Record) -> Wait | None:
        """What the record waits for now, and since when; None while it does not."""
        raise NotImplementedError

    def word(self, record: Record) -> str:
        raise NotImplementedError

    def saw(self, before: Record | None, after: Record) -> Finding | None:
        key, at = after.key, after.at
        was, now = self._going.pop(key, None), self.wait(after)
        if was is not None and now is not None and was.wait.is_same(now):
            # What it is compared with from now on says nothing of the time before.
            regrouped = was.wait != now
            self._going[key] = Going(now, at, self._noticeable(was, at)) if regrouped else was
            return None
        if now is not None:
            self._going[key] = Going(now, at)
        if was is None or before is None:
            return None
        self.limits.ended(was.wait.group, at - was.wait.began)
        return self._finding(before, was, at, at)

    def usual(self, findings: Sequence[Finding], group: Group = ()) -> int:
        """The limit of a group in microseconds, as it was in the end, or when it was last known."""
        limit = self.limits.latest(group)
        return limit or max(finding.noticeable - finding.began for finding in findings)

    def rising(self, findings: Sequence[Finding], group: Group = ()) -> list[str]:
        """What a path can have as the limit of a group: the usual one, and ever higher ones."""
        usual = self.usual(findings, group)
        return [span(usual * rise) for rise in RISES]

    def midnight(self, at: int) -> None:
        self.limits.draw(at, [going.wait for going in self._going.values()])

    def lasting(self, records: Mapping[str, Record], end: int) -> Iterator[Finding]:
        for key, going in self._going.items():
            if finding := self._finding(records[key], going, end, None):
                yield finding

    def _noticeable(self, going: Going, until: int) -> int | None:
        if going.noticeable is not None or not going.wait.counts:
            return going.noticeable
        return self.limits.passed(going.wait, going.joined, until)

    def _finding(self, record: Record, going: Going, until: int, over: int | None) -> Finding | None:
        noticeable, began = self._noticeable(going, until), going.wait.began
        if noticeable is None:
            return None
        share, usual = self.limits.share, duration(noticeable - began)
        lasted = f"{self.word(record)} for {duration(until - began)}"
        what = f"{lasted}; {share * 100:g} % of such waits are shorter than {usual}"
        return Finding(record, began, noticeable, over, what)
