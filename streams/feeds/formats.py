"""The formats a feed may have, by the name the configuration uses."""

from collections.abc import Callable, Mapping
from typing import Any

from streams.core.document import Node
from streams.feeds import (
    Format,
    airbyte,
    cloudevents,
    csv,
    dataverse,
    debezium,
    fivetran,
    hubspot,
    json,
    maxwell,
    salesforce,
    wal2json,
    zendesk,
)
from streams.feeds.mapping import Defaults, with_defaults
from streams.feeds.registry import read_registry

FORMATS: dict[str, Callable[[str, Node], Format]] = {
    "airbyte": airbyte.read_feed,
    "cloudevents": cloudevents.read_feed,
    "csv": csv.read_feed,
    "dataverse": dataverse.read_feed,
    "debezium": debezium.read_feed,
    "fivetran": fivetran.read_feed,
    "hubspot": hubspot.read_feed,
    "json": json.read_feed,
    "maxwell": maxwell.read_feed,
    "salesforce": salesforce.read_feed,
    "wal2json": wal2json.read_feed,
    "zendesk": zendesk.read_feed,
}

DEFAULTS: Mapping[str, Defaults] = {
    "dataverse": dataverse.DEFAULTS,
    "hubspot": hubspot.DEFAULTS,
    "salesforce": salesforce.DEFAULTS,
    "zendesk": zendesk.DEFAULTS,
}


def read_feed(name: str, node: Node) -> Format:
    """One of the configuration's `feeds`. Raises Problem."""
    if not node.has("format"):
        remedy = f"Add a line `format: ...`, one of {', '.join(FORMATS)}"
        node.fail(f"{name!r} lacks 'format'", remedy, key=True)
    read = FORMATS[node["format"].choice(*FORMATS)]
    if not node.has("registry") or read is debezium.read_feed:
        return read(name, node)
    # Few feeds are Avro, and it takes its time to load.
    from streams.feeds.avro import AvroFeed

    registry = read_registry(node["registry"])
    rest = {key: value for key, value in node.value.items() if key != "registry"}
    return AvroFeed(read(name, Node(rest, node.position)), registry)


def written_records(feed: Mapping[str, Any]) -> list[Any]:
    """What a feed of the configuration has as `record`, or as each of its `records`, defaults included;
    without those that are rows of tables."""
    defaults = DEFAULTS.get(feed["format"], {})
    records = [with_defaults(str(name), record, defaults) for name, record in feed.get("records", {}).items()]
    return [record for record in records or [feed["record"]] if "table" not in record]
