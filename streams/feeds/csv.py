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

`time` holds for `at`, for `order` and for the moments in `record`; streams/feeds/times.py has its forms.
"""

from operator import eq
from typing import Any, NoReturn

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Rows, Undecodable
from streams.feeds.mapping import read_mapping
from streams.feeds.reading import Reading, read_columns, read_many, read_withheld
from streams.feeds.times import PlainValues, read_time_format
from streams.feeds.values import parse, read_column, shown


class CsvFeed:
    """Rows are upserts. The order token is the values of `order`, or the time, and the offset, so
    that a tie goes by the order read. Each row that has a text says it."""

    def __init__(
        self,
        name: str,
        topic: str,
        reading: Reading,
        nulls: tuple[str, ...],
        withheld: frozenset[str],
        delimiter: str,
    ) -> None:
        self.name = name
        self.topic = topic
        self.kinds = {reading.mapping.kind: reading.mapping.brings()}
        self.rows = Rows(reading.columns, withheld, delimiter)
        self._reading = reading
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
        for column in self._reading.columns:
            if column in cells:
                cell = cells[column]
                row[column] = None if cell in nulls else cell
        return self._reading.changes(self.name, message, row, message.offset)


def read_feed(name: str, node: Node) -> CsvFeed:
    """Raises Problem."""
    node.keys("topic", "null", "order", "withhold", "delimiter", required=("format", "at", "time", "record"))
    read_time = read_time_format(node["time"])
    mapping = read_mapping(node["record"], PlainValues(read_time))
    reading = Reading(mapping, read_time, read_column(node["at"]), read_columns(node, "order"))
    return CsvFeed(
        name,
        node["topic"].text(example="the name of a topic") if node.has("topic") else name,
        reading,
        tuple(each.text(example='a marker such as "?"') for each in read_many(node, "null")),
        read_withheld(node, reading.columns, eq),
        read_delimiter(node),
    )


def read_delimiter(node: Node) -> str:
    """Compiles `delimiter`. Raises Problem."""
    if not node.has("delimiter"):
        return ","
    delimiter = node["delimiter"].text(example='one character, such as ";" or "\\t"')
    if len(delimiter) != 1 or delimiter in '"\r\n':
        node["delimiter"].fail(
            f"{delimiter!r} cannot separate columns", 'Write one character, such as ";" or "\\t"'
        )
    return delimiter


def _refuse(cells: Any) -> NoReturn:
    if isinstance(cells, list):
        raise Undecodable(f"a row of {len(cells)} cells, which are not as many as the file's header has")
    raise Undecodable(f"the row is {shown(cells)}, not an object of column and text")
