"""What people say to open episodes, as stories. Numbers in docstrings: the cases in `docs/episodes.md`."""

from datetime import UTC, datetime
from textwrap import dedent

import pytest

from streams.core.entries import Command, Deed
from streams.core.episodes import refusal
from streams.core.record import Pause, Standing
from streams.core.rules import Rules
from streams.core.timestamps import micros
from tests.core.test_lifecycle import BIG, CHAIN, IDLE, check, path
from tests.core.worlds import World, rules

ON = "09:00 change owner=anna currency=EUR value=100\n"
OPENED = "09:00 opened 1.1 anna\n"


def said(compiled: Rules, story: str, expected: str, **versions: Rules) -> World:
    """As `check`, of a record whose value has crossed the threshold at 09:00."""
    return check(compiled, ON + dedent(story), OPENED + dedent(expected).lstrip("\n"), **versions)


# Acknowledge


def test_an_acknowledgement_stops_the_chain_for_as_long_as_the_condition_holds() -> None:
    """50, the first half: nothing that was to come comes."""
    world = said(
        path(BIG, steps=CHAIN),
        """
        09:30 bert acknowledge
        20:00 change priority=high
        30:00 change value=50
        """,
        """
        09:30 acknowledged 1.1 anna
        30:00 resolved 1.1 anna
        """,
    )
    assert world.seen[1].reason == {"because": "bert: acknowledged", "by": "bert"}


def test_an_acknowledgement_says_nothing_of_the_next_episode() -> None:
    """51: one that never expires ends with what it was said of."""
    said(
        path(BIG, steps=CHAIN),
        """
        09:30 bert acknowledge
        10:00 change value=50
        11:00 change value=100
        12:30
        """,
        """
        09:30 acknowledged 1.1 anna
        10:00 resolved 1.1 anna
        11:00 opened 2.1 anna
        12:00 advanced 2.2 bert
        """,
    )


@pytest.mark.parametrize(
    ("keys", "until"),
    [(["acknowledged_for: 3h"], ""), (["acknowledged_for: 9h"], "until=12:30"), ([], "until=12:30")],
)
def test_when_an_acknowledgement_expires_it_is_checked_again_and_the_next_step_taken(
    keys: list[str], until: str
) -> None:
    said(
        path(BIG, *keys, steps=CHAIN),
        f"""
        09:30 bert acknowledge {until}
        14:00
        """,
        """
        09:30 acknowledged 1.1 anna
        12:30 advanced 1.2 bert
        13:30 advanced 1.3 dora
        """,
    )


def test_an_acknowledgement_that_expires_when_nothing_holds_wakes_nobody() -> None:
    said(
        path(BIG, steps=CHAIN),
        """
        09:30 bert acknowledge until=12:00
        11:00 change value=50
        20:00
        """,
        """
        09:30 acknowledged 1.1 anna
        11:00 resolved 1.1 anna
        """,
    )


def test_an_acknowledgement_expires_in_working_time_where_it_says_so() -> None:
    check(
        path("untouched: 1h, calendar: office", "acknowledged_for: 2 working hours", steps=CHAIN),
        """
        13:00 change owner=anna
        15:00 bert acknowledge
        40:00
        """,
        """
        14:00 opened 1.1 anna
        15:00 advanced 1.2 bert
        15:00 acknowledged 1.2 anna,bert
        33:00 advanced 1.3 dora
        """,
    )


def test_of_two_who_acknowledge_the_first_does() -> None:
    said(
        path(BIG, steps=CHAIN),
        """
        09:30 bert acknowledge
        09:31 carla acknowledge until=10:00
        11:00
        """,
        "09:30 acknowledged 1.1 anna",
    )


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("10:00 change value=50\n10:00 bert acknowledge", "10:00 resolved 1.1 anna"),
        (
            "10:00 bert acknowledge\n10:00 change value=50",
            "10:00 acknowledged 1.1 anna\n10:00 resolved 1.1 anna",
        ),
        ("10:01 change value=50\n10:02 late 10:00 bert acknowledge", "10:01 resolved 1.1 anna"),
    ],
)
def test_an_acknowledgement_never_undoes_that_it_is_resolved(story: str, expected: str) -> None:
    """50, the second half. Which of the two comes first, the log says."""
    said(path(BIG), f"{story}\n20:00", expected)


def test_a_step_that_was_due_before_it_was_acknowledged_is_taken() -> None:
    said(
        path(BIG, steps=CHAIN),
        "10:30 bert acknowledge\n20:00",
        """
        10:00 advanced 1.2 bert
        10:30 acknowledged 1.2 anna,bert
        """,
    )


def test_a_command_whose_time_is_before_that_of_the_record_counts_from_the_records() -> None:
    said(
        path(BIG, "acknowledged_for: 1h", steps=CHAIN),
        """
        10:20 change priority=high
        10:30 late 09:30 bert acknowledge
        11:30
        """,
        """
        10:00 advanced 1.2 bert
        10:20 acknowledged 1.2 anna,bert
        11:20 advanced 1.3 dora
        """,
    )


# Snooze


def test_a_snooze_that_comes_after_its_own_end_is_nothing() -> None:
    said(
        path(BIG, steps=CHAIN),
        "09:50 change priority=high\n09:51 late 09:30 bert snooze until=09:40\n10:30",
        "10:00 advanced 1.2 bert",
    )


def test_a_snooze_waits_until_its_moment_and_the_next_step_is_taken_then() -> None:
    """47 and 48: what still holds when a silence ends is told then, and what ended within it is said."""
    story = "09:30 bert snooze until=12:00\n{}\n12:30"
    said(
        path(BIG, steps=CHAIN),
        story.format("11:00 change priority=high"),
        "09:30 snoozed 1.1 anna\n12:00 advanced 1.2 bert",
    )
    said(
        path(BIG, steps=CHAIN),
        story.format("11:00 change value=50"),
        "09:30 snoozed 1.1 anna\n11:00 resolved 1.1 anna",
    )


def test_a_snooze_that_ends_after_the_chain_has_repeats_its_last_step() -> None:
    """49: a chain that was halted goes on."""
    said(
        path(BIG),
        """
        09:30 bert snooze until=12:00
        13:00 bert snooze until=14:00
        20:00
        """,
        """
        09:30 snoozed 1.1 anna
        12:00 advanced 1.2 anna
        13:00 snoozed 1.2 anna
        14:00 advanced 1.3 anna
        """,
    )


def test_a_snooze_that_ends_while_the_condition_is_away_is_over_when_it_is_back() -> None:
    said(
        path(BIG, "hold: 2h", steps=CHAIN),
        """
        09:30 bert snooze until=11:00
        10:30 change value=50
        11:30 change value=100
        13:00
        """,
        """
        09:30 snoozed 1.1 anna
        11:30 advanced 1.2 bert
        12:30 advanced 1.3 dora
        """,
    )


def test_a_snooze_goes_on_when_the_condition_was_away_in_between() -> None:
    said(
        path(BIG, "hold: 2h", steps=CHAIN),
        """
        10:30 change value=50
        10:40 bert snooze until=13:00
        11:30 change value=100
        13:10
        """,
        """
        10:00 advanced 1.2 bert
        10:40 snoozed 1.2 anna,bert
        13:00 advanced 1.3 dora
        """,
    )


def test_the_hold_time_ends_an_episode_that_is_snoozed() -> None:
    said(
        path(BIG, "hold: 1h"),
        """
        10:30 change value=50
        10:40 bert snooze until=13:00
        20:00
        """,
        """
        10:40 snoozed 1.1 anna
        11:30 resolved 1.1 anna
        """,
    )


def test_a_later_snooze_and_an_acknowledgement_take_the_place_of_a_snooze() -> None:
    said(
        path(BIG, steps=CHAIN),
        """
        09:30 bert snooze until=10:30
        10:00 bert snooze until=11:30
        11:00 carla acknowledge
        11:10 carla snooze until=13:00
        13:10
        """,
        """
        09:30 snoozed 1.1 anna
        10:00 snoozed 1.1 anna
        11:00 acknowledged 1.1 anna
        11:10 snoozed 1.1 anna
        13:00 advanced 1.2 bert
        """,
    )


# Noise


def test_what_is_noise_is_over_until_the_condition_has_cleared() -> None:
    """44: what is dismissed without a resolved event does not hush what comes later."""
    world = said(
        path(BIG, steps=CHAIN),
        """
        09:30 bert noise
        11:00 change value=200
        12:00 change value=50
        13:00 change value=100
        14:00
        """,
        """
        09:30 noise 1.1 anna
        13:00 opened 2.1 anna
        14:00 advanced 2.2 bert
        """,
    )
    assert len({each.id for each in world.seen}) == 4


def test_what_is_noise_while_its_condition_is_away_has_cleared_already() -> None:
    check(
        path(IDLE, "hold: 4h"),
        """
        09:00 change owner=anna
        10:30 change
        10:45 bert noise
        12:00
        """,
        """
        10:00 opened 1.1 anna
        10:45 noise 1.1 anna
        11:30 opened 2.1 anna
        """,
    )


def test_noise_ends_an_episode_and_so_a_rest_begins() -> None:
    said(
        path(BIG, "rearm: 4h"),
        """
        10:00 bert noise
        11:00 change value=50
        12:00 change value=100
        20:00
        """,
        """
        10:00 noise 1.1 anna
        14:00 opened 2.1 anna
        """,
    )


def test_noise_outlasts_an_acknowledgement_a_moment_and_a_new_version() -> None:
    said(
        path(BIG, "for: 0m", steps=CHAIN),
        """
        09:30 bert acknowledge
        09:40 bert noise until=10:00
        11:00 rules longer
        12:00 change priority=high
        20:00
        """,
        """
        09:30 acknowledged 1.1 anna
        09:40 noise 1.1 anna
        """,
        longer=path(BIG, "for: 9h"),
    )


# Reopen


@pytest.mark.parametrize("pause", ["acknowledge", "snooze until=20:00"])
def test_what_is_taken_back_goes_on_with_the_wait_of_the_next_step(pause: str) -> None:
    event = "acknowledged" if pause == "acknowledge" else "snoozed"
    said(
        path(BIG, steps=CHAIN),
        f"""
        09:30 bert {pause}
        11:00 carla reopen
        13:00
        """,
        f"""
        09:30 {event} 1.1 anna
        11:00 reopened 1.1 anna
        12:00 advanced 1.2 bert
        13:00 advanced 1.3 dora
        """,
    )


def test_noise_that_is_taken_back_opens_the_next_episode_though_it_rests() -> None:
    said(
        path(BIG, "rearm: 24h", steps="[{after: 0m, notify: owner}]"),
        """
        09:30 bert noise
        11:00 carla reopen
        """,
        """
        09:30 noise 1.1 anna
        11:00 reopened 1.0
        11:00 opened 2.1 anna
        """,
    )


def test_noise_that_is_taken_back_when_nothing_holds_any_more_stays_silent() -> None:
    said(
        path(BIG),
        """
        09:30 bert noise
        10:00 change value=50
        11:00 carla reopen
        """,
        "09:30 noise 1.1 anna",
    )


def test_reopening_while_the_condition_is_away_does_not_put_off_its_end() -> None:
    said(
        path(BIG, "hold: 1h", steps="[{notify: owner}, {after: 9h, notify: bert}]"),
        """
        09:10 bert acknowledge
        09:30 change value=50
        09:40 bert reopen
        20:00
        """,
        """
        09:10 acknowledged 1.1 anna
        09:40 reopened 1.1 anna
        10:30 resolved 1.1 anna
        """,
    )


def test_a_step_that_a_command_makes_due_at_once_is_taken_at_once() -> None:
    world = World(path(BIG, steps="[{notify: owner}, {notify: bert, after: 0m}, {after: 1h, notify: dora}]"))
    world.play(f"{ON}09:10 bert acknowledge\n09:20 bert reopen")
    record = world.partition.records["ticket:1"]
    assert record.due is not None
    assert record.due > record.at


# Which episodes


TWO = rules("""
paths:
  idle: {about: ticket, when: {untouched: 1h}, steps: [{notify: owner}]}
  big: {about: ticket, when: {value: {crosses: 100 EUR}}, steps: [{notify: dora}]}
  none: {about: ticket, when: {untouched: 90d}, steps: [{notify: dora}]}
""")


@pytest.mark.parametrize(
    ("named", "answering"),
    [("", ["idle", "big"]), ("path=big", ["big"]), ("path=none", []), ("path=unknown", [])],
)
def test_a_command_is_meant_for_the_path_it_names_or_for_every_open_episode(
    named: str, answering: list[str]
) -> None:
    world = World(TWO)
    world.play(f"{ON}10:30")
    world.seen.clear()
    world.play(f"10:40 bert acknowledge {named}")
    assert [(each.path, each.event) for each in world.seen] == [(name, "acknowledged") for name in answering]
    assert len({each.id for each in world.seen}) == len(world.seen)


@pytest.mark.parametrize(
    "line",
    [
        "09:30 bert acknowledge ticket:2",
        "09:30 bert acknowledge until=09:30",
        "09:30 bert snooze",
        "09:30 bert snooze until=09:29",
        "09:30 bert reopen",
        "09:30 bert acknowledge path=unknown",
    ],
)
def test_what_nothing_answers_to_leaves_the_record_as_it_is(line: str) -> None:
    world = World(path(BIG, steps=CHAIN))
    world.play(ON)
    before = world.partition.records["ticket:1"]
    world.play(line)
    assert world.partition.records == {"ticket:1": before}
    assert world.play("10:30") == OPENED + "10:00 advanced 1.2 bert"


def test_a_command_before_any_rules_or_before_the_first_change_is_nothing() -> None:
    world = World(path(BIG))
    assert world.play(f"08:00 bert noise\n{ON}") == OPENED.strip()


def test_a_backlog_that_is_ignored_was_never_open_and_cannot_be_reopened() -> None:
    check(
        path(IDLE, "backlog: ignore"),
        "09:00 refresh owner=anna created=2026-03-01T00:00:00Z\n10:00 bert reopen\n10:01 bert noise\n12:00",
        "",
    )


@pytest.mark.parametrize(
    "story",
    [
        "09:30 bert acknowledge id=a",
        "09:30 bert acknowledge until=12:00 id=a",
        "09:30 bert snooze until=12:00 id=a",
        "09:30 bert noise id=a",
        "09:30 bert acknowledge\n09:40 bert reopen id=a",
    ],
)
def test_a_command_that_is_written_twice_is_obeyed_once(story: str) -> None:
    twice = f"{ON}{story}\n{story.splitlines()[-1]}\n15:00"
    assert World(path(BIG, steps=CHAIN)).play(twice) == World(path(BIG, steps=CHAIN)).play(
        f"{ON}{story}\n15:00"
    )


def test_a_command_that_is_written_again_after_it_was_taken_back_is_obeyed_once() -> None:
    story = f"{ON}09:30 bert acknowledge id=a\n09:40 bert reopen id=b\n"
    again = f"{story}09:50 late 09:30 bert acknowledge id=a\n15:00"
    assert World(path(BIG, steps=CHAIN)).play(again) == World(path(BIG, steps=CHAIN)).play(f"{story}15:00")


def test_a_command_after_new_rules_begin_is_obeyed_under_them_though_no_tick_came() -> None:
    said(
        path(BIG, steps=CHAIN),
        """
        09:10 late 09:40 rules other
        09:20 late 09:50 bert acknowledge
        11:00
        """,
        """
        09:50 acknowledged 1.1 anna
        10:50 advanced 1.2 bert
        """,
        other=path(BIG, "acknowledged_for: 1h", steps=CHAIN),
    )


# What is refused, and why

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
OPEN = Standing(since=0, start=0, episode=1, step=1, opened=0, taken=0)


def command(do: Deed, until: datetime | None = None) -> Command:
    return Command(id="a", record="ticket:1", do=do, by="anna", at=AT, until=until)


@pytest.mark.parametrize(
    ("standing", "given", "why"),
    [
        (Standing(episode=1), command("acknowledge"), "no episode is open"),
        (Standing(episode=1), command("reopen"), "no episode is open"),
        (OPEN, command("reopen"), "nothing to take back"),
        (OPEN, command("snooze"), "a snooze needs a moment at which it ends"),
        (OPEN, command("snooze", AT), "it would end before it begins"),
        (OPEN, command("acknowledge", AT), "it would end before it begins"),
        (OPEN, command("acknowledge"), None),
        (OPEN, command("noise"), None),
    ],
)
def test_why_a_command_is_refused(standing: Standing, given: Command, why: str | None) -> None:
    assert refusal(standing, given, micros(AT)) == why


def test_whoever_was_first_is_named() -> None:
    acknowledged = Standing(since=0, start=0, episode=1, step=1, pause=Pause("acknowledged", "bert"))
    assert refusal(acknowledged, command("acknowledge"), micros(AT)) == "bert has acknowledged it"
    until = datetime(2026, 3, 2, 12, tzinfo=UTC)
    snoozed = Standing(episode=1, step=1, pause=Pause("snoozed", "bert", int(until.timestamp() * 1_000_000)))
    assert refusal(snoozed, command("snooze", until), micros(AT)) == "bert has snoozed it until then"
    assert refusal(snoozed, command("acknowledge"), micros(AT)) is None
    dismissed = Standing(since=0, start=0, episode=1, opened=0, pause=Pause("noise", "bert"))
    assert refusal(dismissed, command("reopen"), micros(AT)) is None
    assert refusal(dismissed, command("acknowledge"), micros(AT)) == "no episode is open"
