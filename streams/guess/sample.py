"""The sample of a feed: the first rows or messages of a file, and what format they are."""

import base64
import zlib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from streams.feeds import Brings, Message, PassedOver, Rows, Undecodable
from streams.feeds.debezium import UNAVAILABLE
from streams.feeds.files import FileProblem, read_messages
from streams.feeds.values import parse
from streams.guess.columns import Column
from streams.guess.propose import Proposal, Table, propose_debezium, propose_rows

MOST = 5_000
"""Rows or messages that are looked at."""

_HEAD = 1 << 16
_JSON = {".json", ".jsonl", ".ndjson"}
_DECIMAL = "org.apache.kafka.connect.data.Decimal"

_UNKNOWN = (UNAVAILABLE, "infinity", "-infinity")

# What the messages of other formats have at their top.
_OTHERS = {
    "cloudevents": {"specversion", "type"},
    "hubspot": {"subscriptionType", "objectId"},
    "salesforce": {"ChangeEventHeader"},
    "dataverse": {"PrimaryEntityName", "MessageName"},
    "zendesk": {"zendesk_event_version"},
    "maxwell": {"database", "table", "type", "data"},
    "wal2json": {"action", "table"},
    "airbyte": {"_airbyte_data"},
    "fivetran": {"_fivetran_synced"},
}


class _Anything:
    """Stands for a feed of which only the way to read its files is known."""

    name = "sample"
    topic = ""
    kinds: Mapping[str, Brings] = {}

    def __init__(self, rows: Rows | None) -> None:
        self.rows = rows

    def decode(self, message: Message) -> PassedOver:
        return PassedOver("a sample")


def is_json(path: Path) -> bool:
    """Whether the file's name says that it holds messages rather than rows."""
    return bool(_JSON & set(path.suffixes))


def propose(path: Path, *, messages: bool) -> Proposal:
    """A configuration for the feed that `path` is a sample of.

    Raises FileProblem where it cannot be read, or has nothing that a configuration can be made of.
    """
    return _of_messages(path) if messages else _of_rows(path)


def _of_rows(path: Path) -> Proposal:
    delimiter = _delimiter(path)
    form = Rows(frozenset(), frozenset(), delimiter)
    cells: list[Any] = []
    for message in islice(read_messages(_Anything(form), path), MOST):
        row = parse(message.value or b"", "row")
        if isinstance(row, dict):
            cells.append(row)
    if not cells:
        raise FileProblem(path, 0, "there are no rows under a header", "Give some rows of the export")
    header = list(cells[0])
    rows = [list(row.values()) for row in cells]
    return propose_rows(_name(path.name.partition(".")[0]), header, rows, delimiter)


def _delimiter(path: Path) -> str:
    """The one that the first line has most of; what cannot be read here, its reader will say."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except (OSError, zlib.error):
        return ","
    first = head.partition(b"\n")[0].decode("utf-8", "replace")
    return max((",", ";", "\t", "|"), key=first.count)


def _of_messages(path: Path) -> Proposal:
    rows: dict[str, list[dict[str, Any]]] = {}
    keys: dict[str, list[str]] = {}
    others: set[str] = set()
    for message in islice(read_messages(_Anything(None), path), MOST):
        value, schema = _unwrapped(message.value)
        if not _is_event(value):
            others |= {
                name for name, has in _OTHERS.items() if isinstance(value, dict) and has <= value.keys()
            }
            continue
        row = value["after"] if isinstance(value.get("after"), dict) else None
        if row is None:
            continue
        rows.setdefault(message.topic, []).append(_decimals_read(row, schema))
        key, _ = _unwrapped(message.key)
        if isinstance(key, dict) and key and key.keys() <= row.keys():
            keys.setdefault(message.topic, list(key))
    if not rows:
        looks = f": they look like `format: {min(others)}`" if others else ""
        raise FileProblem(
            path,
            0,
            f"no message is a change event of Debezium{looks}",
            "A proposal is made for CSV and for Debezium's own events; write other feeds by hand",
        )
    tables: dict[str, Table] = {}
    for topic, each in rows.items():
        header = list(dict.fromkeys(column for row in each for column in row))
        columns = [Column(name, [_known(row.get(name)) for row in each]) for name in header]
        name = _name(topic.rpartition(".")[2])
        taken = {table.name for table in tables.values()}
        tables[topic] = Table(name if name not in taken else _name(topic), columns, keys.get(topic, ()))
    return propose_debezium(tables)


def _known(value: Any) -> Any:
    return None if value in _UNKNOWN else value


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("source"), dict) and "op" in value


def _unwrapped(data: bytes | None) -> tuple[Any, Any]:
    """The JSON in `data` without its schema, and the schema."""
    try:
        value = parse(data or b"null", "message")
    except Undecodable:
        return None, None
    if isinstance(value, dict) and value.keys() == {"schema", "payload"}:
        return value["payload"], value["schema"]
    return value, None


def _decimals_read(row: dict[str, Any], schema: Any) -> dict[str, Any]:
    """`row` with the decimals as texts, where a schema says their scale."""
    try:
        (after,) = (each for each in schema["fields"] if each["field"] == "after")
        scales = {
            each["field"]: int(each["parameters"]["scale"])
            for each in after["fields"]
            if each.get("name") == _DECIMAL
        }
        read = {
            name: f"{int.from_bytes(base64.b64decode(row[name]), signed=True)}e{-scale}"
            for name, scale in scales.items()
            if isinstance(row.get(name), str)
        }
    except (LookupError, TypeError, ValueError, AttributeError):
        return row
    return {**row, **read}


def _name(text: str) -> str:
    """`text` as the name of a feed."""
    return "".join(each if each.isalnum() or each in "_-" else "_" for each in text) or "sample"
