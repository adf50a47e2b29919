"""Holidays from iCal files: which days of a file count, and where what is wrong with one is shown."""

import json
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import holidays
import msgspec
import pytest
from holidays.ical import ICalExporter
from jsonschema import Draft202012Validator

from streams.config import ConfigError, load
from streams.core.calendars import Holiday, list_holidays, read_calendar
from streams.core.document import Node, Problems
from streams.core.rules import read_rules, version_of
from streams.core.timestamps import from_rfc3339
from streams.holiday_files import LAST_YEAR, inline
from streams.yaml_source import read_yaml
from tests.command import REPOSITORY

OPEN = {"mon-sun": "09:00-17:00"}


class Folder:
    """A configuration whose only calendar has the holidays of `team.ics`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, *events: str, wrapped: bool = True) -> None:
        lines = [line for event in events for line in dedent(event).strip().splitlines()]
        whole = ["BEGIN:VCALENDAR", "VERSION:2.0", *lines, "END:VCALENDAR"] if wrapped else lines
        (self.path / "team.ics").write_text("\r\n".join([*whole, ""]), encoding="utf-8", newline="")

    def inlined(self, zone: str = "Europe/Berlin") -> tuple[dict[str, Any], Problems]:
        problems = Problems()
        document = {"calendars": {"office": {"zone": zone, "open": OPEN, "holidays": [{"ical": "team.ics"}]}}}
        return inline(document, self.path, problems), problems

    def days(self, zone: str = "Europe/Berlin") -> dict[str, str]:
        document, problems = self.inlined(zone)
        assert not problems
        (entry,) = document["calendars"]["office"]["holidays"]
        assert entry.pop("ical") == "team.ics"
        days: dict[str, str] = entry.pop("days")
        assert not entry
        return days

    def problem(self) -> str:
        document, problems = self.inlined()
        (problem,) = problems
        assert problem.position[:4] == ("calendars", "office", "holidays", 0)
        # The core has no more to say about it.
        read_calendar(Node(document)["calendars"]["office"], "UTC")
        return problem.message


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def event(*lines: str, uid: str = "1", summary: str = "Closed") -> str:
    return "\n".join(["BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{summary}", *lines, "END:VEVENT"])


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        (["DTSTART;VALUE=DATE:20261224"], ["2026-12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261225"], ["2026-12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261224"], ["2026-12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261226"], ["2026-12-24", "2026-12-25"]),
        (["DTSTART;VALUE=DATE:20261224", "DURATION:P2D"], ["2026-12-24", "2026-12-25"]),
        (["DTSTART:20261224T000000", "DTEND:20261225T000000"], ["2026-12-24"]),
        (
            ["DTSTART;TZID=America/New_York:20261224T000000", "DTEND;TZID=America/New_York:20261226T000000"],
            ["2026-12-24", "2026-12-25"],
        ),
        # The clocks change in this day.
        (["DTSTART;TZID=Europe/Berlin:20261025T000000", "DURATION:P1D"], ["2026-10-25"]),
        (["DTSTART:20261223T230000Z", "DTEND:20261224T230000Z"], ["2026-12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "TRANSP:TRANSPARENT", "STATUS:TENTATIVE"], ["2026-12-24"]),
        (
            ["DTSTART;VALUE=DATE:20261224", "RDATE;VALUE=DATE:20261228,20261230"],
            ["2026-12-24", "2026-12-28", "2026-12-30"],
        ),
        (
            ["DTSTART;VALUE=DATE:20240229", "RRULE:FREQ=YEARLY;UNTIL=20350101"],
            ["2024-02-29", "2028-02-29", "2032-02-29"],
        ),
        (
            [
                "DTSTART;VALUE=DATE:20241224",
                "RRULE:FREQ=YEARLY;COUNT=4",
                "EXDATE;VALUE=DATE:20251224,20261224",
            ],
            ["2024-12-24", "2027-12-24"],
        ),
        # The last Friday of November, which is no fixed date.
        (
            ["DTSTART;VALUE=DATE:20241129", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=-1FR;COUNT=3"],
            ["2024-11-29", "2025-11-28", "2026-11-27"],
        ),
    ],
)
def test_the_whole_days_of_an_event(folder: Folder, lines: list[str], days: list[str]) -> None:
    folder.write(event(*lines))
    assert folder.days() == dict.fromkeys(days, "Closed")


def test_a_rule_without_an_end_is_followed_for_long(folder: Folder) -> None:
    folder.write(event("DTSTART;VALUE=DATE:20201224", "RRULE:FREQ=YEARLY"))
    assert list(folder.days()) == [f"{year}-12-24" for year in range(2020, LAST_YEAR + 1)]


def test_meetings_are_no_holidays(folder: Folder) -> None:
    folder.write(
        event("DTSTART;VALUE=DATE:20261224"),
        event("DTSTART:20261228T090000Z", "DTEND:20261228T100000Z", uid="2"),
        event("DTSTART:20261229T000000", "DTEND:20261229T120000", uid="3"),
        event("DTSTART:20261230T000000", uid="4"),
        event("DTSTART:20200101T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", uid="5"),
    )
    assert list(folder.days()) == ["2026-12-24"]


def test_what_is_cancelled_does_not_count(folder: Folder) -> None:
    folder.write(
        event("DTSTART;VALUE=DATE:20241224", "RRULE:FREQ=YEARLY;COUNT=3"),
        event(
            "DTSTART;VALUE=DATE:20251224",
            "RECURRENCE-ID;VALUE=DATE:20251224",
            "STATUS:CANCELLED",
            "SEQUENCE:1",
        ),
        event("DTSTART;VALUE=DATE:20261228", "STATUS:CANCELLED", uid="2"),
        event("DTSTART;VALUE=DATE:20250101", "RRULE:FREQ=YEARLY;COUNT=3", "STATUS:CANCELLED", uid="3"),
    )
    assert list(folder.days()) == ["2024-12-24", "2026-12-24"]


def test_an_occurrence_can_be_moved_and_named_anew(folder: Folder) -> None:
    folder.write(
        event("DTSTART;VALUE=DATE:20241224", "RRULE:FREQ=YEARLY;COUNT=3"),
        event("DTSTART;VALUE=DATE:20251223", "RECURRENCE-ID;VALUE=DATE:20251224", summary="Earlier"),
    )
    assert folder.days() == {"2024-12-24": "Closed", "2025-12-23": "Earlier", "2026-12-24": "Closed"}


def test_events_that_share_an_id_by_mistake_all_count(folder: Folder) -> None:
    folder.write(
        event("DTSTART;VALUE=DATE:20261224"),
        event("DTSTART;VALUE=DATE:20261231", summary="New Year's Eve"),
    )
    assert folder.days() == {"2026-12-24": "Closed", "2026-12-31": "New Year's Eve"}


def test_an_earlier_revision_of_an_event_does_not_count(folder: Folder) -> None:
    folder.write(
        event("DTSTART;VALUE=DATE:20261224", "SEQUENCE:0"), event("DTSTART;VALUE=DATE:20261223", "SEQUENCE:1")
    )
    assert folder.days() == {"2026-12-23": "Closed"}


def test_the_order_of_events_does_not_matter(folder: Folder) -> None:
    both = [
        event("DTSTART;VALUE=DATE:20261225", summary="Christmas"),
        event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261226", uid="2"),
    ]
    folder.write(*both)
    first = msgspec.json.encode(folder.days())
    folder.write(*reversed(both))
    assert first == msgspec.json.encode(folder.days())
    assert folder.days() == {"2026-12-24": "Closed", "2026-12-25": "Christmas; Closed"}


def test_a_zone_that_the_file_describes_itself(folder: Folder) -> None:
    folder.write(
        """
        BEGIN:VTIMEZONE
        TZID:Somewhere
        BEGIN:STANDARD
        DTSTART:19700101T000000
        TZOFFSETFROM:+0545
        TZOFFSETTO:+0545
        END:STANDARD
        END:VTIMEZONE
        """,
        event("DTSTART;TZID=Somewhere:20261224T000000", "DTEND;TZID=Somewhere:20261225T000000"),
    )
    assert list(folder.days("America/New_York")) == ["2026-12-24"]


@pytest.mark.parametrize("region", ["BE", "BY"])
def test_an_exported_country_reads_as_the_country(folder: Folder, region: str) -> None:
    germany = holidays.country_holidays("DE", subdiv=region, years=range(2024, 2028), language="de")
    ICalExporter(germany).save_ics(str(folder.path / "team.ics"))
    assert folder.days() == {day.isoformat(): name for day, name in sorted(germany.items())}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["DTSTART;VALUE=DATE:20261324"], "team.ics: the event 'Closed': DTSTART: "),
        ([], "the event 'Closed': it does not say when it begins"),
        (["DTSTART;VALUE=DATE:20261224", "DTSTART;VALUE=DATE:20261225"], "DTSTART is given twice"),
        (
            ["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261223"],
            "team.ics: the event 'Closed' on 2026-12-24: it ends before it begins",
        ),
        (["DTSTART;VALUE=DATE:20261224", "DTEND:20261224T120000"], "only one of its beginning and its end"),
        (["DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=YEARLLY"], "the event 'Closed' on 2026-12-24: RRULE: "),
        (["DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=SECONDLY"], "it recurs more often than daily"),
        (["DTSTART;VALUE=DATE:20001224", "RRULE:FREQ=DAILY"], "there are more than 5,000 holidays"),
        (["DTSTART;VALUE=DATE:19500101", "DTEND;VALUE=DATE:20491231"], "there are more than 5,000 holidays"),
        (["DTSTART:20261224T090000", "DTEND:20261224T100000"], "team.ics has no whole-day events"),
    ],
)
def test_an_event_that_cannot_be_read_is_named(folder: Folder, lines: list[str], message: str) -> None:
    folder.write(event(*lines))
    assert message in folder.problem()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "team.ics is no iCal file: it has no calendar"),
        (b"holidays", "team.ics is no iCal file: "),
        (b"<!doctype html><html><body>Sign in</body></html>", "team.ics is no iCal file: "),
        (
            b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261224\r\n",
            "it has no calendar that begins",
        ),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "team.ics has no whole-day events"),
        (b"BEGIN:VCALENDAR\r\nX:\xff\r\nEND:VCALENDAR\r\n", "team.ics is not UTF-8"),
        (b" " * (6 << 20), "team.ics is larger than 5 MiB"),
    ],
)
def test_a_file_that_is_no_ical_file_is_refused(folder: Folder, content: bytes, message: str) -> None:
    (folder.path / "team.ics").write_bytes(content)
    assert message in folder.problem()


def test_a_file_that_is_not_there_or_no_file_is_refused(folder: Folder) -> None:
    assert folder.problem() == "there is no file team.ics"
    (folder.path / "team.ics").mkdir()
    assert folder.problem().startswith("team.ics cannot be read: ")


def test_what_is_written_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    problems = Problems()
    entries = [{"icall": "team.ics"}, {"ical": ["team.ics"]}, {"ical": "team.ics", "days": {}}]
    inline({"calendars": {"office": {"holidays": entries}}}, tmp_path, problems)
    assert [problem.message for problem in problems] == [
        "unknown key 'icall'",
        "'ical' is a list",
        "unknown key 'days'",
    ]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"calendars": None},
        {"calendars": ["office"]},
        {"calendars": {"office": None, "shop": {"holidays": None}, "depot": {"holidays": 5}}},
        {"zone": 7, "calendars": {"office": {"open": OPEN, "holidays": ["DE-BE", "12-31"]}}, "paths": {}},
    ],
)
def test_without_files_the_document_and_its_version_stay(document: dict[str, Any], tmp_path: Path) -> None:
    problems = Problems()
    assert version_of(inline(document, tmp_path, problems)) == version_of(document)
    assert not problems


def test_the_days_are_those_of_the_calendar(folder: Folder) -> None:
    folder.write(
        event("DTSTART;VALUE=DATE:20261111", summary="St. Martin"), event("DTSTART;VALUE=DATE:20261224")
    )
    document, _ = folder.inlined()
    office = Node(document)["calendars"]["office"]
    calendar = read_calendar(office, "UTC")
    assert not calendar.is_open(from_rfc3339("2026-12-24T11:00:00Z"))
    assert list_holidays(office, date(2026, 12, 1), date(2026, 12, 31)) == [
        Holiday(date(2026, 12, 24), "Closed", "team.ics")
    ]
    # Plain data: it goes through the log as it is.
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


CONFIGURATION = """\
version: 1
feeds:
  tickets: {format: debezium, topic: tickets, record: {kind: ticket, id: id}}
people: {anna: }
fallback: anna
calendars:
  office:
    open: {mon-fri: "09:00-17:00"}
    holidays: [DE-BE, {ical: team.ics}]
paths:
  untouched:
    about: ticket
    when: {untouched: 2 working days, calendar: office}
    steps: [{notify: owner}]
"""


def configured(folder: Folder, text: str = CONFIGURATION) -> Path:
    path = folder.path / "escalations.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_rules_of_a_configuration_hold_dates_only(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = folder.path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder.write(event("DTSTART;VALUE=DATE:20261228"))
    rules = load(configured(folder)).rules
    assert rules.document["calendars"]["office"]["holidays"] == [
        "DE-BE",
        {"ical": "team.ics", "days": {"2026-12-28": "Closed"}},
    ]
    # As in the log, where there is no file.
    (folder.path / "team.ics").unlink()
    problems = Problems()
    again = read_rules(msgspec.json.decode(msgspec.json.encode(rules.document)), problems)
    assert not problems
    assert again.version == rules.version
    assert not again.paths[0].calendar.is_open(from_rfc3339("2026-12-28T11:00:00Z"))


def test_the_version_follows_the_days_of_the_file_and_nothing_else(folder: Folder) -> None:
    first, second = event("DTSTART;VALUE=DATE:20261228"), event("DTSTART;VALUE=DATE:20261229", uid="2")
    path = configured(folder)
    versions = []
    for events in ([first, second], [second, first], [first]):
        folder.write(*events)
        versions.append(load(path).rules.version)
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize(
    ("right", "wrong", "line", "meant", "message"),
    [
        ("team.ics", "tame.ics", 9, "tame.ics", "there is no file tame.ics"),
        ("[DE-BE, {ical: team.ics}]", "{ical: tame.ics}", 9, "tame.ics", "there is no file tame.ics"),
        ("{ical: team.ics}", "{icall: team.ics}", 9, "icall", "unknown key 'icall'"),
        ("{ical: team.ics}", "{ical: team.ics, days: {2026-12-24: x}}", 9, "days", "unknown key 'days'"),
        ("{ical: team.ics}]", "{ical: team.ics}, Norway]", 9, "Norway", "'Norway' is no holiday"),
        ("[DE-BE,", "[Norway,", 9, "Norway", "'Norway' is no holiday"),
        ("paths:", "    not_holidays: [Cloosed]\npaths:", 10, "Cloosed", "no holiday listed here is called"),
        ("calendar: office", "calendar: ofice", 13, "ofice", "there is no calendar 'ofice'"),
    ],
)
def test_what_is_wrong_is_shown_where_it_stands(
    folder: Folder, right: str, wrong: str, line: int, meant: str, message: str
) -> None:
    folder.write(event("DTSTART;VALUE=DATE:20261228"))
    with pytest.raises(ConfigError) as caught:
        load(configured(folder, CONFIGURATION.replace(right, wrong)))
    (found,) = caught.value.diagnostics
    assert message in found.message
    assert (found.line, found.column) == (line, found.excerpt.rindex(meant) + 1)
    assert found.length == len(meant)


@pytest.mark.parametrize(
    ("entries", "valid"),
    [
        ('{ical: team.ics}\n    not_holidays: ["12-28", 2026-12-29, Closed]', True),
        ("[DE-BE, {ical: team.ics}]\n    not_holidays: Closed", True),
        ("{ical: }", False),
        ("{icall: team.ics}", False),
        ("[{ical: team.ics, days: {}}]", False),
        ("DE-BE\n    not_holidays: {ical: team.ics}", False),
        ("DE-BE\n    not_holidays: [[Closed]]", False),
    ],
)
def test_the_schema_and_the_reader_agree(folder: Folder, entries: str, valid: bool) -> None:
    folder.write(event("DTSTART;VALUE=DATE:20261228"))
    path = configured(folder, CONFIGURATION.replace("[DE-BE, {ical: team.ics}]", entries))
    schema = json.loads((REPOSITORY / "schemas" / "escalations.schema.json").read_text("utf-8"))
    assert Draft202012Validator(schema).is_valid(read_yaml(path, {}).data) is valid
    if valid:
        load(path)
    else:
        with pytest.raises(ConfigError):
            load(path)
