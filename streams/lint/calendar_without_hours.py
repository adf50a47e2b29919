"""calendar-without-hours: holidays leave a calendar no working hour in the year to come."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from streams.core.calendar import Calendar
from streams.core.timestamps import micros
from streams.lint.finding import Finding, Subject

_YEAR = timedelta(days=365)


def check(subject: Subject) -> Iterator[Finding]:
    calendars: dict[str, Calendar] = {}
    for path in subject.paths:
        name = subject.at("paths", path.name, "when", "calendar")
        if name is not None:
            calendars[str(name)] = path.calendar
    start = datetime.combine(subject.today, datetime.min.time(), UTC)
    for name, calendar in calendars.items():
        if subject.at("calendars", name, "holidays") and not _opens(calendar, start):
            yield Finding(
                "warning",
                ("calendars", name, "holidays"),
                f"{name!r} has no working hour from {subject.today} to {subject.today + _YEAR}",
                f"`escalations calendar {name}` shows which days are holidays",
                key=True,
            )


def _opens(calendar: Calendar, start: datetime) -> bool:
    """Whether there is any working time in the year from `start` on."""
    try:
        return calendar.next_open(micros(start)) < micros(start + _YEAR)
    except ValueError:
        return False
