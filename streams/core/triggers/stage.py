"""Stage age: the record has been in its present stage for a span.

when: {in_stage: 6 weeks}
"""

from typing import Any, ClassVar

import msgspec

from streams.core.calendar import ALWAYS, Calendar
from streams.core.document import Node
from streams.core.record import Record
from streams.core.spans import Span, read_span
from streams.core.timestamps import duration, rfc3339


class InStage(msgspec.Struct, frozen=True):
    reads: ClassVar[frozenset[str]] = frozenset({"stage", "entered"})
    remembers: ClassVar[bool] = False

    span: Span
    calendar: Calendar

    def since(self, record: Record, before: Record | None, held: int | None, at: int) -> int | None:
        return None if record.stage is None else self.span.after(record.entered, self.calendar)

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        return f"in stage {record.stage} for {duration(at - record.entered)}", {
            "stage": record.stage,
            "entered": rfc3339(record.entered),
            "limit": self.span.text,
            "due": rfc3339(self.span.after(record.entered, self.calendar)),
        }


def read(when: Node, calendar: Calendar | None) -> InStage:
    when.keys("calendar", required=("in_stage",))
    return InStage(read_span(when["in_stage"], calendar), calendar or ALWAYS)
