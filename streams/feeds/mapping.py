"""The `record` of a feed: which columns of its rows are which fields of a change.

    record:
      kind: ticket
      id: id                                  # or [first, second], joined by "/"
      owner: assignee_id
      stage: {field: status, paused: [pending], closed: [solved, closed]}
      priority: {field: priority, values: {1: urgent, 2: high}}
      value: {field: amount, currency: currency_code}     # or currency: {always: EUR}
      created: created_at
      fields: [subject, tier]                 # or {name: COLUMN}

A column that a row lacks gives no field: it is unchanged. A null gives None. Every format
shares this file; how it writes times and numbers it says by a `Values`.
"""

import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
import orjson

from streams.core.calendars import read_zone
from streams.core.document import Node
from streams.core.record import FACTS
from streams.core.timestamps import micros
from streams.feeds import Undecodable

Row = dict[str, Any]
"""One row: column -> value, as the format decoded it; a naive `datetime` is a local time."""

Reader = Callable[[Any], Any]
"""From a column's value, never None, to a field's. Raises ValueError or ArithmeticError."""

TEXTS = ("owner", "priority", "customer")
MOMENTS = ("created", "touched", "entered")
RESERVED = FACTS | frozenset(MOMENTS)

_YEARS = range(1901, 2199)
EARLIEST, LATEST = (micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (_YEARS.start, _YEARS.stop))
"""Moments from the first up to the last are `plausible`, in microseconds."""

_UTC_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z").fullmatch


class Values(Protocol):
    """How a format writes what JSON has no type for."""

    def moment(self, node: Node) -> tuple[str, Reader]:
        """The column of a moment and its reader, which gives RFC 3339 text in UTC, or None."""
        ...

    def number(self, node: Node, *others: str) -> tuple[str, Reader]:
        """The column of a number and its reader, which gives a finite float. `others` are keys that
        the caller reads."""
        ...

    def unpack(self, value: Any) -> Any:
        """The scalar that one of the format's own structures stands for; other values as they are."""
        ...


class RecordMapping:
    """Reads rows. `columns`: those it reads; `fields`: the names of the fields it can give."""

    def __init__(
        self,
        kind: str,
        id_columns: tuple[str, ...],
        plan: list[tuple[str, str, Reader]],
        statuses: dict[str | None, str] | None,
        currency: str | None,
        text: Reader,
    ) -> None:
        self.kind = kind
        self.id_columns = id_columns
        self.columns = frozenset(id_columns) | {column for _, column, _ in plan}
        self.fields = frozenset(name for name, _, _ in plan)
        if statuses is not None:
            self.fields |= {"status"}
        if currency is not None:
            self.fields |= {"currency"}
        self._plan = tuple(plan)
        self._statuses = statuses
        self._currency = currency
        self._text = text

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
    node.keys(*TEXTS, *MOMENTS, "stage", "value", "health", "contacts", "fields", required=("kind", "id"))
    kind = node["kind"].text(example="the kind of record, such as ticket")
    if ":" in kind:
        node["kind"].fail(f"{kind!r} has a colon", "A record is named `kind:id`: write a plain word")
    id_columns = tuple(read_column(each) for each in node["id"].one_or_many())
    if not id_columns:
        node["id"].fail("`id` names no column", "Write a column, or several: [first, second]")
    text = _text_reader(values.unpack)
    plan: list[tuple[str, str, Reader]] = []
    statuses: dict[str | None, str] | None = None
    currency: str | None = None
    plan.extend((name, *_read_text(node[name], text)) for name in TEXTS if node.has(name))
    if node.has("stage"):
        plan.append(("stage", *_read_text(node["stage"], text, "paused", "closed")))
        statuses = _read_statuses(node["stage"])
    plan.extend((name, *values.moment(node[name])) for name in MOMENTS if node.has(name))
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
        plain = _plain_reader(values.unpack)
        plan.extend((name, column, plain) for name, column in _read_extras(node["fields"]))
    return RecordMapping(kind, id_columns, plan, statuses, currency, text)


def read_column(node: Node, *options: str) -> str:
    """COLUMN, or with `options` also {field: COLUMN, option: ...}."""
    if options and isinstance(node.value, dict):
        node.keys(*options, required=("field",))
        node = node["field"]
    return node.text(example="the name of a column")


def _read_text(node: Node, text: Reader, *options: str) -> tuple[str, Reader]:
    column = read_column(node, "values", *options)
    if not node.has("values"):
        return column, text
    names = {code: each.text() for code, each in node["values"].items()}

    def renamed(value: Any) -> Any:
        written = text(value)
        return names.get(written, written)

    return column, renamed


def _read_statuses(node: Node) -> dict[str | None, str] | None:
    """Which stages are paused or closed, by the names they have after `values`."""
    if not (node.has("paused") or node.has("closed")):
        return None
    statuses: dict[str | None, str] = {}
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


def _read_extras(node: Node) -> Iterable[tuple[str, str]]:
    named = isinstance(node.value, dict)
    pairs = node.items() if named else ((each.text(), each) for each in node.one_or_many())
    for name, each in pairs:
        column = read_column(each)
        if name in RESERVED:
            each.fail(
                f"{name!r} is a field every record has",
                f"Map it as such, `{name}: {column}`, or name it otherwise, fields: {{crm_{name}: {column}}}",
                key=named,
            )
        yield name, column


def _text_reader(unpack: Reader) -> Reader:
    def text(value: Any) -> str:
        if type(value) is str:
            return value
        if type(value) is int:
            return str(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else str(value)
        value = unpack(value)
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, datetime):
            return value.isoformat()
        raise ValueError(f"{shown(value)} is not a text")

    return text


_NUMBERS = (int, float)
"""Written as `int | float` in a function it would be made anew for each call."""


def _plain_reader(unpack: Reader) -> Reader:
    def plain(value: Any) -> Any:
        """Conditions compare scalars and look into lists; an object comes as its JSON text."""
        if type(value) is str or isinstance(value, _NUMBERS):
            return value
        value = unpack(value)
        if isinstance(value, Decimal):
            return number(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, list):
            return [_json(each) if isinstance(each, dict | list) else each for each in value]
        return _json(value)

    return plain


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{shown(value)} cannot be kept: {error}") from None


def number(value: Any) -> float:
    """A finite float from a number or a numeric text. Raises ValueError."""
    if type(value) is int:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (*_NUMBERS, str, Decimal)):
        raise ValueError(f"{shown(value)} is not a number")
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{shown(value)} is not a number") from None
    if not math.isfinite(parsed):
        raise ValueError(f"{shown(value)} is not a finite number")
    return parsed


def count(value: Any) -> int:
    """A whole number from 0. Raises ValueError."""
    if type(value) is int and value >= 0:
        return value
    parsed = number(value)
    if not (parsed.is_integer() and 0 <= parsed < 2**53):
        raise ValueError(f"{shown(value)} is not a count")
    return int(parsed)


class LocalTime(msgspec.Struct, frozen=True):
    """What the times of a feed mean: those without an offset are the wall clock of `zone`.

    When clocks go back, a wall clock that comes twice is the earlier one; when they go forward, one
    that never comes is taken with the offset from before (fold 0 of `datetime`). With
    `ignore_offset` an offset that is there is an artefact, and the wall clock holds.
    """

    zone: ZoneInfo | None = None
    ignore_offset: bool = False

    def utc(self, moment: datetime) -> datetime:
        """Raises ValueError for a time without an offset where no zone is known; OverflowError."""
        if self.ignore_offset:
            moment = moment.replace(tzinfo=None)
        if moment.tzinfo is UTC:
            return moment
        if moment.tzinfo is None:
            if self.zone is None:
                raise ValueError(
                    f"{moment.isoformat()} has no offset: say in which zone it is meant, zone: Europe/Berlin"
                )
            moment = moment.replace(tzinfo=self.zone)
        return moment.astimezone(UTC)

    def iso(self, text: str) -> datetime:
        """ISO 8601 `text` in UTC. Raises ValueError or OverflowError."""
        return self.utc(_from_iso(text.removesuffix("Z") if self.ignore_offset else text))

    def iso_text(self, text: str) -> str:
        """ISO 8601 `text` as RFC 3339 text in UTC. Raises ValueError or OverflowError."""
        if self.ignore_offset or not _UTC_TEXT(text):
            return utc_text(self.iso(text))
        # Formatting a datetime costs ten times as much as reading one.
        plausible(_from_iso(text))
        return text if len(text) in (20, 27) else text[:-1].ljust(26, "0") + "Z"


def _from_iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not an ISO 8601 time") from None


def read_local_time(node: Node) -> LocalTime:
    """The keys `zone` and `offset` of `node`."""
    zone = ZoneInfo(read_zone(node["zone"])) if node.has("zone") else None
    ignore_offset = node.has("offset") and bool(node["offset"].choice("ignore"))
    if ignore_offset and zone is None:
        node.fail(
            "without its offset a time means nothing", "Add the zone of the wall clock: zone: Europe/Berlin"
        )
    return LocalTime(zone, ignore_offset)


def utc_text(moment: datetime) -> str:
    """RFC 3339 text of a `moment` that is in UTC. Raises ValueError when it is not plausible."""
    return plausible(moment).isoformat()[:-6] + "Z"


def plausible(moment: datetime) -> datetime:
    """`moment`. Raises ValueError for a stand-in such as the year 9999, which no calendar reaches."""
    if moment.year not in _YEARS:
        raise ValueError(f"{moment.isoformat()} is outside the years {_YEARS[0]} to {_YEARS[-1]}")
    return moment


def parse(data: bytes, what: str) -> Any:
    """The JSON in `data`; `what` names it in the reason. Raises Undecodable.

    A schema registry's serializer puts a zero byte and the schema's id, four bytes, before it.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        reason = f"the {what} is not JSON: {error}"
    if data[:1] == b"\0":
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(data[5:])
    raise Undecodable(reason)


def shown(value: Any) -> str:
    """`value` in a reason for people: short, whatever it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def listed(row: Row) -> str:
    """The columns of `row`, for a reason."""
    names = list(row)
    return ", ".join(names[:30])[:600] + (", ..." if len(names) > 30 else "") or "none"
