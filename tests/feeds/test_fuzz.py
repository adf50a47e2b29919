"""Whatever the bytes are, decoding gives changes, a reason to pass over, or Undecodable."""

import json
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import entries
from streams.core.document import Node
from streams.core.entries import MOST_TEXT, Change
from streams.feeds import Feed, Message, PassedOver, Undecodable
from streams.feeds.customers import WithCustomers
from streams.feeds.formats import read_feed

RECORD = {
    "kind": "ticket",
    "id": "id",
    "owner": "who",
    "stage": {"field": "stage", "closed": ["done"]},
    "priority": {"field": "priority", "values": {1: "urgent"}},
    "contacts": "count",
    "customer": "who",
    "merged": "into",
    "by": {"field": "role", "person": ["agent"], "customer": ["end-user", 1]},
    "said": {
        "text": "body",
        "channel": "via",
        "public": "shown",
        "automatic": {"field": "via", "is": ["auto"]},
        "negativity": {"field": "mood", "best": 5, "worst": 1},
    },
    "planned": "touched",
    "scored": "touched",
    "health": "score",
    "fields": ["extra"],
}


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

ROW = {
    "id": 7,
    "who": "a",
    "stage": "new",
    "priority": 1,
    "count": 3,
    "score": 1.5,
    "extra": ["a"],
    "at": 1793527199500000,
    "touched": "2026-11-03T08:00:00.25Z",
    "arr": "D0I2",
    "into": 8,
    "role": "end-user",
    "body": "Is anybody there?",
    "via": "email",
    "shown": True,
    "mood": 2,
}
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

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ("u d r __debezium_unavailable_value LQ== infinity 1e400 NaN " + "9" * 400 + " " + "9" * 5000).split()
    )
    | st.sampled_from(["2026-W45-2T08:00:00Z", "0001-01-01T00:00:00", "9999-12-31T23:59:59"])
    | st.sampled_from(
        ["io.debezium.time.Date", "io.debezium.time.IsoDate", "org.apache.kafka.connect.data.Decimal"]
    )
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["scale", "value"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample with some of its values replaced, and perhaps some of its bytes."""
    value = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 3))):
        value = replaced(value, draw(st.sampled_from(places(value))), draw(anything))
    encoded = orjson.dumps(value)
    if draw(st.booleans()):
        return encoded
    cut = draw(st.integers(0, len(encoded)))
    return encoded[:cut] + draw(st.binary(max_size=4)) + encoded[cut + draw(st.integers(0, 4)) :]


def check(feed: Feed, key: bytes | None, value: bytes | None, timestamp: int | None = None) -> None:
    try:
        decoded = feed.decode(Message("t", 0, 1, key, value, timestamp))
    except Undecodable as error:
        decoded = PassedOver(str(error))
    if isinstance(decoded, PassedOver):
        assert 0 < len(decoded.reason) < 1500
        return
    for change in decoded:
        assert isinstance(change, Change)
        assert change.record.startswith(("ticket:", "customer:"))
        assert change.said is None or len(change.said.text) <= MOST_TEXT
        assert entries.decode(entries.encode(change)) == change


@settings(max_examples=300)
@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=200), st.none() | st.integers())
def test_random_bytes(key: bytes | None, value: bytes | None, timestamp: int | None) -> None:
    check(DEBEZIUM, key, value, timestamp)
    check(SILENT, key, value, timestamp)
    check(CSV, key, value, timestamp)


@settings(max_examples=1000)
@given(mutated())
def test_mutated_samples(value: bytes) -> None:
    check(DEBEZIUM, b'{"id": 7}', value)
    check(SILENT, b'{"id": 7}', value)
    check(CSV, None, value)


@settings(max_examples=300)
@given(anything, st.integers() | st.none())
def test_any_key_of_a_tombstone(key: Any, timestamp: int | None) -> None:
    check(DEBEZIUM, orjson.dumps(key), None, timestamp)
    check(SILENT, orjson.dumps(key), None, timestamp)


def test_deep_nesting_wherever_it_is() -> None:
    for depth in (100, 300, 1000, 5000, 100_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = opening * depth + "1" + closing * depth
            check(DEBEZIUM, None, deep.encode())
            check(SILENT, None, deep.encode())
            check(CSV, None, deep.encode())
            check(DEBEZIUM, deep.encode(), None, 1)
            check(SILENT, deep.encode(), None, 1)
            for column in ROW:
                row = orjson.dumps({**ROW, column: "HERE"}).decode().replace('"HERE"', deep)
                check(DEBEZIUM, None, b'{"op":"c","source":{"ts_us":1},"after":' + row.encode() + b"}")
                check(SILENT, None, b'{"op":"u","source":{"ts_us":1},"after":' + row.encode() + b"}")
                check(CSV, None, row.encode())
