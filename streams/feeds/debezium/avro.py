"""Avro as Confluent's serializer writes it: which schema it is, then the value without one.

The schema of a message is the one that its writer had, so a column that a table gained or lost later is
simply there or not. Types go by the name that Connect's converter leaves in the schema, else by Avro's
logical types: what both say is read by the same code as JSON.

Wire format: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
"""

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from streams.core.timestamps import moment
from streams.feeds import Message, Undecodable
from streams.feeds.avro import Schema, unframe
from streams.feeds.debezium.envelope import TypesOf
from streams.feeds.debezium.types import DECIMAL, Decode, Types, decoder, wall_clock
from streams.feeds.registry import SchemaRegistry

# fastavro would make objects of every column by its logical type; few are read.
_LOGICAL = "logical-type"


class AvroReader:
    """`columns`: those that are read."""

    def __init__(self, registry: SchemaRegistry, columns: frozenset[str]) -> None:
        self._registry = registry
        self._columns = columns
        self._schemas: dict[str, AvroSchema | None] = {}

    def __call__(self, data: bytes, message: Message, part: str) -> tuple[Any, TypesOf] | None:
        """Raises Undecodable, or Unavailable where the registry does not answer."""
        framed = unframe(data, message, part)
        if framed is None:
            return None
        place, body = framed
        if place not in self._schemas:
            self._schemas[place] = self._schema(place, part)
        schema = self._schemas[place]
        return None if schema is None else (schema.read(body, part), schema.types)

    def _schema(self, place: str, part: str) -> "AvroSchema | None":
        found = self._registry.schema(place)
        if found is None:
            raise Undecodable(f"the schema of the {part}, {place}, is not known to the registry")
        if found.kind == "JSON":
            return None
        if found.kind != "AVRO":
            raise Undecodable(f"the schema of the {part}, {place}, is {found.kind}: Avro and JSON are read")
        try:
            return AvroSchema(found.text, self._columns)
        # Whatever it is that fastavro stumbles upon in a schema.
        except Exception as error:
            raise Undecodable(
                f"the schema of the {part}, {place}, is no Avro schema: {error}"[:300]
            ) from None


class AvroSchema:
    """`columns`: those that are read. Raises what fastavro raises for a schema that is none."""

    def __init__(self, text: str, columns: frozenset[str]) -> None:
        self._schema = Schema(text, _without_logical)
        self._columns = columns
        self._types: dict[str | None, Types] = {}

    def read(self, data: bytes, part: str) -> Any:
        """Raises Undecodable."""
        return self._schema.read(data, part)

    def types(self, struct: str | None) -> Types:
        """Of the columns of a record, or of one of its records."""
        if struct not in self._types:
            self._types[struct] = dict(self._decoders(struct))
        return self._types[struct]

    def _decoders(self, struct: str | None) -> Iterator[tuple[str, Decode]]:
        record = self._resolved(self._schema.parsed)
        if struct is not None:
            record = next((self._resolved(f["type"]) for f in _fields(record) if f["name"] == struct), {})
        for field in _fields(record):
            if field["name"] in self._columns and (decode := _decoder(self._resolved(field["type"]))):
                yield field["name"], decode

    def _resolved(self, schema: Any) -> dict[str, Any]:
        """What a value that is not null has."""
        if isinstance(schema, list):
            schema = next((each for each in schema if each != "null"), "null")
        if isinstance(schema, str):
            schema = self._schema.named.get(schema, {"type": schema})
        return schema if isinstance(schema, dict) else {}


def _without_logical(schema: dict[str, Any]) -> dict[str, Any]:
    if "logicalType" in schema:
        schema[_LOGICAL] = schema.pop("logicalType")
    return schema


def _fields(record: dict[str, Any]) -> list[Any]:
    return record.get("fields") or []


def _decoder(schema: dict[str, Any]) -> Decode | None:
    logical = schema.get(_LOGICAL)
    if known := decoder(schema.get("connect.name"), schema.get("connect.parameters") or schema):
        return known
    if logical == "decimal":
        return decoder(DECIMAL, {"scale": schema.get("scale", 0)})
    if logical in _LOGICAL_TYPES:
        return _LOGICAL_TYPES[logical]
    return _base64 if schema.get("type") in ("bytes", "fixed") else None


def _instant(per_unit: int) -> Decode:
    def read(value: Any) -> datetime:
        if type(value) is not int:
            raise ValueError(f"{value!r} is not a time")
        return moment(value * 1000 // per_unit)

    return read


def _local(unit: str) -> Decode:
    return lambda value: wall_clock(value, unit)


def _base64(value: Any) -> Any:
    # As JSON has it.
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_LOGICAL_TYPES: dict[Any, Decode] = {
    "date": _local("days"),
    "timestamp-millis": _instant(1),
    "timestamp-micros": _instant(1_000),
    "timestamp-nanos": _instant(1_000_000),
    "local-timestamp-millis": _local("ms"),
    "local-timestamp-micros": _local("us"),
    "local-timestamp-nanos": _local("ns"),
}
