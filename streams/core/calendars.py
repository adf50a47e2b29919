"""The `calendars` of a configuration.

    support:
      zone: Europe/Berlin
      open: {mon-thu: "09:00-12:30 13:30-18:00", fri: "09:00-15:00"}
      holidays: [DE-BE, 2026-12-24, "12-31", {ical: team.ics}]
      not_holidays: ["11-11", 2026-05-15, Rosenmontag]

A holiday is a date, a yearly `month-day`, a country with an optional subdivision, as the
`holidays` library names them (ISO 3166-1 and -2), or a file of whole-day events.

The core reads no files, and what it reads must be the same wherever the log is replayed. Here the
file is plain data already: `{ical: team.ics, days: {2026-12-24: Betriebsruhe}}`, as
`streams.holiday_files` writes it.

Files and countries bring days that are worked all the same. `not_holidays` takes them out whoever
brings them: dates, yearly days, and names, which follow a movable day through the years (capitals do
not matter; those of a country are in its own language). `list_holidays` says which days are left.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays

from streams.core.calendar import Calendar
from streams.core.document import Node, did_you_mean

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COUNTRY = re.compile(r"([A-Z]{2})(?:-(.+))?")
_AND = "; "  # between the names of several holidays on one day, as the `holidays` library puts them
# In which a name is looked for: files are read up to 2050.
_SOME_YEARS = [date(2000, 1, 1) + timedelta(days=i) for i in range(51 * 365 + 13)]
_WINDOW = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


class Holiday(NamedTuple):
    """A day that counts as a holiday.

    name: empty where the configuration gives none. source: the entry of `holidays` that brings it, as
    written: `DE-BE`, `2026-12-24`, `12-31`, or the path of the file.
    """

    day: date
    name: str
    source: str


class _Source(NamedTuple):
    """An entry of `holidays`: as written, and the names of the holidays it puts on a day."""

    text: str
    names: Callable[[date], Iterable[str]]


def read_zone(node: Node) -> str:
    name = node.text(example="a zone such as Europe/Berlin")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        node.fail(f"{name!r} is no time zone", "Write an IANA name such as Europe/Berlin or UTC")
    return name


def read_calendar(node: Node, zone: str) -> Calendar:
    """The calendar; `zone` holds where it names none of its own. Raises Problem."""
    node.keys("zone", "holidays", "not_holidays", required=("open",))
    own = node.get("zone")
    windows: dict[int, list[tuple[int, int]]] = {}
    for days, each in node["open"].items():
        for day in _read_days(days, each):
            if day in windows:
                each.fail(f"{_DAYS[day]} is given twice", "Name each day once", key=True)
            windows[day] = _read_windows(each)
    holidays_on = _read_holidays(node)
    try:
        return Calendar(
            read_zone(own) if own else zone,
            windows,
            is_holiday=(lambda day: bool(holidays_on(day))) if holidays_on else None,
        )
    except ValueError as error:
        node["open"].fail(str(error), 'Write for example {mon-fri: "09:00-17:00"}')


def list_holidays(calendar: Node, first: date, last: date) -> list[Holiday]:
    """What counts as a holiday from `first` to `last`, by day, then in the order of `holidays`.

    A day that several entries bring is there several times. Raises Problem.
    """
    holidays_on = _read_holidays(calendar)
    if holidays_on is None:
        return []
    days = (first + timedelta(days=i) for i in range((last - first).days + 1))
    return [holiday for day in days for holiday in holidays_on(day)]


def _read_days(days: str, node: Node) -> range:
    first, _, last = days.partition("-")
    if first not in _DAYS or (last or first) not in _DAYS or _DAYS.index(last or first) < _DAYS.index(first):
        node.fail(
            f"{days!r} is no day",
            "Write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri",
            key=True,
        )
    return range(_DAYS.index(first), _DAYS.index(last or first) + 1)


def _read_windows(node: Node) -> list[tuple[int, int]]:
    remedy = 'Write one or several windows: "09:00-12:30 13:30-18:00"'
    text = node.text(example="windows")
    windows = []
    for part in text.split():
        match = _WINDOW.fullmatch(part)
        if match is None:
            node.fail(f"{part!r} is no window", remedy)
        hours = [int(group) for group in match.groups()]
        windows.append((hours[0] * 3600 + hours[1] * 60, hours[2] * 3600 + hours[3] * 60))
    return windows


def _read_holidays(calendar: Node) -> Callable[[date], list[Holiday]] | None:
    """The holidays on a day, by `holidays` and `not_holidays`; None where there is no such list."""
    listed, excluded = calendar.get("holidays"), calendar.get("not_holidays")
    sources = [_read_source(each) for each in listed.one_or_many()] if listed else []
    dates: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    names: set[str] = set()
    for each in excluded.one_or_many() if excluded else ():
        text = each.text(example="a date, a yearly day or the name of a holiday")
        try:
            if day := _date(text):
                dates.add(day)
            elif month_and_day := _yearly(text):
                yearly.add(month_and_day)
            else:
                _check_name(text, each, sources)
                names.add(text.casefold())
        except ValueError:
            each.fail(f"{text!r} is no day", 'Write a date (2026-12-24) or a yearly day ("12-24")')

    def on(day: date) -> list[Holiday]:
        if day in dates or (day.month, day.day) in yearly:
            return []
        return [
            Holiday(day, name, source.text)
            for source in sources
            for name in source.names(day)
            if name.casefold() not in names
        ]

    return on if sources else None


def _read_source(node: Node) -> _Source:
    if isinstance(node.value, dict):
        return _read_file(node)
    text = node.text(example="a date or a country")
    remedy = 'Write a date (2026-12-24), a yearly day ("12-24") or a country with its region (DE-BE)'
    try:
        if only := _date(text):
            return _Source(text, lambda day: ("",) if day == only else ())
        if yearly := _yearly(text):
            return _Source(text, lambda day: ("",) if (day.month, day.day) == yearly else ())
        match = _COUNTRY.fullmatch(text)
        if match is None:
            raise ValueError
        return _Source(text, _country(match[1], match[2]).get_list)
    except (ValueError, NotImplementedError):
        node.fail(f"{text!r} is no holiday", remedy)


def _country(code: str, region: str | None) -> holidays.HolidayBase:
    # Left to itself the library names the days in the language of the machine's user: the same rules
    # would exclude other days elsewhere.
    language = holidays.country_holidays(code, subdiv=region).default_language
    return holidays.country_holidays(code, subdiv=region, language=language)


def _read_file(node: Node) -> _Source:
    node.keys(required=("ical", "days"))
    path = node["ical"].text(example="the path of a file: team.ics")
    named: dict[date, tuple[str, ...]] = {}
    for text, each in node["days"].items():
        try:
            named[date.fromisoformat(text)] = tuple(each.text(example="its name").split(_AND))
        except ValueError:
            each.fail(f"{text!r} is no date", "Write for example 2026-12-24", key=True)
    return _Source(path, lambda day: named.get(day, ()))


def _date(text: str) -> date | None:
    """The date that `text` is; None where it does not look like one. Raises ValueError for no such day."""
    return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None


def _yearly(text: str) -> tuple[int, int] | None:
    """Month and day likewise."""
    if not re.fullmatch(r"\d{2}-\d{2}", text):
        return None
    leap = date.fromisoformat(f"2000-{text}")
    return leap.month, leap.day


def _check_name(text: str, node: Node, sources: Iterable[_Source]) -> None:
    known = {name for source in sources for day in _SOME_YEARS for name in source.names(day)} - {""}
    if text.casefold() not in {name.casefold() for name in known}:
        node.fail(
            f"no holiday listed here is called {text!r}",
            f"{did_you_mean(text, known)}Write its name as listed, a date (2026-12-24) or a yearly day",
        )
