"""Which days of a calendar are holidays: those it lists, those of countries, and those read from files."""

from datetime import date, timedelta
from typing import Any

import pytest

from streams.core.calendars import list_holidays, read_calendar
from streams.core.document import Node, Problem
from streams.core.timestamps import from_rfc3339

OPEN = {"mon-sun": "09:00-17:00"}


def listed(first: str, last: str, **calendar: Any) -> list[tuple[str, str, str]]:
    node = Node({"open": OPEN, **calendar})
    found = list_holidays(node, date.fromisoformat(first), date.fromisoformat(last))
    # What is listed is what the calendar does.
    days = {holiday.day for holiday in found}
    read = read_calendar(node, "UTC")
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        assert read.is_open(from_rfc3339(f"{day}T12:00:00Z")) == (day not in days)
        day += timedelta(days=1)
    return [(holiday.day.isoformat(), holiday.name, holiday.source) for holiday in found]


def refused(**calendar: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read_calendar(Node({"open": OPEN, **calendar}), "UTC")
    return caught.value


FILE = {"ical": "team.ics", "days": {"2026-11-11": "St. Martin", "2026-12-24": "Betriebsruhe; Heiligabend"}}


def test_holidays_are_listed_with_their_names_and_where_they_come_from() -> None:
    assert listed("2026-11-01", "2026-12-31", holidays=["DE-BE", "2026-12-27", "12-31", FILE]) == [
        ("2026-11-11", "St. Martin", "team.ics"),
        ("2026-12-24", "Betriebsruhe", "team.ics"),
        ("2026-12-24", "Heiligabend", "team.ics"),
        ("2026-12-25", "Erster Weihnachtstag", "DE-BE"),
        ("2026-12-26", "Zweiter Weihnachtstag", "DE-BE"),
        ("2026-12-27", "", "2026-12-27"),
        ("2026-12-31", "", "12-31"),
    ]


def test_one_alone_needs_no_list() -> None:
    assert listed("2026-11-01", "2026-11-30", holidays=FILE) == [("2026-11-11", "St. Martin", "team.ics")]
    assert listed("2026-12-25", "2026-12-25", holidays="NO") == [("2026-12-25", "Første juledag", "NO")]


def test_a_calendar_without_holidays_lists_none() -> None:
    assert listed("2026-12-20", "2026-12-31") == []
    assert listed("2026-12-20", "2026-12-31", not_holidays=["12-25"]) == []


@pytest.mark.parametrize("excluded", ["2026-11-11", "11-11", "St. Martin", ["ST. MARTIN"]])
def test_a_day_can_be_taken_out_by_date_month_day_and_name(excluded: Any) -> None:
    assert listed("2026-11-01", "2026-11-30", holidays=[FILE], not_holidays=excluded) == []


def test_a_date_is_taken_out_in_its_year_only_and_a_name_in_every_year() -> None:
    def years(excluded: str) -> set[str]:
        return {
            day[:4]
            for day, name, _ in listed("2025-01-01", "2027-12-31", holidays="DE-BE", not_holidays=excluded)
            if name == "Karfreitag"
        }

    assert years("2026-04-03") == {"2025", "2027"}
    assert years("Karfreitag") == set()


@pytest.mark.parametrize("language", ["de", "en_US", "uk"])
def test_names_do_not_depend_on_the_language_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("LANGUAGE", language)
    assert listed("2026-04-03", "2026-04-03", holidays="DE") == [("2026-04-03", "Karfreitag", "DE")]
    assert listed("2026-04-03", "2026-04-03", holidays="US-LA") == [("2026-04-03", "Good Friday", "US-LA")]


def test_a_name_leaves_the_other_holidays_of_its_day() -> None:
    assert listed("2026-12-24", "2026-12-24", holidays=[FILE], not_holidays=["Heiligabend"]) == [
        ("2026-12-24", "Betriebsruhe", "team.ics")
    ]


@pytest.mark.parametrize(
    ("calendar", "message", "remedy"),
    [
        (
            {"holidays": "DE", "not_holidays": "Karfreitg"},
            "no holiday listed here is called 'Karfreitg'",
            "Did you mean 'Karfreitag'?",
        ),
        ({"holidays": "DE", "not_holidays": ["02-30"]}, "'02-30' is no day", "Write a date"),
        ({"holidays": "2026-02-30"}, "'2026-02-30' is no holiday", "Write a date"),
        ({"holidays": "DE-XX"}, "'DE-XX' is no holiday", "Write a date"),
        ({"holidays": {"ical": "team.ics"}}, "'holidays' lacks 'days'", "Add a line"),
        (
            {"holidays": {"ical": "team.ics", "days": {"2026-02-30": "x"}}},
            "'2026-02-30' is no date",
            "2026-12-24",
        ),
        (
            {"holidays": {"ical": "team.ics", "days": {"2026-02-03": 1.5}}},
            "'2026-02-03' is the number 1.5",
            "name",
        ),
    ],
)
def test_what_is_no_holiday_is_refused(calendar: dict[str, Any], message: str, remedy: str) -> None:
    problem = refused(**calendar)
    assert message in str(problem)
    assert remedy in problem.remedy
