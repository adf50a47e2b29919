"""Maxwell's daemon, the changes of MySQL tables in JSON: `format: maxwell`.

    crm:
      format: maxwell
      topic: maxwell
      time: {zone: UTC}                       # of `datetime` and `timestamp` columns, which have no offset
      records:
        tickets: {kind: ticket, id: id, stage: status}        # by the table, or by database.table
        helpdesk.comments: {kind: ticket, id: ticket_id, said: {text: body}}

A row's time is Maxwell's `ts`, in whole seconds. The order token is the place in the binlog (the number of
the file, the position in it, the place in the transaction), and the offset where all that is equal;
Maxwell writes it with `output_binlog_position`. Without it the order is that of the partition: an `xid`
does not do, since it begins anew when the server does. Rows of a bootstrap are a snapshot's.

An update has the whole row, and under `old` what the changed columns were: one whose id has changed is a
delete of the old record. A delete of a row that says something deletes no record, unless the message's key
is the `id` of the record.
"""

import re
from typing import Any

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.mapping import MappedFeed, read_records
from streams.feeds.reading import read_moment
from streams.feeds.tables import Done, Written, changes, find
from streams.feeds.times import PlainValues, read_time_format
from streams.feeds.values import listed, parse, shown

_DONE: dict[str, Done] = {
    "insert": "insert",
    "update": "update",
    "delete": "delete",
    "bootstrap-insert": "read",
}
_PASSED_OVER = ("bootstrap-", "table-", "database-", "heartbeat")
_ZERO_DATES = frozenset({"0000-00-00", "0000-00-00 00:00:00"})
_position = re.compile(r"[^:]*\.([0-9]{1,18}):([0-9]{1,18})").fullmatch
# The row that commits has no `xoffset`; it is the last one of its transaction.
_COMMIT = 2**53

_read_ts = read_time_format(Node({"unit": "s", "zone": "UTC"}))


class MaxwellFeed(MappedFeed):
    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a value: Maxwell writes a delete before it")
        event = parse(message.value, "value")
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            there = f"; there are: {listed(event)}" if isinstance(event, dict) else ""
            raise Undecodable(f"there is no `type`: not an event of Maxwell's{there}")
        kind = event["type"]
        if kind not in _DONE:
            if kind.startswith(_PASSED_OVER):
                return PassedOver(f"{kind}: not a row")
            raise Undecodable(f"the type {shown(kind)} is none of Maxwell's")
        mapping = find(self._mappings, event.get("database"), event.get("table"))
        if isinstance(mapping, PassedOver):
            return mapping
        row, old = event.get("data"), event.get("old") or {}
        if not isinstance(row, dict) or not isinstance(old, dict):
            raise Undecodable(f"`data` is {shown(row)} and `old` is {shown(old)}, not rows")
        if event.get("ts") is None:
            raise Undecodable("there is no `ts`: when it happened is unknown")
        at = read_moment(_read_ts, event["ts"], "`ts`")[0]
        done = _DONE[kind]
        written = Written(done, row, old, _key(message.key) if done == "delete" else None)
        return changes(mapping, written, at, self.name, message, _order(event, message.offset))


def read_feed(name: str, node: Node) -> MaxwellFeed:
    """Raises Problem."""
    node.keys("time", required=("format", "topic", "records"))
    values = PlainValues(read_time_format(node.get("time")), _ZERO_DATES)
    topic = node["topic"].text(example="the name of a topic")
    return MaxwellFeed(name, topic, read_records(node["records"], values))


def _order(event: dict[str, Any], offset: int) -> tuple[int, ...] | None:
    position = event.get("position")
    # A bootstrap reads rows while others go on writing them.
    if position is None or event["type"] == "bootstrap-insert":
        return None
    place = _position(position) if isinstance(position, str) else None
    if place is None:
        raise Undecodable(f"the position {shown(position)} is not of the form master.000006:800911")
    row = event.get("xoffset")
    if type(row) is not int:
        row = _COMMIT if event.get("commit") else 0
    return int(place[1]), int(place[2]), row, offset


def _key(key: bytes | None) -> frozenset[str] | None:
    """The columns of the primary key, from a message's key: {"database": .., "table": .., "pk.id": 7}."""
    if key is None:
        return None
    names = parse(key, "key")
    if not isinstance(names, dict):
        return None
    return frozenset(name[3:] for name in names if name.startswith("pk."))
