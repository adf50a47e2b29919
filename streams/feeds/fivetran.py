"""Rows as Fivetran keeps them, on a topic or in files (CSV, JSON): `format: fivetran`.

    deals:
      format: fivetran
      at: property_hs_lastmodifieddate        # of a table in history mode: leave it out
      time: {zone: UTC}                       # by default ISO 8601 with an offset
      record: {kind: deal, id: deal_id, stage: deal_pipeline_stage_id}

`at` is by default `_fivetran_start`, which tables in history mode have: each row is a version of its
record. A row whose `_fivetran_deleted` is set is a delete, at its `_fivetran_synced`. A warehouse's
times often lack the offset that they have in the CRM, and take a zone: `streams/feeds/times.py`.

A history of fields, one row for each field that changes, says which columns hold the field and its value:

    tickets:
      format: fivetran
      at: updated
      time: {zone: UTC}
      history: {field: field_name, value: value}
      record: {kind: ticket, id: ticket_id, stage: status, owner: assignee_id}

The rest (`topic`, `null`, `order`, `withhold`, `delimiter`), the order token and `said` are as in
`format: csv`.
"""

from operator import eq

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Rows, Undecodable
from streams.feeds.csv import read_delimiter
from streams.feeds.mapping import read_mapping
from streams.feeds.reading import MESSAGE_DELETED, Operations, Reading, read_columns, read_many, read_withheld
from streams.feeds.times import PlainValues, read_time_format
from streams.feeds.values import Row, listed, parse, read_column, shown, text_reader

_START, _DELETED, _SYNCED = "_fivetran_start", "_fivetran_deleted", "_fivetran_synced"
_TRUE = ("true", "TRUE", "True")
_DELETES = Operations(_DELETED, text_reader(lambda value: value), dict.fromkeys(_TRUE, "delete"))
_AS_CSV = ("null", "order", "withhold", "delimiter")


class FivetranFeed:
    def __init__(
        self,
        name: str,
        topic: str,
        reading: Reading,
        at: str,
        nulls: tuple[str, ...],
        rows: Rows,
        history: tuple[str, str] | None,
    ) -> None:
        self.name = name
        self.topic = topic
        self.kinds = {reading.mapping.kind: reading.mapping.brings()}
        self.rows = rows
        self._reading = reading
        self._at = at
        self._nulls = ("", *nulls)
        self._history = history

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a row")
        cells = parse(message.value, "row")
        if not isinstance(cells, dict):
            raise Undecodable(f"the row is {shown(cells)}, not an object of columns")
        row: Row = {column: None if cell in self._nulls else cell for column, cell in cells.items()}
        if self._at == _START and _START not in row:
            raise Undecodable(
                f"there is no {_START!r}: the table is not in history mode; say which column tells when a "
                f"row has changed, `at: updated_at`, or when it was loaded, `at: {_SYNCED}`; "
                f"there are: {listed(row)}"
            )
        deleted = _DELETES.read(row) == "delete"
        if deleted and self._reading.mapping.saying is not None:
            return MESSAGE_DELETED
        if deleted and row.get(_SYNCED) is not None:
            # The row is as it was: what it says of its change is older than the delete.
            row[self._at] = row[_SYNCED]
        if self._history is not None:
            row = _with_field(row, *self._history)
        return self._reading.changes(self.name, message, row, message.offset)


def read_feed(name: str, node: Node) -> FivetranFeed:
    """Raises Problem."""
    node.keys("topic", "at", "time", "history", *_AS_CSV, required=("format", "record"))
    read_time = read_time_format(node.get("time"))
    mapping = read_mapping(node["record"], PlainValues(read_time))
    at = read_column(node["at"]) if node.has("at") else _START
    order = read_columns(node, "order")
    history = None
    needed = mapping.columns
    if node.has("history"):
        node["history"].keys(required=("field", "value"))
        history = read_column(node["history"]["field"]), read_column(node["history"]["value"])
        # The others are columns of some rows, or fields of which some rows tell.
        needed = frozenset((*mapping.id_columns, *history))
    reading = Reading(mapping, read_time, at, order, _DELETES)
    withheld = read_withheld(node, reading.columns, eq)
    return FivetranFeed(
        name,
        node["topic"].text(example="the name of a topic") if node.has("topic") else name,
        reading,
        at,
        tuple(each.text(example='a marker such as "?"') for each in read_many(node, "null")),
        Rows(needed | {at, *order}, withheld, read_delimiter(node)),
        history,
    )


def _with_field(row: Row, field: str, value: str) -> Row:
    """The row with its one field as a column."""
    name = row.get(field)
    if not isinstance(name, str):
        raise Undecodable(f"the column {field!r}, which names the field, is {shown(name)}")
    # A field that is called like a column of the row must not take its place.
    return {name: row.pop(value, None), **{column: cell for column, cell in row.items() if column != field}}
