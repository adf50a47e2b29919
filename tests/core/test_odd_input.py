"""What a feed, a customer or a command may bring and nothing must stumble over."""

from datetime import UTC, datetime

import msgspec
import pytest

from streams.core.entries import Command, NewRules
from streams.core.explain import explain
from streams.core.partition import Partition
from streams.core.record import PAUSES
from streams.core.text.sentiment import sentiment
from streams.core.timestamps import from_rfc3339, micros
from tests.core.worlds import World, rules

CLOCK = """
paths:
  slow:
    about: ticket
    when: {clock: resolution, target: {by: tier, gold: 4h, else: 8h}}
    steps: [{notify: owner}]
"""
STAGE = "paths: {stalled: {about: ticket, when: {in_stage: 1d}, steps: [{notify: owner}]}}"


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\ufdd0", "\U0010ffff", "\ud800", "\x00"])
def test_no_character_stops_the_reading_of_a_text(character: str) -> None:
    assert sentiment(f"I want to speak to a manager {character} now, this is terrible") is not None


def test_a_list_where_a_value_is_expected_has_the_other_target() -> None:
    world = World(rules(CLOCK))
    world.change("03-02T09:00", owner="anna", tier=["gold", "silver"])
    assert [each.at for each in world.until("03-03T00:00")] == ["2026-03-02T17:00:00Z"]


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+00:00"])
def test_a_command_from_outside_all_calendars_changes_nothing(until: str) -> None:
    world = World(rules(STAGE))
    world.change("03-02T09:00", owner="anna", stage="new")
    world.until("03-04T00:00")
    before = dict(world.partition.records)
    command = Command(
        id="1",
        record="ticket:1",
        do="acknowledge",
        by="anna",
        at=datetime(2026, 3, 4, 1, tzinfo=UTC),
        until=datetime.fromisoformat(until),
    )
    with pytest.raises(ValueError, match="outside the years"):
        world.partition.fold(command)
    assert world.partition.records == before


def test_a_record_that_cannot_go_on_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(rules(STAGE))
    world.change("03-02T09:00", "ticket:1", owner="anna", stage="new")
    world.change("03-02T10:00", "ticket:2", owner="anna", stage="odd")
    trigger = type(world.partition.rules[0][1].paths[0].trigger)
    because = trigger.because

    def breaks(self: object, record: object, at: int) -> object:
        if getattr(record, "stage", None) == "odd":
            raise OverflowError("too odd")
        return because(self, record, at)  # type: ignore[arg-type]

    monkeypatch.setattr(trigger, "because", breaks)
    decided = world.partition.advance(from_rfc3339("2026-03-05T00:00:00Z"))
    assert [each.record for each in decided] == ["ticket:1"]
    assert [key for key, _ in world.partition.troubles] == ["ticket:2"]
    assert world.partition.records["ticket:2"].due is None


def test_a_record_first_seen_after_new_rules_is_judged_alike_before_and_after_a_restart() -> None:
    older, newer = rules(STAGE), rules(STAGE.replace("1d", "2d"))
    since = datetime(2026, 3, 3, tzinfo=UTC)
    outcomes = []
    for restarted in (False, True):
        world = World(older)
        world.partition.fold(NewRules(since, dict(newer.document)))
        world.until("03-04T00:00")
        if restarted:
            world.partition = Partition([(micros(since), rules(STAGE.replace("1d", "2d")))])
        outcomes.append(
            world.change(
                "03-09T00:00", op="refresh", owner="anna", stage="new", created="2026-01-01T00:00:00Z"
            )
        )
    assert outcomes[0] == outcomes[1]
    assert [each.digest for each in outcomes[0]] == [True]


def test_pauses_without_end_cost_bounded_memory_and_keep_their_length() -> None:
    world = World(
        rules(
            "paths: {p: {about: ticket, when: {clock: resolution, target: 1000h}, steps: [{notify: owner}]}}"
        )
    )
    for minute in range(0, 3 * PAUSES):
        status = "paused" if minute % 2 else "open"
        world.change(f"03-02T{minute // 60:02}:{minute % 60:02}", owner="anna", status=status)
    idle = world.partition.records["ticket:1"].idle
    assert len(idle) <= PAUSES + 1
    paused = sum((end or start) - start for start, end in idle)
    assert paused == (3 * PAUSES // 2 - 1) * 60_000_000


def test_a_message_that_is_read_twice_is_one_visit() -> None:
    world = World(rules(STAGE))
    first = world.make("03-02T09:00", "customer:1", issue="ticket:1", visit="email")
    other = world.make("03-02T09:00", "customer:1", issue="ticket:1", visit="email")
    for change in (first, other, msgspec.structs.replace(first, feed="again", order=None)):
        world.partition.fold(change)
    assert len(world.partition.records["customer:1"].visits) == 2


def test_why_not_names_what_is_wrong_within_groups_too() -> None:
    world = World(rules(STAGE.replace("when", "where: {not: {region: test}}, when")))
    world.change("03-02T09:00", owner="anna", stage="new", region="test")
    partition = world.partition
    (answer,) = explain(
        partition.rules[-1][1], partition.records["ticket:1"], from_rfc3339("2026-03-02T10:00:00Z")
    )
    assert answer.summary == "wanted: not of (region is 'test', wanted: is test)"
