"""The schemas describe what is really written: the starters, and what the core puts on topics."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, ValidationError

from streams.config import ConfigError, load
from streams.core import entries, escalation, record
from streams.core.document import Problems
from streams.core.entries import MOST_TEXT, Change, Command, Deed, Entry, Said, Source
from streams.core.escalation import Escalation, Event
from streams.core.partition import Partition
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import micros
from streams.feeds import Message
from streams.yaml_source import read_yaml

ROOT = Path(__file__).parents[1]
SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))
STARTERS = sorted((ROOT / "streams" / "starters").glob("*.yaml"))
GOLDEN = ROOT / "tests" / "golden" / "config"


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8")))


CHANGE, COMMAND = schema("change"), schema("command")
ESCALATION, CONFIGURATION = schema("escalation"), schema("escalations")


def data(path: Path) -> dict[str, Any]:
    return read_yaml(path, {}).data


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_each_is_a_schema_whose_references_resolve(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    Draft202012Validator.check_schema(document)
    assert set(references(document)) <= {f"#/$defs/{name}" for name in document.get("$defs", ())}
    assert document["$id"].startswith("urn:escalation-paths:")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


@pytest.mark.parametrize("path", STARTERS, ids=lambda path: path.stem)
def test_starters_load_and_are_valid(path: Path) -> None:
    assert load(path).rules.paths
    CONFIGURATION.validate(data(path))


def test_the_good_configuration_is_valid() -> None:
    CONFIGURATION.validate(data(GOLDEN / "good.yaml"))


def mapped(record: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose one feed maps `record` besides the id."""
    feed = {"format": "debezium", "topic": "t", "record": {"kind": "ticket", "id": "id", **record}}
    path = {"about": "ticket", "when": {"untouched": "8d"}, "steps": [{"notify": "bert"}]}
    return {
        "version": 1,
        "feeds": {"t": feed},
        "people": {"bert": None},
        "fallback": "bert",
        "paths": {"p": path},
    }


@pytest.mark.parametrize(
    "record",
    [
        dict.fromkeys(("responded", "asked", "replied", "planned", "scored", "merged"), "c"),
        {"planned": {"field": "c", "unit": "ms", "zone": "UTC"}},
        {"by": "role"},
        {"by": {"field": "role"}},
        {"by": {"field": "role", "person": ["agent", 1], "customer": False, "automation": "bot"}},
        {"said": {"text": "body"}},
        {"said": {"negativity": "mood"}},
        {"said": {"text": "body", "channel": "via", "public": "shown", "automatic": "auto"}},
        {
            "said": {
                "text": "b",
                "channel": {"always": "chat"},
                "public": {"field": "type", "is": ["reply", 2]},
            }
        },
        {"said": {"negativity": {"field": "mood", "best": 5, "worst": 1, "scale": 0}}},
    ],
)
def test_what_a_record_may_map_is_read_and_valid(tmp_path: Path, record: dict[str, Any]) -> None:
    document = mapped(record)
    path = tmp_path / "escalations.yaml"
    path.write_text(json.dumps(document))
    assert load(path).feeds["t"]
    CONFIGURATION.validate(document)


@pytest.mark.parametrize(
    "record",
    [
        {"merged": ["a", "b"]},
        {"planned": ["a"]},
        {"by": {"person": ["a"]}},
        {"by": {"field": "role", "agent": ["a"]}},
        {"by": {"field": "role", "person": [["a"]]}},
        {"by": {"field": "role", "person": [None]}},
        {"said": "body"},
        {"said": {"channel": "via"}},
        {"said": {"body": "body"}},
        {"said": {"text": "body", "channel": {"field": "via"}}},
        {"said": {"text": "body", "channel": None}},
        {"said": {"text": "body", "public": True}},
        {"said": {"text": "body", "public": {"is": ["a"]}}},
        {"said": {"negativity": {"field": "mood", "best": 5}}},
        {"said": {"negativity": {"field": "mood", "best": "good", "worst": 1}}},
    ],
)
def test_what_a_record_may_not_map_is_refused_and_invalid(tmp_path: Path, record: dict[str, Any]) -> None:
    document = mapped(record)
    path = tmp_path / "escalations.yaml"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError):
        load(path)
    with pytest.raises(ValidationError):
        CONFIGURATION.validate(document)


@pytest.mark.parametrize(
    "name",
    [
        "missing-fallback",
        "no-feeds",
        "span-without-unit",
        "step-does-nothing",
        "unknown-format",
        "unknown-key",
        "unknown-key-in-step",
        "unknown-operator",
        "unknown-stage-operator",
        "unknown-trigger",
        "webhook-not-encrypted",
        "webhook-secret",
        "wrong-country",
        "wrong-version",
        "wrong-window",
    ],
)
def test_what_is_wrong_in_form_is_invalid(name: str) -> None:
    with pytest.raises(ValidationError):
        CONFIGURATION.validate(data(GOLDEN / f"{name}.yaml"))


START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = {
    "feeds": ["crm"],
    "people": {"anna": {"manager": "bert", "leave": "2026-03-01/2026-03-31"}, "bert": None},
    "teams": {"triage": ["bert"]},
    "fallback": "bert",
    "paths": {
        "untouched": {
            "about": "deal",
            "where": {"tier": {"not": "bronze"}},
            "when": {"untouched": "8d"},
            "steps": [{"notify": "owner"}, {"after": "4h", "reassign": "team:triage", "severity": "high"}],
        },
        "stalled": {"about": "deal", "when": {"in_stage": "6 weeks"}, "steps": [{"notify": "owner.manager"}]},
        "late": {
            "about": "deal",
            "when": {"clock": "resolution", "target": {"high": "4h"}},
            "steps": [{"notify": ["owner", "team:triage"]}],
        },
        "big": {"about": "deal", "when": {"value": {"crosses": "1000 EUR"}}, "steps": [{"notify": "anna"}]},
    },
}


def change(number: int, after: timedelta, **facts: Any) -> Change:
    return Change(
        **{
            "record": "deal:7",
            "op": "upsert",
            "at": START + after,
            "feed": "crm",
            "source": Source("deals", 0, number),
            "order": (number, "a"),
            **facts,
        }
    )


CHANGES = [
    change(1, timedelta(), op="refresh", fields={"owner": "anna", "stage": "new", "priority": "high"}),
    change(2, timedelta(hours=1), fields={"value": 900.0, "currency": "EUR", "tier": None}),
    change(3, timedelta(hours=2, microseconds=1), fields={"value": 5000.5, "health": 40, "contacts": 2}),
    change(4, timedelta(days=50), fields={"status": "closed", "created": "2026-03-01T00:00:00Z"}),
    change(5, timedelta(days=51), op="delete", order=None),
]
MOMENTS = dict.fromkeys(record.MOMENTS, "2026-03-01T00:00:00.5Z")
MESSAGES = [
    change(1, timedelta(), fields={**MOMENTS, "merged": "deal:8"}, by="automation"),
    change(2, timedelta(), fields=dict.fromkeys((*MOMENTS, "merged")), said=Said("Hi")),
    change(3, timedelta(), by="customer", said=Said("x" * MOST_TEXT, "email", False, True, -1.0)),
    change(4, timedelta(), by="person", said=Said(negativity=0.5)),
    change(5, timedelta(), record="customer:7", fields={"issue": "deal:7", "issue_status": "closed"}),
    change(6, timedelta(), record="customer:7", fields={"issue": "deal:7", "visit": None}),
]
COMMANDS = [
    Command(id="1", record="deal:7", do="acknowledge", by="anna", at=START),
    Command(id="2", record="deal:7", path="big", do="snooze", by="anna", at=START, until=START + DAY),
    Command(id="3", record="deal:7", do="noise", by="anna", at=START),
    Command(id="4", record="deal:7", do="reopen", by="anna", at=START),
]


def compiled(document: dict[str, Any]) -> Rules:
    problems = Problems()
    rules = read_rules(document, problems)
    assert problems == []
    return rules


def decided(rules: Rules, log: Sequence[Change | Command]) -> list[Escalation]:
    partition = Partition([(0, rules)])
    return [
        decision for each in log for decision in (*partition.advance(micros(each.at)), *partition.fold(each))
    ]


def written(entry: Entry) -> Any:
    return json.loads(entries.encode(entry))


@pytest.mark.parametrize("each", [*CHANGES, *MESSAGES], ids=lambda each: each.op)
def test_changes_are_valid(each: Change) -> None:
    CHANGE.validate(written(each))


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "anna"},
        {"said": "Hi"},
        {"said": {"text": "Hi", "mood": 1}},
        {"said": {"text": "x" * (MOST_TEXT + 1)}},
        {"said": {"text": "Hi", "negativity": 2}},
        {"fields": {"merged": "8"}},
        {"fields": {"issue": "deal:7", "issue_status": "gone"}},
    ],
)
def test_what_is_no_change_is_invalid(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CHANGE.validate({**written(CHANGES[0]), **wrong})


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.do)
def test_commands_are_valid(each: Command) -> None:
    COMMAND.validate(written(each))


@pytest.mark.parametrize(
    "wrong", [{"do": "snooze"}, {"do": "close"}, {"until": "later", "do": 1}, {"id": ""}]
)
def test_what_is_no_command_is_invalid(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        COMMAND.validate({**written(COMMANDS[0]), **wrong})


def test_escalations_of_paths_are_valid() -> None:
    decisions = decided(compiled(RULES), CHANGES)
    for each in decisions:
        ESCALATION.validate(json.loads(escalation.encode(each)))
    assert {each.event for each in decisions} == {"opened", "advanced", "resolved"}
    assert {each.path for each in decisions} == {"untouched", "stalled", "late", "big"}
    assert any(each.reassign for each in decisions)


def test_escalations_of_every_kind_are_valid() -> None:
    """One path goes through all there is, another stays in the shadow, a third meets a backlog."""
    where = {"any": [{"tier": {"changed": {"from": "gold"}}}, {"not": {"tier": "bronze"}}]}
    when = {"clock": "resolution", "target": "8d", "warn": ["50%"]}
    steps = [{"notify": "owner"}, {"after": "1d", "notify": "owner"}]
    paths = {
        "all": {"about": "deal", "where": where, "when": when, "steps": steps, "backlog": "escalate"},
        "hidden": {"about": "deal", "when": {"untouched": "8d"}, "steps": steps, "shadow": True},
        "older": {"about": "deal", "when": {"in_stage": "1h"}, "steps": steps},
    }
    asked: list[tuple[Deed, datetime | None]] = [
        ("acknowledge", None),
        ("reopen", None),
        ("snooze", START + 11 * DAY),
        ("noise", None),
        ("reopen", None),
    ]
    commands = [
        Command(
            id=str(number), record="deal:7", path="all", do=do, by="anna", at=START + 10 * DAY, until=until
        )
        for number, (do, until) in enumerate(asked)
    ]
    old = {"created": "2026-03-02T09:00:00Z", "entered": "2026-02-01T00:00:00Z"}
    log: list[Change | Command] = [
        change(1, timedelta(), op="refresh", fields={"tier": "gold", "stage": "new", **old}),
        change(2, timedelta(hours=1), fields={"tier": "silver"}),
        *commands,
        # What it says was so before the episode opened.
        change(3, timedelta(days=12), fields={"stage": "new"}),
        change(4, timedelta(days=9), fields={"status": "closed"}),
        change(5, timedelta(days=13), op="delete"),
    ]
    decisions = decided(compiled({**RULES, "paths": paths}), log)
    for each in decisions:
        ESCALATION.validate(json.loads(escalation.encode(each)))
    assert {each.event for each in decisions} == set(get_args(Event))
    assert any(each.shadow is True for each in decisions)
    assert any(each.digest is True for each in decisions)
    assert any("was" in str(each.reason.get("clauses")) for each in decisions)


def test_what_the_sample_history_brings_is_valid() -> None:
    """The invented history beside the csv starter shows each of the starter's paths."""
    folder = ROOT / "streams" / "starters"
    config = load(folder / "csv.yaml")
    changes: list[Change] = []
    with (folder / "tickets.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            message = Message("tickets", 0, number, None, json.dumps(row).encode())
            read = config.feeds["tickets"].decode(message)
            assert isinstance(read, list)
            changes += read
    decisions = decided(config.rules, changes)
    for each in changes:
        CHANGE.validate(json.loads(entries.encode(each)))
    for decision in decisions:
        ESCALATION.validate(json.loads(escalation.encode(decision)))
    assert {each.path for each in decisions} == {path.name for path in config.rules.paths}
    on_leave = next(each for each in decisions if each.record == "ticket:T-1001")
    assert on_leave.notify == ("carla",)
    assert "anna is on leave" in on_leave.reason["people"][0]["because"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "ABC"),
        ("event", "exploded"),
        ("record", "7"),
        ("episode", 0),
        ("severity", "fatal"),
        ("at", "2026-03-02T09:00:00+01:00"),
        ("notify", "anna"),
        ("more", 1),
    ],
)
def test_what_is_no_escalation_is_invalid(field: str, value: Any) -> None:
    written = json.loads(escalation.encode(decided(compiled(RULES), CHANGES)[0]))
    ESCALATION.validate(written)
    with pytest.raises(ValidationError):
        ESCALATION.validate({**written, field: value})


def test_every_field_of_an_escalation_and_a_change_is_described() -> None:
    assert list(ESCALATION.schema["properties"]) == list(Escalation.__struct_fields__)
    assert list(CHANGE.schema["properties"]) == ["entry", *Change.__struct_fields__]
    assert list(CHANGE.schema["properties"]["said"]["properties"]) == list(Said.__struct_fields__)
    assert list(COMMAND.schema["properties"]) == ["entry", *Command.__struct_fields__]
