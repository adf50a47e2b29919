"""Each trigger: when it begins to hold, and what ends it."""

from typing import Any

import pytest

from streams.core.document import Problems
from streams.core.rules import read_rules
from tests.core.worlds import World, brief, rules


def path(when: str, more: str = "") -> str:
    return f"paths: {{p: {{about: ticket, when: {when}, steps: [{{notify: owner}}]{more}}}}}"


def test_untouched_for_working_days_skips_the_weekend() -> None:
    world = World(rules(path("{untouched: 2 working days, calendar: office}")))
    world.change("03-06T15:00", owner="anna")  # a Friday, 16:00 in Berlin
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-10T15:00", "opened", ("anna",))]


def test_a_touch_ends_it_and_starts_over() -> None:
    world = World(rules(path("{untouched: 8d}")))
    world.change("03-02T09:00", owner="anna")
    world.until("03-11T00:00")
    world.change("03-11T09:00", priority="high")
    world.until("03-20T00:00")
    assert [each[:2] for each in brief(world.seen)] == [
        ("03-10T09:00", "opened"),
        ("03-11T09:00", "resolved"),
        ("03-19T09:00", "opened"),
    ]


def test_a_mapped_touched_column_counts_instead_of_the_change() -> None:
    world = World(rules(path("{untouched: 8d}")))
    world.change("03-02T09:00", owner="anna", touched="2026-03-01T09:00:00Z")
    world.change("03-08T09:00", owner="anna", touched="2026-03-01T09:00:00Z")
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-09T09:00", "opened", ("anna",))]


def test_stage_age_starts_over_with_another_stage_only() -> None:
    world = World(rules(path("{in_stage: 10d}")))
    world.change("03-01T09:00", owner="anna", stage="a")
    world.change("03-05T09:00", owner="anna", stage="b")
    world.change("03-09T09:00", owner="anna", stage="b")
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-15T09:00", "opened", ("anna",))]


def test_an_sla_clock_counts_working_time_from_creation() -> None:
    world = World(rules(path("{clock: resolution, target: 8h, calendar: office}")))
    world.change("03-06T15:00", owner="anna", created="2026-03-06T14:00:00Z")  # Friday 15:00 in Berlin
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-09T14:00", "opened", ("anna",))]
    assert world.seen[0].reason["clock"]["used"] == "8h"


def test_an_sla_clock_stands_still_while_paused() -> None:
    world = World(rules(path("{clock: resolution, target: 4h, calendar: office}")))
    world.change("03-02T08:00", owner="anna", status="open")
    world.change("03-02T10:00", status="paused")
    # Two working hours inside the pause count; the night in it does not.
    world.change("03-03T09:00", status="open")
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-03T11:00", "opened", ("anna",))]
    assert world.seen[0].reason["clock"]["paused"] == "7h"


def test_an_sla_clock_never_runs_out_while_paused_and_goes_on_after_a_reopening() -> None:
    world = World(rules(path("{clock: resolution, target: 4h}")))
    world.change("03-02T08:00", owner="anna", status="open")
    world.change("03-02T09:00", status="closed")
    world.until("03-10T00:00")
    assert world.seen == []
    world.change("03-10T08:00", status="open")
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-10T11:00", "opened", ("anna",))]


@pytest.mark.parametrize("target", ["4h", "1 working days"])
def test_a_pause_after_the_breach_neither_undoes_it_nor_moves_it(target: str) -> None:
    world = World(rules(path(f"{{clock: resolution, target: {target}, calendar: office}}")))
    world.change("03-02T08:00", owner="anna", status="open")
    world.until("03-04T08:00")
    world.change("03-04T09:00", status="paused")
    world.change("03-05T09:00", status="open")
    world.until("03-09T00:00")
    world.change("03-09T09:00", status="closed")
    assert [each.event for each in world.seen] == ["opened", "resolved"]


def test_a_pause_moves_a_target_of_working_days_by_the_working_time_in_it() -> None:
    world = World(rules(path("{clock: resolution, target: 1 working days, calendar: office}")))
    world.change("03-02T09:00", owner="anna", status="open")
    world.change("03-02T10:00", status="paused")
    world.change("03-02T12:00", status="open")
    world.until("03-09T00:00")
    assert brief(world.seen) == [("03-03T11:00", "opened", ("anna",))]


def test_a_pause_outside_working_time_does_not_move_a_target_of_working_days() -> None:
    world = World(rules(path("{clock: resolution, target: 2 working days, calendar: office}")))
    world.change("03-02T19:00", owner="anna", status="open")
    world.change("03-02T20:00", status="paused")
    world.change("03-02T20:30", status="open")
    world.until("03-09T00:00")
    assert brief(world.seen) == [("03-04T19:00", "opened", ("anna",))]


def test_a_new_priority_rebases_the_clock_and_keeps_what_was_used() -> None:
    world = World(rules(path("{clock: resolution, target: {urgent: 2h, else: 8h}}")))
    world.change("03-02T08:00", owner="anna", priority="low")
    world.change("03-02T09:00", priority="urgent")
    world.until("03-02T23:00")
    assert brief(world.seen) == [("03-02T10:00", "opened", ("anna",))]


def test_a_target_that_is_used_up_already_is_due_with_the_change_that_sets_it() -> None:
    world = World(rules(path("{clock: resolution, target: {urgent: 2h, else: 8h}}")))
    world.change("03-02T08:00", owner="anna", priority="low")
    assert brief(world.change("03-02T13:00", priority="urgent")) == [("03-02T13:00", "opened", ("anna",))]


def test_no_target_for_a_priority_is_no_clock() -> None:
    world = World(rules(path("{clock: resolution, target: {urgent: 2h}}")))
    world.change("03-02T08:00", owner="anna", priority="low")
    world.until("04-02T08:00")
    assert world.seen == []


@pytest.mark.parametrize(
    ("values", "events"),
    [
        ([100.0, 300.0], ["opened"]),
        ([300.0], ["opened"]),
        ([300.0, 310.0, 290.0], ["opened"]),
        ([300.0, 100.0], ["opened", "resolved"]),
        ([300.0, 100.0, 300.0], ["opened", "resolved", "opened"]),
        ([None, 250.0], ["opened"]),
        ([249.99], []),
    ],
)
def test_a_value_crosses_when_it_comes_from_below(values: list[float | None], events: list[str]) -> None:
    world = World(rules(path("{value: {crosses: 250 EUR}}")))
    for day, value in enumerate(values, 1):
        world.change(f"03-0{day}T09:00", owner="anna", value=value, currency="EUR")
    assert [each.event for each in world.seen] == events


def test_a_value_in_another_currency_is_not_compared() -> None:
    world = World(rules(path("{value: {crosses: 250 EUR}}")))
    world.change("03-01T09:00", owner="anna", value=300.0, currency="JPY")
    assert world.seen == []


def test_a_value_that_a_snapshot_shows_has_not_crossed() -> None:
    world = World(rules(path("{value: {crosses: 250 EUR}}")))
    world.change("03-01T09:00", op="refresh", owner="anna", value=300.0, currency="EUR")
    world.change("03-02T09:00", value=310.0)
    assert world.seen == []


def test_a_crossing_is_not_forgotten_while_closed() -> None:
    world = World(rules(path("{value: {crosses: 250 EUR}}")))
    world.change("03-01T09:00", owner="anna", value=100.0, currency="EUR", status="open")
    world.change("03-02T09:00", value=300.0)
    world.change("03-03T09:00", status="closed")
    world.change("03-04T09:00", status="open")
    assert [each.event for each in world.seen] == ["opened", "resolved", "opened"]


def test_a_crossing_waits_for_the_other_clauses() -> None:
    world = World(rules(path("{value: {crosses: 250 EUR}}", ", where: {stage: {not: Prospecting}}")))
    world.change("03-01T09:00", owner="anna", value=100.0, currency="EUR", stage="Prospecting")
    world.change("03-02T09:00", value=300.0)
    world.change("03-03T09:00", stage="Proposal")
    assert brief(world.seen) == [("03-03T09:00", "opened", ("anna",))]


@pytest.mark.parametrize(
    ("where", "fields", "fires"),
    [
        ("{priority: high}", {"priority": "high"}, True),
        ("{priority: [high, urgent]}", {"priority": "urgent"}, True),
        ("{priority: [high, urgent]}", {"priority": "low"}, False),
        ("{priority: {not: low}}", {"priority": "low"}, False),
        ("{priority: 1}", {"priority": "1"}, True),
        ("{tier: {at_least: 3}}", {"tier": "4"}, True),
        ("{tier: {at_least: 3}}", {"tier": "gold"}, False),
        ("{priority: {not: [low, normal]}}", {"priority": "high"}, True),
        ("{health: {below: 50}}", {"health": 40.0}, True),
        ("{health: {below: 50}}", {}, False),
        ("{contacts: {at_least: 3}}", {"contacts": 3}, True),
        ("{value: {below: 50 EUR}}", {"value": 40.0, "currency": "EUR"}, True),
        ("{value: {below: 50 EUR}}", {"value": 40.0, "currency": "USD"}, False),
        ("{tags: {contains: vip}}", {"tags": ["vip", "eu"]}, True),
        ("{tags: {contains: vip}}", {"tags": None}, False),
        ("{region: {empty: true}}", {}, True),
        ("{region: {empty: false}}", {"region": "eu"}, True),
        ("{priority: high, contacts: {at_least: 3}}", {"priority": "high", "contacts": 2}, False),
    ],
)
def test_clauses_on_fields(where: str, fields: dict[str, Any], fires: bool) -> None:
    world = World(rules(path("{untouched: 1d}", f", where: {where}")))
    world.change("03-01T09:00", owner="anna", **fields)
    world.until("03-05T00:00")
    assert bool(world.seen) is fires


@pytest.mark.parametrize(
    ("when", "message", "remedy"),
    [
        ({"in_stagee": "6 weeks"}, "unknown key 'in_stagee'", "Did you mean 'in_stage'?"),
        ({"in_stage": 6}, "the span 6 has no unit", "6 weeks"),
        ({"in_stage": "6"}, "the span '6' has no unit", "6 weeks"),
        ({"in_stage": "six weeks"}, "'six weeks' is not a span", "6 weeks"),
        ({"untouched": "2 working days"}, "needs a calendar", "calendar: NAME"),
        ({"value": {"crosses": 10}}, "the amount 10 has no currency", "10 EUR"),
        ({"value": {"drops": "10 EUR"}}, "unknown key 'drops'", "crosses"),
        ({"clock": "resolutoin", "target": "8h"}, "'resolutoin' is not known here", "'resolution'"),
        ({"clock": "resolution"}, "'when' lacks 'target'", "target: ..."),
        ({}, "`when` names no trigger", "untouched"),
        ({"in_stage": "1d", "untouched": "1d"}, "this has untouched and in_stage", "one trigger"),
    ],
)
def test_a_trigger_that_cannot_be_read_says_what_to_write(
    when: dict[str, object], message: str, remedy: str
) -> None:
    problems = Problems()
    read_rules(
        {
            "people": {"anna": None},
            "fallback": "anna",
            "paths": {"p": {"about": "ticket", "when": when, "steps": [{"notify": "anna"}]}},
        },
        problems,
    )
    assert len(problems) == 1
    assert message in problems[0].message
    assert remedy in problems[0].remedy
    assert problems[0].position[:3] == ("paths", "p", "when")
