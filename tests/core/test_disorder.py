"""Feeds that promise no order: what comes late is put in its place."""

import random
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.disorder import KEPT
from streams.core.entries import Change, Said, Source
from streams.core.partition import Partition
from streams.core.record import Record
from streams.core.timestamps import from_rfc3339, moment
from tests.core.worlds import World, rules

QUIET = rules("paths: {unpaid: {about: bill, when: {in_stage: 1d}, steps: [{notify: dora}]}}")
START = from_rfc3339("2026-03-02T09:00:00Z")

FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from(["anna", "bert", None]),
        "stage": st.sampled_from(["a", "b", "c"]),
        "status": st.sampled_from(["open", "paused", "closed"]),
        "value": st.sampled_from([50.0, 100.0, None]),
        "health": st.sampled_from([10.0, 50.0]),
        "contacts": st.integers(0, 3),
        "color": st.sampled_from(["red", None]),
        "created": st.just("2026-03-01T00:00:00Z"),
        "merged": st.sampled_from([*[None] * 5, "ticket:9"]),
    },
)
SAID = st.none() | st.builds(Said, text=st.sampled_from(["hello", "still broken"]), public=st.booleans())
TOLD: st.SearchStrategy[Any] = st.tuples(
    st.integers(0, 3).map(lambda days: timedelta(days=days, minutes=1)),
    st.sampled_from(["crm/stage", "crm/owner", "crm"]),
    st.sampled_from([*["upsert"] * 8, "refresh", "gap", "delete"]),
    FIELDS,
    st.sampled_from(["person", "customer", None]),
    SAID,
)


def written(drawn: list[Any], *, unordered: bool = True) -> list[Change]:
    """As changes of one record, each some time after the one before."""
    changes, at = [], moment(START)
    for number, (wait, feed, op, fields, by, said) in enumerate(drawn):
        at += wait
        changes.append(
            Change(
                record="ticket:1",
                op=op,
                at=at,
                feed=feed,
                source=Source("crm", 0, number),
                order=None if said is not None else (number,),
                unordered=unordered,
                by=by,
                fields=fields,
                said=said,
            )
        )
    return changes


def scattered(changes: list[Change]) -> list[Change]:
    """The same, each read from a partition of its own: their offsets say nothing of their order."""
    return [
        msgspec.structs.replace(each, source=Source("crm", number, 0)) for number, each in enumerate(changes)
    ]


def known(changes: list[Change]) -> Record:
    partition = Partition([(0, QUIET)])
    for each in changes:
        partition.fold(each)
    return partition.records["ticket:1"]


def facts(record: Record) -> dict[str, Any]:
    """Without what a record is beside the facts, and what it keeps for the sake of those that come late."""
    aside = {"at", "applied", "recent"}
    return {name: value for name, value in msgspec.structs.asdict(record).items() if name not in aside}


@given(st.lists(TOLD, min_size=1, max_size=KEPT), st.randoms(use_true_random=False))
def test_any_order_and_any_repeats_lead_to_the_same(drawn: list[Any], rng: random.Random) -> None:
    changes = scattered(written(drawn))
    shuffled = rng.sample(changes, len(changes))
    disturbed: list[Change] = []
    for each in shuffled:
        disturbed += [each, *rng.choices(disturbed, k=rng.randrange(2))] if disturbed else [each]
    assert facts(known(disturbed)) == facts(known(changes))


@given(st.lists(TOLD, min_size=1, max_size=KEPT))
def test_what_comes_in_its_order_is_folded_as_ever(drawn: list[Any]) -> None:
    changes = written(drawn)
    ordered = [msgspec.structs.replace(each, unordered=False) for each in changes]
    assert facts(known(changes)) == facts(known(ordered))


@given(st.lists(TOLD, min_size=KEPT, max_size=3 * KEPT), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_a_long_life_takes_what_a_few_have_overtaken(drawn: list[Any], rng: random.Random) -> None:
    changes = scattered(written(drawn))
    delayed = sorted(range(len(changes)), key=lambda number: number + rng.randrange(KEPT))
    assert facts(known([changes[number] for number in delayed])) == facts(known(changes))


def test_what_too_many_have_overtaken_is_dropped_where_its_feed_has_told_more() -> None:
    drawn = [(timedelta(minutes=1), "crm", "upsert", {"stage": stage}, None, None) for stage in "ab" * KEPT]
    first, *others = scattered(written(drawn))
    before = known(others)
    assert known([*others, first]) == before
    assert before.recent is not None
    assert len(before.recent.changes) == KEPT


def test_what_has_gone_beyond_all_that_is_kept_is_no_news_again() -> None:
    """Where tokens and moments disagree, an old token may come with a late moment."""

    def told(feed: str, order: int, minutes: int, stage: str) -> Change:
        (made,) = scattered(
            written([(timedelta(minutes=minutes), feed, "upsert", {"stage": stage}, None, None)])
        )
        return msgspec.structs.replace(made, order=(order,))

    latest = told("a", 10, 1, "new")
    others = [told("b", number, 2 + number, "open") for number in range(KEPT)]
    before = known([latest, *others])
    assert known([latest, *others, told("a", 9, 60, "old"), latest]) == before


def test_the_stage_is_as_old_as_it_is() -> None:
    """And not as old as the change that came first."""
    stages = [(timedelta(days=1), "crm", "upsert", {"stage": stage}, None, None) for stage in "abbab"]
    changes = scattered(written(stages))
    for shuffled in (changes, changes[::-1], [changes[number] for number in (4, 0, 3, 1, 2)]):
        assert known(shuffled).entered == START + 5 * 86_400_000_000


def test_what_has_come_too_late_takes_back_what_was_told() -> None:
    world = World(rules("paths: {quiet: {about: ticket, when: {in_stage: 2d}, steps: [{notify: owner}]}}"))

    def told(at: str, order: int, **fields: Any) -> None:
        change = world.make(at, **fields)
        world.take(msgspec.structs.replace(change, order=(order,), unordered=True))

    told("03-02T09:00", 1, owner="anna", stage="new")
    world.until("03-05T09:00")
    told("03-05T10:00", 4, stage="new", owner="bert")
    # It had left the stage, and come back.
    told("03-04T08:00", 2, stage="open")
    told("03-05T08:00", 3, stage="new")
    world.until("03-07T08:00")
    assert [(each.event, each.at) for each in world.seen] == [
        ("opened", "2026-03-04T09:00:00Z"),
        ("withdrawn", "2026-03-05T10:00:00Z"),
        ("opened", "2026-03-07T08:00:00Z"),
    ]
