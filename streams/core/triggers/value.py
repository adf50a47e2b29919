"""Value: the record's value crosses a threshold, upwards or downwards.

    when: {value: {crosses: 250000 EUR, clear: 240000 EUR}}
    when: {value: {falls_below: 100000 EUR, clear: 110000 EUR}}

It holds from the change that brings the value from one side of the threshold to the other; the
threshold itself is above. Upwards also counts a value where there was none. It is over when the
value is back beyond `clear`, which is the threshold where the path names no other.

Only the field `value` has a currency, so only that can cross. Values in another currency are not
compared, and a change of currency crosses nothing. A record that a snapshot shows on the other
side has crossed at a time nobody knows, and does not count.

Crossings are noted while other conditions of the path do not hold; it fires when they come to hold.
"""

from typing import Any, ClassVar

from streams.core.calendar import Calendar
from streams.core.conditions import Amount, read_amount
from streams.core.document import Node
from streams.core.record import Record
from streams.core.timestamps import rfc3339
from streams.core.triggers.trigger import Now, Trigger


class ValueCrosses(Trigger, frozen=True):
    """`downwards`: whether it falls below `threshold` rather than reaching it. `clear` is in the same
    currency, below `threshold` or above it the same way."""

    reads: ClassVar[frozenset[str]] = frozenset({"value", "currency"})
    remembers: ClassVar[bool] = True
    graded: ClassVar[bool] = True

    threshold: Amount
    clear: Amount
    downwards: bool = False

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        value = record.value
        if value is None or record.currency != self.threshold.currency:
            return None
        if held is not None:
            return held if self._is_beyond(value, self.clear) else None
        if self._is_beyond(value, self.threshold) and self._was_not(before):
            return now.when
        return None

    def _is_beyond(self, value: float, bound: Amount) -> bool:
        return value < bound.number if self.downwards else value >= bound.number

    def _was_not(self, before: Record | None) -> bool:
        if before is None or before.value is None:
            return not self.downwards
        return before.currency == self.threshold.currency and not self._is_beyond(
            before.value, self.threshold
        )

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        how = "fallen below" if self.downwards else "crossed"
        return f"value {Amount(record.value or 0.0, record.currency)} has {how} {self.threshold}", {
            "value": record.value,
            "currency": record.currency,
            "threshold": str(self.threshold),
            "clear": str(self.clear),
            "at": rfc3339(at),
        }

    def missing(self, record: Record, at: int) -> str:
        if record.value is None:
            return "there is no value"
        how = "fallen below" if self.downwards else "crossed"
        return f"value {Amount(record.value, record.currency)} has not {how} {self.threshold}"

    def level(self, record: Record) -> float | None:
        if record.value is None:
            return None
        return -record.value if self.downwards else record.value


def read(when: Node, calendar: Calendar | None) -> ValueCrosses:
    """The trigger that `when: {value: ...}` asks for. Raises Problem."""
    when.keys("calendar", required=("value",))
    value = when["value"]
    if value.has("crosses") and value.has("falls_below"):
        value.fail("this has crosses and falls_below", "Write one of them for each path")
    if not value.has("crosses") and not value.has("falls_below"):
        value.keys("crosses", "falls_below", "clear")
        value.fail("this names no threshold", "Write crosses: 250000 EUR, or falls_below")
    downwards = value.has("falls_below")
    key = "falls_below" if downwards else "crosses"
    value.keys("clear", required=(key,))
    threshold = clear = read_amount(value[key], money=True)
    if each := value.get("clear"):
        clear = read_amount(each, money=True)
        if clear.currency != threshold.currency:
            each.fail(
                f"{clear} is not in {threshold.currency}, as {key!r} is", f"Write it in {threshold.currency}"
            )
        if clear.number < threshold.number if downwards else clear.number > threshold.number:
            side = "below" if downwards else "above"
            each.fail(
                f"{clear} is {side} {threshold}: it would be over while it holds",
                f"Write the value at which it is over, at {'least' if downwards else 'most'} {threshold}",
            )
    return ValueCrosses(threshold, clear, downwards)
