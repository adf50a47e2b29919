"""Plain JSON, as applications and webhooks write it: `format: json`.

    tickets:
      format: json
      topic: desk.tickets
      each: tickets                           # where a message has a list of them; `.` where it is one
      at: updated_at                          # or {broker: timestamp}
      time: {unit: ms, zone: UTC}             # by default ISO 8601 with an offset
      order: [version]                        # what orders the changes of one record
      unordered: true                         # they may come in another order than that
      operation: {field: event, delete: [ticket.deleted], ignore: [ping]}
      null: [""]                              # texts that stand for nothing
      withhold: [ticket.solved_at]            # columns that tell the future: never read
      record: {kind: ticket, id: ticket.id, stage: ticket.status, owner: ticket.assignee.id}

Columns are dotted paths: streams/feeds/paths.py. With `each` they are those of an item, and `.sent_at`
is one of the message around it. streams/feeds/times.py has the forms of `time`, reading.py those of
`at`, `order` and `operation`.

The order token is the values of `order`, or the time; then the offset and the item's number, so that
a tie goes by the order read. Each row that has a text says it.
"""

from typing import Any

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.mapping import read_mapping
from streams.feeds.paths import Paths, covers, split
from streams.feeds.reading import (
    Reading,
    read_at,
    read_columns,
    read_many,
    read_operations,
    read_withheld,
)
from streams.feeds.times import PlainValues, read_time_format
from streams.feeds.values import Row, listed, parse, read_column, shown

KEYS = ("time", "order", "unordered", "operation", "null", "withhold")
"""What a feed of documents can have besides its topic, `at` and `record`."""

_NOTHING = PassedOver("`operation` says that it is to be ignored")


class Documents:
    """Reads documents: JSON objects whose columns are dotted paths."""

    def __init__(self, reading: Reading, nulls: frozenset[str]) -> None:
        self.kinds = {reading.mapping.kind: reading.mapping.brings()}
        self._reading = reading
        self._paths = Paths(reading.columns)
        self._nulls = nulls

    def changes(self, feed: str, message: Message, item: Row, top: Any, *place: int) -> list[Change]:
        """Of an `item` in the message that is `top`. Raises Undecodable."""
        row = self._paths.row(item, top)
        if self._nulls:
            for column, value in row.items():
                if isinstance(value, str) and value in self._nulls:
                    row[column] = None
        return self._reading.changes(feed, message, row, *place)


class JsonFeed:
    rows = None

    def __init__(self, name: str, topic: str, documents: Documents, each: tuple[str, ...] | None) -> None:
        self.name = name
        self.topic = topic
        self.kinds = documents.kinds
        self._documents = documents
        self._each = each

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a value")
        top = parse(message.value, "value")
        items = [top] if self._each is None else _items(top, self._each)
        if not items:
            return PassedOver("a list without items")
        changes: list[Change] = []
        for number, item in enumerate(items):
            if not isinstance(item, dict):
                what = "the value" if self._each is None else f"item {number} of the list"
                hint = ": where it is a list of records, say so, `each: .`" if isinstance(item, list) else ""
                raise Undecodable(f"{what} is {shown(item)}, not an object{hint}")
            changes += self._documents.changes(self.name, message, item, top, message.offset, number)
        return changes or _NOTHING


def read_feed(name: str, node: Node) -> JsonFeed:
    """Raises Problem."""
    node.keys("each", *KEYS, required=("format", "topic", "at", "record"))
    each = None
    if node.has("each"):
        path = read_column(node["each"])
        each = () if path == "." else split(path)
    topic = node["topic"].text(example="the name of a topic")
    return JsonFeed(name, topic, read_documents(node, read_at(node["at"])), each)


def read_documents(node: Node, at: str | None, order: tuple[str, ...] = ()) -> Documents:
    """Compiles the `KEYS` and `record` of a feed. `order` holds where it has none. Raises Problem."""
    read_time = read_time_format(node.get("time"))
    values = PlainValues(read_time)
    operations = read_operations(node["operation"], values.unpack) if node.has("operation") else None
    mapping = read_mapping(node["record"], values)
    columns = read_columns(node, "order") or order
    unordered = node.has("unordered") and node["unordered"].flag()
    reading = Reading(mapping, read_time, at, columns, operations, unordered=unordered)
    read_withheld(node, reading.columns, covers)
    return Documents(reading, frozenset(_read_null(each) for each in read_many(node, "null")))


def _read_null(node: Node) -> str:
    return "" if node.value == "" else node.text(example='a marker such as "?"')


def _items(top: Any, path: tuple[str, ...]) -> list[Any]:
    found = top
    for key in path:
        if not isinstance(found, dict) or key not in found:
            there = f"; there are: {listed(found)}" if isinstance(found, dict) else ""
            raise Undecodable(f"there is no list at {'.'.join(path)!r}{there}")
        found = found[key]
    if found is None:
        return []
    if not isinstance(found, list):
        where = f"what is at {'.'.join(path)!r}" if path else "the value"
        raise Undecodable(f"{where} is {shown(found)}, not a list")
    return found
