"""Untouched: which changes are touches, and from when nobody has touched a record for too long."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.document import Problems
from streams.core.entries import Author, Said
from streams.core.rules import read_rules
from streams.core.timestamps import from_rfc3339, micros
from tests.core.worlds import World, brief, rules


def path(when: str, more: str = "") -> str:
    return f"paths: {{p: {{about: ticket, when: {when}, steps: [{{notify: owner}}]{more}}}}}"


def opened(world: World) -> list[str]:
    return [at for at, event, _ in brief(world.seen) if event == "opened"]


def change(
    world: World,
    at: str,
    by: Author | None = None,
    said: Said | None = None,
    op: Literal["upsert", "refresh"] = "upsert",
    **fields: Any,
) -> None:
    world.take(msgspec.structs.replace(world.make(at, op=op, **fields), by=by, said=said))


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


@pytest.mark.parametrize(
    ("options", "by", "fields", "touches"),
    [
        ("", None, {}, True),
        ("", "automation", {"priority": "high"}, True),
        (", by: [person, customer]", "person", {"priority": "high"}, True),
        (", by: [person, customer]", "customer", {"priority": "high"}, True),
        (", by: [person, customer]", "automation", {"priority": "high"}, False),
        (", by: [person, customer]", None, {"priority": "high"}, False),
        (", by: automation", "automation", {}, True),
        (", by: automation", "person", {}, False),
        (", fields: [stage, owner]", None, {"stage": "waiting"}, True),
        (", fields: [stage, owner]", "automation", {"owner": "bert"}, True),
        (", fields: [stage, owner]", "person", {"priority": "high"}, False),
        (", fields: [stage, owner]", "person", {"stage": "new"}, False),
        (", fields: region", "person", {"region": "eu"}, True),
        (", by: person, fields: stage", "person", {"stage": "waiting"}, True),
        (", by: person, fields: stage", "automation", {"stage": "waiting"}, False),
        (", by: person, fields: stage", "person", {"priority": "high"}, False),
        (", unless_planned: true", "automation", {}, True),
    ],
)
def test_whose_changes_of_which_fields_are_touches(
    options: str, by: Author | None, fields: dict[str, Any], touches: bool
) -> None:
    world = World(rules(path(f"{{untouched: {{for: 2d{options}}}}}")))
    change(world, "03-02T09:00", "automation", owner="anna", stage="new", priority="low")
    change(world, "03-03T09:00", by, **fields)
    world.until("03-20T00:00")
    assert opened(world) == ["03-05T09:00" if touches else "03-04T09:00"]


@pytest.mark.parametrize(("fields", "due"), [("[said]", "03-05T09:00"), ("[stage]", "03-04T09:00")])
def test_a_message_is_a_touch_where_it_is_asked_for(fields: str, due: str) -> None:
    world = World(rules(path(f"{{untouched: {{for: 2d, fields: {fields}}}}}")))
    change(world, "03-02T09:00", "person", owner="anna", stage="new")
    change(world, "03-03T09:00", "person", Said("We are looking into it"))
    world.until("03-20T00:00")
    assert opened(world) == [due]


def test_a_robot_that_touches_every_hour_hides_nothing() -> None:
    """Any touch resets "idle", including ones that nobody can see."""
    world = World(rules(path("{untouched: {for: 1d, by: [person, customer]}}")))
    change(world, "03-02T00:00", "person", owner="anna")
    for hour in range(1, 24):
        change(world, f"03-02T{hour:02}:00", "automation", priority=str(hour))
    change(world, "03-03T06:00", "automation", priority="again")
    assert opened(world) == ["03-03T00:00"]
    change(world, "03-03T09:00", "person", priority="low")
    assert brief(world.seen)[-1][:2] == ("03-03T09:00", "resolved")
    assert world.seen[0].reason["because"] == "untouched by customer or person for 1d"
    assert world.seen[0].reason["clock"]["touched by anybody"] == "2026-03-02T23:00:00Z"


def test_a_touch_that_comes_late_counts_from_when_it_was_and_only_if_it_is_later_than_the_others() -> None:
    world = World(rules(path("{untouched: {for: 2d, by: person}}")))
    change(world, "03-02T09:00", "person", owner="anna")
    change(world, "03-03T12:00", "automation", priority="high")
    change(world, "03-03T09:00", "person", stage="waiting")
    change(world, "03-02T21:00", "person", stage="new")
    world.until("03-20T00:00")
    assert opened(world) == ["03-05T09:00"]


def test_a_touch_at_the_moment_of_one_that_does_not_count_counts() -> None:
    world = World(rules(path("{untouched: {for: 2d, by: person}}")))
    change(world, "03-02T09:00", "person", owner="anna")
    change(world, "03-03T09:00", "automation", priority="high")
    change(world, "03-03T09:00", "person", stage="waiting")
    world.until("03-20T00:00")
    assert opened(world) == ["03-05T09:00"]


def test_a_snapshot_is_no_touch_whatever_it_shows() -> None:
    world = World(rules(path("{untouched: {for: 2d, fields: stage}}")))
    change(world, "03-02T09:00", owner="anna", stage="new")
    change(world, "03-03T09:00", op="refresh", stage="waiting")
    world.until("03-20T00:00")
    assert opened(world) == ["03-04T09:00"]


def test_touches_count_while_other_clauses_do_not_hold() -> None:
    world = World(
        rules(path("{untouched: {for: 2d, by: person}}", ", where: {priority: high}, backlog: escalate"))
    )
    change(world, "03-02T09:00", "person", owner="anna", priority="low")
    change(world, "03-03T09:00", "person", stage="waiting")
    change(world, "03-04T12:00", "automation", priority="high")
    world.until("03-20T00:00")
    assert opened(world) == ["03-05T09:00"]


def test_a_record_made_anew_does_not_inherit_the_touches_of_its_old_life() -> None:
    world = World(rules(path("{untouched: {for: 2d, by: person}}")))
    change(world, "03-02T09:00", "person", owner="anna")
    world.change("03-03T09:00", op="delete")
    change(world, "03-09T09:00", "automation", owner="anna")
    world.until("03-20T00:00")
    assert opened(world) == ["03-11T09:00"]


PLANS = {
    "a planned activity puts it off": ([("03-03T09:00", "03-06T09:00")], ["03-08T09:00"]),
    "one before the latest touch does not": ([("03-03T09:00", "03-02T12:00")], ["03-05T09:00"]),
    "one that is put off puts it off further": (
        [("03-03T09:00", "03-06T09:00"), ("03-05T09:00", "03-09T09:00")],
        ["03-11T09:00"],
    ),
    "one that is brought forward counts from there": (
        [("03-03T09:00", "03-09T09:00"), ("03-04T09:00", "03-05T09:00")],
        ["03-07T09:00"],
    ),
    "without one it counts from when it was dropped": (
        [("03-03T09:00", "03-09T09:00"), ("03-04T09:00", None)],
        ["03-06T09:00"],
    ),
    "one after it was untouched for too long ends that": (
        [("03-05T09:00", "03-06T09:00")],
        ["03-04T09:00", "03-08T09:00"],
    ),
}


@pytest.mark.parametrize(("plans", "expected"), PLANS.values(), ids=PLANS)
def test_a_planned_activity(plans: list[tuple[str, str | None]], expected: list[str]) -> None:
    world = World(rules(path("{untouched: {for: 2d, by: person, unless_planned: true}}")))
    change(world, "03-02T09:00", "person", owner="anna")
    for at, planned in plans:
        change(world, at, "person", planned=None if planned is None else f"2026-{planned}:00Z")
    world.until("03-20T00:00")
    assert opened(world) == expected


def test_a_touch_before_a_planned_activity_does_not_bring_it_forward() -> None:
    world = World(rules(path("{untouched: {for: 2d, by: person, unless_planned: true}}")))
    change(world, "03-02T09:00", "person", owner="anna", planned="2026-03-06T09:00:00Z")
    change(world, "03-03T09:00", "person", stage="waiting")
    world.until("03-07T00:00")
    change(world, "03-07T09:00", "person", stage="new")
    world.until("03-20T00:00")
    assert opened(world) == ["03-09T09:00"]
    assert world.seen[0].reason["clock"]["planned"] == "2026-03-06T09:00:00Z"


def test_a_plan_is_nothing_where_the_path_does_not_ask() -> None:
    world = World(rules(path("{untouched: {for: 2d, by: person}}")))
    change(world, "03-02T09:00", "person", owner="anna", planned="2026-03-06T09:00:00Z")
    world.until("03-20T00:00")
    assert opened(world) == ["03-04T09:00"]


def test_options_that_say_nothing_are_the_plain_form() -> None:
    plain = rules(path("{untouched: 2d}")).paths[0].trigger
    assert rules(path("{untouched: {for: 2d}}")).paths[0].trigger == plain


AUTHORS: list[Author | None] = ["person", "customer", "automation", None]
START = datetime(2026, 3, 2, tzinfo=UTC)
SPAN = 24

EVENT = st.tuples(
    st.integers(1, 30),
    st.sampled_from(AUTHORS),
    st.sampled_from([("stage",), ("priority",), ("stage", "owner"), ()]),
    st.sampled_from(["keep", "keep", "drop", 5, 40]),
    st.booleans(),
)


@given(
    st.sets(st.sampled_from(["person", "customer", "automation"])),
    st.sets(st.sampled_from(["stage", "priority", "owner"])),
    st.booleans(),
    st.lists(EVENT, max_size=12),
)
def test_is_what_going_through_all_touches_finds(
    by: set[str],
    fields: set[str],
    unless_planned: bool,
    events: list[tuple[int, Author | None, tuple[str, ...], str | int, bool]],
) -> None:
    options = [f"for: {SPAN}h", f"unless_planned: {str(unless_planned).lower()}"]
    options += [f"by: [{', '.join(by)}]"] if by else []
    options += [f"fields: [{', '.join(fields)}]"] if fields else []
    world = World(rules(path(f"{{untouched: {{{', '.join(options)}}}}}")))
    change(world, moment(0), owner="anna")

    expected: list[int] = []
    touched, planned, hour, is_open = 0, None, 0, False

    def due() -> int:
        return SPAN + max(touched, planned if unless_planned and planned is not None else 0)

    for number, (later, author, altered, plan, snapshot) in enumerate(events):
        hour += later
        if not is_open and due() <= hour:
            expected.append(due())
            is_open = True
        snapshot = snapshot and plan == "keep"
        facts: dict[str, Any] = {name: f"{name} {number}" for name in altered}
        before = planned
        if plan == "drop":
            facts["planned"] = planned = None
        elif isinstance(plan, int):
            planned = hour + plan
            facts["planned"] = f"2026-{moment(planned)}:00Z"
        change(world, moment(hour), author, op="refresh" if snapshot else "upsert", **facts)
        ours = (not by or author in by) and (not fields or bool(fields & set(altered)))
        if (ours and not snapshot) or (unless_planned and planned != before):
            touched = hour
        is_open = is_open and due() <= hour
    world.until(moment(hour + 1000))
    if not is_open:
        expected.append(due())
    found = [from_rfc3339(each.at) for each in world.seen if each.event == "opened"]
    assert found == [micros(START + timedelta(hours=each)) for each in expected]


def moment(hours: int) -> str:
    return (START + timedelta(hours=hours)).strftime("%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("untouched", "message", "remedy"),
    [
        ({"by": "person"}, "'untouched' lacks 'for'", "for: ..."),
        ({"for": "2d", "from": "person"}, "unknown key 'from'", "by"),
        ({"for": "2d", "by": "robot"}, "'robot' is not known here", "automation"),
        ({"for": "2d", "by": "persn"}, "'persn' is not known here", "Did you mean 'person'?"),
        ({"for": "2d", "by": []}, "the list of 'by' is empty", "Take it out"),
        ({"for": "2d", "fields": []}, "the list of 'fields' is empty", "Take it out"),
        ({"for": "2d", "fields": ["replied"]}, "'replied' follows from other fields", "said"),
        ({"for": "2 working days"}, "needs a calendar", "calendar: NAME"),
        ({"for": "2d", "unless_planned": "yes"}, "'unless_planned' is text", "true or false"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(untouched: dict[str, Any], message: str, remedy: str) -> None:
    problems = Problems()
    document = {
        "people": {"anna": None},
        "fallback": "anna",
        "paths": {"p": {"about": "ticket", "when": {"untouched": untouched}, "steps": [{"notify": "anna"}]}},
    }
    read_rules(document, problems)
    assert len(problems) == 1
    assert message in problems[0].message
    assert remedy in problems[0].remedy
    assert problems[0].position[:4] == ("paths", "p", "when", "untouched")
