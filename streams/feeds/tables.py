"""Rows of database tables, as change data capture has them: what was done to one, as changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.mapping import RecordMapping
from streams.feeds.reading import MESSAGE_DELETED, change
from streams.feeds.values import Row, shown

Done = Literal["insert", "update", "delete", "read"]


class Written(msgspec.Struct, frozen=True):
    """What was done to a row. `read`: a snapshot read it.

    row: its columns; of a delete at least the key. before: of an update, columns of it as they were.
    key: the columns of the primary key, where that is known.
    """

    done: Done
    row: Row
    before: Row = {}
    key: frozenset[str] | None = None


def find(mappings: Mapping[str, RecordMapping], schema: object, table: object) -> RecordMapping | PassedOver:
    """The record of a table, which is named `table` or `schema.table`. Raises Undecodable."""
    if not isinstance(table, str) or not isinstance(schema, str | None):
        raise Undecodable(f"the table is {shown(table)} of {shown(schema)}")
    named = f"{schema}.{table}"
    mapping = mappings.get(named) or mappings.get(table)
    return mapping or PassedOver(f"a row of the table {shown(named)}, for which there is no record")


def changes(
    mapping: RecordMapping,
    written: Written,
    at: datetime,
    feed: str,
    message: Message,
    order: tuple[int, ...] | None,
    *,
    ordered: bool = False,
) -> list[Change] | PassedOver:
    """An update that gives a record another id deletes the one that had the id before.

    ordered: whether `order` holds also for what was said. Raises Undecodable.
    """
    row, done = written.row, written.done
    if done == "delete":
        if mapping.saying is not None and written.key != frozenset(mapping.id_columns):
            return MESSAGE_DELETED
        return [change(mapping, row, "delete", at, feed, message, order)]
    op: Literal["refresh", "upsert"] = "refresh" if done == "read" else "upsert"
    # An update has the whole row, and so repeats a text that was said long ago.
    heard = done != "update"
    new = change(mapping, row, op, at, feed, message, order, ordered=ordered, heard=heard)
    if mapping.saying is None and any(column in written.before for column in mapping.id_columns):
        old = change(mapping, {**row, **written.before}, "delete", at, feed, message, order)
        if old.record != new.record:
            return [old, new]
    return [new]
