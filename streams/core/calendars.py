"""The `calendars` of a configuration.

    support:
      zone: Europe/Berlin
      open: {mon-thu: "09:00-12:30 13:30-18:00", fri: "09:00-15:00"}
      holidays: [DE-BE, 2026-12-24, "12-31"]

A holiday is a date, a yearly `month-day`, or a country with an optional subdivision, as the
`holidays` library names them (ISO 3166-1 and -2).
"""

import re
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

import holidays

from streams.core.calendar import Calendar
from streams.core.document import Node

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COUNTRY = re.compile(r"([A-Z]{2})(?:-(.+))?")
_WINDOW = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


def read_zone(node: Node) -> str:
    name = node.text(example="a zone such as Europe/Berlin")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        node.fail(f"{name!r} is no time zone", "Write an IANA name such as Europe/Berlin or UTC")
    return name


def read_calendar(node: Node, zone: str) -> Calendar:
    """The calendar; `zone` holds where it names none of its own. Raises Problem."""
    node.keys("zone", "holidays", required=("open",))
    own = node.get("zone")
    windows: dict[int, list[tuple[int, int]]] = {}
    for days, each in node["open"].items():
        for day in _read_days(days, each):
            if day in windows:
                each.fail(f"{_DAYS[day]} is given twice", "Name each day once", key=True)
            windows[day] = _read_windows(each)
    dates: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    public: list[Callable[[date], bool]] = []
    if listed := node.get("holidays"):
        for each in listed.one_or_many():
            _read_holiday(each, dates, yearly, public)
    try:
        return Calendar(
            read_zone(own) if own else zone,
            windows,
            dates,
            yearly,
            (lambda day: any(each(day) for each in public)) if public else None,
        )
    except ValueError as error:
        node["open"].fail(str(error), 'Write for example {mon-fri: "09:00-17:00"}')


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


def _read_holiday(
    node: Node, dates: set[date], yearly: set[tuple[int, int]], public: list[Callable[[date], bool]]
) -> None:
    text = node.text(example="a date or a country")
    remedy = 'Write a date (2026-12-24), a yearly day ("12-24") or a country with its region (DE-BE)'
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            dates.add(date.fromisoformat(text))
        elif re.fullmatch(r"\d{2}-\d{2}", text):
            leap = date.fromisoformat(f"2000-{text}")
            yearly.add((leap.month, leap.day))
        else:
            match = _COUNTRY.fullmatch(text)
            if match is None:
                raise ValueError
            public.append(holidays.country_holidays(match[1], subdiv=match[2]).__contains__)
    except (ValueError, NotImplementedError):
        node.fail(f"{text!r} is no holiday", remedy)
