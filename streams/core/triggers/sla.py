"""SLA clock: the record was to be resolved within a target.

    when: {clock: resolution, target: {urgent: 4h, high: 8h, else: 3 working days}, calendar: support}

The clock starts when the record was created, stands still while the record is paused or
closed, and runs in the path's calendar: each of its spans is working time there, so `8h` and
`8 working hours` are the same target. A priority that changes re-bases the clock: the target
of the present priority counts, and the time used so far stays used.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from streams.core.calendar import ALWAYS, Calendar, due
from streams.core.document import Node
from streams.core.record import Record
from streams.core.spans import Span, read_span
from streams.core.timestamps import duration, rfc3339


class ResolutionClock(msgspec.Struct, frozen=True):
    """`targets` by priority; `otherwise` for every other priority, or None for no clock there."""

    reads: ClassVar[frozenset[str]] = frozenset({"created", "idle", "status", "priority"})
    remembers: ClassVar[bool] = False

    targets: Mapping[str, Span]
    otherwise: Span | None
    calendar: Calendar

    def target(self, record: Record) -> Span | None:
        return self.targets.get(record.priority or "", self.otherwise)

    def since(self, record: Record, before: Record | None, held: int | None, at: int) -> int | None:
        target = self.target(record)
        if target is None:
            return None
        due = self.due(record, target)
        stopped = record.idle[-1][0] if record.status != "open" and record.idle else None
        # A pause after the breach does not undo it; before the breach nothing is due until it ends.
        return due if stopped is None or due <= stopped else None

    def due(self, record: Record, target: Span) -> int:
        """When the target is used up, counted from creation without the pauses that have ended."""
        if not target.days:
            return due(self.calendar, record.created, target.micros, _pauses(record))
        day = target.after(record.created, self.calendar)
        for start, end in _pauses(record):
            if start >= day:
                break
            if worked := self.calendar.worked(max(start, record.created), end):
                day = self.calendar.add(day, worked)
        return day

    def paused(self, record: Record) -> int:
        """Working time in which the clock stood still."""
        return sum(self.calendar.worked(max(start, record.created), end) for start, end in _pauses(record))

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        target = self.target(record)
        assert target is not None, "only a clock with a target runs out"
        paused = self.paused(record)
        used = self.calendar.worked(record.created, at) - paused
        priority = f" for priority {record.priority}" if record.priority in self.targets else ""
        return f"resolution target of {target.text}{priority} used up", {
            "clock": "resolution",
            "priority": record.priority,
            "target": target.text,
            "started": rfc3339(record.created),
            "used": duration(used),
            "paused": duration(paused),
            "due": rfc3339(self.due(record, target)),
        }


def _pauses(record: Record) -> list[tuple[int, int]]:
    return [(start, end) for start, end in record.idle if end is not None]


def read(when: Node, calendar: Calendar | None) -> ResolutionClock:
    when.keys("calendar", required=("clock", "target"))
    when["clock"].choice("resolution")
    target = when["target"]
    if not isinstance(target.value, dict):
        return ResolutionClock({}, read_span(target, calendar), calendar or ALWAYS)
    spans = {priority: read_span(node, calendar) for priority, node in target.items()}
    otherwise = spans.pop("else", None)
    return ResolutionClock(spans, otherwise, calendar or ALWAYS)
