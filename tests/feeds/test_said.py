"""Who did it and what was said, out of the rows of a feed, and how a wrong mapping of these is refused."""

from typing import Any

import pytest

from streams.core.document import Node, Problem
from streams.core.entries import MOST_TEXT, Author, Said
from streams.feeds import Undecodable
from streams.feeds.debezium import DebeziumValues
from streams.feeds.mapping import RecordMapping, read_mapping


def mapping(**record: Any) -> RecordMapping:
    return read_mapping(Node({"kind": "ticket", "id": "id", **record}, ("record",)), DebeziumValues())


def author(by: Any, row: dict[str, Any]) -> Author | None:
    writer = mapping(by=by).writer
    assert writer is not None
    return writer.read(row)


def said(options: dict[str, Any], row: dict[str, Any]) -> Said | None:
    saying = mapping(said=options).saying
    assert saying is not None
    return saying.read(row)


LISTED = {"field": "r", "person": ["agent", 7], "customer": "end-user", "automation": [True]}


@pytest.mark.parametrize(
    ("by", "value", "expected"),
    [
        ("r", "customer", "customer"),
        ({"field": "r"}, "automation", "automation"),
        ("r", "agent", None),
        ("r", "Customer", None),
        (LISTED, "agent", "person"),
        (LISTED, 7, "person"),
        (LISTED, "7", "person"),
        (LISTED, "end-user", "customer"),
        (LISTED, True, "automation"),
        (LISTED, "true", "automation"),
        # The column's own words count where the lists are not given, and only then.
        (LISTED, "person", None),
        (LISTED, "stranger", None),
        (LISTED, None, None),
    ],
)
def test_an_author_is_one_of_three_or_unknown(by: Any, value: Any, expected: Author | None) -> None:
    assert author(by, {"r": value}) == expected


def test_a_row_without_the_column_has_no_author_and_an_object_is_none() -> None:
    assert author("r", {}) is None
    with pytest.raises(Undecodable, match="by, column 'r': a list is not a text"):
        author("r", {"r": ["agent"]})


def test_a_mapping_that_does_not_ask_reads_neither() -> None:
    assert (mapping().writer, mapping().saying) == (None, None)


def test_everything_that_can_be_said() -> None:
    options = {
        "text": "body",
        "channel": "via",
        "public": "shown",
        "automatic": "auto",
        "negativity": "mood",
    }
    row = {"body": "<p>Hi</p>", "via": "email", "shown": False, "auto": 1, "mood": -0.25}
    assert said(options, row) == Said("<p>Hi</p>", "email", False, True, -0.25)
    # What is not known is as it mostly is.
    assert said(options, {**dict.fromkeys(row), "body": "Hi"}) == Said("Hi", None, True, False, None)
    assert said(options, {"body": "Hi"}) == Said("Hi")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"mood": 0.5}, None),
        ({}, None),
        ({"body": None}, None),
        ({"body": ""}, None),
        ({"body": " \n\t"}, None),
        ({"body": "x"}, Said("x")),
        ({"body": None, "mood": 0.5}, Said("", negativity=0.5)),
        ({"body": " ", "mood": 0}, Said("", negativity=0.0)),
    ],
)
def test_without_a_text_and_a_score_nothing_is_said(row: dict[str, Any], expected: Said | None) -> None:
    assert said({"text": "body", "negativity": "mood"}, row) == expected


def test_a_score_may_come_without_any_text() -> None:
    assert said({"negativity": "mood"}, {"mood": "0.5"}) == Said(negativity=0.5)
    assert said({"negativity": "mood"}, {"mood": None}) is None


def test_a_long_text_is_cut() -> None:
    heard = said({"text": "body"}, {"body": "ä" * (MOST_TEXT + 1)})
    assert heard == Said("ä" * MOST_TEXT)


def test_a_channel_may_always_be_the_same() -> None:
    assert said({"text": "t", "channel": {"always": "chat"}}, {"t": "Hi"}) == Said("Hi", "chat")


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("c", True, True),
        ("c", "t", True),
        ("c", "Yes", True),
        ("c", 1, True),
        ("c", "1", True),
        ("c", False, False),
        ("c", "FALSE", False),
        ("c", 0, False),
        ({"field": "c", "is": ["false"]}, False, True),
        ({"field": "c", "is": False}, True, False),
        ({"field": "c", "is": ["comment", 3]}, "comment", True),
        ({"field": "c", "is": ["comment", 3]}, 3, True),
        ({"field": "c", "is": ["comment", 3]}, "note", False),
    ],
)
def test_a_flag_is_a_column_of_its_own_or_follows_from_values(
    option: Any, value: Any, expected: bool
) -> None:
    for name in ("public", "automatic"):
        heard = said({"text": "t", name: option}, {"t": "Hi", "c": value})
        assert heard is not None
        assert getattr(heard, name) is expected


@pytest.mark.parametrize(
    ("value", "negativity"), [(5, -1), (1, 1), (3, 0), (2, 0.5), ("4", -0.5), (1.5, 0.75)]
)
def test_a_scale_of_ones_own_is_turned_into_negativity(value: Any, negativity: float) -> None:
    heard = said({"text": "t", "negativity": {"field": "n", "best": 5, "worst": 1}}, {"t": "Hi", "n": value})
    assert heard == Said("Hi", negativity=negativity)


@pytest.mark.parametrize(
    ("options", "row", "reason"),
    [
        ({"text": "t"}, {"t": ["Hi"]}, "said.text, column 't': a list is not a text"),
        ({"text": "t"}, {"t": {"html": "Hi"}}, "said.text, column 't': an object is not a text"),
        ({"text": "t", "channel": "c"}, {"t": "Hi", "c": []}, "said.channel, column 'c'"),
        ({"text": "t", "public": "c"}, {"t": "Hi", "c": "all"}, "public: {field: c, is: [...]}"),
        ({"text": "t", "automatic": "c"}, {"t": "Hi", "c": 2}, "2 is neither true nor false"),
        ({"text": "t", "negativity": "n"}, {"t": "Hi", "n": 3}, "3 is not between -1 and 1"),
        ({"text": "t", "negativity": "n"}, {"t": "Hi", "n": "bad"}, "'bad' is not a number"),
        (
            {"negativity": {"field": "n", "best": 5, "worst": 1}},
            {"n": 6},
            "6 is not between 1 and 5",
        ),
    ],
)
def test_what_cannot_be_read_is_undecodable(
    options: dict[str, Any], row: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Undecodable) as caught:
        said(options, row)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("record", "position", "message", "remedy"),
    [
        ({"by": None}, ("by",), "empty", "column"),
        ({"by": {"person": ["a"]}}, ("by",), "lacks 'field'", "field"),
        ({"by": {"field": "r", "agent": ["a"]}}, ("by", "agent"), "unknown key 'agent'", "person"),
        (
            {"by": {"field": "r", "person": ["a"], "customer": ["b", "a"]}},
            ("by", "customer", 1),
            "'a' is both person and customer",
            "one of the lists",
        ),
        ({"by": {"field": "r", "person": [["a"]]}}, ("by", "person", 0), "a list", "single value"),
        ({"by": {"field": "r", "person": [None]}}, ("by", "person", 0), "empty", "value"),
        ({"said": "body"}, ("said",), "text", "mapping"),
        ({"said": {}}, ("said",), "says nothing", "text: body"),
        ({"said": {"channel": "c"}}, ("said",), "says nothing", "text: body"),
        ({"said": {"body": "b"}}, ("said", "body"), "unknown key 'body'", "text"),
        ({"said": {"text": None}}, ("said", "text"), "empty", "column"),
        ({"said": {"text": "t", "channel": None}}, ("said", "channel"), "empty", "column"),
        ({"said": {"text": "t", "channel": {"is": "c"}}}, ("said", "channel", "is"), "unknown", "always"),
        ({"said": {"text": "t", "public": True}}, ("said", "public"), "true or false", "column"),
        ({"said": {"text": "t", "public": {"not": "c"}}}, ("said", "public", "not"), "unknown key", "is"),
        (
            {"said": {"negativity": {"field": "n", "best": 5}}},
            ("said", "negativity"),
            "lacks 'worst'",
            "worst",
        ),
        (
            {"said": {"negativity": {"field": "n", "best": 5, "worst": 5.0}}},
            ("said", "negativity", "worst"),
            "the same",
            "two ends",
        ),
        (
            {"said": {"negativity": {"field": "n", "best": "good", "worst": 1}}},
            ("said", "negativity", "best"),
            "'good' is no end",
            "number",
        ),
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


def test_the_columns_of_both_are_read() -> None:
    read = mapping(by="r", said={"text": "t", "channel": {"always": "x"}, "public": "p", "negativity": "n"})
    assert read.columns == {"id", "r", "t", "p", "n"}
    assert read.fields == frozenset()


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        ({}, set()),
        ({"by": "r"}, {"by"}),
        ({"said": {"text": "t"}}, {"heard"}),
        ({"by": "r", "said": {"text": "t"}}, {"by", "heard", "asked", "responded", "replied"}),
        ({"contacts": "c"}, {"contacts", "asked"}),
        ({"responded": "at"}, {"responded"}),
    ],
)
def test_what_a_mapping_brings_besides_its_fields(record: dict[str, Any], facts: set[str]) -> None:
    brings = mapping(**record).brings()
    every = {"created", "touched", "entered"}
    assert brings.facts == every | facts
    # Conditions can ask for what is known of a record, and not for who wrote and what.
    assert brings.fields == (every | facts) - {"by", "heard"}
