"""unreached-person: no path leads to this person."""

from collections.abc import Iterator
from typing import Any

from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    directory = subject.config.rules.directory
    reached = {directory.fallback}
    for path in subject.paths:
        for step in path.steps:
            for asked in (*step.notify, *([step.reassign] if step.reassign else [])):
                recipient = directory.parse(asked)
                match recipient.kind:
                    case "field":
                        # Anybody may own a record.
                        return
                    case "person":
                        reached.add(recipient.name)
                    case "team":
                        reached.update(directory.teams[recipient.name])
                    case "role":
                        role = directory.roles[recipient.name]
                        reached.update(role.otherwise, *role.segments.values())
                    case "oncall":
                        reached.update(_named(subject.at("rotas", recipient.name)))
    waiting = list(reached)
    while waiting:
        person = directory.people.get(waiting.pop())
        for other in (person.manager, person.deputy) if person is not None else ():
            if other is not None and other not in reached:
                reached.add(other)
                waiting.append(other)
    for name in directory.people:
        if name not in reached:
            yield Finding(
                "info",
                ("people", name),
                f"no path leads to {name}, nor does {name} stand in for anybody to whom one does",
                "Name them in a step or a team, as a deputy or a manager, or take them out",
                key=True,
            )


def _named(rota: Any) -> Iterator[str]:
    """Everybody in a rota."""
    if isinstance(rota, dict):
        for key, value in rota.items():
            if key in ("people", "person"):
                yield from map(str, value if isinstance(value, list) else [value])
            else:
                yield from _named(value)
    elif isinstance(rota, list):
        for each in rota:
            yield from _named(each)
