"""Debezium's events wrapped as CloudEvents, structured, in JSON."""

from typing import Any

import pytest

from streams.core.document import Node
from streams.feeds.files import read_messages
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, passed_over, refusal, sample
from tests.feeds.test_debezium import AT, PLACEHOLDER, TICKETS, message

FEED = read_feed(
    "t",
    Node(
        {
            "format": "debezium",
            "topic": "t",
            "record": {
                "kind": "ticket",
                "id": "id",
                "stage": "status",
                "created": {"field": "opened", "zone": "UTC"},
                "fields": ["body"],
            },
        }
    ),
)
EVENT: dict[str, Any] = {
    "id": "name:crmdb;lsn:500;txId:7",
    "source": "/debezium/postgresql/crmdb",
    "specversion": "1.0",
    "type": "io.debezium.connector.postgresql.DataChangeEvent",
    "time": "2026-11-23T07:20:56.434Z",
    "datacontenttype": "application/json",
    "iodebeziumop": "u",
    "iodebeziumconnector": "postgresql",
    "iodebeziumsnapshot": "false",
    "iodebeziumtsms": "1795418456434",
    "iodebeziumtsus": "1795418456434437",
    "iodebeziumtxId": "7",
    "iodebeziumlsn": "500",
    "data": {"before": None, "after": {"id": 7, "status": "open"}},
}


def test_the_source_is_in_extensions_whose_numbers_are_texts() -> None:
    decoded = change(FEED.decode(message(EVENT)))
    assert (decoded.record, decoded.op, decoded.at, decoded.order) == ("ticket:7", "upsert", AT, (500, 1))
    assert decoded.fields == {"stage": "open"}


def test_the_data_may_bring_its_schema() -> None:
    fields = [{"field": "opened", "type": "int64", "name": "io.debezium.time.MicroTimestamp"}]
    schema = {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": fields}]}
    row = {"id": 7, "opened": 1782892800000000, "body": PLACEHOLDER}
    typed = {**EVENT, "data": {"schema": schema, "payload": {"before": None, "after": row}}}
    assert change(FEED.decode(message(typed))).fields == {"created": "2026-07-01T08:00:00Z"}


def test_before_2_6_there_are_milliseconds_only() -> None:
    old = {name: value for name, value in EVENT.items() if name != "iodebeziumtsus"}
    assert change(FEED.decode(message(old))).at == AT.replace(microsecond=434000)


def test_a_delete_is_read_from_its_key() -> None:
    deleted = {**EVENT, "iodebeziumop": "d", "data": {"before": {"id": 99, "status": "new"}, "after": None}}
    decoded = change(FEED.decode(message(deleted, key={"id": 7})))
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:7", "delete", {})


def test_places_of_other_connectors_are_read_too() -> None:
    mysql = {"connector": "mysql", "file": "mysql-bin.000003", "pos": "484", "row": "1"}
    extensions = {f"iodebezium{name}": value for name, value in mysql.items()}
    assert change(FEED.decode(message({**EVENT, **extensions}))).order == (3, 484, 1)
    lsn = "00000027:00000758:0003"
    sqlserver = {"connector": "sqlserver", "commitlsn": lsn, "changelsn": lsn, "eventserialno": "2"}
    extensions = {f"iodebezium{name}": value for name, value in sqlserver.items()}
    assert change(FEED.decode(message({**EVENT, **extensions}))).order == (0x27, 0x758, 3, 0x27, 0x758, 3, 2)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"iodebeziumop": None}, "extension.attributes.enable"),
        ({"iodebeziumop": "x"}, "'x'"),
        ({"data": "AAAAAAEA"}, "write it as JSON"),
        ({"data": {"after": None}}, "`after`"),
        ({"iodebeziumlsn": "0/5"}, "lsn"),
        ({"iodebeziumtsus": "soon"}, "ts_us"),
    ],
)
def test_what_is_no_such_event_is_undecodable_with_a_reason(parts: dict[str, Any], reason: str) -> None:
    assert reason in refusal(FEED, message({**EVENT, **parts}))


def test_a_truncate_is_passed_over() -> None:
    assert "truncate" in passed_over(FEED.decode(message({**EVENT, "iodebeziumop": "t"})))


def test_a_captured_event_is_what_its_envelope_would_be() -> None:
    reader = read_feed("tickets", Node(TICKETS))
    (wrapped,) = read_messages(reader, sample("debezium-real/cloudevents_structured_create.json"))
    decoded = change(reader.decode(wrapped))
    assert (decoded.record, decoded.op, decoded.order) == ("ticket:102", "upsert", (31298040, 1))
    assert decoded.at.isoformat() == "2026-11-23T07:25:23.726915+00:00"


def test_ids_of_captured_events_repeat_and_nothing_depends_on_them() -> None:
    reader = read_feed("tickets", Node({**TICKETS, "record": {"kind": "ticket", "id": "id"}}))
    path = sample("debezium-real/streams/cloudevents.jsonl")
    changes = [
        change(reader.decode(each))
        for each in read_messages(reader, path)
        if each.topic.endswith(".tickets") and each.value is not None
    ]
    # A change of the key is a delete and a create with one id and one lsn.
    old, new = (c for c in changes if c.order == changes[-3].order)
    assert (old.op, new.op, old.at) == ("delete", "upsert", new.at)
    assert old.record != new.record
