"""High value: a record worth more than nine of ten is left alone for longer than nine of ten are."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import ClassVar

from streams.backtest.audit.finding import Finding, Remedy
from streams.backtest.audit.limits import Limits, Wait
from streams.backtest.audit.waits import Waits
from streams.core.conditions import Amount
from streams.core.record import Record
from streams.core.triggers.stage import SAMPLE

SHARE = 0.9


class HighValue(Waits):
    """A value is high among the values that records of this kind have had, in its currency, by then."""

    title: ClassVar[str] = "high values untouched"

    def __init__(self) -> None:
        super().__init__(Limits(SHARE))
        self._values: dict[str, list[float]] = {}

    def saw(self, before: Record | None, after: Record) -> Finding | None:
        if after.value is not None and (
            before is None or (before.value, before.currency) != (after.value, after.currency)
        ):
            insort(self._values.setdefault(after.currency or "", []), after.value)
        return super().saw(before, after)

    def wait(self, record: Record) -> Wait | None:
        if record.status != "open" or not record.alive:
            return None
        return Wait(record.touched, (), counts=self._is_high(record))

    def _is_high(self, record: Record) -> bool:
        values = self._values.get(record.currency or "", [])
        if record.value is None or len(values) < SAMPLE:
            return False
        return bisect_left(values, record.value) >= SHARE * len(values)

    def word(self, record: Record) -> str:
        return f"{Amount(record.value or 0.0, record.currency)} untouched"

    def remedy(self, findings: Sequence[Finding]) -> Remedy:
        currency = findings[0].record.currency
        values = self._values[currency or ""]
        least = _rounded(values[int(SHARE * len(values))])
        amount = f"{least} {currency}" if currency else least
        where = {"status": "open", "value": {"at_least": amount}}
        conditions = [{"where": where, "when": {"untouched": limit}} for limit in self.rising(findings)]
        return Remedy("high-value-untouched", conditions, findings)


def _rounded(value: float) -> float:
    """`value` to two digits, as people write a threshold."""
    rounded = float(f"{value:.2g}")
    return int(rounded) if rounded.is_integer() else rounded
