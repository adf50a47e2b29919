"""Whether spans are longer than another, wherever in a calendar they begin."""

from collections.abc import Iterable

from streams.core.spans import Span
from streams.core.timestamps import DAY, HOUR

_CLOCKS = 2 * HOUR
"""The most by which the clocks of any zone go forward (Troll, Antarctica): a day may be so much shorter."""


def surely_longer(spans: Iterable[Span], limit: Span) -> bool:
    """Whether `spans`, one after the other, always end after a `limit` that begins with the first of them.

    All count in the same calendar. Working hours and working days do not compare; each is elapsed time
    of at least its own length.
    """
    spans = [span for span in spans if span.micros or span.days]
    micros, days = sum(span.micros for span in spans), sum(span.days for span in spans)
    if not limit.working:
        forward = sum(_CLOCKS for span in spans if span.days)
        return micros + days * DAY - forward > limit.micros
    if all(span.working for span in spans):
        if limit.days:
            return not micros and days > limit.days
        return not days and micros > limit.micros
    return False
