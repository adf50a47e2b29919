"""The life of an episode, as stories: what happens, line by line, and who hears of it when.

Numbers in docstrings are those of the edge cases in `docs/episodes.md`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from unittest.mock import patch

import pytest
import yaml
from jsonschema import Draft202012Validator

from streams.core.document import Problems
from streams.core.rules import Rules, read_rules
from streams.core.triggers import TRIGGERS
from tests.core.worlds import World, read_scripted, rules


@pytest.fixture(autouse=True, scope="module")
def scripted() -> Iterator[None]:
    with patch.dict(TRIGGERS, {"scripted": read_scripted}):
        yield


BIG = "value: {crosses: 100 EUR}"
IDLE = "untouched: 1h"
SCRIPTED = "scripted: true"


def path(when: str, *keys: str, steps: str = "[{notify: owner}]") -> Rules:
    lines = "".join(f"    {key}\n" for key in keys)
    return rules(f"paths:\n  p:\n    about: ticket\n    when: {{{when}}}\n    steps: {steps}\n{lines}")


CHAIN = "[{notify: owner}, {after: 1h, notify: owner.manager}, {after: 1h, notify: dora}]"


def check(compiled: Rules, story: str, expected: str, **versions: Rules) -> World:
    world = World(compiled)
    assert world.play(dedent(story), **versions) == dedent(expected).strip()
    return world


# How long the condition must hold


def test_what_does_not_last_is_not_told_and_a_break_starts_the_count_again() -> None:
    """41, the part about the count."""
    check(
        path(BIG, "for: 30m"),
        """
        09:00 change owner=anna currency=EUR value=100
        09:20 change value=50
        09:40 change value=100
        10:00 change priority=high
        12:00
        """,
        "10:10 opened 1.1 anna",
    )


def test_time_that_nobody_watched_counts_and_the_event_bears_the_moment_it_was_due() -> None:
    """41 and 42: after a gap everything is told, with the moments at which it was due."""
    check(
        path(BIG, "for: 30m", steps=CHAIN),
        """
        09:00 change owner=anna currency=EUR value=100
        48:00 change value=50
        """,
        """
        09:30 opened 1.1 anna
        10:30 advanced 1.2 bert
        11:30 advanced 1.3 dora
        48:00 resolved 1.3 anna,bert,dora
        """,
    )


def test_the_wait_of_the_first_step_comes_after_the_time_for_which_it_must_hold() -> None:
    check(
        path(IDLE, "for: 30m", steps="[{after: 15m, notify: owner}]"),
        """
        09:00 change owner=anna
        12:00
        """,
        "10:45 opened 1.1 anna",
    )


def test_for_counts_from_when_the_last_clause_came_true() -> None:
    check(
        path(IDLE, "for: 30m", "where: {priority: high}"),
        """
        09:00 change owner=anna priority=low
        10:30 refresh priority=high
        12:00
        """,
        "11:00 opened 1.1 anna",
    )


# How long an episode outlives its condition


def test_flapping_does_not_page_twice() -> None:
    check(
        path(BIG, "hold: 30m"),
        """
        09:00 change owner=anna currency=EUR value=100
        09:20 change value=99
        09:30 change value=100
        09:40 change value=99
        09:50 change value=101
        10:00 change value=99
        10:10 change value=98
        12:00
        """,
        """
        09:00 opened 1.1 anna
        10:30 resolved 1.1 anna
        """,
    )


def test_a_step_that_is_due_while_the_condition_is_away_comes_when_it_is_back() -> None:
    check(
        path(BIG, "hold: 1h", steps=CHAIN),
        """
        09:00 change owner=anna currency=EUR value=100
        09:50 change value=99
        10:30 change value=100
        12:00
        """,
        """
        09:00 opened 1.1 anna
        10:30 advanced 1.2 bert
        11:30 advanced 1.3 dora
        """,
    )


def test_a_condition_that_is_back_by_the_clock_within_the_hold_time_goes_on() -> None:
    check(
        path(IDLE, "hold: 3h", steps=CHAIN),
        """
        09:00 change owner=anna
        10:30 change
        14:00
        """,
        """
        10:00 opened 1.1 anna
        11:30 advanced 1.2 bert
        12:30 advanced 1.3 dora
        """,
    )


@pytest.mark.parametrize(
    ("hold", "expected"),
    [
        ("59m", ["10:00 opened 1.1 anna", "11:29 resolved 1.1 anna", "11:30 opened 2.1 anna"]),
        # Never away for longer than the hold time.
        ("60m", ["10:00 opened 1.1 anna"]),
    ],
)
def test_the_very_moment_at_which_the_hold_time_ends(hold: str, expected: list[str]) -> None:
    check(
        path(IDLE, f"hold: {hold}"),
        """
        09:00 change owner=anna
        10:30 change
        14:00
        """,
        "\n".join(expected),
    )


def test_a_change_at_the_moment_at_which_the_hold_time_ends_comes_after_it() -> None:
    check(
        path(BIG, "hold: 30m"),
        """
        09:00 change owner=anna currency=EUR value=100
        09:20 change value=99
        09:50 change value=100
        """,
        """
        09:00 opened 1.1 anna
        09:50 resolved 1.1 anna
        09:50 opened 2.1 anna
        """,
    )


def test_what_is_back_within_the_hold_time_need_not_last_again() -> None:
    check(
        path(BIG, "for: 30m", "hold: 1h"),
        """
        09:00 change owner=anna currency=EUR value=100
        10:00 change value=99
        10:45 change value=100
        12:00 change value=99
        13:00
        13:30 change value=100
        15:00
        """,
        """
        09:30 opened 1.1 anna
        13:00 resolved 1.1 anna
        14:00 opened 2.1 anna
        """,
    )


@pytest.mark.parametrize(
    "end",
    ["change status=closed stage=Done", "delete", "change merged=ticket:2"],
    ids=["closed", "deleted", "merged"],
)
def test_a_record_that_is_over_is_not_held(end: str) -> None:
    world = check(
        path(BIG, "hold: 30m"),
        f"""
        09:00 change owner=anna currency=EUR value=100
        09:20 {end}
        12:00
        """,
        """
        09:00 opened 1.1 anna
        09:20 resolved 1.1 anna
        """,
    )
    because = world.seen[1].reason["because"]
    assert because in ("closed in stage Done", "deleted", "merged into ticket:2")


def test_a_record_that_is_over_while_the_condition_is_away_resolves_then() -> None:
    check(
        path(BIG, "hold: 1h"),
        """
        09:00 change owner=anna currency=EUR value=100
        09:20 change value=99
        09:30 change status=closed
        12:00
        """,
        """
        09:00 opened 1.1 anna
        09:30 resolved 1.1 anna
        """,
    )


# When it may open again


def test_without_a_rest_the_next_episode_opens_when_it_holds_again() -> None:
    """44: the episode is part of the id, so nothing that follows is taken for a repeat."""
    world = check(
        path(BIG),
        """
        09:00 change owner=anna currency=EUR value=100
        09:20 change value=99
        09:21 change value=100
        """,
        """
        09:00 opened 1.1 anna
        09:20 resolved 1.1 anna
        09:21 opened 2.1 anna
        """,
    )
    assert len({each.id for each in world.seen}) == 3


def test_a_record_that_is_closed_and_reopened_opens_a_new_episode_at_once_if_it_still_holds() -> None:
    check(
        path("in_stage: 1h"),
        """
        09:00 change owner=anna stage=new
        11:00 change status=closed
        12:00 change status=open
        """,
        """
        10:00 opened 1.1 anna
        11:00 resolved 1.1 anna
        12:00 opened 2.1 anna
        """,
    )


def test_while_it_rests_nothing_opens_and_then_only_what_still_holds() -> None:
    check(
        path(BIG, "rearm: 2h"),
        """
        09:00 change owner=anna currency=EUR value=100
        10:00 change value=99
        10:30 change value=100
        10:45 change value=99
        11:30 change value=100
        13:00 change value=99
        16:00 change value=100
        """,
        """
        09:00 opened 1.1 anna
        10:00 resolved 1.1 anna
        12:00 opened 2.1 anna
        13:00 resolved 2.1 anna
        16:00 opened 3.1 anna
        """,
    )


def test_the_rest_begins_when_the_hold_time_is_over() -> None:
    check(
        path(BIG, "hold: 30m", "rearm: 1h"),
        """
        09:00 change owner=anna currency=EUR value=100
        10:00 change value=99
        10:40 change value=100
        14:00
        """,
        """
        09:00 opened 1.1 anna
        10:30 resolved 1.1 anna
        11:30 opened 2.1 anna
        """,
    )


WORSE = "rearm: {after: 4h, or: worse by 10 points}"


def test_what_is_worse_opens_again_though_it_rests_but_not_in_the_past() -> None:
    check(
        path(SCRIPTED, WORSE),
        """
        09:00 change owner=anna deadline=540 score=50
        10:00 change deadline=null
        10:30 change deadline=600 score=59
        11:00 change score=60
        """,
        """
        09:00 opened 1.1 anna
        10:00 resolved 1.1 anna
        11:00 opened 2.1 anna
        """,
    )


def test_a_deadline_in_the_rest_is_kept_where_it_is_worse_already() -> None:
    check(
        path(SCRIPTED, WORSE),
        """
        09:00 change owner=anna deadline=540 score=50
        10:00 change deadline=690 score=60
        12:00
        """,
        """
        09:00 opened 1.1 anna
        10:00 resolved 1.1 anna
        10:30 warned 2.1 anna
        11:00 warned 2.2 anna
        11:30 opened 2.1 anna
        """,
    )


@pytest.mark.parametrize("said", ["", "anna acknowledge", "anna snooze until=20:00"])
def test_what_becomes_worse_is_a_new_episode_whatever_was_said_of_the_old(said: str) -> None:
    acknowledged = {"": "", "anna acknowledge": "09:30 acknowledged 1.1 anna\n"}.get(
        said, "09:30 snoozed 1.1 anna\n"
    )
    world = World(path(SCRIPTED, WORSE, steps=CHAIN))
    story = f"""
        09:00 change owner=anna deadline=540 score=50
        09:30 {said}
        09:40 change score=59
        09:50 change score=60
        """
    expected = f"09:00 opened 1.1 anna\n{acknowledged}09:50 resolved 1.1 anna\n09:50 opened 2.1 anna"
    assert world.play(story) == expected
    assert (
        "worse (50 to 60)" in next(each for each in world.seen if each.event == "resolved").reason["because"]
    )


def test_no_episode_is_worse_than_itself() -> None:
    check(
        path(SCRIPTED, WORSE),
        """
        09:00 change owner=anna deadline=540 score=50
        09:10 change score=61
        09:20 change score=70
        09:30 change score=71
        """,
        """
        09:00 opened 1.1 anna
        09:10 resolved 1.1 anna
        09:10 opened 2.1 anna
        09:30 resolved 2.1 anna
        09:30 opened 3.1 anna
        """,
    )


# What was known too late


def test_what_should_never_have_been_is_withdrawn_without_hold_time_or_rest() -> None:
    check(
        path(BIG, "for: 30m", "hold: 1h", "rearm: 4h"),
        """
        09:00 change owner=anna currency=EUR value=100
        10:00 late 09:20 change value=99
        10:10 change value=100
        11:00
        """,
        """
        09:30 opened 1.1 anna
        09:30 withdrawn 1.1 anna
        10:40 opened 2.1 anna
        """,
    )


def test_what_came_late_but_was_true_after_it_opened_resolves() -> None:
    check(
        path(BIG),
        """
        09:00 change owner=anna currency=EUR value=100
        10:00 change priority=high
        10:30 late 09:20 change value=99
        """,
        """
        09:00 opened 1.1 anna
        10:00 resolved 1.1 anna
        """,
    )


# The chain


def test_a_repeated_step_tells_again_and_hands_over_once() -> None:
    """37 and 38: reminders come at stated moments, a bounded number of times."""
    check(
        path(
            IDLE,
            steps="[{notify: owner, reassign: 'team:triage', repeat: {every: 30m, times: 2}},"
            " {after: 1h, notify: dora}]",
        ),
        """
        09:00 change owner=anna
        24:00
        """,
        """
        10:00 opened 1.1 anna > team:triage
        10:30 advanced 1.2 anna
        11:00 advanced 1.3 anna
        12:00 advanced 1.4 dora
        """,
    )


def test_reminders_in_working_time_skip_the_night() -> None:
    """37: 17:00 in Berlin is 16:00 UTC."""
    check(
        path(
            "untouched: 1 working hours, calendar: office",
            steps="[{notify: owner, repeat: {every: 4 working hours, times: 3}}]",
        ),
        """
        13:00 change owner=anna
        72:00
        """,
        """
        14:00 opened 1.1 anna
        34:00 advanced 1.2 anna
        38:00 advanced 1.3 anna
        58:00 advanced 1.4 anna
        """,
    )


def test_each_step_goes_to_whoever_it_is_then_and_an_episode_does_not_begin_again() -> None:
    """39: one event for each step, whatever else changes."""
    check(
        path("in_stage: 1h", steps=CHAIN),
        """
        09:00 change owner=anna stage=new priority=low
        10:30 change owner=bert
        10:40 change priority=high owner=bert
        10:41 change owner=carla
        10:42 change owner=bert
        12:00
        """,
        """
        10:00 opened 1.1 anna
        11:00 advanced 1.2 dora
        12:00 advanced 1.3 dora
        """,
    )


def test_a_step_whose_people_are_gone_falls_through() -> None:
    """54."""
    compiled = rules(
        "paths: {p: {about: ticket, when: {untouched: 1h}, steps: [{notify: owner}]}}",
        "people: {anna: {active: false}, dora: {}}\nfallback: dora",
    )
    world = check(compiled, "09:00 change owner=anna\n11:00", "10:00 opened 1.1 dora")
    assert "anna is no longer active" in world.seen[0].reason["people"][0]["because"]


def test_a_step_is_decided_by_the_time_of_what_happened_and_not_of_when_it_was_seen() -> None:
    """36: closed a minute before, or at the very moment."""
    story = "09:00 change owner=anna\n{} change status=closed\n12:00"
    check(path(IDLE), story.format("09:59"), "")
    check(path(IDLE), story.format("10:00"), "10:00 opened 1.1 anna\n10:00 resolved 1.1 anna")
    check(
        path(IDLE),
        "09:00 change owner=anna\n10:05 late 09:59 change status=closed",
        "10:00 opened 1.1 anna\n10:00 withdrawn 1.1 anna",
    )


def test_a_chain_gives_up() -> None:
    """51: a greatest age. What is due at that very moment still comes."""
    check(
        path(IDLE, "give_up: 2h", steps="[{notify: owner}, {after: 2h, notify: bert}]"),
        "09:00 change owner=anna\n20:00 change owner=bert priority=low\n40:00",
        """
        10:00 opened 1.1 anna
        12:00 advanced 1.2 bert
        20:00 resolved 1.2 anna,bert
        21:00 opened 2.1 bert
        23:00 advanced 2.2 bert
        """,
    )


def test_an_acknowledgement_that_expires_after_it_gave_up_wakes_nobody() -> None:
    """51."""
    check(
        path(BIG, "give_up: 4h", steps=CHAIN),
        """
        09:00 change owner=anna currency=EUR value=100
        09:30 anna acknowledge until=60:00
        100:00 change priority=high
        110:00
        """,
        """
        09:00 opened 1.1 anna
        09:30 acknowledged 1.1 anna
        """,
    )


def test_a_step_that_comes_back_from_the_hold_time_too_late_is_not_taken() -> None:
    check(
        path(BIG, "give_up: 2h", "hold: 2h", steps="[{notify: owner}, {after: 1h, notify: bert}]"),
        """
        09:00 change owner=anna currency=EUR value=100
        09:50 change value=99
        11:10 change value=100
        20:00
        """,
        "09:00 opened 1.1 anna",
    )


# Warnings


def test_warnings_begin_the_episode_that_they_warn_of() -> None:
    check(
        path(SCRIPTED, "acknowledged_for: 1h"),
        """
        08:00 change owner=anna deadline=600
        09:10 change owner=bert
        10:30 change deadline=null
        """,
        """
        09:00 warned 1.1 anna
        09:30 warned 1.2 bert
        10:00 opened 1.1 bert
        10:30 resolved 1.1 anna,bert
        """,
    )


def test_of_several_warnings_that_are_late_the_nearest_is_given_and_it_begins_an_episode() -> None:
    world = check(
        path(SCRIPTED),
        """
        09:40 change owner=anna deadline=600
        10:10 change deadline=null
        10:20 change deadline=650
        12:00
        """,
        """
        09:40 warned 1.2 anna
        10:00 opened 1.1 anna
        10:10 resolved 1.1 anna
        10:20 warned 2.2 anna
        10:50 opened 2.1 anna
        """,
    )
    assert len({each.id for each in world.seen}) == 5


def test_a_warning_is_given_once_unless_the_deadline_moves_far_enough_to_be_warned_of_again() -> None:
    check(
        path(SCRIPTED),
        """
        08:00 change owner=anna deadline=600
        09:05 change deadline=600 priority=high
        09:10 change deadline=605 score=10
        09:20 change deadline=610
        09:30 change deadline=700
        13:00
        """,
        """
        09:00 warned 1.1 anna
        10:40 warned 2.1 anna
        11:10 warned 2.2 anna
        11:40 opened 2.1 anna
        """,
    )


def test_a_clock_that_ended_in_time_is_silent_and_the_next_one_warns_anew() -> None:
    world = check(
        path(SCRIPTED),
        """
        08:00 change owner=anna deadline=600
        09:40 change deadline=null
        11:00 change deadline=750
        12:10 change deadline=null
        13:00 change deadline=770
        """,
        """
        09:00 warned 1.1 anna
        09:30 warned 1.2 anna
        11:30 warned 2.1 anna
        12:00 warned 2.2 anna
        13:00 opened 2.1 anna
        """,
    )
    assert len({each.id for each in world.seen}) == 5


def test_while_it_rests_nobody_is_warned() -> None:
    check(
        path(SCRIPTED, "rearm: 1h"),
        """
        09:00 change owner=anna deadline=540
        09:10 change deadline=615
        12:00
        """,
        """
        09:00 opened 1.1 anna
        09:10 resolved 1.1 anna
        10:10 warned 2.2 anna
        10:15 opened 2.1 anna
        """,
    )


# What was so before


@pytest.mark.parametrize(
    ("backlog", "expected"),
    [
        ("escalate", "09:00 opened 1.1 anna\n12:00 resolved 1.1 anna\n13:00 opened 2.1 anna"),
        ("digest", "09:00 opened 1.1 anna digest\n12:00 resolved 1.1 anna\n13:00 opened 2.1 anna"),
        ("ignore", "13:00 opened 1.1 anna"),
    ],
)
@pytest.mark.parametrize("source", ["snapshot", "new path"])
def test_a_backlog_is_told_at_once_or_in_a_digest_or_not_at_all_and_what_is_new_as_always(
    source: str, backlog: str, expected: str
) -> None:
    compiled = path(IDLE, f"backlog: {backlog}")
    if source == "snapshot":
        first, story = compiled, "09:00 refresh owner=anna created=2026-03-01T00:00:00Z"
    else:
        first = rules("paths: {q: {about: ticket, when: {untouched: 90d}, steps: [{notify: owner}]}}")
        story = "06:30 change owner=anna\n08:00 rules added\n08:59"
        expected = expected.replace("09:00", "08:00")
    check(first, f"{story}\n10:00 refresh owner=anna\n12:00 change\n15:00", expected, added=compiled)


def test_a_backlog_that_has_not_yet_lasted_long_enough_is_none() -> None:
    """The past counts: what a snapshot shows to have held for an hour has held for an hour."""
    story = "09:00 refresh owner=anna touched=2026-03-02T07:45:00Z\n12:00"
    check(path(IDLE, "for: 30m"), story, "09:15 opened 1.1 anna")
    check(path(IDLE, "for: 10m"), story, "09:00 opened 1.1 anna digest")


def test_a_backlog_that_waits_for_its_first_step_goes_into_the_digest_if_it_still_holds() -> None:
    story = "09:00 refresh owner=anna created=2026-03-01T00:00:00Z\n09:10 refresh priority=high\n{}\n12:00"
    waiting = path(IDLE, steps="[{after: 30m, notify: owner}]")
    check(waiting, story.format("09:15"), "09:30 opened 1.1 anna digest")
    check(waiting, story.format("09:20 change"), "10:50 opened 1.1 anna")


def test_a_record_that_is_new_or_that_a_crossing_brings_in_is_no_backlog() -> None:
    check(path(BIG), "09:00 change owner=anna currency=EUR value=100", "09:00 opened 1.1 anna")
    check(path(BIG), "09:00 refresh owner=anna currency=EUR value=100\n10:00 change value=101", "")


# In shadow


def test_a_path_in_shadow_decides_everything_and_marks_it() -> None:
    check(
        path(SCRIPTED, "shadow: true", steps=CHAIN),
        """
        09:00 change owner=anna deadline=570
        10:00 anna acknowledge
        11:00 change deadline=null
        """,
        """
        09:00 warned 1.2 anna shadow
        09:30 opened 1.1 anna shadow
        10:00 acknowledged 1.1 anna shadow
        11:00 resolved 1.1 anna shadow
        """,
    )


def test_a_path_that_leaves_the_shadow_begins_anew_and_nobody_hears_of_what_they_were_not_told() -> None:
    check(
        path(IDLE, "shadow: true"),
        """
        09:00 change owner=anna
        10:30 rules live
        12:00 change
        14:00
        """,
        """
        10:00 opened 1.1 anna shadow
        10:30 resolved 1.1 anna shadow
        10:30 opened 2.1 anna digest
        12:00 resolved 2.1 anna
        13:00 opened 3.1 anna
        """,
        live=path(IDLE),
    )


def test_a_path_that_goes_into_shadow_says_so_to_whoever_was_told() -> None:
    check(
        path(IDLE),
        """
        09:00 change owner=anna
        10:30 rules shadow
        12:00
        """,
        """
        10:00 opened 1.1 anna
        10:30 resolved 1.1 anna
        10:30 opened 2.1 anna shadow digest
        """,
        shadow=path(IDLE, "shadow: true"),
    )


def test_a_path_that_is_removed_in_shadow_stays_in_it() -> None:
    other = rules("paths: {q: {about: ticket, when: {untouched: 90d}, steps: [{notify: owner}]}}")
    check(
        path(IDLE, "shadow: true"),
        "09:00 change owner=anna\n11:00 rules other\n12:00",
        "10:00 opened 1.1 anna shadow\n11:00 resolved 1.1 anna shadow",
        other=other,
    )


# What a new version does


def test_a_longer_time_for_which_it_must_hold_counts_from_when_it_began() -> None:
    """43: what has not opened yet waits for longer; what is open stays open."""
    longer = path(IDLE, "for: 2h")
    story = "09:00 change owner=anna\n{} rules longer\n{}\n15:00"
    check(path(IDLE, "for: 1h"), story.format("10:30", "10:31"), "12:00 opened 1.1 anna", longer=longer)
    check(path(IDLE, "for: 1h"), story.format("11:30", "11:31"), "11:00 opened 1.1 anna", longer=longer)


def test_a_shorter_wait_that_is_over_already_ends_with_the_new_version() -> None:
    story = "09:00 change owner=anna\n{} rules shorter\n15:00"
    check(
        path(IDLE, "for: 4h"),
        story.format("11:30"),
        "11:30 opened 1.1 anna",
        shorter=path(IDLE, "for: 1h"),
    )
    check(
        path(IDLE, steps="[{after: 4h, notify: owner}]"),
        story.format("11:30"),
        "11:30 opened 1.1 anna",
        shorter=path(IDLE, steps="[{after: 1h, notify: owner}]"),
    )
    check(
        path(IDLE, steps="[{notify: owner}, {after: 4h, notify: bert}]"),
        story.format("11:30"),
        "10:00 opened 1.1 anna\n11:30 advanced 1.2 bert",
        shorter=path(IDLE, steps="[{notify: owner}, {after: 1h, notify: bert}]"),
    )


def test_a_longer_wait_counts_from_the_latest_step() -> None:
    check(
        path(IDLE, steps="[{notify: owner}, {after: 2h, notify: bert}]"),
        "09:00 change owner=anna\n11:30 rules longer\n20:00",
        "10:00 opened 1.1 anna\n14:00 advanced 1.2 bert",
        longer=path(IDLE, steps="[{notify: owner}, {after: 4h, notify: bert}]"),
    )


def test_steps_that_a_new_version_adds_or_removes() -> None:
    one, three = path(IDLE), path(IDLE, steps=CHAIN)
    check(
        one,
        "09:00 change owner=anna\n12:00 rules three\n12:30 refresh priority=high\n20:00",
        "10:00 opened 1.1 anna\n13:00 advanced 1.2 bert\n14:00 advanced 1.3 dora",
        three=three,
    )
    check(
        three,
        "09:00 change owner=anna\n11:30 rules one\n20:00 change",
        "10:00 opened 1.1 anna\n11:00 advanced 1.2 bert\n20:00 resolved 1.2 anna,bert",
        one=one,
    )


def test_a_chain_that_gave_up_goes_on_where_a_new_version_allows_it_longer() -> None:
    chain = "[{notify: owner}, {after: 1 working hours, notify: bert}]"
    when = "untouched: 1 working hours, calendar: office"
    check(
        path(when, "give_up: 1h", steps=chain),
        "15:00 change owner=anna\n36:00 rules longer\n60:00",
        "16:00 opened 1.1 anna\n37:00 advanced 1.2 bert",
        longer=path(when, "give_up: 3d", steps=chain),
    )


def test_an_age_at_which_a_new_version_gives_up_counts_for_what_is_open() -> None:
    chain = "[{notify: owner}, {after: 4 working hours, notify: bert}]"
    when = "untouched: 1h, calendar: office"
    check(
        path(when, steps=chain),
        "09:00 change owner=anna\n11:00 rules shorter\n60:00",
        "10:00 opened 1.1 anna",
        shorter=path(when, "give_up: 2h", steps=chain),
    )


def test_a_new_version_without_hold_time_ends_what_is_held() -> None:
    check(
        path(BIG, "hold: 4h"),
        "09:00 change owner=anna currency=EUR value=100\n10:00 change value=99\n11:00 rules none\n20:00",
        "09:00 opened 1.1 anna\n11:00 resolved 1.1 anna",
        none=path(BIG),
    )


def test_a_threshold_that_a_new_version_lowers_meets_at_once_what_is_above_it() -> None:
    """The path is no new one: `backlog` does not apply."""
    check(
        path("untouched: 9h"),
        "09:00 change owner=anna\n11:30 rules lower\n20:00",
        "11:30 opened 1.1 anna",
        lower=path(IDLE),
    )


def test_another_trigger_under_the_same_name_does_not_take_the_old_ones_deadline_for_its_own() -> None:
    check(
        path("untouched: 9h"),
        "09:00 change owner=anna currency=EUR value=200\n11:00 rules big\n30:00",
        "",
        big=path(BIG),
    )


def test_an_acknowledgement_outlives_a_new_version() -> None:
    check(
        path(IDLE, steps=CHAIN),
        "09:00 change owner=anna\n10:30 anna acknowledge\n11:30 rules other\n20:00",
        "10:00 opened 1.1 anna\n10:30 acknowledged 1.1 anna",
        other=path(IDLE, "acknowledged_for: 1h", steps=CHAIN),
    )


def test_new_rules_that_a_record_is_ahead_of_withdraw_nothing() -> None:
    world = World(path(IDLE))
    world.play("09:00 change owner=anna\n09:00 change ticket:2 owner=anna")
    later = world.make("03-02T12:00", "ticket:1", priority="high")
    world.seen += world.partition.fold(later)
    assert world.play("09:30 rules none\n09:40", none=path("untouched: 90d")) == (
        "10:00 opened 1.1 anna\n12:00 resolved 1.1 anna"
    )


# A record that is gone


def test_a_record_that_is_made_anew_is_judged_whatever_comes_with_it() -> None:
    check(
        path(IDLE),
        """
        09:00 change owner=anna
        09:30 delete
        09:31 change owner=bert
        12:00
        """,
        "10:31 opened 1.1 bert",
    )


def test_a_record_deleted_while_it_was_acknowledged_and_made_anew_is_no_longer_acknowledged() -> None:
    check(
        path(IDLE, steps=CHAIN),
        """
        09:00 change owner=anna
        10:10 anna acknowledge
        10:20 delete
        10:30 change owner=anna
        13:00
        """,
        """
        10:00 opened 1.1 anna
        10:10 acknowledged 1.1 anna
        10:20 resolved 1.1 anna
        11:30 opened 2.1 anna
        12:30 advanced 2.2 bert
        """,
    )


def test_a_merged_record_is_silent_until_it_is_itself_again() -> None:
    check(
        path("in_stage: 1h"),
        """
        09:00 change owner=anna stage=new
        10:30 change merged=ticket:2
        11:00 change stage=other
        14:00 change merged=null
        """,
        """
        10:00 opened 1.1 anna
        10:30 resolved 1.1 anna
        14:00 opened 2.1 anna
        """,
    )


def test_the_events_of_two_records_and_two_paths_are_kept_apart() -> None:
    """40 and 45: one writer for each record, one open episode for each path and record."""
    compiled = rules("""
paths:
  idle: {about: ticket, when: {untouched: 1h}, steps: [{notify: owner}]}
  big: {about: ticket, when: {value: {crosses: 100 EUR}}, steps: [{notify: dora}]}
""")
    world = World(compiled)
    world.play("""
        09:00 change ticket:1 owner=anna currency=EUR value=100
        09:00 change ticket:2 owner=bert currency=EUR value=100
        10:00
        """)
    assert sorted((each.record, each.path, each.episode) for each in world.seen) == [
        (record, path, 1) for record in ("ticket:1", "ticket:2") for path in ("big", "idle")
    ]
    assert len({each.id for each in world.seen}) == 4


def test_records_without_a_value_do_not_equal_each_other() -> None:
    """57, of `where`: a field that is absent is no value that could be the same."""
    check(
        path(IDLE, "where: {priority: high}"),
        "09:00 change owner=anna\n12:00",
        "",
    )


# Mistakes in the configuration


@pytest.mark.parametrize(
    ("keys", "where", "message"),
    [
        ("rearm: {after: 1h, or: worse by 0 points}", "paths.p.rearm.or", "worse by nothing"),
        ("rearm: {after: 1h, or: when worse}", "paths.p.rearm.or", "not understood"),
        ("rearm: {or: worse by 10}", "paths.p.rearm", "lacks 'after'"),
        ("for: 2 working hours", "paths.p.for", "elapsed time"),
        ("hold: 2 working days", "paths.p.hold", "elapsed time"),
        ("backlog: drop", "paths.p.backlog", "not known"),
        ("shadow: maybe", "paths.p.shadow", "is text"),
        ("give_up: 90m", "paths.p.give_up", "the last of the 3 steps is never taken"),
    ],
)
def test_what_a_path_cannot_mean_is_refused(keys: str, where: str, message: str) -> None:
    """52: a step that cannot be reached."""
    good = path(SCRIPTED, steps=CHAIN)
    key, value = keys.split(": ", 1)

    document = {**good.document, "paths": {"p": {**good.document["paths"]["p"], key: yaml.safe_load(value)}}}
    problems = Problems()
    read_rules(document, problems)
    assert [".".join(map(str, each.position)) for each in problems] == [where]
    assert message in problems[0].message
    assert problems[0].remedy


@pytest.mark.parametrize(
    ("repeat", "message"),
    [
        ({"every": "1h", "times": 0}, "no number of times"),
        ({"every": "1h", "times": 21}, "no number of times"),
        ({"every": "1h", "times": True}, "no number of times"),
        ({"every": "0m", "times": 2}, "told once"),
        ({"every": "1h"}, "lacks 'times'"),
    ],
)
def test_a_repeat_that_is_none_is_refused(repeat: dict[str, object], message: str) -> None:
    good = path(IDLE)
    steps = [{"notify": "owner", "repeat": repeat}]
    problems = Problems()
    read_rules({**good.document, "paths": {"p": {**good.document["paths"]["p"], "steps": steps}}}, problems)
    assert len(problems) == 1
    assert message in problems[0].message


def test_worse_needs_a_trigger_that_knows_it() -> None:
    with pytest.raises(AssertionError, match="knows no worse"):
        path(IDLE, WORSE)


ROOT = Path(__file__).parents[2]


def test_what_the_document_shows_is_a_path_and_valid() -> None:
    text = (ROOT / "docs" / "episodes.md").read_text("utf-8")
    shown = text.split("```yaml\n")[1].split("```")[0]
    (path,) = rules(shown).paths
    assert len(path.steps) == 5
    definitions = json.loads((ROOT / "schemas" / "escalations.schema.json").read_text("utf-8"))["$defs"]
    schema = Draft202012Validator({**definitions["path"], "$defs": definitions})
    shown_path = yaml.safe_load(shown)["paths"]["big-and-idle"]
    schema.validate(shown_path)
    for rearm in ("2d", {"after": "2d", "or": "worse by 10 points"}, {"after": "2d", "or": "worse by 0.5"}):
        assert schema.is_valid({**shown_path, "rearm": rearm})
    for wrong in (
        {"rearm": {"after": "2d", "or": "worse by 0 points"}},
        {"rearm": {"or": "worse by 10 points"}},
        {"for": "2 working hours"},
        {"hold": "30"},
        {"backlog": "drop"},
        {"shadow": "maybe"},
        {"steps": [{"notify": "owner", "repeat": {"every": "4h", "times": 21}}]},
        {"steps": [{"notify": "owner", "repeat": {"times": 2}}]},
    ):
        assert not schema.is_valid({**shown_path, **wrong}), wrong
