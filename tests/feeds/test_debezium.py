"""Debezium's PostgreSQL events: invented ones in the documented shape, and captured ones.

The captured ones lie outside this repository; DEBEZIUM_RECORDS names another directory of the same form.
"""

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.core.document import Node, Problem
from streams.core.entries import Change, Said
from streams.feeds import Format, Message, PassedOver, Undecodable
from streams.feeds.files import read_messages
from streams.feeds.formats import read_feed

COMMITTED = 1795418456434437
AT = datetime(2026, 11, 23, 7, 20, 56, 434437, tzinfo=UTC)
PLACEHOLDER = "__debezium_unavailable_value"

TICKETS: dict[str, Any] = {
    "format": "debezium",
    "topic": "crmdb.crm.tickets",
    "record": {
        "kind": "ticket",
        "id": "id",
        "owner": "assignee_id",
        "stage": {"field": "status", "paused": ["pending"], "closed": ["solved", "closed"]},
        "priority": {"field": "priority", "values": {"high": "urgent"}},
        "customer": "account_id",
        "created": "created_at",
        "touched": "updated_at",
        "contacts": "contact_count",
        "fields": ["description", "tags", "attachment", "csat"],
    },
}
ACCOUNTS: dict[str, Any] = {
    "format": "debezium",
    "topic": "crmdb.crm.accounts",
    "record": {
        "kind": "account",
        "id": "id",
        "owner": "owner_id",
        "health": "health_score",
        "value": {"field": "arr", "scale": 2, "currency": {"always": "EUR"}},
        "created": "created_at",
    },
}
DEALS: dict[str, Any] = {
    "format": "debezium",
    "topic": "crmdb.crm.deals",
    "record": {
        "kind": "deal",
        "id": "id",
        "stage": "stage",
        "entered": "stage_entered_at",
        "value": {"field": "amount", "scale": 2, "currency": "currency"},
        "touched": {"field": "close_date", "unit": "days", "zone": "Europe/Berlin"},
    },
}


def feed(options: dict[str, Any] | None = None, **record: Any) -> Format:
    options = options or {"format": "debezium", "topic": "t"}
    return read_feed("tickets", Node({"record": {"kind": "ticket", "id": "id", **record}, **options}))


def event(op: str = "u", *, key: Any = None, **parts: Any) -> Message:
    value = {
        "before": None,
        "after": None,
        "source": {"ts_us": COMMITTED, "ts_ms": COMMITTED // 1000, "lsn": 500, "snapshot": "false"},
        "op": op,
        "ts_ms": 0,
        **parts,
    }
    return message(value, key=key)


def message(value: Any, *, key: Any = None, timestamp: int | None = None) -> Message:
    return Message(
        "crmdb.crm.tickets",
        3,
        41,
        None if key is None else orjson.dumps(key),
        None if value is None else orjson.dumps(value),
        timestamp,
    )


def change(decoded: list[Change] | PassedOver) -> Change:
    assert isinstance(decoded, list)
    (only,) = decoded
    return only


def with_schema(row: dict[str, Any], **types: Any) -> Message:
    """An event with the schema's type names, and their parameters, for some columns of `row`."""
    fields = []
    for column in row:
        name, parameters = types.get(column, (None, None))
        fields.append({"field": column, "type": "any", "name": name, "parameters": parameters})
    plain = orjson.loads(event(after=row).value or b"")
    schema = {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": fields}]}
    return message({"schema": schema, "payload": plain})


@pytest.mark.parametrize(
    ("op", "expected", "order"),
    [("c", "upsert", (500, 1)), ("u", "upsert", (500, 1)), ("r", "refresh", (500, 0))],
)
def test_a_row_is_an_upsert_and_a_snapshots_row_a_refresh(
    op: str, expected: str, order: tuple[int, int]
) -> None:
    decoded = change(feed(owner="who").decode(event(op, after={"id": 7, "who": 12})))
    assert (decoded.record, decoded.op, decoded.order) == ("ticket:7", expected, order)
    assert (decoded.at, decoded.fields, decoded.feed) == (AT, {"owner": "12"}, "tickets")
    assert (decoded.source.topic, decoded.source.partition, decoded.source.offset) == (
        "crmdb.crm.tickets",
        3,
        41,
    )


def test_a_row_of_an_incremental_snapshot_has_no_order() -> None:
    source = {"ts_us": COMMITTED, "lsn": None, "snapshot": "incremental"}
    assert change(feed().decode(event("r", after={"id": 7}, source=source))).order is None


def test_older_versions_have_milliseconds_only() -> None:
    source = {"ts_ms": COMMITTED // 1000, "lsn": 1}
    assert change(feed().decode(event(after={"id": 7}, source=source))).at == AT.replace(microsecond=434000)


def test_a_delete_is_read_from_its_key_alone() -> None:
    invented = {"id": 99, "status": "new"}
    decoded = change(feed(stage="status").decode(event("d", key={"id": 7}, before=invented)))
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:7", "delete", {})


def test_a_delete_without_a_key_takes_the_id_from_before() -> None:
    decoded = change(feed(stage="status").decode(event("d", before={"id": 7, "status": "new"})))
    assert (decoded.record, decoded.fields) == ("ticket:7", {})


COMMENTS: dict[str, Any] = {
    "format": "debezium",
    "topic": "crmdb.crm.comments",
    "record": {
        "kind": "ticket",
        "id": "ticket_id",
        "by": {"field": "role", "customer": ["end-user"], "person": ["agent"]},
        "said": {"text": "body", "channel": {"always": "email"}},
    },
}
COMMENT = {"id": 55, "ticket_id": 7, "role": "end-user", "body": "Still broken"}


@pytest.mark.parametrize(("op", "is_said"), [("c", True), ("r", True), ("u", False)])
def test_a_message_is_said_once_when_its_row_is_inserted_or_read_by_a_snapshot(
    op: str, is_said: bool
) -> None:
    decoded = change(feed(COMMENTS).decode(event(op, before=None, after=COMMENT)))
    assert (decoded.record, decoded.by, decoded.fields) == ("ticket:7", "customer", {})
    assert decoded.said == (Said("Still broken", "email") if is_said else None)
    # A snapshot's rows all have the lsn of the snapshot, and none of two messages replaces the other.
    assert decoded.order == (None if is_said else (500, 1))


def test_an_inserted_row_that_says_nothing_keeps_its_order() -> None:
    decoded = change(feed(COMMENTS).decode(event("c", after={**COMMENT, "body": None})))
    assert (decoded.said, decoded.order) == (None, (500, 1))


@pytest.mark.parametrize(
    "key",
    [
        {"id": 55},
        {"ticket_id": 7, "seq": 3},
        {"schema": {"type": "struct", "fields": []}, "payload": {"id": 55}},
        55,
        None,
    ],
)
def test_a_message_that_is_deleted_deletes_no_record(key: Any) -> None:
    reader = feed(COMMENTS)
    delete = event("d", key=key, before=COMMENT)
    for each in (delete, message(None, key=key, timestamp=1)):
        decoded = reader.decode(each)
        assert isinstance(decoded, PassedOver)
    assert reader.decode(delete) == PassedOver(
        "a delete of a message, which is no delete of the record it was about"
    )


def test_a_table_of_records_that_say_something_is_deleted_from_as_any_other() -> None:
    tickets = feed(stage="status", said={"text": "description"})
    decoded = change(tickets.decode(event("d", key={"id": 7}, before={"id": 7, "description": "Help"})))
    assert (decoded.record, decoded.op, decoded.said) == ("ticket:7", "delete", None)
    assert change(tickets.decode(message(None, key={"id": 7}, timestamp=1))).op == "delete"


@pytest.mark.parametrize(
    "key", [{"id": 7}, 7, "7", {"schema": {"type": "struct", "fields": []}, "payload": {"id": 7}}]
)
def test_a_key_may_be_an_object_a_bare_column_or_come_with_its_schema(key: Any) -> None:
    assert change(feed().decode(event("d", key=key))).record == "ticket:7"


def test_a_delete_whose_key_lacks_the_id_column_says_what_is_in_it() -> None:
    with pytest.raises(Undecodable, match=r"'id' is not in it; there are: number"):
        feed().decode(event("d", key={"number": 7}))


def test_a_tombstone_is_a_delete_at_the_messages_timestamp() -> None:
    decoded = change(feed().decode(message(None, key={"id": 7}, timestamp=COMMITTED // 1000)))
    assert (decoded.op, decoded.order, decoded.at) == ("delete", None, AT.replace(microsecond=434000))


def test_a_tombstone_without_a_key_is_passed_over_and_one_without_a_time_is_not_guessed() -> None:
    assert isinstance(feed().decode(message(None, timestamp=1)), PassedOver)
    with pytest.raises(Undecodable, match="timestamp"):
        feed().decode(message(None, key={"id": 7}))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"op": "t", "source": {}}, "truncate"),
        ({"op": "m", "message": {"prefix": "a"}}, "logical message"),
        ({"ts_ms": 1795418517321}, "heartbeat"),
        ({"status": "BEGIN", "id": "881:28124768", "event_count": None, "ts_ms": 1}, "transaction"),
        ({"id": "x", "type": "STARTED", "aggregate_type": "Incremental Snapshot"}, "notification"),
    ],
)
def test_what_is_about_no_record_is_passed_over_with_a_reason(value: dict[str, Any], reason: str) -> None:
    for wrapped in (value, {"schema": {}, "payload": value}):
        decoded = feed().decode(message(wrapped))
        assert isinstance(decoded, PassedOver)
        assert reason in decoded.reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"\0" * 10_000, "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"NaN", "not JSON"),
        (b"[1]", "a list"),
        (b'"text"', "'text'"),
        (b"{}", "no `op`"),
        (b'{"op": []}', "a list"),
        (b'{"op": "x"}', "'x'"),
        (b'{"id": 7, "__op": "u"}', "ExtractNewRecordState"),
        (b'{"specversion": "1.0"}', "CloudEvent"),
        (b'{"op": "u", "after": {"id": 7}}', "no `source`"),
        (b'{"op": "u", "after": {"id": 7}, "source": {}}', "ts_us"),
        (b'{"op": "u", "after": {"id": 7}, "source": {"ts_us": 18446744073709551615}}', "years"),
        (b'{"op": "u", "after": {"id": 7}, "source": {"ts_us": true}}', "ts_us"),
        (b'{"op": "u", "after": {"id": 7}, "source": {"ts_us": 1, "lsn": "0/27D97E0"}}', "lsn"),
        (b'{"op": "u", "after": null, "source": {"ts_us": 1}}', "`after`"),
        (b'{"op": "u", "after": {"number": 7}, "source": {"ts_us": 1}}', "'id'; there are: number"),
        (b'{"op": "u", "after": {"id": null}, "source": {"ts_us": 1}}', "is empty"),
        (b'{"op": "u", "after": {"id": {}}, "source": {"ts_us": 1}}', "an object"),
        (b'{"op": "d", "source": {"ts_us": 1}}', "neither a key"),
        (b'{"schema": [], "payload": {"op": "u", "after": {}, "source": {"ts_us": 1}}}', "Connect schema"),
    ],
)
def test_anything_odd_is_undecodable_with_a_reason(value: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        feed().decode(Message("t", 0, 0, None, value))
    assert reason in str(caught.value)


def test_the_bytes_that_a_schema_registry_puts_first_are_skipped() -> None:
    plain = event(after={"id": 7})
    framed = Message("t", 0, 0, None, b"\0\0\0\0\1" + (plain.value or b""))
    assert change(feed().decode(framed)).record == "ticket:7"


@pytest.mark.parametrize(
    "value", [PLACEHOLDER, [PLACEHOLDER], base64.b64encode(PLACEHOLDER.encode()).decode()]
)
def test_an_unavailable_value_is_absent_and_neither_null_nor_text(value: Any) -> None:
    decoded = change(
        feed(fields=["body"], owner="who").decode(event(after={"id": 7, "who": 1, "body": value}))
    )
    assert decoded.fields == {"owner": "1"}


def test_the_connectors_own_placeholder_counts_where_it_is_configured() -> None:
    other = feed({"format": "debezium", "topic": "t", "unavailable": "__gone"}, fields=["body"])
    assert change(other.decode(event(after={"id": 7, "body": "__gone"}))).fields == {}
    assert change(other.decode(event(after={"id": 7, "body": PLACEHOLDER}))).fields == {"body": PLACEHOLDER}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-03T08:00:00Z", "2026-11-03T08:00:00Z"),
        ("2026-11-03T08:00:00.25Z", "2026-11-03T08:00:00.250000Z"),
        ("2026-11-03T08:00:00.000001Z", "2026-11-03T08:00:00.000001Z"),
        ("2026-11-03T10:00:00+02:00", "2026-11-03T08:00:00Z"),
        ("infinity", None),
        ("-infinity", None),
        (None, None),
    ],
)
def test_a_text_with_an_offset_is_read_as_it_is(value: str | None, expected: str | None) -> None:
    assert change(feed(created="at").decode(event(after={"id": 7, "at": value}))).fields == {
        "created": expected
    }


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("s", 1782900000),
        ("ms", 1782900000000),
        ("us", 1782900000000000),
        ("ns", 1782900000000000000),
    ],
)
def test_a_number_is_read_by_its_unit_as_the_wall_clock_of_its_zone(unit: str, value: int) -> None:
    created = {"field": "at", "unit": unit, "zone": "Europe/Berlin"}
    decoded = change(feed(created=created).decode(event(after={"id": 7, "at": value})))
    # 1782900000 is 10:00 on 1 July 2026 by the clock of no zone, and Berlin is two hours ahead.
    assert decoded.fields == {"created": "2026-07-01T08:00:00Z"}


@pytest.mark.parametrize("value", [1795418456434437, "2026-11-03T08:00:00", "soon", [], 1.5, True])
def test_a_time_is_never_guessed(value: Any) -> None:
    with pytest.raises(Undecodable, match="created, column 'at'"):
        feed(created="at").decode(event(after={"id": 7, "at": value}))


def test_a_printed_offset_that_means_nothing_can_be_ignored() -> None:
    created = {"field": "at", "zone": "Europe/Berlin", "offset": "ignore"}
    for text in ("2026-11-01T09:59:59.5Z", "2026-11-01T09:59:59.5+03:00"):
        decoded = change(feed(created=created).decode(event(after={"id": 7, "at": text})))
        assert decoded.fields == {"created": "2026-11-01T08:59:59.500000Z"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("io.debezium.time.Timestamp", 1782900000000),
        ("io.debezium.time.MicroTimestamp", 1782900000000000),
        ("io.debezium.time.NanoTimestamp", 1782900000000000000),
        ("io.debezium.time.IsoTimestamp", "2026-07-01T10:00:00Z"),
        ("org.apache.kafka.connect.data.Timestamp", 1782900000000),
        ("io.debezium.time.ZonedTimestamp", "2026-07-01T08:00:00Z"),
    ],
)
def test_a_schema_says_what_a_time_is(name: str, value: Any) -> None:
    created = {"field": "at", "zone": "Europe/Berlin"}
    decoded = change(feed(created=created).decode(with_schema({"id": 7, "at": value}, at=(name, None))))
    assert decoded.fields == {"created": "2026-07-01T08:00:00Z"}


def test_a_schema_that_changes_in_mid_stream_is_read_anew() -> None:
    reader = feed(created={"field": "at", "zone": "UTC"}, value="arr")
    millis, micros = ("io.debezium.time.Timestamp", None), ("io.debezium.time.MicroTimestamp", None)
    decimal = ("org.apache.kafka.connect.data.Decimal", {"scale": "2"})
    for message, expected in (
        (with_schema({"id": 7, "at": 1782900000000}, at=millis), {}),
        (
            with_schema({"id": 7, "at": 1782900000000000, "arr": "D0I2"}, at=micros, arr=decimal),
            {"value": 9999.9},
        ),
        (with_schema({"id": 7, "at": 1782900000000}, at=millis), {}),
    ):
        assert change(reader.decode(message)).fields == {"created": "2026-07-01T10:00:00Z", **expected}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("io.debezium.time.Date", 20635),
        ("io.debezium.time.IsoDate", "2026-07-01Z"),
        ("org.apache.kafka.connect.data.Date", 20635),
    ],
)
def test_a_date_is_the_midnight_of_its_zone(name: str, value: Any) -> None:
    created = {"field": "at", "zone": "Europe/Berlin"}
    decoded = change(feed(created=created).decode(with_schema({"id": 7, "at": value}, at=(name, None))))
    assert decoded.fields == {"created": "2026-06-30T22:00:00Z"}


def test_a_time_without_a_zone_asks_for_one_though_the_schema_gives_its_unit() -> None:
    typed = with_schema({"id": 7, "at": 1}, at=("io.debezium.time.MicroTimestamp", None))
    with pytest.raises(Undecodable, match="zone: Europe/Berlin"):
        feed(created="at").decode(typed)


def test_an_infinite_timestamp_without_a_zone_is_null() -> None:
    typed = with_schema({"id": 7, "at": 9223372036825200000}, at=("io.debezium.time.MicroTimestamp", None))
    assert change(feed(created="at").decode(typed)).fields == {"created": None}


@pytest.mark.parametrize("value", [9999.9, "9999.90", {"scale": 2, "value": "D0I2"}])
def test_numbers_numeric_texts_and_decimals_with_their_scale_are_read_as_they_are(value: Any) -> None:
    assert change(feed(value="arr").decode(event(after={"id": 7, "arr": value}))).fields == {"value": 9999.9}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("D0I2", 9999.9), ("/w==", -0.01), (5, 5.0), (None, None), ({"scale": 1, "value": "LQ=="}, 4.5)],
)
def test_base64_is_read_by_the_scale_of_the_mapping(value: Any, expected: float | None) -> None:
    scaled = feed(value={"field": "arr", "scale": 2})
    assert change(scaled.decode(event(after={"id": 7, "arr": value}))).fields == {"value": expected}


def test_base64_is_read_by_the_scale_of_the_schema() -> None:
    decimal = ("org.apache.kafka.connect.data.Decimal", {"scale": "2"})
    typed = with_schema({"id": 7, "arr": "D0I2"}, arr=decimal)
    assert change(feed(value="arr", fields={"amount": "arr"}).decode(typed)).fields == {
        "value": 9999.9,
        "amount": 9999.9,
    }


@pytest.mark.parametrize("value", ["D0I2", "NAN", "Infinity", [], True, {"scale": 10**18, "value": {}}])
def test_what_is_no_number_is_undecodable(value: Any) -> None:
    with pytest.raises(Undecodable, match="value, column 'arr'"):
        feed(value="arr").decode(event(after={"id": 7, "arr": value}))


def test_an_enormous_decimal_is_refused_at_once() -> None:
    huge = base64.b64encode(b"\x7f" * 500_000).decode()
    with pytest.raises(Undecodable):
        feed(value={"field": "arr", "scale": 2}).decode(event(after={"id": 7, "arr": huge}))


@pytest.mark.parametrize(
    ("options", "position", "message"),
    [
        ({"format": "debezium"}, (), "lacks 'topic'"),
        ({"unavailable": 'a"b'}, ("unavailable",), "placeholder"),
        (
            {"record": {"kind": "a", "id": "b", "created": {"field": "c", "unit": "us"}}},
            ("record", "created"),
            "zone",
        ),
        (
            {"record": {"kind": "a", "id": "b", "created": {"field": "c", "unit": "m"}}},
            ("record", "created", "unit"),
            "'m'",
        ),
        (
            {"record": {"kind": "a", "id": "b", "created": {"field": "c", "zone": "Berlin"}}},
            ("record", "created", "zone"),
            "'Berlin'",
        ),
        (
            {"record": {"kind": "a", "id": "b", "created": {"field": "c", "offset": "ignore"}}},
            ("record", "created"),
            "offset",
        ),
        (
            {"record": {"kind": "a", "id": "b", "value": {"field": "c", "scale": -1}}},
            ("record", "value", "scale"),
            "-1",
        ),
        ({"topics": "x"}, ("topics",), "'topics'"),
    ],
)
def test_a_wrong_configuration_is_refused_where_it_is_wrong(
    options: dict[str, Any], position: tuple[str, ...], message: str
) -> None:
    base = {"format": "debezium", "topic": "t", "record": {"kind": "ticket", "id": "id"}}
    document = options if options == {"format": "debezium"} else {**base, **options}
    with pytest.raises(Problem) as caught:
        read_feed("tickets", Node(document))
    assert caught.value.position == position
    assert message in caught.value.message
    assert caught.value.remedy


def captured() -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared/feeds/debezium-real"
    return Path(os.environ.get("DEBEZIUM_RECORDS") or beside)


STREAMS = (
    "plain",
    "schema",
    "decimal_string",
    "time_isostring",
    "time_ns",
    "incremental",
    "redeliver",
    "transaction_heartbeat",
)

needs_captured = pytest.mark.skipif(
    not captured().exists(), reason=f"no captured records at {captured()}; DEBEZIUM_RECORDS names others"
)


def stream(name: str) -> Iterator[Message]:
    return read_messages(feed(), captured() / "streams" / f"{name}.jsonl")


def changes_of(name: str, table: str, options: dict[str, Any]) -> list[Change]:
    reader = read_feed(table, Node(options))
    found: list[Change] = []
    for each in stream(name):
        if each.topic.endswith(f".{table}") and each.value is not None:
            decoded = reader.decode(each)
            assert isinstance(decoded, list)
            found.extend(decoded)
    return found


@needs_captured
def test_every_captured_record_is_a_change_passed_over_or_undecodable_with_a_reason() -> None:
    paths = [*captured().glob("*.json"), *(captured() / f"streams/{name}.jsonl" for name in STREAMS)]
    readers = [read_feed("x", Node(options)) for options in (TICKETS, ACCOUNTS, DEALS)]
    reasons: dict[str, list[str]] = {"changes": [], "passed over": [], "undecodable": []}
    for path in paths:
        for each in read_messages(readers[0], path):
            for reader in readers:
                try:
                    decoded = reader.decode(each)
                except Undecodable as error:
                    reasons["undecodable"].append(str(error))
                else:
                    if isinstance(decoded, PassedOver):
                        reasons["passed over"].append(decoded.reason)
                    else:
                        reasons["changes"].extend(c.record for c in decoded)
    assert all(each and all(each) for each in reasons.values())


def redelivered(message: Message) -> Message:
    """As a connector that lost its offsets sends it again: processing time and coordinates differ."""
    value = orjson.loads(message.value or b"")
    (value.get("payload") or value)["ts_ms"] += 60_000
    return Message(message.topic, message.partition, message.offset + 100, message.key, orjson.dumps(value))


@needs_captured
def test_a_captured_event_delivered_again_has_the_same_record_order_and_time() -> None:
    reader = read_feed("tickets", Node(TICKETS))
    events = [each for each in stream("redeliver") if each.topic.endswith(".tickets") and each.value]
    assert len(events) > 10
    for each in events:
        first, again = change(reader.decode(each)), change(reader.decode(redelivered(each)))
        assert (first.record, first.order, first.at) == (again.record, again.order, again.at)


@needs_captured
def test_a_captured_second_snapshot_comes_after_all_that_was_streamed_before_it() -> None:
    *streamed, first, second = changes_of("redeliver", "tickets", TICKETS)
    assert first.op == second.op == "refresh"
    assert all((c.order or ()) < (first.order or ()) for c in streamed)


@needs_captured
@pytest.mark.parametrize(
    ("table", "options"), [("accounts", ACCOUNTS), ("deals", DEALS), ("tickets", TICKETS)]
)
def test_captured_streams_with_and_without_schema_give_the_same_changes(
    table: str, options: dict[str, Any]
) -> None:
    # Both captures ran the same statements, at different times: what came from now() differs.
    now = ("touched",) if table == "tickets" else ()

    def facts(found: list[Change]) -> list[tuple[Any, ...]]:
        return [(c.record, c.op, {k: v for k, v in c.fields.items() if k not in now}) for c in found]

    plain = facts(changes_of("plain", table, options))
    assert plain
    assert facts(changes_of("schema", table, options)) == plain


@needs_captured
def test_a_captured_update_leaves_the_unavailable_columns_out() -> None:
    reader = read_feed("tickets", Node(TICKETS))
    (update,) = read_messages(reader, captured() / "update_toast_unavailable.json")
    fields = change(reader.decode(update)).fields
    assert not {"description", "tags", "attachment"} & fields.keys()
    assert (fields["owner"], fields["priority"], fields["status"]) == ("1", "urgent", "open")
    assert fields["csat"] == 4.5


@needs_captured
def test_a_captured_delete_reads_its_key_and_not_the_invented_row() -> None:
    reader = read_feed("tickets", Node(TICKETS))
    (delete,) = read_messages(reader, captured() / "delete_default_identity_fake_before.json")
    decoded = change(reader.decode(delete))
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:102", "delete", {})


@needs_captured
def test_a_captured_change_of_the_key_is_a_delete_and_a_create_of_one_moment() -> None:
    reader = read_feed("tickets", Node(TICKETS))
    old, new = (
        change(reader.decode(next(read_messages(reader, captured() / f"pk_change_{part}.json"))))
        for part in ("delete_old_key", "create_new_key")
    )
    assert (old.record, old.op, new.record, new.op) == ("ticket:101", "delete", "ticket:102", "upsert")
    assert (old.at, old.order) == (new.at, new.order)


@needs_captured
def test_captured_snapshot_flags_are_texts_and_do_not_matter() -> None:
    flags = {json.loads(each.value or b"{}").get("source", {}).get("snapshot") for each in stream("plain")}
    assert "false" in flags
    assert {c.op for c in changes_of("plain", "tickets", TICKETS)} == {"refresh", "upsert", "delete"}


@needs_captured
def test_captured_changes_of_one_transaction_have_one_time_and_each_its_place() -> None:
    reader = read_feed("tickets", Node(TICKETS))
    (second,) = read_messages(reader, captured() / "update_second_change_of_same_record_in_tx.json")
    together = [c for c in changes_of("plain", "tickets", TICKETS) if c.record == "ticket:101"]
    same = [c for c in together if c.at == change(reader.decode(second)).at]
    assert len(same) > 1
    assert [c.order for c in same] == sorted({c.order for c in same if c.order is not None})


@needs_captured
def test_a_captured_update_that_changes_nothing_is_an_upsert_all_the_same() -> None:
    reader = read_feed("tickets", Node(TICKETS))
    (noop,) = read_messages(reader, captured() / "noop_update.json")
    assert change(reader.decode(noop)).op == "upsert"


@needs_captured
def test_a_captured_column_that_was_added_is_there_from_then_on() -> None:
    options = {**ACCOUNTS, "record": {"kind": "account", "id": "id", "owner": "csm"}}
    found = changes_of("plain", "accounts", options)
    assert "owner" not in found[0].fields
    assert "owner" in found[-1].fields


@needs_captured
def test_a_captured_nan_is_null_and_an_infinity_is_none() -> None:
    tickets, accounts = read_feed("t", Node(TICKETS)), read_feed("a", Node(ACCOUNTS))
    (nan,) = read_messages(tickets, captured() / "nan_numeric_becomes_null.json")
    assert change(tickets.decode(nan)).fields["csat"] is None
    (infinite,) = read_messages(accounts, captured() / "infinity_timestamps_negative_decimal.json")
    fields = change(accounts.decode(infinite)).fields
    assert fields["created"] is None
    assert fields["value"] < 0
