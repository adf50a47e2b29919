"""Warnings before a target is used up: `75%` of it, or `30m` of working time before the breach.

A share is counted from the start: the first moment at which so much of the target has been used.
A span is counted back from the breach: the last moment from which so much is left. So neither
falls into a pause, and a warning that would come before any time has been used is not given:
it would come with the record itself.
"""

import re
from collections.abc import Sequence

import msgspec

from streams.core.calendar import Calendar
from streams.core.clocks.run import Run
from streams.core.document import Node
from streams.core.spans import NO_SPAN, Span, read_span

_SHARE = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*%\s*")


class Warn(msgspec.Struct, frozen=True):
    """`text` as written: at a `percent` of the target, or where that is 0 a `span` before the breach."""

    text: str
    percent: float = 0.0
    span: Span = NO_SPAN

    def at(self, run: Run, target: Span, due: int) -> int | None:
        """When it is given for a target that is used up when it is `due`; None for never."""
        share = self._share(run.amount(target))
        at = run.reached(share) if self.percent else run.before(due, self.span)
        return at if at < due and run.used(at) else None

    def mark(self, target: Span) -> int | None:
        """How much of `target` has been used when it is given; None where that goes by the calendar."""
        if target.days or self.span.days:
            return None
        return self._share(target.micros) if self.percent else target.micros - self.span.micros

    def _share(self, amount: int) -> int:
        return round(amount * self.percent / 100)


def read_warnings(node: Node, calendar: Calendar | None, targets: Sequence[Span]) -> tuple[Warn, ...]:
    """One warning, or a list of them. Raises Problem for those that cannot come before the breach of any of
    `targets`, and for two that always come at once."""
    warnings: list[Warn] = []
    for each in node.one_or_many():
        warn = _read(each, calendar)
        if all(_too_early(warn, target) for target in targets):
            each.fail(
                f"{warn.text} before the breach is before the clock starts", "Write less than the target"
            )
        for other in warnings:
            if warn == msgspec.structs.replace(other, text=warn.text) or all(
                mark is not None and mark == other.mark(target)
                for target in targets
                for mark in [warn.mark(target)]
            ):
                each.fail(f"{other.text} and {warn.text} come at the same moment", "Take one of them out")
        warnings.append(warn)
    return tuple(warnings)


def _read(node: Node, calendar: Calendar | None) -> Warn:
    share = _SHARE.fullmatch(node.value) if isinstance(node.value, str) else None
    if share is not None:
        percent = float(share[1])
        if not 0 < percent < 100:
            when = "before the clock starts" if percent == 0 else "not before the breach"
            node.fail(
                f"a warning at {percent:g}% comes {when}",
                "Write more than 0% and less than 100%, such as 75%",
            )
        return Warn(f"{percent:g}%", percent)
    if isinstance(node.value, str) and "%" in node.value:
        node.fail(f"{node.value!r} is no warning", "Write a share of the target, 75%, or a span before, 30m")
    span = read_span(node, calendar)
    if not (span.micros or span.days):
        node.fail(f"a warning {span.text} before the breach comes with it", "Write a span such as 30m")
    return Warn(span.text, span=msgspec.structs.replace(span, text=""))


def _too_early(warn: Warn, target: Span) -> bool:
    if warn.span.days:
        return 0 < target.days <= warn.span.days
    mark = warn.mark(target)
    return mark is not None and mark <= 0
