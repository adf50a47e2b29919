"""The engine against the oracle: rules and histories that Hypothesis makes up, event by event."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.document import Problems
from streams.core.entries import Change, Command, Entry, Source
from streams.core.partition import Partition
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import micros
from tests.core.oracle import Event, Fact, Rule, Said, foresee

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
END = 360

# Coarse, so that things fall on the same minute often.
MINUTES = st.integers(0, 24).map(lambda number: number * 10)
SPANS = st.sampled_from([0, 0, 10, 20, 30, 60])


@st.composite
def paths(draw: st.DrawFn) -> Rule:
    trigger, limit = draw(st.sampled_from(TRIGGERS))
    waits = draw(st.lists(SPANS, min_size=1, max_size=3))
    steps = tuple((wait, draw(st.sampled_from(["owner", "carla"]))) for wait in waits)
    give_up = draw(st.none() | st.sampled_from([0, 20, 60]))
    return Rule(
        trigger=trigger,
        limit=limit,
        steps=steps,
        priority=draw(st.sampled_from([None, None, "high"])),
        lasting=draw(SPANS),
        hold=draw(SPANS),
        rearm=draw(SPANS),
        expires=draw(st.none() | st.sampled_from([20, 50])),
        # What the chain itself needs it must have.
        give_up=None if give_up is None else give_up + sum(waits[1:]),
    )


TRIGGERS: list[tuple[Literal["in_stage", "untouched", "value"], int]] = [
    ("in_stage", 30),
    ("untouched", 30),
    ("untouched", 60),
    ("value", 100),
]

FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from(["anna", "bert", None]),
        "stage": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(["open", "open", "paused", "closed"]),
        "priority": st.sampled_from(["high", "high", "low"]),
        "value": st.sampled_from([50, 100, 100, 150, None]),
        "merged": st.sampled_from([None, None, "ticket:2"]),
    },
)
FACTS = st.builds(
    Fact, MINUTES, FIELDS, st.sampled_from([False, False, True]), st.integers(0, 9).map(lambda n: n == 0)
)
SAYINGS = st.builds(
    lambda minute, do, after: Said(minute, do, None if after is None else minute + after),
    MINUTES,
    st.sampled_from(["acknowledge", "snooze", "noise", "reopen"]),
    st.none() | st.sampled_from([0, 10, 20, 60, 120]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact | Said]:
    first = Fact(0, {"owner": "anna", "stage": "a", "priority": "high", "value": 100})
    entries: list[Fact | Said] = sorted(
        draw(st.lists(FACTS | SAYINGS, max_size=14)), key=lambda entry: entry.minute
    )
    made: list[Fact | Said] = []
    gone = False
    for entry in [first, *entries]:
        if isinstance(entry, Fact):
            if entry.deleted:
                entry = Fact(entry.minute, deleted=True)
            elif gone:
                # What a snapshot shows of a record that was unknown is another story.
                entry = Fact(entry.minute, entry.fields)
            gone = entry.deleted
        made.append(entry)
    return made


def compiled(rule: Rule) -> Rules:
    when = {
        "in_stage": {"in_stage": f"{rule.limit}m"},
        "untouched": {"untouched": f"{rule.limit}m"},
        "value": {"value": {"crosses": f"{rule.limit} EUR"}},
    }[rule.trigger]
    path: dict[str, Any] = {
        "about": "ticket",
        "when": when,
        "steps": [{"after": f"{wait}m", "notify": asked} for wait, asked in rule.steps],
        "for": f"{rule.lasting}m",
        "hold": f"{rule.hold}m",
    }
    if rule.priority is not None:
        path["where"] = {"priority": rule.priority}
    if rule.rearm:
        path["rearm"] = f"{rule.rearm}m"
    if rule.expires is not None:
        path["acknowledged_for"] = f"{rule.expires}m"
    if rule.give_up is not None:
        path["give_up"] = f"{rule.give_up}m"
    people: dict[str, Any] = {name: {} for name in ("anna", "bert", "carla", "dora")}
    problems = Problems()
    rules = read_rules(
        {"feeds": ["crm"], "people": people, "fallback": "dora", "paths": {"p": path}}, problems
    )
    assert not problems
    return rules


def entry(number: int, each: Fact | Said) -> Entry:
    at = START + timedelta(minutes=each.minute)
    if isinstance(each, Said):
        until = None if each.until is None else START + timedelta(minutes=each.until)
        return Command(id=str(number), record="ticket:1", do=each.do, by="bert", at=at, until=until)
    return Change(
        record="ticket:1",
        op="delete" if each.deleted else "refresh" if each.seen else "upsert",
        at=at,
        feed="crm",
        source=Source("crm", 0, number),
        order=(number,),
        fields={"currency": "EUR", **each.fields},
    )


def decided(rule: Rule, history: list[Fact | Said]) -> list[Event]:
    partition = Partition([(0, compiled(rule))])
    escalations = [
        each for number, fact in enumerate(history) for each in partition.fold(entry(number, fact))
    ]
    escalations += partition.advance(micros(START + timedelta(minutes=END)))
    return [
        Event(
            (datetime.fromisoformat(each.at) - START) // timedelta(minutes=1),
            each.event,
            each.episode,
            each.step,
            each.notify,
        )
        for each in escalations
    ]


@given(paths(), histories())
@settings(max_examples=300)
@example(
    Rule("untouched", 30, ((0, "owner"), (10, "carla")), hold=60),
    [Fact(0, {"owner": "anna"}), Fact(50), Said(60, "snooze", 70), Fact(90)],
)
@example(
    Rule("value", 100, ((0, "owner"),)),
    [Fact(0, {"value": 100}), Fact(10, deleted=True), Fact(20, {"value": 100})],
)
@example(
    Rule("in_stage", 30, ((0, "owner"),), rearm=60),
    [Fact(0, {"stage": "a"}), Fact(30, deleted=True), Fact(30, {"stage": "a"})],
)
def test_the_engine_decides_what_the_oracle_foresees(rule: Rule, history: list[Fact | Said]) -> None:
    assert decided(rule, history) == foresee(rule, history, END)


def test_the_oracle_is_right_about_a_simple_story() -> None:
    rule = Rule("untouched", 30, ((0, "owner"), (10, "carla")), lasting=5, hold=20, rearm=60)
    history: list[Fact | Said] = [Fact(0, {"owner": "anna"}), Said(40, "acknowledge", 60), Fact(70), Fact(80)]
    assert foresee(rule, history, END) == [
        Event(35, "opened", 1, 1, ("anna",)),
        Event(40, "acknowledged", 1, 1, ("anna",)),
        Event(60, "advanced", 1, 2, ("carla",)),
        Event(90, "resolved", 1, 2, ("anna", "carla")),
        Event(150, "opened", 2, 1, ("anna",)),
        Event(160, "advanced", 2, 2, ("carla",)),
    ]
