"""One run of a clock: from a moment on, in a calendar, without the pauses.

Time is *used* while the calendar is open and the record is not paused. Moments are `int`
microseconds UTC, amounts are microseconds of working time. Each answer takes time in proportion
to the number of pauses since the start, and those before it cost nothing.
"""

from collections.abc import Sequence

import msgspec

from streams.core.calendar import Calendar, due
from streams.core.spans import Span
from streams.core.timestamps import HOUR, MINUTE, duration


class Run(msgspec.Struct, frozen=True):
    """`pauses`: those that have ended, [begin, end) in order, none overlapping, none before `start`.
    `stopped`: when a pause began that still lasts."""

    calendar: Calendar
    start: int
    pauses: tuple[tuple[int, int], ...] = ()
    stopped: int | None = None

    def used(self, at: int) -> int:
        """Working time used from the start until `at`; 0 before the start."""
        if self.stopped is not None and at > self.stopped:
            at = self.stopped
        worked = self.calendar.worked
        return worked(self.start, at) - sum(worked(begin, min(end, at)) for begin, end in self.pauses)

    def paused(self, at: int) -> int:
        """Working time from the start until `at` in which the clock stood still."""
        return self.calendar.worked(self.start, at) - self.used(at)

    def amount(self, target: Span) -> int:
        """How much working time `target` is. Of working days, what lies between the start and its end."""
        if target.days:
            return self.calendar.worked(self.start, target.after(self.start, self.calendar))
        return target.micros

    def due(self, target: Span) -> int:
        """When `target` is used up; an exactly filled window counts as over at its closing time.

        Working days end at the clock time of the start (`Calendar.add_days`), and each pause puts that
        off by the working time in it. The pause that still lasts is left out.
        """
        if not target.days:
            return self.reached(target.micros)
        end = target.after(self.start, self.calendar)
        for begin, resumed in self.pauses:
            if not self.calendar.worked(begin, end):
                # All of the target had been used up by then.
                break
            if worked := self.calendar.worked(begin, resumed):
                end = self.calendar.add(end, worked)
        return end

    def reached(self, micros: int) -> int:
        """The earliest moment at which so much time has been used."""
        return due(self.calendar, self.start, micros, self.pauses)

    def running(self, at: int) -> int:
        """`at` if the calendar is open then, else the next moment at which the clock runs."""
        return at if self.calendar.is_open(at) else due(self.calendar, at, 1, self.pauses) - 1

    def before(self, at: int, span: Span) -> int:
        """The latest moment from which `span` of working time is used until `at`.

        It may lie before the start, where no time has been used yet.
        """
        if span.days:
            early = self.calendar.add_days(at, -span.days)
            for begin, resumed in reversed(self.pauses):
                if resumed <= early:
                    break
                if worked := self.calendar.worked(begin, min(resumed, at)):
                    early = self.calendar.subtract(early, worked)
            return early
        micros = span.micros
        for begin, resumed in reversed(self.pauses):
            if begin >= at:
                continue
            passed = self.calendar.worked(resumed, at)
            if passed >= micros:
                break
            micros -= passed
            at = begin
        return self.calendar.subtract(at, micros)


def run_from(start: int, calendar: Calendar, idle: Sequence[tuple[int, int | None]]) -> Run:
    """The run from `start` on of a record that was `idle` in these spans, in order; the last may last."""
    pauses: list[tuple[int, int]] = []
    stopped = None
    for begin, end in reversed(idle):
        if end is None:
            stopped = begin
        elif end <= start:
            break
        else:
            pauses.append((max(begin, start), end))
    pauses.reverse()
    return Run(calendar, start, tuple(pauses), stopped)


def hours(micros: int) -> str:
    """An amount of working time for people: `26h 30m`. A day of it could mean 24 hours or a shift."""
    if micros < HOUR:
        return duration(micros)
    full, rest = divmod(micros, HOUR)
    return f"{full}h {rest // MINUTE}m" if rest >= MINUTE else f"{full}h"
