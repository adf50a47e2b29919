"""Paths of which one fires whenever the other does."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from streams.core.conditions import holds
from streams.core.record import Record
from streams.core.rules import Path
from streams.lint.finding import Subject
from streams.lint.logic import Conditions


class Pair(NamedTuple):
    """Each record that meets `narrow` meets `wide`, at the same moment. `same`: and the other way round;
    then `narrow` is the one that comes later in the file."""

    narrow: Path
    wide: Path
    same: bool


@lru_cache(maxsize=1)
def pairs(subject: Subject) -> tuple[Pair, ...]:
    """One at most for each path that is the narrow one."""
    return tuple(_pairs(subject))


def _pairs(subject: Subject) -> Iterator[Pair]:
    conditions = Conditions(subject)
    groups: list[list[Path]] = []
    for path in subject.paths:
        if conditions.never_hold(path.where):
            continue
        for group in groups:
            if _fire_alike(subject, path, group[0]):
                group.append(path)
                break
        else:
            groups.append([path])
    for group in groups:
        examples = {path.name: conditions.example(path.where) for path in group} if group[1:] else {}
        for number, path in enumerate(group):
            for other_number, other in enumerate(group):
                if path is other or not _may_imply(examples[path.name], other):
                    continue
                if conditions.imply(path.where, other.where):
                    back = _may_imply(examples[other.name], path)
                    same = back and conditions.imply(other.where, path.where)
                    if not same or other_number < number:
                        yield Pair(path, other, same)
                        break


def _may_imply(example: Record | None, wide: Path) -> bool:
    """False where a record that meets the narrow path shows that it does not."""
    return example is None or holds(wide.where, example)


def _fire_alike(subject: Subject, path: Path, other: Path) -> bool:
    """Whether only their conditions decide which of them fires when."""
    ways = [
        (
            each.about,
            each.calendar,
            each.lasting,
            each.hold,
            each.rearm,
            each.backlog,
            each.shadow,
            each.steps[0].after,
        )
        for each in (path, other)
    ]
    if ways[0] != ways[1]:
        return False
    # Some triggers cannot be compared, but what is written can.
    when = [subject.at("paths", each.name, "when") for each in (path, other)]
    return path.trigger == other.trigger or when[0] == when[1]
