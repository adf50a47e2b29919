"""Why, and why not: for each verdict what a person is told."""

from typing import Any

import msgspec
import pytest

from streams.core.entries import Author, Command, Said
from streams.core.explain import Explanation, explain
from streams.core.timestamps import from_rfc3339, moment
from tests.core.worlds import World, rules

PATHS = """
paths:
  quiet:
    about: ticket
    where: {priority: [high, urgent]}
    when: {untouched: 2d}
    hold: 1h
    rearm: 3d
    steps:
      - notify: owner
      - {after: 1d, notify: owner.manager}
"""


def at(text: str) -> int:
    return from_rfc3339(f"2026-{text}:00Z")


def explained(world: World, when: str, record: str = "ticket:1") -> Explanation:
    partition = world.partition
    (answer,) = explain(partition.rules[-1][1], partition.records[record], at(when))
    return answer


@pytest.fixture
def world() -> World:
    world = World(rules(PATHS))
    world.change("03-02T09:00", owner="anna", priority="high")
    return world


def test_what_has_not_fired_says_when_it_would_and_to_whom(world: World) -> None:
    answer = explained(world, "03-03T09:00")
    assert answer.verdict == "waiting"
    assert answer.summary == "opens at 2026-03-04T09:00:00Z if nothing changes"
    assert answer.next is not None
    assert answer.next.notify == ("anna",)
    assert answer.next.people[0]["because"] == "anna is the owner"
    assert answer.because is None
    assert answer.clock["due"] == "2026-03-04T09:00:00Z"
    assert [clause["holds"] for clause in answer.clauses] == [True]


def test_what_is_open_says_why_and_what_comes_next(world: World) -> None:
    answer = explained(world, "03-04T10:00")
    assert (answer.verdict, answer.episode, answer.step) == ("open", 1, 1)
    assert answer.because == "untouched for 2d 1h"
    assert (
        answer.summary == "open, episode 1, step 1; takes step 2 at 2026-03-05T09:00:00Z if nothing changes"
    )


def test_what_will_not_fire_says_what_would_have_to_be_otherwise(world: World) -> None:
    world.change("03-02T10:00", priority="low")
    answer = explained(world, "03-05T09:00")
    assert answer.verdict == "silent"
    assert answer.missing == ["priority is 'low', wanted: is high or urgent"]
    assert answer.next is None


def test_a_record_that_is_closed_is_past_all_risk(world: World) -> None:
    world.change("03-02T10:00", stage="Done", status="closed")
    assert explained(world, "03-05T09:00").summary == "the record is closed in stage Done"


def test_an_acknowledgement_a_hold_and_a_cooldown_each_have_their_word(world: World) -> None:
    world.until("03-04T10:00")
    world.partition.fold(
        Command(id="1", record="ticket:1", do="acknowledge", by="anna", at=moment(at("03-04T11:00")))
    )
    assert explained(world, "03-04T12:00").verdict == "acknowledged"
    world.change("03-04T13:00")
    assert explained(world, "03-04T13:30").verdict == "ending"
    assert explained(world, "03-04T15:00").verdict == "waiting"
    # Untouched again, but the last episode has ended less than three days ago.
    assert explained(world, "03-06T14:00").verdict == "resting"
    assert explained(world, "03-07T15:00").verdict == "open"


def test_noise_stays_dismissed_until_it_clears(world: World) -> None:
    world.until("03-04T10:00")
    world.partition.fold(
        Command(id="1", record="ticket:1", do="noise", by="anna", at=moment(at("03-04T11:00")))
    )
    assert explained(world, "03-04T12:00").summary == "called noise by anna"


def test_asking_changes_nothing(world: World) -> None:
    before = world.partition.records["ticket:1"]
    explained(world, "03-09T10:00")
    assert world.partition.records["ticket:1"] == before


@pytest.mark.parametrize(
    ("about", "when", "change", "missing"),
    [
        (
            "ticket",
            "{clock: first_response, target: 4h}",
            {"created": "2026-03-02T08:00:00Z", "responded": "2026-03-02T08:30:00Z"},
            "the first answer was given at 2026-03-02T08:30:00Z",
        ),
        ("ticket", "{clock: next_response, target: 4h}", {}, "no first answer has been given yet"),
        (
            "ticket",
            "{clock: next_response, target: 4h}",
            {"responded": "2026-03-02T08:30:00Z"},
            "the customer waits for no answer",
        ),
        (
            "ticket",
            "{clock: resolution, target: {urgent: 4h}}",
            {"priority": "low"},
            "there is no target where priority is 'low'",
        ),
        (
            "ticket",
            "{clock: resolution, target: 4h}",
            {"created": "2026-03-02T08:00:00Z", "status": "paused"},
            "the clock stands still since 2026-03-02T09:00:00Z; 1h of the resolution target of 4h used up",
        ),
        ("account", "{health: {falls: 20 points, within: 14d}}", {}, "there is no score yet"),
        (
            "account",
            "{health: {falls: 20 points, within: 14d}}",
            {"health": 80.0},
            "the score is 80 since 2026-03-02T09:00:00Z; limit 20 points within 14d",
        ),
        ("deal", "{value: {crosses: 100 EUR}}", {}, "there is no value"),
        (
            "deal",
            "{value: {crosses: 100 EUR}}",
            {"value": 50.0, "currency": "EUR"},
            "value 50 EUR has not crossed 100 EUR",
        ),
        (
            "customer",
            "{contacts: 3, within: 24h}",
            {"issue": "ticket:1", "visit": "email"},
            "1 of 3 contacts within 24h about something unresolved",
        ),
        ("ticket", "{text: {phrases: standard}}", {}, "nothing has been said"),
    ],
)
def test_a_trigger_that_is_silent_says_what_there_is(
    about: str, when: str, change: dict[str, Any], missing: str
) -> None:
    world = World(rules(f"paths: {{p: {{about: {about}, when: {when}, steps: [{{notify: owner}}]}}}}"))
    world.change("03-02T09:00", f"{about}:1", **change)
    assert explained(world, "03-02T10:00", f"{about}:1").missing == [missing]


def test_a_message_that_is_calm_answered_or_not_the_customers_is_told_apart() -> None:
    world = World(
        rules("paths: {p: {about: ticket, when: {text: {phrases: standard}}, steps: [{notify: owner}]}}")
    )

    def told(at: str, by: Author, text: str) -> str:
        change = world.make(at, owner="anna")
        world.take(msgspec.structs.replace(change, by=by, said=Said(text)))
        return explained(world, at).summary

    calm = told("03-02T09:00", "customer", "How do I change my address?")
    assert calm == "what the customer wrote at 2026-03-02T09:00:00Z has none of the phrases"
    told("03-02T10:00", "customer", "I want to speak to a manager")
    ours = told("03-02T11:00", "person", "I am sorry to hear that")
    assert ours == "the latest message, of 2026-03-02T11:00:00Z, is not the customer's"
