"""Debezium's PostgreSQL events in JSON, with and without schema: `format: debezium`.

    tickets:
      format: debezium
      topic: helpdesk.public.ticket
      record: {kind: ticket, id: id, owner: assignee_id, created: created_at, ...}
      unavailable: __debezium_unavailable_value     # the connector's unavailable.value.placeholder

Times. A `timestamptz` comes as text with an offset and is read as it is. A `timestamp` without
zone comes as a bare number or text whose meaning only the database's users know; it takes a
zone, and a number without schema takes what it counts as well (days, s, ms, us or ns):

    created: {field: opened_local, unit: us, zone: Europe/Berlin}

`time.precision.mode: isostring` writes such a column with a Z it does not mean. A schema tells;
without one say `{field: opened_local, offset: ignore, zone: Europe/Berlin}`.

Numbers. A `numeric(p,s)` in the connector's `precise` mode is base64 whose scale is in the schema;
without one say `value: {field: arr, scale: 2}`.

A row's time is the commit of its transaction; a snapshot's is the snapshot's own. A delete is read
from its key alone: under REPLICA IDENTITY DEFAULT all else in `before` is invented.

Messages. An event brings the whole row, so an update repeats a text that was said long ago: with
`said`, a row says something when it is inserted or a snapshot reads it, and never after that. Such
a row has no order token: a later message does not replace it. Where the key of a table is not the
`id` of the record, as in a table of comments, what is deleted is the comment and not the record.
"""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from streams.core.document import Node
from streams.core.entries import Change, Source
from streams.core.timestamps import moment
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.mapping import RecordMapping, read_mapping
from streams.feeds.values import (
    EARLIEST,
    LATEST,
    Reader,
    Row,
    listed,
    number,
    parse,
    read_column,
    read_local_time,
    shown,
    utc_text,
)

UNAVAILABLE = "__debezium_unavailable_value"

_OPERATIONS: dict[str, Literal["upsert", "refresh", "delete"]] = {
    "r": "refresh",
    "c": "upsert",
    "u": "upsert",
    "d": "delete",
}
_PASSED_OVER = {
    "t": "a truncate: it does not say which records are gone",
    "m": "a logical message, not a row",
}

_MESSAGE_DELETED = PassedOver("a delete of a message, which is no delete of the record it was about")

_UNITS: dict[str, Callable[[int], int]] = {
    "days": lambda value: value * 86_400_000_000,
    "s": lambda value: value * 1_000_000,
    "ms": lambda value: value * 1_000,
    "us": lambda value: value,
    "ns": lambda value: value // 1_000,
}
"""To microseconds."""

_LOCAL_EPOCH = datetime(1970, 1, 1)
# PostgreSQL's infinities as text, and as the numbers its Java driver gives for them.
_INFINITIES = ("infinity", "-infinity", 9223372036825200000, -9223372036832400000)


class DebeziumFeed:
    """One table's topic. The order token is (lsn, 0 for a snapshot's row or 1); a row of an
    incremental snapshot, one that says something, and a tombstone have none."""

    rows = None

    def __init__(self, name: str, topic: str, mapping: RecordMapping, unavailable: str) -> None:
        self.name = name
        self.topic = topic
        self.kinds = {mapping.kind: mapping.brings()}
        self._mapping = mapping
        self._unavailable = (unavailable, base64.b64encode(unavailable.encode()).decode())
        self._word, self._word_in_base64 = (word.encode() for word in self._unavailable)

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        value = message.value
        if value is None:
            return self._tombstone(message)
        envelope = parse(value, "value")
        schema = None
        if isinstance(envelope, dict) and "payload" in envelope and "op" not in envelope:
            schema = envelope.get("schema")
            envelope = envelope["payload"]
        if not isinstance(envelope, dict):
            raise Undecodable(f"the value is {shown(envelope)}, not a change event")
        code = envelope.get("op")
        if not isinstance(code, str) or code not in _OPERATIONS:
            return _no_row(envelope)
        source = envelope.get("source")
        if not isinstance(source, dict):
            raise Undecodable("the event has no `source`: its time and order are unknown")
        by, said = None, None
        if code == "d":
            deleted = self._deleted(message.key, envelope.get("before"))
            if isinstance(deleted, PassedOver):
                return deleted
            record, fields = deleted, {}
        else:
            row = envelope.get("after")
            if not isinstance(row, dict):
                raise Undecodable(f"`after` is {shown(row)}, not a row, in an event with op {code!r}")
            # A search of the bytes spares nearly every message a look at each of its columns.
            if self._word in value or self._word_in_base64 in value:
                row = {column: each for column, each in row.items() if not self._is_unavailable(each)}
            if schema is not None:
                self._apply_schema(_fields_of(schema, "after"), row)
            mapping = self._mapping
            record, fields = mapping.record(row), mapping.read(row)
            if mapping.writer is not None:
                by = mapping.writer.read(row)
            if mapping.saying is not None and code != "u":
                said = mapping.saying.read(row)
        return [
            Change(
                record=record,
                op=_OPERATIONS[code],
                at=_committed(source),
                feed=self.name,
                source=Source(message.topic, message.partition, message.offset),
                order=_order(source, code) if said is None else None,
                by=by,
                fields=fields,
                said=said,
            )
        ]

    def _tombstone(self, message: Message) -> list[Change] | PassedOver:
        """Compaction may leave nothing of a deleted row but this."""
        if message.key is None:
            return PassedOver("a tombstone without a key")
        if message.timestamp is None:
            raise Undecodable("a tombstone without a timestamp: when the record was deleted is unknown")
        deleted = self._deleted(message.key, None)
        if isinstance(deleted, PassedOver):
            return deleted
        return [
            Change(
                record=deleted,
                op="delete",
                at=_moment(message.timestamp * 1000),
                feed=self.name,
                source=Source(message.topic, message.partition, message.offset),
            )
        ]

    def _deleted(self, key: bytes | None, before: Any) -> str | PassedOver:
        """The record that a delete is about: by the key, and for a table without one by `before`."""
        if key is None:
            if self._mapping.saying is not None:
                return _MESSAGE_DELETED
            if not isinstance(before, dict):
                raise Undecodable("a delete with neither a key nor `before`")
            return self._mapping.record(before)
        row = parse(key, "key")
        schema = None
        if isinstance(row, dict) and row.keys() == {"schema", "payload"}:
            schema, row = row["schema"], row["payload"]
        if self._mapping.saying is not None and not (
            isinstance(row, dict) and row.keys() == set(self._mapping.id_columns)
        ):
            return _MESSAGE_DELETED
        if not isinstance(row, dict):
            # A transform such as ExtractField has put the bare column into the key.
            row = {self._mapping.id_columns[0]: row}
        elif schema is not None:
            self._apply_schema(_fields_of(schema), row)
        for column in self._mapping.id_columns:
            if column not in row:
                raise Undecodable(
                    f"a delete carries its key alone, and the id column {column!r} is not in it; "
                    f"there are: {listed(row)}"
                )
        return self._mapping.record(row)

    def _is_unavailable(self, value: Any) -> bool:
        return (value[0] if isinstance(value, list) and len(value) == 1 else value) in self._unavailable

    def _apply_schema(self, fields: list[Any], row: Row) -> None:
        """Decode in place what the schema names a type for."""
        column: Any = None
        try:
            for field in fields:
                column = field["field"]
                decode = _TYPES.get(field.get("name"))
                if decode is not None and column in self._mapping.columns and row.get(column) is not None:
                    row[column] = decode(row[column], field.get("parameters"))
        except (ValueError, ArithmeticError) as error:
            raise Undecodable(f"column {column!r}: {error}") from None
        except (LookupError, TypeError, AttributeError):
            raise Undecodable("the schema has not the shape of a Kafka Connect schema") from None


class DebeziumValues:
    """How Debezium writes times and numbers."""

    def moment(self, node: Node) -> tuple[str, Reader]:
        field = read_column(node, "unit", "zone", "offset")
        unit = node["unit"].choice(*_UNITS) if node.has("unit") else None
        local = read_local_time(node)
        if unit is not None and local.zone is None:
            node.fail(
                "a number is a time without a zone",
                "Say in which zone it is meant, zone: Europe/Berlin, or zone: UTC where it counts from "
                "the epoch in UTC",
            )
        example = f"{node.name}: {{field: {field}, unit: us, zone: Europe/Berlin}}"

        # The same times come again with every change of a row.
        iso_text = lru_cache(maxsize=1 << 14)(local.iso_text)

        def read(value: Any) -> str | None:
            if isinstance(value, str):
                try:
                    return iso_text(value)
                except ValueError:
                    if value in _INFINITIES:
                        return None
                    raise
            if type(value) is int:
                if unit is None:
                    raise ValueError(f"{value} is a number: say what it counts and in which zone, {example}")
                value = _wall_clock(value, unit)
                if value is None:
                    return None
            if not isinstance(value, datetime):
                raise ValueError(f"{shown(value)} is not a time")
            return utc_text(local.utc(value))

        return field, read

    def number(self, node: Node, *others: str) -> tuple[str, Reader]:
        field = read_column(node, "scale", *others)
        if not node.has("scale"):

            def read(value: Any) -> float:
                try:
                    return number(self.unpack(value))
                except ValueError as error:
                    raise ValueError(
                        f"{error}; where it is a decimal in base64, add its scale: "
                        f"{node.name}: {{field: {field}, scale: 2}}"
                    ) from None

            return field, read
        scale = node["scale"].value
        if type(scale) is not int or not 0 <= scale <= 1000:
            node["scale"].fail(
                f"the scale is {shown(scale)}", "Write how many digits are after the point, such as 2"
            )

        def read_scaled(value: Any) -> float:
            return number(_decimal(value, scale) if isinstance(value, str) else self.unpack(value))

        return field, read_scaled

    def unpack(self, value: Any) -> Any:
        """A `numeric` without a scale of its own brings it along: {"scale": 1, "value": "LQ=="}."""
        if isinstance(value, dict) and value.keys() == {"scale", "value"}:
            return _decimal(value["value"], value["scale"])
        return value


def read_feed(name: str, node: Node) -> DebeziumFeed:
    """Raises Problem."""
    node.keys("unavailable", required=("format", "topic", "record"))
    word = UNAVAILABLE
    if node.has("unavailable"):
        word = node["unavailable"].text(example=f"the connector's placeholder, such as {UNAVAILABLE}")
        if not word.isascii() or not word.isprintable() or '"' in word or "\\" in word:
            # It is looked for in the bytes of the message, where JSON writes these otherwise.
            node["unavailable"].fail(
                f"the placeholder {word!r} has characters that JSON escapes", "Write plain letters and digits"
            )
    topic = node["topic"].text(example="the name of a topic")
    return DebeziumFeed(name, topic, read_mapping(node["record"], DebeziumValues()), word)


def _no_row(envelope: dict[str, Any]) -> PassedOver:
    """Of an event that has no row: why it is passed over. Raises Undecodable where that is a mistake."""
    code = envelope.get("op")
    if isinstance(code, str) and code in _PASSED_OVER:
        return PassedOver(_PASSED_OVER[code])
    if code is not None:
        raise Undecodable(f"the operation {shown(code)} is none of Debezium's: c, r, u, d, t, m")
    if "ts_ms" in envelope and envelope.keys() <= {"ts_ms", "ts_us", "ts_ns"}:
        return PassedOver("a heartbeat")
    if envelope.get("status") in ("BEGIN", "END") and "id" in envelope:
        return PassedOver("a transaction's metadata")
    if "aggregate_type" in envelope and "type" in envelope:
        return PassedOver("a connector's notification")
    if "specversion" in envelope:
        raise Undecodable("a CloudEvent, not Debezium's own envelope: use the connector's JsonConverter")
    raise Undecodable(
        "there is no `op`: not a change event, or one unwrapped by ExtractNewRecordState; "
        f"there are: {listed(envelope)}"
    )


def _committed(source: dict[str, Any]) -> datetime:
    at = source.get("ts_us")
    if at is None:
        # Debezium before 2.6 has milliseconds only.
        at = source.get("ts_ms")
        if type(at) is int:
            at *= 1000
    if type(at) is not int:
        raise Undecodable("`source` has neither ts_us nor ts_ms: when it was committed is unknown")
    return _moment(at)


def _moment(micros: int) -> datetime:
    # The same bounds as of `plausible`, without a look at the year of each.
    if not EARLIEST <= micros < LATEST:
        raise Undecodable(f"the time of the change, {micros} us, is outside the years of any calendar")
    return moment(micros)


def _order(source: dict[str, Any], code: str) -> tuple[int, int] | None:
    lsn = source.get("lsn")
    if lsn is None:
        return None
    if type(lsn) is not int:
        raise Undecodable(f"the lsn {shown(lsn)} is not a whole number")
    return lsn, 0 if code == "r" else 1


def _fields_of(schema: Any, struct: str | None = None) -> list[Any]:
    """The fields of a schema, or those of one of its structs."""
    if struct is not None and isinstance(schema, dict) and isinstance(schema.get("fields"), list):
        found = [f for f in schema["fields"] if isinstance(f, dict) and f.get("field") == struct]
        schema = found[0] if found else None
    if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list):
        raise Undecodable("the schema has not the shape of a Kafka Connect schema")
    fields: list[Any] = schema["fields"]
    return fields


def _wall_clock(value: Any, unit: str) -> datetime | None:
    """The time without a zone that a number of `unit` since 1970 stands for; None for an infinity."""
    if type(value) is not int:
        raise ValueError(f"{shown(value)} is not a whole number of {unit}")
    if value in _INFINITIES:
        return None
    try:
        return _LOCAL_EPOCH + timedelta(microseconds=_UNITS[unit](value))
    except OverflowError:
        raise ValueError(f"{value} {unit} is outside the years 1 to 9999") from None


def _decimal(value: Any, scale: Any) -> Decimal:
    """Base64 of a big-endian two's complement, times 10**-scale. Raises ValueError or ArithmeticError."""
    if type(value) is not str or type(scale) is not int:
        raise ValueError(f"{shown(value)} with the scale {shown(scale)} is not a decimal")
    try:
        unscaled = base64.b64decode(value, validate=True)
    except ValueError:
        raise ValueError(f"{shown(value)} is not base64; where it is a number, leave `scale` out") from None
    if not unscaled:
        raise ValueError("a decimal without digits")
    return Decimal(f"{int.from_bytes(unscaled, 'big', signed=True)}E{-scale}")


def _typed_decimal(value: Any, parameters: Any) -> Any:
    # JsonConverter's `decimal.format: numeric` writes it as a number already.
    return _decimal(value, int(parameters["scale"])) if isinstance(value, str) else value


def _iso_without_zone(value: Any, _: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a time")
    return datetime.fromisoformat(value.removesuffix("Z"))


def _epoch(unit: str) -> Callable[[Any, Any], datetime | None]:
    return lambda value, _: _wall_clock(value, unit)


_TYPES: dict[Any, Callable[[Any, Any], Any]] = {
    "io.debezium.time.Date": _epoch("days"),
    "io.debezium.time.Timestamp": _epoch("ms"),
    "io.debezium.time.MicroTimestamp": _epoch("us"),
    "io.debezium.time.NanoTimestamp": _epoch("ns"),
    "io.debezium.time.IsoDate": _iso_without_zone,
    "io.debezium.time.IsoTimestamp": _iso_without_zone,
    "org.apache.kafka.connect.data.Date": _epoch("days"),
    "org.apache.kafka.connect.data.Timestamp": _epoch("ms"),
    "org.apache.kafka.connect.data.Decimal": _typed_decimal,
}
"""By the name in the schema: (value, the schema's parameters) -> value. A ZonedTimestamp is text with
an offset already, and a VariableScaleDecimal brings its scale along."""
