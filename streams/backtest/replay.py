"""Replay: a history through the core, faster than time."""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Protocol

from streams.backtest.states import States
from streams.core.entries import Change, Command, Happened, Reference
from streams.core.escalation import Escalation
from streams.core.partition import Partition
from streams.core.rules import Rules
from streams.core.timestamps import micros


class Replayed(Protocol):
    """How much has been replayed: changes, records, and the moments (microseconds) of the first and the
    last change; None where there was none."""

    @property
    def changes(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def first(self) -> int | None: ...
    @property
    def last(self) -> int | None: ...


class Replay:
    """What `rules` would have decided, as far as changes and commands have been given to it.

    They come in the order of time. A partition to fold `into`, made of the same rules, shows what it has
    come to.
    """

    def __init__(self, rules: Rules, into: Partition | None = None) -> None:
        self._states = States()
        self.partition = Partition([(0, rules)], self._states) if into is None else into
        self.changes = 0
        self.first: int | None = None
        self.last: int | None = None

    @property
    def records(self) -> int:
        """How many the history has had so far."""
        return self._states.count

    def run(self, changes: Iterable[Happened], until: int | None = None) -> Iterator[Escalation]:
        """What is decided on `changes`, in the order of time.

        Time runs on to `until` (microseconds) after the last change; by default it ends with it.
        Changes after `until` are not taken.
        """
        for change in up_to(until, changes):
            if isinstance(change, Reference):
                yield from self.refer(change)
                continue
            at = micros(change.at)
            # What is due by now is due everywhere before anything new happens, so that escalations
            # come out in the order of time.
            yield from self.come_to(at)
            yield from self.take(change, at)
        if until is not None:
            yield from self.come_to(until)
        elif self.last is not None:
            yield from self.come_to(self.last)

    def refer(self, reference: Reference) -> list[Escalation]:
        """What is decided on a row that records refer to: time does not come to its moment."""
        decisions = self.partition.fold(reference)
        self.partition.tables.clear()
        return decisions

    def take(self, change: Change | Command, at: int) -> list[Escalation]:
        """What is decided on a change of the moment `at`, to which time has come."""
        if isinstance(change, Change):
            self.changes += 1
            self.last = at
            if self.first is None:
                self.first = at
        states, partition = self._states, self.partition
        states.recall(change.record)
        decisions = partition.fold(change)
        partition.changed.clear()
        states.tidy()
        return decisions

    def come_to(self, to: int) -> list[Escalation]:
        """Let time come to `to`. What the partition has to say on the way comes back to it at once."""
        partition = self.partition
        similar = partition.similar
        decisions: list[Escalation] = []
        while similar.due is not None and similar.due <= to:
            decisions += partition.advance(similar.due)
            said = list(similar.outbox)
            similar.clear()
            for entry in said:
                decisions += partition.fold(entry)
        decisions += partition.advance(to)
        for _, error in partition.troubles:
            raise error
        return decisions


def up_to(until: int | None, changes: Iterable[Happened]) -> Iterable[Happened]:
    """Those of `changes`, in the order of time, that a replay to `until` (microseconds; None is the end)
    takes."""
    if until is None:
        return changes
    return takewhile(lambda each: isinstance(each, Reference) or micros(each.at) <= until, changes)


def replay(
    rules: Rules,
    changes: Iterable[Happened],
    until: int | None = None,
    into: Partition | None = None,
) -> Iterator[Escalation]:
    """What `rules` decide on `changes`: `Replay.run`, for whom that is all there is to know."""
    return Replay(rules, into).run(changes, until)
