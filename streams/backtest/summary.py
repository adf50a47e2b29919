"""What a backtest found, in numbers: per path, and per person and week."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from streams.core.escalation import Escalation


@dataclass
class PathLoad:
    """`records`: how many different ones. `events`: how often each kind of event came."""

    events: Counter[str] = field(default_factory=Counter)
    records: set[str] = field(default_factory=set)


@dataclass
class Summary:
    """Counts of one backtest. `weeks`: told per person, by ISO year and week."""

    changes: int = 0
    paths: dict[str, PathLoad] = field(default_factory=dict)
    weeks: dict[str, Counter[tuple[int, int]]] = field(default_factory=lambda: defaultdict(Counter))

    def count(self, escalations: Iterable[Escalation]) -> Iterator[Escalation]:
        """Pass `escalations` on, counting them."""
        for each in escalations:
            load = self.paths.setdefault(each.path, PathLoad())
            load.events[each.event] += 1
            load.records.add(each.record)
            if each.event != "resolved":
                year, week, _ = datetime.fromisoformat(each.at).isocalendar()
                for person in each.notify:
                    self.weeks[person][year, week] += 1
            yield each

    def as_json(self) -> dict[str, Any]:
        """The same numbers for programs."""
        return {
            "changes": self.changes,
            "paths": {
                name: {"records": len(load.records), **dict(sorted(load.events.items()))}
                for name, load in self.paths.items()
            },
            "recipients": {
                name: {
                    "notices": weeks.total(),
                    "median_week": median(weeks.values()),
                    "worst_week": max(weeks.values()),
                }
                for name, weeks in sorted(self.weeks.items())
            },
        }
