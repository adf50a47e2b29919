"""What the tests of other service desks expect of working time.

The facts lie outside this repository; WORKING_TIME_FACTS names another file of the same form.
"""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.core.calendar import ALWAYS, Calendar, due
from streams.core.clocks.run import Run, run_from
from streams.core.document import Node
from streams.core.spans import Span, read_span
from streams.core.timestamps import SECOND

Fact = dict[str, Any]

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def facts_file() -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared/conformance/working_time.json"
    return Path(os.environ.get("WORKING_TIME_FACTS") or beside)


def facts() -> list[Any]:
    path = facts_file()
    if not path.exists():
        absent = pytest.mark.skip(reason=f"no working-time facts at {path}; WORKING_TIME_FACTS names others")
        return [pytest.param({}, {}, id="absent", marks=absent)]
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        pytest.param(fact, content["calendars"][fact["calendar"]], id=f"{fact['id']}-{fact['op']}")
        for fact in content["cases"]
    ]


def seconds_of_day(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def month_and_day(text: str) -> tuple[int, int]:
    month, day = text.split("-")
    return int(month), int(day)


def build(description: Fact) -> Calendar:
    return Calendar(
        description["timezone"],
        {
            WEEKDAYS.index(weekday): [(seconds_of_day(start), seconds_of_day(end)) for start, end in windows]
            for weekday, windows in description["hours"].items()
        },
        holidays=[date.fromisoformat(day) for day in description["holidays"]],
        yearly_holidays=[month_and_day(day) for day in description["yearly_holidays"]],
    )


def moment(text: str, zone: str) -> int:
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        read = read.replace(tzinfo=ZoneInfo(zone))
    return (read - EPOCH) // timedelta(microseconds=1)


def shown(at: int, zone: str) -> str:
    return str((EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone)).replace(tzinfo=None))


def closing_time(calendar: Calendar, at: int) -> int:
    """When the local day of `at` closes for the last time."""
    day = (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(calendar.zone)).date()
    midnight = moment(f"{day + timedelta(days=1)} 00:00:00", calendar.zone)
    return calendar.subtract(midnight, 1) + 1


def span(text: str) -> Span:
    """A target: its days are working days."""
    return read_span(Node(text.replace("day", "working day")), ALWAYS)


def target_met(run: Run, fact: Fact) -> int:
    met = run.due(span(fact["target"]))
    return closing_time(run.calendar, met) if fact["end_of_day"] else met


def escalated(run: Run, offset: dict[str, int], at: int) -> int:
    (unit, amount), *more = offset.items()
    assert not more
    if amount < 0:
        return run.before(at, span(f"{-amount} {unit}"))
    return run_from(at, run.calendar, run.pauses).due(span(f"{amount} {unit}"))


def clock(calendar: Calendar, fact: Fact, start: int) -> int:
    """The moment a clock fact asks for, or the seconds."""
    pauses = sorted((moment(a, calendar.zone), moment(b, calendar.zone)) for a, b in fact["pauses"])
    run = run_from(start, calendar, pauses if "without pauses" not in fact["what"] else [])
    match fact["what"]:
        case "paused working seconds":
            return run.paused(max((end for _, end in pauses), default=start)) // SECOND
        case "due without pauses" | "due with pauses":
            return target_met(run, fact)
        case "escalation without pauses" | "escalation with pauses":
            return escalated(run, fact["escalation_offset"], target_met(run, fact))
        case what:
            raise AssertionError(f"unknown question {what!r}")


@pytest.mark.parametrize(("fact", "description"), facts())
def test_agrees_with_other_service_desks(fact: Fact, description: Fact) -> None:
    calendar = build(description)
    start = moment(fact["start"], calendar.zone)
    match fact["op"]:
        case "between":
            micros = calendar.worked(start, moment(fact["end"], calendar.zone))
            # The facts that contradict all others store 1 second where there is none.
            expected = fact["expected_seconds"] if fact["agrees_with_reference"] else 0
            assert micros / SECOND == expected
            return
        case "add":
            pauses = [(moment(a, calendar.zone), moment(b, calendar.zone)) for a, b in fact.get("pauses", [])]
            answer = due(calendar, start, fact["seconds"] * SECOND, pauses)
        case "subtract":
            answer = calendar.subtract(start, fact["seconds"] * SECOND)
        case "add_days":
            answer = calendar.add_days(start, fact["days"])
        case "clock":
            answer = clock(calendar, fact, start)
        case op:
            raise AssertionError(f"unknown operation {op!r}")
    if isinstance(fact["expected"], int):
        assert answer == fact["expected"]
    else:
        assert shown(answer, fact["expected_zone"]) == fact["expected"]
