"""Two configurations on one history: which escalations are new, gone, earlier, later, or for others.

What belongs together has the same path, record, number of the episode and step. A path that is called
otherwise is another path.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

import msgspec

from streams.core.escalation import CALLS, Escalation
from streams.core.timestamps import SECOND, from_rfc3339

Kind = Literal["added", "removed", "earlier", "later", "other_recipient"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Key = tuple[str, str, int, bool, int]
"""Path, record, episode, whether it is a warning, step."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """What is compared of an escalation. `at`: RFC 3339."""

    at: str
    notify: tuple[str, ...]
    reassign: str | None
    because: str


class Difference(msgspec.Struct, frozen=True):
    """One escalation that is not the same. `before` and `after` are None where there is none.

    seconds: by how much it is later; negative is earlier. others: whether somebody else is told, or gets
    the record; `kind` says so only where the moment is the same.
    """

    kind: Kind
    path: str
    record: str
    episode: int
    step: int
    before: Call | None
    after: Call | None
    seconds: float | None = None
    others: bool = False


class Calls:
    """The calls of one replay, by what they are matched by."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Call] = {}

    def keep(self, escalations: Iterable[Escalation]) -> Iterator[Escalation]:
        """Pass `escalations` on, keeping those that ask somebody to act."""
        for each in escalations:
            if each.event in CALLS:
                key = (each.path, each.record, each.episode, each.event == "warned", each.step)
                self.by_key[key] = Call(each.at, each.notify, each.reassign, each.reason["because"])
            yield each


def differences(before: Calls, after: Calls) -> list[Difference]:
    """In the order of time, then of paths and records."""
    found = []
    for key in before.by_key.keys() | after.by_key.keys():
        difference = _difference(key, before.by_key.get(key), after.by_key.get(key))
        if difference is not None:
            found.append((_moment(difference), key, difference))
    return [each for _, _, each in sorted(found, key=lambda each: each[:2])]


def _moment(difference: Difference) -> int:
    call = difference.after or difference.before
    assert call is not None
    return from_rfc3339(call.at)


def _difference(key: Key, old: Call | None, new: Call | None) -> Difference | None:
    path, record, episode, _, step = key
    if old is None or new is None:
        return Difference("added" if old is None else "removed", path, record, episode, step, old, new)
    later = (from_rfc3339(new.at) - from_rfc3339(old.at)) / SECOND
    others = (set(old.notify), old.reassign) != (set(new.notify), new.reassign)
    if not later and not others:
        return None
    kind: Kind = "earlier" if later < 0 else "later" if later > 0 else "other_recipient"
    return Difference(kind, path, record, episode, step, old, new, later, others)


def counts(found: Iterable[Difference]) -> dict[str, dict[str, int]]:
    """By path, how many of each kind."""
    by_path: dict[str, Counter[str]] = {}
    for each in found:
        by_path.setdefault(each.path, Counter())[each.kind] += 1
    return {path: {kind: counted[kind] for kind in KINDS} for path, counted in sorted(by_path.items())}


def as_json(found: list[Difference]) -> dict[str, Any]:
    """The numbers for programs."""
    by_path = counts(found)
    total = {kind: sum(each[kind] for each in by_path.values()) for kind in KINDS}
    return {"total": total, "paths": by_path}
