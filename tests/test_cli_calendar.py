"""`escalations calendar`: what a calendar counts, and where each closed day comes from."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.command import REPOSITORY, STARTERS, Done, escalations, the_command

HEAD = """\
version: 1
feeds:
  tickets: {format: debezium, topic: tickets, record: {kind: ticket, id: id}}
people: {anna: }
fallback: anna
paths:
  untouched: {about: ticket, when: {untouched: 2d}, steps: [{notify: anna}]}
"""
SUPPORT = """\
  support:
    open: {mon-thu: "9:00-12:30  13:30-18:00", fri: "09:00-15:00"}
    holidays: [DE-BE, 2026-12-24, "12-31", {ical: feeds/team.ics}]
    not_holidays: [pfingstmontag, "11-11", 2026-12-23]
"""
EVENTS = {
    "20261111": "St. Martin",
    "20261123": "Team outing",
    "20261223": "Betriebsruhe",
    "20261224": "Betriebsruhe",
}


def ical(events: dict[str, str]) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for day, name in events.items():
        lines += ["BEGIN:VEVENT", f"UID:{day}", f"SUMMARY:{name}", f"DTSTART;VALUE=DATE:{day}", "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "team.ics").write_text(ical(EVENTS), newline="")
    return tmp_path


def calendar(folder: Path, name: str, *arguments: str, calendars: str = SUPPORT) -> Done:
    text = f"{HEAD}zone: Europe/Berlin\ncalendars:\n{calendars}"
    (folder / "escalations.yaml").write_text(text)
    return escalations("calendar", name, *arguments, cwd=folder)


def counted(folder: Path, name: str, year: int, calendars: str = SUPPORT) -> dict[str, Any]:
    done = calendar(folder, name, "--year", str(year), "--json", calendars=calendars)
    assert (done.code, done.err) == (0, "")
    read: dict[str, Any] = json.loads(done.out)
    return read


def rows(listed: list[dict[str, Any]]) -> list[tuple[str, str, float, str, str]]:
    return [tuple(each[key] for key in ("day", "weekday", "hours", "name", "source")) for each in listed]


def test_it_shows_what_is_closed_by_what_and_what_is_worked_all_the_same(folder: Path) -> None:
    shown = counted(folder, "support", 2026)
    assert list(shown) == ["calendar", "zone", "year", "open", "closed", "excluded", "months", "hours"]
    assert (shown["calendar"], shown["zone"], shown["year"]) == ("support", "Europe/Berlin", 2026)
    assert shown["open"] == {"mon-thu": "9:00-12:30 13:30-18:00", "fri": "09:00-15:00"}
    closed = rows(shown["closed"])
    assert closed[0] == ("2026-01-01", "thu", 8, "Neujahr", "DE-BE")
    assert [row for row in closed if row[0] > "2026-11"] == [
        ("2026-11-23", "mon", 8, "Team outing", "feeds/team.ics"),
        ("2026-12-24", "thu", 8, "", "2026-12-24"),
        ("2026-12-24", "thu", 8, "Betriebsruhe", "feeds/team.ics"),
        ("2026-12-25", "fri", 6, "Erster Weihnachtstag", "DE-BE"),
        ("2026-12-26", "sat", 0, "Zweiter Weihnachtstag", "DE-BE"),
        ("2026-12-31", "thu", 8, "", "12-31"),
    ]
    assert rows(shown["excluded"]) == [
        ("2026-05-25", "mon", 8, "Pfingstmontag", "DE-BE"),
        ("2026-11-11", "wed", 8, "St. Martin", "feeds/team.ics"),
        ("2026-12-23", "wed", 8, "Betriebsruhe", "feeds/team.ics"),
    ]


def test_hours_are_those_that_are_left(folder: Path) -> None:
    shown = counted(folder, "support", 2026)
    assert list(shown["months"]) == [f"2026-{month:02}" for month in range(1, 13)]
    # November has 17 days of 8 hours without the outing, and 4 Fridays; December 17 without the 24th
    # and the 31st, and 3 Fridays without the 25th.
    assert shown["months"]["2026-11"] == 16 * 8 + 4 * 6
    assert shown["months"]["2026-12"] == 17 * 8 + 3 * 6
    assert shown["hours"] == sum(shown["months"].values())


def test_a_change_of_the_clocks_shows_in_the_hours(folder: Path) -> None:
    night = '  night: {zone: America/New_York, open: {mon-sun: "00:00-06:00"}, holidays: 2026-11-01}\n'
    shown = counted(folder, "night", 2026, night)
    assert shown["zone"] == "America/New_York"
    assert shown["months"]["2026-03"] == 31 * 6 - 1
    # The longer night is the closed one.
    assert shown["months"]["2026-11"] == 29 * 6
    assert rows(shown["closed"]) == [("2026-11-01", "sun", 7, "", "2026-11-01")]


def test_a_calendar_that_never_closes(folder: Path) -> None:
    always = '  always: {open: {mon-sun: "00:00-24:00"}}\n'
    shown = counted(folder, "always", 2028, always)
    assert (shown["closed"], shown["excluded"], shown["hours"]) == ([], [], 366 * 24)
    assert "No day is closed as a holiday." in calendar(folder, "always", calendars=always).out


def test_people_read_it_as_tables(folder: Path) -> None:
    done = calendar(folder, "support", "--year", "2026")
    assert (done.code, done.err) == (0, "")
    lines = [re.sub(r"\s*[│┃]\s*", " | ", line).strip(" |") for line in done.out.splitlines()]
    assert lines[0] == "support: Europe/Berlin, 2026"
    for line in (
        "mon-thu | 9:00-12:30 13:30-18:00",
        "closed | weekday | hours | holiday | source",
        "2026-11-23 | mon | 8 | Team outing | feeds/team.ics",
        "excluded | weekday | hours | holiday | source",
        "2026-11-11 | wed | 8 | St. Martin | feeds/team.ics",
        "2026-11 | 152",
    ):
        assert line in lines
    assert lines.index("2026-11-23 | mon | 8 | Team outing | feeds/team.ics") < lines.index(
        "excluded | weekday | hours | holiday | source"
    )


def test_without_a_year_it_is_this_one_in_the_zone_of_the_calendar(folder: Path) -> None:
    zone = ZoneInfo("Europe/Berlin")
    before = datetime.now(zone).year
    done = calendar(folder, "support", "--json")
    assert json.loads(done.out)["year"] in (before, datetime.now(zone).year)


def test_a_year_without_working_hours_is_a_no(folder: Path) -> None:
    whole = ical({"20260101": "Sabbatical"}).replace("END:VEVENT", "DTEND;VALUE=DATE:20270101\r\nEND:VEVENT")
    (folder / "feeds" / "team.ics").write_text(whole, newline="")
    office = '  office: {open: {mon-fri: "09:00-17:00"}, holidays: {ical: feeds/team.ics}}\n'
    done = calendar(folder, "office", "--year", "2026", "--json", calendars=office)
    assert done.code == 1
    assert done.err == "escalations: office has no working hours in 2026\n"
    assert json.loads(done.out)["hours"] == 0


@pytest.mark.parametrize(
    ("calendars", "said"),
    [
        (SUPPORT, "there is no calendar 'suport'. Did you mean 'support'? Known: support"),
        ("", "there is no calendar 'suport'. Known: none yet"),
    ],
)
def test_an_unknown_calendar_is_named_with_those_there_are(folder: Path, calendars: str, said: str) -> None:
    done = calendar(folder, "suport", calendars=calendars)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.mark.parametrize("arguments", [["--year", "1900"], ["--year", "2199"], ["--year", "next"]])
def test_what_is_no_year_is_refused(folder: Path, arguments: list[str]) -> None:
    done = calendar(folder, "support", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "--year" in done.err


@pytest.mark.parametrize("year", ["1901", "2198"])
def test_the_first_and_the_last_year(folder: Path, year: str) -> None:
    assert calendar(folder, "support", "--year", year).code == 0


def test_a_file_that_is_wrong_is_shown_where_it_is_named(folder: Path) -> None:
    done = calendar(folder, "support", calendars=SUPPORT.replace("team.ics", "tame.ics"))
    assert (done.code, done.out) == (2, "")
    assert "there is no file feeds/tame.ics (calendars.support.holidays[3].ical)" in done.err


def test_its_examples_work_with_a_starter(tmp_path: Path) -> None:
    (tmp_path / "escalations.yaml").write_text((STARTERS / "helpdesk.yaml").read_text("utf-8"))
    examples = (the_command("calendar").epilog or "").partition("Examples:\n")[2].splitlines()
    assert len(examples) == 2
    for line in examples:
        program, *arguments = line.split()
        assert program == "escalations"
        assert escalations(*arguments, cwd=tmp_path).code == 0


def test_the_documented_calendar_loads(folder: Path) -> None:
    document = (REPOSITORY / "docs" / "calendars.md").read_text("utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    (folder / "team.ics").write_text(ical(EVENTS), newline="")
    (folder / "escalations.yaml").write_text(HEAD + block)
    done = escalations("calendar", "support", "--year", "2026", cwd=folder)
    assert (done.code, done.err) == (0, "")
