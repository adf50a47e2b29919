"""A value that crosses a threshold: when it does, when that is over, and what is no crossing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from streams.core.document import Problems
from streams.core.rules import read_rules
from tests.core.worlds import World, brief, rules

UP = "{value: {crosses: 250 EUR}}"
UP_CLEAR = "{value: {crosses: 250 EUR, clear: 240 EUR}}"
DOWN = "{value: {falls_below: 100 EUR}}"
DOWN_CLEAR = "{value: {falls_below: 100 EUR, clear: 110 EUR}}"


def path(when: str, more: str = "") -> str:
    return f"paths: {{p: {{about: deal, when: {when}, steps: [{{notify: owner}}]{more}}}}}"


def played(when: str, values: list[float | None], more: str = "") -> list[str]:
    """The events after these values in EUR, one a day."""
    world = World(rules(path(when, more)))
    for day, value in enumerate(values, 1):
        world.change(f"03-{day:02}T09:00", "deal:1", owner="anna", value=value, currency="EUR")
    return [each.event for each in world.seen]


@pytest.mark.parametrize(
    ("when", "values", "events"),
    [
        (UP, [100.0, 300.0], ["opened"]),
        (UP, [300.0], ["opened"]),
        (UP, [300.0, 310.0, 290.0], ["opened"]),
        (UP, [300.0, 100.0], ["opened", "resolved"]),
        (UP, [300.0, 100.0, 300.0], ["opened", "resolved", "opened"]),
        (UP, [300.0, None], ["opened", "resolved"]),
        (UP, [None, 250.0], ["opened"]),
        (UP, [249.99], []),
        (DOWN, [150.0, 99.99], ["opened"]),
        (DOWN, [150.0, 100.0], []),
        (DOWN, [150.0, 90.0, 80.0, 95.0], ["opened"]),
        (DOWN, [150.0, 90.0, 100.0, 90.0], ["opened", "resolved", "opened"]),
        (DOWN, [150.0, 90.0, None], ["opened", "resolved"]),
        (DOWN, [50.0], []),
        (DOWN, [50.0, 40.0], []),
        (DOWN, [None, 50.0], []),
        (DOWN, [150.0, None, 50.0], []),
        (DOWN, [0.0, -5.0], []),
    ],
)
def test_a_value_crosses_when_it_comes_from_the_other_side(
    when: str, values: list[float | None], events: list[str]
) -> None:
    assert played(when, values) == events


@pytest.mark.parametrize(
    ("when", "values", "events"),
    [
        (UP_CLEAR, [260.0, 245.0, 260.0], ["opened"]),
        (UP_CLEAR, [260.0, 240.0], ["opened"]),
        (UP_CLEAR, [260.0, 239.99], ["opened", "resolved"]),
        (UP_CLEAR, [260.0, 239.0, 245.0], ["opened", "resolved"]),
        (UP_CLEAR, [260.0, 239.0, 245.0, 250.0], ["opened", "resolved", "opened"]),
        (UP_CLEAR, [245.0], []),
        (DOWN_CLEAR, [150.0, 90.0, 105.0, 90.0], ["opened"]),
        (DOWN_CLEAR, [150.0, 90.0, 110.0], ["opened", "resolved"]),
        (DOWN_CLEAR, [150.0, 90.0, 110.0, 105.0], ["opened", "resolved"]),
        (DOWN_CLEAR, [150.0, 105.0], []),
    ],
)
def test_hysteresis_between_the_threshold_and_clear_nothing_begins_and_nothing_ends(
    when: str, values: list[float | None], events: list[str]
) -> None:
    assert played(when, values) == events


def test_a_value_in_another_currency_is_not_compared() -> None:
    world = World(rules(path(UP)))
    world.change("03-01T09:00", "deal:1", owner="anna", value=300.0, currency="JPY")
    assert world.seen == []


@pytest.mark.parametrize(
    ("when", "first", "second"),
    [
        (UP, (300.0, "USD"), (300.0, "EUR")),
        (UP, (100.0, "USD"), (300.0, "EUR")),
        (UP, (300.0, None), (300.0, "EUR")),
        (DOWN, (20000.0, "JPY"), (90.0, "EUR")),
        (DOWN, (200.0, "EUR"), (90.0, "USD")),
    ],
)
def test_a_change_of_currency_is_not_a_crossing(
    when: str, first: tuple[float, str | None], second: tuple[float, str | None]
) -> None:
    world = World(rules(path(when)))
    for day, (value, currency) in enumerate((first, second), 1):
        world.change(f"03-0{day}T09:00", "deal:1", owner="anna", value=value, currency=currency)
    assert world.seen == []


def test_another_currency_ends_it_and_the_value_can_cross_in_the_right_one_again() -> None:
    world = World(rules(path(UP)))
    world.change("03-01T09:00", "deal:1", owner="anna", value=300.0, currency="EUR")
    world.change("03-02T09:00", "deal:1", currency="USD")
    world.change("03-03T09:00", "deal:1", currency="EUR")
    assert [each.event for each in world.seen] == ["opened", "resolved"]
    world.change("03-04T09:00", "deal:1", value=200.0)
    world.change("03-05T09:00", "deal:1", value=300.0)
    assert [each.event for each in world.seen] == ["opened", "resolved", "opened"]


@pytest.mark.parametrize(("when", "value", "then"), [(UP, 300.0, 310.0), (DOWN, 50.0, 40.0)])
def test_a_value_that_a_snapshot_shows_has_not_crossed(when: str, value: float, then: float) -> None:
    world = World(rules(path(when)))
    world.change("03-01T09:00", "deal:1", op="refresh", owner="anna", value=value, currency="EUR")
    world.change("03-02T09:00", "deal:1", value=then)
    assert world.seen == []


def test_a_crossing_is_not_forgotten_while_closed() -> None:
    world = World(rules(path(UP)))
    world.change("03-01T09:00", "deal:1", owner="anna", value=100.0, currency="EUR", status="open")
    world.change("03-02T09:00", "deal:1", value=300.0)
    world.change("03-03T09:00", "deal:1", status="closed")
    world.change("03-04T09:00", "deal:1", status="open")
    assert [each.event for each in world.seen] == ["opened", "resolved", "opened"]


def test_a_crossing_waits_for_the_other_clauses() -> None:
    world = World(rules(path(UP, ", where: {stage: {not: Prospecting}}")))
    world.change("03-01T09:00", "deal:1", owner="anna", value=100.0, currency="EUR", stage="Prospecting")
    world.change("03-02T09:00", "deal:1", value=300.0)
    world.change("03-03T09:00", "deal:1", stage="Proposal")
    assert brief(world.seen) == [("03-03T09:00", "opened", ("anna",))]


LIKELY = ", where: {probability: {at_least: 50}}"


def test_amount_and_probability_fire_when_the_later_of_the_two_comes() -> None:
    world = World(rules(path(UP, LIKELY)))
    world.change("03-01T09:00", "deal:1", owner="anna", value=100.0, currency="EUR", probability=20)
    world.change("03-02T09:00", "deal:1", value=300.0)
    world.change("03-05T09:00", "deal:1", probability=60)
    assert brief(world.seen) == [("03-05T09:00", "opened", ("anna",))]
    world.change("03-06T09:00", "deal:1", probability=40)
    world.change("03-07T09:00", "deal:1", probability=50)
    assert [each.event for each in world.seen] == ["opened", "resolved", "opened"]


def test_a_probability_that_comes_when_the_value_is_back_fires_nothing() -> None:
    world = World(rules(path(UP, LIKELY)))
    world.change("03-01T09:00", "deal:1", owner="anna", value=300.0, currency="EUR", probability=20)
    world.change("03-02T09:00", "deal:1", value=200.0)
    world.change("03-03T09:00", "deal:1", probability=60)
    assert world.seen == []


@pytest.mark.parametrize(
    ("when", "values", "again"),
    [
        (UP, [300.0, 340.0], False),
        (UP, [300.0, 350.0], True),
        (DOWN, [150.0, 90.0, 45.0], False),
        (DOWN, [150.0, 90.0, 40.0], True),
    ],
)
def test_a_value_that_gets_much_worse_opens_anew(when: str, values: list[float | None], again: bool) -> None:
    events = played(when, values, ", rearm: {after: 30d, or: worse by 50 EUR}")
    assert events == ["opened", *["resolved", "opened"] * again]


@pytest.mark.parametrize(
    ("when", "values", "because", "clear"),
    [
        (UP_CLEAR, [300.0], "value 300 EUR has crossed 250 EUR", "240 EUR"),
        (DOWN_CLEAR, [150.0, 90.5], "value 90.50 EUR has fallen below 100 EUR", "110 EUR"),
    ],
)
def test_the_reason_names_the_value_and_the_threshold(
    when: str, values: list[float], because: str, clear: str
) -> None:
    world = World(rules(path(when)))
    for day, value in enumerate(values, 1):
        world.change(f"03-0{day}T09:00", "deal:1", owner="anna", value=value, currency="EUR")
    reason = world.seen[0].reason
    assert reason["because"] == because
    assert reason["clock"]["clear"] == clear


def test_the_examples_of_the_documentation_are_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "triggers-health-value.md").read_text("utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    found = Problems()
    for example in examples:
        people = {"people": {"anna": None}, "roles": {"sales-director": "anna"}, "fallback": "anna"}
        read_rules({**people, **yaml.safe_load(example)}, found)
    assert len(examples) == 2
    assert found == []


def problems(value: Any) -> list[str]:
    found = Problems()
    read_rules(
        {
            "people": {"anna": None},
            "fallback": "anna",
            "paths": {"p": {"about": "deal", "when": {"value": value}, "steps": [{"notify": "anna"}]}},
        },
        found,
    )
    assert all(each.position[:4] == ("paths", "p", "when", "value") for each in found)
    return [f"{each.message}. {each.remedy}" for each in found]


DEFINITIONS = json.loads(
    (Path(__file__).parents[2] / "schemas" / "escalations.schema.json").read_text("utf-8")
)["$defs"]
SCHEMA = Draft202012Validator({"$ref": "#/$defs/when", "$defs": DEFINITIONS})


@pytest.mark.parametrize(
    "value",
    [
        {"crosses": "250000 EUR"},
        {"crosses": "250_000.50 EUR", "clear": "240000 EUR"},
        {"crosses": "250 EUR", "clear": "250 EUR"},
        {"falls_below": "100 EUR"},
        {"falls_below": "100 EUR", "clear": "110 EUR"},
        {"falls_below": "0 EUR"},
    ],
)
def test_what_is_right_is_read_and_fits_the_schema(value: Any) -> None:
    assert problems(value) == []
    assert SCHEMA.is_valid({"value": value})


@pytest.mark.parametrize(
    ("value", "message", "remedy"),
    [
        ({"crosses": 10}, "the amount 10 has no currency", "10 EUR"),
        ({"crosses": "10 EUR", "clear": 5}, "the amount 5 has no currency", "5 EUR"),
        ({"drops": "10 EUR"}, "unknown key 'drops'", "crosses"),
        ({"fall_below": "10 EUR"}, "unknown key 'fall_below'", "Did you mean 'falls_below'?"),
        ({"clear": "10 EUR"}, "this names no threshold", "crosses: 250000 EUR"),
        ({}, "this names no threshold", "falls_below"),
        ("250 EUR", "'value' is text", "key: value"),
        ({"crosses": "10 EUR", "falls_below": "5 EUR"}, "this has crosses and falls_below", "one of them"),
        ({"crosses": "10 EUR", "within": "14d"}, "unknown key 'within'", "crosses, clear"),
    ],
)
def test_what_is_wrong_in_form_is_a_problem_and_against_the_schema(
    value: Any, message: str, remedy: str
) -> None:
    (problem,) = problems(value)
    assert message in problem
    assert remedy in problem
    assert not SCHEMA.is_valid({"value": value})


@pytest.mark.parametrize(
    ("value", "message", "remedy"),
    [
        ({"crosses": "10 EUR", "clear": "11 EUR"}, "11 EUR is above 10 EUR", "at most 10 EUR"),
        ({"falls_below": "10 EUR", "clear": "9 EUR"}, "9 EUR is below 10 EUR", "at least 10 EUR"),
        ({"crosses": "10 EUR", "clear": "9 USD"}, "9 USD is not in EUR, as 'crosses' is", "in EUR"),
    ],
)
def test_a_clear_on_the_wrong_side_is_a_problem(value: Any, message: str, remedy: str) -> None:
    (problem,) = problems(value)
    assert message in problem
    assert remedy in problem
