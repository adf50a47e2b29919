"""Untouched: nobody has touched the record for a span.

    when: {untouched: 2 working days, calendar: support}

Every change of the record is a touch, but for snapshot reads; a feed whose mapping names a
`touched` column counts that column's time instead.

    when:
      untouched:
        for: 2 working days
        by: [person, customer]
        fields: [stage, owner, said]
        unless_planned: true
      calendar: support

Only changes by these authors are touches, and only those that alter one of these fields; `said` is a
message. With `by`, a change of which nobody knows the author is no touch. Counting begins with the
record, or with the latest change by anybody where a path is new to it. With `unless_planned` it goes
on from the moment of the next planned activity, where that is later; whoever plans another, or none,
has touched the record.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, get_args

from streams.core.calendar import ALWAYS, Calendar
from streams.core.document import Node
from streams.core.entries import Author
from streams.core.record import FACTS, MOMENTS, Record
from streams.core.spans import Span, read_span
from streams.core.timestamps import duration, rfc3339
from streams.core.triggers.trigger import Now, Trigger

AUTHORS: tuple[Author, ...] = get_args(Author)


class Untouched(Trigger, frozen=True):
    """Every change is a touch."""

    reads: ClassVar[frozenset[str]] = frozenset({"touched"})

    span: Span
    calendar: Calendar

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        return self.span.after(record.touched, self.calendar)

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        return f"untouched for {duration(at - record.touched)}", {
            "touched": rfc3339(record.touched),
            "limit": self.span.text,
            "due": rfc3339(self.span.after(record.touched, self.calendar)),
        }


class UntouchedBy(Trigger, frozen=True):
    """Only changes by some authors, or of some fields, are touches; empty for all of them.

    What it remembers is when it is due: the latest touch that counts lies the span before.
    """

    # Nearly every change moves `touched`; the others are for one that comes late, which does not.
    reads: ClassVar[frozenset[str]] = FACTS | {"touched", "planned", "heard"}
    remembers: ClassVar[bool] = True

    span: Span
    calendar: Calendar
    by: frozenset[Author]
    fields: frozenset[str]
    unless_planned: bool

    def needs(self) -> frozenset[str]:
        asked = {"by": bool(self.by), "planned": self.unless_planned}
        return self.fields | {name for name, needed in asked.items() if needed}

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        if held is None or before is None or before.deleted:
            return self._due(record, record.touched)
        if self.unless_planned and record.planned != before.planned:
            return self._due(record, now.when)
        touched = self._touched(record, now)
        return held if touched is None else max(held, self._due(record, touched))

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        names = sorted("said" if name == "heard" else name for name in self.fields)
        what = f" in its {_either(names)}" if names else ""
        by = f" by {_either(sorted(self.by))}" if self.by else ""
        planned = record.planned if self.unless_planned else None
        return f"untouched{what}{by} for {self.span.text}", {
            "by": sorted(self.by) or "anybody",
            "fields": names or "any",
            "limit": self.span.text,
            "touched by anybody": rfc3339(record.touched),
            "planned": None if planned is None else rfc3339(planned),
        }

    def _due(self, record: Record, touched: int) -> int:
        if self.unless_planned and record.planned is not None:
            touched = max(touched, record.planned)
        return self.span.after(touched, self.calendar)

    def _touched(self, record: Record, now: Now) -> int | None:
        """When the change that happens `now` touched the record; None if it is no touch that counts."""
        if (self.by and now.by not in self.by) or (self.fields and self.fields.isdisjoint(now.changed)):
            return None
        if "touched" in now.changed:
            return record.touched
        # Late, or at the moment of the latest touch; a snapshot is read after all of them.
        return now.when if now.changed and now.when <= record.touched else None


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)


def read(when: Node, calendar: Calendar | None) -> Untouched | UntouchedBy:
    when.keys("calendar", required=("untouched",))
    node = when["untouched"]
    if not isinstance(node.value, dict):
        return Untouched(read_span(node, calendar), calendar or ALWAYS)
    node.keys("by", "fields", "unless_planned", required=("for",))
    span = read_span(node["for"], calendar)
    by, fields, planned = node.get("by"), node.get("fields"), node.get("unless_planned")
    authors = frozenset(_read_author(each) for each in by.one_or_many()) if by else frozenset()
    names = frozenset(_read_field(each) for each in fields.one_or_many()) if fields else frozenset()
    for given, chosen in ((by, authors), (fields, names)):
        if given is not None and not chosen:
            given.fail(f"the list of {given.name!r} is empty", "Take it out, and all count", key=True)
    unless_planned = planned.flag() if planned else False
    if not (authors or names or unless_planned):
        return Untouched(span, calendar or ALWAYS)
    return UntouchedBy(span, calendar or ALWAYS, authors, names, unless_planned)


def _read_author(node: Node) -> Author:
    name = node.choice(*AUTHORS)
    return next(author for author in AUTHORS if author == name)


def _read_field(node: Node) -> str:
    """The name by which a record says that the field is another."""
    name = node.text(example="the name of a field")
    if name in MOMENTS and name != "planned":
        node.fail(f"{name!r} follows from other fields", "Name those, or `said` for a message")
    return "heard" if name == "said" else name
