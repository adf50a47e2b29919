"""Every sample of Debezium's that lies beside this repository, and what becomes of it.

Columns that only one of the tables has are simply missing in the others, so one mapping reads them all.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.core.document import Node
from streams.feeds import Format, Message, PassedOver, Undecodable
from streams.feeds.files import read_messages
from streams.feeds.formats import read_feed
from tests.feeds.samples import SAMPLES, sample

RECORD = {
    "kind": "row",
    "id": "id",
    "stage": "status",
    "owner": "assignee_id",
    "priority": "priority",
    "contacts": "contact_count",
    "touched": "updated_at",
    # Not `csat`, a numeric: the captures ran with other decimal.handling.modes.
    "fields": ["description", "subject", "tags"],
}
ADDED = {"at": "__source_ts_ms", "operation": "__op", "order": {"lsn": "__lsn"}}
BROKER = {"at": {"broker": "timestamp"}}
RENAMED = {"at": "source_ts_ms", "operation": "op", "order": {"lsn": "src_lsn"}}
BROKER = {"at": {"broker": "timestamp"}}
OPTIONS: dict[str, dict[str, Any]] = {
    "unwrapped_default_update_no_metadata.json": {"unwrapped": BROKER},
    "unwrapped_rewrite_delete.json": {"unwrapped": ADDED},
    "unwrapped_rewrite_update.json": {"unwrapped": ADDED},
    "outbox_event_router.json": {"unwrapped": BROKER},
    "unwrap_default.jsonl": {"unwrapped": BROKER},
    "unwrap_rewrite.jsonl": {"unwrapped": ADDED},
    "unwrap_rewrite_tomb.jsonl": {"unwrapped": RENAMED},
    "outbox.jsonl": {"unwrapped": BROKER},
    "time_isostring.jsonl": {"unavailable": "__toast__"},
}
"""As the connector of each was configured, where that was not Debezium's default."""

ACCOUNT = "row:6f1d1a0e-8c55-4b1e-9d7c-1f6f0d0a000"
TRUNCATE = "passed over: a truncate: it does not say which records are gone"
SINGLE = {
    "after_add_column.json": f"upsert {ACCOUNT}1",
    "c_1.json": "upsert row:1004",
    "cloudevents_structured_create.json": "upsert row:102",
    "create.json": "upsert row:101",
    "d_3.json": "delete row:1004",
    "delete_default_identity_fake_before.json": "delete row:102",
    "delete_full_identity.json": "delete row:500",
    "incremental_snapshot_read_lsn_null.json": "refresh row:200",
    "infinity_timestamps_negative_decimal.json": f"upsert {ACCOUNT}2",
    "logical_message_op_m.json": "passed over: a logical message, not a row",
    "nan_numeric_becomes_null.json": "upsert row:103",
    "no_primary_key.json": "undecodable: there is no id column 'id'; there are: who, what, at",
    "noop_update.json": "upsert row:101",
    "outbox_event_router.json": "upsert row:100",
    "pk_change_create_new_key.json": "upsert row:102",
    "pk_change_delete_old_key.json": "delete row:101",
    "pk_change_tombstone.json": "delete row:101",
    "snapshot_first.json": f"refresh {ACCOUNT}1",
    "snapshot_last.json": "refresh row:2",
    "t_4.json": TRUNCATE,
    "tombstone.json": "delete row:102",
    "truncate_op_t.json": TRUNCATE,
    "u_2.json": "upsert row:1004",
    "unwrapped_default_update_no_metadata.json": "upsert row:101",
    "unwrapped_rewrite_delete.json": "delete row:102",
    "unwrapped_rewrite_update.json": "upsert row:101",
    "update_column_to_null.json": "upsert row:100",
    "update_full_identity_before_after.json": "upsert row:500",
    "update_second_change_of_same_record_in_tx.json": "upsert row:101",
    "update_toast_unavailable.json": "upsert row:100",
    "with_schema_update.json": f"upsert {ACCOUNT}1",
}

# Of each capture how many are: refresh, upsert, delete, passed over, undecodable. The undecodable ones are of
# a table without a key and of one with another key; in CloudEvents also a logical message, which looks there
# like a tombstone with a key of its own.
STREAMS = {
    "cloudevents.jsonl": (5, 14, 8, 0, 4),
    "decimal_string.jsonl": (5, 14, 8, 1, 3),
    "incremental.jsonl": (2, 8, 0, 5, 0),
    "outbox.jsonl": (0, 1, 0, 0, 0),
    "plain.jsonl": (5, 14, 8, 2, 3),
    "redeliver.jsonl": (11, 14, 8, 1, 4),
    "schema.jsonl": (5, 14, 8, 1, 3),
    "time_isostring.jsonl": (5, 14, 4, 1, 3),
    "time_ns.jsonl": (5, 14, 8, 1, 3),
    "transaction_heartbeat.jsonl": (5, 14, 8, 40, 3),
    "unwrap_default.jsonl": (0, 19, 4, 1, 3),
    "unwrap_rewrite.jsonl": (5, 14, 4, 1, 3),
    "unwrap_rewrite_tomb.jsonl": (5, 14, 8, 1, 3),
}
KINDS = ("refresh", "upsert", "delete", "passed", "undecodable:")
SAME_STATEMENTS = tuple(
    name for name in STREAMS if name not in ("incremental.jsonl", "outbox.jsonl", "redeliver.jsonl")
)


def feed(path: Path, **options: Any) -> Format:
    options = {"format": "debezium", "topic": "t", "record": RECORD, **OPTIONS.get(path.name, {}), **options}
    return read_feed("rows", Node(options))


def messages(path: Path, reader: Format) -> Iterator[Message]:
    """With the broker's timestamp, which the captures lack."""
    for each in read_messages(reader, path):
        yield Message(
            each.topic, each.partition, each.offset, each.key, each.value, 1795418456434, each.headers
        )


def outcome(reader: Format, message: Message) -> str:
    try:
        decoded = reader.decode(message)
    except Undecodable as error:
        return f"undecodable: {error}"
    if isinstance(decoded, PassedOver):
        assert decoded.reason
        return f"passed over: {decoded.reason}"
    (change,) = decoded
    return f"{change.op} {change.record}"


def found(folder: str, pattern: str) -> list[Path]:
    return sorted((SAMPLES / folder).glob(pattern))


def test_no_sample_is_left_out() -> None:
    sample("debezium-real")
    single = [*found("debezium-real", "*.json"), *found("debezium-mysql-docs", "*.json")]
    assert {path.name for path in single} == SINGLE.keys()
    assert {path.name for path in found("debezium-real", "streams/*.jsonl")} == STREAMS.keys()


@pytest.mark.parametrize("name", SINGLE)
def test_what_becomes_of_a_sample(name: str) -> None:
    path = sample(f"debezium-mysql-docs/{name}" if name[1] == "_" else f"debezium-real/{name}")
    reader = feed(path)
    assert [outcome(reader, each) for each in messages(path, reader)] == [SINGLE[name]]


@pytest.mark.parametrize("name", STREAMS)
def test_what_becomes_of_a_capture(name: str) -> None:
    path = sample(f"debezium-real/streams/{name}")
    reader = feed(path)
    kinds = Counter(outcome(reader, each).split()[0] for each in messages(path, reader))
    assert tuple(kinds[kind] for kind in KINDS) == STREAMS[name]


@pytest.mark.parametrize("name", SAME_STATEMENTS)
def test_whatever_the_shape_the_same_statements_leave_the_same_records(name: str) -> None:
    assert left(name) == left("plain.jsonl")


def test_a_rewritten_delete_is_known_by_its_mark_alone() -> None:
    assert left("unwrap_rewrite.jsonl", unwrapped={"at": "__source_ts_ms"}) == left("plain.jsonl")


def left(name: str, **options: Any) -> dict[str, dict[str, Any]]:
    """The records that a capture leaves in the order of its messages, by what is known of each in the end."""
    path = sample(f"debezium-real/streams/{name}")
    reader = feed(path, **options)
    records: dict[str, dict[str, Any]] = {}
    for message in messages(path, reader):
        try:
            decoded = reader.decode(message)
        except Undecodable:
            continue
        for change in decoded if isinstance(decoded, list) else ():
            if change.op == "delete":
                records.pop(change.record, None)
            else:
                # The captures ran at different times, and what came from now() differs.
                known = {name: value for name, value in change.fields.items() if name != "touched"}
                records[change.record] = records.get(change.record, {}) | known
    return records
