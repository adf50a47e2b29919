"""The formats a feed may have, by the name the configuration uses."""

from collections.abc import Callable

from streams.core.document import Node
from streams.feeds import Feed, csv, debezium

FORMATS: dict[str, Callable[[str, Node], Feed]] = {
    "csv": csv.read_feed,
    "debezium": debezium.read_feed,
}


def read_feed(name: str, node: Node) -> Feed:
    """One of the configuration's `feeds`. Raises Problem."""
    if not node.has("format"):
        remedy = f"Add a line `format: ...`, one of {', '.join(FORMATS)}"
        node.fail(f"{name!r} lacks 'format'", remedy, key=True)
    return FORMATS[node["format"].choice(*FORMATS)](name, node)
