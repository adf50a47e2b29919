"""Episodes and their chains: once, on the day, to somebody who is there, and over when it is over."""

import msgspec

from streams.core import record as records
from streams.core.entries import Source
from streams.core.escalation import escalation_id
from tests.core.worlds import World, brief, rules

STAGE = """
paths:
  stalled:
    about: deal
    when: {in_stage: 6 weeks}
    steps:
      - notify: owner
      - {after: 2d, notify: owner.manager, reassign: "team:triage", severity: high}
"""


def test_an_episode_opens_on_its_day_advances_and_resolves() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    world.until("06-01T00:00")
    world.change("06-02T08:00", "deal:7", stage="Won", status="closed")
    assert brief(world.seen) == [
        ("02-16T10:00", "opened", ("anna",)),
        ("02-18T10:00", "advanced", ("bert",)),
        ("06-02T08:00", "resolved", ("anna", "bert")),
    ]
    assert [each.reassign for each in world.seen] == [None, "team:triage", None]
    assert [each.severity for each in world.seen] == ["medium", "high", "low"]
    assert world.seen[0].reason["clock"]["entered"] == "2026-01-05T10:00:00Z"


def test_an_episode_opens_once_however_often_the_record_changes() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    for day in range(17, 28):
        world.change(f"02-{day}T10:00", "deal:7", owner="anna", stage="Proposal", priority=str(day))
    assert [each.event for each in world.seen] == ["opened", "advanced"]


def test_a_change_at_the_very_moment_of_the_deadline_comes_after_it() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    world.change("02-16T10:00", "deal:7", stage="Negotiation")
    assert brief(world.seen) == [("02-16T10:00", "opened", ("anna",)), ("02-16T10:00", "resolved", ("anna",))]


def test_a_second_episode_has_its_own_number_and_ids() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    world.change("02-17T10:00", "deal:7", stage="Negotiation")
    world.until("04-01T10:00")
    opened = [each for each in world.seen if each.event == "opened"]
    assert [each.episode for each in opened] == [1, 2]
    assert len({each.id for each in world.seen}) == len(world.seen)
    assert opened[0].id == escalation_id("stalled", "deal:7", 1, 1, "opened")


def test_the_wait_of_the_first_step_must_be_survived_before_anybody_hears() -> None:
    world = World(
        rules("""
paths:
  quiet:
    about: ticket
    when: {untouched: 1d}
    steps: [{after: 6h, notify: owner}]
""")
    )
    world.change("03-02T09:00", owner="anna")
    world.change("03-03T12:00", owner="anna")
    world.until("03-05T00:00")
    assert brief(world.seen) == [("03-04T18:00", "opened", ("anna",))]


def test_a_step_is_checked_again_when_due_and_goes_to_who_is_the_owner_then() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    world.change("02-17T10:00", "deal:7", owner="bert")
    world.until("03-01T00:00")
    assert brief(world.seen)[1] == ("02-18T10:00", "advanced", ("dora",))


def test_a_deleted_record_resolves_and_stays_quiet() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    world.change("02-17T10:00", "deal:7", op="delete")
    world.until("06-01T00:00")
    assert [(each.event, each.reason["because"]) for each in world.seen][1:] == [("resolved", "deleted")]


def test_a_condition_that_becomes_true_late_counts_from_then() -> None:
    world = World(
        rules("""
paths:
  big-stalled:
    about: deal
    where: {value: {at_least: 10000 EUR}}
    when: {in_stage: 7d}
    steps: [{after: 1h, notify: owner}]
""")
    )
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal", value=5000.0, currency="EUR")
    world.change("02-05T10:00", "deal:7", value=50000.0)
    world.until("03-01T00:00")
    assert brief(world.seen) == [("02-05T11:00", "opened", ("anna",))]
    assert world.seen[0].reason["clauses"] == [
        {"field": "value", "is": 50000.0, "wanted": "is at least 10,000 EUR", "holds": True}
    ]


def test_a_repeat_and_an_older_change_alter_nothing() -> None:
    world = World(rules(STAGE))
    first = world.make("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    second = world.make("01-06T10:00", "deal:7", stage="Negotiation")
    world.take(second)
    before = world.partition.records["deal:7"]
    world.take(second)
    world.take(first)
    assert world.partition.records["deal:7"] == before


def test_a_snapshot_tells_the_state_but_nobody_touched_it() -> None:
    world = World(
        rules("""
paths:
  untouched:
    about: ticket
    when: {untouched: 2d}
    steps: [{notify: owner}]
""")
    )
    world.change("03-01T09:00", owner="anna")
    world.change("03-02T09:00", op="refresh", owner="anna")
    world.until("03-03T09:00")
    assert brief(world.seen) == [("03-03T09:00", "opened", ("anna",))]


def test_a_record_first_seen_by_a_snapshot_is_as_old_as_its_creation() -> None:
    world = World(rules(STAGE))
    world.change(
        "03-02T09:00", "deal:7", op="refresh", owner="anna", stage="Proposal", created="2026-03-01T09:00:00Z"
    )
    record = world.partition.records["deal:7"]
    assert record.touched == record.entered == record.created


def test_what_ended_before_it_opened_is_withdrawn_and_time_does_not_turn_back() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    world.until("02-17T10:00")
    late = world.make("02-10T10:00", "deal:7", stage="Negotiation")
    (withdrawn,) = world.partition.fold(late)
    assert brief([withdrawn]) == [("02-16T10:00", "withdrawn", ("anna",))]
    assert withdrawn.reason["because"] == (
        "the condition no longer holds, since 2026-02-10T10:00:00Z: known only after it had opened"
    )


def test_a_change_that_leaves_the_condition_true_does_not_restart_a_wait() -> None:
    world = World(
        rules("paths: {p: {about: deal, when: {in_stage: 1d}, steps: [{after: 6h, notify: owner}]}}")
    )
    world.change("03-02T09:00", "deal:7", owner="anna", stage="Proposal")
    world.change("03-03T12:00", "deal:7", owner="bert")
    world.until("03-05T00:00")
    assert brief(world.seen) == [("03-03T15:00", "opened", ("bert",))]


def test_one_change_that_comes_late_brings_everything_that_was_due_before_it_in_order() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal")
    late = world.make("06-02T08:00", "deal:7", stage="Won", status="closed")
    assert [each.event for each in world.partition.fold(late)] == ["opened", "advanced", "resolved"]


def test_without_an_order_token_a_repeat_is_known_by_its_coordinates() -> None:
    world = World(rules(STAGE))
    first, second = (
        msgspec.structs.replace(world.make(at, "deal:7", stage=stage), order=None)
        for at, stage in (("01-05T10:00", "Proposal"), ("01-06T10:00", "Negotiation"))
    )
    for change in (first, second, first):
        world.take(change)
    assert world.partition.records["deal:7"].stage == "Negotiation"


def test_a_record_that_is_made_anew_lives_though_an_old_tombstone_is_delivered_again() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", stage="Proposal")
    deleted = world.make("01-06T10:00", "deal:7", op="delete")
    tombstone = msgspec.structs.replace(world.make("01-06T10:01", "deal:7", op="delete"), order=None)
    anew = world.make("01-07T10:00", "deal:7", stage="Proposal")
    later = [
        msgspec.structs.replace(each, source=Source("crm", 0, 100 + number))
        for number, each in enumerate((deleted, tombstone, anew))
    ]
    for change in (deleted, tombstone, anew, *later):
        world.take(change)
    assert not world.partition.records["deal:7"].deleted


def test_a_record_made_anew_does_not_inherit_its_old_life() -> None:
    world = World(rules("paths: {p: {about: deal, when: {in_stage: 8d}, steps: [{notify: owner}]}}"))
    world.change("03-01T09:00", "deal:7", owner="anna", stage="Proposal", status="open")
    world.change("03-02T09:00", "deal:7", op="delete")
    world.change("03-09T09:00", "deal:7", owner="anna", stage="Proposal", status="open")
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-17T09:00", "opened", ("anna",))]


def test_no_two_escalations_can_be_made_to_share_an_id() -> None:
    assert escalation_id("ab", "c", 1, 1, "opened") != escalation_id("a", "bc", 1, 1, "opened")
    assert escalation_id("a", "b", 11, 1, "opened") != escalation_id("a", "b", 1, 11, "opened")


def test_the_state_survives_encoding() -> None:
    world = World(rules(STAGE))
    world.change("01-05T10:00", "deal:7", owner="anna", stage="Proposal", health=80.0, color="red")
    world.change("02-17T10:00", "deal:7", status="paused", health=70.0)
    world.change("02-18T10:00", "deal:7", health=70.0)
    record = world.partition.records["deal:7"]
    assert records.decode(records.encode(record)) == record
    assert [score for _, score in record.health] == [80.0, 70.0]
    assert record.fact("color") == "red"
