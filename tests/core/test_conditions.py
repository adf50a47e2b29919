"""Conditions on fields: what each operator means, how they combine, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streams.core.conditions import Clause, Group, Where, explain, holds, read_where, reads, tracked
from streams.core.document import Node, Problem
from streams.core.record import FACTS, MOMENTS, Record
from streams.core.timestamps import from_rfc3339
from tests.core.worlds import World, brief, rules

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schemas" / "escalations.schema.json").read_text(encoding="utf-8")
)
WHERE = Draft202012Validator({"$ref": "#/$defs/where", "$defs": SCHEMA["$defs"]})

ATTRIBUTES = {"was", *MOMENTS} & {*Record.__struct_fields__}


def plain(text: str) -> Any:
    """YAML as the configuration reads it: dates stay text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def compiled(where: Any) -> Where:
    return read_where(Node(where, ("where",)))


def record(**fields: Any) -> Record:
    """A record with these facts, whichever kind they are."""
    if "health" in fields:
        fields["health"] = ((0, fields["health"]),)
    own = {name: fields.pop(name) for name in [*fields] if name in FACTS | ATTRIBUTES}
    return Record(
        **{"key": "deal:1", "at": 0, "created": 0, "touched": 0, "entered": 0, **own}, fields=fields
    )


def problem(where: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        compiled(where)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("where", "fields", "expected"),
    [
        # a value, or a list of them
        ("{priority: high}", {"priority": "high"}, True),
        ("{priority: high}", {"priority": "High"}, False),
        ("{priority: high}", {}, False),
        ("{priority: [high, urgent]}", {"priority": "urgent"}, True),
        ("{priority: [high, urgent]}", {"priority": "low"}, False),
        ("{priority: {is: high}}", {"priority": "high"}, True),
        ("{priority: {is: [high, urgent]}}", {"priority": "urgent"}, True),
        ("{priority: {in: [high, urgent]}}", {"priority": "urgent"}, True),
        ("{priority: {in: [high, urgent]}}", {}, False),
        ("{priority: null}", {}, True),
        ("{priority: [null, low]}", {}, True),
        ("{priority: null}", {"priority": "low"}, False),
        ("{status: [open, paused]}", {"status": "paused"}, True),
        # the same in every feed: numbers and texts, booleans and texts
        ("{priority: 1}", {"priority": "1"}, True),
        ("{tier: 1}", {"tier": 1}, True),
        ("{tier: 1}", {"tier": 1.0}, True),
        ("{tier: '1'}", {"tier": 1}, True),
        ("{tier: 1}", {"tier": "01"}, False),
        ("{tier: 1234567}", {"tier": 1234567.0}, True),
        ("{tier: 1234567.5}", {"tier": "1234567.5"}, True),
        ("{tier: 1234567.5}", {"tier": 1234567.25}, False),
        ("{tier: true}", {"tier": True}, True),
        ("{tier: true}", {"tier": "true"}, True),
        ("{tier: true}", {"tier": 1}, False),
        ("{tier: 1}", {"tier": True}, False),
        ("{tier: vip}", {"tier": ["vip"]}, False),
        ("{value: 100}", {"value": 100.0}, True),
        ("{contacts: '3'}", {"contacts": 3}, True),
        # negated: holds wherever the other does not, so without a value, too
        ("{priority: {not: low}}", {"priority": "low"}, False),
        ("{priority: {not: low}}", {"priority": "high"}, True),
        ("{priority: {not: low}}", {}, True),
        ("{priority: {not: [low, null]}}", {}, False),
        ("{priority: {not: low, empty: false}}", {}, False),
        ("{priority: {not: [low, normal]}}", {"priority": "normal"}, False),
        ("{priority: {not_in: [low, normal]}}", {"priority": "normal"}, False),
        ("{priority: {not_in: [low, normal]}}", {"priority": "high"}, True),
        ("{tier: {not: 1}}", {"tier": "1"}, False),
        ("{tags: {not: vip}}", {"tags": ["vip"]}, True),
        # bounds
        ("{tier: {at_least: 3}}", {"tier": "4"}, True),
        ("{tier: {at_least: 3}}", {"tier": 3}, True),
        ("{tier: {above: 3}}", {"tier": 3}, False),
        ("{tier: {above: 3}}", {"tier": 3.5}, True),
        ("{tier: {at_most: 3}}", {"tier": 3}, True),
        ("{tier: {at_most: 3}}", {"tier": "3.1"}, False),
        ("{tier: {below: 3}}", {"tier": 3}, False),
        ("{tier: {below: 3}}", {"tier": -1}, True),
        ("{tier: {at_least: 3}}", {"tier": "gold"}, False),
        ("{tier: {below: 3}}", {"tier": "gold"}, False),
        ("{tier: {below: 3}}", {"tier": None}, False),
        ("{tier: {below: 3}}", {"tier": [1]}, False),
        ("{tier: {at_most: 3}}", {"tier": "nan"}, False),
        ("{tier: {at_least: 3, below: 5}}", {"tier": 4}, True),
        ("{tier: {at_least: 3, below: 5}}", {"tier": 5}, False),
        ("{tier: {at_least: 3, at_most: 3}}", {"tier": "3"}, True),
        ("{health: {below: 50}}", {"health": 40.0}, True),
        ("{health: {below: 50}}", {}, False),
        ("{contacts: {at_least: 3}}", {"contacts": 3}, True),
        # money is never converted
        ("{value: {below: 50 EUR}}", {"value": 40.0, "currency": "EUR"}, True),
        ("{value: {below: 50 EUR}}", {"value": 40.0, "currency": "USD"}, False),
        ("{value: {below: 50 EUR}}", {"value": 40.0}, False),
        ("{value: {at_least: 50 EUR}}", {"currency": "EUR"}, False),
        ("{value: {above: 50 EUR}}", {"value": 50.0, "currency": "EUR"}, False),
        ("{value: {at_most: 50 EUR}}", {"value": 50.0, "currency": "EUR"}, True),
        ("{not: {value: {at_least: 50 EUR}}}", {"value": 90.0, "currency": "USD"}, True),
        ("{arr: {at_least: 50 EUR}}", {"arr": 60, "currency": "EUR"}, True),
        ("{arr: {at_least: 50 EUR}}", {"arr": 60, "currency": "USD"}, False),
        # moments, of every record and of mapped fields
        ("{renewal: {before: 2027-01-01}}", {"renewal": "2026-12-31"}, True),
        ("{renewal: {before: 2027-01-01}}", {"renewal": "2027-01-01"}, False),
        ("{renewal: {after: 2027-01-01}}", {"renewal": "2027-01-01T23:59:59Z"}, False),
        ("{renewal: {after: 2027-01-01}}", {"renewal": "2027-01-02"}, True),
        ("{renewal: {after: '2027-01-01T09:00:00Z'}}", {"renewal": "2027-01-01T10:00:00+01:00"}, False),
        ("{renewal: {after: '2027-01-01T09:00:00Z'}}", {"renewal": "2027-01-01T10:00:00"}, True),
        ("{renewal: {before: 2027-01-01}}", {"renewal": "01/12/2026"}, False),
        ("{renewal: {before: 2027-01-01}}", {"renewal": 0}, False),
        ("{renewal: {before: 2027-01-01}}", {"renewal": "0001-01-01T00:00:00+14:00"}, True),
        ("{renewal: {before: 2027-01-01}}", {}, False),
        ("{created: {after: 2026-12-31}}", {"created": from_rfc3339("2027-01-01T00:00:00Z")}, True),
        ("{created: {after: 2027-01-01}}", {"created": from_rfc3339("2027-01-01T12:00:00Z")}, False),
        ("{asked: {empty: false}}", {"asked": 5}, True),
        ("{asked: {empty: false}}", {}, False),
        ("{planned: {before: 2027-01-01}}", {}, False),
        # texts and lists
        ("{tags: {contains: vip}}", {"tags": ["vip", "eu"]}, True),
        ("{tags: {contains: [vip, gold]}}", {"tags": ["eu", "gold"]}, True),
        ("{tags: {contains: 7}}", {"tags": [6, 7]}, True),
        ("{tags: {contains: vip}}", {"tags": ["vip2"]}, False),
        ("{tags: {contains: vip}}", {"tags": None}, False),
        ("{subject: {contains: down}}", {"subject": "it is down"}, True),
        ("{subject: {contains: [down, broken]}}", {"subject": "broken"}, True),
        ("{subject: {contains: Down}}", {"subject": "it is down"}, False),
        ("{plz: {starts_with: 10}}", {"plz": 10115}, True),
        ("{plz: {starts_with: ['10', '12']}}", {"plz": "12047"}, True),
        ("{plz: {starts_with: '10'}}", {"plz": "20115"}, False),
        ("{plz: {starts_with: '10'}}", {"plz": ["10"]}, False),
        ("{tier: {ignoring_case: gold}}", {"tier": "GOLD"}, True),
        ("{tier: {ignoring_case: [GOLD, strasse]}}", {"tier": "Straße"}, True),
        ("{tier: {ignoring_case: gold}}", {"tier": " gold"}, False),
        ("{tier: {ignoring_case: gold}}", {}, False),
        ("{region: {empty: true}}", {}, True),
        ("{region: {empty: true}}", {"region": ""}, True),
        ("{region: {empty: true}}", {"region": []}, True),
        ("{region: {empty: true}}", {"region": 0}, False),
        ("{region: {empty: true}}", {"region": False}, False),
        ("{region: {empty: false}}", {"region": "eu"}, True),
        # what the latest change was
        ("{stage: {changed: {from: A, to: B}}}", {"stage": "B", "was": {"stage": "A"}}, True),
        ("{stage: {changed: {from: A, to: B}}}", {"stage": "C", "was": {"stage": "A"}}, False),
        ("{stage: {changed: {from: A, to: B}}}", {"stage": "B", "was": {"stage": "C"}}, False),
        ("{stage: {changed: {from: A, to: B}}}", {"stage": "B"}, False),
        ("{stage: {changed: {from: A}}}", {"stage": None, "was": {"stage": "A"}}, True),
        ("{stage: {changed: {to: [B, C]}}}", {"stage": "C", "was": {"stage": None}}, True),
        ("{stage: {changed: {from: null}}}", {"stage": "C", "was": {"stage": None}}, True),
        ("{stage: {changed: {from: null}}}", {"stage": "C"}, False),
        ("{stage: {changed: {from: [A, B], to: [A, B]}}}", {"stage": "B", "was": {"stage": "A"}}, True),
        ("{tier: {changed: {from: 1, to: 2}}}", {"tier": 2.0, "was": {"tier": "1"}}, True),
        ("{tier: {changed: {from: 1}}}", {"tier": 2, "was": {"tier": 1}}, True),
        ("{tier: {changed: {from: 1}}}", {"tier": 2, "was": {"tier": [1]}}, False),
        # combined
        ("{}", {}, True),
        ("{priority: high, contacts: {at_least: 3}}", {"priority": "high", "contacts": 2}, False),
        ("{any: [{priority: high}, {contacts: {at_least: 3}}]}", {"contacts": 3}, True),
        ("{any: [{priority: high}, {contacts: {at_least: 3}}]}", {"contacts": 2}, False),
        ("{any: [{priority: high, contacts: 1}, {tier: 1}]}", {"priority": "high"}, False),
        ("{any: [{priority: high, contacts: 1}, {tier: 1}]}", {"priority": "high", "contacts": 1}, True),
        ("{any: [{priority: high}], stage: A}", {"priority": "high", "stage": "B"}, False),
        ("{all: [{tags: {contains: a}}, {tags: {contains: b}}]}", {"tags": ["b", "a"]}, True),
        ("{all: [{tags: {contains: a}}, {tags: {contains: b}}]}", {"tags": ["b"]}, False),
        ("{not: {stage: A}}", {"stage": "A"}, False),
        ("{not: {stage: A}}", {}, True),
        ("{not: {stage: A, tier: 1}}", {"stage": "A", "tier": 2}, True),
        ("{not: {any: [{stage: A}, {tier: 1}]}}", {"stage": "A", "tier": 2}, False),
        ("{not: {not: {stage: A}}}", {"stage": "A"}, True),
        ("{any: [{not: {stage: A}}, {all: [{stage: A}, {tier: 1}]}]}", {"stage": "A", "tier": 1}, True),
    ],
)
def test_what_holds(where: str, fields: dict[str, Any], expected: bool) -> None:
    assert holds(compiled(plain(where)), record(**fields)) is expected
    WHERE.validate(plain(where))


def test_no_where_asks_nothing() -> None:
    assert holds(read_where(None), record())
    assert holds(Where(), record())


@pytest.mark.parametrize(
    ("where", "at", "message", "remedy"),
    [
        ("[a]", (), "'where' is a list", "key: value"),
        ("{value: {under: 10 EUR}}", ("value", "under"), "'under' is no operator", "mean 'below'?"),
        ("{tier: {at_leest: 1}}", ("tier", "at_leest"), "no operator", "mean 'at_least'?"),
        ("{value: {contains: 1}}", ("value", "contains"), "no operator for 'value'", "one of: is, not,"),
        ("{status: {at_least: 1}}", ("status", "at_least"), "no operator for 'status'", "changed"),
        ("{status: opened}", ("status",), "'opened' is not known here", "mean 'open'?"),
        ("{status: {changed: {to: done}}}", ("status", "changed", "to"), "'done' is not known", "closed"),
        ("{created: {older_than: 8d}}", ("created", "older_than"), "no operator", "`when`"),
        ("{created: 2027-01-01}", ("created",), "'created' is a moment", "before: 2027-01-01"),
        ("{created: {is: 2027-01-01}}", ("created", "is"), "no operator", "before, after, empty"),
        ("{scored: {empty: true}}", ("scored",), "no field for conditions", "Take it out"),
        ("{stage: {}}", ("stage",), "'stage' has no operator", "Write one of: is"),
        ("{stage: []}", ("stage",), "the list of 'stage' is empty", "at least one"),
        ("{stage: {not: []}}", ("stage", "not"), "the list of 'not' is empty", "at least one"),
        ("{stage: {is: {a: b}}}", ("stage", "is"), "'is' is a mapping", "single value"),
        ("{stage: [[a]]}", ("stage", 0), "is a list", "single value"),
        ("{stage: {in: a}}", ("stage", "in"), "'in' has no list", "[first, second]"),
        ("{stage: {not_in: a}}", ("stage", "not_in"), "'not_in' has no list", "[first, second]"),
        ("{or: [{stage: a}, {tier: 1}]}", ("or",), "a list of mappings", "any: [...]"),
        ("{value: {at_least: 10}}", ("value", "at_least"), "has no currency", "10 EUR"),
        ("{tier: {at_least: high}}", ("tier", "at_least"), "'high' is not an amount", "a number"),
        ("{tier: {at_least: [1]}}", ("tier", "at_least"), "'at_least' is a list", "a number"),
        ("{tier: {below: true}}", ("tier", "below"), "true or false", "a number"),
        ("{value: 10 EUR}", ("value",), "'10 EUR' is no number", "at_least: 10000 EUR"),
        ("{health: good}", ("health",), "'good' is no number", "at_least: 3"),
        ("{contacts: true}", ("contacts",), "True is no number", "Write a number"),
        ("{d: {before: soon}}", ("d", "before"), "neither a date nor a moment", "2027-01-01"),
        ("{d: {after: 20270101}}", ("d", "after"), "neither a date nor a moment", "2027-01-01"),
        ("{d: {after: '20270101'}}", ("d", "after"), "neither a date nor a moment", "2027-01-01"),
        ("{d: {after: '2027-02-30'}}", ("d", "after"), "neither a date nor a moment", "2027-01-01"),
        ("{tags: {contains: true}}", ("tags", "contains"), "true or false", "text"),
        ("{tags: {contains: []}}", ("tags", "contains"), "is empty", "at least one"),
        ("{tags: {starts_with: ''}}", ("tags", "starts_with"), "'starts_with' is text", "text"),
        ("{tags: {empty: 1}}", ("tags", "empty"), "'empty' is the number 1", "true or false"),
        ("{stage: {changed: true}}", ("stage", "changed"), "neither from nor to", "from: closed"),
        ("{stage: {changed: {}}}", ("stage", "changed"), "neither from nor to", "from: closed"),
        ("{stage: {changed: {form: A}}}", ("stage", "changed", "form"), "unknown key", "mean 'from'?"),
        ("{stage: {changed: {from: A, to: A}}}", ("stage", "changed"), "are the same", "from: closed"),
        ("{stage: {changed: {from: 1, to: ['1']}}}", ("stage", "changed"), "are the same", "from: closed"),
        ("{any: []}", ("any",), "the list of 'any' is empty", "take 'any' out"),
        ("{all: []}", ("all",), "the list of 'all' is empty", "take 'all' out"),
        ("{all: x}", ("all",), "'all' has no list", "needs another one"),
        ("{any: {stage: A}}", ("any",), "'any' has no list", "any: [{priority: high}"),
        ("{any: [x]}", ("any", 0), "'any[0]' is text", "key: value"),
        ("{any: [{stage: A}, {}]}", ("any", 1), "no condition", "take it out"),
        ("{not: x}", ("not",), "'not' has no conditions", "needs another one"),
        ("{not: [{stage: A}]}", ("not",), "'not' has a list", "not: {any: [...]}"),
        ("{not: {}}", ("not",), "no condition", "take it out"),
        ("{any: [{all: [{not: {stage: {nott: A}}}]}]}", ("any", 0, "all", 0, "not", "stage", "nott"), "", ""),
        # can never hold
        ("{tier: {at_least: 10, below: 5}}", ("tier",), "at least 10 and is below 5 never holds", "any: "),
        ("{tier: {at_least: 5, below: 5}}", ("tier",), "never holds", "any: "),
        ("{tier: {above: 5, at_most: 5}}", ("tier",), "never holds", "any: "),
        ("{value: {at_least: 9 EUR, below: 9 EUR}}", ("value",), "never holds", "any: "),
        ("{value: {at_least: 1 EUR, below: 9 USD}}", ("value",), "compared in EUR and USD", "any: "),
        ("{d: {after: 2027-01-01, before: 2027-01-02}}", ("d",), "never holds", "any: "),
        ("{tier: {is: 4, below: 3}}", ("tier",), "never holds", "any: "),
        ("{tier: {in: [a, b], not: [a, b, c]}}", ("tier",), "is a or b and is not a or b or c", "any: "),
        ("{tier: {empty: true, contains: a}}", ("tier",), "never holds", "any: "),
        ("{tier: {empty: true, not: null}}", ("tier",), "is empty and is not null never holds", "any: "),
        ("{asked: {empty: true, after: 2027-01-01}}", ("asked",), "never holds", "any: "),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_write(
    where: str, at: tuple[str | int, ...], message: str, remedy: str
) -> None:
    found = problem(plain(where))
    assert found.position == ("where", *at)
    assert message in found.message
    assert remedy in found.remedy


def test_what_is_meant_is_named_only_where_it_can_be_used() -> None:
    assert problem({"tier": {"under": 1}}).remedy.startswith("Did you mean 'below'? ")
    assert problem({"status": {"under": 1}}).remedy.startswith("Write one of: ")


@pytest.mark.parametrize(
    "where",
    [
        "{tier: {at_least: 5, at_most: 5}}",
        "{d: {after: 2027-01-01, before: 2027-01-03}}",
        "{tier: {in: [a, b], not: a}}",
        "{tier: {empty: true, is: ''}}",
        "{tier: {is: [1, 9], below: 3}}",
        "{value: {is: 5, at_least: 3 EUR}}",
        "{tier: {is: High, ignoring_case: high}}",
        "{stage: {is: B, changed: {from: A}}}",
        # An odd field, but no contradiction: one bound is of a number, the other of a date.
        "{tier: {at_least: 20270101, before: 1970-01-01}}",
    ],
)
def test_what_can_hold_is_not_refused(where: str) -> None:
    assert compiled(plain(where)).clauses


@pytest.mark.parametrize(
    "where",
    [
        "{any: []}",
        "{any: {stage: A}}",
        "{not: [{stage: A}]}",
        "{not: {}}",
        "{all: [{}]}",
        "{stage: {}}",
        "{stage: []}",
        "{stage: {in: A}}",
        "{stage: {older_than: 3d}}",
        "{stage: {changed: {}}}",
        "{stage: {changed: {form: A}}}",
        "{d: {before: soon}}",
        "{tags: {contains: []}}",
        "{any: [{not: {stage: {nott: A}}}]}",
    ],
)
def test_what_is_wrong_in_form_is_invalid_in_the_schema(where: str) -> None:
    problem(plain(where))
    assert not WHERE.is_valid(plain(where))


NESTED = plain(
    """
    stage: {not: Prospecting, empty: false}
    any:
      - value: {at_least: 10000 EUR}
        tier: gold
      - owner: {changed: {from: anna}}
    not: {all: [{region: eu}, {planned: {before: 2027-01-01}}]}
    """
)


def test_what_is_read_and_what_is_tracked() -> None:
    where = compiled(NESTED)
    assert [clause.field for clause in where] == [
        "stage",
        "stage",
        "value",
        "tier",
        "owner",
        "region",
        "planned",
    ]
    assert where[2].position == ("where", "any", 0, "value")
    assert reads(where) == {"stage", "value", "currency", "tier", "owner", "region", "planned"}
    assert tracked(where) == {"owner"}
    assert reads(compiled({"arr": {"below": "5 EUR"}})) == {"arr", "currency"}
    assert reads(compiled({"value": {"empty": True}})) == {"value"}
    assert reads(Where()) == tracked(Where()) == frozenset()


def test_each_clause_is_explained() -> None:
    where = compiled(plain("{priority: [high, 1], stage: {not: null}, value: {below: 5000.5 EUR}}"))
    assert explain(where, record(priority="high", value=9.0)) == [
        {"field": "priority", "is": "high", "wanted": "is high or 1", "holds": True},
        {"field": "stage", "is": None, "wanted": "is not null", "holds": False},
        {"field": "value", "is": 9.0, "wanted": "is below 5,000.50 EUR", "holds": False},
    ]


def test_groups_are_explained_as_they_are_written() -> None:
    explained = explain(
        compiled(NESTED),
        record(stage="Proposal", owner="bert", planned=0, was={"owner": "anna", "stage": "new"}),
    )
    assert explained == [
        {"field": "stage", "is": "Proposal", "wanted": "is not Prospecting", "holds": True},
        {"field": "stage", "is": "Proposal", "wanted": "is not empty", "holds": True},
        {
            "any": [
                {
                    "all": [
                        {"field": "value", "is": None, "wanted": "is at least 10,000 EUR", "holds": False},
                        {"field": "tier", "is": None, "wanted": "is gold", "holds": False},
                    ],
                    "holds": False,
                },
                {
                    "field": "owner",
                    "is": "bert",
                    "wanted": "has changed from anna",
                    "holds": True,
                    "was": "anna",
                },
            ],
            "holds": True,
        },
        {
            "not": [
                {
                    "all": [
                        {"field": "region", "is": None, "wanted": "is eu", "holds": False},
                        {
                            "field": "planned",
                            "is": "1970-01-01T00:00:00Z",
                            "wanted": "is before 2027-01-01",
                            "holds": True,
                        },
                    ],
                    "holds": False,
                }
            ],
            "holds": True,
        },
    ]
    never_changed = explain(compiled({"owner": {"changed": {"to": "bert"}}}), record(owner="bert"))
    assert never_changed == [
        {"field": "owner", "is": "bert", "wanted": "has changed to bert", "holds": False}
    ]


@pytest.mark.parametrize("field", [*sorted(FACTS), "tier"])
def test_a_field_is_what_the_record_says_it_is(field: str) -> None:
    """The compiled access and `Record.fact` agree."""
    some = {"status": "open", "value": 5.0, "health": 5.0, "contacts": 5}.get(field, "x")
    for each in (record(**{field: some}), record()):
        fact = each.fact(field)
        assert holds(compiled({field: some}), each) is (fact == some)
        assert explain(compiled({field: some}), each)[0]["is"] == fact


# Properties: any condition, any values.

# All of Unicode is slow to begin with, which Hypothesis takes for slow data.
ALPHABET = "aAbBßéΣ日 0123456789.-+eE_\n\0"
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["a", "A", "b", "1", "", "nan", "-inf", "1e400", "2027-01-01", "0001-01-01T00:00+23:59"]),
    st.text(ALPHABET, max_size=4),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(ALPHABET, max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)
RECORDS = st.builds(
    lambda extras, was, facts: record(**extras, **facts, was=was),
    st.dictionaries(st.sampled_from(["x", "y"]), VALUES),
    st.dictionaries(st.sampled_from(["x", "y", "stage", "value"]), VALUES),
    st.fixed_dictionaries(
        {},
        optional={
            "stage": st.sampled_from(["a", "b", None]),
            "value": st.none() | st.floats() | st.integers(),
            "currency": st.sampled_from(["EUR", "USD", None]),
            "health": st.floats(0, 100),
            "contacts": st.integers(0, 9),
        },
    ),
)
WORDS = st.sampled_from(["a", "A", "b", "1", 1, 2.5, True, None])
TEXTS = st.sampled_from(["a", "A", "b", "1"])
OPERATORS = st.one_of(
    WORDS,
    st.lists(WORDS, min_size=1, max_size=3),
    st.builds(lambda value: {"not": value}, WORDS),
    st.builds(
        lambda name, number: {name: number}, st.sampled_from(["at_least", "below"]), st.integers(-3, 3)
    ),
    st.builds(lambda name, number: {name: number}, st.sampled_from(["above", "at_most"]), st.floats(-3, 3)),
    st.builds(
        lambda name, text: {name: text}, st.sampled_from(["contains", "starts_with", "ignoring_case"]), TEXTS
    ),
    st.builds(
        lambda name, text: {name: text},
        st.sampled_from(["before", "after"]),
        st.sampled_from(["2027-01-01", "0001-01-01", "2027-01-01T00:00:00Z"]),
    ),
    st.builds(lambda flag: {"empty": flag}, st.booleans()),
    st.builds(lambda value: {"changed": {"from": value}}, WORDS),
    st.builds(lambda value: {"changed": {"to": value}}, WORDS),
)
CLAUSES = st.one_of(
    st.builds(lambda field, wanted: {field: wanted}, st.sampled_from(["x", "y", "stage"]), OPERATORS),
    st.sampled_from(
        [
            {"value": {"at_least": "1 EUR"}},
            {"value": {"below": "1 USD", "empty": False}},
            {"health": {"below": 50}, "contacts": {"above": 2}},
            {"created": {"before": "2027-01-01"}},
        ]
    ),
)


def lists_of(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(inner, min_size=1, max_size=3)


CONDITIONS = st.recursive(
    CLAUSES,
    lambda inner: st.one_of(
        st.builds(lambda word, parts: {word: parts}, st.sampled_from(["all", "any"]), lists_of(inner)),
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda first, second: {**first, **second}, inner, inner),
    ),
    max_leaves=8,
)


def answer(where: dict[str, Any], each: Record) -> bool:
    return holds(compiled(where), each)


@given(CONDITIONS, RECORDS)
def test_every_condition_that_is_read_is_valid_and_answers_for_any_values(
    where: dict[str, Any], each: Record
) -> None:
    WHERE.validate(where)
    assert answer(where, each) is not answer({"not": where}, each)


@given(lists_of(CONDITIONS), RECORDS)
def test_negating_all_is_any_of_the_negated(parts: list[dict[str, Any]], each: Record) -> None:
    negated = [{"not": part} for part in parts]
    assert answer({"not": {"all": parts}}, each) is answer({"any": negated}, each)
    assert answer({"not": {"any": parts}}, each) is answer({"all": negated}, each)


@given(CONDITIONS, RECORDS, st.randoms())
def test_the_order_does_not_matter(where: dict[str, Any], each: Record, random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return random.sample([shuffled(part) for part in value], len(value))
        if isinstance(value, dict):
            return dict(random.sample([(key, shuffled(part)) for key, part in value.items()], len(value)))
        return value

    assert answer(where, each) is answer(shuffled(where), each)


@given(CONDITIONS, RECORDS)
def test_the_explanation_agrees_at_every_level(where: dict[str, Any], each: Record) -> None:
    read = compiled(where)
    explained = explain(read, each)
    assert all(part["holds"] for part in explained) is holds(read, each)
    msgspec.json.encode(explained)

    def check(part: Clause | Group, said: dict[str, Any]) -> None:
        assert said["holds"] is part.holds(each)
        if isinstance(part, Clause):
            return
        inner = said[part.word]
        for below, also in zip(part.parts, inner, strict=True):
            check(below, also)
        verdicts = [one["holds"] for one in inner]
        combine: dict[str, Callable[[list[bool]], bool]] = {
            "all": all,
            "any": any,
            "not": lambda verdicts: not all(verdicts),
        }
        assert combine[part.word](verdicts) is said["holds"]

    for part, said in zip(read.parts, explained, strict=True):
        check(part, said)


@given(CONDITIONS, RECORDS, RECORDS)
def test_what_is_not_read_does_not_matter(where: dict[str, Any], one: Record, other: Record) -> None:
    """Of two records that agree in what is read, the condition says the same."""
    read = compiled(where)
    own = {name: getattr(one, name) for name in reads(read) if name in Record.__struct_fields__}
    extras = {name: one.fields[name] for name in reads(read) if name in one.fields}
    was = {name: one.was[name] for name in tracked(read) if name in one.was}
    alike = msgspec.structs.replace(other, **own, fields=extras, was=was)
    assert holds(read, alike) is holds(read, one)


# In a path


def path(where: str, when: str = "{untouched: 1d}") -> str:
    return f"paths: {{p: {{about: ticket, when: {when}, where: {where}, steps: [{{notify: owner}}]}}}}"


@pytest.mark.parametrize(
    ("where", "fields", "fires"),
    [
        ("{any: [{priority: high}, {health: {below: 50}}]}", {"health": 40.0}, True),
        ("{any: [{priority: high}, {health: {below: 50}}]}", {"health": 60.0}, False),
        ("{not: {tags: {contains: internal}}}", {"tags": ["internal"]}, False),
    ],
)
def test_conditions_combine_with_a_trigger(where: str, fields: dict[str, Any], fires: bool) -> None:
    world = World(rules(path(where)))
    world.change("03-01T09:00", owner="anna", **fields)
    world.until("03-05T00:00")
    assert bool(world.seen) is fires


def test_a_change_counts_until_the_field_changes_again() -> None:
    world = World(rules(path("{status: {changed: {from: closed, to: open}}}", "{untouched: 8h}")))
    world.change("03-01T09:00", owner="anna", status="open")
    world.until("03-03T00:00")
    world.change("03-03T09:00", status="closed")
    world.change("03-04T09:00", status="open")
    world.change("03-04T10:00", priority="high")
    world.until("03-05T00:00")
    world.change("03-05T09:00", status="paused")
    assert [each[:2] for each in brief(world.seen)] == [
        ("03-04T18:00", "opened"),
        ("03-05T09:00", "resolved"),
    ]
