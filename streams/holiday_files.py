"""Holidays from iCal files, put into the plain data of a configuration before the core reads it.

    calendars:
      support:
        holidays: [DE-BE, {ical: team.ics}]

becomes `{ical: team.ics, days: {"2026-12-24": "Betriebsruhe"}}`: the rules travel in the log, and must
be the same wherever it is replayed. What a file holds is therefore part of the rules' version. The path
is relative to the configuration.

What counts (RFC 5545):

* Whole days: events with dates, the end exclusive, and events from midnight to midnight in their own
  zone, or that of the calendar where the file gives them in UTC. Others are no holidays; a file without
  any whole day is refused.
* Recurring events, with their exceptions, additions and moved occurrences, up to the end of 2050.
* Not what is cancelled, be it an event or one of its occurrences.
* Whether an event shows as free (TRANSP) makes no difference: holiday feeds mark all theirs so.

A feed may hold days that are worked all the same; `not_holidays` (see `streams.core.calendars`) takes
those out.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events  # type: ignore[import-untyped]

from streams.core.document import Node, Problems

LAST_YEAR = 2050
"""Up to which recurring events are followed. Fixed: rules must not change because a year went by."""
MAX_BYTES = 5 << 20
"""Size of the largest file that is read."""
MAX_DAYS = 5_000
"""How many holidays a file may hold, all years together."""

# What icalendar says of the type of a property is any of thirty.
Component = Any

_DAY = timedelta(days=1)
_ONCE = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "SEQUENCE"})
_DECISIVE = _ONCE | {"RDATE", "EXDATE"}
_TOO_OFTEN = frozenset({"HOURLY", "MINUTELY", "SECONDLY"})


def inline(document: Mapping[str, Any], folder: Path, problems: Problems) -> dict[str, Any]:
    """`document` with the holidays of its files in it; files are looked for in `folder`.

    What is wrong with a file is added to `problems`, at the place that names it, and the file then has
    no days. What else is wrong with the document is left as it is, for `streams.core.rules`.
    """
    inlined = dict(document)
    if isinstance(document.get("calendars"), dict):
        inlined["calendars"] = {
            name: _calendar(each, folder, document.get("zone"), problems)
            for name, each in Node(document)["calendars"].items()
        }
    return inlined


def _calendar(node: Node, folder: Path, zone: Any, problems: Problems) -> Any:
    listed = node.get("holidays") if isinstance(node.value, dict) else None
    if listed is None:
        return node.value
    holidays = [
        _entry(each, folder, node.value.get("zone") or zone, problems) for each in listed.one_or_many()
    ]
    return {**node.value, "holidays": holidays if isinstance(listed.value, list) else holidays[0]}


def _entry(node: Node, folder: Path, zone: Any, problems: Problems) -> Any:
    if not isinstance(node.value, dict):
        return node.value
    # What cannot be read is reported here and not again by whoever reads the calendar.
    file, days = "?", {}
    with problems.collect():
        node.keys(required=("ical",))
        file = node["ical"].text(example="the path of a file: team.ics")
        read = _read(node["ical"], file, folder, _zone(zone))
        days = {day.isoformat(): "; ".join(sorted(names)) for day, names in sorted(read.items())}
    return {"ical": file, "days": days}


def _zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        return ZoneInfo("UTC")  # one that is wrong is reported by whoever reads the calendar


def _read(node: Node, file: str, folder: Path, zone: ZoneInfo) -> dict[date, set[str]]:
    """The holidays of a file with their names."""
    days: dict[date, set[str]] = {}
    for calendar in _parsed(node, file, folder):
        zones = calendar.walk("VTIMEZONE")
        found = calendar.walk("VEVENT")
        for event in found:
            _check(node, file, event)
        for events in _series(found):
            if not any(_whole_days(event, zone) for event in events):
                continue
            # One at a time, so that an error can name the event.
            alone = icalendar.Calendar()
            for component in (*zones, *events):
                alone.add_component(component)
            try:
                occurrences = recurring_ical_events.of(alone).between(
                    date(1900, 1, 1), date(LAST_YEAR + 1, 1, 1)
                )
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
                _refuse(node, file, events[0], str(error))
            for occurrence in occurrences:
                if str(occurrence.get("STATUS")).upper() != "CANCELLED":
                    for day in _whole_days(occurrence, zone):
                        days.setdefault(day, set()).add(_name(occurrence))
            if len(days) > MAX_DAYS:
                _refuse(node, file, events[0], f"with it there are more than {MAX_DAYS:,} holidays")
    if not days:
        node.fail(f"{file} has no whole-day events", "Holidays are events of whole days: export those")
    return days


def _parsed(node: Node, file: str, folder: Path) -> list[Component]:
    remedy = "Name an iCal file (.ics) by its path, relative to this one"
    try:
        with (folder / file).open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        node.fail(f"there is no file {file}", remedy)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        node.fail(f"{file} cannot be read: {why}", remedy)
    if len(content) > MAX_BYTES:
        node.fail(f"{file} is larger than {MAX_BYTES >> 20} MiB", remedy)
    try:
        components = icalendar.Calendar.from_ical(content.decode("utf-8-sig"), multiple=True)
    except UnicodeDecodeError:
        node.fail(f"{file} is not UTF-8", "Save it as UTF-8")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        node.fail(f"{file} is no iCal file: {error}", remedy)
    calendars = [each for each in components if each.name == "VCALENDAR"]
    if not calendars:
        node.fail(f"{file} is no iCal file: it has no calendar that begins and ends", remedy)
    return calendars


def _check(node: Node, file: str, event: Component) -> None:
    for name, why in event.errors:
        if name in _DECISIVE:
            _refuse(node, file, event, f"{name}: {why}")
    for name in sorted(_ONCE):
        # A property that stands twice is read as a list.
        if isinstance(event.get(name), list):
            _refuse(node, file, event, f"{name} is given twice")
    start, end = event.get("DTSTART"), event.get("DTEND")
    if not isinstance(getattr(start, "dt", None), date):
        _refuse(node, file, event, "it does not say when it begins (DTSTART)")
    if end is not None:
        try:
            backwards = end.dt < start.dt
        except TypeError:
            _refuse(node, file, event, "only one of its beginning and its end has a time of day, or a zone")
        if backwards:
            _refuse(node, file, event, "it ends before it begins")
    if (rule := event.get("RRULE")) and _TOO_OFTEN.intersection(map(str, rule.get("FREQ", ()))):
        _refuse(node, file, event, "it recurs more often than daily")


def _series(events: list[Component]) -> Iterable[list[Component]]:
    """Each recurring event with its changed occurrences and its earlier revisions; others alone."""
    series: dict[str, list[Component]] = {}
    seen: set[tuple[str, int]] = set()
    for number, event in enumerate(events):
        uid = str(event.get("UID", f"#{number}"))
        if "RECURRENCE-ID" not in event:
            revision = uid, int(event.get("SEQUENCE", 0))
            # Feeds that give several events one id mean all of them.
            uid = f"#{number}" if revision in seen else uid
            seen.add(revision)
        series.setdefault(uid, []).append(event)
    return series.values()


def _refuse(node: Node, file: str, event: Component, why: str) -> NoReturn:
    start = event.get("DTSTART")
    when = f" on {start.dt}" if isinstance(start, icalendar.vDDDTypes) else ""
    node.fail(
        f"{file}: the event {_name(event)!r}{when}: {why}", "Correct it where the file comes from, or in it"
    )


def _name(event: Component) -> str:
    return " ".join(str(event.get("SUMMARY", "")).split()) or "no name"


def _whole_days(event: Component, zone: ZoneInfo) -> list[date]:
    """The days of an event that takes whole days; none for others."""
    start = end = event["DTSTART"].dt
    if "DTEND" in event:
        end = event["DTEND"].dt
    elif "DURATION" in event:
        end = start + event["DURATION"].dt
    if isinstance(start, datetime):
        start, end = _local(start, zone), _local(end, zone)
        if start == end or start.time() != time() or end.time() != time():
            return []
    # An end that is no later is a frequent mistake for a single day.
    count = max(1, (end - start).days)
    first = date(start.year, start.month, start.day)
    return [first + i * _DAY for i in range(min(count, MAX_DAYS + 1))]


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    """The clock time where the event is; in `zone` where the file says UTC, which is nobody's midnight."""
    return (at.astimezone(zone) if at.tzname() == "UTC" else at).replace(tzinfo=None)
