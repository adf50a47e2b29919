"""A feed that brings rows which records refer to, or records that refer to such rows.

Its format reads both as changes; what is a row becomes a `Reference` here, and each field of a record that
is a key says where its value is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from streams.core.document import Node, Problems, did_you_mean
from streams.core.entries import Change, Fact, Lookup, Reference
from streams.core.tables import text
from streams.feeds import Feed, Format, Message, PassedOver, Rows
from streams.feeds.mapping import TABLE


class WithReferences:
    """`feed`, whose kinds may be tables. `tables`: the columns of those it brings, by their names."""

    def __init__(self, feed: Format) -> None:
        self.name = feed.name
        self.topic = feed.topic
        self.rows: Rows | None = feed.rows
        self.kinds = {kind: each for kind, each in feed.kinds.items() if not kind.startswith(TABLE)}
        self.tables = {
            kind.removeprefix(TABLE): each.fields
            for kind, each in feed.kinds.items()
            if kind.startswith(TABLE)
        }
        self._feed = feed

    def decode(self, message: Message) -> Sequence[Fact] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        decoded = self._feed.decode(message)
        if isinstance(decoded, PassedOver):
            return decoded
        return [self._fact(change) for change in decoded]

    def _fact(self, change: Change) -> Fact:
        if change.record.startswith(TABLE):
            return _reference(change)
        kind = change.record.partition(":")[0]
        lookups = _lookups(change, self.kinds[kind].lookups) if kind in self.kinds else {}
        return msgspec.structs.replace(change, lookups=lookups) if lookups else change


def with_references(feed: Format) -> Feed:
    """`feed`, or one that reads its tables and lookups, where it has any."""
    asked = any(kind.startswith(TABLE) or each.lookups for kind, each in feed.kinds.items())
    return WithReferences(feed) if asked else feed


def tables(feeds: Iterable[Feed]) -> dict[str, frozenset[str]]:
    """The columns of all tables that the feeds bring, by their names."""
    return {
        name: columns
        for feed in feeds
        if isinstance(feed, WithReferences)
        for name, columns in feed.tables.items()
    }


def check_tables(root: Node, feeds: Mapping[str, Feed], problems: Problems, *, with_customers: bool) -> None:
    """Whether what the configuration looks up is there. `feeds`: every one of it, as `with_references` gave
    them; with_customers: whether customers are to have records of their own."""
    known = tables(feeds.values())
    brought: dict[str, str] = {}
    for name, feed in root["feeds"].items():
        for record in _records(feed):
            with problems.collect():
                if record.has("table"):
                    table = record["table"].text()
                    if (first := brought.setdefault(table, name)) != name:
                        record["table"].fail(
                            f"the table {table!r} is brought by two feeds, {first!r} and {name!r}",
                            "Take it out of one of them",
                        )
            with problems.collect():
                if with_customers and record.has("customer") and record["customer"].has("lookup"):
                    record["customer"]["lookup"].fail(
                        "customers have records of their own here, by what the feed calls them",
                        "Take `lookup` out, or the paths `about: customer`, or bring the value in `fields`",
                        key=True,
                    )
            for lookup in _written_lookups(record):
                with problems.collect():
                    _check_lookup(lookup, known)
    with problems.collect():
        people = root.get("people")
        if people is not None and (named := people.get("from")) and isinstance(named.value, str):
            _check_table(named, named.value, known)


def _records(feed: Node) -> Iterator[Node]:
    if feed.has("record"):
        yield feed["record"]
    elif feed.has("records"):
        yield from (record for _, record in feed["records"].items())


def _written_lookups(record: Node) -> Iterator[Node]:
    fields = record.get("fields")
    extras = [each for _, each in fields.items()] if fields and isinstance(fields.value, dict) else []
    for each in (*(each for _, each in record.items()), *extras):
        if each.has("lookup"):
            yield each["lookup"]


def _check_lookup(node: Node, known: Mapping[str, frozenset[str]]) -> None:
    table, _, column = node.text().partition(".")
    _check_table(node, table, known)
    if column not in known[table]:
        columns = sorted(known[table])
        node.fail(
            f"the table {table!r} has no column {column!r}",
            f"{did_you_mean(column, columns)}Its columns: {', '.join(columns)}",
        )


def _check_table(node: Node, table: str, known: Mapping[str, frozenset[str]]) -> None:
    if table not in known:
        node.fail(
            f"no feed brings a table {table!r}",
            f"{did_you_mean(table, known)}Known tables: {', '.join(known) or 'none yet'}; a feed brings one "
            f"by record: {{table: {table}, key: COLUMN, columns: {{...}}}}",
        )


def _reference(change: Change) -> Reference:
    _, table, key = change.record.split(":", 2)
    return Reference(
        table=table,
        key=key,
        at=change.at,
        feed=change.feed,
        source=change.source,
        order=change.order,
        values=None if change.op == "delete" else change.fields,
    )


def _lookups(change: Change, lookups: Mapping[str, Lookup]) -> dict[str, Lookup]:
    fields = change.fields
    return {
        name: msgspec.structs.replace(lookup, key=text(fields[name]))
        for name, lookup in lookups.items()
        if fields.get(name) is not None
    }
