"""Value: the record's value crosses a threshold.

    when: {value: {crosses: 250000 EUR}}

It holds from the change that brings the value from below the threshold (or from nothing) to
it or above, until the value is below again. A record that a snapshot shows above the
threshold has crossed it at a time nobody knows, and does not count. Values in another
currency are not compared.
"""

from typing import Any, ClassVar

import msgspec

from streams.core.calendar import Calendar
from streams.core.conditions import Amount, read_amount
from streams.core.document import Node
from streams.core.record import Record
from streams.core.timestamps import rfc3339


class ValueCrosses(msgspec.Struct, frozen=True):
    reads: ClassVar[frozenset[str]] = frozenset({"value", "currency"})
    remembers: ClassVar[bool] = True

    threshold: Amount

    def since(self, record: Record, before: Record | None, held: int | None, at: int) -> int | None:
        if not self.threshold.reached_by(record.value, record):
            return None
        if held is not None:
            return held
        was_below = before is None or not self.threshold.reached_by(before.value, before)
        return at if was_below else None

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        return f"value {Amount(record.value or 0.0, record.currency)} has crossed {self.threshold}", {
            "value": record.value,
            "currency": record.currency,
            "threshold": str(self.threshold),
            "at": rfc3339(at),
        }


def read(when: Node, calendar: Calendar | None) -> ValueCrosses:
    when.keys("calendar", required=("value",))
    value = when["value"]
    value.keys(required=("crosses",))
    return ValueCrosses(read_amount(value["crosses"], money=True))
