"""What a report keeps of the escalations of a backtest: counts by day, and a few examples of each kind.

Memory goes by paths, days and people, never by how many escalations there are.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Literal

from streams.backtest.outcomes import Bad, Outcome
from streams.backtest.scores import Scores
from streams.core.escalation import CALLS, Escalation
from streams.core.timestamps import from_rfc3339

Kind = Literal["caught", "for_nothing", "only_after"]
"""A record's first escalation: before it went bad, though it never did, or only when it had."""

EXAMPLES = 5


class Sample:
    """A few of many: those with the least ids. Ids are hashes, so each is as likely to be among them, and
    every run has the same (bottom-k sampling: Cohen and Kaplan, "Summarizing Data Using Bottom-k Sketches",
    PODC 2007).

    count: how many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[Escalation] = []

    def offer(self, each: Escalation) -> None:
        self.count += 1
        if len(self._kept) == EXAMPLES:
            if each.id >= self._kept[-1].id:
                return
            self._kept.pop()
        insort(self._kept, each, key=attrgetter("id"))

    def in_order(self) -> list[Escalation]:
        """What was kept, in the order of time."""
        return sorted(self._kept, key=lambda each: (from_rfc3339(each.at), each.record))


class Load:
    """What one person is told, week by week; `worst` are the notices of the week with the most."""

    def __init__(self) -> None:
        self.worst = Sample()
        self._week: int | None = None
        self._present = self.worst

    def tell(self, week: int, each: Escalation) -> None:
        """Weeks come in the order of time."""
        if week != self._week:
            self._week, self._present = week, Sample()
        self._present.offer(each)
        if self._present.count > self.worst.count:
            self.worst = self._present


class Observed:
    """Of the escalations of one backtest. `days`: how many of each path and event, by the day's ordinal
    (UTC), of those that ask somebody to act. `events`: examples by path and event. `firsts`: by path,
    outcome and kind. `people`: by who is told."""

    def __init__(
        self, scores: Scores | None = None, outcomes: Sequence[tuple[Outcome, Mapping[str, Bad]]] = ()
    ) -> None:
        self.days: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        self.events: defaultdict[tuple[str, str], Sample] = defaultdict(Sample)
        self.firsts: defaultdict[tuple[str, str, Kind], Sample] = defaultdict(Sample)
        self.people: defaultdict[str, Load] = defaultdict(Load)
        self._scores = scores
        self._outcomes = outcomes

    def watch(self, escalations: Iterable[Escalation]) -> Iterator[Escalation]:
        """Pass on what `scores` have counted already."""
        for each in escalations:
            self.events[each.path, each.event].offer(each)
            if each.event in CALLS:
                day = date.fromisoformat(each.at[:10]).toordinal()
                self.days[each.path, each.event][day] += 1
                for person in () if each.shadow else each.notify:
                    self.people[person].tell((day - 1) // 7, each)
                if self._scores is not None:
                    self._judge(each, self._scores)
            yield each

    def _judge(self, each: Escalation, scores: Scores) -> None:
        at = from_rfc3339(each.at)
        # A chain advances only after it was opened, if at the same moment.
        if each.event == "advanced" or scores.tallies[each.path].first.get(each.record) != at:
            return
        for outcome, bad in self._outcomes:
            if each.path in outcome.paths:
                went = bad.get(each.record)
                kind: Kind = "for_nothing" if went is None else "caught" if at < went.at else "only_after"
                self.firsts[each.path, outcome.name, kind].offer(each)
