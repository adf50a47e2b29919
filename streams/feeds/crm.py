"""How the JSON that CRMs themselves write has moments.

A moment is ISO 8601 text with an offset, or a number, also as text, of milliseconds since 1970 in UTC.
A column that has others says so:

    planned: {field: NextStep__c, zone: Europe/Berlin}
    planned: {field: CloseDate, unit: days, zone: Europe/Berlin}
"""

from datetime import datetime
from typing import Any

from streams.core.document import Node
from streams.core.timestamps import moment
from streams.feeds import Undecodable
from streams.feeds.times import PlainValues, Time, read_time_format
from streams.feeds.values import EARLIEST, LATEST, shown

_iso = read_time_format(None)
_millis = read_time_format(Node({"unit": "ms", "zone": "UTC"}))


def _read_time(value: Any) -> Time:
    digits = not isinstance(value, str) or (value.isascii() and value.removeprefix("-").isdigit())
    return _millis(value) if digits else _iso(value)


VALUES = PlainValues(_read_time)


def when(millis: Any, name: str) -> datetime:
    """The moment so many milliseconds after 1970, which stand in `name`. Raises Undecodable."""
    if type(millis) is not int:
        raise Undecodable(f"`{name}` is {shown(millis)}, not milliseconds: when it happened is unknown")
    if not EARLIEST <= millis * 1000 < LATEST:
        raise Undecodable(f"`{name}`, {shown(millis)} ms, is outside the years of any calendar")
    return moment(millis * 1000)
