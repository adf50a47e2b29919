"""Replay: a history through the core, faster than time."""

from collections.abc import Iterable, Iterator

from streams.core.entries import Change
from streams.core.escalation import Escalation
from streams.core.partition import Partition
from streams.core.rules import Rules
from streams.core.timestamps import micros


def replay(rules: Rules, changes: Iterable[Change], until: int | None = None) -> Iterator[Escalation]:
    """What `rules` would have decided on `changes`, which come in the order of time.

    Time runs on to `until` (microseconds) after the last change; by default it ends with it.
    Changes after `until` are not read.
    """
    partition = Partition([(0, rules)])
    at = None
    for change in changes:
        at = micros(change.at)
        if until is not None and at > until:
            break
        # What is due by now is due everywhere before anything new happens, so that escalations
        # come out in the order of time.
        yield from partition.advance(at)
        yield from partition.fold(change)
        partition.changed.clear()
    if until is not None or at is not None:
        yield from partition.advance(until if until is not None else at or 0)
