"""Stalled: a record stays in a stage for longer than nine of ten similar ones do.

What a stay is, when it is over and which of them count, `streams.core.baselines` says; a path with
`in_stage: {longer_than_similar: 90%}` goes by the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

from streams.backtest.audit.finding import Finding, Remedy
from streams.backtest.audit.limits import Limits, Wait
from streams.backtest.audit.waits import Waits
from streams.core.baselines import group_of, is_staying
from streams.core.record import Record

SHARE = 0.9


class Stalled(Waits):
    """Similar are records in the same stage that agree in the facts `by`."""

    title: ClassVar[str] = "stuck in a stage"

    def __init__(self, by: Sequence[str]) -> None:
        super().__init__(Limits(SHARE, keep=1))
        self._by = tuple(dict.fromkeys(("stage", *by)))

    def wait(self, record: Record) -> Wait | None:
        if not is_staying(record):
            return None
        return Wait(record.entered, group_of(record, self._by), record.stage)

    def word(self, record: Record) -> str:
        return f"in stage {record.stage}"

    def remedy(self, findings: Sequence[Finding]) -> Remedy:
        costs: defaultdict[str | None, float] = defaultdict(float)
        for finding in findings:
            costs[finding.record.stage] += finding.record.value or 1
        stage = max(costs, key=costs.__getitem__)
        stuck = [finding for finding in findings if finding.record.stage == stage]
        limits = self.rising(stuck, (("stage", stage or ""),))
        in_stage: list[Any] = list(limits)
        if len(self._by) > 1:
            # One limit for all of them is what is left where comparing them tells too often.
            similar = {"longer_than_similar": f"{SHARE * 100:g}%", "by": list(self._by[1:])}
            in_stage.insert(0, similar | {"otherwise": limits[0]})
        conditions = [{"where": {"stage": stage}, "when": {"in_stage": limit}} for limit in in_stage]
        return Remedy("stuck-in-stage", conditions, stuck)
