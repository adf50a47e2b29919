"""What the `record` of a feed makes of rows, and how it is refused where it is wrong."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.core.document import Node, Problem
from streams.core.record import FACTS, MOMENTS
from streams.feeds import Undecodable
from streams.feeds.debezium import DebeziumValues
from streams.feeds.formats import read_feed
from streams.feeds.mapping import RecordMapping, read_mapping


def mapping(**record: Any) -> RecordMapping:
    return read_mapping(Node({"kind": "ticket", "id": "id", **record}, ("record",)), DebeziumValues())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (True, "true"),
        (Decimal("7"), "7"),
        (2**64 - 1, str(2**64 - 1)),
    ],
)
def test_numbers_become_text(value: Any, text: str) -> None:
    assert mapping(owner="who").read({"who": value}) == {"owner": text}
    assert mapping().record({"id": value}) == f"ticket:{text}"


def test_an_id_of_several_columns_is_joined() -> None:
    assert mapping(id=["ticket_id", "seq"]).record({"ticket_id": 101, "seq": 2}) == "ticket:101/2"


@pytest.mark.parametrize("row", [{}, {"id": None}, {"id": ""}, {"id": []}, {"id": {}}])
def test_a_row_without_an_id_is_undecodable(row: dict[str, Any]) -> None:
    with pytest.raises(Undecodable, match="id column 'id'"):
        mapping().record(row)


@pytest.mark.parametrize(
    ("stage", "status"), [("pending", "paused"), ("solved", "closed"), ("new", "open"), (None, "open")]
)
def test_the_status_follows_from_the_stage(stage: str | None, status: str) -> None:
    read = mapping(stage={"field": "s", "paused": "pending", "closed": ["solved", "closed"]})
    assert read.read({"s": stage}) == {"stage": stage, "status": status}
    assert read.fields == {"stage", "status"}


def test_a_stage_without_closed_or_paused_says_nothing_of_the_status() -> None:
    assert mapping(stage="s").read({"s": "new"}) == {"stage": "new"}


@pytest.mark.parametrize(
    ("values", "code", "name"),
    [
        ({1: "urgent"}, 1, "urgent"),
        ({1: "urgent"}, "1", "urgent"),
        ({"true": "vip"}, True, "vip"),
        ({"true": "vip"}, "true", "vip"),
        ({1: "urgent"}, 9, "9"),
        ({1: "urgent"}, None, None),
    ],
)
def test_values_name_codes_and_leave_others_as_they_are(
    values: dict[Any, str], code: Any, name: str | None
) -> None:
    read = mapping(priority={"field": "p", "values": values})
    assert read.read({"p": code}) == {"priority": name}


def test_paused_and_closed_are_the_names_after_values() -> None:
    read = mapping(stage={"field": "s", "values": {6: "done"}, "closed": ["done"]})
    assert read.read({"s": 6}) == {"stage": "done", "status": "closed"}


def test_a_value_has_the_currency_of_a_column_or_always_the_same() -> None:
    assert mapping(value={"field": "v", "currency": "c"}).read({"v": 5, "c": "EUR"}) == {
        "value": 5.0,
        "currency": "EUR",
    }
    always = mapping(value={"field": "v", "currency": {"always": "EUR"}})
    assert always.read({"v": 5}) == {"value": 5.0, "currency": "EUR"}
    assert always.read({}) == {}
    assert always.fields == {"value", "currency"}


@pytest.mark.parametrize("value", ["x", "nan", "inf", "1e999", True, [], {}])
def test_what_is_no_finite_number_is_undecodable(value: Any) -> None:
    with pytest.raises(Undecodable, match="health, column 'h'"):
        mapping(health="h").read({"h": value})


@pytest.mark.parametrize(("value", "count"), [(3, 3), ("3", 3), (3.0, 3), (None, None)])
def test_contacts_are_a_count(value: Any, count: int | None) -> None:
    assert mapping(contacts="c").read({"c": value}) == {"contacts": count}


@pytest.mark.parametrize("value", [-1, 2.5, "two", 1e300])
def test_what_is_no_count_is_undecodable(value: Any) -> None:
    with pytest.raises(Undecodable, match="contacts"):
        mapping(contacts="c").read({"c": value})


def test_further_fields_keep_scalars_and_lists_and_objects_become_json_text() -> None:
    read = mapping(fields={"a": "x", "b": "y", "c": "z"})
    assert read.read({"x": 1.5, "y": ["vip", {"k": 1}], "z": {"k": [1]}}) == {
        "a": 1.5,
        "b": ["vip", '{"k":1}'],
        "c": '{"k":[1]}',
    }
    assert read.fields == {"a", "b", "c"}


def test_a_column_that_a_row_lacks_gives_no_field_and_a_null_gives_none() -> None:
    read = mapping(owner="o", value="v", created="c", fields=["f"])
    assert read.read({}) == {}
    assert read.read({"o": None, "v": None, "c": None, "f": None}) == {
        "owner": None,
        "value": None,
        "created": None,
        "f": None,
    }


@pytest.mark.parametrize("name", MOMENTS)
def test_every_moment_of_a_record_has_a_column(name: str) -> None:
    read = mapping(**{name: "c"})
    assert read.read({"c": "2026-03-02T10:00:00+01:00"}) == {name: "2026-03-02T09:00:00Z"}
    assert read.read({"c": None}) == {name: None}
    with pytest.raises(Undecodable, match=f"{name}, column 'c'"):
        read.read({"c": "soon"})


@pytest.mark.parametrize(
    ("value", "record"), [(12, "ticket:12"), ("A-1", "ticket:A-1"), (None, None), ("", None)]
)
def test_a_merged_record_names_the_one_it_has_become_part_of(value: Any, record: str | None) -> None:
    assert mapping(merged="into").read({"into": value}) == {"merged": record}
    assert mapping(merged="into").read({}) == {}


@pytest.mark.parametrize("name", ["issue", "issue_status", "visit"])
def test_a_further_field_cannot_take_a_name_that_says_something_of_customers(name: str) -> None:
    with pytest.raises(Problem, match="of its own for customers") as caught:
        mapping(fields={name: "column"})
    assert caught.value.position == ("record", "fields", name)


@pytest.mark.parametrize("name", sorted({*FACTS, *MOMENTS}))
def test_a_further_field_cannot_take_the_name_of_one_that_every_record_has(name: str) -> None:
    for fields, position in (([name], (0,)), ({name: "column"}, (name,))):
        with pytest.raises(Problem) as caught:
            mapping(fields=fields)
        assert caught.value.position == ("record", "fields", *position)
        assert "every record has" in caught.value.message


@pytest.mark.parametrize(
    ("record", "position", "message", "remedy"),
    [
        ({"ower": "a"}, ("ower",), "unknown key 'ower'", "'owner'"),
        ({"id": None}, ("id",), "empty", "column"),
        ({"id": []}, ("id",), "no column", "column"),
        ({"kind": "a:b"}, ("kind",), "colon", "plain word"),
        ({"kind": ["ticket"]}, ("kind",), "a list", "ticket"),
        ({"owner": None}, ("owner",), "empty", "name of a column"),
        ({"owner": ["a", "b"]}, ("owner",), "a list", "name of a column"),
        ({"owner": {"column": "a"}}, ("owner", "column"), "unknown key 'column'", "field"),
        ({"owner": {"values": {1: "a"}}}, ("owner",), "lacks 'field'", "field:"),
        ({"owner": {"field": "a", "paused": ["b"]}}, ("owner", "paused"), "unknown key", "values"),
        ({"priority": {"field": "a", "values": ["b"]}}, ("priority", "values"), "a list", "mapping"),
        ({"stage": {"field": "a", "closed": [True]}}, ("stage", "closed", 0), "true or false", "stage"),
        (
            {"stage": {"field": "a", "paused": ["b"], "closed": ["b"]}},
            ("stage", "closed", 0),
            "both",
            "one of",
        ),
        (
            {"value": {"field": "a", "currency": {"always": "euro"}}},
            ("value", "currency", "always"),
            "'euro'",
            "EUR",
        ),
        (
            {"value": {"field": "a", "currency": {"allways": "EUR"}}},
            ("value", "currency", "allways"),
            "unknown key",
            "'always'",
        ),
        ({"created": {"field": "a", "format": "iso"}}, ("created", "format"), "unknown key", "unit"),
        ({"health": {"field": "a", "currency": "b"}}, ("health", "currency"), "unknown key", "scale"),
        ({"contacts": {"field": "a"}}, ("contacts",), "a mapping", "name of a column"),
        ({"merged": ["a", "b"]}, ("merged",), "a list", "name of a column"),
        ({"fields": [["a"]]}, ("fields", 0), "a list", "text"),
    ],
)
def test_a_wrong_mapping_is_refused_where_it_is_wrong(
    record: dict[str, Any], position: tuple[str | int, ...], message: str, remedy: str
) -> None:
    with pytest.raises(Problem) as caught:
        mapping(**record)
    assert caught.value.position == ("record", *position)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_a_mapping_needs_a_kind_and_an_id() -> None:
    for record in ({"kind": "ticket"}, {"id": "id"}):
        with pytest.raises(Problem, match="lacks"):
            read_mapping(Node(record, ("record",)), DebeziumValues())


@pytest.mark.parametrize(
    ("node", "message", "remedy"),
    [
        ({"topic": "t"}, "lacks 'format'", "csv, dataverse, debezium"),
        ({"format": "debezum"}, "'debezum' is not known", "'debezium'"),
    ],
)
def test_an_unknown_format_is_met_with_the_known_ones(
    node: dict[str, Any], message: str, remedy: str
) -> None:
    with pytest.raises(Problem) as caught:
        read_feed("tickets", Node(node, ("feeds", "tickets")))
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_the_example_of_the_documentation_gives_what_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text(encoding="utf-8")
    block = page.split("```yaml\n")[1].split("```")[0]
    feeds = {
        name: read_feed(name, Node(each)) for name, each in yaml.load(block, yaml.BaseLoader)["feeds"].items()
    }
    every = {"created", "touched", "entered"}
    assert feeds["comments"].kinds["ticket"].facts - every == {
        *("customer", "by", "heard", "asked", "responded", "replied"),
    }
    # Each key has its row.
    keys = {
        key for row in page.split("## `by`")[0].splitlines() for key in re.findall("`([a-z]+)`", row[:40])
    }
    with pytest.raises(Problem) as caught:
        mapping(nothing="c")
    assert set(caught.value.remedy.split("Known here: ")[1].split(", ")) <= keys
