"""Avro as a schema registry's serializer writes it, as the JSON that a format reads.

    tickets:
      format: json
      topic: desk.tickets
      registry: http://registry:8081            # streams/feeds/registry.py has its forms
      at: updated_at
      record: {kind: ticket, id: id, stage: status}

Avro is an encoding and no format: `AvroFeed` stands before any. Schemas say what texts and numbers alone
could not, so logical types are decoded here and not handed on as a schema: each format reads times and
numbers as JSON has them, and none has to know Avro.

- an instant (`timestamp-micros`) is RFC 3339 text in UTC; a wall clock (`local-timestamp-micros`, `date`, and
  Kafka Connect's and Debezium's times without a zone) is ISO 8601 text without an offset, which takes a zone;
- a decimal is a number, or text where it is a whole number of more than 64 bits;
- other bytes are base64; a union is the value itself.

What names no schema is left as it is: keys have a converter of their own, and a topic may have been JSON
before it was Avro. `format: debezium` reads Avro itself, since the columns that it needs are few of many.

Wire format: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
"""

import base64
import io
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

import fastavro
import msgspec
import orjson
from fastavro.read import LOGICAL_READERS
from fastavro.types import Schema as Parsed

from streams.core.entries import Change
from streams.feeds import Format, Message, PassedOver, Undecodable
from streams.feeds.registry import Schema as Found
from streams.feeds.registry import SchemaRegistry

_MAGIC = 0
_ID_BYTES = 5
_GUID_MAGIC = 1
_GUID_BYTES = 17

_EPOCH = datetime(1970, 1, 1)
_MICROS: dict[str, Callable[[int], int]] = {
    "days": lambda value: value * 86_400_000_000,
    "ms": lambda value: value * 1_000,
    "us": lambda value: value,
    "ns": lambda value: value // 1_000,
}
# The numbers that PostgreSQL's Java driver gives for its infinities.
_INFINITIES = {9223372036825200000: "infinity", -9223372036832400000: "-infinity"}
_MOST_SCALE = 1000


class AvroFeed:
    """`feed`, of which keys and values are Avro. Its own messages are JSON."""

    def __init__(self, feed: Format, registry: SchemaRegistry) -> None:
        self.name = feed.name
        self.topic = feed.topic
        self.kinds = feed.kinds
        self.rows = feed.rows
        self._feed = feed
        self._registry = registry
        self._schemas: dict[str, Schema | Undecodable | None] = {}

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable whatever the bytes are, or Unavailable where the registry does not answer."""
        key = self._json(message.key, message, "key")
        value = self._json(message.value, message, "value")
        return self._feed.decode(msgspec.structs.replace(message, key=key, value=value))

    def _json(self, data: bytes | None, message: Message, part: str) -> bytes | None:
        framed = None if data is None else unframe(data, message, part)
        if framed is None:
            return data
        place, body = framed
        schema = self._schema(place)
        if schema is None:
            return body
        try:
            return orjson.dumps(schema.read(body, part), default=_base64)
        except orjson.JSONEncodeError as error:
            raise Undecodable(f"the {part} cannot be written as JSON: {error}") from None

    def _schema(self, place: str) -> "Schema | None":
        """None where the body is JSON."""
        if place not in self._schemas:
            found = self._registry.schema(place)
            if found is None:
                raise Undecodable(f"the registry knows no schema {place}")
            try:
                self._schemas[place] = _compiled(place, found)
            except Undecodable as error:
                self._schemas[place] = error
        schema = self._schemas[place]
        if isinstance(schema, Undecodable):
            raise Undecodable(str(schema))
        return schema


class Schema:
    """A schema by which bytes are read that anybody may have written. Immutable.

    `hook` is told of each object of the schema's `text`, as by `json.loads`. Raises ValueError for a schema
    by which few bytes could be endlessly much, and what fastavro raises for one that is none.
    """

    def __init__(self, text: str, hook: Callable[[dict[str, Any]], Any]) -> None:
        self.named: dict[str, Any] = {}
        self.parsed: Parsed = fastavro.parse_schema(
            json.loads(text, object_hook=hook), named_schemas=self.named
        )
        _check(self.parsed, self.named)

    def read(self, data: bytes, part: str) -> Any:
        """Raises Undecodable."""
        stream = io.BytesIO(data)
        try:
            value = fastavro.schemaless_reader(stream, self.parsed, None)
        # fastavro has no error of its own for bytes that are none of the schema's: EOF, index, key, Unicode.
        except Exception as error:
            reason = f"{type(error).__name__} {error}".strip()
            raise Undecodable(f"the {part} is no Avro of its schema: {reason}"[:300]) from None
        if left := len(data) - stream.tell():
            raise Undecodable(f"the {part} is no Avro of its schema: {left} bytes are left")
        return value


def unframe(data: bytes, message: Message, part: str) -> tuple[str, bytes] | None:
    """Where in the registry the schema is, and the value; None for bytes that name no schema.

    `part`: key or value.
    """
    for name, value in message.headers:
        if name == f"__{part}_schema_id" and value and value[0] == _GUID_MAGIC and len(value) == _GUID_BYTES:
            return f"guids/{uuid.UUID(bytes=value[1:])}", data
    if len(data) >= _ID_BYTES and data[0] == _MAGIC:
        return f"ids/{int.from_bytes(data[1:_ID_BYTES], 'big')}", data[_ID_BYTES:]
    return None


def _compiled(place: str, found: Found) -> Schema | None:
    if found.kind == "JSON":
        return None
    if found.kind != "AVRO":
        raise Undecodable(f"the schema {place} is {found.kind}; Avro and JSON are read")
    try:
        return Schema(found.text, _with_our_types)
    # Whatever it is that fastavro stumbles upon in a schema.
    except Exception as error:
        reason = f"{type(error).__name__} {error}".strip()
        raise Undecodable(f"the schema {place} cannot be used: {reason}"[:300]) from None


def _check(schema: Any, named: dict[str, Any]) -> None:
    """Raises ValueError or RecursionError.

    Of a schema that contains itself, a message is as deep as it is long, and fastavro, which is compiled,
    overflows the stack. Items without bytes (null) end with no message, whatever their number.
    """
    least: dict[str, int | None] = {}

    def least_bytes(schema: Any) -> int:
        if isinstance(schema, list):
            return 1 + min(map(least_bytes, schema), default=0)
        if isinstance(schema, str):
            schema = named.get(schema, {"type": schema})
        kind = schema["type"]
        if not isinstance(kind, str) or kind in named:
            return least_bytes(kind)
        if kind in ("record", "error"):
            name = schema["name"]
            if name not in least:
                least[name] = None
                least[name] = sum(least_bytes(field["type"]) for field in schema["fields"])
            if (known := least[name]) is None:
                raise ValueError(f"{name} contains itself, which is not supported")
            return known
        if kind == "array" and least_bytes(schema["items"]) == 0:
            raise ValueError("a list has items that take no bytes: there could be any number of them")
        if kind == "map":
            least_bytes(schema["values"])
        return schema["size"] if kind == "fixed" else 0 if kind == "null" else 1

    least_bytes(schema)


def _time(unit: str, suffix: str) -> Callable[..., Any]:
    to_micros = _MICROS[unit]

    def read(value: int, *_: Any) -> str | int:
        try:
            return (_EPOCH + timedelta(microseconds=to_micros(value))).isoformat() + suffix
        except OverflowError:
            # The column may be none that is read; one that is says what it does not take.
            return _INFINITIES.get(value, value)

    return read


def _without_offset(value: str, *_: Any) -> str:
    return value.removesuffix("Z")


def _decimal(value: bytes, schema: Any, *_: Any) -> Any:
    return _scaled(value, schema.get("scale", 0))


def _variable_decimal(value: dict[str, Any], *_: Any) -> Any:
    return _scaled(value["value"], value["scale"])


def _scaled(unscaled: bytes, scale: Any) -> Any:
    """Big-endian two's complement, times 10**-scale. Raises ValueError."""
    if type(scale) is not int or abs(scale) > _MOST_SCALE:
        raise ValueError(f"a decimal with the scale {scale}")
    exact = Decimal(f"{int.from_bytes(unscaled, 'big', signed=True)}E{-scale}")
    if exact != exact.to_integral_value():
        number = float(exact)
        return number if isfinite(number) else str(exact)
    whole = int(exact)
    # An id of 38 digits, as Oracle has them, would be another one as a float.
    return whole if -(2**63) <= whole < 2**63 else str(whole)


def _base64(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError
    return base64.b64encode(value).decode()


_DECIMAL = "decimal"
_VARIABLE_DECIMAL = "variable-decimal"
_ISO = "iso"
_TYPES = {
    "date": "days",
    "timestamp-millis": "ms Z",
    "timestamp-micros": "us Z",
    "timestamp-nanos": "ns Z",
    "local-timestamp-millis": "ms",
    "local-timestamp-micros": "us",
    "local-timestamp-nanos": "ns",
    "decimal": _DECIMAL,
    "io.debezium.time.Date": "days",
    "io.debezium.time.Timestamp": "ms",
    "io.debezium.time.MicroTimestamp": "us",
    "io.debezium.time.NanoTimestamp": "ns",
    "io.debezium.time.IsoDate": _ISO,
    "io.debezium.time.IsoTimestamp": _ISO,
    "io.debezium.data.VariableScaleDecimal": _VARIABLE_DECIMAL,
    "org.apache.kafka.connect.data.Date": "days",
    "org.apache.kafka.connect.data.Timestamp": "ms",
    "org.apache.kafka.connect.data.Decimal": _DECIMAL,
}
"""What we call a logical type of Avro's, or the name that Kafka Connect's converter leaves in a schema. The
latter goes before: of a column without a zone, Connect's own Timestamp is a wall clock."""

_OURS = "escalations "


def _with_our_types(schema: dict[str, Any]) -> dict[str, Any]:
    # fastavro's own readers raise for what a datetime cannot hold.
    logical = schema.pop("logicalType", None)
    for name in (schema.get("connect.name"), logical):
        if isinstance(name, str) and name in _TYPES:
            schema["logicalType"] = _OURS + _TYPES[name]
            break
    return schema


# https://fastavro.readthedocs.io/en/latest/logical_types.html#custom-logical-types
for _name in sorted({*_TYPES.values()} - {_DECIMAL, _VARIABLE_DECIMAL, _ISO}):
    _unit, _, _suffix = _name.partition(" ")
    for _type in ("int", "long"):
        LOGICAL_READERS[f"{_type}-{_OURS}{_name}"] = _time(_unit, _suffix)
for _type in ("bytes", "fixed"):
    LOGICAL_READERS[f"{_type}-{_OURS}{_DECIMAL}"] = _decimal
LOGICAL_READERS[f"string-{_OURS}{_ISO}"] = _without_offset
LOGICAL_READERS[f"record-{_OURS}{_VARIABLE_DECIMAL}"] = _variable_decimal
