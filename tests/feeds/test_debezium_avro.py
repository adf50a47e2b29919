"""Debezium's events in Avro, as Connect's converter writes it; test_avro.py has the registry's part."""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Format, Message
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, passed_over, refusal
from tests.feeds.test_debezium import AT, COMMITTED, PLACEHOLDER
from tests.registry import Registry, avro, framed, guid_header

GUID = uuid.UUID("6f1d1a0e-8c55-4b1e-9d7c-1f6f0d0a0001")


@pytest.fixture
def schemas() -> Iterator[Registry]:
    started = Registry()
    yield started
    started.stop()


def nullable(kind: Any) -> list[Any]:
    return ["null", kind]


def connect(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "connect.version": 1, "connect.name": name, **more}


DECIMAL = connect(
    "bytes",
    "org.apache.kafka.connect.data.Decimal",
    logicalType="decimal",
    scale=2,
    precision=64,
    **{"connect.parameters": {"scale": "2"}},
)


def envelope(**columns: Any) -> dict[str, Any]:
    """As Connect's converter writes it: `after` names the record that `before` has defined."""
    fields = [{"name": name, "type": nullable(kind)} for name, kind in columns.items()]
    value = {"type": "record", "name": "Value", "fields": [{"name": "id", "type": "long"}, *fields]}
    names = {"connector": "string", "snapshot": "string", "ts_us": "long", "lsn": "long"}
    source = [{"name": name, "type": nullable(kind)} for name, kind in names.items()]
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": "crmdb.crm.tickets",
        "fields": [
            {"name": "before", "type": nullable(value), "default": None},
            {"name": "after", "type": nullable("Value"), "default": None},
            {"name": "source", "type": {"type": "record", "name": "Source", "fields": source}},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": nullable("long")},
        ],
    }


def written(schema: Any, value: Any, number: int = 1) -> bytes:
    return framed(number, avro(schema, value))


def event(row: dict[str, Any] | None, op: str = "u", before: Any = None) -> dict[str, Any]:
    source = {"connector": "postgresql", "snapshot": "false", "ts_us": COMMITTED, "lsn": 500}
    return {"before": before, "after": row, "source": source, "op": op, "ts_ms": 0}


def feed(schemas: Registry, **options: Any) -> Format:
    record = {"kind": "ticket", "id": "id", **options.pop("record", {})}
    document = {"format": "debezium", "topic": "t", "registry": schemas.url, "record": record, **options}
    return read_feed("tickets", Node(document))


def message(value: bytes | None, key: bytes | None = None, **more: Any) -> Message:
    return Message("t", 0, 1, key, value, **more)


def decoded(schemas: Registry, schema: Any, value: Any, **options: Any) -> Change:
    schemas.add(1, schema)
    return change(feed(schemas, **options).decode(message(written(schema, value))))


def test_an_event_is_read_by_the_schema_that_it_names(schemas: Registry) -> None:
    row = {"id": 7, "who": "anna"}
    found = decoded(schemas, envelope(who="string"), event(row), record={"owner": "who"})
    assert (found.record, found.op, found.at, found.order) == ("ticket:7", "upsert", AT, (500, 1))
    assert found.fields == {"owner": "anna"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (connect("long", "io.debezium.time.Timestamp"), 1782900000000),
        (connect("long", "io.debezium.time.MicroTimestamp"), 1782900000000000),
        (connect("long", "io.debezium.time.NanoTimestamp"), 1782900000000000000),
        (connect("string", "io.debezium.time.ZonedTimestamp"), "2026-07-01T08:00:00Z"),
        # Connect's own is a wall clock too, whatever Avro's logical type beside it says.
        (
            connect("long", "org.apache.kafka.connect.data.Timestamp", logicalType="timestamp-millis"),
            1782900000000,
        ),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, 1782900000000000),
        # Without a name of Connect's it is what Avro says: a moment.
        ({"type": "long", "logicalType": "timestamp-micros"}, 1782892800000000),
        ({"type": "long", "logicalType": "timestamp-millis"}, 1782892800000),
    ],
)
def test_a_schema_says_what_a_time_is(schemas: Registry, kind: Any, value: Any) -> None:
    schema = envelope(at=kind)
    # Written as the bare number, as Connect does.
    plain = orjson.loads(orjson.dumps(schema).replace(b'"logicalType"', b'"was"'))
    schemas.add(1, schema)
    data = written(plain, event({"id": 7, "at": value}))
    reader = feed(schemas, record={"created": {"field": "at", "zone": "Europe/Berlin"}})
    assert change(reader.decode(message(data))).fields == {"created": "2026-07-01T08:00:00Z"}


def test_a_date_and_decimals_are_read_by_their_types(schemas: Registry) -> None:
    variable = {
        "type": "record",
        "name": "VariableScaleDecimal",
        "namespace": "io.debezium.data",
        "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
        "connect.name": "io.debezium.data.VariableScaleDecimal",
    }
    schema = envelope(day=connect("int", "io.debezium.time.Date"), arr=DECIMAL, csat=variable, raw="bytes")
    row = {
        "id": 7,
        "day": 20635,
        "arr": Decimal("9999.90"),
        "csat": {"scale": 1, "value": b"\x2d"},
        "raw": b"\xff\x00",
    }
    record = {
        "created": {"field": "day", "zone": "Europe/Berlin"},
        "value": "arr",
        "health": "csat",
        "fields": ["raw"],
    }
    assert decoded(schemas, schema, event(row), record=record).fields == {
        "created": "2026-06-30T22:00:00Z",
        "value": 9999.9,
        "health": 4.5,
        "raw": "/wA=",
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", PLACEHOLDER),
        ("bytes", PLACEHOLDER.encode()),
        ({"type": "array", "items": "string"}, [PLACEHOLDER]),
    ],
)
def test_an_unavailable_value_is_absent(schemas: Registry, kind: Any, value: Any) -> None:
    row = {"id": 7, "body": value}
    assert decoded(schemas, envelope(body=kind), event(row), record={"fields": ["body"]}).fields == {}


def test_each_message_is_read_by_its_own_version_of_the_schema(schemas: Registry) -> None:
    old, new = envelope(who="string", gone="string"), envelope(csm="string", who="string")
    schemas.add(1, old)
    schemas.add(2, new)
    reader = feed(schemas, record={"owner": "who", "fields": ["gone", "csm"]})
    first = written(old, event({"id": 7, "who": "a", "gone": "x"}), 1)
    second = written(new, event({"id": 7, "who": "b", "csm": "c"}), 2)
    assert [change(reader.decode(message(each))).fields for each in (first, second, first)] == [
        {"owner": "a", "gone": "x"},
        {"owner": "b", "csm": "c"},
        {"owner": "a", "gone": "x"},
    ]
    assert schemas.asked == ["/schemas/ids/1", "/schemas/ids/2"]


KEY = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}


def test_a_delete_and_a_tombstone_are_read_from_an_avro_key(schemas: Registry) -> None:
    schema = envelope(who="string")
    schemas.add(1, schema)
    schemas.add(2, KEY)
    key = written(KEY, {"id": 7}, 2)
    reader = feed(schemas, record={"owner": "who"})
    invented = event(None, "d", {"id": 99, "who": ""})
    delete = change(reader.decode(message(written(schema, invented), key)))
    assert (delete.record, delete.op, delete.fields) == ("ticket:7", "delete", {})
    assert change(reader.decode(message(None, key, timestamp=1))).record == "ticket:7"


def test_a_row_may_be_unwrapped_and_its_key_bare(schemas: Registry) -> None:
    fields = [{"name": "id", "type": "long"}, {"name": "arr", "type": DECIMAL}]
    fields += [{"name": name, "type": "long"} for name in ("__ts_ms", "__lsn")]
    schema = {"type": "record", "name": "Value", "fields": [*fields, {"name": "__op", "type": "string"}]}
    row = {"id": 7, "arr": Decimal("-0.01"), "__ts_ms": COMMITTED // 1000, "__lsn": 5, "__op": "c"}
    places = {"at": "__ts_ms", "operation": "__op", "order": {"lsn": "__lsn"}}
    found = decoded(schemas, schema, row, unwrapped=places, record={"value": "arr"})
    assert (found.record, found.order, found.fields) == ("ticket:7", (5, 1), {"value": -0.01})
    schemas.add(2, "long")
    tombstone = message(None, written("long", 7, 2), timestamp=1)
    assert change(feed(schemas, unwrapped=places).decode(tombstone)).record == "ticket:7"


def test_the_schema_may_be_named_in_a_header_by_its_guid(schemas: Registry) -> None:
    schema = envelope(who="string")
    schemas.schemas[f"guids/{GUID}"] = {"schema": orjson.dumps(schema).decode()}
    bare = message(avro(schema, event({"id": 7, "who": "a"})), headers=(guid_header("value", GUID),))
    assert change(feed(schemas).decode(bare)).record == "ticket:7"


def test_json_is_read_too_framed_or_not(schemas: Registry) -> None:
    schemas.add(1, {"type": "object"}, schemaType="JSON")
    plain = orjson.dumps(event({"id": 7}))
    for value in (plain, b"\0\0\0\0\1" + plain):
        assert change(feed(schemas).decode(message(value))).record == "ticket:7"


def test_a_heartbeat_in_avro_is_passed_over(schemas: Registry) -> None:
    schema = {"type": "record", "name": "Heartbeat", "fields": [{"name": "ts_ms", "type": "long"}]}
    schemas.add(1, schema)
    assert passed_over(feed(schemas).decode(message(written(schema, {"ts_ms": 5})))) == "a heartbeat"


def test_an_unknown_schema_is_the_messages_fault_and_asked_for_once_a_while(schemas: Registry) -> None:
    reader = feed(schemas)
    unknown = message(b"\0\0\0\0\x09\x00")
    assert "ids/9, is not known" in refusal(reader, unknown)
    assert "ids/9, is not known" in refusal(reader, unknown)
    assert len(schemas.asked) == 1


@pytest.mark.parametrize(
    ("schema", "more", "reason"),
    [
        ({"type": "recrd"}, {}, "is no Avro schema"),
        ("string", {"schemaType": "PROTOBUF"}, "is PROTOBUF"),
        ("string", {}, "'x', not a change event"),
        (envelope(who="string"), {}, "is no Avro of its schema"),
        ("null", {}, "2 bytes are left"),
    ],
)
def test_what_cannot_be_read_says_why(
    schemas: Registry, schema: Any, more: dict[str, str], reason: str
) -> None:
    schemas.add(1, schema, **more)
    assert reason in refusal(feed(schemas), message(b"\0\0\0\0\1\x02x"))
