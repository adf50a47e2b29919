"""Rows that have lost Debezium's envelope: ExtractNewRecordState and the outbox's EventRouter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from streams.core.document import Node, Problem
from streams.core.entries import Change, Said
from streams.feeds import Format, Message
from streams.feeds.files import read_messages
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, passed_over, refusal, sample
from tests.feeds.test_debezium import TICKETS

COMMITTED = 1795418456434
AT = datetime(2026, 11, 23, 7, 20, 56, 434000, tzinfo=UTC)
PLACES = {"at": "__source_ts_ms", "operation": "__op", "order": {"lsn": "__source_lsn"}}
ROW = {"id": 7, "status": "open", "__op": "u", "__source_ts_ms": COMMITTED, "__source_lsn": 500}


def feed(unwrapped: Any = PLACES, **record: Any) -> Format:
    record = {"kind": "ticket", "id": "id", "stage": "status", **record}
    return read_feed(
        "t", Node({"format": "debezium", "topic": "t", "unwrapped": unwrapped, "record": record})
    )


def message(
    value: Any, key: Any = None, timestamp: int | None = None, headers: dict[str, bytes] | None = None
) -> Message:
    return Message(
        "t",
        0,
        1,
        None if key is None else orjson.dumps(key),
        None if value is None else orjson.dumps(value),
        timestamp,
        tuple((headers or {}).items()),
    )


@pytest.mark.parametrize(
    ("op", "expected", "order"),
    [("c", "upsert", (500, 1)), ("u", "upsert", (500, 1)), ("r", "refresh", (500, 0))],
)
def test_what_was_in_the_envelope_is_read_from_the_columns_that_are_named(
    op: str, expected: str, order: tuple[int, int]
) -> None:
    decoded = change(feed().decode(message({**ROW, "__op": op})))
    assert (decoded.record, decoded.op, decoded.at, decoded.order) == ("ticket:7", expected, AT, order)
    assert decoded.fields == {"stage": "open"}


@pytest.mark.parametrize("header", [b'"u"', b"u", b'{"schema":{"type":"string"},"payload":"u"}'])
def test_a_header_is_json_with_or_without_its_schema_or_bare_text(header: bytes) -> None:
    places = {"at": {"header": "__source_ts_us"}, "operation": {"header": "__op"}}
    headers = {"__op": header, "__source_ts_us": b"1795418456434437"}
    decoded = change(feed(places).decode(message({"id": 7, "status": "new"}, headers=headers)))
    assert (decoded.op, decoded.at) == ("upsert", AT.replace(microsecond=434437))


def test_a_row_from_mysql_has_its_place_in_the_binlog_and_a_snapshots_has_none() -> None:
    places = {"at": "__ts_ms", "operation": "__op", "order": {"file": "f", "pos": "p", "row": "r"}}
    row = {"id": 7, "__ts_ms": COMMITTED, "__op": "u", "f": "bin.000012", "p": 900, "r": 1}
    assert change(feed(places).decode(message(row))).order == (12, 900, 1)
    assert change(feed(places).decode(message({**row, "__op": "r"}))).order is None


def test_a_rewritten_delete_is_read_from_its_key_alone() -> None:
    invented = {**ROW, "id": 99, "status": "new", "__op": "d", "__deleted": "true"}
    decoded = change(feed().decode(message(invented, key={"id": 7})))
    assert (decoded.record, decoded.op, decoded.fields, decoded.at) == ("ticket:7", "delete", {}, AT)
    assert decoded.order == (500, 1)


def test_a_rewritten_delete_needs_no_operation() -> None:
    places = {"at": "__source_ts_ms"}
    assert change(feed(places).decode(message({**ROW, "__deleted": "true"}))).op == "delete"
    assert change(feed(places).decode(message({**ROW, "__deleted": "false"}))).op == "upsert"


def test_a_tombstone_deletes_when_the_broker_says_or_when_a_header_does() -> None:
    tombstone = message(None, key={"id": 7}, timestamp=COMMITTED + 9000)
    assert change(feed().decode(tombstone)).at == AT + timedelta(seconds=9)
    by_header = feed({"at": {"header": "__source_ts_ms"}})
    assert change(by_header.decode(tombstone)).at == AT + timedelta(seconds=9)
    told = message(None, key={"id": 7}, timestamp=1, headers={"__source_ts_ms": str(COMMITTED).encode()})
    assert change(by_header.decode(told)).at == AT


def test_the_brokers_timestamp_counts_only_for_those_who_say_so() -> None:
    bare = message({"id": 7, "status": "new"}, timestamp=COMMITTED)
    assert change(feed({"at": {"broker": "timestamp"}}).decode(bare)).at == AT
    assert "'__source_ts_ms'" in refusal(feed(), message({"id": 7, "__op": "u"}, timestamp=COMMITTED))
    with pytest.raises(Problem, match="lacks 'at'"):
        feed({"operation": "__op"})


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("changed_us", COMMITTED * 1000),
        ("changed_ns", COMMITTED * 1_000_000),
        ({"field": "changed", "unit": "ms", "zone": "UTC"}, COMMITTED),
        ("changed", "2026-11-23T08:20:56.434+01:00"),
    ],
)
def test_a_time_is_what_its_name_or_the_mapping_says(at: Any, value: Any) -> None:
    column = at if isinstance(at, str) else at["field"]
    assert change(feed({"at": at}).decode(message({"id": 7, column: value}))).at == AT


def test_an_update_does_not_say_again_what_a_row_said() -> None:
    comments = feed(id="ticket_id", said={"text": "body"})
    row = {**ROW, "ticket_id": 7, "body": "Still broken"}
    assert change(comments.decode(message({**row, "__op": "c"}))).said == Said("Still broken")
    assert change(comments.decode(message(row))).said is None
    with pytest.raises(Problem, match="repeats what was said"):
        feed({"at": "__source_ts_ms"}, said={"text": "body"})


OUTBOX = {
    "at": {"broker": "timestamp"},
    "operation": {"header": "eventType", "delete": ["TicketDeleted"], "ignore": ["TicketViewed"]},
}


def outbox(kind: str, payload: Any) -> Message:
    headers = {"id": b'"aaaaaaaa-0000-4000-8000-000000000001"', "eventType": orjson.dumps(kind)}
    return message(payload, key="100", timestamp=COMMITTED, headers=headers)


@pytest.mark.parametrize(
    "payload",
    [
        {"ticket_id": 100, "status": "open"},
        {"status": "open"},
        '{"status": "open"}',
        {"schema": None, "payload": {"status": "open"}},
    ],
)
def test_an_outbox_event_is_its_payload_and_its_key_the_aggregate(payload: Any) -> None:
    decoded = change(feed(OUTBOX, id="ticket_id").decode(outbox("TicketChanged", payload)))
    assert (decoded.record, decoded.op, decoded.at) == ("ticket:100", "upsert", AT)
    assert decoded.fields == {"stage": "open"}


def test_the_operation_of_an_outbox_event_is_what_the_mapping_says_of_its_type() -> None:
    reader = feed(OUTBOX, id="ticket_id")
    deleted = change(reader.decode(outbox("TicketDeleted", {"ticket_id": 100})))
    assert (deleted.record, deleted.op) == ("ticket:100", "delete")
    assert "TicketViewed" in passed_over(reader.decode(outbox("TicketViewed", {"ticket_id": 100})))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "a list"),
        ({"id": 7, "__source_ts_ms": COMMITTED}, "'__op', the operation, is missing"),
        ({**ROW, "__op": "x"}, "'x'"),
        ({**ROW, "__op": []}, "a list"),
        ({**ROW, "__source_ts_ms": "soon"}, "'__source_ts_ms'"),
        ({**ROW, "__source_lsn": "0/5"}, "lsn"),
        ({"op": "u", "after": {"id": 7}, "source": {"ts_us": 1}}, "take `unwrapped` out"),
    ],
)
def test_what_is_no_such_row_is_undecodable_with_a_reason(value: Any, reason: str) -> None:
    assert reason in refusal(feed(), message(value))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"ts_ms": 5}, "heartbeat"),
        ({"op": "m", "ts_ms": 5, "source": {}, "message": {}}, "logical message"),
        ({**ROW, "__op": "t"}, "'t'"),
    ],
)
def test_the_transform_lets_pass_what_is_about_no_row(value: Any, reason: str) -> None:
    assert reason in passed_over(feed().decode(message(value)))


@pytest.mark.parametrize(
    ("unwrapped", "position", "text"),
    [
        ({**PLACES, "order": {"pos": "p"}}, ("order",), "no place"),
        ({**PLACES, "order": {"file": "f", "pos": "p"}}, ("order",), "'row'"),
        ({**PLACES, "order": "__lsn"}, ("order",), "is text"),
        ({**PLACES, "at": {"broker": "clock"}}, ("at", "broker"), "'clock'"),
        ({**PLACES, "at": {"field": "a", "unit": "ms"}}, ("at",), "zone"),
        ({**PLACES, "operation": {"delete": ["x"]}}, ("operation",), "'header'"),
        ({**PLACES, "op": "__op"}, ("op",), "'op'"),
    ],
)
def test_a_wrong_configuration_is_refused_where_it_is_wrong(
    unwrapped: Any, position: tuple[str, ...], text: str
) -> None:
    with pytest.raises(Problem) as caught:
        feed(unwrapped)
    assert caught.value.position == ("unwrapped", *position)
    assert text in caught.value.message


def captured(name: str, unwrapped: Any) -> list[Change]:
    reader = read_feed("tickets", Node({**TICKETS, "unwrapped": unwrapped}))
    path = sample("debezium-real/streams") / f"{name}.jsonl"
    found = []
    for each in read_messages(reader, path):
        if each.topic.endswith(".tickets"):
            stamped = Message(each.topic, 0, each.offset, each.key, each.value, COMMITTED, each.headers)
            found.append(change(reader.decode(stamped)))
    return found


def test_captured_rows_of_every_mode_tell_the_same_as_the_envelope() -> None:
    def told(changes: list[Change]) -> list[tuple[Any, ...]]:
        # `touched` is the database's now(), and each capture had its own; `csat` was captured in two modes.
        return [
            (c.record, c.op, {k: v for k, v in c.fields.items() if k not in ("touched", "csat")})
            for c in changes
            if c.op != "refresh"
        ]

    reader = read_feed("tickets", Node(TICKETS))
    path = sample("debezium-real/streams") / "decimal_string.jsonl"
    events = [e for e in read_messages(reader, path) if e.topic.endswith(".tickets")]
    stamped = [Message(e.topic, 0, e.offset, e.key, e.value, COMMITTED, e.headers) for e in events]
    whole = told([change(reader.decode(each)) for each in stamped])
    # A delete and its tombstone are one where the transform leaves one of them.
    once = [each for n, each in enumerate(whole) if n == 0 or whole[n - 1] != each or each[1] != "delete"]
    rewrite = captured("unwrap_rewrite", {**PLACES, "order": {"lsn": "__lsn"}})
    by_headers = captured(
        "unwrap_rewrite",
        {"at": {"header": "__source_ts_us"}, "operation": {"header": "__op"}, "order": {"lsn": "__lsn"}},
    )
    renamed = captured(
        "unwrap_rewrite_tomb", {"at": "source_ts_ms", "operation": "op", "order": {"lsn": "src_lsn"}}
    )
    bare = captured("unwrap_default", {"at": {"broker": "timestamp"}})
    assert told(rewrite) == told(by_headers) == once
    assert told(renamed) == whole
    assert [c.record for c in bare if c.op == "delete"] == [
        record for record, op, _ in once if op == "delete"
    ]
    assert all(c.order is not None for c in rewrite)
    assert [c.at.replace(microsecond=0) for c in rewrite] == [c.at.replace(microsecond=0) for c in by_headers]
