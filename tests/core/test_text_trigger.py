"""Text: what a customer wrote opens an episode, and an answer ends it."""

from typing import Any

import msgspec
import pytest
import yaml

from streams.core.document import Problems
from streams.core.entries import Author, NewRules, Said
from streams.core.escalation import Escalation
from streams.core.rules import Rules, read_rules
from streams.core.text.sentiment import sentiment
from streams.core.timestamps import from_rfc3339, moment
from tests.core.worlds import PEOPLE, World, brief, rules

ANGRY = "This is unacceptable. I am furious: three weeks of waiting and nobody answers. Terrible service!"
CALM = "Thank you, that would be great."
CANCEL = "Please cancel my account today."
GERMAN = "Das ist wirklich eine Unverschämtheit, ich warte seit drei Wochen und niemand antwortet mir."

BOTH = "{phrases: standard, sentiment: negative}"


def compiled(what: str = BOTH, more: str = "") -> Rules:
    paths = f"paths: {{p: {{about: ticket, when: {{text: {what}}}, steps: [{{notify: owner}}]{more}}}}}"
    problems = Problems()
    document = {"feeds": ["crm"], **yaml.safe_load(PEOPLE), **yaml.safe_load(paths)}
    read = read_rules(document, problems)
    assert not problems
    return read


class Desk(World):
    """A ticket that people write about; it was there before anybody did."""

    def __init__(self, what: str = BOTH, more: str = "") -> None:
        super().__init__(compiled(what, more))
        self.change("03-02T08:00", owner="anna", stage="new", status="open")

    def say(
        self, at: str, words: str, by: Author | None = "customer", /, op: Any = "upsert", **said: Any
    ) -> list[Escalation]:
        fields = said.pop("fields", {})
        change = self.make(at, op=op, **fields)
        return self.take(msgspec.structs.replace(change, by=by, said=Said(words, **said)))

    @property
    def events(self) -> list[str]:
        return [each.event for each in self.seen]


@pytest.mark.parametrize(
    ("what", "words", "opens"),
    [
        (BOTH, ANGRY, True),
        (BOTH, CANCEL, True),
        (BOTH, CALM, False),
        (BOTH, "I don't want to cancel my account.", False),
        (BOTH, f"Thanks!\n\nOn 3 May 2026 at 10:00, Anna wrote:\n> {CANCEL}", False),
        (BOTH, f"Thanks!\n-- \n{CANCEL}", False),
        (BOTH, f"Out of office: I am out of the office until Monday. {CANCEL}", False),
        (BOTH, "", False),
        ("{phrases: standard}", CANCEL, True),
        ("{phrases: standard}", "You are useless idiots, I hate this.", False),
        ("{sentiment: negative}", "You are useless idiots, I hate this terrible service.", True),
        ("{sentiment: negative}", CANCEL, False),
        ("{sentiment: negative}", GERMAN, False),
        ("{sentiment: {negativity: 0.05}}", "This is slow.", True),
        ("{sentiment: {negativity: 1}}", "This is slow.", False),
        ("{phrases: {without: [cancel]}}", CANCEL, False),
        ("{phrases: {without: [cancel]}}", "I will call my lawyer.", True),
        ("{phrases: {plus: [pull the plug]}}", "We will pull the plug!", True),
        ("{phrases: {plus: [pull the plug]}}", CANCEL, True),
        ("{phrases: {standard: false, plus: pull the plug}}", "We will pull the plug!", True),
        ("{phrases: {standard: false, plus: pull the plug}}", CANCEL, False),
    ],
)
def test_what_counts(what: str, words: str, opens: bool) -> None:
    desk = Desk(what)
    desk.say("03-02T09:00", words)
    assert brief(desk.seen) == ([("03-02T09:00", "opened", ("anna",))] if opens else [])


@pytest.mark.parametrize(
    ("by", "more", "opens"),
    [
        ("customer", {}, True),
        ("person", {}, False),
        ("automation", {}, False),
        (None, {}, False),
        ("customer", {"automatic": True}, False),
    ],
)
def test_only_what_the_customer_wrote_counts(by: Author | None, more: dict[str, Any], opens: bool) -> None:
    desk = Desk()
    desk.say("03-02T09:00", ANGRY, by, **more)
    assert desk.events == ["opened"] * opens


@pytest.mark.parametrize(
    ("words", "negativity", "opens"),
    [(ANGRY, -0.2, False), (CALM, 0.9, True), ("", 0.5, True), ("", 0.4, False)],
)
def test_a_negativity_that_the_feed_brings_is_used_instead_of_ours(
    words: str, negativity: float, opens: bool
) -> None:
    desk = Desk("{sentiment: negative}")
    desk.say("03-02T09:00", words, negativity=negativity, channel="call")
    assert desk.events == ["opened"] * opens
    if opens:
        assert desk.seen[0].reason["clock"]["sentiment"] == "brought by the feed"
        assert desk.seen[0].reason["because"] == f"the customer wrote by call: negativity {negativity}"


def test_it_ends_when_one_of_us_answers_and_not_before() -> None:
    desk = Desk()
    desk.say("03-02T09:00", ANGRY)
    desk.say("03-02T10:00", "A colleague of yours should see this", "person", public=False)
    desk.say("03-02T10:30", "We have received your message", "automation")
    desk.say("03-02T10:45", "I am out of the office", "person", automatic=True)
    desk.say("03-02T11:00", CALM)
    desk.say("03-02T12:00", ANGRY + " Again!")
    desk.change("03-02T13:00", priority="high")
    desk.until("03-05T00:00")
    desk.say("03-05T09:00", "We are very sorry", "person")
    assert brief(desk.seen) == [
        ("03-02T09:00", "opened", ("anna",)),
        ("03-05T09:00", "resolved", ("anna",)),
    ]
    desk.say("03-05T10:00", CALM)
    assert len(desk.seen) == 2
    desk.say("03-05T11:00", ANGRY)
    assert desk.events == ["opened", "resolved", "opened"]


@pytest.mark.parametrize(
    ("messages", "events"),
    [
        ([("09:00", "customer"), ("09:00", "person")], ["opened", "resolved"]),
        ([("09:00", "person"), ("09:00", "customer")], ["opened"]),
        ([("10:00", "person"), ("09:00", "customer")], []),
        ([("10:00", "customer"), ("09:00", "person")], ["opened"]),
    ],
)
def test_an_answer_is_one_to_what_was_written_before_it(
    messages: list[tuple[str, Author]], events: list[str]
) -> None:
    """Of two at the same moment the one that is told later is the later."""
    desk = Desk()
    for at, by in messages:
        desk.say(f"03-02T{at}", ANGRY, by)
    assert desk.events == events


def test_a_moment_of_the_answer_that_the_feed_maps_ends_it() -> None:
    desk = Desk()
    desk.say("03-02T09:00", ANGRY)
    desk.change("03-02T12:00", replied="2026-03-02T11:30:00Z")
    assert desk.events == ["opened", "resolved"]


def test_a_closed_record_forgets_what_was_written_before() -> None:
    desk = Desk()
    desk.say("03-02T09:00", ANGRY)
    desk.change("03-02T10:00", status="closed")
    desk.change("03-03T10:00", status="open")
    assert desk.events == ["opened", "resolved"]


def test_what_is_written_to_a_closed_record_counts_once_that_is_open_again() -> None:
    desk = Desk()
    desk.change("03-02T09:00", status="closed")
    desk.say("03-02T10:00", ANGRY)
    assert desk.seen == []
    desk.change("03-02T10:05", status="open")
    assert brief(desk.seen) == [("03-02T10:05", "opened", ("anna",))]


def test_what_is_written_with_the_closing_is_closed() -> None:
    desk = Desk()
    desk.say("03-02T10:00", ANGRY, fields={"status": "closed"})
    desk.change("03-02T10:05", status="open")
    assert desk.seen == []


@pytest.mark.parametrize(("op", "events"), [("upsert", ["opened"]), ("refresh", [])])
def test_what_a_message_creates_counts_and_what_a_snapshot_shows_does_not(op: Any, events: list[str]) -> None:
    world = World(compiled())
    change = world.make("03-02T09:00", op=op, owner="anna")
    world.take(msgspec.structs.replace(change, by="customer", said=Said(ANGRY)))
    assert [each.event for each in world.seen] == events


def test_it_is_remembered_until_the_other_clauses_hold() -> None:
    desk = Desk(more=", where: {priority: high}")
    desk.say("03-02T09:00", ANGRY)
    desk.say("03-02T10:00", CALM)
    desk.change("03-02T11:00", priority="high")
    assert brief(desk.seen) == [("03-02T11:00", "opened", ("anna",))]


def test_the_reason_has_the_phrases_the_score_what_it_rests_on_the_channel_and_the_time() -> None:
    desk = Desk()
    (opened,) = desk.say("03-02T09:00", f"{ANGRY} I want to speak to your manager.", channel="email")
    clock = opened.reason["clock"]
    assert clock["at"] == "2026-03-02T09:00:00Z"
    assert clock["channel"] == "email"
    assert clock["phrases"] == ["nobody answers", "speak to your manager"]
    assert clock["threshold"] == 0.5
    assert clock["negativity"] > 0.5
    assert {"words": "furious", "category": "outrage"}.items() <= clock["words"][1].items()
    assert clock["sentiment"] == "by the words"
    assert opened.reason["because"].startswith(
        'the customer wrote by email: "nobody answers"; "speak to your manager"; negativity 0.'
    )
    assert "unacceptable, furious" in opened.reason["because"]


def test_the_reason_says_where_there_is_no_sentiment() -> None:
    desk = Desk("{phrases: {plus: [unverschämtheit]}, sentiment: negative}")
    (opened,) = desk.say("03-02T09:00", GERMAN)
    assert opened.reason["because"] == 'the customer wrote: "Unverschämtheit"'
    assert opened.reason["clock"]["negativity"] is None
    assert opened.reason["clock"]["sentiment"] == "none: only English is judged"


@pytest.mark.parametrize(
    ("words", "by"), [(CALM, "customer"), (f"They wrote: {ANGRY}", None), (ANGRY, "automation")]
)
def test_a_later_step_does_not_take_another_message_for_the_reason(words: str, by: Author | None) -> None:
    steps = "[{notify: owner}, {after: 4h, notify: owner.manager}]"
    world = World(rules(f"paths: {{p: {{about: ticket, when: {{text: {BOTH}}}, steps: {steps}}}}}"))
    said = [world.make(at, owner="anna") for at in ("03-02T09:00", "03-02T10:00")]
    world.take(msgspec.structs.replace(said[0], by="customer", said=Said(ANGRY)))
    world.take(msgspec.structs.replace(said[1], by=by, said=Said(words)))
    world.until("03-03T00:00")
    assert brief(world.seen)[1] == ("03-02T13:00", "advanced", ("bert",))
    assert world.seen[1].reason["because"] == "the customer waits for an answer to an earlier message"


def test_a_text_is_scored_once_however_often_its_record_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def count(words: str) -> Any:
        asked.append(words)
        return sentiment(words)

    monkeypatch.setattr("streams.core.triggers.text.sentiment", count)
    desk = Desk("{sentiment: negative}")
    first, second = (f"{ANGRY} Number {number}, counted." for number in (1, 2))
    desk.say("03-02T09:00", first)
    for hour in range(10, 20):
        desk.change(f"03-02T{hour}:00", priority=str(hour), status="paused" if hour % 2 else "open")
    desk.say("03-03T09:00", "We are sorry", "person")
    for hour in range(10, 20):
        desk.change(f"03-03T{hour}:00", priority=str(hour), status="paused" if hour % 2 else "open")
    desk.say("03-04T09:00", second)
    assert asked == [first, second]
    assert desk.events == ["opened", "resolved", "opened"]


def test_a_worse_message_opens_again_where_the_path_says_so() -> None:
    desk = Desk("{sentiment: negative}", ", rearm: {after: 30d, or: worse by 0.3}")
    for at, negativity in (("09:00", 0.5), ("10:00", 0.7), ("11:00", 0.9)):
        desk.say(f"03-02T{at}", "", negativity=negativity)
    assert desk.events == ["opened", "resolved", "opened"]
    assert desk.seen[1].reason["because"] == "it has become worse (0.5 to 0.9): a new episode follows"


@pytest.mark.parametrize(
    ("reply", "status", "events"),
    [(False, "open", ["opened"]), (True, "open", []), (False, "closed", [])],
)
def test_a_new_path_takes_the_latest_message_where_nobody_has_answered(
    reply: bool, status: str, events: list[str]
) -> None:
    desk = Desk("{phrases: {standard: false, plus: never}}")
    desk.say("03-02T09:00", ANGRY)
    if reply:
        desk.change("03-02T10:00", replied="2026-03-02T09:30:00Z")
    desk.change("03-02T11:00", status=status)
    since = moment(from_rfc3339("2026-03-02T12:00:00Z"))
    desk.partition.fold(NewRules(since, dict(compiled().document)))
    desk.until("03-02T13:00")
    desk.change("03-02T14:00", status="open")
    assert desk.events == events


@pytest.mark.parametrize(
    ("what", "message", "remedy"),
    [
        ({}, "`text` looks for nothing", "phrases: standard"),
        ({"phrase": "standard"}, "unknown key 'phrase'", "Did you mean 'phrases'?"),
        ({"phrases": "standart"}, "'standart' is not known here", "Did you mean 'standard'?"),
        ({"phrases": ["lawyer"]}, "a list of phrases", "{plus: [...]}"),
        ({"phrases": {"add": ["lawyer"]}}, "unknown key 'add'", "plus"),
        (
            {"phrases": {"without": ["cancle"]}},
            "'cancle' is not in the standard list",
            "Did you mean 'cancel'?",
        ),
        ({"phrases": {"without": "outages"}}, "'outages' is not in the standard list", "legal"),
        ({"phrases": {"plus": ["lawyer", "!?"]}}, "'!?' has no words", "Write words"),
        ({"phrases": {"plus": ["a|b|c|d " * 6]}}, "spellings", "Write words"),
        ({"phrases": {"standard": False}}, "there are no phrases", "plus: [...]"),
        (
            {"phrases": {"standard": False, "plus": ["a"], "without": ["cancel"]}},
            "nothing is left",
            "`without`",
        ),
        ({"phrases": {"standard": "no"}}, "'standard' is text", "true or false"),
        ({"sentiment": "angry"}, "'angry' is not known here", "negative"),
        ({"sentiment": {"negativity": 0}}, "0 is no negativity", "above 0"),
        ({"sentiment": {"negativity": 1.5}}, "1.5 is no negativity", "up to 1"),
        ({"sentiment": {"negativity": "high"}}, "'high' is no negativity", "a number"),
        ({"sentiment": {"below": -0.5}}, "unknown key 'below'", "negativity"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(what: dict[str, Any], message: str, remedy: str) -> None:
    problems = Problems()
    document = {
        "people": {"anna": None},
        "fallback": "anna",
        "paths": {"p": {"about": "ticket", "when": {"text": what}, "steps": [{"notify": "anna"}]}},
    }
    read_rules(document, problems)
    assert len(problems) == 1
    assert message in problems[0].message
    assert remedy in problems[0].remedy
    assert problems[0].position[:4] == ("paths", "p", "when", "text")
