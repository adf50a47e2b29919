"""Rows that Airbyte has written to Kafka: `format: airbyte`.

    crm:
      format: airbyte
      topic: airbyte.crm
      records:
        tickets: {kind: ticket, id: id, stage: status, owner: assignee_id}    # by the stream

With change data capture, `at` is `_ab_cdc_updated_at`, the order token the `_ab_cdc_lsn`, and a row whose
`_ab_cdc_deleted_at` is set is a delete. Other streams say which column tells when a row has changed,
`at: updated_at`; or `at: _airbyte_emitted_at`, when Airbyte has read it. Their order token is that
time, then when Airbyte has read the row. `order` names other columns of whole numbers instead.

    at: updated_at
    time: {zone: UTC}                       # as in streams/feeds/times.py; by default ISO 8601 with an offset

The key of a message is random, so the rows of one record may come in any order, and those of a table of
messages have no order token. Airbyte does not tell an insert from an update: a row that has a text says
it each time it comes.
"""

from collections.abc import Mapping
from typing import Any

from streams.core.document import Node
from streams.core.entries import Change, Operation
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.mapping import MappedFeed, RecordMapping, read_records
from streams.feeds.reading import MESSAGE_DELETED, change, read_columns, read_moment, whole
from streams.feeds.times import PlainValues, ReadTime, read_time_format
from streams.feeds.values import listed, parse, read_column, shown

_UPDATED, _DELETED, _LSN = "_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_lsn"
_EMITTED = ("_airbyte_emitted_at", "_airbyte_extracted_at")


class AirbyteFeed(MappedFeed):
    def __init__(
        self,
        name: str,
        topic: str,
        mappings: Mapping[str, RecordMapping],
        read_time: ReadTime,
        read_emitted: ReadTime,
        at: str,
        order: tuple[str, ...],
    ) -> None:
        super().__init__(name, topic, mappings)
        self._read_time = read_time
        self._read_emitted = read_emitted
        self._at = at
        self._order = order

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a value")
        envelope = parse(message.value, "value")
        if not isinstance(envelope, dict) or "_airbyte_data" not in envelope:
            there = listed(envelope) if isinstance(envelope, dict) else shown(envelope)
            raise Undecodable(f"there is no `_airbyte_data`: not a message of Airbyte's; there are: {there}")
        stream = envelope.get("_airbyte_stream")
        mapping = self._mappings.get(stream) if isinstance(stream, str) else None
        if mapping is None:
            return PassedOver(f"a row of the stream {shown(stream)}, for which there is no record")
        row = envelope["_airbyte_data"]
        if isinstance(row, str):
            # Destinations without a type for it keep the row as text.
            row = parse(row.encode(errors="replace"), "`_airbyte_data`")
        if not isinstance(row, dict):
            raise Undecodable(f"`_airbyte_data` is {shown(row)}, not a row")
        deleted = row.get(_DELETED) is not None
        if deleted and mapping.saying is not None:
            return MESSAGE_DELETED
        emitted = read_moment(self._read_emitted, _emitted(envelope), "`_airbyte_emitted_at`")
        if self._at in _EMITTED:
            at = emitted
        else:
            column = _DELETED if deleted else self._at
            if row.get(column) is None:
                raise Undecodable(
                    f"there is no {column!r}, the time of the change: of a stream without change data "
                    f"capture say which column it is, `at: updated_at`; there are: {listed(row)}"
                )
            at = read_moment(self._read_time, row[column], f"column {column!r}")
        order: tuple[int, ...] = at[1], emitted[1]
        if self._order:
            order = tuple(whole(row.get(column), column) for column in self._order)
        op: Operation = "delete" if deleted else "upsert"
        return [change(mapping, row, op, at[0], self.name, message, order, unordered=True)]


def read_feed(name: str, node: Node) -> AirbyteFeed:
    """Raises Problem."""
    node.keys("at", "time", "order", required=("format", "topic", "records"))
    read_time = read_time_format(node.get("time"))
    at = read_column(node["at"]) if node.has("at") else _UPDATED
    return AirbyteFeed(
        name,
        node["topic"].text(example="the name of a topic"),
        read_records(node["records"], PlainValues(read_time)),
        read_time,
        read_time_format(Node({"unit": "ms", "zone": "UTC"})),
        at,
        read_columns(node, "order") or ((_LSN,) if at == _UPDATED else ()),
    )


def _emitted(envelope: dict[str, Any]) -> Any:
    return next((envelope[name] for name in _EMITTED if envelope.get(name) is not None), None)
