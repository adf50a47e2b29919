"""What a schema says a column is: by the names that Kafka Connect and Debezium give to types.

Debezium: https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-data-types
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from streams.feeds import Undecodable
from streams.feeds.values import Row, shown

Decode = Callable[[Any], Any]
"""From what stands in the message, never None, to the value. Raises ValueError or ArithmeticError."""

Types = Mapping[str, Decode]
"""By column; only those that need it."""

_NO_CONNECT_SCHEMA = "the schema has not the shape of a Kafka Connect schema"

DECIMAL = "org.apache.kafka.connect.data.Decimal"

UNITS: dict[str, Callable[[int], int]] = {
    "days": lambda value: value * 86_400_000_000,
    "s": lambda value: value * 1_000_000,
    "ms": lambda value: value * 1_000,
    "us": lambda value: value,
    "ns": lambda value: value // 1_000,
}
"""To microseconds."""

_LOCAL_EPOCH = datetime(1970, 1, 1)
# PostgreSQL's infinities as text, and as the numbers its Java driver gives for them.
INFINITIES = ("infinity", "-infinity", 9223372036825200000, -9223372036832400000)


def wall_clock(value: Any, unit: str) -> datetime | None:
    """The time without a zone that a number of `unit` since 1970 stands for; None for an infinity."""
    if type(value) is not int:
        raise ValueError(f"{shown(value)} is not a whole number of {unit}")
    if value in INFINITIES:
        return None
    try:
        return _LOCAL_EPOCH + timedelta(microseconds=UNITS[unit](value))
    except OverflowError:
        raise ValueError(f"{shown(value)} {unit} is outside the years 1 to 9999") from None


def decimal(value: Any, scale: Any) -> Decimal:
    """A big-endian two's complement, as bytes or their base64, times 10**-scale.

    Raises ValueError or ArithmeticError.
    """
    if not isinstance(value, str | bytes) or type(scale) is not int:
        raise ValueError(f"{shown(value)} with the scale {shown(scale)} is not a decimal")
    try:
        unscaled = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
    except ValueError:
        raise ValueError(f"{shown(value)} is not base64; where it is a number, leave `scale` out") from None
    if not unscaled:
        raise ValueError("a decimal without digits")
    return Decimal(f"{int.from_bytes(unscaled, 'big', signed=True)}E{-scale}")


def decoder(name: Any, parameters: Any) -> Decode | None:
    """Of a type with this name and these parameters; None where its values are read as they are.

    A ZonedTimestamp is text with an offset already, and a VariableScaleDecimal brings its scale along.
    Raises LookupError, ValueError or TypeError for parameters that are none.
    """
    if name == DECIMAL:
        return _decimal_of(int(parameters["scale"]))
    return _DECODERS.get(name)


def connect_types(fields: Iterable[Any], columns: frozenset[str]) -> Types:
    """Of the fields of a Kafka Connect struct, those of `columns`. Raises Undecodable."""
    types: dict[str, Decode] = {}
    try:
        for field in fields:
            if field["field"] in columns:
                decode = decoder(field.get("name"), field.get("parameters"))
                if decode is not None:
                    types[field["field"]] = decode
    except (LookupError, ValueError, TypeError, AttributeError):
        raise Undecodable(_NO_CONNECT_SCHEMA) from None
    return types


def connect_fields(schema: Any, struct: str | None = None) -> list[Any]:
    """The fields of a schema as JsonConverter writes it, or of one of its structs. Raises Undecodable."""
    if struct is not None:
        fields = connect_fields(schema)
        schema = next((f for f in fields if isinstance(f, dict) and f.get("field") == struct), None)
    if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list):
        raise Undecodable(_NO_CONNECT_SCHEMA)
    found: list[Any] = schema["fields"]
    return found


def apply(types: Types, row: Row) -> None:
    """Decode the columns of `row` in place. Raises Undecodable."""
    column = ""
    try:
        for column, decode in types.items():
            if row.get(column) is not None:
                row[column] = decode(row[column])
    except (ValueError, ArithmeticError) as error:
        raise Undecodable(f"column {column!r}: {error}") from None


def _decimal_of(scale: int) -> Decode:
    # JsonConverter's `decimal.format: numeric` writes it as a number already.
    return lambda value: decimal(value, scale) if isinstance(value, str | bytes) else value


def _iso_without_zone(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a time")
    return datetime.fromisoformat(value.removesuffix("Z"))


def _epoch(unit: str) -> Decode:
    return lambda value: wall_clock(value, unit)


_DECODERS: dict[Any, Decode] = {
    "io.debezium.time.Date": _epoch("days"),
    "io.debezium.time.Timestamp": _epoch("ms"),
    "io.debezium.time.MicroTimestamp": _epoch("us"),
    "io.debezium.time.NanoTimestamp": _epoch("ns"),
    "io.debezium.time.IsoDate": _iso_without_zone,
    "io.debezium.time.IsoTimestamp": _iso_without_zone,
    "org.apache.kafka.connect.data.Date": _epoch("days"),
    "org.apache.kafka.connect.data.Timestamp": _epoch("ms"),
}
