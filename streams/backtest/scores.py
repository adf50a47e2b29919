"""What the escalations of a path were worth: how many of the records that went bad it told of in time,
how many of those it told of went bad, and what it cost people.

Shares are of *records*, for an outcome is one: however often a path escalates a record, that is one hit
or one false alarm. A record is *caught* when its first escalation came before it had gone bad.

    precision   caught / escalated
    recall      caught / went bad

Lateness is how much later an episode opened than when its deadline and the wait of its first step were
over: nothing in a backtest, unless a fact came late or another clause came to hold after the deadline.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from streams.backtest.intervals import Share
from streams.backtest.outcomes import Bad, Outcome
from streams.core.entries import Change, Happened
from streams.core.escalation import CALLS, Escalation
from streams.core.rules import Path, Rules
from streams.core.timestamps import DAY, SECOND, from_rfc3339, micros, rfc3339

# 1970-01-01 was a Thursday.
_MONDAY = 3 * DAY


@dataclass(frozen=True)
class Period:
    """Records created from `since` on and before `until`, microseconds UTC; None is no bound."""

    since: int | None = None
    until: int | None = None

    def __contains__(self, at: object) -> bool:
        assert isinstance(at, int)
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def as_json(self) -> dict[str, str | None]:
        return {
            "from": None if self.since is None else rfc3339(self.since),
            "until": None if self.until is None else rfc3339(self.until),
        }


class Births:
    """When each record of a history was created, told by its feed or else by its first change."""

    def __init__(self) -> None:
        self.created: dict[str, int] = {}

    def watch(self, change: Change) -> None:
        stated = change.fields.get("created")
        if stated is not None:
            self.created[change.record] = from_rfc3339(stated)
        elif change.record not in self.created:
            self.created[change.record] = micros(change.at)

    def only(self, bad: Mapping[str, Bad], period: Period) -> dict[str, Bad]:
        """Those of `bad` that the history knows and that were created in `period`."""
        created = self.created
        return {
            record: each for record, each in bad.items() if record in created and created[record] in period
        }


@dataclass
class Tally:
    """What one path did to the records of a period. `first`: when it first escalated each record.

    notices: by person and week. late: by how much, of the episodes that opened late, in microseconds.
    """

    escalations: int = 0
    episodes: int = 0
    withdrawn: int = 0
    never_acted_on: int = 0
    first: dict[str, int] = field(default_factory=dict)
    notices: Counter[tuple[str, int]] = field(default_factory=Counter)
    late: list[int] = field(default_factory=list)

    def call(self, record: str, at: int, told: Iterable[str], *, opens: bool) -> None:
        """The path escalated `record` at `at`, and `told` people."""
        self.escalations += 1
        self.episodes += opens
        self.first.setdefault(record, at)
        week = (at + _MONDAY) // (7 * DAY)
        for person in told:
            self.notices[person, week] += 1

    @property
    def worst_week(self) -> int:
        """How often somebody was told in the worst week of the person who had it worst."""
        return max(self.notices.values(), default=0)


@dataclass(frozen=True)
class Verdict:
    """A path held against an outcome. lead: how long before, in microseconds, of those caught, sorted.

    after: records that were escalated only when they had gone bad. missed: those never, or only then
    escalated, the dearest first. cost: of all that went bad, and of what was caught.
    """

    precision: Share
    recall: Share
    lead: tuple[int, ...]
    after: int
    missed: tuple[tuple[str, Bad], ...]
    cost: tuple[float, float] | None

    def quartiles(self) -> tuple[float, float, float] | None:
        """First quartile, median and third quartile of `lead`; None where nothing was caught."""
        if not self.lead:
            return None
        if len(self.lead) == 1:
            return (self.lead[0],) * 3
        first, middle, third = quantiles(self.lead, method="inclusive")
        return first, middle, third

    def as_json(self) -> dict[str, Any]:
        lead = self.quartiles()
        return {
            "precision": self.precision.as_json(),
            "recall": self.recall.as_json(),
            "lead_seconds": lead
            and dict(zip(("first_quartile", "median", "third_quartile"), map(_seconds, lead), strict=True)),
            "only_after": self.after,
            "cost": self.cost and {"bad": self.cost[0], "caught": self.cost[1]},
            "missed": [
                {"record": record, "at": rfc3339(bad.at), "cost": bad.cost} for record, bad in self.missed
            ],
        }


def verdict(first: Mapping[str, int], bad: Mapping[str, Bad]) -> Verdict:
    """Of a path that `first` escalated these records at these moments, where these went `bad`."""
    caught = {record for record, at in first.items() if record in bad and at < bad[record].at}
    missed = [(record, each) for record, each in bad.items() if record not in caught]
    missed.sort(key=lambda each: (-(each[1].cost or 0.0), each[1].at, each[0]))
    costs = {record: each.cost for record, each in bad.items() if each.cost is not None}
    return Verdict(
        Share(len(caught), len(first)),
        Share(len(caught), len(bad)),
        tuple(sorted(bad[record].at - first[record] for record in caught)),
        sum(record in first for record, _ in missed),
        tuple(missed),
        (sum(costs.values()), sum(costs[each] for each in caught if each in costs)) if costs else None,
    )


class Scores:
    """Of one backtest under `rules`: of each path, for the records of a `period`.

    `outcomes`: with the records that went bad. `births`: of the records replayed so far.
    """

    def __init__(
        self, rules: Rules, outcomes: Iterable[tuple[Outcome, Mapping[str, Bad]]], period: Period
    ) -> None:
        self.period = period
        self.tallies = {path.name: Tally() for path in rules.paths}
        self._outcomes = list(outcomes)
        self._paths = {path.name: path for path in rules.paths}
        self.births = Births()
        # By record, the paths of open episodes since whose opening nobody has touched it; and those that
        # ended since the latest change: path, record, when.
        self._untouched: defaultdict[str, set[str]] = defaultdict(set)
        self._ended: list[tuple[str, str, int]] = []

    def watch(self, changes: Iterable[Happened]) -> Iterator[Happened]:
        """Pass on what is replayed, noting who was touched."""
        for change in changes:
            if not isinstance(change, Change):
                yield change
                continue
            self.births.watch(change)
            yield change
            self._settle(change)

    def _settle(self, change: Change | None = None) -> None:
        """Count those that ended untouched, unless it was the `change` that ended them, by what it did."""
        acted = None
        if change is not None and change.op == "upsert" and change.by in (None, "person"):
            self._untouched.pop(change.record, None)
            if not _closes(change):
                acted = change.record, micros(change.at)
        for path, record, at in self._ended:
            self.tallies[path].never_acted_on += (record, at) != acted
        self._ended.clear()

    def count(self, escalations: Iterable[Escalation]) -> Iterator[Escalation]:
        """Pass `escalations` on, counting them."""
        for each in escalations:
            if self.births.created[each.record] in self.period:
                self._count(each)
            yield each
        self._settle()

    def _count(self, each: Escalation) -> None:
        tally, at = self.tallies[each.path], from_rfc3339(each.at)
        if each.event in CALLS:
            tally.call(each.record, at, () if each.shadow else each.notify, opens=each.event == "opened")
        if each.event == "opened":
            self._untouched[each.record].add(each.path)
            if late := _lateness(self._paths[each.path], each, at):
                tally.late.append(late)
        elif each.event in ("resolved", "withdrawn"):
            tally.withdrawn += each.event == "withdrawn"
            if each.path in self._untouched.get(each.record, ()):
                self._untouched[each.record].discard(each.path)
                self._ended.append((each.path, each.record, at))

    def verdicts(self, path: str) -> dict[str, Verdict]:
        """By the name of the outcome."""
        first = self.tallies[path].first
        return {
            outcome.name: verdict(first, self.births.only(bad, self.period))
            for outcome, bad in self._outcomes
            if path in outcome.paths
        }

    def notices(self) -> Counter[tuple[str, int]]:
        """Of all paths together, by person and week."""
        return sum((tally.notices for tally in self.tallies.values()), Counter[tuple[str, int]]())

    def as_json(self) -> dict[str, Any]:
        """The numbers for programs, by path. Spans are in seconds, moments RFC 3339 in UTC."""
        return {
            name: {
                "escalations": tally.escalations,
                "records": len(tally.first),
                "episodes": tally.episodes,
                "withdrawn": tally.withdrawn,
                "never_acted_on": tally.never_acted_on,
                "worst_week": tally.worst_week,
                "late": {
                    "episodes": len(tally.late),
                    "median_seconds": _seconds(median(tally.late)) if tally.late else None,
                    "worst_seconds": _seconds(max(tally.late)) if tally.late else None,
                },
                "outcomes": {outcome: each.as_json() for outcome, each in self.verdicts(name).items()},
            }
            for name, tally in self.tallies.items()
        }


def _closes(change: Change) -> bool:
    fields = change.fields
    return change.op == "delete" or fields.get("status") == "closed" or fields.get("merged") is not None


def _lateness(path: Path, opened: Escalation, at: int) -> int:
    due = opened.reason["clock"].get("due")
    if due is None:
        return 0
    return max(0, at - path.steps[0].after.after(from_rfc3339(due) + path.lasting, path.calendar))


def _seconds(span: float) -> float:
    return span / SECOND
