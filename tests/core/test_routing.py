"""Who is told and who gets the record: every kind of recipient, who is away, and the reason."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streams.core.document import Node, Problem, Problems
from streams.core.record import Record
from streams.core.routing import Choice, Directory, check_recipient, read_directory
from streams.core.timestamps import DAY, from_rfc3339
from streams.yaml_source import read_yaml
from tests.core.worlds import World, rules

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "escalations.schema.json"
AWAY = {"leave": ["2026-03-01/2026-03-14"]}
PEOPLE: dict[str, Any] = {
    "anna": {"manager": "bert", "deputy": "carla", **AWAY},
    "bert": {"manager": "dora", "id": 42},
    "carla": {"manager": "bert"},
    "dora": {},
    "eve": {"manager": "bert", "active": False},
    # Deputies of each other, both away.
    "fay": {"manager": "gus", "deputy": "gus", **AWAY},
    "gus": {"deputy": "fay", **AWAY},
    "hal": {"deputy": "anna", **AWAY},
    "ida": {"deputy": "ida", "active": False},
    "jane.doe": {"manager": "bert"},
}
DOCUMENT: dict[str, Any] = {
    "people": PEOPLE,
    "teams": {
        "triage": ["carla", "bert", "carla"],
        "mixed": ["anna", "carla", "eve"],
        "away": ["fay", "anna"],
        "gone": ["gus", "ida"],
        "empty": [],
    },
    "roles": {
        "director": "dora",
        "lead": ["anna", "bert"],
        "expert": ["fay", "anna"],
        "specialist": {
            "by": "region",
            "north": "carla",
            "7": ["anna", "bert"],
            "true": "dora",
            "else": "bert",
        },
        "by.manager": "carla",
    },
    "rotas": {
        "support": {
            "layers": [
                {"people": ["carla", "anna"], "start": "2026-02-23", "only": {"mon-fri": "09:00-17:00"}},
                {"people": "bert", "only": {"mon-sat": "00:00-24:00"}},
            ]
        },
        "anna": {"people": "anna"},
    },
    "fallback": "dora",
}


def read(document: dict[str, Any], zone: str = "UTC") -> tuple[Directory, list[str]]:
    problems = Problems()
    directory = read_directory(Node(document), zone, problems)
    return directory, [str(each) for each in problems]


def directory(zone: str = "UTC", **parts: Any) -> Directory:
    made, problems = read({**DOCUMENT, **parts}, zone)
    assert problems == []
    return made


def record(owner: str | None = "carla", **fields: Any) -> Record:
    return Record(key="deal:7", at=0, created=0, touched=0, entered=0, owner=owner, fields=fields)


def moment(at: str) -> int:
    return from_rfc3339(f"2026-{at}:00Z")


EVERYBODY = directory()
MONDAY = moment("03-02T10:00")
NOBODY = "nobody found: dora is the fallback"
ANNA_AWAY = "anna is on leave from 2026-03-01 to 2026-03-14"
CARLA_STANDS_IN = f"{ANNA_AWAY}; carla is the deputy of anna"
BOTH_AWAY = (
    "fay is on leave from 2026-03-01 to 2026-03-14; gus is the deputy of fay; "
    "gus is on leave from 2026-03-01 to 2026-03-14"
)


@pytest.mark.parametrize(
    ("asked", "owner", "found", "because"),
    [
        ("owner", "carla", "carla", "carla is the owner"),
        ("owner", "42", "bert", "42 is the owner"),
        ("owner", None, "dora", f"deal:7 has no owner; {NOBODY}"),
        ("owner", "", "dora", f"deal:7 has no owner; {NOBODY}"),
        ("owner", "frank", "dora", f"frank is not in `people`; {NOBODY}"),
        ("owner", "anna", "carla", f"anna is the owner; {CARLA_STANDS_IN}"),
        ("owner", "eve", "bert", "eve is no longer active; bert is the manager of eve"),
        ("owner", "hal", "carla", f"anna is the deputy of hal; {CARLA_STANDS_IN}"),
        ("owner", "fay", "dora", f"fay is the owner; {BOTH_AWAY}; {NOBODY}"),
        ("owner", "ida", "dora", f"ida is the owner; ida is no longer active; {NOBODY}"),
        ("owner.manager", "anna", "bert", "anna is the owner; bert is the manager of anna"),
        ("owner.manager", "fay", "dora", "gus is the manager of fay; gus is on leave"),
        ("owner.manager", None, "dora", f"deal:7 has no owner; {NOBODY}"),
        ("owner.manager.manager", "anna", "dora", "bert is the manager of anna; dora is the manager of bert"),
        ("owner.manager.manager.manager", "anna", "dora", f"dora has no manager; {NOBODY}"),
        ("bert", None, "bert", "bert is named"),
        ("anna", None, "carla", CARLA_STANDS_IN),
        ("anna.manager", None, "bert", "bert is the manager of anna"),
        ("jane.doe", None, "jane.doe", "jane.doe is named"),
        ("jane.doe.manager", None, "bert", "bert is the manager of jane.doe"),
        ("field:account_manager", None, "carla", "carla is the account_manager"),
        ("field:account_manager.manager", None, "bert", "bert is the manager of carla"),
        ("field:number", None, "bert", "42 is the number"),
        ("field:decimal", None, "bert", "42 is the decimal"),
        ("field:stranger", None, "dora", f"zoe is the stranger; zoe is not in `people`; {NOBODY}"),
        ("field:nothing", None, "dora", f"deal:7 has no nothing; {NOBODY}"),
        ("field:owner", "carla", "carla", "carla is the owner"),
        ("role:director", None, "dora", "dora is the director"),
        ("role:lead", None, "bert", f"anna is the lead; {ANNA_AWAY}; bert is the lead after anna"),
        ("role:lead.manager", None, "bert", "anna is the lead; bert is the manager of anna"),
        (
            "role:expert",
            None,
            "carla",
            f"anna is the expert after fay; {ANNA_AWAY}; gus is the deputy of fay; ",
        ),
        ("role:by.manager", None, "carla", "carla is the by.manager"),
        ("role:by.manager.manager", None, "bert", "bert is the manager of carla"),
        ("oncall:support", None, "bert", f"{ANNA_AWAY}; bert is on call in layer 2 of support"),
        ("oncall:anna", None, "carla", f"anna is on call in anna; {CARLA_STANDS_IN}"),
        ("oncall:anna.manager", None, "bert", "bert is the manager of anna"),
        ("team:triage", None, "carla bert", "the members of team:triage who are there"),
        ("team:mixed", None, "carla", f"who are there; {ANNA_AWAY}; eve is no longer active"),
        ("team:away", None, "carla", f"{ANNA_AWAY}; gus is the deputy of fay; gus is on leave"),
        ("team:gone", None, "dora", NOBODY),
        ("team:empty", None, "dora", f"team:empty has no members; {NOBODY}"),
    ],
)
def test_who_is_told_and_why(asked: str, owner: str | None, found: str, because: str) -> None:
    fields = {"account_manager": "carla", "number": 42, "decimal": 42.0, "stranger": "zoe"}
    choice = EVERYBODY.notify(asked, record(owner, **fields), MONDAY)
    assert choice.asked == asked
    assert choice.found == tuple(found.split())
    assert because in choice.because
    assert choice.fallback == (NOBODY in choice.because)


@pytest.mark.parametrize(
    ("region", "found", "because"),
    [
        ("north", "carla", "carla is the specialist for region north"),
        (7, "bert", f"anna is the specialist for region 7; {ANNA_AWAY}; bert is the specialist for region 7"),
        (True, "dora", "dora is the specialist for region true"),
        ("west", "bert", "bert is the specialist for region west, as for any other"),
        (None, "bert", "bert is the specialist where no region is known, as for any other"),
        (["north"], "bert", "as for any other"),
        ("else", "bert", "bert is the specialist for region else, as for any other"),
    ],
)
def test_a_role_goes_by_the_segment_of_the_record(region: Any, found: str, because: str) -> None:
    choice = EVERYBODY.notify("role:specialist", record(region=region), MONDAY)
    assert choice.found == (found,)
    assert because in choice.because


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("02-24T10:00", "carla"),
        # Anna's turn, who is on leave: the next layer.
        ("03-02T10:00", "bert"),
        ("03-03T20:00", "bert"),
        ("03-16T10:00", "anna"),
        # Nobody is on call on Sundays.
        ("03-15T10:00", "dora"),
    ],
)
def test_on_call_goes_by_the_moment(at: str, found: str) -> None:
    choice = EVERYBODY.notify("oncall:support", record(), moment(at))
    assert choice.found == (found,)
    assert choice.fallback == (found == "dora")


def test_a_leave_begins_and_ends_with_the_day_where_the_people_are() -> None:
    people = {"anna": {"deputy": "carla", "leave": "2026-03-02"}, "carla": {}, "bert": {}, "dora": {}}
    here = directory("America/New_York", people=people, teams={}, roles={}, rotas={})
    times = ("03-02T04:59", "03-02T05:00", "03-03T04:59", "03-03T05:00")
    told = [here.notify("anna", record(), moment(at)).found[0] for at in times]
    assert told == ["anna", "carla", "carla", "anna"]


@pytest.mark.parametrize(
    ("person", "gone"),
    [
        (AWAY, "dora is on leave from 2026-03-01 to 2026-03-14"),
        ({"active": False}, "dora is no longer active"),
    ],
)
def test_a_fallback_who_is_away_is_told_all_the_same_but_gets_no_record(
    person: dict[str, Any], gone: str
) -> None:
    here = directory(people={**PEOPLE, "dora": person})
    told = here.notify("owner", record(None), MONDAY)
    because = f"deal:7 has no owner; {NOBODY}; {gone}"
    assert told == Choice("owner", ("dora",), f"{because}, but is told all the same", fallback=True)
    given = here.reassign("owner", record(None), MONDAY)
    assert given == Choice("owner", (), f"{because}, so that deal:7 stays where it is", fallback=True)


@pytest.mark.parametrize(
    ("asked", "owner", "found", "because"),
    [
        ("team:triage", "carla", ("team:triage",), "team:triage is a queue"),
        ("team:gone", "carla", ("team:gone",), "team:gone is a queue"),
        ("bert", "carla", ("bert",), "bert is named"),
        ("bert", None, ("bert",), "bert is named"),
        ("anna", "bert", ("carla",), CARLA_STANDS_IN),
        ("oncall:support", "carla", ("bert",), "bert is on call in layer 2 of support"),
        ("owner", "carla", (), "carla is the owner; carla has deal:7 already"),
        ("owner", "anna", ("carla",), f"anna is the owner; {CARLA_STANDS_IN}"),
        # By whichever of their names the feed calls the owner.
        ("bert", "42", (), "bert is named; bert has deal:7 already"),
        ("anna", "carla", (), f"{CARLA_STANDS_IN}; carla has deal:7 already"),
        ("role:lead", "bert", (), "bert is the lead after anna; bert has deal:7 already"),
        ("owner.manager.manager.manager", "dora", (), f"{NOBODY}; dora has deal:7 already"),
        ("owner", "frank", ("dora",), NOBODY),
    ],
)
def test_who_gets_the_record_and_why(
    asked: str, owner: str | None, found: tuple[str, ...], because: str
) -> None:
    choice = EVERYBODY.reassign(asked, record(owner), MONDAY)
    assert choice.found == found
    assert choice.because.endswith(because)
    assert choice.fallback == (NOBODY in choice.because)


def test_who_is_reached_in_two_ways_is_told_once_and_the_reason_has_both() -> None:
    steps = '[{notify: [owner, "team:triage", owner.manager]}]'
    world = World(rules(f"paths: {{p: {{about: deal, when: {{untouched: 1h}}, steps: {steps}}}}}"))
    world.change("03-02T09:00", "deal:7", owner="carla")
    (escalation,) = world.until("03-03T00:00")
    assert escalation.notify == ("carla", "bert")
    assert [(each["asked"], each["found"], each["because"]) for each in escalation.reason["people"]] == [
        ("owner", ["carla"], "carla is the owner"),
        ("team:triage", ["carla", "bert"], "the members of team:triage who are there"),
        ("owner.manager", ["bert"], "carla is the owner; bert is the manager of carla"),
    ]


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("owner", "owner"),
        ("owner.manager", "owner"),
        ("field:account_manager.manager", "account_manager"),
        ("role:specialist", "region"),
        ("role:lead", None),
        ("team:triage", None),
        ("oncall:support", None),
        ("anna.manager", None),
    ],
)
def test_which_field_decides(asked: str, fact: str | None) -> None:
    assert EVERYBODY.fact(asked) == fact


@pytest.mark.parametrize(
    "asked", ["owner", "owner.manager.manager", "anna", "jane.doe.manager", "field:x.manager", "role:lead"]
)
def test_a_recipient_that_can_be_found_is_taken_as_written(asked: str) -> None:
    assert check_recipient(Node(asked), EVERYBODY) == asked


@pytest.mark.parametrize(
    ("asked", "message", "remedy"),
    [
        (
            "berta",
            "'berta' is not in `people`",
            "Did you mean 'bert'? Write owner, owner.manager, team:NAME, role:NAME, oncall:NAME or one of:",
        ),
        ("owner.boss", "'owner.boss' is not in `people`", "Did you mean 'owner'? Write owner,"),
        ("berta.manager", "'berta' is not in `people`", "Did you mean 'bert'? Write owner,"),
        ("zyx", "'zyx' is not in `people`", "Write owner, owner.manager, team:NAME"),
        ("owner.manger", "'owner.manger' is not in `people`", "Did you mean 'owner.manager'?"),
        ("triage", "'triage' is not in `people`", "Did you mean 'team:triage'?"),
        ("rol:director", "'rol:director' is not in `people`", "Did you mean 'role:director'?"),
        (
            "team:triaage",
            "'team:triaage' is not in `teams`",
            "Did you mean 'team:triage'? Known teams: triage, mixed, away, gone, empty",
        ),
        (
            "role:led",
            "'role:led' is not in `roles`",
            "Did you mean 'role:lead'? Known roles: director, lead,",
        ),
        (
            "oncall:suport.manager",
            "'oncall:suport' is not in `rotas`",
            "Did you mean 'oncall:support'? Known rotas: support, anna",
        ),
        ("team:triage.manager", "'team:triage.manager': a team has no manager", "Name the person, or a role"),
        ("field:", "'field:' names no field", "Write the field that names a person: field:NAME"),
        ("field:.manager", "'field:.manager' names no field", "Write the field"),
        (None, "'the file' is empty", "Write owner, owner.manager, team:NAME or a person"),
    ],
)
def test_a_recipient_that_can_never_be_found_is_refused(asked: Any, message: str, remedy: str) -> None:
    with pytest.raises(Problem) as caught:
        check_recipient(Node(asked), EVERYBODY)
    assert caught.value.message == message
    assert caught.value.remedy.startswith(remedy)


def test_only_what_there_is_is_proposed() -> None:
    with pytest.raises(Problem) as caught:
        check_recipient(Node("x"), directory(roles=None, rotas=None))
    assert caught.value.remedy.startswith("Write owner, owner.manager, team:NAME or one of: anna, bert")


NAMES = "anna, bert, carla, dora, eve, fay, gus, hal, ida, jane.doe"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"people": None, "teams": {"triage": ["anna"]}, "roles": None, "rotas": None},
            [
                "teams.triage.0: 'anna' is not in `people`. Write one of: none yet",
                "fallback: 'dora' is not in `people`. Write one of: none yet",
            ],
        ),
        ({"people": {**PEOPLE, "owner": None}}, ["people.owner: 'owner' cannot be the name of a person"]),
        ({"people": {**PEOPLE, "team:x": None}}, ["people.team:x: 'team:x' cannot be the name of a person"]),
        (
            {"people": {**PEOPLE, "zoe": {"manager": "berta", "deputy": "karla"}}},
            [
                f"people.zoe.manager: 'berta' is not in `people`. Did you mean 'bert'? Write one of: {NAMES}",
                "people.zoe.deputy: 'karla' is not in `people`. Did you mean 'carla'?",
            ],
        ),
        (
            {"people": {**PEOPLE, "y": {"manager": "z"}, "z": {"manager": "y"}, "x": {"manager": "y"}}},
            ["people.y.manager: managers form a circle: y -> z -> y. Give one of them another manager"],
        ),
        (
            {"people": {**PEOPLE, "zoe": {"id": ["7", "anna", 42]}, "zac": {"id": 7}}},
            [
                "people.zoe: '42' names bert already",
                "people.zac: '7' names zoe already. Give each person ids",
            ],
        ),
        (
            {"people": {**PEOPLE, "zoe": {"leave": ["2026-03-14/2026-03-01"]}}},
            ["people.zoe.leave.0: the leave '2026-03-14/2026-03-01' ends before it begins"],
        ),
        ({"people": {**PEOPLE, "zoe": {"leave": "soon"}}}, ["people.zoe.leave: 'soon' is not a leave"]),
        (
            {"teams": {"triage": ["berta", "anna", "karla"], "one": "anna"}},
            [
                "teams.triage.0: 'berta' is not in `people`. Did you mean 'bert'?",
                "teams.triage.2: 'karla' is not in `people`. Did you mean 'carla'?",
                "teams.one: 'one' is text. Write a list of people: `[first, second]`",
            ],
        ),
        (
            {"roles": {"a": "berta", "b": ["anna", "berta"], "c": None, "d": []}},
            [
                "roles.a: 'berta' is not in `people`. Did you mean 'bert'?",
                "roles.b.1: 'berta' is not in `people`. Did you mean 'bert'?",
                "roles.c: 'c' is empty. Write the name of a person",
                "roles.d: nobody is named for 'd'. Write a name, or a list of them, best first",
            ],
        ),
        (
            {"roles": {"a": {"by": "region", "north": "anna"}, "b": {"north": "anna", "else": "bert"}}},
            [
                "roles.a: the role 'a' has no `else`. Add a line `else: NAME`: who it is for any other",
                "roles.b: the role 'b' does not say by which field. Add a line `by: FIELD` above its values",
            ],
        ),
        (
            {"roles": {"a": {"by": "region", "north": "berta", "south": [], "else": ["x"]}}},
            [
                "roles.a.else.0: 'x' is not in `people`",
                "roles.a.north: 'berta' is not in `people`",
                "roles.a.south: nobody is named for 'south'",
            ],
        ),
        ({"roles": ["a"]}, ["roles: 'roles' is a list"]),
        (
            {"rotas": {"support": {"people": ["anna", "berta"], "start": "2026-01-05"}}},
            ["rotas.support.people.1: 'berta' is not in `people`. Did you mean 'bert'?"],
        ),
        ({"rotas": {"support": {}}}, ["rotas.support: support has no people"]),
        ({"fallback": "berta"}, ["fallback: 'berta' is not in `people`. Did you mean 'bert'?"]),
        ({"fallback": "team:triage"}, ["fallback: 'team:triage' is not in `people`"]),
    ],
)
def test_what_is_wrong_is_said_all_of_it_with_a_remedy(parts: dict[str, Any], expected: list[str]) -> None:
    _, problems = read({**DOCUMENT, **parts})
    assert len(problems) == len(expected), problems
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(start)


def test_without_a_fallback_nothing_is_right() -> None:
    _, problems = read({key: value for key, value in DOCUMENT.items() if key != "fallback"})
    assert problems == [
        ": there is no `fallback`. Add `fallback: NAME`: who is told when nobody else is found"
    ]


def test_what_is_named_is_known_though_it_cannot_be_read() -> None:
    broken = {"teams": {"t": "x"}, "roles": {"r": {}}, "rotas": {"o": {}}}
    made, problems = read({**DOCUMENT, **broken})
    assert len(problems) == 3
    for asked in ("team:t", "role:r", "oncall:o"):
        check_recipient(Node(asked), made)


def test_the_schema_knows_the_same_roles() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    parts = {key: schema["properties"][key] for key in ("people", "teams", "roles", "rotas", "fallback")}
    validator = Draft202012Validator(
        {"type": "object", "properties": parts, "additionalProperties": False, "$defs": schema["$defs"]}
    )
    validator.validate(DOCUMENT)
    wrong_ones: tuple[Any, ...] = ({"by": "region", "a": "anna"}, {"north": "anna", "else": "anna"}, [], None)
    for wrong in wrong_ones:
        assert not validator.is_valid({"roles": {"a": wrong}})


def test_what_the_guide_shows_is_right(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "people.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in guide.split("```yaml\n")[1:]]
    file = tmp_path / "escalations.yaml"
    file.write_text("\n".join(blocks), encoding="utf-8")
    calendars = {"office": {"open": {"mon-fri": "09:00-17:00"}}}
    here, problems = read({"calendars": calendars, **read_yaml(file, {}).data})
    assert problems == []
    assert here.people["anna"].ids == ("0057",)
    assert here.notify("oncall:support", record(), moment("12-25T20:00")).found == ("carla",)
    assert here.notify("oncall:around-the-clock", record(), moment("12-25T20:00")).found == ("carla",)
    assert here.notify("oncall:around-the-clock", record(), moment("12-25T10:00")).found == ("anna",)


def test_many_people_are_read_at_once() -> None:
    people = {f"p{number}": {"id": number, "manager": "p0"} for number in range(1, 5000)}
    made, problems = read({"people": {**people, "p0": {"deputy": "p1"}}, "fallback": "p0"})
    assert problems == []
    assert made.notify("owner", record("4711"), MONDAY).found == ("p4711",)


TIMES = [
    "09:00",
    "mon 09:00",
    "week",
    "3 days",
    "09:00-17:00",
    "2026-01-05",
    "2026-01-06 09:00",
    "2199-12-31",
]
TEXTS = st.sampled_from(TIMES) | st.sampled_from(["anna", "x", "", "owner", "by", "Europe/Berlin", "office"])
PARTS = [
    "people",
    "layers",
    "start",
    "handover",
    "length",
    "only",
    "zone",
    "overrides",
    "from",
    "to",
    "person",
]
KEYS = st.sampled_from(PARTS) | st.sampled_from(
    ["manager", "deputy", "leave", "by", "else", "anna", "mon-fri"]
)
JUNK: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
)


@given(
    parts=st.fixed_dictionaries(
        {
            "people": JUNK | st.dictionaries(st.sampled_from(["anna", "dora", "x"]), JUNK),
            "teams": JUNK,
            "roles": JUNK,
            "rotas": JUNK | st.dictionaries(TEXTS, st.dictionaries(KEYS, JUNK)),
            "calendars": JUNK,
            "fallback": TEXTS,
        }
    ),
    asked=JUNK,
)
def test_whatever_is_written_is_read_or_refused(parts: dict[str, Any], asked: Any) -> None:
    here, problems = read(parts)
    try:
        recipient = check_recipient(Node(asked), here)
    except Problem:
        return
    if not problems:
        assert here.notify(recipient, record(), MONDAY).found


NUMBERS = st.integers(0, 5)
LISTS = st.lists(NUMBERS.map("p{}".format), min_size=1, max_size=3)
START = date(2026, 3, 2)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    people: dict[str, Any] = {}
    for number in range(6):
        person: dict[str, Any] = {"active": draw(st.integers(0, 3)) > 0, "id": number}
        if draw(st.booleans()):
            person["deputy"] = f"p{draw(NUMBERS)}"
        if number and draw(st.booleans()):
            person["manager"] = f"p{draw(st.integers(0, number - 1))}"
        if draw(st.booleans()):
            first = START + timedelta(days=draw(NUMBERS))
            person["leave"] = f"{first}/{first + timedelta(days=draw(NUMBERS))}"
        people[f"p{number}"] = person
    return {
        "people": people,
        "teams": {"t": draw(st.lists(NUMBERS.map("p{}".format), max_size=3))},
        "roles": {"r": draw(LISTS), "s": {"by": "region", "north": draw(LISTS), "else": draw(LISTS)}},
        "rotas": {
            "o": {
                "people": draw(LISTS),
                "start": "2026-03-04",
                "length": "day",
                "only": {"mon-sat": "06:00-20:00"},
            }
        },
        "fallback": f"p{draw(NUMBERS)}",
    }


ASKED = st.builds(
    "{}{}".format,
    st.sampled_from(["owner", "p1", "p5", "field:lead", "role:r", "role:s", "oncall:o"]),
    st.sampled_from(["", ".manager", ".manager.manager"]),
) | st.just("team:t")


def stand_ins(people: dict[str, Any], names: list[str]) -> set[str]:
    """Everybody who may stand in for `names`, themselves included."""
    reached: set[str] = set()
    for each in names:
        boss: str | None = each
        while boss is not None:
            deputy: str | None = boss
            chain: set[str] = set()
            while deputy is not None and deputy not in chain:
                chain.add(deputy)
                deputy = people[deputy].get("deputy")
            reached |= chain
            boss = people[boss].get("manager")
    return reached


def there(people: dict[str, Any], name: str, day: str) -> bool:
    first, _, last = people[name].get("leave", "9/0").partition("/")
    return people[name]["active"] and not first <= day <= last


@given(
    document=documents(),
    asked=ASKED,
    owner=st.sampled_from([None, "", "0", "p1", "p2", "5", "nobody"]),
    lead=st.sampled_from([None, 3, "p4", "nobody", ["p1"], True]),
    region=st.sampled_from([None, "north", "south"]),
    at=st.integers(0, 14 * DAY - 1),
)
def test_somebody_who_is_there_is_always_found_or_else_the_fallback(
    document: dict[str, Any], asked: str, owner: str | None, lead: Any, region: str | None, at: int
) -> None:
    people = document["people"]
    here, problems = read(document)
    assert problems == []
    day = str(START + timedelta(days=at // DAY))
    at += from_rfc3339(f"{START}T00:00:00Z")
    which = record(owner, lead=lead, region=region)
    choice = here.notify(asked, which, at)
    assert choice.found
    if choice.fallback:
        assert choice.found == (document["fallback"],)
        assert f"nobody found: {document['fallback']} is the fallback" in choice.because
        assert ("told all the same" in choice.because) != there(people, document["fallback"], day)
    else:
        assert all(there(people, name, day) for name in choice.found)
    meant = named(document, asked, which, here, at)
    reachable = {name for name in stand_ins(people, meant) if there(people, name, day)}
    assert choice.fallback == (not reachable)
    assert choice.fallback or set(choice.found) <= reachable
    first = next((name for name in meant if there(people, name, day)), None)
    assert first is None or choice.found[0] == first

    taken = here.reassign(asked, which, at)
    assert taken.fallback == (choice.fallback and asked != "team:t")
    if asked == "team:t":
        assert taken.found == ("team:t",)
    elif not taken.found:
        already = owner is not None and here.people[choice.found[0]] in (
            person for person in here.people.values() if owner in (person.name, *person.ids)
        )
        assert already or not there(people, choice.found[0], day)
    else:
        assert taken.found == choice.found
        assert there(people, taken.found[0], day)

    # Whatever was asked before, and whoever asks.
    again, _ = read(document)
    assert (again.reassign(asked, which, at), again.notify(asked, which, at)) == (taken, choice)
    assert here.notify(asked, which, at) == choice


def named(document: dict[str, Any], asked: str, which: Record, here: Directory, at: int) -> list[str]:
    """Who is meant by `asked`, best first, whether there or not."""
    base, *up = asked.split(".")
    ids = {str(person["id"]): name for name, person in document["people"].items()}
    north = "north" if which.fields["region"] == "north" else "else"
    names: list[Any] = {
        "owner": [which.owner],
        "field:lead": [which.fields["lead"]],
        "role:r": document["roles"]["r"],
        "role:s": document["roles"]["s"][north],
        "oncall:o": [here.rotas["o"].on_call(at)[0]],
        "team:t": document["teams"]["t"],
    }.get(base, [base])
    found = []
    for name in names:
        name = ids.get(str(name), name)
        for _ in up:
            name = document["people"][name].get("manager") if str(name) in document["people"] else None
        if str(name) in document["people"]:
            found.append(name)
    return found
