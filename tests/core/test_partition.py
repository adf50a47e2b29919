"""A partition's time, and what must not matter: ticks, repeats, where rules and marks stand in the log."""

import copy
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import entries
from streams.core.entries import Change, Entry, Mark, NewRules, Source, Tick
from streams.core.escalation import Escalation, encode
from streams.core.partition import NoRules, Partition
from streams.core.rules import Rules
from streams.core.timestamps import micros
from tests.core.worlds import World, rules

START = datetime(2026, 3, 2, 9, tzinfo=UTC)

PATHS = """
paths:
  untouched:
    about: ticket
    where: {priority: {not: low}}
    when: {untouched: 1 working days, calendar: office}
    steps: [{notify: owner}, {after: 4 working hours, notify: owner.manager}]
  stalled:
    about: ticket
    when: {in_stage: 2d}
    steps: [{after: 1h, notify: owner, reassign: "team:triage"}]
  sla:
    about: ticket
    when: {clock: resolution, target: {high: 4h, else: 9h}, calendar: office}
    steps: [{notify: owner}, {after: 30m, notify: owner.manager}, {after: 1d, notify: dora}]
  big:
    about: ticket
    when: {value: {crosses: 100 EUR}}
    steps: [{notify: "team:triage"}]
"""
RULES = rules(PATHS)

# Coarse times, so that ties and exact hits of deadlines are frequent.
HOURS = st.integers(0, 24 * 12)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from(["anna", "bert", None]),
        "stage": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(["open", "paused", "closed"]),
        "priority": st.sampled_from(["high", "low"]),
        "value": st.sampled_from([50.0, 100.0, None]),
        "currency": st.just("EUR"),
    },
)
OPS = st.sampled_from(["upsert", "upsert", "upsert", "refresh", "delete"])
HISTORY = st.lists(st.tuples(HOURS, st.integers(1, 3), OPS, FIELDS), min_size=1, max_size=25)


def changes(history: list[tuple[int, int, Any, dict[str, Any]]]) -> list[Change]:
    ordered = sorted(history, key=lambda each: each[0])
    return [
        Change(
            record=f"ticket:{number}",
            op=op,
            at=START + timedelta(hours=hour),
            feed="crm",
            source=Source("crm", 0, offset),
            order=(offset,),
            fields=fields,
        )
        for offset, (hour, number, op, fields) in enumerate(ordered)
    ]


def fold(log: list[Entry], partition: Partition | None = None) -> list[Escalation]:
    partition = partition or Partition([(0, RULES)])
    decided = [each for entry in log for each in partition.fold(entry)]
    return decided + partition.advance(micros(START + timedelta(days=40)))


def by_content(escalations: list[Escalation]) -> list[bytes]:
    return sorted(map(encode, escalations))


def tick(at: datetime) -> Tick:
    return Tick((Mark("crm", 0, 1, at),))


@given(HISTORY, st.lists(HOURS, max_size=20))
def test_ticks_change_nothing(history: Any, hours: list[int]) -> None:
    plain = changes(history)
    ticks: list[Entry] = [tick(START + timedelta(hours=hour)) for hour in hours]

    def time(entry: Any) -> datetime:
        at: datetime = entry.at if isinstance(entry, Change) else entry.marks[0].at
        return at

    # A tick may stand before or after the changes of its own moment.
    before = sorted([*ticks, *plain], key=time)
    after = sorted([*plain, *ticks], key=time)
    expected = by_content(fold(list(plain)))
    assert by_content(fold(before)) == expected
    assert by_content(fold(after)) == expected


@given(HISTORY, st.randoms(use_true_random=False))
def test_repeats_change_nothing(history: Any, rng: random.Random) -> None:
    plain = changes(history)
    log: list[Entry] = []
    for index, change in enumerate(plain):
        log.append(change)
        # As an intake that crashed: a stretch that was written already is written again.
        if rng.random() < 0.3:
            log += plain[rng.randrange(index + 1) : index + 1]
    assert by_content(fold(log)) == by_content(fold(list(plain)))


@given(HISTORY)
def test_no_id_comes_twice(history: Any) -> None:
    decided = fold(list(changes(history)))
    assert len({each.id for each in decided}) == len(decided)


@given(HISTORY, st.integers(0, 25))
def test_a_partition_that_is_put_away_and_taken_up_again_goes_on_as_it_was(history: Any, cut: int) -> None:
    log: list[Entry] = list(changes(history))
    first = Partition([(0, RULES)])
    decided = [each for entry in log[:cut] for each in first.fold(entry)]
    second = Partition([(0, RULES)], dict(first.records.encoded), copy.deepcopy(first.feeds))
    assert by_content(decided + fold(log[cut:], second)) == by_content(fold(log))


@given(HISTORY)
def test_entries_survive_encoding(history: Any) -> None:
    for change in changes(history):
        assert entries.decode(entries.encode(change)) == change


@given(HISTORY)
@settings(max_examples=50)
def test_escalations_come_out_in_the_order_of_time(history: Any) -> None:
    partition = Partition([(0, RULES)])
    decided: list[Escalation] = []
    for change in changes(history):
        decided += partition.advance(micros(change.at)) + partition.fold(change)
    decided += partition.advance(micros(START + timedelta(days=40)))
    assert [each.at for each in decided] == sorted(each.at for each in decided)


def test_time_is_that_of_the_feed_partition_least_read() -> None:
    compiled = rules(PATHS)
    partition = Partition([(0, compiled)])
    at = [START + timedelta(hours=hour) for hour in range(5)]
    assert partition.time is None
    partition.fold(Tick((Mark("crm", 0, 2, at[3]),)))
    assert partition.time is None, "of two partitions one has not been read at all"
    partition.fold(Tick((Mark("crm", 1, 2, at[2]),)))
    assert partition.time == micros(at[2])
    partition.fold(Tick((Mark("crm", 1, 2, at[1]),)))
    assert partition.time == micros(at[2]), "a worker that starts over does not turn time back"
    partition.fold(Tick((Mark("other", 0, 1, at[0]),)))
    assert partition.time == micros(at[2]), "a feed that is not configured holds nothing back"


def test_a_deadline_waits_for_the_feed_that_is_behind() -> None:
    world = World(RULES)
    world.partition.fold(world.make("03-02T09:00", owner="anna", stage="a"))
    late = datetime(2026, 3, 20, tzinfo=UTC)
    assert world.partition.fold(Tick((Mark("crm", 0, 2, late),))) == []
    assert world.partition.fold(Tick((Mark("crm", 1, 2, datetime(2026, 3, 2, 10, tzinfo=UTC)),))) == []
    assert world.partition.fold(Tick((Mark("crm", 1, 2, late),))) != []


def test_a_change_before_any_rules_is_refused() -> None:
    with pytest.raises(NoRules):
        Partition().fold(World(RULES).make("03-02T09:00"))


STAGE_2D = rules("paths: {p: {about: ticket, when: {in_stage: 2d}, steps: [{notify: owner}]}}")
STAGE_5D = rules(
    "paths: {p: {about: ticket, when: {in_stage: 5d}, steps: [{notify: owner}, {after: 1d, notify: dora}]}}"
)


def new_rules(compiled: Rules, hours: int) -> NewRules:
    return NewRules(START + timedelta(hours=hours), dict(compiled.document))


@pytest.mark.parametrize("place", range(1, 4))
def test_where_new_rules_stand_in_the_log_does_not_matter(place: int) -> None:
    log: list[Entry] = [
        new_rules(STAGE_2D, 0),
        *(tick(START + timedelta(hours=hour)) for hour in (0, 6)),
        *changes([(7, 1, "upsert", {"owner": "anna", "stage": "a"}), (30, 2, "upsert", {"stage": "a"})]),
        tick(START + timedelta(hours=40)),
        *changes([(60, 1, "upsert", {"priority": "low"})]),
        tick(START + timedelta(days=10)),
    ]
    log[-2] = Change(**{name: getattr(log[-2], name) for name in Change.__struct_fields__} | {"order": (9,)})
    expected = by_content(fold([*log[:1], new_rules(STAGE_5D, 24), *log[1:]], Partition()))
    moved = [*log[:place], new_rules(STAGE_5D, 24), new_rules(STAGE_5D, 24), *log[place:]]
    assert by_content(fold(moved, Partition())) == expected
    unticked: list[Entry] = [entry for entry in moved if not isinstance(entry, Tick)]
    assert by_content(fold(unticked, Partition())) == expected
    assert len(expected) == 4


def test_a_path_that_comes_back_uses_no_id_a_second_time() -> None:
    world = World(STAGE_2D)
    world.change("03-02T09:00", owner="anna", stage="a")
    world.until("03-05T00:00")
    other = rules("paths: {q: {about: ticket, when: {in_stage: 90d}, steps: [{notify: owner}]}}")
    for day, compiled in ((6, other), (8, STAGE_2D)):
        world.partition.fold(NewRules(datetime(2026, 3, day, tzinfo=UTC), dict(compiled.document)))
        world.until(f"03-{day:02}T12:00")
    assert [(each.event, each.episode) for each in world.seen] == [
        ("opened", 1),
        ("resolved", 1),
        ("opened", 2),
    ]
    assert len({each.id for each in world.seen}) == 3


def test_newer_rules_are_not_undone_by_a_change_with_an_older_time() -> None:
    world = World(STAGE_2D)
    world.change("03-02T09:00", owner="anna", stage="a")
    world.partition.fold(NewRules(datetime(2026, 3, 3, tzinfo=UTC), dict(STAGE_5D.document)))
    world.partition.fold(world.make("03-03T10:00", priority="low"))
    world.partition.fold(world.make("03-02T10:00", priority="high"))
    assert world.partition.records["ticket:1"].rules == STAGE_5D.version
    assert [(each.event, each.at[5:10]) for each in world.until("03-20T00:00")] == [
        ("opened", "03-07"),
        ("advanced", "03-08"),
    ]


def test_a_feed_that_was_made_anew_with_fewer_partitions_does_not_hold_time_back() -> None:
    partition = Partition([(0, rules(PATHS))])
    partition.fold(Tick(tuple(Mark("crm", number, 3, START) for number in range(3))))
    partition.fold(Tick((Mark("crm", 0, 1, START + timedelta(hours=1)),)))
    assert partition.time == micros(START + timedelta(hours=1))


def test_a_change_that_cannot_be_applied_leaves_the_record_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(STAGE_2D)
    world.change("03-02T09:00", owner="anna", stage="a")
    world.partition.fold(new_rules(STAGE_5D, 24))
    before = world.partition.records["ticket:1"]
    late = world.make("03-12T09:00", stage="b")
    with monkeypatch.context() as patch:
        patch.setattr("streams.core.engine.apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.partition.fold(late)
    assert world.partition.records["ticket:1"] == before
    assert [each.event for each in world.partition.fold(late)] == ["opened", "advanced", "resolved"]


def test_an_open_episode_goes_on_under_new_rules() -> None:
    world = World(STAGE_2D)
    world.change("03-02T09:00", owner="anna", stage="a")
    world.until("03-08T00:00")
    world.partition.fold(NewRules(datetime(2026, 3, 9, tzinfo=UTC), dict(STAGE_5D.document)))
    world.until("03-20T00:00")
    assert [(each.event, each.episode, each.at[5:10]) for each in world.seen] == [
        ("opened", 1, "03-04"),
        ("advanced", 1, "03-10"),
    ]
    assert world.seen[1].version == STAGE_5D.version


def test_a_path_that_is_removed_resolves_what_it_opened() -> None:
    world = World(STAGE_2D)
    world.change("03-02T09:00", owner="anna", stage="a")
    world.until("03-08T00:00")
    other = rules("paths: {q: {about: ticket, when: {in_stage: 90d}, steps: [{notify: owner}]}}")
    world.partition.fold(NewRules(datetime(2026, 3, 9, tzinfo=UTC), dict(other.document)))
    world.until("03-20T00:00")
    assert [(each.event, each.reason["because"]) for each in world.seen][1:] == [
        ("resolved", "the path is no longer in the configuration")
    ]


def test_a_deadline_that_moves_out_again_and_again_costs_no_memory() -> None:
    world = World(RULES)
    for minute in range(60):
        world.change(f"03-02T09:{minute:02}", owner="anna")
    assert len(world.partition._queue) <= 2
