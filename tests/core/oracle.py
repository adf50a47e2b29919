"""A second engine, slow and obvious: what `docs/episodes.md` says, minute by minute, for some triggers.

It knows nothing of `streams`. Each minute of a short span, and again after each entry of that
minute, it looks at everything that is known by then and asks what is to happen now. Moments and
spans are whole minutes; there is one record, one path, and nothing comes late.
"""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Fact:
    """A change of the record, or its deletion: what it says of some fields. A touch, unless only `seen`."""

    minute: int
    fields: dict[str, Any] = field(default_factory=dict)
    seen: bool = False
    deleted: bool = False


@dataclass(frozen=True)
class Said:
    """What somebody said to the open episode."""

    minute: int
    do: Literal["acknowledge", "snooze", "noise", "reopen"]
    until: int | None = None


@dataclass(frozen=True)
class Rule:
    """A path. `trigger` and its `limit`: minutes in a stage, minutes untouched, or a value to reach.

    steps: for each, the minutes since the one before, and `owner` or a name.
    """

    trigger: Literal["in_stage", "untouched", "value"]
    limit: int
    steps: tuple[tuple[int, str], ...]
    priority: str | None = None
    lasting: int = 0
    hold: int = 0
    rearm: int = 0
    expires: int | None = None
    give_up: int | None = None


@dataclass(frozen=True)
class Event:
    minute: int
    event: str
    episode: int
    step: int
    notify: tuple[str, ...]


NOBODY = "dora"
"""Who is told when there is no owner."""


def foresee(rule: Rule, entries: list[Fact | Said], minutes: int) -> list[Event]:
    """What happens in the first `minutes`; `entries` in their order."""
    oracle = _Oracle(rule)
    for minute in range(minutes + 1):
        oracle.look(minute)
        for entry in entries:
            if entry.minute == minute:
                if isinstance(entry, Fact):
                    oracle.known.append(entry)
                else:
                    oracle.hear(entry)
                oracle.look(minute)
    return oracle.events


class _Oracle:
    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.known: list[Fact] = []
        self.events: list[Event] = []
        self.unbroken: int | None = None  # since when the condition holds without a break
        self.episode = 0
        self.state: Literal["quiet", "open", "dismissed"] = "quiet"
        self.rest_until = 0
        self.steps = 0
        self.opened = 0
        self.stepped = 0
        self.told: tuple[str, ...] = ()
        self.away: int | None = None  # since when an open episode's condition does not hold
        self.paused: Literal["acknowledged", "snoozed"] | None = None
        self.paused_until: int | None = None

    # What is known

    def life(self) -> list[Fact]:
        """The facts since the record was made, or made anew."""
        deletions = [index for index, fact in enumerate(self.known) if fact.deleted]
        last = deletions[-1] if deletions else -1
        return self.known[last + 1 :]

    def value_of(self, name: str) -> Any:
        values = [fact.fields[name] for fact in self.life() if name in fact.fields]
        return values[-1] if values else None

    def alive(self) -> bool:
        closed = self.value_of("status") == "closed"
        return bool(self.life()) and not closed and self.value_of("merged") is None

    def condition(self, minute: int) -> bool:
        if not self.alive():
            return False
        if self.rule.priority is not None and self.value_of("priority") != self.rule.priority:
            return False
        life = self.life()
        if self.rule.trigger == "value":
            value = self.value_of("value")
            return value is not None and value >= self.rule.limit
        if self.rule.trigger == "untouched":
            touches = [life[0], *(fact for fact in life if not fact.seen)]
            return minute >= touches[-1].minute + self.rule.limit
        stage, entered = None, life[0].minute
        for fact in life:
            if "stage" in fact.fields and fact.fields["stage"] != stage:
                stage, entered = fact.fields["stage"], fact.minute
        return stage is not None and minute >= entered + self.rule.limit

    # What happens

    def look(self, minute: int) -> None:
        holds = self.condition(minute)
        if not holds:
            self.unbroken = None
        elif self.unbroken is None:
            self.unbroken = minute
        while self.happens(minute, holds):
            pass

    def happens(self, minute: int, holds: bool) -> bool:
        """Let one thing happen that is due by now; whether there was one."""
        rule = self.rule
        if self.state == "dismissed":
            if holds:
                return False
            self.state = "quiet"
            return True
        if self.state == "quiet":
            if self.unbroken is None or minute < self.rest_until:
                return False
            if minute < self.unbroken + rule.lasting + rule.steps[0][0]:
                return False
            self.episode += 1
            self.state = "open"
            self.opened = minute
            self.steps = 0
            self.told = ()
            self.away = self.paused = self.paused_until = None
            self.take_step(minute)
            return True
        if not holds:
            if self.away is None:
                self.away = minute
            if self.alive() and minute < self.away + rule.hold:
                return False
            self.over(minute, "resolved", "quiet")
            return True
        self.away = None
        if self.paused is not None:
            due = self.paused_until
        elif self.steps < len(rule.steps):
            due = self.stepped + rule.steps[self.steps][0]
        else:
            due = None
        if due is None or minute < due:
            return False
        if rule.give_up is not None and minute > self.opened + rule.give_up:
            return False
        self.take_step(minute)
        return True

    def take_step(self, minute: int) -> None:
        _, asked = self.rule.steps[min(self.steps, len(self.rule.steps) - 1)]
        name = (self.value_of("owner") or NOBODY) if asked == "owner" else asked
        self.steps += 1
        self.stepped = minute
        self.paused = self.paused_until = None
        if name not in self.told:
            self.told = (*self.told, name)
        event = "opened" if self.steps == 1 else "advanced"
        self.events.append(Event(minute, event, self.episode, self.steps, (name,)))

    def over(self, minute: int, event: str, state: Literal["quiet", "dismissed"]) -> None:
        self.events.append(Event(minute, event, self.episode, self.steps, self.told))
        self.rest_until = minute + self.rule.rearm
        self.state = state

    # What people say

    def hear(self, said: Said) -> None:
        minute = said.minute
        if self.state == "dismissed" and said.do == "reopen":
            self.events.append(Event(minute, "reopened", self.episode, 0, ()))
            self.state = "quiet"
            self.rest_until = 0
            # Only the wait of the first step is still to come.
            self.unbroken = minute - self.rule.lasting
        if self.state != "open":
            return
        if said.do == "noise":
            self.over(minute, "noise", "dismissed" if self.away is None else "quiet")
        elif said.do == "reopen":
            if self.paused is not None:
                self.paused = self.paused_until = None
                self.stepped = minute
                self.say(minute, "reopened")
        elif said.until is not None and said.until <= minute:
            return
        elif said.do == "acknowledge":
            if self.paused != "acknowledged":
                self.paused, self.paused_until = "acknowledged", said.until
                if said.until is None and self.rule.expires is not None:
                    self.paused_until = minute + self.rule.expires
                self.say(minute, "acknowledged")
        elif said.until is not None and (self.paused, self.paused_until) != ("snoozed", said.until):
            self.paused, self.paused_until = "snoozed", said.until
            self.say(minute, "snoozed")

    def say(self, minute: int, event: str) -> None:
        self.events.append(Event(minute, event, self.episode, self.steps, self.told))
