"""Replay: a history through the core, faster than time."""

from collections.abc import Iterable, Iterator

from streams.core.entries import Change, Command
from streams.core.escalation import Escalation
from streams.core.partition import Partition
from streams.core.rules import Rules
from streams.core.timestamps import micros


def replay(
    rules: Rules,
    changes: Iterable[Change | Command],
    until: int | None = None,
    into: Partition | None = None,
) -> Iterator[Escalation]:
    """What `rules` would have decided on `changes` and commands, which come in the order of time.

    Time runs on to `until` (microseconds) after the last change; by default it ends with it.
    Changes after `until` are not read. A partition to fold `into`, made of the same rules, shows
    what it has come to.
    """
    partition = Partition([(0, rules)]) if into is None else into
    at = None
    for change in changes:
        at = micros(change.at)
        if until is not None and at > until:
            break
        # What is due by now is due everywhere before anything new happens, so that escalations
        # come out in the order of time.
        yield from _advance(partition, at)
        yield from partition.fold(change)
        partition.changed.clear()
    if until is not None or at is not None:
        yield from _advance(partition, until if until is not None else at or 0)


def _advance(partition: Partition, to: int) -> Iterator[Escalation]:
    """Let time come to `to`. What the partition has to say on the way comes back to it at once."""
    similar = partition.similar
    while similar.due is not None and similar.due <= to:
        yield from partition.advance(similar.due)
        said = list(similar.outbox)
        similar.clear()
        for entry in said:
            yield from partition.fold(entry)
    yield from partition.advance(to)
    for _, error in partition.troubles:
        raise error
