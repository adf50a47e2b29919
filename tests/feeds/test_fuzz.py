"""Whatever the bytes are, decoding gives changes, a reason to pass over, or Undecodable."""

import json
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.document import Node
from streams.feeds import Feed, Message
from streams.feeds.customers import WithCustomers
from streams.feeds.formats import read_feed
from tests.feeds.fuzz import RECORD, ROW, check, mutated, odd, spliced


def debezium(record: dict[str, Any]) -> Feed:
    record = {
        **record,
        "created": {"field": "at", "unit": "us", "zone": "Europe/Berlin"},
        "touched": "touched",
        "value": {"field": "arr", "scale": 2},
    }
    return read_feed("tickets", Node({"format": "debezium", "topic": "t", "record": record}))


DEBEZIUM = WithCustomers(debezium(RECORD))
# Where nothing is said, a delete is read otherwise.
SILENT = debezium({key: value for key, value in RECORD.items() if key != "said"})
CSV = WithCustomers(
    read_feed(
        "rows",
        Node(
            {
                "format": "csv",
                "at": "at",
                "time": {"format": "iso", "zone": "Europe/Berlin"},
                "order": ["at", "count"],
                "record": {**RECORD, "created": "touched", "value": "arr"},
            }
        ),
    )
)

SAMPLES: list[Any] = [
    {"op": "u", "before": None, "after": ROW, "source": {"ts_us": 1795418456434437, "lsn": 26608232}},
    {"op": "c", "before": None, "after": ROW, "source": {"ts_us": 1795418456434437, "lsn": 26608232}},
    {"op": "d", "before": {"id": 7}, "after": None, "source": {"ts_ms": 1795418456434, "lsn": None}},
    {
        "schema": {
            "fields": [
                {
                    "field": "after",
                    "fields": [
                        {"field": "at", "name": "io.debezium.time.MicroTimestamp"},
                        {
                            "field": "arr",
                            "name": "org.apache.kafka.connect.data.Decimal",
                            "parameters": {"scale": "2"},
                        },
                    ],
                }
            ]
        },
        "payload": {"op": "r", "after": ROW, "source": {"ts_us": 1, "lsn": 1}},
    },
    {**ROW, "at": "2026-11-03T08:00:00", "count": "3", "arr": "1"},
]

captured = Path(__file__).resolve().parents[2].parent / "shared/feeds/debezium-real"
SAMPLES += [json.loads(path.read_bytes())["value"] for path in sorted(captured.glob("*.json"))]

WORDS = [
    *["u", "d", "r", "__debezium_unavailable_value", "LQ==", "infinity", "1e400", "NaN", "scale", "value"],
    "9" * 400,
    *("2026-W45-2T08:00:00Z", "0001-01-01T00:00:00", "9999-12-31T23:59:59"),
    *("io.debezium.time.Date", "io.debezium.time.IsoDate", "org.apache.kafka.connect.data.Decimal"),
]
anything = odd(WORDS)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    encoded = mutated(draw, SAMPLES, anything)
    return encoded if draw(st.booleans()) else spliced(draw, encoded)


def attempt(feed: Feed, key: bytes | None, value: bytes | None, timestamp: int | None = None) -> None:
    check(feed, Message("t", 0, 1, key, value, timestamp))


@settings(max_examples=300)
@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=200), st.none() | st.integers())
def test_random_bytes(key: bytes | None, value: bytes | None, timestamp: int | None) -> None:
    attempt(DEBEZIUM, key, value, timestamp)
    attempt(SILENT, key, value, timestamp)
    attempt(CSV, key, value, timestamp)


@settings(max_examples=1000)
@given(mutations())
def test_mutated_samples(value: bytes) -> None:
    attempt(DEBEZIUM, b'{"id": 7}', value)
    attempt(SILENT, b'{"id": 7}', value)
    attempt(CSV, None, value)


@settings(max_examples=300)
@given(anything, st.integers() | st.none())
def test_any_key_of_a_tombstone(key: Any, timestamp: int | None) -> None:
    attempt(DEBEZIUM, orjson.dumps(key), None, timestamp)
    attempt(SILENT, orjson.dumps(key), None, timestamp)


def test_deep_nesting_wherever_it_is() -> None:
    for depth in (100, 300, 1000, 5000, 100_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = opening * depth + "1" + closing * depth
            attempt(DEBEZIUM, None, deep.encode())
            attempt(SILENT, None, deep.encode())
            attempt(CSV, None, deep.encode())
            attempt(DEBEZIUM, deep.encode(), None, 1)
            attempt(SILENT, deep.encode(), None, 1)
            for column in ROW:
                row = orjson.dumps({**ROW, column: "HERE"}).decode().replace('"HERE"', deep)
                attempt(DEBEZIUM, None, b'{"op":"c","source":{"ts_us":1},"after":' + row.encode() + b"}")
                attempt(SILENT, None, b'{"op":"u","source":{"ts_us":1},"after":' + row.encode() + b"}")
                attempt(CSV, None, row.encode())
