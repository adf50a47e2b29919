"""Untouched: nobody has touched the record for a span.

    when: {untouched: 2 working days, calendar: support}

Every change of the record is a touch, but for snapshot reads; a feed whose mapping names a
`touched` column counts that column's time instead.
"""

from typing import Any, ClassVar

import msgspec

from streams.core.calendar import ALWAYS, Calendar
from streams.core.document import Node
from streams.core.record import Record
from streams.core.spans import Span, read_span
from streams.core.timestamps import duration, rfc3339


class Untouched(msgspec.Struct, frozen=True):
    reads: ClassVar[frozenset[str]] = frozenset({"touched"})
    remembers: ClassVar[bool] = False

    span: Span
    calendar: Calendar

    def since(self, record: Record, before: Record | None, held: int | None, at: int) -> int | None:
        return self.span.after(record.touched, self.calendar)

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        return f"untouched for {duration(at - record.touched)}", {
            "touched": rfc3339(record.touched),
            "limit": self.span.text,
            "due": rfc3339(self.span.after(record.touched, self.calendar)),
        }


def read(when: Node, calendar: Calendar | None) -> Untouched:
    when.keys("calendar", required=("untouched",))
    return Untouched(read_span(when["untouched"], calendar), calendar or ALWAYS)
