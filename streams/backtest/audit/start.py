"""The one path to start with: a path as YAML to paste, from the failure that cost most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from streams.backtest.audit.finding import Finding, Remedy
from streams.core.document import Problems
from streams.core.rules import Path, Rules, read_rules

MANAGER_AFTER = "2d"
"""When the manager is told, if the owner has done nothing."""


@dataclass(frozen=True)
class Proposal:
    """A path that the configuration has not got. `written`: what stands under its name in the file.
    `missing`: what the file needs besides, at its top level."""

    name: str
    written: Mapping[str, Any]
    missing: Mapping[str, Any]

    def yaml(self, *, inside: bool) -> str:
        """To be pasted at the end of the file; `inside`: at the end of the `paths` that it has."""
        paths = _dump({self.name: dict(self.written)})
        entry = "".join(f"  {line}" for line in paths.splitlines(keepends=True))
        if inside:
            return entry
        return f"{_dump(dict(self.missing)) if self.missing else ''}paths:\n{entry}"

    def rules(self, rules: Rules) -> Rules:
        """`rules` with this path."""
        document = {**rules.document, "paths": {**rules.document["paths"], self.name: dict(self.written)}}
        problems = Problems()
        proposed = read_rules(document, problems)
        assert not problems, problems
        return proposed

    def path(self, rules: Rules) -> Path:
        """The path itself, as it is among `rules`."""
        (path,) = (each for each in self.rules(rules).paths if each.name == self.name)
        return path


def propose(about: str, remedy: Remedy, rules: Rules, missing: Mapping[str, Any]) -> list[Proposal]:
    """A path about records of a kind with each limit of `remedy`, under a name that `rules` does not have."""
    name = f"{about}-{remedy.name}"
    taken = {path.name for path in rules.paths}
    number = 2
    while name in taken:
        name = f"{about}-{remedy.name}-{number}"
        number += 1
    steps = _steps(remedy.findings, rules)
    return [
        Proposal(name, {"about": about, **condition, "steps": steps}, missing)
        for condition in remedy.conditions
    ]


def _steps(findings: Sequence[Finding], rules: Rules) -> list[dict[str, Any]]:
    """The owner first where most of the records had one who is among the people; else the fallback. Then
    whoever manages them."""
    directory = rules.directory
    reached = sum(
        each.record.owner is not None and not directory.notify("owner", each.record, each.noticeable).fallback
        for each in findings
    )
    if 2 * reached > len(findings):
        first, managed = "owner", True
    else:
        first = directory.fallback
        managed = directory.people[first].manager is not None
    steps: list[dict[str, Any]] = [{"notify": first}]
    if managed:
        steps.append({"after": MANAGER_AFTER, "notify": f"{first}.manager", "severity": "high"})
    return steps


def _dump(data: dict[str, Any]) -> str:
    dumped: str = yaml.safe_dump(
        data, sort_keys=False, default_flow_style=None, allow_unicode=True, width=1_000_000
    )
    return dumped
