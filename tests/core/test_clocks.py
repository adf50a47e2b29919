"""SLA clocks: when they start, stand still, run out and warn.

A case with a number is one of the traps that `docs/clocks.md` lists.
"""

from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.calendar import Calendar
from streams.core.document import Node, Problem, Problems
from streams.core.entries import Author, Said
from streams.core.escalation import Escalation
from streams.core.record import Record
from streams.core.rules import read_rules
from streams.core.timestamps import HOUR, MINUTE, from_rfc3339, micros
from streams.core.triggers import read_trigger
from streams.core.triggers.trigger import Now, Trigger
from tests.core.worlds import PEOPLE, World, brief, moment, rules

CALENDARS = """
  lunch: {zone: UTC, open: {mon-fri: "08:00-12:00 13:00-17:00"}}
  always: {zone: UTC, open: {mon-sun: "00:00-24:00"}}
  night: {zone: America/Sao_Paulo, open: {mon-sun: "00:00-24:00"}}
  early: {zone: Europe/Berlin, open: {mon-sun: "00:00-06:00"}}
  late-monday: {zone: UTC, open: {mon: "10:30-19:00", tue-fri: "08:30-19:00"}}
  three-days: {zone: UTC, open: {mon: "09:00-17:00", wed: "09:00-17:00", fri: "09:00-17:00"}}
"""


def world(when: str, more: str = "") -> World:
    """One path `p` about tickets with this `when`, in a world with more calendars. Berlin is UTC+1 until
    2026-03-29; 2026-03-02 is a Monday, and `office` is open there from 9 to 17."""
    path = f"paths: {{p: {{about: ticket, when: {when}, steps: [{{notify: owner}}]{more}}}}}"
    return World(rules(path, PEOPLE.rstrip("\n") + CALENDARS))


def says(here: World, at: str, by: Author, said: Said | None = None, **fields: Any) -> list[Escalation]:
    change = here.make(at, **fields)
    return here.take(msgspec.structs.replace(change, by=by, said=said or Said(text="...")))


def opened(here: World) -> list[str]:
    return [at for at, event, _ in brief(here.seen) if event == "opened"]


def at(text: str) -> int:
    return from_rfc3339(moment(text))


def events(here: World) -> list[tuple[str, str]]:
    return [(at, event) for at, event, _ in brief(here.seen)]


# Resolution, and what holds for every clock.


def test_it_counts_working_time_from_creation() -> None:
    here = world("{clock: resolution, target: 8h, calendar: office}")
    here.change("03-06T15:00", owner="anna", created="2026-03-06T14:00:00Z")  # Friday 15:00 in Berlin
    here.until("03-20T00:00")
    assert brief(here.seen) == [("03-09T14:00", "opened", ("anna",))]


def test_the_reason_has_the_arithmetic() -> None:
    here = world("{clock: resolution, target: {urgent: 4h, else: 12h}, calendar: office}")
    here.change("03-02T08:00", owner="anna", priority="low")
    here.change("03-02T10:00", status="paused")
    here.change("03-03T09:00", status="open")
    here.until("03-20T00:00")
    (reason,) = [each.reason for each in here.seen]
    assert reason["because"] == "resolution target of 12h used up"
    assert reason["clock"] == {
        "clock": "resolution",
        "calendar": "office",
        "target": "12h",
        "by": "priority",
        "is": "low",
        "rule": "the target for the present priority counts, time used stays",
        "started": "2026-03-02T08:00:00Z",
        "pauses": True,
        "paused": "7h",
        "used": "12h",
        "due": "2026-03-04T11:00:00Z",
    }


def test_a_breach_that_is_told_later_says_what_is_used_by_then() -> None:
    here = world("{clock: resolution, target: 4h}", ", for: 90m")
    here.change("03-02T08:00", owner="anna")
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T13:30"]
    clock = here.seen[0].reason["clock"]
    assert (clock["used"], clock["due"], clock["calendar"]) == ("5h 30m", "2026-03-02T12:00:00Z", None)


def test_it_stands_still_while_paused() -> None:
    here = world("{clock: resolution, target: 4h, calendar: office}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.change("03-02T10:00", status="paused")
    # Two working hours inside the pause count; the night in it does not.
    here.change("03-03T09:00", status="open")
    here.until("03-20T00:00")
    assert opened(here) == ["03-03T11:00"]
    assert here.seen[0].reason["clock"]["paused"] == "7h"


@pytest.mark.parametrize("status", ["paused", "closed"])
def test_nothing_is_due_until_a_pause_or_the_closed_time_ends(status: str) -> None:
    here = world("{clock: resolution, target: 4h, warn: 50%}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.change("03-02T09:00", status=status)
    here.until("03-10T00:00")
    assert here.seen == []
    here.change("03-10T08:00", status="open")
    here.until("03-20T00:00")
    assert events(here) == [("03-10T09:00", "warned"), ("03-10T11:00", "opened")]


@pytest.mark.parametrize("target", ["4h", "1 working days"])
def test_a_pause_after_the_breach_neither_undoes_it_nor_moves_it(target: str) -> None:
    here = world(f"{{clock: resolution, target: {target}, calendar: office}}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.until("03-04T08:00")
    here.change("03-04T09:00", status="paused")
    here.change("03-05T09:00", status="open")
    here.until("03-09T00:00")
    here.change("03-09T09:00", status="closed")
    assert [each.event for each in here.seen] == ["opened", "resolved"]


def test_the_time_used_stands_still_in_a_pause_after_the_breach() -> None:
    path = "when: {clock: resolution, target: 4h}, steps: [{notify: owner}, {after: 5h, notify: owner}]"
    here = World(rules(f"paths: {{p: {{about: ticket, {path}}}}}"))
    here.change("03-02T08:00", owner="anna", status="open")
    here.change("03-02T13:00", status="paused")
    here.until("03-03T00:00")
    assert [(each.event, each.reason["clock"]["used"]) for each in here.seen] == [
        ("opened", "4h"),
        ("advanced", "5h"),
    ]
    assert here.seen[1].reason["clock"]["paused"] == "4h"


@pytest.mark.parametrize(
    ("pauses", "due"),
    [
        ([("03-02T10:00", "03-02T12:00")], "03-03T11:00"),
        ([("03-02T10:00", "03-02T11:00"), ("03-02T12:00", "03-02T13:00")], "03-03T11:00"),
        ([("03-02T15:00", "03-03T09:00")], "03-03T11:00"),
        # The first pause puts the end off, and so the second one lies before it.
        ([("03-02T10:00", "03-02T12:00"), ("03-03T10:00", "03-03T10:30")], "03-03T11:30"),
        ([("03-03T09:00", "03-03T10:00")], "03-03T09:00"),
    ],
)
def test_pauses_put_working_days_off_by_the_working_time_in_them(
    pauses: list[tuple[str, str]], due: str
) -> None:
    here = world("{clock: resolution, target: 1 working days, calendar: office}")
    here.change("03-02T09:00", owner="anna", status="open")
    for begin, end in pauses:
        here.change(begin, status="paused")
        here.change(end, status="open")
    here.until("03-09T00:00")
    assert opened(here) == [due]


@pytest.mark.parametrize("option", [None, True, False])
@pytest.mark.parametrize(
    ("kind", "stops"),
    [("first_response", False), ("next_response", False), ("periodic_update", True), ("resolution", True)],
)
def test_pauses_stop_a_clock_or_not_as_stated(kind: str, stops: bool, option: bool | None) -> None:
    """Case 18: by clock, not by record."""
    more = "" if option is None else f", pauses: {str(option).lower()}"
    here = world(f"{{clock: {kind}, target: 4h{more}}}")
    begins: dict[str, Author] = {"next_response": "customer", "periodic_update": "person"}
    if kind in begins:
        here.change("03-02T06:00", owner="anna", status="open")
        says(here, "03-02T07:00", "person")
        says(here, "03-02T08:00", begins[kind])
    else:
        here.change("03-02T08:00", owner="anna", status="open")
    here.change("03-02T09:00", status="paused")
    here.change("03-02T10:00", status="open")
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T13:00" if (stops if option is None else option) else "03-02T12:00"]


def test_a_clock_that_pauses_do_not_stop_runs_out_in_one() -> None:
    here = world("{clock: first_response, target: 4h}")
    here.change("03-02T08:00", owner="anna", status="paused")
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T12:00"]


# Targets.


@pytest.mark.parametrize(
    ("target", "fields", "due"),
    [
        ("4h", {}, "03-02T12:00"),
        ("{urgent: 2h, else: 8h}", {"priority": "urgent"}, "03-02T10:00"),
        ("{urgent: 2h, else: 8h}", {"priority": "low"}, "03-02T16:00"),
        ("{urgent: 2h, else: 8h}", {}, "03-02T16:00"),
        ("{urgent: 2h}", {"priority": "low"}, None),
        ("{urgent: 2h}", {}, None),
        ("{by: tier, gold: 4h, else: 8h}", {"tier": "gold", "priority": "urgent"}, "03-02T12:00"),
        ("{by: tier, gold: 4h}", {"tier": "tin"}, None),
        ("{by: tier, 1: 4h, else: 8h}", {"tier": 1}, "03-02T12:00"),
        ("{by: tier, 1: 4h, else: 8h}", {"tier": 1.0}, "03-02T12:00"),
        ("{by: stage, new: 4h, else: 8h}", {"stage": "new"}, "03-02T12:00"),
        ("{by: vip, true: 4h, else: 8h}", {"vip": True}, "03-02T12:00"),
        ("{else: 8h}", {"priority": "low"}, "03-02T16:00"),
    ],
)
def test_the_target_goes_by_a_field(target: str, fields: dict[str, Any], due: str | None) -> None:
    here = world(f"{{clock: resolution, target: {target}}}")
    here.change("03-02T08:00", owner="anna", **fields)
    here.until("04-02T00:00")
    assert opened(here) == ([] if due is None else [due])


@pytest.mark.parametrize(("field", "value"), [("priority", "urgent"), ("tier", "gold")])
def test_a_new_value_rebases_the_clock_and_keeps_what_was_used(field: str, value: str) -> None:
    here = world(f"{{clock: resolution, target: {{by: {field}, {value}: 2h, else: 8h}}}}")
    before: dict[str, Any] = {field: "low"}
    after: dict[str, Any] = {field: value}
    here.change("03-02T08:00", owner="anna", **before)
    here.change("03-02T09:00", **after)
    here.until("03-02T23:00")
    assert opened(here) == ["03-02T10:00"]
    assert here.seen[0].reason["because"] == f"resolution target of 2h for {field} {value} used up"


def test_a_target_that_is_used_up_already_is_due_with_the_change_that_sets_it() -> None:
    here = world("{clock: resolution, target: {urgent: 2h, else: 8h}}")
    here.change("03-02T08:00", owner="anna", priority="low")
    assert brief(here.change("03-02T13:00", priority="urgent")) == [("03-02T13:00", "opened", ("anna",))]


# Whose turn it is.


def test_first_response_runs_from_creation_until_an_answer() -> None:
    here = world("{clock: first_response, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    here.until("03-02T13:00")
    says(here, "03-02T14:00", "person")
    here.until("03-05T00:00")
    assert events(here) == [("03-02T12:00", "opened"), ("03-02T14:00", "resolved")]


def test_an_answer_that_is_known_late_withdraws_the_breach() -> None:
    here = world("{clock: first_response, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    here.until("03-02T13:00")
    says(here, "03-02T11:00", "person")
    assert [each.event for each in here.seen] == ["opened", "withdrawn"]


def test_next_response_runs_from_what_the_customer_wrote() -> None:
    here = world("{clock: next_response, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    says(here, "03-02T09:00", "person")
    here.until("03-03T08:00")
    says(here, "03-03T08:00", "customer")
    here.until("03-03T13:00")
    says(here, "03-03T14:00", "person")
    says(here, "03-04T08:00", "customer")
    here.until("03-05T00:00")
    assert events(here) == [("03-03T12:00", "opened"), ("03-03T14:00", "resolved"), ("03-04T12:00", "opened")]


def test_moments_that_the_feed_states_need_not_be_cleared() -> None:
    here = world("{clock: next_response, target: 4h}")
    asked, answered = "2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z"
    here.change("03-02T09:00", owner="anna", asked=asked, responded=answered, replied=answered)
    here.until("03-03T00:00")
    assert here.seen == []
    here.change("03-03T08:00", asked="2026-03-03T08:00:00Z")
    here.until("03-04T00:00")
    assert opened(here) == ["03-03T12:00"]


def test_a_periodic_update_is_due_after_the_latest_answer() -> None:
    here = world("{clock: periodic_update, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    says(here, "03-02T11:00", "person")
    says(here, "03-02T14:00", "person")
    here.until("03-02T20:00")
    says(here, "03-02T20:00", "person")
    here.until("03-03T23:00")
    assert events(here) == [("03-02T18:00", "opened"), ("03-02T20:00", "resolved"), ("03-03T00:00", "opened")]


def test_a_periodic_update_is_due_after_creation_where_nobody_has_answered() -> None:
    here = world("{clock: periodic_update, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T12:00"]


def test_a_periodic_update_answered_while_paused_waits_for_the_end_of_the_pause() -> None:
    here = world("{clock: periodic_update, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    here.change("03-02T09:00", status="paused")
    says(here, "03-02T10:00", "person")
    here.until("03-05T00:00")
    here.change("03-05T08:00", status="open")
    here.until("03-06T00:00")
    assert opened(here) == ["03-05T12:00"]


# Warnings.


def test_warnings_come_in_order_before_the_breach() -> None:
    here = world(
        "{clock: resolution, target: {urgent: 1h, else: 8h}, calendar: office, warn: [75%, 30m, 50%]}"
    )
    here.change("03-02T14:00", owner="anna")
    here.until("03-04T00:00")
    assert [(*each, seen.reason["because"]) for each, seen in zip(events(here), here.seen, strict=True)] == [
        ("03-03T10:00", "warned", "50% of the resolution target of 8h used up, due 2026-03-03T14:00:00Z"),
        ("03-03T12:00", "warned", "75% of the resolution target of 8h used up, due 2026-03-03T14:00:00Z"),
        ("03-03T13:30", "warned", "30m left of the resolution target of 8h, due 2026-03-03T14:00:00Z"),
        ("03-03T14:00", "opened", "resolution target of 8h used up"),
    ]
    # For an urgent one, half an hour before is halfway, and comes before 75%.
    here.change("03-05T08:00", "ticket:2", owner="anna", priority="urgent")
    here.until("03-06T00:00")
    assert [at for at, event in events(here) if event == "warned"][3:] == ["03-05T08:30", "03-05T08:45"]


def test_a_warning_given_late_says_how_it_is_then() -> None:
    """Case 55: what is said is computed from what it says, at that moment."""
    here = world("{clock: resolution, target: {urgent: 4h, else: 8h}, warn: [50%, 75%, 2m]}")
    here.change("03-02T08:00", owner="anna", priority="low")
    (warned,) = here.change("03-02T11:36", priority="urgent")
    due = "due 2026-03-02T12:00:00Z"
    assert (
        warned.reason["because"] == f"90% of the resolution target of 4h for priority urgent used up, {due}"
    )
    assert warned.reason["clock"]["warning"] == "75%"
    assert warned.reason["clock"]["used"] == "3h 36m"


def test_a_warning_never_says_that_all_is_used_up() -> None:
    here = world("{clock: resolution, target: {urgent: 4h, else: 8h}, warn: 50%}")
    here.change("03-02T08:00", owner="anna", priority="low")
    change = here.make("03-02T11:59", priority="urgent")
    late = msgspec.structs.replace(change, at=change.at + timedelta(seconds=59, milliseconds=999))
    (warned,) = here.take(late)
    assert warned.reason["because"].startswith("99.9% of")


@pytest.mark.parametrize(
    ("target", "warn", "calendar", "moments"),
    [
        # Friday 15:00 in UTC; the target of 4 hours ends on Monday at 10:00.
        ("4h", "75%", "lunch", ["03-09T09:00"]),
        ("4h", "150m", "lunch", ["03-06T16:30"]),
        ("4h", "2h", "lunch", ["03-09T08:00"]),
        ("4h", "50%", "lunch", ["03-06T17:00"]),
        # Across the break: due at 16:00 and at 14:00.
        ("9h", "4h", "lunch", ["03-09T11:00"]),
        ("7h", "2h", "lunch", ["03-09T11:00"]),
        ("1 working days", "1h", "lunch", ["03-09T14:00"]),
        ("3 working days", "1 working days", "lunch", ["03-10T15:00"]),
        ("3 working days", "50%", "lunch", ["03-10T10:00"]),
    ],
)
def test_warnings_are_counted_in_working_time(
    target: str, warn: str, calendar: str, moments: list[str]
) -> None:
    """Case 6: backwards from the breach, across breaks and days."""
    here = world(f"{{clock: resolution, target: {target}, calendar: {calendar}, warn: {warn}}}")
    here.change("03-06T15:00", owner="anna")
    here.until("04-01T00:00")
    assert [at for at, event in events(here) if event == "warned"] == moments


@pytest.mark.parametrize(
    ("target", "warn"),
    [
        ("{urgent: 30m, else: 8h}", "1h"),
        ("{urgent: 1h, else: 8h}", "1h"),
        ("1 working days", "9h"),
        ("{urgent: 1 working days, else: 3 working days}", "2 working days"),
    ],
)
def test_a_warning_never_comes_before_time_has_been_used(target: str, warn: str) -> None:
    """Case 7: a warning span as long as the target is no reason to warn at creation."""
    here = world(f"{{clock: resolution, target: {target}, calendar: office, warn: {warn}}}")
    here.change("03-01T12:00", owner="anna", priority="urgent")  # a Sunday
    here.until("03-20T00:00")
    assert [event for _, event in events(here)] == ["opened"]


def test_a_pause_puts_warnings_off_too() -> None:
    here = world("{clock: resolution, target: 4h, warn: [50%, 1h]}")
    here.change("03-02T08:00", owner="anna")
    here.change("03-02T09:00", status="paused")
    here.change("03-02T19:00", status="open")
    here.until("03-03T00:00")
    assert events(here) == [("03-02T20:00", "warned"), ("03-02T21:00", "warned"), ("03-02T22:00", "opened")]


def test_a_pause_between_warning_and_breach_counts_for_neither() -> None:
    clock = read_trigger(Node({"clock": "resolution", "target": "4h", "warn": ["2h", "75%"]}), None)
    record = Record(key="ticket:1", at=0, created=0, touched=0, entered=0, idle=((3 * HOUR, 13 * HOUR),))
    assert due_of(clock, record) == 14 * HOUR
    # The 75% are reached as the pause begins.
    assert clock.warnings(record) == (2 * HOUR, 3 * HOUR)


def test_a_pause_puts_a_warning_some_working_days_before_back_by_its_working_time() -> None:
    here = world("{clock: resolution, target: 3 working days, calendar: office, warn: 1 working days}")
    here.change("03-02T09:00", owner="anna")
    here.change("03-04T08:30", stage="b")
    here.change("03-04T10:00", status="paused")
    here.change("03-04T12:00", status="open")
    here.until("03-09T00:00")
    assert opened(here) == ["03-05T11:00"]
    # A day of open time: from 9 to 10 and from 12 on, and three hours of the next day.
    record, clock = here.partition.records["ticket:1"], here.partition.rules[-1][1].paths[0].trigger
    assert clock.warnings(record) == (at("03-04T09:00"),)


# The numbered cases.


@pytest.mark.parametrize(
    ("option", "status", "due"),
    [
        ("", "open", "03-02T16:00"),
        (", filled_window: closing", "open", "03-02T16:00"),
        (", filled_window: next_opening", "open", "03-03T08:00"),
        # Nobody is late while it is paused.
        (", filled_window: next_opening", "paused", "03-03T09:00"),
        (", filled_window: closing", "paused", "03-02T16:00"),
    ],
)
def test_an_exactly_filled_window(option: str, status: str, due: str) -> None:
    """Case 1."""
    here = world(f"{{clock: resolution, target: 8h, calendar: office{option}}}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.change("03-02T20:00", status=status)
    here.change("03-03T09:00", status="open")
    here.until("03-09T00:00")
    assert opened(here) == [due]
    assert here.seen[0].reason["clock"]["due"] == f"2026-{due}:00Z"


@pytest.mark.parametrize(
    ("target", "option", "due"),
    [
        ("1 working days", "", "03-02T04:00"),
        ("1 working days", ", filled_window: next_opening", "03-02T08:00"),
        ("2 working days", ", filled_window: next_opening", "03-03T08:00"),
        ("1h", "", "03-02T09:00"),
    ],
)
def test_a_start_outside_hours(target: str, option: str, due: str) -> None:
    """Case 2."""
    here = world(f"{{clock: resolution, target: {target}, calendar: office{option}}}")
    here.change("03-01T04:00", owner="anna")  # a Sunday
    here.until("03-09T00:00")
    assert opened(here) == [due]


@pytest.mark.parametrize(
    ("calendar", "start", "target", "due"),
    [
        # Berlin skips the hour from 02:00 on 29 March, and has it twice on 25 October.
        ("early", "03-28T23:00", "5h", "03-29T04:00"),
        ("early", "10-24T22:00", "7h", "10-25T05:00"),
        ("office", "03-27T15:00", "2h", "03-30T08:00"),
        ("night", "03-28T23:00", "5h", "03-29T04:00"),
    ],
)
def test_hours_that_the_clock_skips_or_repeats(calendar: str, start: str, target: str, due: str) -> None:
    """Cases 3 and 4: elapsed time counts, and each calendar has its own zone."""
    here = world(f"{{clock: resolution, target: {target}, calendar: {calendar}}}")
    here.change(start, owner="anna")
    here.until("11-30T00:00")
    assert opened(here) == [due]


def test_working_days_keep_the_clock_time_though_a_monday_opens_later() -> None:
    """Case 5."""
    here = world("{clock: resolution, target: 5 working days, calendar: late-monday}")
    here.change("03-06T08:46", owner="anna")  # a Friday
    here.until("03-20T00:00")
    assert opened(here) == ["03-13T08:46"]


def test_open_all_day_includes_the_last_minute() -> None:
    """Case 8."""
    here = world("{clock: resolution, target: 24h, calendar: always}")
    here.change("03-02T00:00", owner="anna")
    here.until("03-09T00:00")
    assert opened(here) == ["03-03T00:00"]


def test_a_calendar_that_never_opens_is_refused() -> None:
    """Case 9."""
    (problem,) = problems_of(
        {"clock": "resolution", "target": "4h", "calendar": "shut"}, {"shut": {"open": {}}}
    )
    assert problem.position == ("calendars", "shut", "open")


def test_a_week_without_some_days_is_not_overdue_at_once() -> None:
    """Case 10."""
    here = world("{clock: resolution, target: 10h, calendar: three-days}")
    here.change("03-03T10:00", owner="anna")  # a Tuesday
    here.until("03-20T00:00")
    assert opened(here) == ["03-06T11:00"]


def test_what_ends_before_it_starts_has_no_working_time() -> None:
    """Cases 12 and 13: nothing used is 0, neither less nor unknown."""
    here = world("{clock: resolution, target: 1 working days, calendar: office}")
    # The pause is over before the record begins; the target ends before an office opens.
    here.change("02-20T08:00", owner="anna", status="paused")
    here.change("02-21T08:00", status="open", created="2026-03-01T04:00:00Z")
    here.until("03-09T00:00")
    (clock,) = [each.reason["clock"] for each in here.seen]
    assert (clock["used"], clock["paused"], clock["due"]) == ("0s", "0s", "2026-03-02T04:00:00Z")


def test_the_calendar_counts_in_the_breach() -> None:
    """Case 14."""
    moments = []
    for calendar in ("", ", calendar: office"):
        here = world(f"{{clock: resolution, target: 4h{calendar}}}")
        here.change("03-07T08:00", owner="anna")  # a Saturday
        here.until("03-20T00:00")
        moments += opened(here)
    assert moments == ["03-07T12:00", "03-09T12:00"]


def test_a_pause_never_moves_the_breach_past_closing_time() -> None:
    """Case 15."""
    here = world("{clock: resolution, target: 8h, calendar: office}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.change("03-02T14:00", status="paused")
    here.change("03-02T15:30", status="open")
    here.until("03-20T00:00")
    assert opened(here) == ["03-03T09:30"]


@pytest.mark.parametrize("at", ["03-02T09:30", "03-02T13:00"], ids=["while paused", "after it"])
def test_a_new_priority_keeps_the_pause(at: str) -> None:
    """Case 16."""
    here = world("{clock: resolution, target: {urgent: 6h, else: 8h}}")
    here.change("03-02T08:00", owner="anna", priority="low")
    changes: list[tuple[str, dict[str, Any]]] = [
        ("03-02T09:00", {"status": "paused"}),
        ("03-02T12:00", {"status": "open"}),
        (at, {"priority": "urgent"}),
    ]
    for when, fields in sorted(changes, key=lambda each: each[0]):
        here.change(when, **fields)
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T17:00"]


@pytest.mark.parametrize(
    ("begin", "end", "due"),
    [
        ("03-02T09:00", "03-02T11:00", "03-03T10:00"),
        ("03-02T17:00", "03-02T19:00", "03-03T08:00"),
        ("03-02T15:00", "03-02T20:00", "03-03T09:00"),
        ("03-02T20:00", "03-03T09:00", "03-03T09:00"),
    ],
    ids=["within hours", "outside hours", "from within to outside", "from outside to within"],
)
def test_only_working_time_in_a_pause_counts(begin: str, end: str, due: str) -> None:
    """Case 17."""
    here = world("{clock: resolution, target: 8h, calendar: office, filled_window: next_opening}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.change(begin, status="paused")
    here.change(end, status="open")
    here.until("03-20T00:00")
    assert opened(here) == [due]


@pytest.mark.parametrize("target", ["2 working days", "16h"])
def test_a_pause_outside_hours_moves_nothing(target: str) -> None:
    """Case 17."""
    here = world(f"{{clock: resolution, target: {target}, calendar: office}}")
    here.change("03-02T19:00", owner="anna", status="open")
    here.change("03-02T20:00", status="paused")
    here.change("03-02T20:30", status="open")
    here.until("03-09T00:00")
    assert opened(here) == ["03-04T19:00" if "days" in target else "03-04T16:00"]


@pytest.mark.parametrize(
    "pauses",
    [
        [("03-03T17:00", "03-04T09:00")],
        [("03-03T17:00", "03-03T19:30"), ("03-03T19:30", "03-04T09:00")],
    ],
)
def test_a_pause_that_begins_when_all_working_time_is_used_moves_no_working_days(
    pauses: list[tuple[str, str]],
) -> None:
    """Case 17."""
    here = world("{clock: resolution, target: 1 working days, calendar: office}")
    here.change("03-02T19:00", owner="anna", status="open")
    for begin, end in pauses:
        here.change(begin, status="paused")
        here.change(end, status="open")
    assert here.seen[0].reason["clock"]["due"] == "2026-03-03T19:00:00Z"


@pytest.mark.parametrize("resumed", ["03-02T08:00", "03-02T11:00"])
def test_a_record_created_paused_is_paused_from_the_start(resumed: str) -> None:
    """Case 19: also where it is open again in the same second."""
    here = world("{clock: resolution, target: 4h}")
    here.change("03-02T08:00", owner="anna", status="paused")
    here.change(resumed, status="open")
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T12:00" if resumed.endswith("08:00") else "03-02T15:00"]


def test_an_answer_and_a_pause_in_one_change_stop_both_clocks() -> None:
    """Case 21."""
    for kind in ("resolution", "periodic_update"):
        here = world(f"{{clock: {kind}, target: 4h}}")
        here.change("03-02T08:00", owner="anna")
        says(here, "03-02T09:00", "person", status="paused")
        here.until("03-05T00:00")
        assert here.seen == []


def test_a_pause_across_midnight() -> None:
    """Case 22."""
    here = world("{clock: resolution, target: 2h, calendar: always}")
    here.change("03-02T23:00", owner="anna", status="open")
    here.change("03-02T23:45", status="paused")
    here.change("03-03T00:45", status="open")
    here.until("03-09T00:00")
    assert opened(here) == ["03-03T02:00"]


def test_from_resolved_to_closed_changes_nothing() -> None:
    """Case 23."""
    here = world("{clock: resolution, target: 4h}")
    here.change("03-02T08:00", owner="anna", stage="new", status="open")
    here.change("03-02T10:00", stage="Resolved", status="closed")
    here.change("03-05T10:00", stage="Closed", status="closed")
    here.change("03-09T08:00", stage="Open", status="open")
    here.until("03-20T00:00")
    assert opened(here) == ["03-09T10:00"]


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        # Closed in time: what was left is left, however long ago that was.
        ("03-02T10:00", [("03-20T10:00", "opened")]),
        # Closed too late: it is past its target, and open.
        ("03-02T13:00", [("03-02T12:00", "opened"), ("03-02T13:00", "resolved"), ("03-20T08:00", "opened")]),
    ],
)
def test_a_reopened_record_goes_on_with_what_was_used(closed: str, expected: list[tuple[str, str]]) -> None:
    """Case 24."""
    here = world("{clock: resolution, target: 4h}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.change(closed, status="closed")
    here.change("03-20T08:00", status="open")
    here.until("03-30T00:00")
    assert events(here) == expected


@pytest.mark.parametrize(("more", "due"), [("", "03-20T08:00"), (", pauses: true", "03-20T11:00")])
def test_who_waits_for_a_first_answer_waits_while_it_is_closed_unless_pauses_stop_it(
    more: str, due: str
) -> None:
    """Case 24."""
    here = world(f"{{clock: first_response, target: 4h{more}}}")
    here.change("03-02T08:00", owner="anna", status="open")
    here.change("03-02T09:00", status="closed")
    here.change("03-20T08:00", status="open")
    here.until("03-30T00:00")
    assert events(here) == [(due, "opened")]


def test_a_breach_ends_when_the_target_moves_into_the_future() -> None:
    """Case 25."""
    here = world("{clock: resolution, target: {urgent: 2h, else: 8h}}")
    here.change("03-02T08:00", owner="anna", priority="urgent")
    here.change("03-02T11:00", priority="low")
    here.until("03-03T00:00")
    assert events(here) == [("03-02T10:00", "opened"), ("03-02T11:00", "resolved"), ("03-02T16:00", "opened")]


def test_what_the_path_is_not_about_any_more_has_no_deadline_nor_warning() -> None:
    """Case 26."""
    here = world("{clock: resolution, target: 4h, warn: 75%}", ", where: {tier: gold}")
    here.change("03-02T08:00", owner="anna", tier="gold")
    here.change("03-02T09:00", tier="tin")
    assert here.partition.records["ticket:1"].due is None
    here.until("03-09T00:00")
    assert here.seen == []


@pytest.mark.parametrize("target", [{}, {"by": "tier"}])
def test_no_target_is_no_catch_all(target: dict[str, str]) -> None:
    """Case 27."""
    (problem,) = problems_of({"clock": "resolution", "target": target})
    assert problem.message == "no target is stated"


def test_what_is_due_comes_before_what_happens_at_that_moment() -> None:
    """Case 28: a deadline first, then all that one change says, at once."""
    here = world("{clock: resolution, target: {urgent: 2h, else: 8h}}")
    here.change("03-02T08:00", owner="anna", priority="urgent")
    here.change("03-02T10:00", status="paused", priority="low")
    assert events(here) == [("03-02T10:00", "opened"), ("03-02T10:00", "resolved")]
    here.change("03-02T12:00", status="open")
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T10:00", "03-02T18:00"]


def test_an_answer_starts_no_next_response_and_more_messages_do_not_put_it_off() -> None:
    """Case 29."""
    here = world("{clock: next_response, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    says(here, "03-02T09:00", "person")
    here.until("03-04T00:00")
    assert here.seen == []
    says(here, "03-04T08:00", "customer")
    says(here, "03-04T11:00", "customer")
    here.until("03-05T00:00")
    assert opened(here) == ["03-04T12:00"]


def test_next_response_waits_for_a_first_one() -> None:
    """Case 30."""
    here = world("{clock: next_response, target: 4h}")
    says(here, "03-02T08:00", "customer", owner="anna")
    says(here, "03-02T09:00", "customer")
    here.until("03-05T00:00")
    assert here.seen == []


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        (Said(text="Hello"), True),
        (Said(channel="portal"), True),
        (Said(channel="note"), True),
        (Said(text="Colleagues, look", public=False), False),
        (Said(text="We have received it", automatic=True), False),
    ],
)
def test_what_the_customer_sees_is_an_answer_by_whatever_channel(said: Said, answers: bool) -> None:
    """Case 31."""
    here = world("{clock: first_response, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    says(here, "03-02T09:00", "person", said)
    here.until("03-03T00:00")
    assert opened(here) == ([] if answers else ["03-02T12:00"])


@pytest.mark.parametrize("said", [Said(text="Thanks"), Said(channel="portal"), Said(channel="note")])
def test_what_the_customer_writes_counts_by_whatever_channel(said: Said) -> None:
    """Case 31."""
    here = world("{clock: next_response, target: 4h}")
    here.change("03-02T08:00", owner="anna")
    says(here, "03-02T09:00", "person")
    says(here, "03-02T10:00", "customer", said)
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T14:00"]


@pytest.mark.parametrize("kind", ["first_response", "next_response", "periodic_update", "resolution"])
def test_a_closed_record_runs_no_clock_whatever_is_written_to_it(kind: str) -> None:
    """Case 32."""
    here = world(f"{{clock: {kind}, target: 4h, warn: 50%}}")
    here.change("03-02T08:00", owner="anna")
    says(here, "03-02T09:00", "person", status="closed")
    says(here, "03-02T10:00", "customer")
    here.until("04-02T00:00")
    assert here.seen == []


@pytest.mark.parametrize("kind", ["first_response", "periodic_update", "resolution"])
def test_a_merged_record_runs_no_clock(kind: str) -> None:
    """Case 33."""
    here = world(f"{{clock: {kind}, target: 4h, warn: 50%}}")
    here.change("03-02T08:00", owner="anna")
    here.change("03-02T09:00", merged="ticket:2")
    here.until("04-02T00:00")
    assert here.seen == []


def test_the_first_answer_moves_the_deadline_at_once() -> None:
    """Case 34."""
    first, update = (
        world("{clock: first_response, target: 4h}"),
        world("{clock: periodic_update, target: 4h}"),
    )
    for here in (first, update):
        here.change("03-02T08:00", owner="anna")
        says(here, "03-02T09:00", "person")
    assert first.partition.records["ticket:1"].due is None
    here = update
    here.until("03-03T00:00")
    assert opened(here) == ["03-02T13:00"]


# What cannot be read.


def problems_of(when: dict[str, Any], calendars: dict[str, Any] | None = None) -> Problems:
    problems = Problems()
    read_rules(
        {
            "people": {"anna": None},
            "fallback": "anna",
            "calendars": calendars or {"office": {"open": {"mon-fri": "09:00-17:00"}}},
            "paths": {"p": {"about": "ticket", "when": when, "steps": [{"notify": "anna"}]}},
        },
        problems,
    )
    return problems


TARGETS = {"urgent": "4h", "else": "8h"}


@pytest.mark.parametrize(
    ("more", "message", "remedy", "place"),
    [
        ({"clock": "resolutoin"}, "'resolutoin' is not known here", "Did you mean 'resolution'?", ("clock",)),
        ({"target": "0h"}, "a target of 0h is over before it begins", "4h", ("target",)),
        ({"target": {"urgent": "2"}}, "the span '2' has no unit", "2 working days", ("target", "urgent")),
        ({"target": {"by": "created", "a": "2h"}}, "'created' is a moment", "priority", ("target", "by")),
        ({"target": {"by": ["a"], "a": "2h"}}, "'by' is a list", "tier", ("target", "by")),
        ({"warn": "75"}, "the span '75' has no unit", "30m", ("warn",)),
        ({"warn": "120%"}, "a warning at 120% comes not before the breach", "75%", ("warn",)),
        ({"warn": "100%"}, "a warning at 100% comes not before the breach", "75%", ("warn",)),
        ({"warn": ["50%", "0%"]}, "a warning at 0% comes before the clock starts", "75%", ("warn", 1)),
        ({"warn": "-5%"}, "'-5%' is no warning", "75%", ("warn",)),
        ({"warn": "0m"}, "a warning 0m before the breach comes with it", "30m", ("warn",)),
        ({"warn": "8h"}, "8h before the breach is before the clock starts", "less", ("warn",)),
        ({"warn": ["75%", "75.0%"]}, "75% and 75% come at the same moment", "one of them", ("warn", 1)),
        ({"warn": ["30m", "0.5h"]}, "30m and 0.5h come at the same moment", "one of them", ("warn", 1)),
        ({"warn": ["50%", "2h"], "target": "4h"}, "50% and 2h come at the same", "one of them", ("warn", 1)),
        (
            {"warn": "2 working days", "calendar": "office", "target": "2 working days"},
            "2 working days before the breach is before the clock starts",
            "less",
            ("warn",),
        ),
        ({"warn": "1 working hours"}, "needs a calendar", "calendar: NAME", ("warn",)),
        ({"pauses": "no"}, "'pauses' is text", "true or false", ("pauses",)),
        ({"filled_window": "closing"}, "without a calendar no window closes", "calendar", ("filled_window",)),
        (
            {"filled_window": "opening", "calendar": "office"},
            "'opening' is not known here",
            "next_opening",
            ("filled_window",),
        ),
        ({"warning": "75%"}, "unknown key 'warning'", "Did you mean 'warn'?", ("warning",)),
    ],
)
def test_what_is_wrong_says_what_to_write(
    more: dict[str, Any], message: str, remedy: str, place: tuple[str | int, ...]
) -> None:
    problems = problems_of({"clock": "resolution", "target": TARGETS, **more})
    assert len(problems) == 1, problems
    (problem,) = problems
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.position == ("paths", "p", "when", *place)


def test_warnings_that_coincide_for_one_target_only_are_given_once() -> None:
    assert not problems_of({"clock": "resolution", "target": TARGETS, "warn": ["50%", "2h"]})
    here = world("{clock: resolution, target: {urgent: 4h, else: 8h}, warn: [50%, 2h]}")
    here.change("03-02T08:00", owner="anna", priority="urgent")
    here.until("03-03T00:00")
    assert events(here) == [("03-02T10:00", "warned"), ("03-02T12:00", "opened")]
    assert here.seen[0].reason["clock"]["warning"] == "50%"


def test_warnings_by_day_are_two_though_a_target_in_hours_says_nothing_of_days() -> None:
    when = {"clock": "resolution", "target": "40h", "calendar": "office"}
    assert not problems_of({**when, "warn": ["1 working days", "2 working days", "1h"]})


# Against an oracle that walks from minute to minute.

Pauses = list[tuple[int, int]]


class Walk:
    """Working time by asking of each minute whether it is open. All in minutes since 1970."""

    def __init__(self, zone: str, week: dict[int, list[tuple[int, int]]], start: int, pauses: Pauses) -> None:
        self.zone, self.week, self.start, self.pauses = ZoneInfo(zone), week, start, pauses
        self.open = cache(self._open)

    def local(self, minute: int) -> datetime:
        return datetime.fromtimestamp(minute * 60, self.zone)

    def _open(self, minute: int) -> bool:
        local = self.local(minute)
        of_day = local.hour * 60 + local.minute
        return any(opens <= of_day < closes for opens, closes in self.week.get(local.weekday(), ()))

    def paused(self, minute: int) -> bool:
        return any(begin <= minute < end for begin, end in self.pauses)

    def used(self, begin: int, end: int) -> int:
        return sum(self.open(minute) and not self.paused(minute) for minute in range(begin, end))

    def after(self, amount: int) -> int:
        for minute in count(self.start):
            amount -= self.open(minute) and not self.paused(minute)
            if not amount:
                return minute + 1
        raise AssertionError

    def days(self, days: int) -> int:
        """Each paused open minute before the end puts it off to the end of the next open minute."""
        local = self.local(self.start)
        while days:
            local += timedelta(days=1)
            days -= local.weekday() in self.week
        end = int(local.timestamp()) // 60
        minute = self.start
        while minute < end:
            if self.open(minute) and self.paused(minute):
                while not self.open(end):
                    end += 1
                end += 1
            minute += 1
        return end

    def running(self, minute: int) -> int:
        while not self.open(minute) or (self.paused(minute) and not self.open(minute - 1)):
            minute += 1
        return minute

    def before(self, minute: int, amount: int) -> int:
        while amount:
            minute -= 1
            amount -= self.open(minute) and not self.paused(minute)
        return minute


@st.composite
def walks(draw: st.DrawFn) -> Walk:
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]))
    # Hours that a change of the clocks repeats are test_calendar's.
    lengths = st.tuples(*(st.integers(30, 300) for _ in range(3)))
    windows = st.tuples(st.integers(4 * 60, 9 * 60), lengths).map(
        lambda each: [
            (each[0], each[0] + each[1][0]),
            (each[0] + sum(each[1][:2]), each[0] + sum(each[1])),
        ]
    )
    week = draw(st.dictionaries(st.integers(0, 6), windows, min_size=3))
    day = draw(st.sampled_from([datetime(2026, 3, 26), datetime(2026, 10, 23), datetime(2026, 12, 30)]))
    local = day + timedelta(minutes=draw(st.integers(4 * 60, 23 * 60)))
    start = int(local.replace(tzinfo=ZoneInfo(zone)).timestamp()) // 60
    edges_of_pauses = draw(st.lists(st.integers(-600, 6000), max_size=8, unique=True).map(sorted))
    pairs = zip(edges_of_pauses[::2], edges_of_pauses[1::2], strict=False)
    return Walk(zone, week, start, [(start + begin, start + end) for begin, end in pairs])


def clock_of(walk: Walk, **when: Any) -> Trigger:
    seconds = {day: [(a * 60, b * 60) for a, b in windows] for day, windows in walk.week.items()}
    calendar = Calendar(walk.zone.key, seconds)
    return read_trigger(Node({"clock": "resolution", "calendar": "c", **when}), calendar)


def record_of(walk: Walk, pauses: Pauses | None = None) -> Record:
    start = walk.start * MINUTE
    idle = tuple((a * MINUTE, b * MINUTE) for a, b in (walk.pauses if pauses is None else pauses))
    return Record(key="ticket:1", at=start, created=start, touched=start, entered=start, idle=idle)


def due_of(clock: Trigger, record: Record) -> int:
    due = clock.since(record, None, None, Now(record.at, record.at))
    assert due is not None
    return due


few = settings(max_examples=40)


@few
@given(walks(), st.integers(1, 200), st.sampled_from([10, 25, 50, 75]), st.integers(1, 500))
def test_hours_agree_with_a_walk(walk: Walk, quarters: int, percent: int, early: int) -> None:
    target = quarters * 4
    due = walk.after(target)
    clock = clock_of(walk, target=f"{target}m")
    record = record_of(walk)
    assert due_of(clock, record) == due * MINUTE
    next_opening = clock_of(walk, target=f"{target}m", filled_window="next_opening")
    assert due_of(next_opening, record) == walk.running(due) * MINUTE
    used = clock.because(record, due * MINUTE)[1]
    assert used["due"].startswith(f"{datetime.fromtimestamp(due * 60, ZoneInfo('UTC')):%Y-%m-%dT%H:%M}")
    if target * percent % 100 == 0:
        warned = clock_of(walk, target=f"{target}m", warn=f"{percent}%").warnings(record)
        assert warned == (walk.after(target * percent // 100) * MINUTE,)
    if early < target:
        warned = clock_of(walk, target=f"{target}m", warn=f"{early}m").warnings(record)
        assert warned == (walk.before(due, early) * MINUTE,)


@few
@given(walks(), st.integers(1, 4), st.integers(1, 300))
def test_working_days_agree_with_a_walk(walk: Walk, days: int, early: int) -> None:
    due = walk.days(days)
    record = record_of(walk)
    clock = clock_of(walk, target=f"{days} working days", warn=f"{early}m")
    assert due_of(clock, record) == due * MINUTE
    expected = []
    if early < walk.used(walk.start, due):
        expected = [walk.before(due, early) * MINUTE]
    assert list(clock.warnings(record)) == expected


@few
@given(walks(), st.integers(1, 600), st.integers(0, 600), st.booleans())
def test_a_longer_target_is_due_no_earlier(walk: Walk, target: int, more: int, days: bool) -> None:
    shorter, longer = (
        f"{1 + amount // 100} working days" if days else f"{amount}m" for amount in (target, target + more)
    )
    record = record_of(walk)
    assert due_of(clock_of(walk, target=shorter), record) <= due_of(clock_of(walk, target=longer), record)


@few
@given(walks(), st.sampled_from(["90m", "13h", "1 working days", "4 working days"]), st.data())
def test_splitting_a_pause_changes_nothing(walk: Walk, target: str, data: st.DataObject) -> None:
    split: Pauses = []
    for begin, end in walk.pauses:
        middle = data.draw(st.integers(begin, end))
        split += [(begin, middle), (middle, end)]
    clock = clock_of(walk, target=target, warn=["50%", "1h"])
    whole, parts = record_of(walk), record_of(walk, split)
    assert due_of(clock, whole) == due_of(clock, parts)
    assert clock.warnings(whole) == clock.warnings(parts)


@few
@given(walks(), st.sampled_from(["90m", "13h", "1 working days", "4 working days"]), st.integers(0, 8000))
def test_a_pause_wholly_outside_hours_changes_nothing(walk: Walk, target: str, after: int) -> None:
    begin = end = next(minute for minute in count(walk.start + after) if not walk.open(minute))
    while not walk.open(end) and end - begin < 600:
        end += 1
    walk.pauses = []
    clock = clock_of(walk, target=target, warn=["50%", "1h"])
    none, outside = record_of(walk, []), record_of(walk, [(begin, end)])
    assert due_of(clock, none) == due_of(clock, outside)
    assert clock.warnings(none) == clock.warnings(outside)


@few
@given(walks(), st.integers(1, 900))
def test_while_paused_only_a_breach_from_before_counts(walk: Walk, target: int) -> None:
    clock = clock_of(walk, target=f"{target}m")
    for begin, _ in walk.pauses:
        if begin < walk.start:
            continue
        earlier = [pause for pause in walk.pauses if pause[0] < begin]
        record = record_of(walk, earlier)
        due = due_of(clock, record)
        paused = msgspec.structs.replace(record, status="paused", idle=(*record.idle, (begin * MINUTE, None)))
        expected = due if due <= begin * MINUTE else None
        assert clock.since(paused, None, None, Now(begin * MINUTE, begin * MINUTE)) == expected


def test_many_pauses_cost_no_more_than_each_its_share() -> None:
    """The calendar is asked at most a few times for each pause, and not at all for those before the start."""

    class Counting(Calendar):
        asked = 0

        def worked(self, start: int, end: int) -> int:
            self.asked += 1
            return super().worked(start, end)

    def asked(kind: str, pauses: int) -> int:
        calendar = Counting("UTC", {day: [(0, 86_400)] for day in range(7)})
        clock = read_trigger(
            Node({"clock": kind, "target": "9000h", "calendar": "c", "warn": ["50%", "5h"]}), calendar
        )
        start = micros(datetime.fromisoformat("2026-01-01T00:00Z"))
        idle = tuple((start + n * HOUR, start + n * HOUR + MINUTE) for n in range(pauses))
        replied = start + pauses * HOUR
        record = Record(key="ticket:1", at=start, created=start, touched=start, entered=start, idle=idle)
        record = msgspec.structs.replace(record, replied=replied, responded=replied)
        due_of(clock, record)
        clock.warnings(record)
        return calendar.asked

    assert asked("resolution", 4000) < 10 * 4000
    assert asked("periodic_update", 4000) == asked("periodic_update", 1)


def test_a_trigger_read_by_hand_refuses_what_it_does_not_know() -> None:
    with pytest.raises(Problem, match="lacks 'target'"):
        read_trigger(Node({"clock": "resolution"}), None)
