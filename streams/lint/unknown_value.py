"""unknown-value: a condition or a target names a value that no feed's mapping does, though they name such."""

from collections.abc import Iterator
from difflib import get_close_matches

from streams.core.document import Position
from streams.core.rules import Path
from streams.core.triggers.sla import Clock
from streams.lint.finding import Finding, Subject
from streams.lint.mappings import are_renamed, named_values, written_values

_FIELDS = ("stage", "priority")
_CLOSE = 0.8
"""How alike two words must be to be one misspelt (`difflib.SequenceMatcher.ratio`)."""


def check(subject: Subject) -> Iterator[Finding]:
    known = {
        (kind, field): (named_values(subject, kind, field), are_renamed(subject, kind, field))
        for kind in {path.about for path in subject.paths}
        for field in _FIELDS
    }
    for path in subject.paths:
        for position, field, value in _asked(subject, path):
            named, renamed = known[path.about, field]
            if not named or value in named:
                continue
            meant = _meant(value, named)
            # The mapping of a stage need not name those that are open.
            if renamed or meant:
                hint = f"Did you mean {meant!r}? " if meant else ""
                yield Finding(
                    "warning",
                    position,
                    f"no mapping of a {path.about} names the {field} {value!r}",
                    f"{hint}Named are: {', '.join(named)}",
                    key=position[-1] == value,
                )


def _asked(subject: Subject, path: Path) -> Iterator[tuple[Position, str, str]]:
    """Each value of a field that the path names in full, with where it stands."""
    for place in {clause.position: clause for clause in path.where}:
        if place[-1] in _FIELDS:
            for position, value in written_values(place, subject.at(*place)):
                yield position, str(place[-1]), value
    if isinstance(path.trigger, Clock) and path.trigger.targets.by in _FIELDS:
        for value in path.trigger.targets.by_value:
            yield ("paths", path.name, "when", "target", value), path.trigger.targets.by, value


def _meant(value: str, named: tuple[str, ...]) -> str | None:
    """Which of `named` may be misspelt; none that is a part of the other, such as solved and unsolved."""
    plain = {_letters(each): each for each in named}
    close = get_close_matches(_letters(value), plain, n=1, cutoff=_CLOSE)
    if not close:
        return None
    part = close[0] != _letters(value) and (close[0] in _letters(value) or _letters(value) in close[0])
    return None if part else plain[close[0]]


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
