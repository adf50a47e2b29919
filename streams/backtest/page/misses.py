"""The costliest misses, and why nothing had come of them by the moment just before they had gone bad."""

from collections import deque
from collections.abc import Iterable

import msgspec

from streams.backtest.outcomes import Bad
from streams.backtest.replay import Replay
from streams.backtest.scores import Scores
from streams.core.entries import Happened, Reference
from streams.core.explain import Explanation, explain
from streams.core.partition import Partition
from streams.core.rules import Rules
from streams.core.timestamps import micros

COSTLIEST = 10


class Miss(msgspec.Struct, frozen=True):
    """A record that `path` has not told of in time. `first`: when it told of it after all, in microseconds
    UTC, or None. `why`: None where nothing was known of the record by then."""

    path: str
    outcome: str
    record: str
    bad: Bad
    first: int | None
    why: Explanation | None = None


def costliest(scores: Scores) -> list[Miss]:
    """Of each path and outcome, the costliest first."""
    return [
        Miss(path, outcome, record, bad, tally.first.get(record))
        for path, tally in scores.tallies.items()
        for outcome, verdict in scores.verdicts(path).items()
        for record, bad in verdict.missed[:COSTLIEST]
    ]


def explained(rules: Rules, changes: Iterable[Happened], misses: Iterable[Miss], end: int) -> list[Miss]:
    """`misses` in their order with the reasons, by one more pass over the `changes` up to `end`, the moment
    at which the backtest ended."""
    misses = list(misses)
    waiting = deque(sorted({(min(each.bad.at - 1, end), each.record) for each in misses}))
    wanted = {each.record for each in misses}
    partition = Partition([(0, rules)])
    replay = Replay(rules, partition)
    found: dict[tuple[int, str, str], Explanation] = {}

    def answer(before: int) -> None:
        while waiting and waiting[0][0] < before:
            at, record = waiting.popleft()
            replay.come_to(at)
            state = partition.records.get(record)
            for each in [] if state is None else explain(partition.rules[-1][1], state, at):
                found[at, record, each.path] = each

    for change in changes:
        if isinstance(change, Reference):
            replay.refer(change)
            continue
        at = micros(change.at)
        if at > end or not waiting:
            break
        # Records have nothing to do with each other unless some are compared with similar ones.
        if change.record in wanted or rules.bases:
            answer(at)
            replay.come_to(at)
            replay.take(change, at)
    answer(end + 1)
    return [
        msgspec.structs.replace(each, why=found.get((min(each.bad.at - 1, end), each.record, each.path)))
        for each in misses
    ]
