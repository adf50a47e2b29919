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
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from math import fsum
from statistics import median, quantiles
from typing import Any, NamedTuple

import msgspec

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

    def __str__(self) -> str:
        """As in "created from ... on and before ..."."""
        since = [] if self.since is None else [f"from {rfc3339(self.since)} on"]
        until = [] if self.until is None else [f"before {rfc3339(self.until)}"]
        return " and ".join(since + until) or "at all"

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
    notices: dict[tuple[str, int], int] = field(default_factory=dict)
    late: list[int] = field(default_factory=list)

    def call(self, record: str, at: int, told: Iterable[str], *, opens: bool) -> None:
        """The path escalated `record` at `at`, and `told` people."""
        self.escalations += 1
        self.episodes += opens
        self.first.setdefault(record, at)
        week = (at + _MONDAY) // (7 * DAY)
        for person in told:
            self.notices[person, week] = self.notices.get((person, week), 0) + 1

    def add(self, other: "Tally") -> None:
        """Count what `other` has of other records."""
        self.escalations += other.escalations
        self.episodes += other.episodes
        self.withdrawn += other.withdrawn
        self.never_acted_on += other.never_acted_on
        self.first |= other.first
        self.late += other.late
        for key, count in other.notices.items():
            self.notices[key] = self.notices.get(key, 0) + count

    @property
    def worst_week(self) -> int:
        """How often somebody was told in the worst week of the person who had it worst."""
        return max(self.notices.values(), default=0)

    @property
    def median_week(self) -> float:
        """How often somebody was told in the median week of the person for whom that is most. The weeks go
        from the first to the last in which anybody was told, quiet ones included."""
        if not self.notices:
            return 0.0
        weeks = [week for _, week in self.notices]
        every = range(min(weeks), max(weeks) + 1)
        people = {person for person, _ in self.notices}
        return float(max(median(self.notices.get((person, week), 0) for week in every) for person in people))


class Cost(NamedTuple):
    """What was at stake, of the records whose cost is known: all that went `bad`, those `caught` in time,
    and those `missed`."""

    bad: float
    caught: float
    missed: float


@dataclass(frozen=True)
class Verdict:
    """A path held against an outcome. lead: how long before, in microseconds, of those caught, sorted.

    after: records that were escalated only when they had gone bad. missed: those never, or only then
    escalated, the dearest first. cost: None where it is known of none that went bad.
    """

    precision: Share
    recall: Share
    lead: tuple[int, ...]
    after: int
    missed: tuple[tuple[str, Bad], ...]
    cost: Cost | None

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
            "cost": self.cost and self.cost._asdict(),
            "missed": [
                {"record": record, "at": rfc3339(bad.at), "cost": bad.cost} for record, bad in self.missed
            ],
        }


def verdict(first: Mapping[str, int], bad: Mapping[str, Bad]) -> Verdict:
    """Of a path that `first` escalated these records at these moments, where these went `bad`."""
    caught = {record for record, at in first.items() if record in bad and at < bad[record].at}
    missed = [(record, each) for record, each in bad.items() if record not in caught]
    missed.sort(key=lambda each: (-(each[1].cost or 0.0), each[1].at, each[0]))
    return Verdict(
        Share(len(caught), len(first)),
        Share(len(caught), len(bad)),
        tuple(sorted(bad[record].at - first[record] for record in caught)),
        sum(record in first for record, _ in missed),
        tuple(missed),
        _cost(caught, bad),
    )


def _cost(caught: Set[str], bad: Mapping[str, Bad]) -> Cost | None:
    known = {record: each.cost for record, each in bad.items() if each.cost is not None}
    if not known:
        return None
    # Exact sums: they must not hang on an order that nobody has given.
    found = fsum(cost for record, cost in known.items() if record in caught)
    missed = fsum(cost for record, cost in known.items() if record not in caught)
    return Cost(fsum(known.values()), found, missed)


class Part(msgspec.Struct, array_like=True):
    """What the scores of a share of the records come to: the tallies by path, and when each was created."""

    tallies: dict[str, Tally]
    created: dict[str, int]


class Scores:
    """Of one backtest under `rules`: of each path, for the records of a `period`.

    `outcomes`: with the records that went bad. `births`: of the records replayed so far. What is counted of a
    record depends on that record alone, so shares of the records can be counted apart (`part`, `add`).
    """

    def __init__(
        self, rules: Rules, outcomes: Iterable[tuple[Outcome, Mapping[str, Bad]]], period: Period
    ) -> None:
        self.period = period
        self.tallies = {path.name: Tally() for path in rules.paths}
        self._outcomes = list(outcomes)
        self._paths = {path.name: path for path in rules.paths}
        self.births = Births()
        # By record, the paths of open episodes since whose opening nobody has touched it; and of those that
        # ended since its latest change, path and moment.
        self._untouched: defaultdict[str, set[str]] = defaultdict(set)
        self._ended: dict[str, list[tuple[str, int]]] = {}

    def watch(self, changes: Iterable[Happened]) -> Iterator[Happened]:
        """Pass on what is replayed, noting who was touched."""
        for change in changes:
            self.expect(change)
            yield change
            self.settle(change)

    def count(self, escalations: Iterable[Escalation]) -> Iterator[Escalation]:
        """Pass `escalations` on, counting them, until there are no more."""
        for each in escalations:
            self.see(each)
            yield each
        self.finish()

    def expect(self, change: Happened) -> None:
        """Before `change` is replayed. What it says of a record that is known holds for what comes later."""
        if isinstance(change, Change) and change.record not in self.births.created:
            self.births.watch(change)

    def settle(self, change: Happened) -> None:
        """When all that came of `change` has been seen: count the episodes of its record that had ended
        untouched, unless what it did ended them."""
        if not isinstance(change, Change):
            return
        self.births.watch(change)
        acted = None
        if change.op == "upsert" and change.by in (None, "person"):
            self._untouched.pop(change.record, None)
            if not _closes(change):
                acted = micros(change.at)
        for path, at in self._ended.pop(change.record, ()):
            self.tallies[path].never_acted_on += at != acted

    def finish(self) -> None:
        """When there is nothing more to replay."""
        for ended in self._ended.values():
            for path, _ in ended:
                self.tallies[path].never_acted_on += 1
        self._ended.clear()

    def see(self, each: Escalation) -> None:
        """Count an escalation of a record whose first change has come."""
        if self.births.created[each.record] not in self.period:
            return
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
                self._ended.setdefault(each.record, []).append((each.path, at))

    def part(self) -> Part:
        """What has been counted."""
        return Part(self.tallies, self.births.created)

    def add(self, part: Part) -> None:
        """Count what others have counted of their share of the records."""
        for path, tally in part.tallies.items():
            self.tallies[path].add(tally)
        self.births.created |= part.created

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
        told = Counter[tuple[str, int]]()
        for tally in self.tallies.values():
            told.update(tally.notices)
        return told

    def as_json(self) -> dict[str, Any]:
        """The numbers for programs, by path. Spans are in seconds, moments RFC 3339 in UTC."""
        return {
            name: {
                "escalations": tally.escalations,
                "records": len(tally.first),
                "episodes": tally.episodes,
                "withdrawn": tally.withdrawn,
                "never_acted_on": tally.never_acted_on,
                "median_week": tally.median_week,
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
