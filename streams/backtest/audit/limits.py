"""How long such waits usually last, and from when one could be known to last longer.

The limit is a quantile of the waits seen by then, by the estimator of Kaplan and Meier that
`streams.core.baselines` has: waits that go on count with what they have lasted so far. It is drawn anew
each midnight, UTC, from what has happened before; a group that has had too few waits takes that of a
wider one. Where too many go on for the quantile to be known, the limit is the longest that is over; and
where not even half of them end, there is none: it is no failure not to.
"""

from bisect import bisect_right
from collections.abc import Collection

import msgspec

from streams.core.baselines import Group, Stays, quantile
from streams.core.timestamps import DAY
from streams.core.triggers.stage import SAMPLE

LEAST = DAY
"""What lasts shorter than this is no failure here, however short such waits usually are: who looks every
morning sees it."""


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Since when (microseconds) a record waits, and among which others. `what`: for what, where a record
    may wait for one thing after another. `counts`: whether it may be a failure; otherwise it only
    tells how long such waits are."""

    began: int
    group: Group
    what: str | None = None
    counts: bool = True

    def is_same(self, other: "Wait") -> bool:
        """Whether it is the same wait, though its record may belong to other ones now."""
        return (self.began, self.what) == (other.began, other.what)


class Limits:
    """The limit of each group as it was known at each midnight. Mutable.

    share: so many (0 to 1) of the waits of a group are over within its limit. keep: how many facts a
    wider group must still have.
    """

    def __init__(self, share: float, keep: int = 0) -> None:
        self.share = share
        self.keep = keep
        self._ended: dict[Group, list[int]] = {}
        self._known: dict[Group, Stays] = {}
        self._drawn: dict[Group, list[tuple[int, int | None]]] = {}

    def ended(self, group: Group, lasted: int) -> None:
        """Note a wait that is over after so many microseconds."""
        for wider in self._wider(group):
            self._ended.setdefault(wider, []).append(max(0, lasted))

    def draw(self, at: int, going: Collection[Wait]) -> None:
        """Sum up what is known at the midnight `at`, when these waits go on.

        A group in which none is over since the last time keeps its limit.
        """
        groups = set(self._ended)
        for wait in going:
            if wait.group not in self._drawn:
                groups.update(self._wider(wait.group))
        if not groups:
            return
        lasting: dict[Group, list[int]] = {}
        for wait in going:
            for wider in self._wider(wait.group):
                if wider in groups:
                    lasting.setdefault(wider, []).append(max(0, at - wait.began))
        # The widest first: a narrower one may have to take its limit.
        for group in sorted(groups, key=len):
            known = self._known.get(group, _NONE).merge(Stays.of(self._ended.get(group, ())))
            self._known[group] = known
            limit = self._limit(group, known, Stays.of(lasting.get(group, ())))
            drawn = self._drawn.setdefault(group, [])
            if not drawn or drawn[-1][1] != limit:
                drawn.append((at, limit))
        self._ended.clear()

    def latest(self, group: Group) -> int | None:
        """The limit that was drawn last, microseconds; None where nothing is too long."""
        drawn = self._drawn.get(group)
        return drawn[-1][1] if drawn else None

    def passed(self, wait: Wait, joined: int, until: int) -> int | None:
        """The first moment at which `wait` had lasted as long as the limit of that moment: from `joined` on,
        when the record came into this group, and before `until`."""
        drawn = self._drawn.get(wait.group, [])
        first = max(0, bisect_right(drawn, joined, key=_when) - 1)
        for index in range(first, len(drawn)):
            since, limit = drawn[index]
            if limit is None:
                continue
            following = min(until, drawn[index + 1][0] if index + 1 < len(drawn) else until)
            passed = max(since, joined, wait.began + limit)
            if passed < following:
                return passed
            if following == until:
                break
        return None

    def _limit(self, group: Group, ended: Stays, going: Stays) -> int | None:
        if len(ended) < SAMPLE:
            return self.latest(group[:-1]) if len(group) > self.keep else None
        limit = quantile(ended, going, self.share)
        if limit is None and quantile(ended, going, 0.5) is not None:
            limit = quantile(ended, _NONE, 1)
        # Known to 1/128: what lasts exactly as long as the others must not come out as longer.
        return None if limit is None else max(limit + limit // 64, LEAST)

    def _wider(self, group: Group) -> list[Group]:
        """The group and all wider ones."""
        return [group[:names] for names in range(len(group), self.keep - 1, -1)]


_NONE = Stays()


def _when(drawn: tuple[int, int | None]) -> int:
    return drawn[0]
