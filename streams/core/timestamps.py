"""Moments. Inside the core a moment is an `int`: microseconds since 1970-01-01T00:00:00 UTC.

On a topic it is RFC 3339 text in UTC ending in `Z`, with six fraction digits or none.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

YEARS = range(1901, 2199)
"""Whatever lies in other years is a stand-in such as 9999-12-31, which no calendar reaches."""


def micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware `moment`. Raises TypeError for a naive one."""
    since = moment - EPOCH
    # Dividing by a timedelta of one microsecond says the same and takes twice as long.
    return since.days * DAY + since.seconds * SECOND + since.microseconds


def moment(at: int) -> datetime:
    """The aware UTC datetime of `at`. Raises OverflowError outside the years 1 to 9999."""
    # Far faster than a timedelta of so many microseconds.
    return EPOCH + timedelta(0, at // SECOND, at % SECOND)


def rfc3339(at: int) -> str:
    """`at` as RFC 3339 text in UTC, such as 2026-12-01T09:00:00Z."""
    # Half the cost of isoformat.
    text: str = msgspec.to_builtins(moment(at))
    return text


@lru_cache(maxsize=1 << 14)
def from_rfc3339(text: str) -> int:
    """Microseconds since the epoch of RFC 3339 `text`.

    Raises ValueError when it is no moment, or names no offset: a local time is never guessed.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no offset: write it with Z or with +01:00")
    return micros(parsed)


def duration(span: int) -> str:
    """A span of microseconds for people, in its two largest units: `8d 3h`, `45m`, `12s`."""
    if span < 0:
        return "-" + duration(-span)
    parts = []
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")):
        count, span = divmod(span, unit)
        if count:
            parts.append(f"{count}{letter}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0s"
