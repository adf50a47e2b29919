"""Moments in a file of tests: `2026-03-04 09:00` in the file's zone, with an offset from UTC of its own,
or `+2d 4h` after the test's beginning. A `+` counts elapsed time, so that `+1d` are 24 hours whatever
clocks do.

When clocks go back, a wall clock that comes twice is the earlier one, as in feeds; an offset names
the later one: `2026-10-25 02:30+01:00`. One that never comes is refused.
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from streams.core.document import Node
from streams.core.spans import read_span
from streams.core.timestamps import from_rfc3339, micros, moment
from streams.feeds.values import EARLIEST, LATEST

_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?) ?(Z|[-+]\d{2}:\d{2})?")
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{6})?Z")


class Clock:
    """Reads and shows moments. `start`: what a `+` counts from, in microseconds; None before it is known."""

    def __init__(self, zone: ZoneInfo, start: int | None = None) -> None:
        self.zone = zone
        self.start = start

    def read(self, node: Node) -> int:
        """Microseconds UTC. Raises Problem."""
        example = (
            "2026-03-04 09:00" if self.start is None else "2026-03-04 09:00, or +2d 4h from the beginning"
        )
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            node.fail(f"{node.value} is no moment", f"Write one such as {example}")
        text = node.text(example=f"a moment such as {example}")
        if text.startswith("+"):
            return self._after(node, text)
        match = _MOMENT.fullmatch(text)
        if match is None:
            node.fail(f"{text!r} is no moment", f"Write one such as {example}")
        clock = match[2] if match[2][1] != ":" else f"0{match[2]}"
        try:
            local = datetime.fromisoformat(f"{match[1]}T{clock}{match[3] or ''}")
            at = micros(self._aware(node, local) if local.tzinfo is None else local)
        except (ValueError, OverflowError) as error:
            node.fail(f"{text!r} is no moment: {error}", f"Write one such as {example}")
        if not EARLIEST <= at < LATEST:
            node.fail(f"{text!r} is hardly meant", "Write a year from 1901 to 2197")
        return at

    def _after(self, node: Node, text: str) -> int:
        if self.start is None:
            node.fail(f"{text!r} counts from nothing", "A test's `at` is a moment such as 2026-03-04 09:00")
        if "working" in text:
            node.fail(f"{text!r} would need a calendar", "Write the moment itself, such as 2026-03-04 09:00")
        return self.start + read_span(Node(text[1:], node.position), None).micros

    def _aware(self, node: Node, local: datetime) -> datetime:
        aware = local.replace(tzinfo=self.zone)
        if aware.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != local:
            node.fail(
                f"{node.value!r} never comes in {self.zone}: clocks go forward",
                "Write a moment before or after",
            )
        return aware

    def show(self, at: int) -> str:
        """As a file of tests has it."""
        local = moment(at).astimezone(self.zone)
        wall = local.replace(tzinfo=None, fold=0)
        plain = micros(wall.replace(tzinfo=self.zone)) == at
        precision = "auto" if wall.second or wall.microsecond else "minutes"
        return (wall if plain else local).isoformat(" ", precision)

    def localised(self, text: str) -> str:
        """`text` with each moment in it, RFC 3339 in UTC, as `show` has it."""
        return _RFC3339.sub(lambda match: self.show(from_rfc3339(match[0])), text)
