"""Small worlds for tests: rules from YAML text, changes by clock time, a partition to fold them in."""

from datetime import datetime
from typing import Any, Literal

import yaml

from streams.core.document import Problems
from streams.core.entries import Change, Source
from streams.core.escalation import Escalation
from streams.core.partition import Partition
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import from_rfc3339, micros

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
