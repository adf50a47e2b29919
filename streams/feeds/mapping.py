"""The `record` of a feed: which columns of its rows are which fields of a change.

    record:
      kind: ticket
      id: id                                  # or [first, second], joined by "/"
      owner: assignee_id
      stage: {field: status, paused: [pending], closed: [solved, closed]}
      priority: {field: priority, values: {1: urgent, 2: high}}
      value: {field: amount, currency: currency_code}     # or currency: {always: EUR}
      created: created_at
      merged: merged_into                     # the id of the record that this one has become part of
      by: {field: author_role, person: [agent], customer: [end-user]}
      said: {text: body, channel: via}
      fields: [subject, tier]                 # or {name: COLUMN}

A column that a row lacks gives no field: it is unchanged. A null gives None. docs/mapping.md has
all keys.

Rows that are no records but what records refer to, and a field that is a key of such a row:

    record: {table: stages, key: id, columns: {label: name}}
    record: {kind: deal, id: id, stage: {field: stage_id, lookup: stages.label}}

A feed that tells of several kinds of object has `records` instead, by what it calls each:

    records:
      Opportunity: {kind: deal, id: Id, owner: OwnerId}
      Case: {kind: ticket, id: Id, owner: OwnerId, stage: {field: Status, closed: [Closed]}}
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from streams.core.document import Node
from streams.core.entries import Lookup
from streams.core.record import FACTS, MOMENTS
from streams.feeds import EVERY, Brings, Undecodable
from streams.feeds.said import Saying, Writer, read_flag, read_saying, read_writer
from streams.feeds.values import Reader, Row, Values, count, listed, plain_reader, read_column, text_reader

TEXTS = ("owner", "priority", "customer")
RESERVED = FACTS | frozenset(MOMENTS)

TABLE = ":"
"""What a row of a table is decoded as: a change of a kind that no record can have, this and its name."""

# Columns of tables that are more than plain values, for what they say of people.
_FLAGS = ("active", "away")
_DAYS = ("away_from", "away_until")

# What `streams.core.customers` gives to the change of a customer's record.
_OF_CUSTOMERS = ("issue", "issue_status", "visit")
_ANSWERED = frozenset({"asked", "responded", "replied"})


class RecordMapping:
    """Reads rows. `columns`: those it reads; `fields`: the names of the fields it can give.

    writer and saying read who did it and what was said, None where the mapping does not ask for that.
    lookups: where the values of fields are that are read as keys.
    """

    def __init__(
        self,
        kind: str,
        id_columns: tuple[str, ...],
        plan: list[tuple[str, str, Reader]],
        statuses: dict[str, str] | None,
        currency: str | None,
        text: Reader,
        writer: Writer | None = None,
        saying: Saying | None = None,
        lookups: Mapping[str, Lookup] = MappingProxyType({}),
    ) -> None:
        self.kind = kind
        self.lookups = lookups
        self.id_columns = id_columns
        self.columns = frozenset(id_columns) | {column for _, column, _ in plan}
        self.fields = frozenset(name for name, _, _ in plan)
        if statuses is not None:
            self.fields |= {"status"}
        if currency is not None:
            self.fields |= {"currency"}
        if writer is not None:
            self.columns |= {writer.column}
        if saying is not None:
            self.columns |= {column for column, _ in saying.columns.values()}
        self.writer = writer
        self.saying = saying
        self._plan = tuple(plan)
        self._statuses = statuses
        self._currency = currency
        self._text = text

    def brings(self) -> Brings:
        if self.kind.startswith(TABLE):
            return Brings(self.fields, frozenset())
        fields, facts = self.fields | EVERY, set()
        if self.writer is not None:
            facts.add("by")
        if self.saying is not None:
            facts.add("heard")
            if self.writer is not None:
                fields |= _ANSWERED
        if "contacts" in fields:
            fields |= {"asked"}
        return Brings(fields, fields | facts, self.lookups)

    def record(self, row: Row) -> str:
        """The record of `row`, `kind:id`. Raises Undecodable."""
        parts = []
        for column in self.id_columns:
            value = row.get(column)
            if value is None or value == "":
                if column in row:
                    raise Undecodable(f"the id column {column!r} is empty")
                raise Undecodable(f"there is no id column {column!r}; there are: {listed(row)}")
            try:
                parts.append(value if type(value) is str else self._text(value))
            except ValueError as error:
                raise Undecodable(f"the id column {column!r}: {error}") from None
        return f"{self.kind}:{parts[0] if len(parts) == 1 else '/'.join(parts)}"

    def read(self, row: Row) -> dict[str, Any]:
        """The fields of `row`, as `Change.fields` has them. Raises Undecodable."""
        fields: dict[str, Any] = {}
        name = column = ""
        try:
            for name, column, reader in self._plan:
                if column in row:
                    value = row[column]
                    fields[name] = None if value is None else reader(value)
        except (ValueError, ArithmeticError) as error:
            raise Undecodable(f"{name}, column {column!r}: {error}") from None
        if self._statuses is not None and "stage" in fields:
            fields["status"] = self._statuses.get(fields["stage"], "open")
        if self._currency is not None and "value" in fields:
            fields["currency"] = self._currency
        return fields


def read_mapping(node: Node, values: Values) -> RecordMapping:
    """Compiles the `record` of a feed. Raises Problem."""
    if node.has("table"):
        return _read_table(node, values)
    node.keys(
        *TEXTS,
        *MOMENTS,
        "merged",
        "stage",
        "value",
        "health",
        "contacts",
        "by",
        "said",
        "fields",
        required=("kind", "id"),
    )
    kind = node["kind"].text(example="the kind of record, such as ticket")
    if ":" in kind:
        node["kind"].fail(f"{kind!r} has a colon", "A record is named `kind:id`: write a plain word")
    id_columns = tuple(read_column(each) for each in node["id"].one_or_many())
    if not id_columns:
        node["id"].fail("`id` names no column", "Write a column, or several: [first, second]")
    text = text_reader(values.unpack)
    plan: list[tuple[str, str, Reader]] = []
    statuses: dict[str, str] | None = None
    currency: str | None = None
    lookups: dict[str, Lookup] = {}
    plan.extend((name, *_read_text(name, node[name], text, lookups)) for name in TEXTS if node.has(name))
    if node.has("stage"):
        plan.append(("stage", *_read_text("stage", node["stage"], text, lookups, "paused", "closed")))
        statuses = _read_statuses(node["stage"])
        if "stage" in lookups:
            lookups["stage"] = msgspec.structs.replace(lookups["stage"], statuses=statuses)
    plan.extend((name, *values.moment(node[name])) for name in MOMENTS if node.has(name))
    if node.has("merged"):
        plan.append(("merged", read_column(node["merged"]), _merged_reader(kind, text)))
    if node.has("value"):
        plan.append(("value", *values.number(node["value"], "currency")))
        if named := node["value"].get("currency"):
            if isinstance(named.value, dict):
                currency = _read_always(named)
            else:
                plan.append(("currency", read_column(named), text))
    if node.has("health"):
        plan.append(("health", *values.number(node["health"])))
    if node.has("contacts"):
        plan.append(("contacts", read_column(node["contacts"]), count))
    if node.has("fields"):
        plain = plain_reader(values.unpack)
        plan.extend((name, column, plain) for name, column in _read_extras(node["fields"], lookups))
    writer = read_writer(node["by"], text) if node.has("by") else None
    saying = read_saying(node["said"], text, values) if node.has("said") else None
    return RecordMapping(kind, id_columns, plan, statuses, currency, text, writer, saying, lookups)


def _read_table(node: Node, values: Values) -> RecordMapping:
    node.keys(required=("table", "key", "columns"))
    name = node["table"].text(example="a name for the table, such as users")
    if ":" in name or "." in name:
        node["table"].fail(f"{name!r} has a colon or a dot", "Write a plain word, such as users")
    key = tuple(read_column(each) for each in node["key"].one_or_many())
    if not key:
        node["key"].fail("`key` names no column", "Write a column, or several: [first, second]")
    text, plain = text_reader(values.unpack), plain_reader(values.unpack)
    plan: list[tuple[str, str, Reader]] = []
    for column, each in node["columns"].items():
        if "." in column:
            each.fail(f"{column!r} has a dot", "Write a plain word, then the row's own column", key=True)
        if column in _FLAGS:
            plan.append((column, *read_flag(each, text)))
        elif column in _DAYS:
            plan.append((column, *values.moment(each)))
        else:
            plan.append((column, read_column(each), plain))
    if not plan:
        node["columns"].fail("`columns` names none", "Name one, and the column of the row: {label: name}")
    return RecordMapping(TABLE + name, key, plan, None, None, text)


Defaults = Mapping[str, Mapping[str, Any]]
"""Keys of a `record` that need not be written, by what the feed calls the object; `*` is any other."""


def read_records(node: Node, values: Values, defaults: Defaults | None = None) -> dict[str, RecordMapping]:
    """Compiles the `records` of a feed, by what the feed calls the object. Raises Problem."""
    mappings = {
        name: read_mapping(Node(with_defaults(name, each.value, defaults or {}), each.position), values)
        for name, each in node.items()
    }
    if not mappings:
        node.fail("`records` names no object", "Name one and its kind: records: {Case: {kind: ticket}}")
    return mappings


def with_defaults(name: str, record: Any, defaults: Defaults) -> Any:
    """What is written for the object `name`, and of the `defaults` for it what is not."""
    if not isinstance(record, dict) or "table" in record:
        return record
    return {**defaults.get(name, defaults.get("*", {})), **record}


class MappedFeed:
    """What the feeds of several kinds of record have in common. `mappings`: by what the feed calls each."""

    rows = None

    def __init__(self, name: str, topic: str, mappings: Mapping[str, RecordMapping]) -> None:
        self.name = name
        self.topic = topic
        self.kinds: Mapping[str, Brings] = brought(mappings.values())
        self._mappings = mappings


def brought(mappings: Iterable[RecordMapping]) -> dict[str, Brings]:
    """What they bring together, by the kind of record."""
    kinds: dict[str, Brings] = {}
    for mapping in mappings:
        brings, known = mapping.brings(), kinds.get(mapping.kind)
        if known is not None:
            brings = Brings(
                known.fields | brings.fields,
                known.facts | brings.facts,
                {**known.lookups, **brings.lookups},
            )
        kinds[mapping.kind] = brings
    return kinds


def _read_text(
    name: str, node: Node, text: Reader, lookups: dict[str, Lookup], *options: str
) -> tuple[str, Reader]:
    column = read_column(node, "values", "lookup", *options)
    if node.has("lookup"):
        lookups[name] = _read_lookup(node["lookup"])
        if node.has("values"):
            node["values"].fail("a table has the values already", "Take `values` out, or `lookup`", key=True)
    if not node.has("values"):
        return column, text
    names = {code: each.text() for code, each in node["values"].items()}

    def renamed(value: Any) -> Any:
        written = text(value)
        return names.get(written, written)

    return column, renamed


def _read_lookup(node: Node) -> Lookup:
    """Where the value is of what a column has the key of."""
    table, dot, column = node.text(example="TABLE.COLUMN, such as stages.label").partition(".")
    if not (table and dot and column):
        node.fail(f"{node.value!r} names no column of a table", "Write TABLE.COLUMN, such as stages.label")
    return Lookup(table, column, "")


def _merged_reader(kind: str, text: Reader) -> Reader:
    def merged(value: Any) -> str | None:
        written = text(value)
        return f"{kind}:{written}" if written else None

    return merged


def _read_statuses(node: Node) -> dict[str, str] | None:
    """Which stages are paused or closed, by the names they have after `values`."""
    if not (node.has("paused") or node.has("closed")):
        return None
    statuses: dict[str, str] = {}
    for status in ("paused", "closed"):
        if node.has(status):
            for each in node[status].one_or_many():
                stage = each.text(example="the name of a stage")
                if statuses.setdefault(stage, status) != status:
                    each.fail(f"the stage {stage!r} is both paused and closed", "Keep it in one of the lists")
    return statuses


def _read_always(node: Node) -> str:
    node.keys(required=("always",))
    code = node["always"].text(example="a currency such as EUR")
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        node["always"].fail(f"{code!r} is no currency", "Write its three letters (ISO 4217), such as EUR")
    return code


def _read_extras(node: Node, lookups: dict[str, Lookup]) -> Iterable[tuple[str, str]]:
    named = isinstance(node.value, dict)
    pairs = node.items() if named else ((each.text(), each) for each in node.one_or_many())
    for name, each in pairs:
        column = read_column(each, "lookup") if named else read_column(each)
        if each.has("lookup"):
            lookups[name] = _read_lookup(each["lookup"])
        if name in RESERVED:
            each.fail(
                f"{name!r} is a field every record has",
                f"Map it as such, `{name}: {column}`, or name it otherwise, fields: {{crm_{name}: {column}}}",
                key=named,
            )
        if name in _OF_CUSTOMERS:
            remedy = f"Name it otherwise, fields: {{crm_{name}: {column}}}"
            each.fail(f"{name!r} has a meaning of its own for customers", remedy, key=named)
        yield name, column
