"""Overdue: a record that is open for longer than 95 of 100 of its priority are until they are closed."""

from collections.abc import Sequence
from typing import Any, ClassVar

from streams.backtest.audit.finding import Finding, Remedy
from streams.backtest.audit.limits import Limits, Wait
from streams.backtest.audit.waits import Waits
from streams.core.baselines import group_of
from streams.core.record import Record

SHARE = 0.95


class Overdue(Waits):
    """Pauses count, as they do for whoever waits for the end. A record that is opened again goes on with
    the age it has. Similar are those that agree in the facts `by`."""

    title: ClassVar[str] = "open too long"

    def __init__(self, by: Sequence[str]) -> None:
        super().__init__(Limits(SHARE))
        self._by = tuple(by)

    def wait(self, record: Record) -> Wait | None:
        return Wait(record.created, group_of(record, self._by)) if record.alive else None

    def word(self, record: Record) -> str:
        return "open"

    def remedy(self, findings: Sequence[Finding]) -> Remedy:
        targets: Sequence[Any] = self.rising(findings)
        priorities = sorted({each.record.priority for each in findings if each.record.priority})
        if self._by and priorities:
            names = [*priorities, "else"]
            limits = [self.rising(findings, (("priority", name),)) for name in priorities]
            rising = zip(*limits, targets, strict=True)
            targets = [dict(zip(names, each, strict=True)) for each in rising]
        conditions = [
            {"when": {"clock": "resolution", "target": target, "pauses": False}} for target in targets
        ]
        return Remedy("open-too-long", conditions, findings)
