"""Whatever the bytes are, each shape of Debezium's gives changes, a reason to pass over, or Undecodable.
FUZZ is how many inputs are tried for each, 300 unless it says otherwise."""

import os
from typing import Any

import fastavro
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.document import Node
from streams.feeds import Feed, Format, Message
from streams.feeds.customers import WithCustomers
from streams.feeds.debezium.avro import AvroReader
from streams.feeds.debezium.envelope import Envelopes
from streams.feeds.debezium.feed import DebeziumFeed
from streams.feeds.debezium.values import DebeziumValues
from streams.feeds.formats import read_feed
from streams.feeds.mapping import read_mapping
from streams.feeds.registry import Schema, SchemaRegistry
from tests.feeds.fuzz import RECORD, ROW, check, mutated, odd, places, replaced, spliced
from tests.feeds.test_debezium_avro import DECIMAL, envelope, event
from tests.registry import avro, framed

INPUTS = int(os.environ.get("FUZZ") or 300)

SILENT = {key: value for key, value in RECORD.items() if key != "said"}
TIMES = {"created": {"field": "at", "unit": "us", "zone": "Europe/Berlin"}, "touched": "touched"}
ORDERS: dict[str, dict[str, Any]] = {
    "lsn": {"lsn": "__lsn"},
    "binlog": {"file": "__file", "pos": "__pos", "row": {"header": "row"}},
    "sqlserver": {"commit_lsn": "__commit", "change_lsn": "__change", "event_serial_no": "__no"},
}
BY_HEADERS = {"at": {"header": "at_us"}, "operation": {"header": "op"}, "order": ORDERS["binlog"]}
OUTBOX = {"at": {"broker": "timestamp"}, "operation": {"header": "op", "delete": ["d"], "ignore": ["i"]}}


def feed(record: dict[str, Any] = RECORD, **options: Any) -> Format:
    record = {**record, **TIMES, "value": {"field": "arr", "scale": 2}}
    return read_feed("t", Node({"format": "debezium", "topic": "t", "record": record, **options}))


FEEDS: dict[str, Feed] = {
    "envelope": WithCustomers(feed()),
    "silent envelope": feed(SILENT),
    "lsn": feed(unwrapped={"at": "__ts_ms", "operation": "__op", "order": ORDERS["lsn"]}),
    "sqlserver": feed(SILENT, unwrapped={"at": "touched", "order": ORDERS["sqlserver"]}),
    "headers": feed(unwrapped=BY_HEADERS),
    "outbox": WithCustomers(feed(unwrapped=OUTBOX)),
}

SOURCE = {"ts_us": 1795418456434437, "ts_ms": 1795418456434, "snapshot": "false"}
MYSQL = {**SOURCE, "connector": "mysql", "file": "mysql-bin.000003", "pos": 484, "row": 0}
LSN = "0000002b:00000430:0003"
SQLSERVER = {**SOURCE, "connector": "sqlserver", "commit_lsn": LSN, "change_lsn": LSN, "event_serial_no": 2}
TYPED = {"fields": [{"field": "at", "name": "io.debezium.time.MicroTimestamp"}]}
FLAT = {
    **ROW,
    "__op": "u",
    "__ts_ms": 1795418456434,
    "__lsn": 5,
    "__file": "b.000003",
    "__pos": 4,
    "__commit": LSN,
    "__change": LSN,
    "__no": 1,
    "__deleted": "false",
}
CLOUD_EVENT = {
    "specversion": "1.0",
    "iodebeziumop": "u",
    "iodebeziumconnector": "postgresql",
    "iodebeziumtsus": "1795418456434437",
    "iodebeziumlsn": "5",
    "data": {
        "schema": {"fields": [{"field": "after", **TYPED}]},
        "payload": {"before": {"id": 7}, "after": ROW},
    },
}
SAMPLES: list[Any] = [
    *(
        {"op": op, "before": {"id": 7}, "after": ROW, "source": source, "ts_us": 1795418456434437}
        for op in "crud"
        for source in (MYSQL, SQLSERVER)
    ),
    CLOUD_EVENT,
    {**CLOUD_EVENT, "iodebeziumop": "d"},
    FLAT,
    {**FLAT, "__deleted": "true"},
    {"schema": TYPED, "payload": FLAT},
    orjson.dumps(ROW).decode(),
    {"source": MYSQL, "databaseName": "crm", "ddl": "ALTER TABLE t", "tableChanges": []},
    {"ts_ms": 5},
]
WORDS = "mysql mariadb sqlserver incremental true b.000003 ٣ ² 0000002b:00000430:0003 1795418456434437 d"
# Hypothesis reduces by size, and such numbers are large at once.
anything = odd([*WORDS.split(), "9" * 400, -1, 0, 2**63, 2**64 - 1, 1.5, "\ud7ff"])


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A sample with some values replaced, some keys doubled, some numbers enormous, some bytes changed."""
    encoded = mutated(draw, SAMPLES, anything, least=0)
    match draw(st.integers(0, 5)):
        case 0:
            return spliced(draw, encoded)
        case 1:
            # The same key twice, the second with anything in it.
            key = draw(st.sampled_from([b"op", b"after", b"source", b"payload", b"id", b"data"]))
            return encoded.replace(b"{", b'{"' + key + b'":' + orjson.dumps(draw(anything)) + b",", 1)
        case 2:
            number = draw(st.sampled_from([b"9" * 25, b"-" + b"9" * 4500, b"1e400", b"NaN", b"0" * 30]))
            return encoded.replace(
                draw(st.sampled_from([b"484", b"1795418456434", b"null", b"7"])), number, 1
            )
        case 3:
            return encoded.replace(b"a", draw(st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\\ud800"])))
    return encoded


keys = st.none() | st.binary(max_size=20) | anything.map(orjson.dumps) | st.just(b'{"id":7}')
headers = st.lists(
    st.tuples(
        st.sampled_from(["op", "at_us", "row", "__value_schema_id"]),
        st.none() | st.binary(max_size=18) | anything.map(orjson.dumps),
    ),
    max_size=3,
)
timestamps = st.none() | st.integers(0, 2**62)


def attempt(name: str, key: bytes | None, value: bytes | None, more: Any, at: int | None) -> None:
    check(FEEDS[name], Message("t", 0, 1, key, value, at, tuple(more)))


@pytest.mark.parametrize("name", FEEDS)
def test_random_bytes(name: str) -> None:
    @settings(max_examples=INPUTS)
    @given(keys, st.none() | st.binary(max_size=200), headers, timestamps)
    def holds(key: bytes | None, value: bytes | None, more: Any, at: int | None) -> None:
        attempt(name, key, value, more, at)

    holds()


@pytest.mark.parametrize("name", FEEDS)
def test_mutated_samples(name: str) -> None:
    @settings(max_examples=INPUTS)
    @given(keys, mutations(), headers, timestamps)
    def holds(key: bytes | None, value: bytes, more: Any, at: int | None) -> None:
        attempt(name, key, value, more, at)

    holds()


@pytest.mark.parametrize("name", FEEDS)
def test_deep_nesting_wherever_it_is(name: str) -> None:
    for depth in (300, 1_020, 20_000):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            deep = opening * depth + b"1" + closing * depth
            attempt(name, deep, deep, (), 1)
            for sample in (SAMPLES[0], CLOUD_EVENT, FLAT):
                for place in places(sample)[1:]:
                    nested = orjson.dumps(replaced(sample, place, "HERE")).replace(b'"HERE"', deep)
                    attempt(name, b'{"id":7}', nested, (), 1)


class _Known(SchemaRegistry):
    """Knows one schema by whatever number."""

    def __init__(self, schema: Any) -> None:
        super().__init__("http://localhost")
        self._schema = Schema(orjson.dumps(schema).decode())

    def schema(self, place: str) -> Schema:
        return self._schema


AVRO = envelope(
    who="string",
    stage="string",
    body="string",
    arr=DECIMAL,
    at={"type": "long", "logicalType": "timestamp-micros"},
)
RAW = fastavro.schema.parse_schema(orjson.loads(orjson.dumps(AVRO).replace(b'"logicalType"', b'"was"')))
WRITTEN = framed(
    1,
    avro(
        RAW, event({"id": 7, "who": "a", "stage": "s", "body": "b", "arr": b"\x0f", "at": 1795418456434437})
    ),
)


@st.composite
def mutated_avro(draw: st.DrawFn) -> bytes:
    value = WRITTEN
    for _ in range(draw(st.integers(0, 3))):
        value = spliced(draw, value)
    return value


@settings(max_examples=INPUTS)
@given(keys, mutated_avro())
def test_mutated_avro(key: bytes | None, value: bytes) -> None:
    check(AVRO_FEED, Message("t", 0, 1, key, value, 1))


MAPPING = read_mapping(Node({**SILENT, **TIMES, "value": "arr"}), DebeziumValues())
AVRO_FEED = DebeziumFeed(
    "t", "t", MAPPING, Envelopes(MAPPING.columns), "__gone", AvroReader(_Known(AVRO), MAPPING.columns)
)
