"""SLA clocks: something was to be done within a target.

    when:
      clock: resolution            # or first_response, next_response, periodic_update
      target: {urgent: 4h, high: 8h, else: 3 working days}
      calendar: support
      warn: [75%, 30m]

| clock | starts | ends | pauses |
|---|---|---|---|
| first_response | when the record was created | with the first answer | do not stop it |
| next_response | when the customer wrote again, after a first answer | with the answer | do not stop it |
| periodic_update | with the latest answer, or when created | starts over with each answer | stop it |
| resolution | when the record was created | when it is closed | stop it |

`pauses: true` or `false` says otherwise. Pauses are the spans in which the record was paused or
closed. A closed record never runs any clock.

A clock runs in the path's calendar: each of its spans is working time there, so `8h` and
`8 working hours` are the same target. A priority that changes re-bases the clock: the target of
the present one counts, and the time used so far stays used. `docs/clocks.md` has the rest.
"""

from typing import Any, ClassVar

from streams.core.calendar import ALWAYS, Calendar
from streams.core.clocks.run import Run, hours, run_from
from streams.core.clocks.target import Target, Targets, read_targets
from streams.core.clocks.warning import Warn, read_warnings
from streams.core.document import Node
from streams.core.record import Record
from streams.core.timestamps import rfc3339
from streams.core.triggers.trigger import Now, Trigger


class Clock(Trigger, frozen=True, kw_only=True):
    """One kind of clock with its targets. `named`: what the configuration calls its `calendar`.

    pauses: whether they stop it. next_opening: whether a target that exactly fills a window is due at the
    next opening, and not at closing time.
    """

    kind: ClassVar[str]
    starts_by: ClassVar[frozenset[str]]
    stops: ClassVar[bool]

    reads: frozenset[str]  # type: ignore[misc]  # it depends on the field that targets go by
    targets: Targets
    calendar: Calendar
    named: str | None
    pauses: bool
    next_opening: bool
    warn: tuple[Warn, ...]

    def started(self, record: Record) -> int | None:
        """When this clock's present run began; None while it does not run."""
        raise NotImplementedError

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        running = self._running(record)
        if running is None:
            return None
        run, target = running
        due = self._due(run, target)
        # A pause after the breach does not undo it; before the breach nothing is due until it ends.
        return due if run.stopped is None or due <= run.stopped else None

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        run, target = self._certain(record)
        return f"{self._called(target)} used up", self._arithmetic(record, run, target, at)

    def missing(self, record: Record, at: int) -> str:
        if self.started(record) is None:
            return self.not_started(record)
        running = self._running(record)
        if running is None:
            return f"there is no target where {self.targets.by} is {record.fact(self.targets.by)!r}"
        run, target = running
        since = "" if run.stopped is None else f" since {rfc3339(run.stopped)}"
        return f"the clock stands still{since}; {hours(run.used(at))} of the {self._called(target)} used up"

    def not_started(self, record: Record) -> str:
        """Why the clock does not run, for people."""
        raise NotImplementedError

    def warnings(self, record: Record) -> tuple[int, ...]:
        return tuple(at for at, _ in self._warnings(record))

    def warning(self, record: Record, number: int, at: int) -> tuple[str, dict[str, Any]]:
        run, target = self._certain(record)
        warn = self._warnings(record)[number][1]
        used, amount = run.used(at), run.amount(target.span)
        called, due = self._called(target), rfc3339(self._due(run, target))
        if warn.percent:
            # The share at this moment, which may be past the one to warn at; 100% is the breach.
            percent = min(round(100 * used / amount, 1), 99.9)
            line = f"{percent:g}% of the {called} used up, due {due}"
        else:
            line = f"{hours(amount - used)} left of the {called}, due {due}"
        return line, {"warning": warn.text, **self._arithmetic(record, run, target, at)}

    def _running(self, record: Record) -> tuple[Run, Target] | None:
        start, target = self.started(record), self.targets.of(record)
        if start is None or target is None:
            return None
        return run_from(start, self.calendar, record.idle if self.pauses else ()), target

    def _certain(self, record: Record) -> tuple[Run, Target]:
        running = self._running(record)
        assert running is not None, "only a clock that runs warns or runs out"
        return running

    def _due(self, run: Run, target: Target) -> int:
        due = run.due(target.span)
        return run.running(due) if self.next_opening else due

    def _warnings(self, record: Record) -> list[tuple[int, Warn]]:
        """By moment; of several at the same moment the one named first."""
        running = self._running(record) if self.warn else None
        if running is None:
            return []
        run, target = running
        due = self._due(run, target)
        moments: dict[int, Warn] = {}
        for warn in self.warn:
            at = warn.at(run, target.span, due)
            if at is not None:
                moments.setdefault(at, warn)
        return sorted(moments.items(), key=lambda each: each[0])

    def _called(self, target: Target) -> str:
        which = "" if target.value is None else f" for {self.targets.by} {target.value}"
        return f"{self.kind.replace('_', ' ')} target of {target.span.text}{which}"

    def _arithmetic(self, record: Record, run: Run, target: Target, at: int) -> dict[str, Any]:
        """What a reader needs to check `due` by hand; amounts are working time."""
        by = self.targets.by
        chosen = {
            "by": by,
            "is": record.fact(by),
            "rule": f"the target for the present {by} counts, time used stays",
        }
        return {
            "clock": self.kind,
            "calendar": self.named,
            "target": target.span.text,
            **(chosen if self.targets else {}),
            "started": rfc3339(run.start),
            "pauses": self.pauses,
            "paused": hours(run.paused(at)),
            "used": hours(run.used(at)),
            "due": rfc3339(self._due(run, target)),
        }


class FirstResponseClock(Clock, frozen=True, kw_only=True):
    kind: ClassVar[str] = "first_response"
    starts_by: ClassVar[frozenset[str]] = frozenset({"created", "responded"})
    stops: ClassVar[bool] = False

    def started(self, record: Record) -> int | None:
        return record.created if record.responded is None else None

    def not_started(self, record: Record) -> str:
        return f"the first answer was given at {rfc3339(record.responded or record.created)}"


class NextResponseClock(Clock, frozen=True, kw_only=True):
    kind: ClassVar[str] = "next_response"
    starts_by: ClassVar[frozenset[str]] = frozenset({"asked", "responded", "replied"})
    stops: ClassVar[bool] = False

    def needs(self) -> frozenset[str]:
        # A feed that states since when the customer waits may say by a null that an answer was given.
        return self.reads - {"replied"}

    def started(self, record: Record) -> int | None:
        asked, responded = record.asked, record.responded
        if asked is None or responded is None:
            return None
        # A feed that states these moments itself need not clear one when it sets the other.
        answered = responded if record.replied is None else max(responded, record.replied)
        return asked if asked >= answered else None

    def not_started(self, record: Record) -> str:
        if record.responded is None:
            return "no first answer has been given yet"
        return "the customer waits for no answer"


class PeriodicUpdateClock(Clock, frozen=True, kw_only=True):
    kind: ClassVar[str] = "periodic_update"
    starts_by: ClassVar[frozenset[str]] = frozenset({"created", "responded", "replied"})
    stops: ClassVar[bool] = True

    def needs(self) -> frozenset[str]:
        return self.reads - {"responded"}

    def started(self, record: Record) -> int | None:
        answers = [at for at in (record.responded, record.replied) if at is not None]
        return max(answers, default=record.created)


class ResolutionClock(Clock, frozen=True, kw_only=True):
    kind: ClassVar[str] = "resolution"
    starts_by: ClassVar[frozenset[str]] = frozenset({"created"})
    stops: ClassVar[bool] = True

    def started(self, record: Record) -> int | None:
        return record.created


CLOCKS: dict[str, type[Clock]] = {
    each.kind: each for each in (FirstResponseClock, NextResponseClock, PeriodicUpdateClock, ResolutionClock)
}


def read(when: Node, calendar: Calendar | None) -> Clock:
    when.keys("calendar", "warn", "pauses", "filled_window", required=("clock", "target"))
    kind = CLOCKS[when["clock"].choice(*CLOCKS)]
    targets = read_targets(when["target"], calendar)
    pauses, filled, warn, named = (when.get(key) for key in ("pauses", "filled_window", "warn", "calendar"))
    stops = pauses.flag() if pauses else kind.stops
    next_opening = filled is not None and filled.choice("closing", "next_opening") == "next_opening"
    if filled and calendar is None:
        filled.fail("without a calendar no window closes", "Add `calendar: NAME`, or take this out", key=True)
    return kind(
        reads=kind.starts_by
        | (frozenset({"idle", "status"}) if stops else frozenset())
        | (frozenset({targets.by}) if targets else frozenset()),
        targets=targets,
        calendar=calendar or ALWAYS,
        named=named.text() if named else None,
        pauses=stops,
        next_opening=next_opening,
        warn=read_warnings(warn, calendar, targets.spans()) if warn else (),
    )
