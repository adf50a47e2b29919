"""What is shown of conditions is so: tried on records of all sorts."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from streams.config import Config, load
from streams.core.conditions import Where, holds, read_where
from streams.core.document import Node, Problem
from streams.core.record import Record
from streams.lint.finding import Subject
from streams.lint.logic import ALIVE, Conditions
from tests.command import STARTERS

TEXTS = ["a", "b", "ab", "B", "1", "2.50", "-3", "", "x y"]
NUMBERS = [-3.0, 0, 1, 1.5, 2.5, 7]
AMOUNTS = ["1 EUR", "2 EUR", "2 USD", "-1.5 EUR"]
DAYS = ["2026-01-01", "2026-06-01"]


def operand(field: str) -> st.SearchStrategy[Any]:
    """What may stand behind a field."""
    if field == "planned":
        moment = st.sampled_from(DAYS)
        return one_of_each({"before": moment, "after": moment, "empty": st.booleans()})
    if field == "status":
        value = st.sampled_from(["open", "paused", "closed"])
        return value | one_of_each({"not": value, "in": st.lists(value, min_size=1, max_size=2)})
    amount = st.sampled_from(AMOUNTS) if field == "value" else st.sampled_from(NUMBERS)
    compared = dict.fromkeys(("at_least", "at_most", "above", "below"), amount)
    if field in ("value", "health"):
        number = st.sampled_from([*NUMBERS, None])
        return number | one_of_each({**compared, "not": number, "empty": st.booleans()})
    value = st.sampled_from([*TEXTS, *NUMBERS, True, None])
    text = st.sampled_from([each for each in TEXTS if each])
    return value | one_of_each(
        {
            **compared,
            "not": value,
            "not_in": st.lists(value, min_size=1, max_size=3),
            "contains": text,
            "starts_with": text,
            "ignoring_case": text,
            "empty": st.booleans(),
            "before": st.sampled_from(DAYS),
            "changed": st.fixed_dictionaries({"to": value}),
        }
    )


def one_of_each(operators: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(operators)).flatmap(
        lambda name: operators[name].map(lambda each: {name: each})
    )


FIELDS = ["status", "stage", "value", "health", "planned", "tier"]
CLAUSE = st.sampled_from(FIELDS).flatmap(lambda name: operand(name).map(lambda each: {name: each}))
CONDITION = st.recursive(
    CLAUSE,
    lambda inner: (
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=5,
)
ANY = st.sampled_from([*TEXTS, *NUMBERS, True, False, None, ["a"], ["b", "ab"], [], "2026-03-01", "1.0", "q"])
RECORDS = st.builds(
    Record,
    key=st.just("ticket:1"),
    at=st.just(0),
    created=st.just(0),
    touched=st.just(0),
    entered=st.just(0),
    status=st.sampled_from(["open", "paused"]),
    stage=st.sampled_from([*TEXTS, "q", None]),
    value=st.sampled_from([None, -9.0, -1.5, 0.0, 1.0, 1.7, 2.0, 2.5, 99.0]),
    currency=st.sampled_from(["EUR", "USD", "CHF", None]),
    health=st.sampled_from([(), ((0, -4.0),), ((0, 1.0),), ((0, 1.25),), ((0, 7.0),), ((0, 8.0),)]),
    planned=st.sampled_from([None, 0, 1_770_000_000_000_000, 1_790_000_000_000_000]),
    fields=st.fixed_dictionaries({}, optional={"tier": ANY}),
    was=st.fixed_dictionaries({}, optional={"tier": ANY, "stage": ANY}),
)


@pytest.fixture(scope="module")
def config() -> Config:
    return load(STARTERS / "csv.yaml")


def read(config: Config, *written: dict[str, Any]) -> tuple[Conditions, list[Where]] | None:
    """Conditions under the names a, b, ... of a document; None where they would be refused."""
    data = dict(zip("ab", written, strict=False))
    root = Node(data)
    try:
        wheres = [read_where(root[name]) for name in data]
    except Problem:
        return None
    return Conditions(Subject(config, data, date(2026, 6, 1))), wheres


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(written=CONDITION, records=st.lists(RECORDS, min_size=20, max_size=20))
def test_what_never_holds_holds_of_nothing(
    config: Config, written: dict[str, Any], records: list[Record]
) -> None:
    compiled = read(config, written)
    if compiled is None:
        return
    conditions, (where,) = compiled
    never = conditions.never_hold(where)
    event(f"never: {never}")
    if never:
        assert not any(holds(where, record) for record in records)
        assert conditions.example(where) is None
    example = conditions.example(where)
    if example is not None:
        assert holds(where, example)
        assert not never


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    CONDITION,
    CONDITION,
    st.sampled_from(["all", "any", "apart"]),
    st.lists(RECORDS, min_size=20, max_size=20),
)
def test_what_is_implied_holds_too(
    config: Config, one: dict[str, Any], two: dict[str, Any], how: str, records: list[Record]
) -> None:
    narrow = {"all": [one, two]} if how == "all" else one
    wide = {"any": [one, two]} if how == "any" else two
    compiled = read(config, narrow, wide)
    if compiled is None:
        return
    conditions, (first, second) = compiled
    implied = conditions.imply(first, second)
    event(f"{how}: {implied}")
    if implied:
        assert all(holds(second, record) for record in records if holds(first, record))


@pytest.mark.parametrize(
    ("narrow", "wide", "implied"),
    [
        ({"tier": 12}, {"tier": {"at_least": 12}}, True),
        ({"tier": {"above": 12}}, {"tier": {"at_least": 12}}, True),
        ({"tier": {"at_least": 12}}, {"tier": {"above": 12}}, False),
        ({"tier": {"above": 1e17}}, {"tier": {"at_least": 1e17}}, True),
        ({"tier": {"below": 1e17}}, {"tier": {"at_most": 1e16}}, False),
        ({"value": {"above": "9 EUR"}}, {"value": {"above": "8 EUR"}}, True),
        ({"value": {"above": "9 EUR"}}, {"value": {"above": "8 USD"}}, False),
        ({"value": {"above": "9 EUR"}}, {"value": {"empty": False}}, True),
        ({"value": {"above": "9 EUR"}}, {"currency": "EUR"}, False),
        ({"tier": "north"}, {"tier": {"starts_with": ["no", "so"]}}, True),
        ({"tier": {"starts_with": "north"}}, {"tier": {"starts_with": "no"}}, False),
        ({"tier": {"contains": "no"}}, {"any": [{"tier": {"contains": "no"}}, {"stage": "x"}]}, True),
        ({"planned": {"empty": True}}, {"planned": {"empty": True}}, True),
        ({"planned": {"empty": True}}, {"planned": {"before": "2026-01-01"}}, False),
        ({"tier": {"changed": {"to": "a"}}}, {"tier": {"changed": {"to": "a"}}}, True),
        ({"tier": "a"}, {"tier": {"changed": {"to": "a"}}}, False),
        ({"stage": "a", "tier": "b"}, {"not": {"any": [{"stage": "b"}, {"tier": "a"}]}}, True),
        ({"status": {"not": "paused"}}, {"status": "open"}, True),
        ({}, {"status": {"not": "closed"}}, True),
        ({}, {"any": [{"tier": "a"}, {"not": {"tier": "a"}}]}, True),
    ],
)
def test_what_is_found_to_be_implied(
    config: Config, narrow: dict[str, Any], wide: dict[str, Any], implied: bool
) -> None:
    compiled = read(config, narrow, wide)
    assert compiled is not None
    conditions, (first, second) = compiled
    assert conditions.imply(first, second, ALIVE) is implied


def test_too_much_to_try_shows_nothing(config: Config) -> None:
    tiers = {"not": {"any": [{f"f{each}": [1, 2]} for each in range(20)]}}
    compiled = read(config, {"all": [tiers, {"not": tiers}]})
    assert compiled is not None
    conditions, (where,) = compiled
    assert not conditions.never_hold(where)
    assert conditions.example(where) is None
