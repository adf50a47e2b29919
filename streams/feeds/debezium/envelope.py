"""Events with Debezium's envelope: plain, with their schema, or wrapped as a CloudEvent.

CloudEvents: https://debezium.io/documentation/reference/stable/integrations/cloudevents.html
"""

from collections.abc import Callable
from typing import Any

import msgspec

from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.debezium.event import OPERATIONS, Event, Source, committed, order_of
from streams.feeds.debezium.types import Types, connect_fields, connect_types
from streams.feeds.values import listed, parse, shown

HEARTBEAT = PassedOver("a heartbeat")

TypesOf = Callable[[str | None], Types]
"""The types of a document's columns, or of those of one of its structs. Raises Undecodable."""

_PASSED_OVER = {
    "t": "a truncate: it does not say which records are gone",
    "m": "a logical message, not a row",
}


class _Envelope(msgspec.Struct):
    op: Any = None
    source: Source | None = None
    before: msgspec.Raw = msgspec.Raw(b"null")
    after: Any = None
    ts_us: Any = None
    ts_ms: Any = None
    schema: msgspec.Raw = msgspec.Raw(b"")
    payload: "_Envelope | None" = None


_decode = msgspec.json.Decoder(_Envelope).decode


class Envelopes:
    """`columns`: those that are read."""

    def __init__(self, columns: frozenset[str]) -> None:
        self._columns = columns
        self._latest: tuple[bytes, Types] = b"", {}

    def read(self, value: bytes, message: Message) -> Event | PassedOver:
        """Raises Undecodable."""
        # Half of a message is its schema, and of `source` we need little: neither is made into objects.
        try:
            envelope = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            envelope = None
        schema = b""
        if envelope is not None and envelope.op is None and envelope.payload is not None:
            schema = bytes(envelope.schema)
            envelope = envelope.payload
        if envelope is None or envelope.source is None or type(envelope.op) is not str:
            return self.read_document(*read_json(value, "value", self._columns), message)
        if envelope.op not in OPERATIONS:
            return _no_row({"op": envelope.op})
        processed = envelope.ts_us, envelope.ts_ms
        if envelope.op == "d":
            return _event("d", parse(bytes(envelope.before), "`before`"), envelope.source, processed, {})
        types = self._types(schema) if schema and schema != b"null" else {}
        return _event(envelope.op, envelope.after, envelope.source, processed, types)

    def read_document(self, document: Any, types_of: TypesOf, _: Message) -> Event | PassedOver:
        """Raises Undecodable."""
        if not isinstance(document, dict):
            raise Undecodable(f"the value is {shown(document)}, not a change event")
        if "specversion" in document and "op" not in document:
            return self._cloud_event(document)
        code = document.get("op")
        if not isinstance(code, str) or code not in OPERATIONS:
            return _no_row(document)
        source = document.get("source")
        if not isinstance(source, dict):
            raise Undecodable("the event has no `source`: its time and order are unknown")
        part = "before" if code == "d" else "after"
        types = {} if code == "d" else types_of(part)
        processed = document.get("ts_us"), document.get("ts_ms")
        return _event(code, document.get(part), msgspec.convert(source, Source), processed, types)

    def _types(self, schema: bytes) -> Types:
        # The same one comes with every message, until the table is altered.
        known, types = self._latest
        if schema != known:
            fields = connect_fields(parse(schema, "schema"), "after")
            types = connect_types(fields, self._columns)
            self._latest = schema, types
        return types

    def _cloud_event(self, event: dict[str, Any]) -> Event | PassedOver:
        code = event.get("iodebeziumop")
        if code is None:
            raise Undecodable(
                "a CloudEvent without `iodebeziumop`: not Debezium's, or one without its extension "
                "attributes (extension.attributes.enable); other CloudEvents are `format: cloudevents`"
            )
        if not isinstance(code, str) or code not in OPERATIONS:
            return _no_row({"op": code})
        data, types_of = unwrapped_schema(event.get("data"), self._columns)
        if not isinstance(data, dict):
            raise Undecodable(f"the CloudEvent's data is {shown(data)}: write it as JSON")
        source = Source(**{name: _number(event.get(attribute)) for name, attribute in _ATTRIBUTES.items()})
        part = "before" if code == "d" else "after"
        return _event(code, data.get(part), source, (None, None), {} if code == "d" else types_of(part))


_ATTRIBUTES = {name: f"iodebezium{name.replace('_', '')}" for name in Source.__struct_fields__}


def read_json(value: bytes, what: str, columns: frozenset[str]) -> tuple[Any, TypesOf]:
    """The JSON in `value` without its schema, and what that says. Raises Undecodable."""
    return unwrapped_schema(parse(value, what), columns)


def unwrapped_schema(document: Any, columns: frozenset[str]) -> tuple[Any, TypesOf]:
    """What stands beside its schema, and what that says of `columns`."""
    if isinstance(document, dict) and "payload" in document and document.keys() <= {"schema", "payload"}:
        schema, payload = document.get("schema"), document["payload"]
        if schema is not None:
            return payload, lambda struct: connect_types(connect_fields(schema, struct), columns)
        return payload, no_types
    return document, no_types


def no_types(_: str | None) -> Types:
    return {}


def about_no_row(document: dict[str, Any]) -> PassedOver | None:
    """Why a message is passed over that a connector writes beside those about rows; None for any other."""
    code = document.get("op")
    if isinstance(code, str) and code in _PASSED_OVER:
        return PassedOver(_PASSED_OVER[code])
    if is_heartbeat(document):
        return HEARTBEAT
    if document.get("status") in ("BEGIN", "END") and "id" in document and "event_count" in document:
        return PassedOver("a transaction's metadata")
    if "aggregate_type" in document and "type" in document:
        return PassedOver("a connector's notification")
    if "ddl" in document and "databaseName" in document:
        return PassedOver("a change of a table's schema, not of a row")
    return None


def is_heartbeat(document: dict[str, Any]) -> bool:
    return "ts_ms" in document and document.keys() <= {"ts_ms", "ts_us", "ts_ns"}


def _no_row(document: dict[str, Any]) -> PassedOver:
    """Of an event that has no row: why it is passed over. Raises Undecodable where that is a mistake."""
    if passed_over := about_no_row(document):
        return passed_over
    code = document.get("op")
    if code is not None:
        raise Undecodable(f"the operation {shown(code)} is none of Debezium's: c, r, u, d, t, m")
    raise Undecodable(
        "there is no `op`: not a change event, or one unwrapped by ExtractNewRecordState, which takes "
        f"`unwrapped` in the feed; there are: {listed(document)}"
    )


def _event(code: str, row: Any, source: Source, processed: tuple[Any, Any], types: Types) -> Event:
    if code == "d":
        row = row if isinstance(row, dict) else None
    elif not isinstance(row, dict):
        raise Undecodable(f"`after` is {shown(row)}, not a row, in an event with op {code!r}")
    at = committed(source, processed)
    return Event(OPERATIONS[code], at, order_of(source, code), row, code != "u", types)


def _number(value: Any) -> Any:
    # A CloudEvent's extensions are texts.
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else value
