"""PostgreSQL's logical decoding by wal2json, formats 1 and 2: `format: wal2json`.

    crm:
      format: wal2json
      topic: crm.wal
      time: {zone: Europe/Berlin}             # of `timestamp` columns without time zone, and of dates
      records:
        tickets: {kind: ticket, id: id, stage: status}        # by the table, or by schema.table
        crm.deals: {kind: deal, id: id, stage: stage}

A row's time is the commit of its transaction, which needs wal2json's `include-timestamp`. The order token
is (lsn, number): in format 2 the row's own lsn, in format 1, where a message is a whole transaction, the
transaction's `nextlsn` and the number of the row in it. Both need `include-lsn`; without it the order
is that of the partition.

A column that a row lacks is unchanged: wal2json leaves out values that PostgreSQL keeps apart (TOAST) and
that an update did not touch. An update whose replica identity has another id is a delete of the old record.
A delete of a row that says something deletes no record, unless the replica identity is the record's `id`.
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
from streams.feeds.values import Row, listed, parse, shown

_DONE: dict[str, Done] = {"I": "insert", "U": "update", "D": "delete"}
_PASSED_OVER = {
    "B": "the beginning of a transaction",
    "C": "the end of a transaction",
    "M": "a logical message, not a row",
    "T": "a truncate: it does not say which records are gone",
}
_KINDS = {"insert": "I", "update": "U", "delete": "D", "message": "M", "truncate": "T"}
_INFINITIES = frozenset({"infinity", "-infinity"})
_lsn = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})").fullmatch

_read_timestamp = read_time_format(None)


class Wal2JsonFeed(MappedFeed):
    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a value")
        event = parse(message.value, "value")
        if isinstance(event, dict) and "action" in event:
            return self._row(message, event, event, event.get("lsn"), 0)
        if not isinstance(event, dict) or not isinstance(event.get("change"), list):
            there = f"; there are: {listed(event)}" if isinstance(event, dict) else ""
            raise Undecodable(f"there is neither `action` nor `change`: not wal2json's{there}")
        found: list[Change] = []
        outcome: list[Change] | PassedOver = PassedOver("a transaction without rows")
        for number, each in enumerate(event["change"]):
            if not isinstance(each, dict):
                raise Undecodable(f"change {number} is {shown(each)}, not an object")
            outcome = self._row(message, event, _as_second(each), event.get("nextlsn"), number)
            if not isinstance(outcome, PassedOver):
                found += outcome
        return found or outcome

    def _row(
        self, message: Message, transaction: Row, row: Row, lsn: Any, number: int
    ) -> list[Change] | PassedOver:
        """`row` is an event of format 2."""
        action = row["action"]
        if not isinstance(action, str) or action not in _DONE:
            if isinstance(action, str) and action in _PASSED_OVER:
                return PassedOver(_PASSED_OVER[action])
            raise Undecodable(f"the action {shown(action)} is none of wal2json's")
        mapping = find(self._mappings, row.get("schema"), row.get("table"))
        if isinstance(mapping, PassedOver):
            return mapping
        if transaction.get("timestamp") is None:
            raise Undecodable(
                "there is no `timestamp`: when it happened is unknown; start wal2json with include-timestamp"
            )
        at = read_moment(_read_timestamp, transaction["timestamp"], "`timestamp`")[0]
        before = _values(row["identity"], "identity") if row.get("identity") is not None else {}
        if _DONE[action] == "delete":
            if not before:
                raise Undecodable("a delete without its replica identity: give the table a primary key")
            written = Written("delete", before, key=frozenset(before))
        else:
            written = Written(_DONE[action], _values(row.get("columns"), "columns"), before)
        order = None if lsn is None else (_number(lsn), number)
        # A message of format 1 is a whole transaction, so they come in their order.
        ordered = row is not transaction
        return changes(mapping, written, at, self.name, message, order, ordered=ordered)


def read_feed(name: str, node: Node) -> Wal2JsonFeed:
    """Raises Problem."""
    node.keys("time", required=("format", "topic", "records"))
    values = PlainValues(read_time_format(node.get("time")), _INFINITIES)
    topic = node["topic"].text(example="the name of a topic")
    return Wal2JsonFeed(name, topic, read_records(node["records"], values))


def _as_second(row: Row) -> Row:
    """A row of format 1 as one of format 2."""
    kind = row.get("kind")
    old = row.get("oldkeys")
    return {
        **row,
        "action": _KINDS.get(kind, kind) if isinstance(kind, str) else kind,
        "columns": (row.get("columnnames"), row.get("columnvalues")),
        "identity": (old.get("keynames"), old.get("keyvalues")) if isinstance(old, dict) else None,
    }


def _values(columns: Any, what: str) -> Row:
    try:
        if not isinstance(columns, tuple):
            columns = [each["name"] for each in columns], [each["value"] for each in columns]
        row = dict(zip(*columns, strict=True))
    except (LookupError, TypeError, ValueError):
        row = {None: None}
    if not all(isinstance(name, str) for name in row):
        raise Undecodable(f"`{what}` is not a list of columns with names and values")
    return row


def _number(lsn: Any) -> int:
    place = _lsn(lsn) if isinstance(lsn, str) else None
    if place is None:
        raise Undecodable(f"the lsn {shown(lsn)} is not of the form 0/27D97E0")
    return int(place[1], 16) << 32 | int(place[2], 16)
