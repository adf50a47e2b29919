"""What a backtest found, in numbers: per path, and per person and week."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from statistics import median
from typing import Any, get_args

from streams.backtest.history import Unread
from streams.backtest.replay import Replayed
from streams.core.escalation import CALLS, Escalation, Event
from streams.core.rules import Rules
from streams.core.timestamps import moment

EVENTS: tuple[Event, ...] = get_args(Event)
ALWAYS: tuple[Event, ...] = ("opened", "advanced", "resolved")
"""What a summary always has a column for."""


@dataclass
class PathLoad:
    """`records`: which ones. `events`: how often each kind of event came."""

    records: set[str] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """By kind of event; the rare kinds only where there were some."""
        return {event: self.events[event] for event in EVENTS if event in ALWAYS or self.events[event]}


class Summary:
    """Counts of one backtest: of what has been `replayed` under `rules`, up to `until` (microseconds) or
    its end.

    `paths` holds every path of the rules, also one that never fired. `unread`: messages that could not be
    read. `problem`: why it is only a part of the history, or None. `told`: how often, by person and week,
    counted from the first Monday there is.
    """

    def __init__(
        self,
        rules: Rules,
        replayed: Replayed,
        until: int | None = None,
        unread: Unread | None = None,
        problem: str | None = None,
    ) -> None:
        self.replayed = replayed
        self.paths = {path.name: PathLoad() for path in rules.paths}
        self.unread = Unread() if unread is None else unread
        self.problem = problem
        self._until = until
        self.told: defaultdict[str, Counter[int]] = defaultdict(Counter)

    @property
    def days(self) -> tuple[date, date] | None:
        """The first and the last day, in UTC, that the backtest spans; None when nothing was replayed."""
        first, last = self.replayed.first, self.replayed.last
        if first is None or last is None:
            return None
        return moment(first).date(), moment(last if self._until is None else self._until).date()

    def count(self, escalations: Iterable[Escalation]) -> Iterator[Escalation]:
        """Pass `escalations` on, counting them."""
        for each in escalations:
            load = self.paths.get(each.path)
            if load is None:
                # A log may have had paths that the last of its rules have no more.
                load = self.paths[each.path] = PathLoad()
            load.records.add(each.record)
            load.events[each.event] += 1
            # That something is over is no load: nobody has to act on it.
            if each.event in CALLS and not each.shadow:
                week = _week(date.fromisoformat(each.at[:10]))
                for person in each.notify:
                    self.told[person][week] += 1
            yield each

    def as_json(self) -> dict[str, Any]:
        """The numbers for programs.

        `paths`: by name, how many records and how many events of each kind. `recipients`: by name,
        how often they were told, and how often in the median and the worst of all `weeks` of the
        backtest, quiet ones included (weeks begin on Monday, 00:00 UTC). `undecodable`: how many
        messages could not be read. `problem`: why only a part of the history could be read, or None.
        """
        weeks, days = self._weeks(), self.days
        return {
            "changes": self.replayed.changes,
            "records": self.replayed.records,
            "first": days and days[0].isoformat(),
            "last": days and days[1].isoformat(),
            "weeks": len(weeks),
            "paths": {
                name: {"records": len(load.records), **load.counts()} for name, load in self.paths.items()
            },
            "recipients": {
                name: {
                    "notices": told.total(),
                    "median_week": float(median(told[week] for week in weeks)),
                    "worst_week": max(told.values()),
                }
                for name, told in sorted(self.told.items())
            },
            "undecodable": self.unread.count,
            "problem": self.problem,
        }

    def _weeks(self) -> range:
        # A deadline may have passed before the first change that the history holds.
        weeks = {week for told in self.told.values() for week in told}
        weeks.update(_week(day) for day in self.days or ())
        return range(min(weeks), max(weeks) + 1) if weeks else range(0)


def _week(day: date) -> int:
    """The number of the week that `day` is in, counted from the first Monday there is."""
    return (day.toordinal() - 1) // 7
