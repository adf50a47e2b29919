"""What makes a record a risk. Each kind of trigger has its own file and is listed in `TRIGGERS`."""

from collections.abc import Callable

from streams.core.calendar import Calendar
from streams.core.document import Node
from streams.core.triggers import contacts, health, sla, stage, text, untouched, value
from streams.core.triggers.trigger import Trigger as Trigger

TRIGGERS: dict[str, Callable[[Node, Calendar | None], Trigger]] = {
    "untouched": untouched.read,
    "in_stage": stage.read,
    "clock": sla.read,
    "health": health.read,
    "value": value.read,
    "text": text.read,
    "contacts": contacts.read,
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
