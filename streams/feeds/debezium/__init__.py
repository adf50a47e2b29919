"""Debezium's change events: `format: debezium`. docs/feeds-debezium.md has every shape and its traps.

    tickets:
      format: debezium
      topic: helpdesk.public.ticket
      record: {kind: ticket, id: id, owner: assignee_id, created: created_at, ...}
      unavailable: __debezium_unavailable_value     # the connector's unavailable.value.placeholder
      unwrapped: {...}                              # rows without the envelope: unwrapped.py
      registry: http://registry:8081                # Avro: streams/feeds/registry.py

Times. A `timestamptz` comes as text with an offset and is read as it is. A `timestamp` without
zone comes as a bare number or text whose meaning only the database's users know; it takes a
zone, and a number without schema takes what it counts as well (days, s, ms, us or ns):

    created: {field: opened_local, unit: us, zone: Europe/Berlin}

`time.precision.mode: isostring` writes such a column with a Z it does not mean. A schema tells;
without one say `{field: opened_local, offset: ignore, zone: Europe/Berlin}`.

Numbers. A `numeric(p,s)` in the connector's `precise` mode is base64 whose scale is in the schema;
without one say `value: {field: arr, scale: 2}`.

A row's time is the commit of its transaction; a snapshot's is the snapshot's own. A delete is read
from its key alone: under REPLICA IDENTITY DEFAULT all else in `before` is invented.

Messages. An event brings the whole row, so an update repeats a text that was said long ago: with
`said`, a row says something when it is inserted or a snapshot reads it, and never after that. Such
a row has no order token: a later message does not replace it. Where the key of a table is not the
`id` of the record, as in a table of comments, what is deleted is the comment and not the record.
"""

from streams.core.document import Node
from streams.feeds.debezium.envelope import Envelopes
from streams.feeds.debezium.feed import DebeziumFeed
from streams.feeds.debezium.unwrapped import Unwrapped, read_unwrapped
from streams.feeds.debezium.values import DebeziumValues as DebeziumValues
from streams.feeds.mapping import read_mapping
from streams.feeds.registry import read_registry

UNAVAILABLE = "__debezium_unavailable_value"


def read_feed(name: str, node: Node) -> DebeziumFeed:
    """Raises Problem."""
    node.keys("unavailable", "unwrapped", "registry", required=("format", "topic", "record"))
    word = UNAVAILABLE
    if node.has("unavailable"):
        word = node["unavailable"].text(example=f"the connector's placeholder, such as {UNAVAILABLE}")
        if not word.isascii() or not word.isprintable() or '"' in word or "\\" in word:
            # It is looked for in the bytes of the message, where JSON writes these otherwise.
            node["unavailable"].fail(
                f"the placeholder {word!r} has characters that JSON escapes", "Write plain letters and digits"
            )
    topic = node["topic"].text(example="the name of a topic")
    mapping = read_mapping(node["record"], DebeziumValues())
    shape: Envelopes | Unwrapped = Envelopes(mapping.columns)
    if node.has("unwrapped"):
        shape = read_unwrapped(node["unwrapped"], mapping.columns)
        if mapping.saying is not None and not shape.tells_operation:
            node["unwrapped"].fail(
                "an update repeats what was said long ago, and nothing tells which rows are updates",
                "Add `operation: __op`, and `op` to the transform's add.fields",
                key=True,
            )
    unframe = None
    if node.has("registry"):
        registry = read_registry(node["registry"])
        # Few feeds are Avro, and it takes its time to load.
        from streams.feeds.debezium.avro import AvroReader

        unframe = AvroReader(registry, mapping.columns)
    return DebeziumFeed(name, topic, mapping, shape, word, unframe)
