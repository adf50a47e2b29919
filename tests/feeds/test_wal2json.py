"""wal2json's events in both formats: invented ones in the documented shape, and captured ones."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node
from streams.core.entries import Change, Said
from streams.feeds import Format, Message, PassedOver
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, changes, passed_over, refusal, sample

TICKETS = {
    "kind": "ticket",
    "id": "id",
    "stage": {"field": "status", "closed": ["solved"]},
    "owner": "assignee_id",
    "created": "created_at",
    "fields": ["description"],
}
DEALS = {
    "kind": "deal",
    "id": "id",
    "stage": "stage",
    "value": {"field": "amount", "currency": "currency"},
    "fields": ["notes"],
}
COMMENTS = {"kind": "ticket", "id": "ticket_id", "said": {"text": "body"}}
AT = "2026-03-02 09:00:00.25+00"
ROW = {"id": 7, "status": "open", "assignee_id": None}


def feed(**options: Any) -> Format:
    records = {"tickets": TICKETS, "crm.deals": DEALS, "comments": COMMENTS}
    return read_feed("crm", Node({"format": "wal2json", "topic": "wal", "records": records, **options}))


def message(value: Any, offset: int = 41) -> Message:
    data = value.encode() if isinstance(value, str) else orjson.dumps(value)
    return Message("wal", 0, offset, None, data)


def second(
    action: str = "U",
    row: dict[str, Any] | None = None,
    identity: dict[str, Any] | None = None,
    table: str = "tickets",
    **parts: Any,
) -> dict[str, Any]:
    """A row in format 2."""
    event: dict[str, Any] = {"action": action, "timestamp": AT, "lsn": "1/A", "schema": "crm", "table": table}
    if row is not None:
        event["columns"] = [{"name": name, "type": "text", "value": value} for name, value in row.items()]
    if identity is not None:
        event["identity"] = [
            {"name": name, "type": "text", "value": value} for name, value in identity.items()
        ]
    return {**event, **parts}


def first(*rows: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The same rows as a transaction in format 1."""
    kinds = {"I": "insert", "U": "update", "D": "delete"}
    listed = []
    for row in rows:
        each = {"kind": kinds[row["action"]], "schema": row["schema"], "table": row["table"]}
        if "columns" in row:
            each["columnnames"] = [column["name"] for column in row["columns"]]
            each["columnvalues"] = [column["value"] for column in row["columns"]]
        if "identity" in row:
            each["oldkeys"] = {
                "keynames": [column["name"] for column in row["identity"]],
                "keyvalues": [column["value"] for column in row["identity"]],
            }
        listed.append(each)
    return {"xid": 1, "nextlsn": "1/C", "timestamp": AT, "change": listed, **parts}


@pytest.mark.parametrize(
    ("value", "order"), [(second("U", ROW), (2**32 + 10, 0)), (first(second("U", ROW)), (2**32 + 12, 0))]
)
def test_a_row_is_a_change_at_the_commit(value: Any, order: tuple[int, int]) -> None:
    decoded = change(feed().decode(message(value)))
    assert (decoded.record, decoded.op, decoded.order) == ("ticket:7", "upsert", order)
    assert decoded.at == datetime(2026, 3, 2, 9, 0, 0, 250000, tzinfo=UTC)
    assert decoded.fields == {"stage": "open", "status": "open", "owner": None}


def test_a_transaction_gives_its_rows_in_their_order() -> None:
    value = first(
        second("I", {"id": 7, "status": "new"}),
        second("I", {"id": 1}, table="audit"),
        second("U", {"id": 7, "status": "open"}, {"id": 7}),
        second("D", None, {"id": 8}),
    )
    found = changes(feed().decode(message(value)))
    assert [(each.record, each.op, each.fields.get("stage")) for each in found] == [
        ("ticket:7", "upsert", "new"),
        ("ticket:7", "upsert", "open"),
        ("ticket:8", "delete", None),
    ]
    assert [(each.order or ())[1] for each in found] == [0, 2, 3]


def test_without_an_lsn_the_order_is_that_of_the_partition() -> None:
    assert change(feed().decode(message(second("U", ROW, lsn=None)))).order is None


@pytest.mark.parametrize("make", [lambda row: row, lambda row: first(row)])
def test_an_update_that_changes_the_id_deletes_the_record_that_had_it(make: Any) -> None:
    gone, new = changes(feed().decode(message(make(second("U", ROW, {"id": 6})))))
    assert [(each.record, each.op) for each in (gone, new)] == [
        ("ticket:6", "delete"),
        ("ticket:7", "upsert"),
    ]
    # A table without a replica identity of its id has other columns there.
    assert change(feed().decode(message(make(second("U", ROW, {"number": 6}))))).record == "ticket:7"


def test_a_comment_is_said_when_it_is_inserted_and_its_delete_is_not_its_tickets() -> None:
    row = {"id": 3, "ticket_id": 7, "body": "Hello?"}

    def decoded(value: Any) -> list[Change] | PassedOver:
        return feed().decode(message(value))

    said = change(decoded(second("I", row, table="comments")))
    assert (said.record, said.said, said.order) == ("ticket:7", Said("Hello?"), None)
    assert change(decoded(second("U", row, {"id": 3}, "comments"))).said is None
    for identity in ({"id": 3}, row):
        assert "a delete of a message" in passed_over(decoded(second("D", None, identity, "comments")))
    assert change(decoded(second("D", None, {"ticket_id": 7}, "comments"))).op == "delete"
    two = first(second("I", row, table="comments"), second("I", {**row, "id": 4}, table="comments"))
    assert [each.order for each in changes(decoded(two))] == [(2**32 + 12, 0), (2**32 + 12, 1)]


def test_a_time_without_zone_takes_one_and_infinity_is_none() -> None:
    local = second("U", {"id": 7, "created_at": "2026-03-02 10:00:00.5"})
    assert "say in which zone" in refusal(feed(), message(local))
    berlin = feed(time={"zone": "Europe/Berlin"})
    assert change(berlin.decode(message(local))).fields == {"created": "2026-03-02T09:00:00.500000Z"}
    endless = second("U", {"id": 7, "created_at": "infinity"})
    assert change(berlin.decode(message(endless))).fields == {"created": None}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (second("B"), "the beginning of a transaction"),
        (second("C"), "the end of a transaction"),
        (second("M"), "a logical message"),
        (second("T"), "a truncate"),
        (second("I", ROW, table="audit"), "the table 'crm.audit', for which there is no record"),
        (second("I", ROW, table="deals", schema="old"), "'old.deals', for which there is no record"),
        (first(), "a transaction without rows"),
        (first(second("I", ROW, table="audit")), "'crm.audit', for which there is no record"),
        ({"change": [{"kind": "message", "content": "x"}]}, "a logical message"),
    ],
)
def test_what_says_nothing_of_a_record_is_passed_over(value: Any, reason: str) -> None:
    assert reason in passed_over(feed().decode(message(value)))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"xid": 1}, "neither `action` nor `change`: not wal2json's; there are: xid"),
        ({"change": [5]}, "change 0 is 5"),
        (second("X"), "the action 'X'"),
        ({"change": [{"kind": ["x"]}]}, "the action a list"),
        (second("U", ROW, timestamp=None), "start wal2json with include-timestamp"),
        (second("U", ROW, timestamp="2026-03-02 09:00:00"), "`timestamp`: "),
        (second("U", ROW, lsn="12"), "the lsn '12' is not of the form"),
        (second("U"), "`columns` is not a list of columns"),
        (second("U", columns=[{"name": "id"}]), "`columns` is not a list of columns"),
        (second("U", columns=[{"name": None, "value": 7}]), "`columns` is not a list of columns"),
        (second("D"), "a delete without its replica identity"),
        (second("D", None, {"number": 6}), "there is no id column 'id'; there are: number"),
        (first(second("U", ROW)) | {"change": [{"kind": "update", "table": "tickets", "columnnames": ["a"]}]},
         "`columns` is not a list of columns"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(value: Any, reason: str) -> None:
    assert reason in refusal(feed(), message(value))


# Of the statements that were run, by what is in the samples' own changes.sql.
EXPECTED = [
    ("ticket:100", "upsert", "open"),
    ("ticket:100", "upsert", "open"),
    ("ticket:100", "upsert", "open"),
    ("deal:500", "upsert", "negotiation"),
    ("ticket:101", "upsert", "new"),
    ("ticket:101", "upsert", "pending"),
    ("ticket:101", "upsert", "open"),
    ("ticket:101", "upsert", "open"),
    ("ticket:101", "delete", None),
    ("ticket:102", "upsert", "open"),
    ("ticket:102", "delete", None),
    ("deal:500", "delete", None),
    ("ticket:103", "upsert", "new"),
]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_was_captured_is_read_alike_in_both_formats(version: str) -> None:
    reader = feed()
    found: list[Change] = []
    passed: Counter[str] = Counter()
    for number, line in enumerate(sample(f"wal2json-real/{version}.txt").read_text().splitlines()):
        # psql's listing has the lsn before each line of format 2.
        outcome = reader.decode(message(line[line.index("{") :], number))
        if isinstance(outcome, PassedOver):
            passed[outcome.reason] += 1
        else:
            found += outcome
    assert [(each.record, each.op, each.fields.get("stage")) for each in found] == EXPECTED
    assert [each.order or () for each in found] == sorted(each.order or () for each in found)
    assert sum(passed.values()) == {"v1": 8, "v2": 48}[version]
    # The long text is left out where an update did not touch it (TOAST); the short one is there.
    assert ["description" in each.fields for each in found[:3]] == [False, False, True]
    assert [each.fields.get("notes", "absent") for each in found if each.record == "deal:500"] == [
        "absent",
        "absent",
    ]
    assert found[3].fields["value"] == 9999.9
