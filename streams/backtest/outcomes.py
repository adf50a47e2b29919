"""Outcomes: what went bad in the end, which a path should have told before.

    outcomes:
      breached:
        about: ticket
        feed: incidents                 # the rows of this feed; or file: churn.csv
        bad: {made_sla: "false"}        # columns and what they hold then; all must
        at: closed_at                   # when it had gone bad; by default the time of the row
        cost: {field: amount}
        paths: [resolution-sla]         # by default all about that kind

An outcome is read from the raw columns of rows, also from those that the feed withholds, by a feed of
its own that shares nothing but the format with the one the engine reads. So nothing of it can reach a
decision. The last row of a record decides; with `decides: first_bad_row`, the first that is bad.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from streams.core.conditions import Where, holds, read_where
from streams.core.document import Node, did_you_mean
from streams.core.entries import Change
from streams.core.record import Record
from streams.core.rules import Rules
from streams.core.timestamps import from_rfc3339, micros
from streams.feeds import Feed, Message, PassedOver, Undecodable
from streams.feeds.formats import read_feed
from streams.feeds.values import number, read_column

DECIDES = ("last_row", "first_bad_row")

_KEYS = ("feed", "file", "id", "at", "time", "null", "delimiter", "cost", "decides", "paths")
_OF_FILES = ("time", "null", "delimiter")

_COST = "cost"
# The one moment of a record that need not have come when a row tells it.
_AT = "planned"


class Bad(msgspec.Struct, frozen=True, gc=False):
    """That a record went bad: `at`, in microseconds UTC, and what it was worth, if that is known."""

    at: int
    cost: float | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What counts as bad for records of one kind.

    rows: reads the raw rows. feed: the name of the feed whose files or topic hold them; None where they
    are in `file`. bad: what the raw columns must be. first: whether the first bad row decides, not the last
    row. paths: names of those that should tell it.
    """

    name: str
    about: str
    rows: Feed
    feed: str | None
    file: Path | None
    bad: Where
    first: bool
    paths: frozenset[str]


class Known(msgspec.Struct):
    """What `look_up` found. `bad`: by record, those that went bad. `records`: all that the rows are about.
    `undecodable`: how many rows could not be read; `reason`: why the first of them."""

    bad: dict[str, Bad]
    records: frozenset[str] = frozenset()
    undecodable: int = 0
    reason: str = ""


def look_up(outcome: Outcome, messages: Iterable[Message]) -> Known:
    """What became of the records in `messages`, which may come in any order.

    Raises FileProblem when a file cannot be read.
    """
    latest: dict[str, tuple[Any, Bad | None]] = {}
    known = Known({})
    for change in _rows(outcome.rows, messages, known):
        order = (change.at, change.order or ())
        before = latest.get(change.record)
        if before is not None:
            if outcome.first and before[1] is not None and before[0] <= order:
                continue
            if not outcome.first and order < before[0]:
                continue
        bad = _judge(outcome, change, known)
        if outcome.first and bad is None and before is not None:
            continue
        latest[change.record] = (order, bad)
    known.records = frozenset(latest)
    known.bad = {record: bad for record, (_, bad) in latest.items() if bad is not None}
    return known


def _rows(feed: Feed, messages: Iterable[Message], known: Known) -> Iterator[Change]:
    for message in messages:
        try:
            decoded = feed.decode(message)
        except Undecodable as error:
            known.undecodable += 1
            known.reason = known.reason or str(error)
            continue
        if not isinstance(decoded, PassedOver):
            # What is deleted has no row that could say how it ended.
            yield from (each for each in decoded if isinstance(each, Change) and each.op != "delete")


def _judge(outcome: Outcome, change: Change, known: Known) -> Bad | None:
    at = micros(change.at)
    row = Record(key=change.record, at=at, created=at, touched=at, entered=at, fields=change.fields)
    if not holds(outcome.bad, row):
        return None
    stated, cost = change.fields.get(_AT), change.fields.get(_COST)
    try:
        worth = None if cost is None else number(cost)
    except ValueError as error:
        known.undecodable += 1
        known.reason = known.reason or f"the cost of {change.record}: {error}"
        worth = None
    return Bad(at if stated is None else from_rfc3339(stated), worth)


def read_outcome(
    name: str, node: Node, written: Node, feeds: Mapping[str, Feed], rules: Rules, folder: Path
) -> Outcome:
    """One of the configuration's `outcomes`. Raises Problem.

    `written` is what the configuration says of the `feeds`. A file is named relative to `folder`.
    """
    node.keys(*_KEYS, required=("about", "bad"))
    about = node["about"].text(example="ticket")
    if node.has("feed") == node.has("file"):
        node.fail(f"{name!r} does not say where it is read from", "Add either `feed: NAME` or `file: NAME`")
    bad = _Columns(node["bad"].value, node["bad"].position)
    where = read_where(bad)
    if not where.parts:
        node["bad"].fail("everything would be bad", 'Name a column and what it is then: {made_sla: "false"}')
    columns = bad.columns()
    if cost := node.get("cost"):
        cost.keys(required=("field",))
        columns[_COST] = read_column(cost["field"])
    record = {"kind": about, "fields": columns}
    feed = file = None
    if node.has("feed"):
        feed = node["feed"].text(example="the name of a feed")
        rows = _rows_of_feed(name, node, record, written, feeds)
    else:
        file = folder / node["file"].text(example="churn.csv")
        rows = _rows_of_file(name, node, record)
    decides = node.get("decides")
    return Outcome(
        name,
        about,
        rows,
        feed,
        file,
        where,
        decides is not None and decides.choice(*DECIDES) == "first_bad_row",
        _read_paths(node, about, rules),
    )


class _Columns(Node):
    """A mapping of columns, which may be called as a field that every record has: `status`, `value`."""

    def items(self) -> Iterator[tuple[str, Node]]:
        for column, node in super().items():
            yield _alias(column), node

    def columns(self) -> dict[str, str]:
        return {_alias(column): column for column, _ in super().items()}


def _alias(column: str) -> str:
    return f"column {column}"


def _rows_of_feed(
    name: str, node: Node, record: dict[str, Any], written: Node, feeds: Mapping[str, Feed]
) -> Feed:
    """The feed that the outcome names, but of other columns and with none withheld."""
    feed = node["feed"].text()
    if feed not in feeds:
        hint = did_you_mean(feed, feeds)
        node["feed"].fail(f"there is no feed {feed!r}", f"{hint}Known: {', '.join(feeds)}")
    for key in _OF_FILES:
        if node.has(key):
            node[key].fail(f"the feed {feed!r} says this already", "Take it out", key=True)
    if record["kind"] not in feeds[feed].kinds:
        there = ", ".join(feeds[feed].kinds)
        node["about"].fail(f"the feed {feed!r} brings no {record['kind']}", f"Kinds it brings: {there}")
    said = written[feed].value
    if "record" not in said:
        node["feed"].fail(
            f"the feed {feed!r} has `records` of several kinds, and no rows with columns",
            "Write what became of them into a CSV file, and name that as `file`",
        )
    record["id"] = node["id"].value if node.has("id") else said["record"]["id"]
    if node.has("at"):
        record[_AT] = node["at"].value
    kept = {key: value for key, value in said.items() if key != "withhold"}
    return read_feed(name, Node(kept | {"record": record}, node.position))


def _rows_of_file(name: str, node: Node, record: dict[str, Any]) -> Feed:
    for key in ("id", "at"):
        if not node.has(key):
            node.fail(f"{name!r} lacks {key!r}, which a file needs", f"Add a line `{key}: COLUMN`", key=True)
    said = {key: node.value[key] for key in ("at", *_OF_FILES) if node.has(key)}
    record["id"] = node["id"].value
    raw = {"format": "csv", "time": {"format": "iso"}, **said, "record": record}
    return read_feed(name, Node(raw, node.position))


def _read_paths(node: Node, about: str, rules: Rules) -> frozenset[str]:
    mine = [path.name for path in rules.about(about)]
    if not node.has("paths"):
        return frozenset(mine)
    written, kinds = rules.document["paths"], {path.name: path.about for path in rules.paths}
    names = []
    for each in node["paths"].one_or_many():
        name = each.text(example="the name of a path")
        if name not in written:
            hint = did_you_mean(name, written)
            each.fail(f"there is no path {name!r}", f"{hint}Known: {', '.join(written)}")
        if kinds.get(name, about) != about:
            each.fail(f"{name!r} is about a {kinds[name]}, not a {about}", f"Write: {', '.join(mine)}")
        names.append(name)
    return frozenset(names)
