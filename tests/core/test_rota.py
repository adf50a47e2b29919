"""Who is on call at a moment: by turns, layers, hours and overrides, also when the clocks change."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streams.core.document import Node, Problems
from streams.core.rota import Rota, read_rotas
from streams.core.timestamps import MINUTE, SECOND, from_rfc3339

PEOPLE = ("anna", "bert", "carla")
CALENDARS = {
    "office": {"zone": "Europe/Berlin", "open": {"mon-fri": "09:00-17:00"}},
    "broken": {"open": {"mon-fri": "9-17"}},
    "plain": {"open": {"mon-fri": "09:00-17:00"}},
}
SCHEMA = Path(__file__).parents[2] / "schemas" / "escalations.schema.json"
WEEKLY = {"people": list(PEOPLE), "start": "2026-01-05", "handover": "mon 09:00", "zone": "Europe/Berlin"}


def problems_with(spec: Any) -> tuple[Rota, list[str]]:
    def read_person(node: Node) -> str:
        name = node.text(example="a name")
        if name not in PEOPLE:
            node.fail(f"{name!r} is unknown", "Write another")
        return name

    problems = Problems()
    rotas = read_rotas(
        Node({"rotas": {"support": spec}, "calendars": CALENDARS}), "UTC", read_person, problems
    )
    return rotas["support"], [str(each) for each in problems]


def rota(**spec: Any) -> Rota:
    read, problems = problems_with(spec)
    assert problems == []
    return read


def on_call(read: Rota, at: str) -> str | None:
    """`at`: RFC 3339, or a UTC time of 2026 as `03-02T09:00`."""
    return read.on_call(from_rfc3339(at if at.endswith("Z") else f"2026-{at}:00Z"))[0]


@pytest.mark.parametrize(
    ("at", "person"),
    [
        ("2026-01-05T07:59:59.999999Z", None),
        ("01-05T08:00", "anna"),
        ("2026-01-12T07:59:59.999999Z", "anna"),
        ("01-12T08:00", "bert"),
        ("01-19T08:00", "carla"),
        ("01-26T08:00", "anna"),
        # In summer time the clocks show nine an hour earlier.
        ("2026-03-30T06:59:59.999999Z", "carla"),
        ("03-30T07:00", "anna"),
        ("10-19T07:00", "carla"),
        ("2026-10-26T07:59:59.999999Z", "carla"),
        ("10-26T08:00", "anna"),
    ],
)
def test_turns_are_handed_over_at_their_local_time_and_the_next_has_that_moment(
    at: str, person: str | None
) -> None:
    assert on_call(rota(**WEEKLY), at) == person


@pytest.mark.parametrize(
    ("zone", "first", "at", "person"),
    [
        # Berlin skips 02:00 to 03:00 on 29 March: the turn begins at 03:00.
        ("Europe/Berlin", "2026-03-28 02:30", "2026-03-29T00:59:59.999999Z", "anna"),
        ("Europe/Berlin", "2026-03-28 02:30", "2026-03-29T01:00:00Z", "bert"),
        ("Europe/Berlin", "2026-03-28 02:30", "2026-03-30T00:29:59Z", "bert"),
        ("Europe/Berlin", "2026-03-28 02:30", "2026-03-30T00:30:00Z", "carla"),
        # And shows it twice on 25 October: the first time counts, once.
        ("Europe/Berlin", "2026-10-24 02:30", "2026-10-25T00:29:59Z", "anna"),
        ("Europe/Berlin", "2026-10-24 02:30", "2026-10-25T00:30:00Z", "bert"),
        ("Europe/Berlin", "2026-10-24 02:30", "2026-10-25T01:10:00Z", "bert"),
        ("Europe/Berlin", "2026-10-24 02:30", "2026-10-26T01:29:59Z", "bert"),
        ("Europe/Berlin", "2026-10-24 02:30", "2026-10-26T01:30:00Z", "carla"),
        # Havana goes back from 01:00 to 00:00, Sao Paulo skipped from 00:00 to 01:00.
        ("America/Havana", "2026-10-31 00:00", "2026-11-01T04:00:00Z", "bert"),
        ("America/Havana", "2026-10-31 00:00", "2026-11-01T05:00:00Z", "bert"),
        ("America/Sao_Paulo", "2018-11-03 00:00", "2018-11-04T02:59:59Z", "anna"),
        ("America/Sao_Paulo", "2018-11-03 00:00", "2018-11-04T03:00:00Z", "bert"),
        # St. John's went back from 00:01 to 23:01 of the day before: midnight had been reached.
        ("America/St_Johns", "2010-11-06 00:00", "2010-11-07T02:29:59Z", "anna"),
        ("America/St_Johns", "2010-11-06 00:00", "2010-11-07T02:30:00Z", "bert"),
        ("America/St_Johns", "2010-11-06 00:00", "2010-11-07T03:00:00Z", "bert"),
        ("America/St_Johns", "2010-11-06 00:00", "2010-11-08T03:29:59Z", "bert"),
        # Apia had no 30 December 2011: that turn begins with the 31st, and ends at nine.
        ("Pacific/Apia", "2011-12-29 09:00", "2011-12-30T09:59:59Z", "anna"),
        ("Pacific/Apia", "2011-12-29 09:00", "2011-12-30T10:00:00Z", "bert"),
        ("Pacific/Apia", "2011-12-29 09:00", "2011-12-30T18:59:59Z", "bert"),
        ("Pacific/Apia", "2011-12-29 09:00", "2011-12-30T19:00:00Z", "carla"),
    ],
)
def test_a_turn_begins_once_on_days_on_which_the_clocks_change(
    zone: str, first: str, at: str, person: str
) -> None:
    start, handover = first.split()
    read = rota(people=[*PEOPLE, "carla"], zone=zone, start=start, handover=handover, length="day")
    assert on_call(read, at) == person


@pytest.mark.parametrize(
    ("length", "days"),
    [("day", 1), ("d", 1), ("week", 7), ("3 days", 3), ("3d", 3), ("2 weeks", 14), ("2w", 14), (None, 7)],
)
def test_lengths(length: str | None, days: int) -> None:
    read = rota(people=["anna", "bert"], start="2026-01-05", **({"length": length} if length else {}))
    start = from_rfc3339("2026-01-05T00:00:00Z")
    day = 24 * 60 * MINUTE
    assert [read.on_call(start + k * days * day)[0] for k in range(3)] == ["anna", "bert", "anna"]
    assert read.on_call(start + days * day - 1)[0] == "anna"


def test_one_person_needs_no_turns() -> None:
    for people in ("anna", ["anna"]):
        assert rota(people=people).on_call(0) == ("anna", "anna is on call in support")


def test_somebody_may_have_two_of_three_turns() -> None:
    read = rota(people=["anna", "anna", "bert"], start="2026-01-05", length="day")
    assert [on_call(read, f"01-{day:02}T12:00") for day in range(5, 9)] == ["anna", "anna", "bert", "anna"]


def test_hours_are_a_calendar_or_windows_in_the_zone_of_the_rota() -> None:
    for only, zone in (("office", "UTC"), ({"mon-fri": "09:00-17:00"}, "Europe/Berlin")):
        read = rota(people=["anna"], only=only, zone=zone)
        assert [on_call(read, f"03-02T{time}") for time in ("07:59", "08:00", "15:59", "16:00")] == [
            None,
            "anna",
            "anna",
            None,
        ]


def test_a_calendar_without_a_zone_has_that_of_the_document_and_not_of_the_rota() -> None:
    read = rota(people=["anna"], only="plain", zone="Asia/Tokyo")
    assert on_call(read, "03-02T09:00") == "anna"


LAYERS = rota(
    zone="Europe/Berlin",
    layers=[
        {"people": ["anna", "bert"], "start": "2026-03-02", "only": "office"},
        {"people": ["carla"], "only": {"mon-fri": "17:00-22:00"}},
    ],
    overrides=[
        {"from": "2026-03-09", "to": "2026-03-09", "person": "carla"},
        {"from": "2026-03-10 12:00", "to": "2026-03-10T13:00", "person": "anna"},
    ],
)
FIRST, SECOND_LAYER = "layer 1 of support", "layer 2 of support"


@pytest.mark.parametrize(
    ("at", "person", "because"),
    [
        (
            "02-27T10:00",
            None,
            f"nobody is on call in {FIRST} before 2026-03-02 00:00; "
            f"nobody is on call in {SECOND_LAYER} at this hour",
        ),
        ("03-02T10:00", "anna", f"anna is on call in {FIRST} from 2026-03-02 00:00 to 2026-03-09 00:00"),
        (
            "03-02T16:00",
            "carla",
            f"nobody is on call in {FIRST} at this hour; carla is on call in {SECOND_LAYER}",
        ),
        (
            "03-02T21:00",
            None,
            f"nobody is on call in {FIRST} at this hour; nobody is on call in {SECOND_LAYER} at this hour",
        ),
        ("03-08T22:59", None, None),
        (
            "03-08T23:00",
            "carla",
            "carla is on call in support by an override from 2026-03-09 00:00 to 2026-03-10 00:00",
        ),
        ("03-09T22:59", "carla", None),
        ("03-09T23:00", None, None),
        ("03-10T10:59", "bert", None),
        ("03-10T11:00", "anna", None),
        ("03-10T12:00", "bert", None),
    ],
)
def test_layers_are_asked_in_order_and_an_override_before_them(
    at: str, person: str | None, because: str | None
) -> None:
    found = LAYERS.on_call(from_rfc3339(f"2026-{at}:00Z"))
    assert found[0] == person
    assert because in (None, found[1])


def test_an_override_in_the_hour_that_is_shown_twice_holds_from_its_first_to_its_first_end() -> None:
    override = {"from": "2026-10-25 02:15", "to": "2026-10-25 02:45", "person": "bert"}
    read = rota(people=["anna"], zone="Europe/Berlin", overrides=[override])
    times = ("00:14", "00:15", "00:44", "00:45", "01:15", "01:30")
    assert [on_call(read, f"10-25T{time}") for time in times] == [
        "anna",
        "bert",
        "bert",
        "anna",
        "anna",
        "anna",
    ]


WRONG: dict[str, tuple[Any, list[str]]] = {
    "nothing": ({}, ["rotas.support: support has no people. Add a line `people: [NAME, NAME]`"]),
    "nobody": ({"people": []}, ["rotas.support: support has no people"]),
    "unknown": (
        {"people": ["anna", "berta", "karla"], "start": "2026-01-05"},
        ["rotas.support.people.1: 'berta' is unknown", "rotas.support.people.2: 'karla' is unknown"],
    ),
    "key": ({"people": "anna", "hours": "office"}, ["rotas.support.hours: unknown key 'hours'. Known here:"]),
    "key of a layer": ({"layers": [{"people": "anna", "zone": "UTC"}]}, ["unknown key 'zone'"]),
    "zone": ({"people": "anna", "zone": "Europe/Olso"}, ["'Europe/Olso' is no time zone"]),
    "no start": (
        {"people": ["anna", "bert"]},
        ["rotas.support: support has no `start`. Add the day on which the first turn begins: 2026-01-05"],
    ),
    "a length alone": ({"people": "anna", "length": "day"}, ["support has no `start`"]),
    "start": (WEEKLY | {"start": "5 January"}, ["rotas.support.start: '5 January' is no moment"]),
    "no such day": (WEEKLY | {"start": "2026-02-29"}, ["'2026-02-29' is no moment"]),
    "no such year": (WEEKLY | {"start": "0001-01-01"}, ["'0001-01-01' is no moment"]),
    "start with a time": (WEEKLY | {"start": "2026-01-05 09:00"}, ["'2026-01-05 09:00' is no day"]),
    "another weekday": (
        WEEKLY | {"start": "2026-01-06"},
        ["2026-01-06 is a tue, but turns begin on a mon. Write 2026-01-05, or another day in `handover`"],
    ),
    "no weekday": (WEEKLY | {"handover": "moon 09:00"}, ["'moon 09:00' is no time to hand over"]),
    "no time": (WEEKLY | {"handover": "24:00"}, ["'24:00' is no time to hand over"]),
    "weekday of days": (
        WEEKLY | {"length": "3 days"},
        [
            "turns of 3 days do not always begin on a mon. "
            "Write the time alone: 09:00, or turns of whole weeks: `length: week`"
        ],
    ),
    "length": (
        WEEKLY | {"length": "12h"},
        ["'12h' is no length of a turn. Write day, week, 3 days or 2 wee"],
    ),
    "no length": (WEEKLY | {"length": "0 days"}, ["'0 days' is no length of a turn"]),
    "calendar": (
        {"people": "anna", "only": "ofice"},
        ["there is no calendar 'ofice'. Did you mean 'office'? Known: office, broken, plain"],
    ),
    "broken calendar": ({"people": "anna", "only": "broken"}, []),
    "windows": (
        {"people": "anna", "only": {"mon-fri": "9-17"}},
        ["rotas.support.only.mon-fri: '9-17' is no window"],
    ),
    "layers and people": (
        {"people": "anna", "layers": [{"people": "bert"}]},
        ["rotas.support.people: 'people' stands beside `layers`. Write it in each layer"],
    ),
    "no layers": ({"layers": []}, ["the rota 'support' has no layers"]),
    "layer without people": (
        {"layers": [{"people": "anna"}, {}]},
        ["layers.1: layer 2 of support has no peo"],
    ),
    "override": (
        {"people": "anna", "overrides": [{"from": "2026-12-24", "person": "bert"}]},
        ["rotas.support.overrides.0: 'overrides[0]' lacks 'to'"],
    ),
    "overriding stranger": (
        {"people": "anna", "overrides": [{"from": "2026-12-24", "to": "2026-12-24", "person": "berta"}]},
        ["overrides.0.person: 'berta' is unknown"],
    ),
    "backwards": (
        {"people": "anna", "overrides": [{"from": "2026-12-24", "to": "2026-12-23 12:00", "person": "bert"}]},
        [
            "rotas.support.overrides.0.to: the override ends at 2026-12-23 12:00, "
            "but begins at 2026-12-24 00:00. Let it end after it begins"
        ],
    ),
    "no time at all": (
        {"people": "anna", "overrides": [{"from": "2026-12-24", "to": "2026-12-24 00:00", "person": "bert"}]},
        ["the override ends at 2026-12-24 00:00, but begins at 2026-12-24 00:00"],
    ),
    "an offset": (
        {
            "people": "anna",
            "overrides": [{"from": "2026-12-24T09:00Z", "to": "2026-12-26", "person": "bert"}],
        },
        ["'2026-12-24T09:00Z' is no moment"],
    ),
    "overlap": (
        {
            "people": "anna",
            "overrides": [
                {"from": "2026-12-24", "to": "2026-12-26", "person": "bert"},
                {"from": "2026-12-26 12:00", "to": "2026-12-27", "person": "carla"},
            ],
        },
        [
            "rotas.support.overrides.1: the override overlaps that of bert from 2026-12-24 00:00 to "
            "2026-12-27 00:00. Let one end where the other begins"
        ],
    ),
    "a text": ("anna", ["'support' is text"]),
    "several": (
        {"people": ["anna", "x"], "zone": "x", "only": "x", "overrides": [{}]},
        ["'x' is no time zone", "'x' is unknown", "no calendar 'x'", "has no `start`", "lacks 'from'"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_a_remedy(name: str) -> None:
    spec, expected = WRONG[name]
    _, problems = problems_with(spec)
    assert len(problems) == len(expected), problems
    for problem, part in zip(problems, expected, strict=True):
        assert part in problem


def test_overrides_may_follow_each_other_at_once() -> None:
    rota(
        people="anna",
        overrides=[
            {"from": "2026-12-26", "to": "2026-12-27", "person": "carla"},
            {"from": "2026-12-24", "to": "2026-12-25", "person": "bert"},
        ],
    )


def test_the_schema_says_the_same() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = Draft202012Validator({"$ref": "#/$defs/rota", "$defs": schema["$defs"]})
    assert validator.is_valid(WEEKLY | {"only": {"mon-fri": "18:00-24:00"}, "length": "2 weeks"})
    assert validator.is_valid({"layers": [{"people": "anna", "only": "office"}]})
    in_form = {
        "unknown", "no start", "a length alone", "zone", "no such day", "no such year", "another weekday",
        "weekday of days", "calendar", "broken calendar", "overriding stranger", "backwards",
        "no time at all", "overlap",
    }  # fmt: skip
    assert {name for name, (spec, _) in WRONG.items() if validator.is_valid(spec)} == in_form


QUARTER = 15 * MINUTE
# The changes of their clocks fall on quarters of an hour.
ZONES = {
    "UTC": "2026-03-01",
    "Europe/Berlin": "2026-03-20",
    "America/New_York": "2026-10-25",
    "America/Havana": "2026-10-25",
    "Australia/Lord_Howe": "2026-03-28",
    "America/Sao_Paulo": "2018-10-28",
    "Pacific/Apia": "2011-12-20",
    "Asia/Kathmandu": "2026-05-01",
}


def walked(zone: str, first: datetime, days: int, at: int) -> int:
    """The number of the turn at `at`, from 0: by looking at the clock every quarter of an hour."""
    number, wall = -1, first
    begin = first.replace(tzinfo=ZoneInfo("UTC")) - timedelta(days=2)
    for second in range(int(begin.timestamp()), at // SECOND + 1, 15 * 60):
        while datetime.fromtimestamp(second, ZoneInfo(zone)).replace(tzinfo=None) >= wall:
            number, wall = number + 1, wall + timedelta(days=days)
    return number


@given(
    zone=st.sampled_from(sorted(ZONES)),
    day=st.integers(0, 10),
    quarter=st.integers(0, 95),
    days=st.integers(1, 9),
    after=st.integers(-96, 30 * 96),
    people=st.integers(1, 3),
)
def test_turns_are_those_of_a_walk_by_the_clock(
    zone: str, day: int, quarter: int, days: int, after: int, people: int
) -> None:
    first = datetime.fromisoformat(ZONES[zone]) + timedelta(days=day, minutes=15 * quarter)
    at = from_rfc3339(f"{first.isoformat()}Z") + after * QUARTER
    names = list(PEOPLE[:people])
    read = rota(
        people=names, zone=zone, start=f"{first:%Y-%m-%d}", handover=f"{first:%H:%M}", length=f"{days} days"
    )
    number = walked(zone, first, days, at)
    assert read.on_call(at)[0] == (names[number % people] if number >= 0 else None)


@given(st.integers(from_rfc3339("2026-01-01T00:00:00Z"), from_rfc3339("2027-01-01T00:00:00Z")))
def test_the_first_slot_that_is_taken_is_on_call(at: int) -> None:
    person, because = LAYERS.on_call(at)
    slots = list(LAYERS.slots(at))
    taken = [name for name, _ in slots if name]
    assert person == (taken[0] if taken else None)
    assert because.startswith(slots[0][1])
    assert LAYERS.on_call(at) == (person, because)
