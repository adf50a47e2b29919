"""How the columns of a feed's rows are read: texts, numbers, moments, and what to say of those that
cannot be. Every format shares this; how it writes times and numbers it says by a `Values`.
"""

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
import orjson

from streams.core.calendars import read_zone
from streams.core.document import Node
from streams.core.entries import MOST_TEXT
from streams.core.timestamps import YEARS, micros
from streams.feeds import Undecodable

Row = dict[str, Any]
"""One row: column -> value, as the format decoded it; a naive `datetime` is a local time."""

Reader = Callable[[Any], Any]
"""From a column's value, never None, to a field's. Raises ValueError or ArithmeticError."""

EARLIEST, LATEST = (micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (YEARS.start, YEARS.stop))
"""Moments from the first up to the last are `plausible`, in microseconds."""

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9.]*[0-9],[0-9]+")
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


def read_column(node: Node, *options: str) -> str:
    """COLUMN, or with `options` also {field: COLUMN, option: ...}."""
    if options and isinstance(node.value, dict):
        node.keys(*options, required=("field",))
        node = node["field"]
    return node.text(example="the name of a column")


def text_reader(unpack: Reader) -> Reader:
    def text(value: Any) -> str:
        if type(value) is str:
            return value if len(value) <= MOST_TEXT else value[:MOST_TEXT]
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


MOST_VALUES = 100
"""How many values of a list are kept."""

_NUMBERS = (int, float)
"""Written as `int | float` in a function it would be made anew for each call."""


def plain_reader(unpack: Reader) -> Reader:
    def plain(value: Any) -> Any:
        """Conditions compare scalars and look into lists; an object comes as its JSON text."""
        if type(value) is str:
            # A state that outgrows a message could not be kept.
            return value if len(value) <= MOST_TEXT else value[:MOST_TEXT]
        if isinstance(value, _NUMBERS):
            return _bounded(value)
        value = unpack(value)
        if isinstance(value, Decimal):
            return number(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, list):
            return [_element(each) for each in value[:MOST_VALUES]]
        return _json(value)[:MOST_TEXT]

    return plain


def _element(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = _json(value)
    return value[:MOST_TEXT] if isinstance(value, str) else _bounded(value)


def _bounded(value: Any) -> Any:
    """A whole number that JSON readers do not all take is kept to the digits of a float."""
    return value if type(value) is not int or -(2**63) <= value < 2**64 else number(value)


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
        comma = isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip())
        raise ValueError(
            f"{shown(value)} is not a number{': it needs a point, not a comma' if comma else ''}"
        ) from None
    if not math.isfinite(parsed):
        raise ValueError(f"{shown(value)} is not a finite number")
    return parsed


def count(value: Any) -> int:
    """A whole number from 0. Raises ValueError."""
    if type(value) is int and 0 <= value < 2**53:
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
    if moment.year not in YEARS:
        raise ValueError(f"{moment.isoformat()} is outside the years {YEARS[0]} to {YEARS[-1]}")
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
