"""Rows without Debezium's envelope: from ExtractNewRecordState, or an outbox's payloads from EventRouter.

    unwrapped:
      at: __source_ts_ms                    # what `add.fields: source.ts_ms` adds
      operation: __op                       # `add.fields: op`
      order: {lsn: __source_lsn}            # or {file: ..., pos: ..., row: ...}, or
                                            # {commit_lsn: ..., change_lsn: ..., event_serial_no: ...}

Each of these names is a column, or a header that `add.headers` has added: `{header: __op}`. What a time is
follows from its name's end (_ms, _us, _ns), else from the options of `time` in streams/feeds/times.py:
`{field: happened, unit: s, zone: UTC}`. Without any time in the message there is the broker's, for those who
say so: `at: {broker: timestamp}`.

An operation of another vocabulary, such as the event types of an outbox, names those that are no change:
`{header: eventType, delete: [TicketDeleted], ignore: [TicketViewed]}`.

https://debezium.io/documentation/reference/stable/transformations/event-flattening.html
https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html
"""

import re
from datetime import datetime
from typing import Any

import msgspec
import orjson

from streams.core.document import Node
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.debezium.envelope import HEARTBEAT, TypesOf, about_no_row, is_heartbeat, read_json
from streams.feeds.debezium.event import Event, Order, Source, order_of
from streams.feeds.reading import Done, Operations, broker_time, read_moment, read_operations
from streams.feeds.times import ReadTime, read_time_format
from streams.feeds.values import Row, listed, parse, read_column, shown

_PLACES = {
    "lsn": ("postgresql", ("lsn",)),
    "file": ("mysql", ("file", "pos", "row")),
    "commit_lsn": ("sqlserver", ("commit_lsn", "change_lsn", "event_serial_no")),
}
"""By the field of `source` that must be there: whose log it is a place in, and all that name it."""

_CODES: dict[str, Done] = {"r": "refresh", "c": "upsert", "u": "upsert", "d": "delete", "t": "ignore"}

_unit = re.compile(r".*_(ms|us|ns)").fullmatch


class Place(msgspec.Struct, frozen=True):
    """Where a transform has put what was in the envelope: a column, or a header."""

    name: str
    header: bool

    def read(self, row: Row, message: Message) -> Any:
        """None where it is not there, or null. Raises Undecodable."""
        if not self.header:
            return row.get(self.name)
        for name, value in reversed(message.headers):
            if name == self.name and value is not None:
                return _header(value)
        return None

    def __str__(self) -> str:
        return f"the {'header' if self.header else 'column'} {self.name!r}"


class Unwrapped:
    """at: None is the broker's timestamp. done: by the text of the operation; any other is a change, unless
    there is a vocabulary of its own. connector: whose log `order` tells a place in."""

    def __init__(
        self,
        columns: frozenset[str],
        at: tuple[Place, ReadTime] | None,
        operation: tuple[Place, Operations | None] | None,
        order: dict[str, Place],
        connector: str,
    ) -> None:
        self._columns = columns
        self._at = at
        self._operation = operation
        self._order = order
        self._connector = connector

    @property
    def tells_operation(self) -> bool:
        return self._operation is not None

    def read(self, value: bytes, message: Message) -> Event | PassedOver:
        """Raises Undecodable."""
        document, types_of = read_json(value, "value", self._columns)
        if isinstance(document, str):
            # EventRouter without `table.expand.json.payload` leaves JSON as the text it was in the table.
            document = parse(document.encode(), "text in the value")
        return self.read_document(document, types_of, message)

    def read_document(self, row: Any, types_of: TypesOf, message: Message) -> Event | PassedOver:
        """Raises Undecodable."""
        if not isinstance(row, dict):
            raise Undecodable(f"the value is {shown(row)}, not a row")
        if is_heartbeat(row):
            return HEARTBEAT
        if isinstance(row.get("source"), dict) and "op" in row:
            # The transform lets pass what is about no row.
            if passed_over := about_no_row(row):
                return passed_over
            raise Undecodable("a change event with its envelope: take `unwrapped` out of the feed")
        done, code = self._done(row, message)
        if done == "ignore":
            return PassedOver(f"the operation {code!r}, which says nothing of a record")
        order = self._token(row, message, code)
        types = {} if done == "delete" else types_of(None)
        return Event(done, self._time(row, message), order, row, code != "u", types)

    def deleted_at(self, message: Message) -> datetime:
        """When a message without a value deleted its record: by a header, else by the broker.

        Raises Undecodable.
        """
        if self._at is not None and self._at[0].header and self._at[0].read({}, message) is not None:
            return self._time({}, message)
        return broker_time(message)[0]

    def _done(self, row: Row, message: Message) -> tuple[Done, str]:
        # So the transform writes it, as text; the row beside it has defaults for all but its key.
        if row.get("__deleted") in ("true", True):
            return "delete", "d"
        if self._operation is None:
            return "upsert", "c"
        place, operations = self._operation
        code = place.read(row, message)
        if operations is not None:
            return operations.read({place.name: code}), str(code)
        if not isinstance(code, str) or code not in _CODES:
            told = f"is {shown(code)}" if code is not None else f"is missing; there are: {listed(row)}"
            raise Undecodable(f"{place}, the operation, {told}")
        return _CODES[code], code

    def _time(self, row: Row, message: Message) -> datetime:
        if self._at is None:
            return broker_time(message)[0]
        place, read_time = self._at
        value = place.read(row, message)
        if value is None:
            raise Undecodable(
                f"{place}, the time of the change, is missing or null; there are: {listed(row)}"
            )
        return read_moment(read_time, value, str(place))[0]

    def _token(self, row: Row, message: Message, code: str) -> Order | None:
        if not self._order:
            return None
        places = {name: place.read(row, message) for name, place in self._order.items()}
        # A row does not say which kind of snapshot read it. One of an incremental snapshot has no `lsn`, but
        # may have a place in a binlog, and that is not its own.
        if code == "r" and self._connector != "postgresql":
            return None
        return order_of(Source(connector=self._connector, **places), code)


def read_unwrapped(node: Node, columns: frozenset[str]) -> Unwrapped:
    """Compiles `unwrapped`. Raises Problem."""
    node.keys("operation", "order", required=("at",))
    operation = _read_operation(node["operation"]) if node.has("operation") else None
    connector, order = _read_order(node["order"]) if node.has("order") else ("", {})
    return Unwrapped(columns, _read_at(node["at"]), operation, order, connector)


def _read_at(node: Node) -> tuple[Place, ReadTime] | None:
    if isinstance(node.value, dict) and node.has("broker"):
        node.keys(required=("broker",))
        node["broker"].choice("timestamp")
        return None
    place = _read_place(node, "format", "unit", "zone", "offset")
    if isinstance(node.value, dict) and len(node.value) > 1:
        return place, read_time_format(node, "field", "header")
    if unit := _unit(place.name):
        return place, read_time_format(Node({"unit": unit[1], "zone": "UTC"}))
    return place, read_time_format(None)


def _read_operation(node: Node) -> tuple[Place, Operations | None]:
    place = _read_place(node, "delete", "refresh", "ignore")
    if isinstance(node.value, dict) and len(node.value) > 1:
        named = {key: value for key, value in node.value.items() if key not in ("field", "header")}
        return place, read_operations(
            Node({"field": place.name, **named}, node.position), lambda value: value
        )
    return place, None


def _read_order(node: Node) -> tuple[str, dict[str, Place]]:
    node.keys(*(name for _, names in _PLACES.values() for name in names))
    for first, (connector, names) in _PLACES.items():
        if node.has(first):
            node.keys(required=names)
            return connector, {name: _read_place(node[name]) for name in names}
    node.fail(
        "`order` names no place in a database's log",
        "Write {lsn: COLUMN} (PostgreSQL), {file:, pos:, row:} (MySQL) or {commit_lsn:, change_lsn:, "
        "event_serial_no:} (SQL Server)",
    )


def _read_place(node: Node, *options: str) -> Place:
    if isinstance(node.value, dict) and not node.has("field"):
        node.keys(*options, required=("header",))
        return Place(node["header"].text(example="the name of a header"), header=True)
    return Place(read_column(node, *options), header=False)


def _header(value: bytes) -> Any:
    """Connect writes a header as JSON, perhaps with its schema; other converters as the bare text."""
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value.decode(errors="replace")
    return parsed.get("payload") if isinstance(parsed, dict) else parsed
