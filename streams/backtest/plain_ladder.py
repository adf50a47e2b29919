"""A plain path with many thresholds over one history.

A path is plain if its threshold only moves a deadline and its episodes leave nothing behind: one opens when
the deadline and the wait of the first step are over, takes its steps in their time, and ends with its
condition. So where a variant stands is told by four numbers, and of variants in the order of their
deadlines those that stand alike are next to each other: they are kept, and decide, as one. That is a
fraction of what `streams.core.episodes`, which can do more, takes for each of them; the deadlines, who is
told and what becomes of the record are decided there as ever.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from streams.backtest.ladder import NEVER, Call, Climb, since
from streams.core.conditions import holds
from streams.core.engine import step
from streams.core.entries import Change
from streams.core.escalation import Event
from streams.core.record import Record
from streams.core.rules import Path, Rules
from streams.core.triggers.sla import Clock

_EVENTS: tuple[Event, Event] = ("opened", "advanced")


def is_plain(path: Path) -> bool:
    """Whether episodes of `path`, whose threshold only moves a deadline, leave nothing behind."""
    warns = isinstance(path.trigger, Clock) and path.trigger.warn
    lingers = path.lasting or path.hold or path.rearm or path.give_up
    return not (warns or lingers or path.backlog == "ignore")


class _Rung(msgspec.Struct, gc=False):
    """Variants from number `first` to before `end` that stand alike.

    start: since when their condition holds; None while it does not, and `due` is the deadline of the first.
    Else `due` is when the next step is; `NEVER` where nothing happens by itself. step: how many the open
    episode has taken. episode: the number of the latest.
    """

    first: int
    end: int
    start: int | None = None
    due: int = NEVER
    step: int = 0
    episode: int = 0


class _Climber(msgspec.Struct, gc=False):
    record: Record
    rungs: list[_Rung]
    due: int = NEVER


class PlainLadder(Climb[_Climber]):
    """`variants` of one plain path of `rules`, in the order of their deadlines for whatever record."""

    def __init__(self, rules: Rules, variants: Sequence[Path]) -> None:
        super().__init__(rules, variants[0])
        self._variants = variants
        self._path = variants[0]
        # What a change makes of a record does not depend on paths, but for the facts that they look back on.
        self._rules = Rules(rules.document, (), self.directory, rules.feeds)
        self._rules.tracked = Rules(rules.document, (self._path,), self.directory, rules.feeds).tracked

    def change(self, change: Change, at: int) -> list[Call]:
        climber, before = self._climbers.get(change.record), None
        calls: list[Call] = []
        if climber is not None:
            calls = self._come_to(climber, at)
            before = climber.record
        record, _ = step(self._rules, before, change=change)
        assert record is not None, "a change makes a record"
        if climber is None:
            climber = self._climbers[change.record] = _Climber(record, [_Rung(0, len(self._variants))])
        climber.record = record
        if before is None or any(_value(before, name) != _value(record, name) for name in self._path.reads):
            self._judge(climber, at)
        return calls

    def _judge(self, climber: _Climber, at: int) -> None:
        """See for which variants the condition holds now that the record is another: the first ones."""
        record = climber.record
        here = record.alive and holds(self._path.where, record)
        held = self._over(record, at, 0, len(self._variants)) if here else 0
        rungs: list[_Rung] = []
        for rung in climber.rungs:
            first, end = max(rung.first, held), rung.end
            if rung.first < held:
                rung.end = min(end, held)
                if rung.start is None:
                    rung.start, rung.due = at, self._after(0, at)
                rungs.append(rung)
            if end <= held:
                continue
            if rungs and rungs[-1].start is None and rungs[-1].episode == rung.episode:
                rungs[-1].end = end
            else:
                due = since(self._variants[first], record) if here else NEVER
                rungs.append(_Rung(first, end, due=due, episode=rung.episode))
        climber.rungs = rungs
        climber.due = min(rung.due for rung in rungs)

    def _come_to(self, climber: _Climber, to: int) -> list[Call]:
        calls: list[Call] = []
        if climber.due > to:
            return calls
        record = climber.record
        rungs: list[_Rung] = []
        for rung in climber.rungs:
            while rung.start is None and rung.due <= to:
                reached, rest = self._split(rung, record)
                rungs.append(reached)
                self._climb(reached, record, to, calls)
                if rest is None:
                    break
                rung = rest
            else:
                rungs.append(rung)
                self._climb(rung, record, to, calls)
        climber.rungs = rungs
        climber.due = min(rung.due for rung in rungs)
        return calls

    def _split(self, rung: _Rung, record: Record) -> tuple[_Rung, _Rung | None]:
        """Those whose deadline is that of the first, from which on their condition holds, and the rest."""
        at, end = rung.due, rung.first + 1
        due = since(self._variants[end], record) if end < rung.end else NEVER
        if due == at:
            end = self._over(record, at, end, rung.end)
            due = since(self._variants[end], record) if end < rung.end else NEVER
        reached = _Rung(rung.first, end, at, self._after(0, at), episode=rung.episode)
        rest = _Rung(end, rung.end, due=due, episode=rung.episode) if end < rung.end else None
        return reached, rest

    def _climb(self, rung: _Rung, record: Record, to: int, calls: list[Call]) -> None:
        """Take the steps that are due by `to`."""
        steps = self._path.steps
        while (at := rung.due) <= to:
            taken, event = steps[rung.step], _EVENTS[rung.step > 0]
            rung.episode += not rung.step
            rung.step += 1
            rung.due = self._after(rung.step, at) if rung.step < len(steps) else NEVER
            numbers, told = range(rung.first, rung.end), self.directory.told(taken.notify, record, at)
            calls.append(Call(numbers, event, record.key, rung.episode, rung.step, at, told, taken.severity))

    def _after(self, taken: int, at: int) -> int:
        """When the step after `taken` steps is due, the last of them taken (or the start) at `at`."""
        return self._path.steps[taken].after.after(at, self._path.calendar)

    def _over(self, record: Record, at: int, first: int, end: int) -> int:
        """The first of some variants whose deadline is after `at`, or the `end`."""
        return bisect_right(self._variants, at, first, end, key=lambda path: since(path, record))


def _value(record: Record, name: str) -> Any:
    """What a path reads by this name."""
    return getattr(record, name) if name in _ATTRIBUTES else record.fields.get(name)


_ATTRIBUTES = frozenset(Record.__struct_fields__)
