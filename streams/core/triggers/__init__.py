"""What makes a record a risk. Each kind of trigger has its own file and is listed in `TRIGGERS`.

A trigger answers one question: *since when does its condition hold, if nothing changes?* A
moment that has come means that it holds; one in the future is a deadline; None is never. So
one answer serves a change that arrives as well as time that passes.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from streams.core.calendar import Calendar
from streams.core.document import Node
from streams.core.record import Record
from streams.core.triggers import sla, stage, untouched, value


class Trigger(Protocol):
    """Pure and immutable.

    reads: attributes of a record on which the answer depends; while they stay, so does it.
    remembers: whether `held` matters; then it is asked even where other clauses do not hold.
    """

    reads: ClassVar[frozenset[str]]
    remembers: ClassVar[bool]

    def since(self, record: Record, before: Record | None, held: int | None, at: int) -> int | None:
        """The moment from which the condition holds for `record`, in microseconds; None is never.

        `before` is the record as it was before what happened at `at`, None when it was created
        then; `held` is what this method last answered for the record.
        """
        ...

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        """Why the condition holds at `at`: a line for people, and the arithmetic behind it."""
        ...


TRIGGERS: dict[str, Callable[[Node, Calendar | None], Trigger]] = {
    "untouched": untouched.read,
    "in_stage": stage.read,
    "clock": sla.read,
    "value": value.read,
}
"""By the key of `when` that asks for it."""


def read_trigger(when: Node, calendar: Calendar | None) -> Trigger:
    """The trigger that a path's `when` asks for. Raises Problem."""
    several = [key for key in TRIGGERS if when.has(key)]
    if len(several) > 1:
        when.fail(f"this has {' and '.join(several)}", "Write one trigger for each path")
    for key, read in TRIGGERS.items():
        if when.has(key):
            return read(when, calendar)
    when.keys("calendar", *TRIGGERS)
    when.fail("`when` names no trigger", f"Write one of: {', '.join(TRIGGERS)}")
