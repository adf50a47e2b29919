"""One table's topic: from a message to the change of a record."""

import base64
from typing import Any, Protocol

from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.debezium.envelope import Envelopes, TypesOf, read_json
from streams.feeds.debezium.event import Event
from streams.feeds.debezium.types import apply
from streams.feeds.debezium.unwrapped import Unwrapped
from streams.feeds.mapping import RecordMapping
from streams.feeds.reading import MESSAGE_DELETED, broker_time, change
from streams.feeds.values import Row, listed


class Unframe(Protocol):
    """Reads what a schema registry's serializer wrote.

    `part`: key or value. None for bytes that are no Avro; those are JSON. Raises Undecodable or Unavailable.
    """

    def __call__(self, data: bytes, message: Message, part: str) -> tuple[Any, TypesOf] | None: ...


class DebeziumFeed:
    """The order token is a place in the database's log. A row of an incremental snapshot, one that says
    something, and a tombstone have none."""

    rows = None

    def __init__(
        self,
        name: str,
        topic: str,
        mapping: RecordMapping,
        shape: Envelopes | Unwrapped,
        unavailable: str,
        unframe: Unframe | None = None,
    ) -> None:
        self.name = name
        self.topic = topic
        self.kinds = {mapping.kind: mapping.brings()}
        self._mapping = mapping
        self._shape = shape
        self._unframe = unframe
        word = unavailable.encode()
        self._words = word, base64.b64encode(word)
        # A column of bytes is text in JSON, and bytes in Avro.
        self._unavailable: tuple[Any, ...] = (word, *(each.decode() for each in self._words))

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable whatever the bytes are; and Unavailable where a schema registry is asked."""
        value = message.value
        if value is None:
            return self._tombstone(message)
        event = self._event(message, value)
        if isinstance(event, PassedOver):
            return event
        if event.op == "delete":
            deleted = self._deleted(message, event.row)
            if isinstance(deleted, PassedOver):
                return deleted
            row = deleted
        else:
            row = self._row(message, value, event)
        return [
            change(self._mapping, row, event.op, event.at, self.name, message, event.order, heard=event.heard)
        ]

    def _event(self, message: Message, value: bytes) -> Event | PassedOver:
        if self._unframe is not None:
            framed = self._unframe(value, message, "value")
            if framed is not None:
                return self._shape.read_document(*framed, message)
        return self._shape.read(value, message)

    def _row(self, message: Message, value: bytes, event: Event) -> Row:
        row = event.row
        assert row is not None
        # A search of the bytes spares nearly every message a look at each of its columns.
        if self._words[0] in value or self._words[1] in value:
            row = {column: each for column, each in row.items() if not self._is_unavailable(each)}
        if event.types:
            apply(event.types, row)
        if isinstance(self._shape, Unwrapped) and message.key is not None:
            # The id of an outbox's aggregate is the key, and need not be in the payload.
            missing = [column for column in self._mapping.id_columns if column not in row]
            if missing:
                key = self._named(self._key(message, message.key))
                row = {**row, **{column: key[column] for column in missing if column in key}}
        return row

    def _tombstone(self, message: Message) -> list[Change] | PassedOver:
        """Compaction may leave nothing of a deleted row but this."""
        if message.key is None:
            return PassedOver("a tombstone without a key")
        deleted = self._deleted(message, None)
        if isinstance(deleted, PassedOver):
            return deleted
        if isinstance(self._shape, Unwrapped):
            at = self._shape.deleted_at(message)
        else:
            at, _ = broker_time(message)
        return [change(self._mapping, deleted, "delete", at, self.name, message)]

    def _deleted(self, message: Message, before: Row | None) -> Row | PassedOver:
        """The id columns of what a delete is about: by the key, and for a table without one by `before`.

        Under REPLICA IDENTITY DEFAULT all else in `before` is invented.
        """
        ids = self._mapping.id_columns
        if message.key is None:
            if self._mapping.saying is not None:
                return MESSAGE_DELETED
            if before is None:
                raise Undecodable("a delete with neither a key nor `before`")
            # The mapping refuses a row without one of them, and says what there is.
            return {column: before[column] for column in ids} if before.keys() >= {*ids} else before
        row = self._key(message, message.key)
        if self._mapping.saying is not None and not (isinstance(row, dict) and row.keys() == {*ids}):
            return MESSAGE_DELETED
        row = self._named(row)
        for column in ids:
            if column not in row:
                raise Undecodable(
                    f"a delete carries its key alone, and the id column {column!r} is not in it; "
                    f"there are: {listed(row)}"
                )
        return {column: row[column] for column in ids}

    def _key(self, message: Message, key: bytes) -> Any:
        found = self._unframe(key, message, "key") if self._unframe is not None else None
        row, types_of = found or read_json(key, "key", self._mapping.columns)
        if isinstance(row, dict):
            apply(types_of(None), row)
        return row

    def _named(self, key: Any) -> Row:
        # A transform such as ExtractField has put the bare column into the key.
        return key if isinstance(key, dict) else {self._mapping.id_columns[0]: key}

    def _is_unavailable(self, value: Any) -> bool:
        return (value[0] if isinstance(value, list) and len(value) == 1 else value) in self._unavailable
