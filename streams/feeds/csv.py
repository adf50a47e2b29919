"""Rows of text, each a change: `format: csv`. A message's value is one row, a JSON object of
column -> text; a file's rows become such messages in streams/feeds/files.py.

    incidents:
      format: csv
      topic: incidents                        # by default the feed's name
      at: sys_updated_at                      # when the change happened
      time: {format: "%d/%m/%Y %H:%M", zone: Europe/Berlin}
      null: ["?"]                             # an empty text is null, too
      order: [sys_updated_at, sys_mod_count]  # what orders the changes of one record
      withhold: [resolved_at, closed_at]      # columns that tell the future: never read
      delimiter: ";"                          # of files; by default a comma
      record: {kind: ticket, id: number, stage: incident_state, created: opened_at}

`time` holds for `at`, for `order` and for the moments in `record`. Its `format` is one of Python's
`strptime`, or `iso`. A format without an offset (%z) takes a zone. When clocks go back, a wall
clock that comes twice is the earlier one; when they go forward, one that never comes is taken with
the offset from before.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn

from streams.core.document import Node
from streams.core.entries import Change, Source
from streams.core.timestamps import micros
from streams.feeds import Message, PassedOver, Rows, Undecodable
from streams.feeds.mapping import RecordMapping, read_mapping
from streams.feeds.values import (
    Reader,
    listed,
    number,
    parse,
    read_column,
    read_local_time,
    shown,
    utc_text,
)

Time = tuple[datetime, int, str]
"""A moment as a datetime in UTC, as microseconds since the epoch, and as RFC 3339 text."""

# Histories name few moments often (a case's opening on each of its rows), and `strptime` is slow.
_TIMES_KEPT = 65_536


class CsvFeed:
    """Rows are upserts. The order token is the values of `order`, or the time, and the offset, so
    that a tie goes by the order read. Each row that has a text says it."""

    def __init__(
        self,
        name: str,
        topic: str,
        mapping: RecordMapping,
        read_time: Callable[[Any], Time],
        at: str,
        order: tuple[str, ...],
        nulls: tuple[str, ...],
        withheld: frozenset[str],
        delimiter: str,
    ) -> None:
        self.name = name
        self.topic = topic
        self.kinds = {mapping.kind: mapping.brings()}
        self.rows = Rows(mapping.columns | {at, *order}, withheld, delimiter)
        self._mapping = mapping
        self._read_time = read_time
        self._columns = self.rows.columns
        self._at = at
        self._order = order
        self._nulls = ("", *nulls)

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a row")
        cells = parse(message.value, "row")
        if not isinstance(cells, dict):
            _refuse(cells)
        nulls = self._nulls
        row: dict[str, Any] = {}
        for column in self._columns:
            if column in cells:
                cell = cells[column]
                row[column] = None if cell in nulls else cell
        at, at_micros, _ = self._time(row)
        mapping = self._mapping
        return [
            Change(
                record=mapping.record(row),
                op="upsert",
                at=at,
                feed=self.name,
                source=Source(message.topic, message.partition, message.offset),
                order=(*[self._token(row, column, at_micros) for column in self._order], message.offset),
                by=None if mapping.writer is None else mapping.writer.read(row),
                fields=mapping.read(row),
                said=None if mapping.saying is None else mapping.saying.read(row),
            )
        ]

    def _time(self, row: dict[str, Any]) -> Time:
        cell = row.get(self._at)
        if cell is None:
            there = "is empty" if self._at in row else f"is missing; there are: {listed(row)}"
            raise Undecodable(f"the column {self._at!r}, the time of the change, {there}")
        try:
            return self._read_time(cell)
        except ValueError as error:
            raise Undecodable(f"column {self._at!r}: {error}") from None

    def _token(self, row: dict[str, Any], column: str, at_micros: int) -> int:
        if column == self._at:
            return at_micros
        cell = row.get(column)
        if isinstance(cell, str | int):
            with suppress(ValueError):
                return int(cell)
        raise Undecodable(
            f"column {column!r}, which orders the changes, is {shown(cell)}, not a whole number"
        )


class CsvValues:
    """How the rows write times, by the feed's `time`, and numbers, as plain text."""

    def __init__(self, read_time: Callable[[Any], Time]) -> None:
        self._read_time = read_time

    def moment(self, node: Node) -> tuple[str, Reader]:
        return read_column(node), lambda cell: self._read_time(cell)[2]

    def number(self, node: Node, *others: str) -> tuple[str, Reader]:
        return read_column(node, *others), number

    def unpack(self, value: Any) -> Any:
        return value


def read_feed(name: str, node: Node) -> CsvFeed:
    """Raises Problem."""
    node.keys("topic", "null", "order", "withhold", "delimiter", required=("format", "at", "time", "record"))
    read_time = _read_time_format(node["time"])
    mapping = read_mapping(node["record"], CsvValues(read_time))
    at = read_column(node["at"])
    order = tuple(_columns(node, "order")) or (at,)
    nulls = tuple(each.text(example='a marker such as "?"') for each in _many(node, "null"))
    feed = CsvFeed(
        name,
        node["topic"].text(example="the name of a topic") if node.has("topic") else name,
        mapping,
        read_time,
        at,
        order,
        nulls,
        frozenset(_columns(node, "withhold")),
        _read_delimiter(node),
    )
    for each in _many(node, "withhold"):
        if each.value in feed.rows.columns:
            each.fail(
                f"{each.value!r} is withheld and read at the same time",
                "Take it out of `withhold`, or out of `record`, `at` and `order`",
            )
    return feed


def _many(node: Node, key: str) -> list[Node]:
    return list(node[key].one_or_many()) if node.has(key) else []


def _columns(node: Node, key: str) -> list[str]:
    return [read_column(each) for each in _many(node, key)]


def _read_delimiter(node: Node) -> str:
    if not node.has("delimiter"):
        return ","
    delimiter = node["delimiter"].text(example='one character, such as ";" or "\\t"')
    if len(delimiter) != 1 or delimiter in '"\r\n':
        node["delimiter"].fail(
            f"{delimiter!r} cannot separate columns", 'Write one character, such as ";" or "\\t"'
        )
    return delimiter


def _read_time_format(node: Node) -> Callable[[Any], Time]:
    node.keys("zone", "offset", required=("format",))
    pattern = node["format"].text(example='a format such as "%d/%m/%Y %H:%M", or iso')
    local = read_local_time(node)
    if pattern == "iso":
        return _kept("iso", local.iso)
    sample = datetime(2001, 2, 3, tzinfo=UTC)
    try:
        read = datetime.strptime(sample.strftime(pattern), pattern)
    except ValueError as error:
        node["format"].fail(
            f"{pattern!r} is no format of a time: {error}", 'Write one such as "%d/%m/%Y %H:%M", or iso'
        )
    if read.date() != sample.date():
        node["format"].fail(
            f"{pattern!r} does not name a day, a month and a year", 'Write one such as "%d/%m/%Y %H:%M"'
        )
    if read.tzinfo is None and local.zone is None:
        node.fail(
            f"times of the format {pattern!r} have no offset",
            "Say in which zone they are meant: zone: Europe/Berlin",
        )
    return _kept(pattern, lambda text: local.utc(datetime.strptime(text, pattern)))


def _kept(pattern: str, read: Callable[[str], datetime]) -> Callable[[Any], Time]:
    @lru_cache(maxsize=_TIMES_KEPT)
    def read_text(text: str) -> Time:
        at = read(text)
        return at, micros(at), utc_text(at)

    def read_time(cell: Any) -> Time:
        """Raises ValueError."""
        try:
            return read_text(cell)
        except (ValueError, OverflowError, TypeError) as error:
            raise ValueError(
                f"{shown(cell)} is not a time of the format {pattern!r}: {error}"[:300]
            ) from None

    return read_time


def _refuse(cells: Any) -> NoReturn:
    if isinstance(cells, list):
        raise Undecodable(f"a row of {len(cells)} cells, which are not as many as the file's header has")
    raise Undecodable(f"the row is {shown(cells)}, not an object of column and text")
