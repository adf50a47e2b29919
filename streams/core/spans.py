"""Spans as people write them: `30m`, `8d`, `6 weeks`, `4 working hours`, `2 working days`.

A plain span is elapsed time. A *working* span counts in a calendar: working hours add open
time; working days keep the clock time and count days that are open, so that two working days
from Friday 16:00 are Tuesday 16:00 whatever the opening hours are.
"""

import re

import msgspec

from streams.core.calendar import Calendar
from streams.core.document import Node
from streams.core.timestamps import DAY, HOUR, MINUTE, SECOND

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_NAMES = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}
_PART = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(working\s+)?([a-z]+)\s*")
_LONGEST = 3660 * DAY
_SOME_MONDAY = 19723 * DAY


class Span(msgspec.Struct, frozen=True):
    """A span: `text` as written; `micros` of elapsed or working time, or a number of working `days`."""

    text: str
    micros: int = 0
    days: int = 0
    working: bool = False

    def after(self, start: int, calendar: Calendar) -> int:
        """The moment at which this span is over when it begins at `start`."""
        if self.days:
            return calendar.add_days(start, self.days)
        return calendar.add(start, self.micros) if self.working else start + self.micros


NO_SPAN = Span("0s")


def read_span(node: Node, calendar: Calendar | None) -> Span:
    """The span that `node` holds.

    Raises Problem when it is none, has no unit, is longer than ten years, or is working time that
    no calendar describes, or that the calendar does not have.
    """
    remedy = "Write a number and a unit: 30m, 8h, 8d, 6 weeks, 4 working hours, 2 working days"
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        node.fail(f"the span {node.value} has no unit", remedy)
    text = node.text(example="a span such as 8h")
    micros, days, working, end = 0.0, 0, False, 0
    while end < len(text):
        part = _PART.match(text, end)
        unit = _NAMES.get(part[3]) if part else None
        if part is None or unit is None:
            unitless = re.fullmatch(r"\s*\d+(\.\d+)?\s*", text)
            node.fail(f"the span {text!r} has no unit" if unitless else f"{text!r} is not a span", remedy)
        if part[2] and unit in "dw":
            if "." in part[1] or unit == "w":
                node.fail(f"{text!r} is not a span", "Write whole working days: 10 working days")
            days += int(part[1])
        else:
            micros += float(part[1]) * _UNITS[unit]
        working = working or bool(part[2])
        end = part.end()
    if days and micros:
        node.fail(
            f"{text!r} mixes working days with other units", "Write either working days or working hours"
        )
    if working and calendar is None:
        node.fail(f"{text!r} needs a calendar", "Add `calendar: NAME` beside it, one of `calendars`")
    if max(micros, days * DAY) > _LONGEST:
        node.fail(f"the span {text!r} is longer than ten years", remedy)
    span = Span(text, round(micros), days, working)
    if calendar is not None:
        try:
            calendar.add(calendar.add_days(_SOME_MONDAY, span.days), span.micros)
        except ValueError:
            node.fail(f"the calendar never has {text!r} of open time", "Write less, or open it longer")
    return span
