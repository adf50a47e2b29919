"""How long similar records stay: against published survival data, SciPy, and what can be counted by hand."""

import sys
from bisect import bisect_right
from datetime import timedelta
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf  # type: ignore[import-untyped]

from streams.core import record as records
from streams.core.baselines import (
    Baselines,
    Group,
    GroupTally,
    Skipped,
    Stays,
    Tally,
    group_of,
    quantile,
    stay_ended,
    tally,
)
from streams.core.entries import Change, Source
from streams.core.record import Record
from streams.core.timestamps import DAY, EPOCH, HOUR, rfc3339

WEEK = 7 * DAY
ERROR = Fraction(1, 128)

durations = st.one_of(st.integers(0, 300), st.integers(0, 3660 * DAY))
many = st.lists(durations, max_size=60)
shares = st.integers(1, 100).map(lambda percent: percent / 100)


def within_error(found: int, exact: int) -> bool:
    return abs(found - exact) <= ERROR * exact


# Weeks in remission under 6-mercaptopurine (Freireich et al., Blood 21, 1963), as in every textbook since;
# those still in remission when the trial ended are censored.
RELAPSED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
IN_REMISSION = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PUBLISHED = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}


def remission(q: float) -> int | None:
    return quantile(
        Stays.of(weeks * WEEK for weeks in RELAPSED), Stays.of(weeks * WEEK for weeks in IN_REMISSION), q
    )


@pytest.mark.parametrize(("weeks", "survival"), PUBLISHED.items())
def test_the_published_survival_of_the_leukaemia_trial(weeks: int, survival: float) -> None:
    # The published values are rounded: ask a little before and a little after each step of the curve.
    found = remission(1 - survival - 0.001)
    assert found is not None
    assert within_error(found, weeks * WEEK)
    after = remission(1 - survival + 0.001)
    assert after is None if weeks == 23 else after is not None and after > 1.01 * weeks * WEEK


def test_the_published_quartiles_of_the_leukaemia_trial() -> None:
    quartiles = [remission(q) for q in (0.25, 0.5, 0.75)]
    assert quartiles[0] is not None
    assert quartiles[1] is not None
    assert within_error(quartiles[0], 13 * WEEK)
    assert within_error(quartiles[1], 23 * WEEK)
    assert quartiles[2] is None


def rounded(duration: int) -> int:
    """What a duration counts as."""
    found = quantile(Stays.of([duration]), Stays(), 0.5)
    assert found is not None
    return found


@settings(max_examples=300)
@given(completed=st.lists(durations, min_size=1, max_size=60), ongoing=many, q=shares)
def test_with_stays_still_going_on_it_is_the_quantile_of_the_rounded_ones(
    completed: list[int], ongoing: list[int], q: float
) -> None:
    found = quantile(Stays.of(completed), Stays.of(ongoing), q)
    curve = ecdf(
        CensoredData(
            uncensored=[float(rounded(each)) for each in completed],
            right=[float(rounded(each)) for each in ongoing],
        )
    ).sf
    reached = [
        int(t)
        for t, s in zip(curve.quantiles, curve.probabilities, strict=True)
        # SciPy has steps of no height where stays are censored.
        if s <= 1 - q + 1e-9
    ]
    assert found == (reached[0] if reached else None)


@given(durations)
def test_a_duration_is_off_by_less_than_a_percent(duration: int) -> None:
    assert within_error(rounded(duration), duration)


@given(completed=st.lists(durations, min_size=1, max_size=60), percent=st.integers(1, 100))
def test_with_every_stay_over_it_is_within_a_percent_of_the_exact_one(
    completed: list[int], percent: int
) -> None:
    found = quantile(Stays.of(completed), Stays(), percent / 100)
    exact = sorted(completed)[-(-len(completed) * percent // 100) - 1]
    assert found is not None
    assert within_error(found, exact)


@pytest.mark.parametrize("count", [10, 1000, 7000])
def test_nine_of_ten_is_nine_of_ten_whatever_the_rounding(count: int) -> None:
    completed = Stays.of([1] * (count * 9 // 10) + [2] * (count // 10))
    assert quantile(completed, Stays(), 0.9) == 1
    assert quantile(completed, Stays(), 0.9001) == 2


def test_without_stays_there_is_no_quantile() -> None:
    assert quantile(Stays(), Stays(), 0.9) is None
    assert quantile(Stays(), Stays.of([DAY]), 0.9) is None


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="a stay of -1"):
        Stays().add(-1)
    with pytest.raises(ValueError, match="a stay of -1"):
        Stays.of([DAY, -1])


@given(st.data(), many)
def test_the_order_of_adding_changes_no_byte(data: st.DataObject, added: list[int]) -> None:
    stays = Stays()
    for each in data.draw(st.permutations(added)):
        stays = stays.add(each)
    assert stays == Stays.of(added)
    assert len(stays) == len(added)
    assert msgspec.json.encode(stays) == msgspec.json.encode(Stays.of(added))
    assert msgspec.json.decode(msgspec.json.encode(stays), type=Stays) == stays


@given(many, many, many)
def test_merging_is_associative_and_commutative_and_adds_up(a: list[int], b: list[int], c: list[int]) -> None:
    x, y, z = Stays.of(a), Stays.of(b), Stays.of(c)
    assert x.merge(y).merge(z) == x.merge(y.merge(z)) == z.merge(x).merge(y) == Stays.of(a + b + c)
    assert x.merge(Stays()) == x


def test_memory_is_bounded_by_the_spread_and_not_by_the_number() -> None:
    spread = [HOUR + i * (365 * DAY - HOUR) // 100_000 for i in range(100_000)]
    stays = Stays.of(spread)
    # 13 doublings lie between an hour and a year.
    assert len(stays.buckets) <= 14 * 64
    assert sys.getsizeof(stays.buckets) + sys.getsizeof(stays.counts) < 16_000


PROPOSAL = ("stage", "Proposal")
ENTERPRISE: Group = (PROPOSAL, ("segment", "enterprise"))
SMALL: Group = (PROPOSAL, ("segment", "small"))


def baselines() -> Baselines:
    """12 stays of 40 days in enterprise, 88 of 10 in small, 5 of which are still there after a day."""
    left = Tally((GroupTally(ENTERPRISE, Stays.of([40 * DAY] * 5), Stays.of([DAY])),))
    right = Tally(
        (
            GroupTally(ENTERPRISE, Stays.of([40 * DAY] * 7), Stays()),
            GroupTally(SMALL, Stays.of([10 * DAY] * 88), Stays.of([DAY] * 4)),
        )
    )
    assert Baselines(0, [left, right]).groups == Baselines(0, [right, left]).groups
    return Baselines(0, [left, right])


def test_tallies_of_partitions_add_up() -> None:
    found = baselines().look_up(ENTERPRISE, 0.9, 12)
    assert found.limit is not None
    assert within_error(found.limit, 40 * DAY)
    assert (found.group, found.completed, found.ongoing, found.skipped) == (ENTERPRISE, 12, 1, ())


def test_a_group_with_too_few_falls_back_to_a_wider_one() -> None:
    found = baselines().look_up(ENTERPRISE, 0.8, 30)
    assert found.limit is not None
    assert within_error(found.limit, 10 * DAY)
    assert (found.group, found.completed, found.ongoing) == ((PROPOSAL,), 100, 5)
    assert found.skipped == (Skipped(ENTERPRISE, 12, 1),)
    assert found.text("deals") == (
        "of 105 similar deals (stage=Proposal), 5 of them still there, 80 % had left by 9d 23h; "
        "too few with segment=enterprise (12 of 30 needed), so all with stage=Proposal"
    )


def test_a_group_nobody_has_seen_falls_back_to_all_unless_told_not_to() -> None:
    unknown: Group = (("stage", "Legal"), ("segment", "small"))
    found = baselines().look_up(unknown, 0.5, 30)
    assert found.text("deals") == (
        "of 105 similar deals, 5 of them still there, 50 % had left by 9d 23h; "
        "too few with segment=small (0 of 30 needed), "
        "too few with stage=Legal (0 of 30 needed), so all there are"
    )
    kept = baselines().look_up(unknown, 0.5, 30, keep=1)
    assert kept.limit is None
    assert kept.text("deals") == (
        "no similar deals to go by: too few with segment=small (0 of 30 needed), "
        "too few with stage=Legal (0 of 30 needed)"
    )


def test_what_is_still_there_is_no_sample() -> None:
    few = Baselines(0, [Tally((GroupTally(SMALL, Stays.of([DAY]), Stays.of([DAY] * 99)),))])
    assert few.look_up(SMALL, 0.01, 2).limit is None


def test_a_group_in_which_too_many_are_still_there_falls_back() -> None:
    stuck = GroupTally(ENTERPRISE, Stays.of([DAY] * 30), Stays.of([90 * DAY] * 10))
    quick = GroupTally(SMALL, Stays.of([2 * DAY] * 300), Stays())
    found = Baselines(0, [Tally((stuck, quick))]).look_up(ENTERPRISE, 0.9, 30)
    assert found.group == (PROPOSAL,)
    assert "; too many still there with segment=enterprise (10 of 40), so all with" in found.text("deals")


Fields = dict[str, Any]


def lived(*changes: tuple[int, Fields]) -> list[Record]:
    """The states of one record after each change, given by its moment and what is known then."""
    states: list[Record] = []
    for offset, (at, fields) in enumerate(changes):
        op: Any = fields.get("op", "upsert")
        facts = {"created": rfc3339(changes[0][0])} if not states else {}
        facts |= {name: value for name, value in fields.items() if name != "op"}
        change = Change(
            record="deal:1",
            op=op,
            at=EPOCH + timedelta(microseconds=at),
            feed="crm",
            source=Source("crm", 0, offset),
            fields=facts,
        )
        states.append(records.apply(states[-1] if states else None, change, at)[0])
    return states


def ends(*changes: tuple[int, Fields]) -> list[int | None]:
    states: list[Record | None] = [None, *lived(*changes)]
    return [stay_ended(before, after) for before, after in pairwise(states) if after is not None]


@pytest.mark.parametrize(
    ("change", "stayed"),
    [
        ({"stage": "Won"}, 5),
        ({"stage": None}, 5),
        ({"status": "closed"}, 5),
        ({"stage": "Won", "status": "closed"}, 5),
        ({"op": "delete"}, 5),
        ({"stage": "Won", "entered": rfc3339(3)}, 3),
        ({"owner": "anna"}, None),
        ({"stage": "Proposal"}, None),
        ({"status": "paused"}, None),
    ],
)
def test_what_ends_a_stay(change: Fields, stayed: int | None) -> None:
    assert ends((0, {"stage": "Proposal"}), (5, change)) == [None, stayed]


def test_a_stay_that_the_crm_says_ended_before_it_began_is_none() -> None:
    first = {"stage": "Proposal", "entered": rfc3339(4)}
    assert ends((4, first), (5, {"stage": "Won", "entered": rfc3339(3)})) == [None, None]


def test_a_stay_ends_once_and_a_reopened_record_goes_on_with_it() -> None:
    assert ends(
        (0, {"stage": "Proposal"}),
        (2, {"status": "paused"}),
        (4, {"status": "closed"}),
        (5, {"stage": "Lost"}),
        (6, {"op": "delete"}),
    ) == [None, None, 4, None, None]
    assert ends(
        (0, {"stage": "Proposal"}),
        (4, {"status": "closed"}),
        (6, {"status": "open"}),
        (9, {"stage": "Won"}),
    ) == [None, 4, None, 9]


def test_each_visit_is_a_stay() -> None:
    assert ends((0, {"stage": "a"}), (1, {"stage": "b"}), (3, {"stage": "a"}), (7, {"stage": "b"})) == [
        None,
        1,
        2,
        4,
    ]


def test_the_group_of_a_record_is_text() -> None:
    facts = {"stage": "Proposal", "seats": 3, "trial": True}
    (state,) = lived((0, facts))
    assert group_of(state, ("stage", "seats", "trial", "country")) == (
        ("stage", "Proposal"),
        ("seats", "3"),
        ("trial", "true"),
        ("country", "null"),
    )


# What happens to one of a few records, each moment later than the one before.
steps = st.tuples(
    st.integers(1, 40 * DAY),
    st.integers(0, 3),
    st.sampled_from(
        [
            *({"stage": stage} for stage in "abc"),
            *({"status": status} for status in ("open", "paused", "closed")),
            *({"segment": segment} for segment in ("small", "large")),
            {"op": "delete"},
        ]
    ),
)
BY = ("stage", "segment")


class Worker:
    """Folds changes of a few records as a worker does, a stay at a time."""

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        self.completed: dict[Group, Stays] = {}

    def fold(self, at: int, key: int, fields: Fields) -> None:
        before = self.records.get(key)
        change = Change(
            record=f"deal:{key}",
            op="delete" if "op" in fields else "upsert",
            at=EPOCH + timedelta(microseconds=at),
            feed="crm",
            source=Source("crm", 0, at),
            fields={} if "op" in fields else {"created": rfc3339(at), **fields},
        )
        after = self.records[key] = records.apply(before, change, at)[0]
        if before is not None and (stayed := stay_ended(before, after)) is not None:
            group = group_of(before, BY)
            self.completed[group] = self.completed.get(group, Stays()).add(stayed)

    def tally(self, at: int) -> Tally:
        return tally(at, self.completed, self.records.values(), BY)


@settings(max_examples=200)
@given(history=st.lists(steps, max_size=30), parts=st.integers(1, 4), data=st.data())
def test_nothing_looks_ahead_and_partitions_change_nothing(
    history: list[tuple[int, int, Fields]], parts: int, data: st.DataObject
) -> None:
    moments = list(accumulate(gap for gap, *_ in history))
    day = data.draw(st.integers(0, (moments[-1] if moments else 0) + 40 * DAY))
    known = bisect_right(moments, day)
    folded = [(at, key, fields) for at, (_, key, fields) in zip(moments, history, strict=True)]

    whole = Worker()
    for each in folded[:known]:
        whole.fold(*each)
    on_the_day = msgspec.json.encode(whole.tally(day))

    # Over several partitions, each of which goes on past the day once it has said what it knows.
    spread = [Worker() for _ in range(parts)]
    for at, key, fields in folded[:known]:
        spread[key % parts].fold(at, key, fields)
    said = [worker.tally(day) for worker in spread]
    bytes_said = [msgspec.json.encode(each) for each in said]
    for at, key, fields in folded[known:]:
        spread[key % parts].fold(at, key, fields)
    assert [msgspec.json.encode(each) for each in said] == bytes_said

    merged = Baselines(day, said).groups
    alone = Baselines(day, [msgspec.json.decode(on_the_day, type=Tally)]).groups
    assert merged == alone

    completed, ongoing = stays_by_hand(folded[:known], day)
    everything = alone.get((), GroupTally((), Stays(), Stays()))
    assert everything.completed == Stays.of(completed)
    assert everything.ongoing == Stays.of(ongoing)


def stays_by_hand(history: list[tuple[int, int, Fields]], day: int) -> tuple[list[int], list[int]]:
    """Durations of the stays that were over by `day`, and of those that were not, told in full."""
    completed, ongoing = [], []
    for key in range(4):
        stage, entered, staying, status, deleted = None, 0, False, "open", True
        for at, which, fields in history:
            if which != key:
                continue
            if "op" in fields:
                now_stage, now_status, now_deleted = stage, status, True
            elif deleted:
                now_stage, now_status, now_deleted = fields.get("stage"), fields.get("status", "open"), False
                entered = at
            else:
                now_stage, now_status = fields.get("stage", stage), fields.get("status", status)
                now_deleted = False
            now_staying = now_stage is not None and now_status != "closed" and not now_deleted
            if staying and (not now_staying or now_stage != stage):
                completed.append(at - entered)
            if now_stage != stage:
                entered = at
            stage, status, staying, deleted = now_stage, now_status, now_staying, now_deleted
        if staying:
            ongoing.append(day - entered)
    return completed, ongoing


def test_a_record_that_enters_after_now_has_stayed_no_time() -> None:
    states = lived((0, {"stage": "a", "entered": rfc3339(DAY)}))
    (only,) = tally(HOUR, {}, states, ("stage",)).groups
    assert only == GroupTally((("stage", "a"),), Stays(), Stays.of([0]))
