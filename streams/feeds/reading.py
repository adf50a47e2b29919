"""One change out of one row: which record, when it happened, what orders it, and what was done.

    at: updated_at                          # a column, or {broker: timestamp}, the time of the message
    order: [version]                        # columns of whole numbers, or `at`; by default `at`
    operation: {field: event, delete: [ticket.deleted], refresh: [snapshot], ignore: [ping]}

`operation` names the values of a column that mean something other than a change to the record: it is
gone, it was only read anew (nobody touched it), or the row says nothing of it.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, get_args

from streams.core.document import Node
from streams.core.entries import Change, Operation, Source
from streams.core.timestamps import moment
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.mapping import RecordMapping
from streams.feeds.times import ReadTime, Time
from streams.feeds.values import EARLIEST, LATEST, Reader, Row, listed, read_column, shown, text_reader

Done = Literal["upsert", "refresh", "delete", "ignore"]
_NAMED: tuple[Done, ...] = tuple(each for each in get_args(Done) if each != "upsert")


MESSAGE_DELETED = PassedOver("a delete of a message, which is no delete of the record it was about")


class Operations:
    """What a row does, by the text in `column`."""

    def __init__(self, column: str, text: Reader, named: dict[str, Done]) -> None:
        self.column = column
        self._text = text
        self._named = named

    def read(self, row: Row) -> Done:
        """Raises Undecodable."""
        value = row.get(self.column)
        if value is None:
            return "upsert"
        try:
            return self._named.get(self._text(value), "upsert")
        except ValueError as error:
            raise Undecodable(f"operation, column {self.column!r}: {error}") from None


class Reading:
    """Reads rows. `columns`: those it reads. `at`: None is the broker's timestamp. `unordered`: whether
    those of one record may come in another order than that of their tokens."""

    def __init__(
        self,
        mapping: RecordMapping,
        read_time: ReadTime,
        at: str | None,
        order: tuple[str, ...] = (),
        operations: Operations | None = None,
        *,
        unordered: bool = False,
    ) -> None:
        self.mapping = mapping
        self.columns = mapping.columns | {*order} | ({at} if at else set())
        if operations is not None:
            self.columns |= {operations.column}
        self._read_time = read_time
        self._at = at
        self._order = order or (at,)
        self._operations = operations
        self._unordered = unordered

    def changes(self, feed: str, message: Message, row: Row, *place: int) -> list[Change]:
        """None for a row to be ignored. `place`: what orders rows of the same moment. Raises Undecodable."""
        done: Done = "upsert" if self._operations is None else self._operations.read(row)
        if done == "ignore":
            return []
        at, at_micros = self._time(message, row)
        order = *[self._token(row, column, at_micros) for column in self._order], *place
        told = change(
            self.mapping, row, done, at, feed, message, order, ordered=True, unordered=self._unordered
        )
        return [told]

    def _time(self, message: Message, row: Row) -> tuple[datetime, int]:
        if self._at is None:
            return broker_time(message)
        cell = row.get(self._at)
        if cell is None:
            there = "is empty" if self._at in row else f"is missing; there are: {listed(row)}"
            raise Undecodable(f"the column {self._at!r}, the time of the change, {there}")
        return read_moment(self._read_time, cell, f"column {self._at!r}")[:2]

    def _token(self, row: Row, column: str | None, at_micros: int) -> int:
        return at_micros if column is None or column == self._at else whole(row.get(column), column)


def change(
    mapping: RecordMapping,
    row: Row,
    op: Operation,
    at: datetime,
    feed: str,
    message: Message,
    order: tuple[int | str, ...] | None = None,
    *,
    told: Row | None = None,
    ordered: bool = False,
    unordered: bool = False,
    heard: bool = True,
) -> Change:
    """What `row` says of its record; of one that is deleted or uncertain, only which it is.

    told: fields that are known besides. heard: False where the row has a text that was said before.
    ordered: whether `order` holds also for what was said. Where it does not, a message that comes late
    is still heard: the messages of one record need not come in their order. unordered: whether the feed
    may tell later what happened before; nothing can be put in its place without a token. Raises Undecodable.
    """
    there = op in ("upsert", "refresh")
    said = mapping.saying.read(row) if there and heard and mapping.saying is not None else None
    return Change(
        record=mapping.record(row),
        op=op,
        at=at,
        feed=feed,
        source=Source(message.topic, message.partition, message.offset),
        order=order if said is None or ordered else None,
        unordered=unordered and order is not None,
        by=None if mapping.writer is None else mapping.writer.read(row),
        fields={**(mapping.read(row) if there else {}), **(told or {})},
        said=said,
    )


def broker_time(message: Message) -> tuple[datetime, int]:
    """Raises Undecodable."""
    if message.timestamp is None:
        raise Undecodable("the message has no timestamp of the broker, which is the time of the change")
    at = message.timestamp * 1000
    if not EARLIEST <= at < LATEST:
        raise Undecodable(f"the broker's timestamp, {shown(at)} us, is outside the years of any calendar")
    return moment(at), at


def read_moment(read_time: ReadTime, value: Any, what: str) -> Time:
    """Raises Undecodable."""
    try:
        return read_time(value)
    except ValueError as error:
        raise Undecodable(f"{what}: {error}") from None


def whole(value: Any, column: str) -> int:
    """A whole number that orders changes. Raises Undecodable."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        with suppress(ValueError):
            return int(value)
    raise Undecodable(f"column {column!r}, which orders the changes, is {shown(value)}, not a whole number")


def read_at(node: Node) -> str | None:
    """Compiles `at`. Raises Problem."""
    if isinstance(node.value, dict):
        node.keys(required=("broker",))
        node["broker"].choice("timestamp")
        return None
    return read_column(node)


def read_operations(node: Node, unpack: Reader) -> Operations:
    """Compiles `operation`. Raises Problem."""
    node.keys(*_NAMED, required=("field",))
    text = text_reader(unpack)
    named: dict[str, Done] = {}
    for done in _NAMED:
        if node.has(done):
            for each in node[done].one_or_many():
                value = each.scalar()
                if value is None:
                    each.fail(f"{each.name!r} is empty", "Write a value of the column")
                if named.setdefault(text(value), done) != done:
                    each.fail(f"{value!r} is both {named[text(value)]} and {done}", "Keep it in one of them")
    if not named:
        node.fail("`operation` names no value", "Name those that delete: {field: event, delete: [deleted]}")
    return Operations(read_column(node["field"]), text, named)


def read_many(node: Node, key: str) -> list[Node]:
    """The nodes of a `key` that takes one or many; none where it is not there."""
    return list(node[key].one_or_many()) if node.has(key) else []


def read_columns(node: Node, key: str) -> tuple[str, ...]:
    """Raises Problem."""
    return tuple(read_column(each) for each in read_many(node, key))


def read_withheld(node: Node, read: frozenset[str], clash: Callable[[str, str], bool]) -> frozenset[str]:
    """Compiles `withhold`: columns that must not be among those that are `read`. Raises Problem."""
    for each in read_many(node, "withhold"):
        withheld = read_column(each)
        if any(clash(withheld, column) for column in read):
            each.fail(
                f"{withheld!r} is withheld and read at the same time",
                "Take it out of `withhold`, or out of `record`, `at` and `order`",
            )
    return frozenset(read_columns(node, "withhold"))
