"""How far the limit of a path must rise until nobody has to mute it: by what a backtest with each of its
limits comes to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

import msgspec

from streams.backtest.audit.start import Proposal
from streams.backtest.scores import Births, Period, Tally
from streams.backtest.sweep import Variant, in_order
from streams.backtest.tune import sweep
from streams.core.entries import Happened
from streams.core.rules import Rules


class Bearable(msgspec.Struct, frozen=True):
    """proposal: the one with the lowest limit that is bearable; None where none is. first: when it would have
    escalated each record for the first time, microseconds UTC. usual: how often somebody would be told in
    the worst week with the limit that is not raised. least: where none is bearable, the same with the limit
    that tells least, of those that tell anything."""

    proposal: Proposal | None
    first: Mapping[str, int]
    usual: int
    least: int | None


def bearable(
    proposals: Sequence[Proposal],
    rules: Rules,
    changes: Callable[[], Iterable[Happened]],
    until: int | None,
    most: int,
) -> Bearable:
    """Of one path with ever higher limits, the first by which nobody is told more than `most` times in any
    week, though somebody is told. It goes through the `changes` once for each kind of limit."""
    tried: list[tuple[Proposal, Tally]] = []
    for _, alike in groupby(proposals, lambda each: type(each.path(rules).trigger)):
        several = list(alike)
        tried += zip(several, _tallies(several, rules, changes(), until), strict=True)
        for proposal, tally in tried:
            if 0 < tally.worst_week <= most:
                return Bearable(proposal, tally.first, tried[0][1].worst_week, None)
    worst = [tally.worst_week for _, tally in tried]
    return Bearable(None, {}, worst[0], min(filter(None, worst), default=None))


def _tallies(
    proposals: Sequence[Proposal], rules: Rules, changes: Iterable[Happened], until: int | None
) -> list[Tally]:
    variants = [Variant((number,), each.path(rules)) for number, each in enumerate(proposals)]
    (rows,) = sweep(
        rules,
        variants,
        changes,
        [Period()],
        None,
        Births(),
        until=until,
        sleeping=in_order([each.path for each in variants]),
    )
    return [row.tally for row in rows]
