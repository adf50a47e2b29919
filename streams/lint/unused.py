"""unused: nothing names this calendar, team, role or rota."""

from collections.abc import Iterator
from typing import Any

from streams.lint.finding import Finding, Subject

_SECTIONS = {"teams": "team", "roles": "role", "rotas": "oncall"}


def check(subject: Subject) -> Iterator[Finding]:
    texts = set(_texts(subject.data, ""))
    names = {text for _, text in texts}
    for name in subject.data.get("calendars") or ():
        if not texts & {("calendar", name), ("only", name)}:
            yield _finding("calendars", name, "Name it in a path, calendar: ..., or take it out")
    for section, prefix in _SECTIONS.items():
        for name in subject.data.get(section) or ():
            asked = f"{prefix}:{name}"
            if not any(each == asked or each.startswith(f"{asked}.") for each in names):
                yield _finding(section, name, f"Write {asked} in a step, or take it out")


def _finding(section: str, name: str, remedy: str) -> Finding:
    return Finding("info", (section, name), f"nothing uses {name!r} of `{section}`", remedy, key=True)


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Each single value as text, with the key that it stands under."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    else:
        yield key, str(value)
