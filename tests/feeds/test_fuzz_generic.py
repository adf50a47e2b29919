"""Whatever the bytes and headers are, each of the generic feeds gives changes, a reason to pass over, or
Undecodable. FUZZ is how many inputs are tried for each, 300 unless it says otherwise."""

import os
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.document import Node
from streams.feeds import Feed, Message
from streams.feeds.customers import WithCustomers
from streams.feeds.formats import read_feed
from tests.feeds import fuzz
from tests.feeds.fuzz import RECORD, check, mutated, odd, places, replaced, spliced

INPUTS = int(os.environ.get("FUZZ") or 300)

ROW = {name: value for name, value in fuzz.ROW.items() if name not in ("at", "arr")}
SILENT = {key: value for key, value in RECORD.items() if key != "said"}
NESTED = {"kind": "ticket", "id": "t.id", "stage": "t.stage", "owner": "t.who.id", "said": {"text": "t.body"}}
AT = "2026-03-02T09:00:00.123456789Z"
CE = {"specversion": "1.0", "id": "e", "source": "/", "type": "x", "subject": "7", "time": AT}
CDC = {"_ab_cdc_lsn": 5, "_ab_cdc_updated_at": AT, "_ab_cdc_deleted_at": None}
DETAIL = {
    "id": "7",
    "status": "OPEN",
    "requester_id": "8",
    "actor_id": "8",
    "tags": None,
    "via": {"channel": "mail"},
}
COMMENT = {"body": "Hello?", "is_public": True, "author": {"id": "8", "is_staff": False}}
ZENDESK = {
    "detail": DETAIL,
    "event": {
        "comment": COMMENT,
        "message": {"body": "Hi"},
        "actor": {"type": "agent"},
        "target_ticket_id": 9,
        "meta": {"sequence": {"id": 2**80, "position": 1}},
    },
    "id": "e",
    "time": AT,
    "type": "zen:event-type:ticket.comment_added",
    "zendesk_event_version": "2022-11-06",
}
COLUMNS = [{"name": name, "value": value} for name, value in ROW.items()]
V1 = {
    "nextlsn": "0/2",
    "timestamp": AT,
    "change": [
        {
            "kind": "update",
            "schema": "s",
            "table": table,
            "columnnames": list(ROW),
            "columnvalues": list(ROW.values()),
            "oldkeys": {"keynames": ["id"], "keyvalues": [6]},
        }
        for table in ("t", "quiet")
    ],
}

ISO = {"field": "touched", "format": "iso"}
BOTH = {"t": RECORD, "s.quiet": SILENT}
FEEDS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "json": (
        {
            "at": "t.at",
            "record": NESTED,
            "order": ["t.at", "t.n"],
            "operation": {"field": "op", "delete": ["d", 1], "ignore": "i"},
            "null": ["", "?"],
        },
        [{"op": op, "t": {"id": 7, "at": AT, "n": 5, "stage": "a", "who": {"id": 1}}} for op in ("u", "d")],
    ),
    "json of items": (
        {
            "format": "json",
            "each": "a.items",
            "at": ".at",
            "time": {"unit": "ms", "zone": "UTC"},
            "record": {**RECORD, "planned": ISO, "scored": ISO},
        },
        [{"at": 1772442000000, "a": {"items": [ROW, ROW]}}],
    ),
    "cloudevents": (
        {"record": {"kind": "ticket", "id": "subject", "stage": "data.stage", "said": {"text": "data.body"}}},
        [{**CE, "data": ROW}, {**CE, "data_base64": "e30="}],
    ),
    "maxwell": (
        {"records": BOTH},
        [
            {
                "database": "s",
                "table": table,
                "type": kind,
                "ts": 1772442000,
                "position": "m.000001:5",
                "xoffset": 1,
                "data": ROW,
                "old": {"id": 6},
            }
            for table in ("t", "quiet")
            for kind in ("insert", "update", "delete")
        ],
    ),
    "wal2json": (
        {"records": BOTH},
        [
            V1,
            *(
                {
                    "action": action,
                    "lsn": "0/1",
                    "timestamp": AT,
                    "schema": "s",
                    "table": table,
                    "columns": COLUMNS,
                    "identity": [{"name": "id", "value": 6}],
                }
                for table in ("t", "quiet")
                for action in "IUD"
            ),
        ],
    ),
    "airbyte": (
        {"records": BOTH},
        [
            {"_airbyte_stream": "t", "_airbyte_emitted_at": 1772442000000, "_airbyte_data": data}
            for data in ({**ROW, **CDC}, {**ROW, **CDC, "_ab_cdc_deleted_at": AT})
        ],
    ),
    "fivetran": (
        {"record": RECORD},
        [
            {**ROW, "_fivetran_start": AT, "_fivetran_synced": AT, "_fivetran_deleted": gone}
            for gone in (False, True)
        ],
    ),
    "fivetran history": (
        {
            "format": "fivetran",
            "at": "at",
            "history": {"field": "name", "value": "value"},
            "record": SILENT,
        },
        [{"id": 7, "at": AT, "name": "stage", "value": "new", "_fivetran_deleted": None}],
    ),
    "zendesk": (
        {"records": {"ticket": {"kind": "ticket"}, "user": {"kind": "customer", "id": "id"}}},
        [
            ZENDESK,
            {
                "id": "b",
                "detail": {
                    "ticket_event": {
                        "type": "Comment Created",
                        "meta": {"occurred_at": AT, "sequence": {"position": 1}},
                        "ticket": DETAIL,
                        "comment": COMMENT,
                    }
                },
            },
            {"ticket": {"id": "7", "updated_at": AT, "status": "On-hold"}},
        ],
    ),
}
SAMPLES = {name: samples for name, (_, samples) in FEEDS.items()}


def read(name: str) -> Feed:
    return WithCustomers(
        read_feed("f", Node({"format": name.partition(" ")[0], "topic": "t", **FEEDS[name][0]}))
    )


READ = {name: read(name) for name in FEEDS}
anything = odd(["LQ==", "1e400", "NaN", "2026-W45-2T08:00:00Z", "9999-12-31T23:59:59", "value"])


headers = st.lists(
    st.tuples(
        st.sampled_from(
            ["content-type", "Content-Type", "ce_specversion", "ce_id", "ce_type", "ce_time", "x"]
        ),
        st.none()
        | st.binary(max_size=8)
        | st.sampled_from([b"1.0", b"application/cloudevents+json", b"application/json", AT.encode()]),
    ),
    max_size=8,
).map(tuple)


@st.composite
def mutations(draw: st.DrawFn, name: str) -> bytes:
    encoded = mutated(draw, SAMPLES[name], anything)
    return encoded if draw(st.booleans()) else spliced(draw, encoded)


@pytest.mark.parametrize("name", FEEDS)
def test_the_samples_are_changes(name: str) -> None:
    """So that what is made of them reaches every part; but a deleted message deletes no record."""
    for value in SAMPLES[name]:
        is_change = check(READ[name], Message("t", 0, 1, None, msgspec.json.encode(value), 1772442000000))
        assert is_change or any(word in str(value) for word in ("delete", "'D'"))


@pytest.mark.parametrize("name", FEEDS)
def test_mutated_samples(name: str) -> None:
    @settings(max_examples=INPUTS, database=None)
    @given(mutations(name), st.none() | st.binary(max_size=20), headers, st.none() | st.integers())
    def tried(value: bytes, key: bytes | None, pairs: Any, timestamp: int | None) -> None:
        check(READ[name], Message("t", 0, 1, key, value, timestamp, pairs))

    tried()


@pytest.mark.parametrize("name", FEEDS)
def test_random_bytes(name: str) -> None:
    @settings(max_examples=INPUTS // 3, database=None)
    @given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=50), headers)
    def tried(value: bytes | None, key: bytes | None, pairs: Any) -> None:
        check(READ[name], Message("t", 0, 1, key, value, None, pairs))

    tried()


@pytest.mark.parametrize("name", FEEDS)
def test_deep_nesting_wherever_it_is(name: str) -> None:
    for depth in (100, 1000, 100_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = opening * depth + "1" + closing * depth
            check(READ[name], Message("t", 0, 1, None, deep.encode()))
            for value in SAMPLES[name]:
                for place in places(value):
                    text = msgspec.json.encode(replaced(value, place, "HERE")).decode()
                    check(READ[name], Message("t", 0, 1, None, text.replace('"HERE"', deep).encode()))
