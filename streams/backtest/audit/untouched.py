"""Untouched: an open record that nobody touches for longer than 95 of 100 are left alone."""

from collections.abc import Sequence
from typing import ClassVar

from streams.backtest.audit.finding import Finding, Remedy
from streams.backtest.audit.limits import Limits, Wait
from streams.backtest.audit.waits import Waits
from streams.core.baselines import group_of
from streams.core.record import Record

SHARE = 0.95


class Untouched(Waits):
    """Every change is a touch. Time in which the record is paused counts for nothing: it waits for somebody
    else. Similar are those that agree in the facts `by`."""

    title: ClassVar[str] = "untouched"

    def __init__(self, by: Sequence[str]) -> None:
        super().__init__(Limits(SHARE))
        self._by = tuple(by)

    def wait(self, record: Record) -> Wait | None:
        if record.status != "open" or not record.alive:
            return None
        return Wait(record.touched, group_of(record, self._by))

    def word(self, record: Record) -> str:
        return "untouched"

    def remedy(self, findings: Sequence[Finding]) -> Remedy:
        conditions = [
            {"where": {"status": "open"}, "when": {"untouched": limit}} for limit in self.rising(findings)
        ]
        return Remedy("untouched", conditions, findings)
