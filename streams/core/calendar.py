"""Working time: how much of it lies between two moments, and when an amount of it has passed.

Moments are `int` microseconds since 1970-01-01 UTC, durations are `int` microseconds. Nothing here reads
a clock, so the same question always has the same answer.

Conventions, where service desks differ:

* Working time is elapsed time: a window that crosses a change of the clocks has its real length (Znuny).
  A window opens and closes when the local clock *first* reaches its start and its end. Times that the
  clock skips are reached when it skips them.
* An amount that exactly fills a window ends at closing time (Frappe, ERPNext, Chatwoot). Who wants the
  next opening (zendesk/biz, Zammad) asks `next_open` of the answer.
* Days are working days at the same local clock time, whatever the hours of that day (GLPI).
* No working time passes between an end and a later start (Znuny, GLPI, zendesk/biz).
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from operator import sub
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.core.timestamps import SECOND, moment
from streams.core.timestamps import micros as micros_of

_DAY: Final = 86_400
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# "Never" is often written as a date like 9999-12-31; following it would build thousands of years.
_YEARS: Final = range(1900, 2200)
_FOREVER: Final = 1 << 62


class _Table(NamedTuple):
    """The windows [opens[i], closes[i]) of consecutive local years, up to the moment `end`.

    `before[i]` is the reading at opens[i], `last` at `end`, of a stopwatch that runs in working time only.
    Every year starts with an empty window, so that no moment comes before the first. Others are empty if
    the clock skips them. `days` are the ordinals of the days that have windows. `midnights[i]` is when
    day `first + i` begins, up to and with the day after the last.
    """

    opens: list[int]
    closes: list[int]
    before: list[int]
    last: int
    end: int
    years: range
    days: Sequence[int]
    first: int = 0
    midnights: Sequence[int] = ()


class Calendar:
    """The working hours of one place. Immutable, hashable by identity, safe to share between threads.

    `open` maps weekdays (0 = Monday) to windows (start, end) in seconds of the local day, 0 to 86400,
    sorted and not overlapping. Absent weekdays are closed; hours past midnight are two windows. Days in
    `holidays`, those on a (month, day) of `yearly_holidays`, and those for which `is_holiday` is true are
    closed. `is_holiday` must always say the same about a day.

    Raises ValueError for an unknown zone, an impossible weekday, window or yearly holiday, and if there is
    no open hour at all. Every method raises ValueError if the question or its answer lies outside the years
    1900 to 2199, as it does when holidays leave no working time. Only the sums of a calendar that never
    closes know no such bounds.
    """

    def __init__(
        self,
        zone: str,
        open: Mapping[int, Sequence[tuple[int, int]]],
        holidays: Collection[date] = (),
        yearly_holidays: Collection[tuple[int, int]] = (),
        is_holiday: Callable[[date], bool] | None = None,
    ) -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone {zone!r}; expected a name like 'Europe/Berlin'") from None
        self._week = _checked_week(open)
        # A datetime counts as a date for type checkers, but never equals one.
        self._holidays = frozenset(date(day.year, day.month, day.day) for day in holidays)
        self._yearly = frozenset(yearly_holidays)
        for month, day in self._yearly:
            try:
                date(2000, month, day)  # a leap year
            except ValueError:
                raise ValueError(f"no such yearly holiday: month {month}, day {day}") from None
        self._is_holiday = is_holiday
        self._growing = threading.Lock()
        if self._week == (((0, _DAY),),) * 7 and not (holidays or yearly_holidays or is_holiday):
            days = range(date(_YEARS[0], 1, 1).toordinal(), date(_YEARS[-1], 12, 31).toordinal() + 1)
            self._table = _Table([-_FOREVER], [_FOREVER], [-_FOREVER], _FOREVER, _FOREVER, _YEARS, days)
        else:
            self._table = self._year(2024)

    @property
    def zone(self) -> str:
        """The IANA name of the calendar's time zone."""
        return self._zone.key

    def worked(self, start: int, end: int) -> int:
        """Working microseconds in [start, end); 0 if `end` is not after `start`."""
        return self._reading(end) - self._reading(start) if start < end else 0

    def add(self, start: int, micros: int) -> int:
        """The earliest moment from `start` on until which `micros` of working time have passed.

        An exactly filled window ends at its closing time. Adding 0 gives `start` if open, else the next
        opening. A negative amount raises ValueError.
        """
        if micros <= 0:
            _refuse_negative(micros)
            return self.add(start, 1) - 1
        reading = self._reading(start) + micros
        table = self._table
        while reading > table.last:
            table = self._grow(forward=True)
        i = bisect_left(table.before, reading) - 1
        return table.opens[i] + reading - table.before[i]

    def subtract(self, end: int, micros: int) -> int:
        """The latest moment up to `end` from which `micros` of working time pass until `end`.

        Subtracting 0 gives `end`, open or not. A negative amount raises ValueError.
        """
        if micros <= 0:
            _refuse_negative(micros)
            return end
        reading = self._reading(end) - micros
        table = self._table
        while reading < table.before[0]:
            table = self._grow(forward=False)
        i = bisect_right(table.before, reading) - 1
        return table.opens[i] + reading - table.before[i]

    def add_days(self, start: int, days: int) -> int:
        """The moment `days` working days after `start` (before, if negative), at the same local clock time.

        Every day with open hours is a working day. The day of `start` does not count, and adding 0 gives
        `start`. The answer need not lie within open hours.
        """
        if not days:
            return start
        table = self._cover(start)
        today = self._day(table, start)
        if days > 0:
            while (i := bisect_right(table.days, today) + days - 1) >= len(table.days):
                table = self._grow(forward=True)
        else:
            while (i := bisect_left(table.days, today) + days) < 0:
                table = self._grow(forward=False)
        then = table.days[i]
        if table.midnights:
            midnights, first = table.midnights, table.first
            passed = start - midnights[today - first]
            if _is_even(midnights, today - first) and _is_even(midnights, then - first):
                return midnights[then - first] + passed
        # Where a change of the clocks is near, or the calendar never closes.
        local = self._local(start)
        return self._reached(datetime.combine(date.fromordinal(then), local.time()))

    def _day(self, table: _Table, at: int) -> int:
        """The ordinal of the local day that `at` is in."""
        if table.midnights and table.midnights[0] <= at < table.midnights[-1]:
            return table.first + bisect_right(table.midnights, at) - 1
        return self._local(at).toordinal()

    def is_open(self, at: int) -> bool:
        """Whether `at` is working time; closing times are not."""
        return self.worked(at, at + 1) == 1

    def next_open(self, at: int) -> int:
        """The first moment of working time from `at` on; `at` itself if open."""
        return self.add(at, 0)

    def _reading(self, at: int) -> int:
        opens, closes, before, _, end, *_ = self._table
        if not opens[0] <= at < end:
            opens, closes, before, *_ = self._cover(at)
        i = bisect_right(opens, at) - 1
        close = closes[i]
        return before[i] - opens[i] + (at if at < close else close)

    def _cover(self, at: int) -> _Table:
        _require_known(at)
        table = self._table
        while at < table.opens[0]:
            table = self._grow(forward=False)
        while at >= table.end:
            table = self._grow(forward=True)
        return table

    def _grow(self, *, forward: bool) -> _Table:
        # Two threads must not each add a year to the same table, for one of the years would be lost.
        with self._growing:
            old = self._table
            new = self._year(old.years.stop if forward else old.years.start - 1)
            # Only the new year's readings move, since a caller may hold some of the old ones.
            shift = old.last if forward else old.before[0] - new.last
            new = new._replace(before=[shift + reading for reading in new.before], last=shift + new.last)
            early, late = (old, new) if forward else (new, old)
            self._table = _Table(
                early.opens + late.opens,
                early.closes + late.closes,
                early.before + late.before,
                late.last,
                late.end,
                range(early.years.start, late.years.stop),
                [*early.days, *late.days],
                early.first,
                [*early.midnights[:-1], *late.midnights],
            )
            return self._table

    def _year(self, year: int) -> _Table:
        wall = datetime(year, 1, 1)
        midnight = self._reached(wall)
        opens, closes, days = [midnight], [midnight], []
        first, midnights = wall.toordinal(), [midnight]
        while wall.year == year:
            next_midnight = self._reached(wall + timedelta(days=1))
            # Local times are costly to convert, and only a change of the clocks makes it necessary.
            even = next_midnight - midnight == _DAY * SECOND
            windows = self._windows(wall.date())
            if windows:
                days.append(wall.toordinal())
            for window in windows:
                if even:
                    opening, closing = (midnight + at * SECOND for at in window)
                else:
                    opening, closing = (self._reached(wall + timedelta(seconds=at)) for at in window)
                opens.append(opening)
                closes.append(closing)
            wall += timedelta(days=1)
            midnight = next_midnight
            midnights.append(midnight)
        *before, last = accumulate(map(sub, closes, opens), initial=0)
        return _Table(opens, closes, before, last, midnight, range(year, year + 1), days, first, midnights)

    def _windows(self, day: date) -> Sequence[tuple[int, int]]:
        if day.year not in _YEARS:
            raise ValueError(
                f"no working time within {len(_YEARS)} years ({self.zone}, {_YEARS[0]} to {_YEARS[-1]}); "
                "is the amount too large, or every day a holiday?"
            )
        if day in self._holidays or (day.month, day.day) in self._yearly:
            return ()
        if self._is_holiday is not None and self._is_holiday(day):
            return ()
        return self._week[day.weekday()]

    def _reached(self, wall: datetime) -> int:
        """The first moment at which the local clock shows `wall` or later."""
        first = micros_of(wall.replace(tzinfo=self._zone, fold=0))
        second = micros_of(wall.replace(tzinfo=self._zone, fold=1))
        if first <= second:
            return first
        # For a skipped time, zoneinfo's two answers lie on either side of the change.
        around = range(second, first + 1)
        return around[bisect_left(around, wall, key=self._local)]

    def _local(self, at: int) -> datetime:
        return moment(at).astimezone(self._zone).replace(tzinfo=None)


def due(calendar: Calendar, start: int, micros: int, pauses: Sequence[tuple[int, int]]) -> int:
    """The earliest moment from `start` on until which `micros` of working time outside `pauses` have passed.

    Pauses are [start, end) in any order and may overlap; only the working time in them counts, and only
    until the due moment. A negative amount raises ValueError.
    """
    for pause_start, pause_end in sorted(pauses):
        passed = calendar.worked(start, pause_start)
        if passed >= micros:
            break
        micros -= passed
        start = max(start, pause_end)
    return calendar.add(start, micros)


def _is_even(midnights: Sequence[int], day: int) -> bool:
    """Whether this day, by its index, has 24 hours."""
    return midnights[day + 1] - midnights[day] == _DAY * SECOND


# A day inside the first and last year, since local years begin and end at other moments than UTC's.
_KNOWN: Final = range(
    micros_of(datetime(_YEARS[0], 1, 2, tzinfo=UTC)), micros_of(datetime(_YEARS[-1], 12, 31, tzinfo=UTC))
)


def _require_known(at: int) -> None:
    if at not in _KNOWN:
        raise ValueError(f"moment {at} is outside the years {_YEARS[0]} to {_YEARS[-1]}")


def _refuse_negative(micros: int) -> None:
    if micros < 0:
        raise ValueError(f"a negative amount of working time: {micros} microseconds")


def _checked_week(open: Mapping[int, Sequence[tuple[int, int]]]) -> tuple[tuple[tuple[int, int], ...], ...]:
    for weekday, windows in open.items():
        if weekday not in range(7):
            raise ValueError(f"no such weekday: {weekday!r}; 0 is Monday, 6 is Sunday")
        previous_end = 0
        for start, end in windows:
            window = f"the window {_clock(start)}-{_clock(end)} on {_WEEKDAYS[weekday]}"
            if not 0 <= start < end <= _DAY:
                raise ValueError(f"{window} must end after it starts, and lie between 00:00 and 24:00")
            if start < previous_end:
                raise ValueError(f"{window} overlaps the one before, or is out of order")
            previous_end = end
    week = tuple(tuple(open.get(weekday, ())) for weekday in range(7))
    if not any(week):
        raise ValueError("a calendar needs at least one open hour")
    return week


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"


ALWAYS: Final = Calendar("UTC", {weekday: [(0, _DAY)] for weekday in range(7)})
"""Every moment, in UTC: for clocks that never stop."""
