"""A gap: somebody has changed the record, and the feed cannot say how."""

from typing import Any

import msgspec
import pytest

from streams.core.entries import Operation
from streams.core.explain import explain
from streams.core.record import Record, decode, encode
from streams.core.timestamps import from_rfc3339
from tests.core.worlds import World, rules

PATHS = """
paths:
  quiet:
    about: ticket
    when: {untouched: 2d}
    steps: [{notify: owner}, {after: 1d, notify: owner.manager}]
"""


def take(world: World, at: str, op: Operation, **fields: Any) -> Record:
    world.take(msgspec.structs.replace(world.make(at, **fields), op=op))
    return world.partition.records["ticket:1"]


@pytest.fixture
def world() -> World:
    world = World(rules(PATHS))
    world.change("03-02T09:00", owner="anna", stage="new", value=5.0)
    return world


def test_it_is_a_touch_and_leaves_all_fields_as_they_were(world: World) -> None:
    before = world.partition.records["ticket:1"]
    after = take(world, "03-03T09:00", "gap")
    assert after.uncertain
    assert after.at == after.touched == from_rfc3339("2026-03-03T09:00:00Z")
    same = ("stage", "entered", "status", "owner", "value", "fields", "created", "deleted")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert decode(encode(after)) == after


def test_what_escalates_in_the_meantime_says_that_it_may_be_otherwise(world: World) -> None:
    take(world, "03-03T09:00", "gap")
    world.until("03-06T12:00")
    assert [(each.event, each.at) for each in world.seen] == [
        ("opened", "2026-03-05T09:00:00Z"),
        ("advanced", "2026-03-06T09:00:00Z"),
    ]
    assert all(each.reason["uncertain"] is True for each in world.seen)
    (answer,) = explain(
        world.partition.rules[-1][1],
        world.partition.records["ticket:1"],
        from_rfc3339("2026-03-06T12:00:00Z"),
    )
    assert answer.uncertain is True


@pytest.mark.parametrize("op", ["upsert", "refresh", "delete"])
def test_it_lasts_until_the_feed_tells_something_again(world: World, op: Operation) -> None:
    take(world, "03-03T09:00", "gap")
    assert not take(world, "03-03T10:00", op).uncertain
    world.until("03-06T12:00")
    assert all("uncertain" not in each.reason for each in world.seen)
    (answer,) = explain(
        world.partition.rules[-1][1],
        world.partition.records["ticket:1"],
        from_rfc3339("2026-03-06T12:00:00Z"),
    )
    assert "uncertain" not in msgspec.to_builtins(answer)


def test_a_record_may_begin_with_one() -> None:
    world = World(rules(PATHS))
    record = take(world, "03-02T09:00", "gap")
    assert (record.uncertain, record.created, record.stage) == (True, record.at, None)
    world.until("03-05T00:00")
    assert [each.event for each in world.seen] == ["opened"]
