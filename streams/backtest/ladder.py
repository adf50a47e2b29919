"""One path with many thresholds over one history, for little more than one of them costs.

This is for paths of whatever kind; `streams.backtest.plain_ladder` takes those that are plain.

Exact: each variant decides what a replay with that variant alone decides. Three things make it cheap.

- Records do not depend on each other, so each is folded by itself, and its state only once for all variants.
- Where the threshold is a span that moves a deadline, a variant whose deadline has not come has nothing to
  say: its standing follows from the record. Variants in order of their spans come due in that order, so the
  latest few of them sleep, and are judged from when they wake.
- While a record is one on which all variants agree (it has another priority than the target swept), one
  of them speaks for all.

Why an episode opened is not put into words here; who is told is decided as ever.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from streams.backtest.replay import up_to
from streams.core.conditions import holds
from streams.core.engine import step
from streams.core.entries import Change, Happened, Reference
from streams.core.episodes import ABSENT, judge, names, take
from streams.core.escalation import CALLS, Escalation, Event, Severity
from streams.core.record import Record, Standing, earliest
from streams.core.routing import Choice, Directory
from streams.core.rules import Path, Rules
from streams.core.tables import Tables
from streams.core.timestamps import MINUTE, from_rfc3339, micros
from streams.core.triggers.trigger import Now, Trigger

T = TypeVar("T")

NEVER = 1 << 62


class Call(msgspec.Struct, frozen=True, gc=False):
    """What some variants, by their `numbers`, decide: the escalation that asks somebody to act, without its
    words. `at`: microseconds."""

    numbers: range
    event: Event
    record: str
    episode: int
    step: int
    at: int
    notify: tuple[str, ...]
    severity: Severity

    @staticmethod
    def of(numbers: range, escalation: Escalation) -> "Call":
        each = escalation
        at = from_rfc3339(each.at)
        return Call(numbers, each.event, each.record, each.episode, each.step, at, each.notify, each.severity)


class _Terse(Trigger, frozen=True, kw_only=True):
    """`trigger`, without the words: they are most of what an escalation costs."""

    trigger: Trigger
    reads: frozenset[str]  # type: ignore[misc]  # as those of the trigger
    remembers: bool  # type: ignore[misc]
    graded: bool  # type: ignore[misc]

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        return self.trigger.since(record, before, held, now)

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        return "", {}

    def warnings(self, record: Record) -> tuple[int, ...]:
        return self.trigger.warnings(record)

    def warning(self, record: Record, number: int, at: int) -> tuple[str, dict[str, Any]]:
        return "", {}

    def level(self, record: Record) -> float | None:
        return self.trigger.level(record)


_QUARTER = 15 * MINUTE


class Memory(Directory):
    """`directory`, which is asked the same of many variants. It remembers who was found in a quarter of an
    hour, the grain of zones' days, where that can be said."""

    def __init__(self, directory: Directory) -> None:
        self.__dict__.update(directory.__dict__)
        self._found: dict[tuple[Any, ...], Choice] = {}
        self._told: dict[tuple[Any, ...], tuple[str, ...]] = {}
        self._deciding: dict[tuple[str, ...], tuple[str, ...] | None] = {}

    def notify(self, asked: str, record: Record, at: int) -> Choice:
        key = self._key((asked,), record, at)
        if key is None:
            return super().notify(asked, record, at)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = super().notify(asked, record, at)
        return found

    def told(self, asked: tuple[str, ...], record: Record, at: int) -> tuple[str, ...]:
        """The names of all that `notify` finds."""
        key = self._key(asked, record, at)
        told = None if key is None else self._told.get(key)
        if told is None:
            told = names([self.notify(each, record, at) for each in asked])
            if key is not None:
                self._told[key] = told
        return told

    def _key(self, asked: tuple[str, ...], record: Record, at: int) -> tuple[Any, ...] | None:
        """All that decides who is found; None where that cannot be said."""
        try:
            deciding = self._deciding[asked]
        except KeyError:
            deciding = self._deciding[asked] = self._facts(asked)
        if deciding is None:
            return None
        key: tuple[Any, ...] = asked, at // _QUARTER
        for name in deciding:
            fact = record.fact(name)
            if not isinstance(fact, str | None):
                return None
            key = *key, fact
        return key

    def _facts(self, asked: tuple[str, ...]) -> tuple[str, ...] | None:
        # Who is on call, and what a table has, may change at any moment.
        if self.table is not None or any(self.parse(each).kind == "oncall" for each in asked):
            return None
        return tuple(name for each in asked if (name := self.fact(each)) is not None)


def numbered(each: Escalation) -> range:
    """The number of the variant that decided it."""
    number = int(each.path.rpartition("@")[2])
    return range(number, number + 1)


def with_number(path: Path, number: int) -> Path:
    return msgspec.structs.replace(path, name=f"{path.name}@{number}")


def _terse(path: Path, number: int) -> Path:
    trigger = path.trigger
    return msgspec.structs.replace(
        with_number(path, number),
        trigger=_Terse(
            trigger=trigger, reads=trigger.reads, remembers=trigger.remembers, graded=trigger.graded
        ),
        steps=tuple(msgspec.structs.replace(each, reassign=None) for each in path.steps),
    )


class _Climber(msgspec.Struct):
    """A record and how many variants are awake on it. agreed: the first still speaks for all."""

    record: Record
    awake: int
    agreed: bool


class Climb(ABC, Generic[T]):
    """Variants of `path`, one of `rules`, over a history, each record by itself: T is how it stands there."""

    def __init__(self, rules: Rules, path: Path) -> None:
        self._climbers: dict[str, T] = {}
        self.tables = Tables()
        self.directory = Memory(rules.directory.among(self.tables))
        self._kind = path.about

    def replay(self, changes: Iterable[Happened], until: int | None = None) -> Iterator[list[Call]]:
        """What the variants decide, so much at a time as is about one record. As
        `streams.backtest.replay.replay`, but in the order of time for each record only."""
        at = None
        for change in up_to(until, changes):
            if isinstance(change, Reference):
                self.tables.put(change, None)
                continue
            at = micros(change.at)
            if isinstance(change, Change) and change.record.partition(":")[0] == self._kind:
                yield self.change(self.tables.resolved(change), at)
        last = at if until is None else until
        if last is not None:
            for climber in self._climbers.values():
                yield self._come_to(climber, last)

    @abstractmethod
    def change(self, change: Change, at: int) -> list[Call]:
        """What is decided on a record until it changes at the moment `at`, and with that."""

    @abstractmethod
    def _come_to(self, climber: T, at: int) -> list[Call]:
        """What is decided on one record until time has come to `at`."""


class Ladder(Climb[_Climber]):
    """`variants` of one path of `rules`. sleeping: whether their deadlines are in their order for whatever
    record, each not before the one of the variant before it."""

    def __init__(self, rules: Rules, variants: Sequence[Path], *, sleeping: bool) -> None:
        super().__init__(rules, variants[0])
        self._paths = tuple(_terse(path, number) for number, path in enumerate(variants))
        self._rules = Rules(rules.document, (), self.directory, rules.feeds)
        self._sleeping = sleeping
        self._rungs: dict[int, Rules] = {}
        self._where = self._paths[0].where

    def change(self, change: Change, at: int) -> list[Call]:
        climber = self._climbers.get(change.record)
        calls: list[Call] = []
        if climber is None:
            before = None
            awake, agreed = (1, True) if self._sleeping else (len(self._paths), False)
        else:
            calls = self._come_to(climber, at)
            before, awake, agreed = climber.record, climber.awake, climber.agreed
        rules = self._rung(awake)
        after, decisions = step(rules, before, change=change)
        assert after is not None, "a change makes a record"
        if self._sleeping and after.alive and holds(self._where, after):
            if agreed and self._differ(after):
                agreed = False
                if before is not None and (standing := before.standings.get(self._paths[0].name)):
                    awake, before = self._copied(before, standing)
            if not agreed:
                awake = max(awake, self._awake(after, after.at))
            if self._rung(awake) is not rules:
                # Those that this very change has woken.
                after, decisions = step(self._rung(awake), before, change=change)
                assert after is not None
        self._climbers[change.record] = climber = _Climber(after, awake, agreed)
        return calls + self._by_number(climber, decisions)

    def _come_to(self, climber: _Climber, at: int) -> list[Call]:
        self._wake(climber, at)
        record = climber.record
        if record.due is None or record.due > at:
            return []
        rules = self._rung(climber.awake)
        standings, decisions, latest = dict(record.standings), list[Escalation](), record.at
        for path in rules.paths:
            # Each by itself: the variants of one path do not wait for each other.
            standing = standings.get(path.name, ABSENT)
            while standing.due is not None and standing.due <= at:
                latest = max(latest, standing.due)
                standing = standings[path.name] = take(rules, path, record, standing, standing.due, decisions)
        climber.record = msgspec.structs.replace(
            record, at=latest, due=earliest(standings), standings=standings
        )
        return self._by_number(climber, decisions)

    def _by_number(self, climber: _Climber, decisions: list[Escalation]) -> list[Call]:
        every = range(len(self._paths))
        return [
            Call.of(every if climber.agreed else numbered(each), each)
            for each in decisions
            if each.event in CALLS
        ]

    def _rung(self, awake: int) -> Rules:
        """The rules with the variants that are awake."""
        rules = self._rungs.get(awake)
        if rules is None:
            base = self._rules
            rules = Rules(base.document, self._paths[:awake], base.directory, base.feeds)
            self._rungs[awake] = rules
        return rules

    def _wake(self, climber: _Climber, at: int) -> None:
        """Those whose deadline comes by `at` stand from now on where they have come to by themselves."""
        record = climber.record
        if not self._sleeping or climber.agreed or not (record.alive and holds(self._where, record)):
            return
        awake = max(climber.awake, self._awake(record, at))
        if awake == climber.awake:
            return
        standings = dict(record.standings)
        rules, now = self._rung(awake), Now(record.at, record.at)
        for path in self._paths[climber.awake : awake]:
            standings[path.name] = judge(rules, path, record, record, ABSENT, now, [])
        climber.record = msgspec.structs.replace(record, standings=standings, due=earliest(standings))
        climber.awake = awake

    def _awake(self, record: Record, at: int) -> int:
        """How many have something to say by `at`; at least one, which is never asleep."""
        return max(1, bisect_right(self._paths, at, key=lambda path: _wakes(path, record)))

    def _differ(self, record: Record) -> bool:
        """Whether the variants have different answers, which as they are in order the ends show."""
        first, last = self._paths[0], self._paths[-1]
        return since(first, record) != since(last, record) or _wakes(first, record) != _wakes(last, record)

    def _copied(self, record: Record, standing: Standing) -> tuple[int, Record]:
        """Every variant stands where the one stood that spoke for all; how many are awake by that."""
        if standing == ABSENT or not (standing.episode or standing.warned or standing.pause):
            return 1, record
        standings = {path.name: standing for path in self._paths}
        return len(self._paths), msgspec.structs.replace(record, standings=standings)


def since(path: Path, record: Record) -> int:
    """From when a path without memory holds, if nothing changes; `NEVER` is never."""
    at = path.trigger.since(record, None, None, Now(record.at, record.at))
    return NEVER if at is None else at


def _wakes(path: Path, record: Record) -> int:
    """When the path has something to say of `record` if nothing changes: warn, or begin to hold."""
    holds_from = since(path, record)
    if holds_from == NEVER:
        return NEVER
    warnings = path.trigger.warnings(record)
    return min(holds_from, warnings[0]) if warnings else holds_from
