"""Targets: how long a clock may run, by a field of the record.

    target: 4h
    target: {urgent: 4h, high: 8h, else: 3 working days}        by priority
    target: {by: tier, gold: 4h, else: 8h}                      by any other field

Each is working time in the clock's calendar. Without `else`, a record with another value has no
target, and no clock.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from streams.core.calendar import Calendar
from streams.core.conditions import text_of
from streams.core.document import Node
from streams.core.record import MOMENTS, Record
from streams.core.spans import Span, read_span


class Target(msgspec.Struct, frozen=True):
    """What counts for one record: `span`, for this `value` of the field; None where it is for any other."""

    span: Span
    value: str | None = None


class Targets(msgspec.Struct, frozen=True):
    """`by_value` of the field `by`, and the one for every `other` value; None for no clock there.

    True where the target depends on that field.
    """

    by: str
    by_value: Mapping[str, Target]
    other: Target | None

    def __bool__(self) -> bool:
        return bool(self.by_value)

    def of(self, record: Record) -> Target | None:
        if not self:
            return self.other
        value = text_of(record.fact(self.by))
        # A field may hold a list, which is no key.
        return self.by_value.get(value, self.other) if isinstance(value, str) else self.other

    def spans(self) -> list[Span]:
        targets = [*self.by_value.values(), *([self.other] if self.other else [])]
        return [target.span for target in targets]


def read_targets(node: Node, calendar: Calendar | None) -> Targets:
    """Raises Problem."""
    if not isinstance(node.value, dict):
        return Targets("priority", {}, Target(_read(node, calendar)))
    by = "priority"
    spans: dict[str, Span] = {}
    for key, each in node.items():
        if key == "by":
            by = each.text(example="the name of a field, such as tier")
            if by in MOMENTS:
                each.fail(f"{by!r} is a moment", "Name a field that has few values, such as priority")
        else:
            spans[key] = _read(each, calendar)
    if not spans:
        node.fail("no target is stated", "Write one for each value of the field: {urgent: 4h, else: 8h}")
    other = spans.pop("else", None)
    by_value = MappingProxyType({value: Target(span, value) for value, span in spans.items()})
    return Targets(by, by_value, Target(other) if other else None)


def _read(node: Node, calendar: Calendar | None) -> Span:
    span = read_span(node, calendar)
    if not (span.micros or span.days):
        node.fail(f"a target of {span.text} is over before it begins", "Write a span such as 4h")
    return span
