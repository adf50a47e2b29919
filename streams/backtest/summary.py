"""What a backtest found, in numbers: per path, and per person and week."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from statistics import median
from typing import Any, get_args

from streams.backtest.history import History
from streams.core.escalation import CALLS, Escalation, Event
from streams.core.rules import Rules
from streams.core.timestamps import micros, moment

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
    """Counts of one backtest: of `history` under `rules`, up to `until` (microseconds) or its end.

    `paths` holds every path of the rules, also one that never fired. `first` and `last` are the days
    in UTC that the backtest spans, both None when nothing was replayed.
    """

    def __init__(self, history: History, rules: Rules, until: int | None = None) -> None:
        changes = history.changes
        if until is not None:
            changes = changes[: bisect_right(changes, until, key=lambda change: micros(change.at))]
        self.changes = len(changes)
        self.records = len({change.record for change in changes})
        self.first: date | None = changes[0].at.date() if changes else None
        self.last: date | None = self.first and (changes[-1].at if until is None else moment(until)).date()
        self.paths = {path.name: PathLoad() for path in rules.paths}
        self.undecodable = history.undecodable
        self.problem = None if history.problem is None else str(history.problem)
        self._told: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def count(self, escalations: Iterable[Escalation]) -> Iterator[Escalation]:
        """Pass `escalations` on, counting them."""
        for each in escalations:
            load = self.paths[each.path]
            load.records.add(each.record)
            load.events[each.event] += 1
            # That something is over is no load: nobody has to act on it.
            if each.event in CALLS and not each.shadow:
                week = _week(date.fromisoformat(each.at[:10]))
                for person in each.notify:
                    self._told[person][week] += 1
            yield each

    def as_json(self) -> dict[str, Any]:
        """The numbers for programs.

        `paths`: by name, how many records and how many events of each kind. `recipients`: by name,
        how often they were told, and how often in the median and the worst of all `weeks` of the
        backtest, quiet ones included (weeks begin on Monday, 00:00 UTC). `undecodable`: how many
        messages could not be read. `problem`: why only a part of the history could be read, or None.
        """
        weeks = self._weeks()
        return {
            "changes": self.changes,
            "records": self.records,
            "first": self.first and self.first.isoformat(),
            "last": self.last and self.last.isoformat(),
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
                for name, told in sorted(self._told.items())
            },
            "undecodable": len(self.undecodable),
            "problem": self.problem,
        }

    def _weeks(self) -> range:
        # A deadline may have passed before the first change that the history holds.
        weeks = {week for told in self._told.values() for week in told}
        weeks.update(_week(day) for day in (self.first, self.last) if day is not None)
        return range(min(weeks), max(weeks) + 1) if weeks else range(0)


def _week(day: date) -> int:
    """The number of the week that `day` is in, counted from the first Monday there is."""
    return (day.toordinal() - 1) // 7
