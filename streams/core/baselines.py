"""How long similar records stay in a stage: the limit of `longer than similar records`.

The limit is a quantile of the stays of one group of records, by the product-limit estimator of
Kaplan and Meier ("Nonparametric estimation from incomplete observations", Journal of the American
Statistical Association 53, 1958): those still there count with the time that they have been there
so far (right-censored), so a stage in which much is stuck does not look fast.

Conventions:

* A stay begins when the stage is entered and is over when the record is in another stage, is closed
  or deleted. A paused record stays, and pauses count: stays are elapsed time, as `in_stage` counts it.
* A record reopened in its stage goes on with the stay it had, as it does for `in_stage`; so it counts
  once when it is closed and once more, from when it entered, when it leaves in the end.
* A stay belongs to the group that the record was last known in before it left.
* Every visit to a stage is a stay of its own.

Nothing looks ahead. Who folds one partition of the log adds each stay when it is over (`stay_ended`),
and at a moment sums up what is known then (`tally`). The records of a group are spread over the
partitions; `Baselines` puts their tallies together, in any order.

Durations and moments are microseconds. Durations are kept in buckets, 64 to each doubling, so that a
group takes the same memory however many stays it has: each counts as the middle of its bucket, at most
1/128 (0.8 %) from what it was. A quantile is exact for these; where nothing is still there, it is
therefore within 1/128 of the one of the durations themselves.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from streams.core.record import Record
from streams.core.timestamps import duration

Group = tuple[tuple[str, str], ...]
"""What the records of a group have in common: names of facts with their values, the last dropped first
where the group is too small. The empty one is all records."""

_BITS = 6
# Products of fractions are off by some 1e-13: that must not put a quantile off to the next stay.
_ROUNDING = 1e-9


class Stays(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A number of stays by their durations: the buckets that hold any, ascending, and how many each.

    The same stays, added in whatever order, are the same value and the same JSON: `[[2560],[3]]`.
    """

    buckets: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    @staticmethod
    def of(durations: Iterable[int]) -> "Stays":
        """The stays of these durations. Raises ValueError for a negative one."""
        return _stays(Counter(map(_bucket, durations)))

    def __len__(self) -> int:
        return sum(self.counts)

    def add(self, duration: int) -> "Stays":
        """These and one more. Raises ValueError for a negative duration."""
        bucket = _bucket(duration)
        buckets, counts = self.buckets, self.counts
        i = bisect_left(buckets, bucket)
        if i < len(buckets) and buckets[i] == bucket:
            return Stays(buckets, (*counts[:i], counts[i] + 1, *counts[i + 1 :]))
        return Stays((*buckets[:i], bucket, *buckets[i:]), (*counts[:i], 1, *counts[i:]))

    def merge(self, other: "Stays") -> "Stays":
        """These and those of `other`."""
        return _merged((self, other))


def quantile(completed: Stays, ongoing: Stays, q: float) -> int | None:
    """The shortest duration by which at least the share `q` (0 to 1) of stays is over.

    `ongoing` are those not over yet, by how long they last so far. The share S(t) that stays longer
    than t is the product of 1 - d/n over the durations up to t, where d stays ended at that duration
    and n lasted at least as long; one that is still there at a duration had not ended by it. None when
    S does not fall to 1 - q, because too many are still there or there are no stays at all.
    """
    ended = dict(zip(completed.buckets, completed.counts, strict=True))
    there = dict(zip(ongoing.buckets, ongoing.counts, strict=True))
    lasting = len(completed) + len(ongoing)
    longer = 1.0
    for bucket in sorted(ended.keys() | there.keys()):
        d = ended.get(bucket, 0)
        longer *= (lasting - d) / lasting
        if longer <= 1 - q + _ROUNDING:
            return _middle(bucket)
        lasting -= d + there.get(bucket, 0)
    return None


class GroupTally(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The stays of one group, those that are over and those that are not."""

    group: Group
    completed: Stays
    ongoing: Stays


class Tally(msgspec.Struct, frozen=True, gc=False):
    """What was known of all stays at one moment, in one partition of the log.

    `groups` are the narrowest, sorted; the wider ones follow from them. A tally may be cut between
    groups into several.
    """

    groups: tuple[GroupTally, ...]


def is_staying(record: Record) -> bool:
    """Whether the record is in a stage and may still leave it."""
    return record.stage is not None and record.status != "closed" and not record.deleted


def stay_ended(before: Record | None, after: Record) -> int | None:
    """How long the stay was that is over with the change from `before` to `after`; None when none is.

    None too when the CRM says that the next stage was entered before this one was.
    """
    if before is None or not is_staying(before):
        return None
    if after.stage != before.stage:
        stayed = after.entered - before.entered
    elif is_staying(after):
        return None
    else:
        stayed = after.at - before.entered
    return stayed if stayed >= 0 else None


def group_of(record: Record, by: Iterable[str]) -> Group:
    """The record's group by these facts, by their names in the configuration. Values are made text."""
    return tuple((name, _text(record.fact(name))) for name in by)


def tally(at: int, completed: Mapping[Group, Stays], records: Iterable[Record], by: Sequence[str]) -> Tally:
    """What is known at the moment `at`: stays that were over by then, and records as they are then.

    `completed` is by groups of `by`, as `group_of` makes them.
    """
    ongoing: dict[Group, Counter[int]] = {}
    for record in records:
        if is_staying(record):
            # By its own clock, which may be ahead, the CRM may have it enter after now.
            bucket = _bucket(max(0, at - record.entered))
            ongoing.setdefault(group_of(record, by), Counter())[bucket] += 1
    return Tally(
        tuple(
            GroupTally(group, completed.get(group, _NONE), _stays(ongoing.get(group, {})))
            for group in sorted(completed.keys() | ongoing.keys())
        )
    )


class Skipped(msgspec.Struct, frozen=True):
    """A group that was not used: it has too few completed stays, or too many still there."""

    group: Group
    completed: int
    ongoing: int


class Found(msgspec.Struct, frozen=True):
    """The limit for a record: `limit`, by which the share `q` of the stays in `group` is over.

    completed, ongoing: how many stays of the group are over, and how many are not.
    sample: how many completed ones were asked for. skipped: narrower groups, the narrowest first.
    """

    limit: int
    q: float
    sample: int
    group: Group
    completed: int
    ongoing: int
    skipped: tuple[Skipped, ...]

    def text(self, noun: str) -> str:
        """For people; `noun` is what the records are: `deals`."""
        similar = ", ".join("=".join(pair) for pair in self.group) or "all there are"
        parts = [
            f"{self.q * 100:g} % of similar {noun} ({similar}) leave within {duration(self.limit)}: "
            f"{self.completed} left, {self.ongoing} still there"
        ]
        for each in self.skipped:
            of = "=".join(each.group[-1])
            if each.completed < self.sample:
                parts.append(f"too few with {of} ({each.completed} of {self.sample} needed)")
            else:
                parts.append(
                    f"too many still there with {of} ({each.ongoing} of {each.completed + each.ongoing})"
                )
        return "; ".join(parts)


class Baselines:
    """The stays of all groups as they were known at the moment `at`, narrow and wide. Immutable."""

    def __init__(self, at: int, tallies: Iterable[Tally]) -> None:
        self.at = at
        parts: dict[Group, list[GroupTally]] = {}
        for each in tallies:
            for group_tally in each.groups:
                for names in range(len(group_tally.group) + 1):
                    parts.setdefault(group_tally.group[:names], []).append(group_tally)
        self.groups: Mapping[Group, GroupTally] = {
            group: GroupTally(
                group, _merged(part.completed for part in found), _merged(part.ongoing for part in found)
            )
            for group, found in parts.items()
        }
        self._found: dict[tuple[Group, float, int, int], Found | None] = {}

    def look_up(self, group: Group, q: float, sample: int, keep: int = 0) -> Found | None:
        """The limit for records of `group`: the quantile `q` of its stays, or of those of a wider group.

        The narrowest group is taken that has `sample` completed stays and whose quantile is known;
        ongoing stays do not count as sample, since they say only what has not happened. A wider group
        lacks the last name. None when none will do that still has the first `keep` names.
        """
        key = (group, q, sample, keep)
        if key not in self._found:
            self._found[key] = self._look_up(*key)
        return self._found[key]

    def _look_up(self, group: Group, q: float, sample: int, keep: int) -> Found | None:
        skipped: list[Skipped] = []
        for names in range(len(group), keep - 1, -1):
            wider = group[:names]
            stays = self.groups.get(wider, GroupTally(wider, _NONE, _NONE))
            completed, ongoing = len(stays.completed), len(stays.ongoing)
            limit = quantile(stays.completed, stays.ongoing, q) if completed >= sample else None
            if limit is not None:
                return Found(limit, q, sample, wider, completed, ongoing, tuple(skipped))
            if names:
                skipped.append(Skipped(wider, completed, ongoing))
        return None


_NONE = Stays()


def _bucket(duration: int) -> int:
    """The number of the bucket of a duration: its leading 7 bits and how many follow.

    Below 128 it is the duration itself.
    """
    if duration < 0:
        raise ValueError(f"a stay of {duration} microseconds")
    shift = max(0, duration.bit_length() - _BITS - 1)
    return (shift << _BITS) + (duration >> shift)


def _middle(bucket: int) -> int:
    """The duration in the middle of a bucket."""
    shift = max(0, (bucket >> _BITS) - 1)
    return ((bucket - (shift << _BITS)) << shift) + (1 << shift >> 1)


def _stays(counts: Mapping[int, int]) -> Stays:
    buckets = sorted(counts)
    return Stays(tuple(buckets), tuple(counts[bucket] for bucket in buckets))


def _merged(parts: Iterable[Stays]) -> Stays:
    counts: Counter[int] = Counter()
    for part in parts:
        for bucket, count in zip(part.buckets, part.counts, strict=True):
            counts[bucket] += count
    return _stays(counts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
