"""How long similar records stay in a stage: the limit of `longer than similar records`.

The limit is a quantile of the stays of one group of records, by the product-limit estimator of
Kaplan and Meier ("Nonparametric estimation from incomplete observations", Journal of the American
Statistical Association 53, 1958): those still there count with the time that they have been there
so far (right-censored), so a stage in which much is stuck does not look fast.

Conventions:

* A stay begins when the stage is entered and is over when the record is in another stage, is closed,
  deleted or merged. A paused record stays, and pauses count: stays are elapsed time.
* A stay of which nobody saw the beginning counts neither as over nor as going on (`Record.arrived`):
  it would look shorter than it is.
* A record reopened in its stage goes on with the stay it had, as it does for `in_stage`; so it counts
  once when it is closed and once more, from when it entered, when it leaves in the end.
* A stay belongs to the group that the record was last known in before it left.
* Every visit to a stage is a stay of its own.

Nothing looks ahead. Who folds one partition of the log adds each stay when it is over (`stay_ended`),
and at midnight, UTC, sums up what is known then (`tally`). The records of a group are spread over the
partitions, so each tells the others (`Similar`), and `Baselines` puts their tallies together, in any
order. What is to be told to all holds from `AHEAD` after its midnight on, so that its exact place in
the log does not matter.

Durations and moments are microseconds. Durations are kept in buckets, 64 to each doubling, so that a
group takes the same memory however many stays it has: each counts as the middle of its bucket, at most
1/128 (0.8 %) from what it was. A quantile is exact for these; where nothing is still there, it is
therefore within 1/128 of the one of the durations themselves.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from streams.core.entries import Tallied
from streams.core.record import Record, is_same
from streams.core.timestamps import DAY, HOUR, duration, micros, moment

Group = tuple[tuple[str, str], ...]
"""What the records of a group have in common: names of facts with their values, the last dropped first
where the group is too small. The empty one is all records."""

AHEAD = HOUR
"""From so long after its midnight on a tally holds."""

KEPT = 2 * 365 * DAY
"""Stays that were over longer ago are forgotten, up to `_BLOCK` later."""

_BLOCK = 73 * DAY
_LARGEST = 400_000
"""Bytes of a tally's groups in one entry, but for a group that is larger alone."""

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
    return record.stage is not None and record.arrived and record.alive


def stay_ended(before: Record | None, after: Record) -> int | None:
    """How long the stay was that is over with the change from `before` to `after`; None when none is.

    None too when the CRM says that the next stage was entered before this one was.
    """
    if before is None or not is_staying(before):
        return None
    if after.stage != before.stage and not is_same("stage", after.lookups, before.lookups):
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
    """The limit for a record: `limit`, by which the share `q` of the stays in `group` is over; None where
    no group will do, which are then all among the skipped.

    completed, ongoing: how many stays of the group are over, and how many are not.
    sample: how many completed ones were asked for. skipped: narrower groups, the narrowest first.
    """

    limit: int | None
    q: float
    sample: int
    group: Group
    completed: int
    ongoing: int
    skipped: tuple[Skipped, ...]

    def text(self, noun: str) -> str:
        """For people; `noun` is what the records are: `deals`."""
        whys = ", ".join(map(self._why, self.skipped))
        if self.limit is None:
            return f"no similar {noun} to go by: {whys}"
        group = f" ({_shown(self.group)})" if self.group else ""
        there = f", {self.ongoing} of them still there," if self.ongoing else ""
        text = (
            f"of {self.completed + self.ongoing} similar {noun}{group}{there} "
            f"{self.q * 100:g} % had left by {duration(self.limit)}"
        )
        if not whys:
            return text
        return f"{text}; {whys}, so all {'with ' + _shown(self.group) if self.group else 'there are'}"

    def _why(self, skipped: Skipped) -> str:
        of = _shown(skipped.group[-1:])
        if skipped.completed < self.sample:
            return f"too few with {of} ({skipped.completed} of {self.sample} needed)"
        return f"too many still there with {of} ({skipped.ongoing} of {skipped.completed + skipped.ongoing})"


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
        self._found: dict[tuple[Group, float, int, int], Found] = {}

    def look_up(self, group: Group, q: float, sample: int, keep: int = 0) -> Found:
        """The limit for records of `group`: the quantile `q` of its stays, or of those of a wider group.

        The narrowest group is taken that has `sample` completed stays and whose quantile is known;
        ongoing stays do not count as sample, since they say only what has not happened. A wider group
        lacks the last name. Without a limit when none will do that still has the first `keep` names.
        """
        key = (group, q, sample, keep)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._look_up(*key)
        return found

    def _look_up(self, group: Group, q: float, sample: int, keep: int) -> Found:
        skipped: list[Skipped] = []
        for names in range(len(group), keep - 1, -1):
            wider = group[:names]
            stays = self.groups.get(wider, GroupTally(wider, _NONE, _NONE))
            completed, ongoing = len(stays.completed), len(stays.ongoing)
            limit = quantile(stays.completed, stays.ongoing, q) if completed >= sample else None
            if limit is not None:
                return Found(limit, q, sample, wider, completed, ongoing, tuple(skipped))
            skipped.append(Skipped(wider, completed, ongoing))
        return Found(None, q, sample, (), 0, 0, tuple(skipped))


class Basis(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which records are compared with each other: those of the kind `about` that agree in the facts `by`."""

    about: str
    by: tuple[str, ...]


class _Pace(msgspec.Struct, frozen=True, array_like=True):
    """When the next tally of a basis is due, None while it would say the same, and when the last one was."""

    due: int | None
    last: int


class _Heard:
    """A tally as it came from a partition. It holds from `moment` on, once all its parts are there.

    Kept encoded, since it takes much less memory so. `slot` tells it from the others of its partition.
    """

    def __init__(self, at: int, parts: int, slot: int) -> None:
        self.moment = 0
        self.at = at
        self.slot = slot
        self.parts: list[bytes | None] = [None] * parts

    def put(self, moment: int, part: int, value: bytes) -> None:
        self.moment = max(self.moment, moment)
        self.parts[part - 1] = value

    @property
    def is_whole(self) -> bool:
        return None not in self.parts

    def tally(self) -> Tally:
        entries = [_kept_tallies.decode(value)[1] for value in self.parts if value is not None]
        return Tally(
            tuple(
                GroupTally(group, Stays(*completed), Stays(*ongoing))
                for entry in entries
                for group, completed, ongoing in entry.groups
            )
        )


Blocks = dict[int, Stays]
"""Stays by when they were over: the moment in units of `_BLOCK`."""


class Similar:
    """What one partition of the log, `number` of `of`, knows of how long similar records stay.

    These are its own stays that are over, and what every partition has told of its own. Mutable.
    `outbox`: what is to be written to every partition of the log. `due`: when more comes into it.
    `values`: the state as `news` gave it, by keys that no record can have; others are passed over.
    """

    def __init__(self, number: int = 0, of: int = 1, values: Mapping[bytes, bytes] | None = None) -> None:
        self.number = number
        self.of = of
        self.outbox: list[Tallied] = []
        self.due: int | None = None
        self._pace: dict[Basis, _Pace] = {}
        self._stays: dict[Basis, dict[Group, Blocks]] = {}
        self._heard: dict[tuple[Basis, int], list[_Heard]] = {}
        self._changed: dict[bytes, Any] = {}
        for key, value in (values or {}).items():
            self._restore(key, value)
        for heard in self._heard.values():
            heard.sort(key=lambda each: each.at)
        self._next()

    def begin(self, bases: Iterable[Basis], at: int) -> None:
        """From `at` on these are asked for, some for the first time: tell at the next midnight, so that
        the others need not wait for a partition that has nothing to tell."""
        for basis in bases:
            if basis not in self._pace:
                self._set_pace(basis, _Pace(_midnight(at), at))

    def saw(self, basis: Basis, before: Record | None, after: Record) -> None:
        """Note what the change from `before` to `after` ends or begins."""
        stayed = stay_ended(before, after)
        if stayed is not None and before is not None:
            group = group_of(before, basis.by)
            blocks = self._stays.setdefault(basis, {}).setdefault(group, {})
            block = after.at // _BLOCK
            blocks[block] = blocks.get(block, _NONE).add(stayed)
            self._changed[_stays_key(basis, group)] = blocks
        elif not is_staying(after) or (before is not None and is_staying(before)):
            return
        pace = self._pace.get(basis)
        if pace is None or pace.due is None:
            last = after.at if pace is None else pace.last
            self._set_pace(basis, _Pace(_midnight(max(after.at, last)), last))

    def tell(self, to: int, records: Collection[Record]) -> None:
        """Sum up, into the outbox, what is due up to `to`; `records` are those of the partition."""
        for basis, pace in list(self._pace.items()):
            if pace.due is None or pace.due > to:
                continue
            similar = (record for record in records if record.kind == basis.about)
            said = tally(pace.due, dict(self._recent(basis, pace.due)), similar, basis.by)
            # Of one that is not yet on its way nothing is missed: this one says it all.
            self.outbox[:] = [each for each in self.outbox if Basis(each.about, each.by) != basis]
            self.outbox += self._entries(basis, pace.due, said)
            # What goes on is a day older tomorrow, even where nothing happens.
            goes_on = any(each.ongoing.buckets for each in said.groups)
            self._set_pace(basis, _Pace(_midnight(to) if goes_on else None, pace.due))

    def hear(self, entry: Tallied, now: int | None) -> int | None:
        """Take a tally of this or another partition, time having come to `now`.

        The moment from which it holds, once it is whole; None for a repeat or one that others follow.
        """
        if entry.of != self.of:
            return None
        basis, at = Basis(entry.about, entry.by), micros(entry.at)
        told = self._heard.setdefault((basis, entry.partition), [])
        if not told or told[-1].at < at:
            if told and not told[-1].is_whole:
                told.pop()
            taken = {each.slot for each in told}
            told.append(_Heard(at, entry.parts, min(set(range(len(told) + 1)) - taken)))
        latest = told[-1]
        if latest.at > at or len(latest.parts) != entry.parts or latest.parts[entry.part - 1] is not None:
            return None
        moment = micros(entry.since) if now is None else max(micros(entry.since), now + 1)
        value = _encoder.encode((moment, entry))
        latest.put(moment, entry.part, value)
        self._changed[_tally_key(basis, entry.partition, latest.slot, entry.part)] = value
        if not latest.is_whole:
            return None
        # What would hold no sooner is superseded.
        told[:] = [*(each for each in told if each.moment < latest.moment), latest]
        return latest.moment

    def waiting(self, now: int | None) -> list[int]:
        """The moments after `now` from which more is known, ascending."""
        moments = {each.moment for told in self._heard.values() for each in told if each.is_whole}
        return sorted(moment for moment in moments if now is None or moment > now)

    def reached(self, now: int) -> None:
        """Forget what other tallies have followed by `now`."""
        for told in self._heard.values():
            while len(told) > 1 and told[1].is_whole and told[1].moment <= now:
                del told[0]

    def baselines(self, at: int) -> dict[Basis, Baselines]:
        """What is known at `at`: by basis, where every partition has told something by then."""
        latest: dict[Basis, list[_Heard]] = {}
        for (basis, _), told in self._heard.items():
            known = [each for each in told if each.is_whole and each.moment <= at]
            if known:
                latest.setdefault(basis, []).append(known[-1])
        return {
            basis: Baselines(max(each.at for each in known), [each.tally() for each in known])
            for basis, known in latest.items()
            if len(known) == self.of
        }

    def has_news(self) -> bool:
        return bool(self._changed)

    def news(self) -> dict[bytes, bytes]:
        """What of the state has changed since the last `clear`."""
        return {
            key: value if isinstance(value, bytes) else _encoder.encode(value)
            for key, value in self._changed.items()
        }

    def clear(self) -> None:
        """The news is stored, and what was in the outbox on its way."""
        self._changed.clear()
        self.outbox.clear()

    def _set_pace(self, basis: Basis, pace: _Pace) -> None:
        self._pace[basis] = pace
        self._changed[_PACE + _encoder.encode(basis)] = pace
        self._next()

    def _next(self) -> None:
        self.due = min((pace.due for pace in self._pace.values() if pace.due is not None), default=None)

    def _recent(self, basis: Basis, at: int) -> Iterator[tuple[Group, Stays]]:
        """The stays that are not forgotten by `at`; forgets the others."""
        groups = self._stays.get(basis, {})
        oldest = (at - KEPT) // _BLOCK
        for group, blocks in list(groups.items()):
            for block in [block for block in blocks if block < oldest]:
                del blocks[block]
                self._changed[_stays_key(basis, group)] = blocks
            if blocks:
                yield group, _merged(blocks.values())
            else:
                del groups[group]

    def _entries(self, basis: Basis, at: int, said: Tally) -> list[Tallied]:
        """A tally as entries of the log, none of them too large for a message."""
        parts: list[list[GroupTally]] = [[]]
        size = 0
        for each in said.groups:
            bytes_of_it = len(_encoder.encode(each))
            if size and size + bytes_of_it > _LARGEST:
                parts.append([])
                size = 0
            parts[-1].append(each)
            size += bytes_of_it
        return [
            Tallied(
                partition=self.number,
                of=self.of,
                about=basis.about,
                by=basis.by,
                at=moment(at),
                since=moment(at + AHEAD),
                part=number,
                parts=len(parts),
                groups=tuple((each.group, _pair(each.completed), _pair(each.ongoing)) for each in part),
            )
            for number, part in enumerate(parts, 1)
        ]

    def _restore(self, key: bytes, value: bytes) -> None:
        if key.startswith(_PACE):
            self._pace[_bases.decode(key.removeprefix(_PACE))] = _paces.decode(value)
        elif key.startswith(_STAYS):
            basis, group = _groups.decode(key.removeprefix(_STAYS))
            if blocks := _blocks.decode(value):
                self._stays.setdefault(basis, {})[group] = blocks
        elif key.startswith(_TALLY):
            basis, partition, slot, _ = _tally_keys.decode(key.removeprefix(_TALLY))
            since, entry = _kept_tallies.decode(value)
            at, told = micros(entry.at), self._heard.setdefault((basis, partition), [])
            there = next((each for each in told if each.slot == slot), None)
            # The parts of an older tally, which had more of them, may be left over.
            if there is not None and there.at < at:
                told.remove(there)
                there = None
            if there is None:
                there = _Heard(at, entry.parts, slot)
                told.append(there)
            if there.at == at:
                there.put(since, entry.part, value)


_PACE, _STAYS, _TALLY = b":pace", b":stays", b":tally"
"""What the keys of the state begin with; those of records begin with a kind."""

_encoder = msgspec.json.Encoder()
_bases = msgspec.json.Decoder(Basis)
_paces = msgspec.json.Decoder(_Pace)
_groups = msgspec.json.Decoder(tuple[Basis, Group])
_blocks = msgspec.json.Decoder(Blocks)
_tally_keys = msgspec.json.Decoder(tuple[Basis, int, int, int])
_kept_tallies = msgspec.json.Decoder(tuple[int, Tallied])


def _stays_key(basis: Basis, group: Group) -> bytes:
    return _STAYS + _encoder.encode((basis, group))


def _tally_key(basis: Basis, partition: int, slot: int, part: int) -> bytes:
    return _TALLY + _encoder.encode((basis, partition, slot, part))


def _midnight(at: int) -> int:
    """The first midnight, UTC, after `at`."""
    return (at // DAY + 1) * DAY


def _pair(stays: Stays) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return stays.buckets, stays.counts


def _shown(group: Group) -> str:
    return ", ".join("=".join(pair) for pair in group)


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
