"""Small worlds for tests: rules from YAML text, changes by clock time, a partition to fold them in."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

import yaml

from streams.core.calendar import Calendar
from streams.core.document import Node, Problems
from streams.core.entries import Change, Command, NewRules, Source
from streams.core.escalation import Escalation
from streams.core.partition import Partition
from streams.core.record import Record
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import from_rfc3339, micros
from streams.core.triggers.trigger import Now, Trigger

PEOPLE = """
people:
  anna: {manager: bert, deputy: carla}
  bert: {manager: dora}
  carla: {manager: bert}
  dora: {}
teams: {triage: [carla, bert]}
fallback: dora
calendars:
  office:
    zone: Europe/Berlin
    open: {mon-fri: "09:00-17:00"}
"""


def rules(paths: str, people: str = PEOPLE) -> Rules:
    """Rules from YAML text; fails on any problem."""
    problems = Problems()
    document = {**yaml.load(people, yaml.BaseLoader), **yaml.load(paths, yaml.BaseLoader)}
    compiled = read_rules({"feeds": ["crm"], **_numbers(document)}, problems)
    assert not problems, "\n".join(map(str, problems))
    return compiled


def _numbers(value: Any) -> Any:
    """BaseLoader keeps dates and clock times as text, but numbers and booleans too."""
    if isinstance(value, dict):
        return {key: _numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    if value in ("true", "false"):
        return value == "true"
    return int(value) if isinstance(value, str) and value.isdigit() else value


class World:
    """One partition under test. Times are RFC 3339 without the date's year 2026: `03-02T09:00`."""

    def __init__(self, compiled: Rules) -> None:
        self.partition = Partition([(0, compiled)])
        self.offset = 0
        self.seen: list[Escalation] = []

    def change(
        self,
        at: str,
        record: str = "ticket:1",
        op: Literal["upsert", "refresh", "delete"] = "upsert",
        **fields: Any,
    ) -> list[Escalation]:
        """Fold a change; what it led to. Keeps what came before in `seen`."""
        return self.take(self.make(at, record, op, **fields))

    def make(
        self,
        at: str,
        record: str = "ticket:1",
        op: Literal["upsert", "refresh", "delete"] = "upsert",
        **fields: Any,
    ) -> Change:
        self.offset += 1
        return Change(
            record=record,
            op=op,
            at=datetime.fromisoformat(moment(at)),
            feed="crm",
            source=Source("crm", 0, self.offset),
            order=(self.offset,),
            fields=fields,
        )

    def take(self, change: Change) -> list[Escalation]:
        decided = self.partition.advance(micros(change.at)) + self.partition.fold(change)
        self.seen += decided
        return decided

    def play(self, story: str, **versions: Rules) -> str:
        """Fold a story, one line each; all that was decided so far, as `told` writes it.

        A line begins with its time, HH:MM since 2 March 2026, hours beyond 24 being the next days.
        Alone it lets time pass. `late HH:MM` after it gives the entry an own, earlier time. Then:

            change [RECORD] NAME=VALUE...      also: refresh, delete
            PERSON acknowledge [RECORD] [path=NAME] [until=HH:MM] [id=ID]    also: snooze, noise, reopen
            rules NAME                         one of `versions`, in force from then on
        """
        for line in filter(str.strip, story.splitlines()):
            time, *words = line.split()
            decided = self.partition.advance(micros(_hours(time)))
            if words and words[0] == "late":
                time, *words = words[1:]
            if words:
                decided += self.partition.fold(self._entry(_hours(time), words, versions))
            self.seen += decided
        return "\n".join(map(told, self.seen))

    def _entry(
        self, at: datetime, words: list[str], versions: dict[str, Rules]
    ) -> Change | Command | NewRules:
        if words[0] == "rules":
            return NewRules(at, dict(versions[words[1]].document))
        given: dict[str, Any] = {
            name: value if _CLOCK.search(value) else yaml.safe_load(value)
            for name, value in (word.split("=", 1) for word in words if "=" in word)
        }
        record = next((word for word in words if ":" in word and "=" not in word), "ticket:1")
        self.offset += 1
        number = self.offset
        if words[0] in ("change", "refresh", "delete"):
            op: Any = "upsert" if words[0] == "change" else words[0]
            source = Source("crm", 0, number)
            return Change(
                record=record, op=op, at=at, feed="crm", source=source, order=(number,), fields=given
            )
        do: Any = words[1]
        return Command(
            id=given.get("id", f"command-{number}"),
            record=record,
            path=given.get("path"),
            do=do,
            by=words[0],
            at=at,
            until=_hours(given["until"]) if "until" in given else None,
        )

    def until(self, at: str) -> list[Escalation]:
        """Let time pass."""
        decided = self.partition.advance(from_rfc3339(moment(at)))
        self.seen += decided
        return decided


def moment(at: str) -> str:
    return f"2026-{at}:00Z"


def brief(escalations: list[Escalation]) -> list[tuple[str, str, tuple[str, ...]]]:
    """When, what, whom."""
    return [
        (each.at.removeprefix("2026-").removesuffix(":00Z"), each.event, each.notify) for each in escalations
    ]


_CLOCK = re.compile("[0-9]:[0-9]")
_START = datetime(2026, 3, 2, tzinfo=UTC)


def _hours(text: str) -> datetime:
    hours, minutes = text.split(":")
    return _START + timedelta(hours=int(hours), minutes=int(minutes))


def told(escalation: Escalation) -> str:
    """An escalation in a line: when, what, episode.step, whom; then `> TEAM`, `shadow`, `digest` if so."""
    at = datetime.fromisoformat(escalation.at) - _START
    minutes = at // timedelta(minutes=1)
    words = [
        f"{minutes // 60:02}:{minutes % 60:02}",
        escalation.event,
        f"{escalation.episode}.{escalation.step}",
        ",".join(escalation.notify),
        *([f"> {escalation.reassign}"] if escalation.reassign else []),
        *(["shadow"] if escalation.shadow else []),
        *(["digest"] if escalation.digest else []),
    ]
    return " ".join(filter(None, words))


class Scripted(Trigger, frozen=True):
    """A trigger that does as the record's fields say: `deadline`, from when it holds, in minutes since
    2 March 2026; `score`, its level. It warns an hour and half an hour before."""

    reads: ClassVar[frozenset[str]] = frozenset({"deadline", "score"})
    graded: ClassVar[bool] = True

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        minutes = record.fact("deadline")
        return None if minutes is None else micros(_START + timedelta(minutes=minutes))

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        return f"the deadline {record.fact('deadline')} is over", {}

    def warnings(self, record: Record) -> tuple[int, ...]:
        minutes = record.fact("deadline")
        return (
            ()
            if minutes is None
            else tuple(micros(_START + timedelta(minutes=minutes - before)) for before in (60, 30))
        )

    def warning(self, record: Record, number: int, at: int) -> tuple[str, dict[str, Any]]:
        return f"warning {number} of the deadline {record.fact('deadline')}", {}

    def level(self, record: Record) -> float | None:
        score = record.fact("score")
        return None if score is None else float(score)


def read_scripted(when: Node, calendar: Calendar | None) -> Scripted:
    return Scripted()
