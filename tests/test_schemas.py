"""The schemas describe what is really written: the starters, and what the core puts on topics."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from streams.config import load
from streams.core import entries, escalation
from streams.core.document import Problems
from streams.core.entries import Change, Source
from streams.core.escalation import Escalation
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


CHANGE, ESCALATION, CONFIGURATION = schema("change"), schema("escalation"), schema("escalations")


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


def compiled(document: dict[str, Any]) -> Rules:
    problems = Problems()
    rules = read_rules(document, problems)
    assert problems == []
    return rules


def decided(rules: Rules, changes: list[Change]) -> list[Escalation]:
    partition = Partition([(0, rules)])
    return [
        decision
        for each in changes
        for decision in (*partition.advance(micros(each.at)), *partition.fold(each))
    ]


@pytest.mark.parametrize("each", CHANGES, ids=lambda each: each.op)
def test_changes_are_valid(each: Change) -> None:
    CHANGE.validate(json.loads(entries.encode(each)))


def test_escalations_of_every_kind_are_valid() -> None:
    decisions = decided(compiled(RULES), CHANGES)
    for each in decisions:
        ESCALATION.validate(json.loads(escalation.encode(each)))
    assert {each.event for each in decisions} == {"opened", "advanced", "resolved"}
    assert {each.path for each in decisions} == {"untouched", "stalled", "late", "big"}
    assert any(each.reassign for each in decisions)


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
