"""How the times of a feed are written: by its `time`, or by a column's own options.

    time: {format: "%d/%m/%Y %H:%M", zone: Europe/Berlin}
    time: {zone: Europe/Berlin}             # ISO 8601, the format unless another is named
    time: {unit: ms, zone: UTC}             # numbers, counted from 1970
    created: {field: opened, unit: s, zone: UTC}    # one column, other than the rest

`format` is one of Python's `strptime`, or `iso`. What names no offset takes a zone, numbers too: it
is never guessed. When clocks go back, a wall clock that comes twice is the earlier one; when they go
forward, one that never comes is taken with the offset from before.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from streams.core.document import Node
from streams.core.timestamps import micros
from streams.feeds.values import LocalTime, Reader, number, read_column, read_local_time, shown, utc_text

Time = tuple[datetime, int, str]
"""A moment as a datetime in UTC, as microseconds since the epoch, and as RFC 3339 text."""

ReadTime = Callable[[Any], Time]
"""Raises ValueError, with a text for people."""

# Histories name few moments often (a case's opening on each of its rows), and `strptime` is slow.
_TIMES_KEPT = 65_536

_MICROS = {"days": 86_400_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
_UNITS = (*_MICROS, "ns")
_OPTIONS = ("format", "unit", "zone", "offset")
_LOCAL_EPOCH = datetime(1970, 1, 1)


class PlainValues:
    """Of formats without types of their own: texts, numbers, and times as `read_time` has them.

    stand_ins: texts in the place of a time that mean none, such as `infinity`.
    """

    def __init__(self, read_time: ReadTime, stand_ins: frozenset[str] = frozenset()) -> None:
        self._read_time = read_time
        self._stand_ins = stand_ins

    def moment(self, node: Node) -> tuple[str, Reader]:
        column = read_column(node, *_OPTIONS)
        own = isinstance(node.value, dict) and len(node.value) > 1
        read_time = read_time_format(node, "field") if own else self._read_time
        stand_ins = self._stand_ins

        def read(value: Any) -> str | None:
            return None if isinstance(value, str) and value in stand_ins else read_time(value)[2]

        return column, read

    def number(self, node: Node, *others: str) -> tuple[str, Reader]:
        return read_column(node, *others), number

    def unpack(self, value: Any) -> Any:
        return value


def read_time_format(node: Node | None, *others: str) -> ReadTime:
    """Compiles `time`; None is ISO 8601 with an offset. `others` are keys that the caller reads.

    Raises Problem.
    """
    if node is None:
        return _kept("iso", LocalTime().iso)
    node.keys(*_OPTIONS, *others)
    local = read_local_time(node)
    if node.has("unit"):
        if node.has("format"):
            node["unit"].fail("a time has a format or counts a unit", "Take out one of the two")
        unit = node["unit"].choice(*_UNITS)
        if local.zone is None:
            node.fail(
                "a number is a time without a zone",
                "Say in which zone it is meant, zone: Europe/Berlin, or zone: UTC where it counts from "
                "the epoch in UTC",
            )
        return _kept(unit, lambda value: local.utc(_since_epoch(value, unit)))
    pattern = "iso"
    if node.has("format"):
        pattern = node["format"].text(example='a format such as "%d/%m/%Y %H:%M", or iso')
    return _kept("iso", local.iso) if pattern == "iso" else _read_pattern(node, pattern, local)


def _read_pattern(node: Node, pattern: str, local: LocalTime) -> ReadTime:
    sample = datetime(2001, 2, 3, tzinfo=UTC)
    try:
        read = datetime.strptime(sample.strftime(pattern), pattern)
    except ValueError as error:
        node["format"].fail(
            f"{pattern!r} is no format of a time: {error}", 'Write one such as "%d/%m/%Y %H:%M", or iso'
        )
    if read.date() != sample.date():
        node["format"].fail(
            f"{pattern!r} does not name a day, a month and a year", 'Write one such as "%d/%m/%Y %H:%M"'
        )
    if read.tzinfo is None and local.zone is None:
        node.fail(
            f"times of the format {pattern!r} have no offset",
            "Say in which zone they are meant: zone: Europe/Berlin",
        )
    return _kept(pattern, lambda text: local.utc(datetime.strptime(text, pattern)))


def _since_epoch(value: Any, unit: str) -> datetime:
    exact = _exact(value)
    since = int(exact // 1_000) if unit == "ns" else round(exact * _MICROS[unit])
    return _LOCAL_EPOCH + timedelta(microseconds=since)


def _exact(value: Any) -> int | float:
    """An int of what is a whole number, so that no digit of it is lost."""
    try:
        return int(value) if isinstance(value, str) else value if type(value) is int else number(value)
    except ValueError:
        return number(value)


def _kept(pattern: str, read: Callable[[Any], datetime]) -> ReadTime:
    # Typed, since true equals 1 and would be taken for it.
    @lru_cache(maxsize=_TIMES_KEPT, typed=True)
    def read_value(value: Any) -> Time:
        at = read(value)
        return at, micros(at), utc_text(at)

    def read_time(value: Any) -> Time:
        try:
            return read_value(value)
        except (ValueError, OverflowError, TypeError) as error:
            hint: object = error
            if pattern not in _UNITS and type(value) in (int, float):
                hint = "say what it counts and in which zone, such as {unit: ms, zone: UTC}"
            reason = f"{shown(value)} is not a time of the format {pattern!r}: {hint}"
            raise ValueError(reason[:300]) from None

    return read_time
