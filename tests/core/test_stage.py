"""Stage age: a fixed span, and longer than similar records, over several partitions of the log."""

import csv
import gzip
import json
import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf  # type: ignore[import-untyped]

from streams.backtest.history import read_history
from streams.backtest.replay import replay
from streams.core import baselines, entries
from streams.core import record as records
from streams.core.baselines import AHEAD, KEPT, Basis, Similar
from streams.core.document import Node, Problems
from streams.core.entries import Change, Entry, Mark, NewRules, Source, Tallied, Tick
from streams.core.escalation import Escalation, encode
from streams.core.partition import Partition
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import DAY, HOUR, MINUTE, from_rfc3339, micros, rfc3339
from streams.feeds import Message
from streams.feeds.csv import read_feed
from tests.core.worlds import World, brief, rules

LOANS = Path(__file__).parents[3] / "shared" / "data" / "deals" / "loan_applications.csv.gz"


def path(when: str, more: str = "", about: str = "ticket") -> str:
    return f"paths: {{p: {{about: {about}, when: {when}, steps: [{{notify: owner}}]{more}}}}}"


# A fixed span


def test_stage_age_starts_over_with_another_stage_only() -> None:
    world = World(rules(path("{in_stage: 10d}")))
    world.change("03-01T09:00", owner="anna", stage="a")
    world.change("03-05T09:00", owner="anna", stage="b")
    world.change("03-09T09:00", owner="anna", stage="b")
    world.until("03-20T00:00")
    assert brief(world.seen) == [("03-15T09:00", "opened", ("anna",))]


def test_a_record_without_a_stage_is_in_none() -> None:
    world = World(rules(path("{in_stage: 1d}")))
    world.change("03-01T09:00", owner="anna")
    world.change("03-02T08:00", stage="a")
    world.change("03-02T09:00", stage=None)
    assert world.until("03-20T00:00") == []


SIMILAR: dict[str, Any] = {"longer_than_similar": "90%", "by": ["stage"], "sample": 30, "otherwise": "30d"}


@pytest.mark.parametrize(
    ("given", "message", "remedy"),
    [
        (6, "the span 6 has no unit", "6 weeks"),
        ("6", "the span '6' has no unit", "6 weeks"),
        ("six weeks", "'six weeks' is not a span", "6 weeks"),
        ({}, "'in_stage' lacks 'longer_than_similar'", "longer_than_similar: ..."),
        ({"longer_than_similar": "90%"}, "'in_stage' lacks 'otherwise'", "otherwise: ..."),
        ({"longer_than": "6 weeks"}, "unknown key 'longer_than'", "Did you mean 'longer_than_similar'?"),
        ({**SIMILAR, "longer_than_similar": "90"}, "'90' is no share of the similar records", "90%"),
        ({**SIMILAR, "longer_than_similar": 0.9}, "'longer_than_similar' is the number 0.9", "90%"),
        ({**SIMILAR, "longer_than_similar": "30%"}, "longer than 30% of", "from 50% to 99%"),
        ({**SIMILAR, "longer_than_similar": "99.9%"}, "longer than 99.9% of", "from 50% to 99%"),
        ({**SIMILAR, "sample": 4}, "4 is no number of records to judge by", "a whole number from 5"),
        ({**SIMILAR, "sample": "many"}, "'many' is no number of records", "a whole number from 5"),
        ({**SIMILAR, "otherwise": "2 working days"}, "needs a calendar", "calendar: NAME"),
        ({**SIMILAR, "by": ["created"]}, "hardly two records have the same 'created'", "segment"),
        ({**SIMILAR, "by": "value"}, "hardly two records have the same 'value'", "segment"),
        ({**SIMILAR, "at_least": "1d"}, "unknown key 'at_least'", "Known here"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(given: Any, message: str, remedy: str) -> None:
    problems = Problems()
    steps = [{"notify": "anna"}]
    paths = {"p": {"about": "ticket", "when": {"in_stage": given}, "steps": steps}}
    read_rules({"people": {"anna": None}, "fallback": "anna", "paths": paths}, problems)
    assert len(problems) == 1
    assert message in problems[0].message
    assert remedy in problems[0].remedy
    assert problems[0].position[:4] == ("paths", "p", "when", "in_stage")


@pytest.mark.parametrize("by", [None, [], "stage", ["segment"], ["segment", "stage", "segment"]])
def test_the_stage_is_always_among_what_similar_records_agree_in(by: Any) -> None:
    compiled = compiled_with({**SIMILAR, "by": by})
    ((basis,),) = compiled.bases.values()
    assert basis == Basis("deal", ("stage", "segment") if by and "segment" in by else ("stage",))


def test_what_records_are_grouped_by_must_come_from_a_feed() -> None:
    (trigger,) = (each.trigger for each in compiled_with({**SIMILAR, "by": ["segment"]}).paths)
    assert trigger.needs() == {"stage", "entered", "segment"}


# When the present stage was entered, and whether that was seen

Fields = dict[str, Any]
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def change(
    after: float, key: str, number: int, op: Any = "upsert", feed: str = "crm", **fields: Any
) -> Change:
    """A change so many hours after START."""
    return Change(
        record=key,
        op=op,
        at=START + timedelta(hours=after),
        feed=feed,
        source=Source("crm", 0, number),
        order=(number,),
        fields=fields,
    )


NOW, LONG_AGO = START.isoformat(), "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("first", "then", "arrived"),
    [
        ({"stage": "a", "created": NOW}, None, True),
        ({"stage": "a", "created": "2026-03-02T00:00:00Z"}, None, True),
        ({"stage": "a", "created": LONG_AGO}, None, False),
        ({"stage": "a"}, None, False),
        ({"stage": "a", "created": NOW, "op": "refresh"}, None, False),
        ({"stage": "a", "entered": LONG_AGO, "op": "refresh"}, None, True),
        ({"stage": "a"}, {"stage": "b"}, True),
        ({"stage": "a"}, {"owner": "anna"}, False),
        ({"stage": "a", "created": NOW}, {"stage": "b", "op": "refresh"}, False),
        ({"stage": "a"}, {"stage": "b", "op": "refresh", "entered": LONG_AGO}, True),
        ({"owner": "anna"}, {"stage": "a"}, True),
        ({"owner": "anna", "created": NOW}, None, False),
    ],
)
def test_whether_the_beginning_of_a_stay_was_seen(first: Fields, then: Fields | None, arrived: bool) -> None:
    state = None
    for number, fields in enumerate(filter(None, (first, then))):
        given = {"op": "upsert", **fields}
        made = change(number, "deal:1", number, **given)
        state, _ = records.apply(state, made, micros(made.at))
    assert state is not None
    assert state.arrived is arrived
    assert records.decode(records.encode(state)) == state


# Over several partitions


def compiled_with(in_stage: dict[str, Any], **options: Any) -> Rules:
    problems = Problems()
    each = {"about": "deal", "when": {"in_stage": in_stage}, "steps": [{"notify": "anna"}], **options}
    people = {"people": {"anna": None}, "fallback": "anna"}
    compiled = read_rules({"feeds": ["crm"], **people, "paths": {"p": each}}, problems)
    assert not problems, "\n".join(map(str, problems))
    return compiled


HALF = compiled_with(
    {"longer_than_similar": "50%", "by": ["stage", "segment"], "sample": 5, "otherwise": "9d"}
)


class Log:
    """The partitions of one log, that come forward in step and hear what each has to tell."""

    def __init__(self, compiled: Rules, of: int = 1, delays: random.Random | None = None) -> None:
        self.partitions = [Partition([(0, compiled)], similar=Similar(number, of)) for number in range(of)]
        self.states: list[dict[bytes, bytes]] = [{} for _ in self.partitions]
        self.seen: list[Escalation] = []
        self.told: list[Tallied] = []
        self._delays = delays
        self._on_their_way: list[tuple[int, int, Tallied]] = []

    def take(self, made: Change) -> None:
        self.until(micros(made.at))
        number = int(made.record.partition(":")[2]) % len(self.partitions)
        self.seen += self.partitions[number].fold(made)

    def until(self, at: int) -> None:
        while (due := self._due()) is not None and due <= at:
            for partition in self.partitions:
                self.seen += partition.advance(due)
            self._collect()
            self._deliver(due)
        for partition in self.partitions:
            self.seen += partition.advance(at)

    def restart(self) -> None:
        """Every partition as another worker takes it up."""
        self._store()
        for number, old in enumerate(self.partitions):
            document = [(since, each) for since, each in old.rules if each.version == old.rules[0][1].version]
            self.partitions[number] = Partition(
                [(since, clean(each)) for since, each in document[:1]],
                dict(old.records.encoded),
                old.feeds,
                Similar(number, len(self.partitions), self.states[number]),
                old.now,
            )

    def _due(self) -> int | None:
        midnights = [each.similar.due for each in self.partitions if each.similar.due is not None]
        return min([*midnights, *(at for at, _, _ in self._on_their_way)], default=None)

    def _store(self) -> None:
        for state, partition in zip(self.states, self.partitions, strict=True):
            state |= partition.similar.news()
            partition.similar.clear()

    def _collect(self) -> None:
        for number, partition in enumerate(self.partitions):
            for entry in partition.similar.outbox:
                said = entries.decode(entries.encode(entry))
                assert said == entry
                assert isinstance(said, Tallied)
                self.told.append(said)
                for to in range(len(self.partitions)):
                    later = self._delays.randrange(AHEAD) if self._delays else 0
                    self._on_their_way.append((micros(said.at) + later, to, said))
            self.states[number] |= partition.similar.news()
            partition.similar.clear()

    def _deliver(self, at: int) -> None:
        for each in [each for each in self._on_their_way if each[0] <= at]:
            self._on_their_way.remove(each)
            self.seen += self.partitions[each[1]].fold(each[2])


def clean(each: Rules) -> Rules:
    """The same rules, knowing nothing."""
    return read_rules(each.document, Problems())


def by_content(escalations: list[Escalation]) -> list[bytes]:
    return sorted(map(encode, escalations))


END = micros(START + timedelta(days=40))


def run(history: list[Change], of: int = 1, delays: random.Random | None = None) -> Log:
    log = Log(HALF, of, delays)
    for each in history:
        log.take(each)
    log.until(END)
    return log


def steady(count: int, hours: int, segment: str = "small", stage: str = "a", first: int = 0) -> list[Change]:
    """So many deals, made an hour apart, each that long in the stage."""
    made = []
    for number in range(count):
        key = f"deal:{first + number}"
        at = (START + timedelta(hours=number)).isoformat()
        made.append(change(number, key, 0, stage=stage, segment=segment, created=at))
        made.append(change(number + hours, key, 1, stage="z", status="closed"))
    return sorted(made, key=lambda each: each.at)


@pytest.mark.parametrize("of", [1, 3])
def test_the_limit_is_what_similar_records_took_and_the_reason_says_so(of: int) -> None:
    log = Log(HALF, of)
    for each in steady(10, hours=24):
        log.take(each)
    # Ten stays of a day are over on the 4th; from an hour after midnight that is known.
    log.take(change(45, "deal:77", 0, stage="a", segment="small", created=(START + 45 * HOURS).isoformat()))
    log.take(change(46, "deal:78", 0, stage="a", segment="large", created=(START + 46 * HOURS).isoformat()))
    log.take(change(47, "deal:79", 0, stage="b", segment="small", created=(START + 47 * HOURS).isoformat()))
    log.until(micros(START) + 20 * DAY)
    small, large, alone = sorted(log.seen, key=lambda each: each.record)
    assert abs(from_rfc3339(small.at) - (micros(START) + 69 * HOUR)) <= 24 * HOUR // 128
    assert small.summary == (
        "deal:77: in stage a for 1d; of 11 similar deals (stage=a, segment=small), "
        "1 of them still there, 50 % had left by 1d"
    )
    assert large.reason["clock"]["similar"]["group"] == {"stage": "a"}
    assert "too few with segment=large (0 of 5 needed), so all with stage=a" in large.summary
    assert from_rfc3339(alone.at) == micros(START) + 47 * HOUR + 9 * DAY
    assert alone.summary.endswith(
        "the limit is 9d, with no similar deals to go by: "
        "too few with segment=small (0 of 5 needed), too few with stage=b (0 of 5 needed)"
    )


HOURS = timedelta(hours=1)

FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "stage": st.sampled_from("ab"),
        "segment": st.sampled_from(["small", "large"]),
        "status": st.sampled_from(["open", "open", "paused", "closed"]),
        "owner": st.sampled_from(["anna", "bert"]),
    },
)
STORY = st.lists(
    st.tuples(
        st.integers(0, 24 * 30),
        st.integers(1, 8),
        st.sampled_from(["upsert"] * 6 + ["refresh", "delete"]),
        FIELDS,
    ),
    max_size=20,
)


def history_of(story: list[tuple[int, int, Any, Fields]]) -> list[Change]:
    """The story, and beside it enough deals that come and go for a limit to be known."""
    made = steady(12, hours=30, first=100) + steady(7, hours=60, segment="large", first=200)
    for number, (hour, key, op, fields) in enumerate(sorted(story, key=lambda each: each[0])):
        created = {"created": (START + timedelta(hours=hour)).isoformat()} if hour % 3 else {}
        made.append(change(hour, f"deal:{key}", number, op=op, **created, **fields))
    return sorted(made, key=lambda each: each.at)


@settings(max_examples=60)
@given(story=STORY, of=st.integers(2, 4), rng=st.randoms(use_true_random=False))
def test_the_partitions_decide_together_what_one_would_alone(story: Any, of: int, rng: random.Random) -> None:
    history = history_of(story)
    assert by_content(run(history, of, rng).seen) == by_content(run(history).seen)


@settings(max_examples=60)
@given(story=STORY, hours=st.lists(st.integers(0, 24 * 35), max_size=20))
def test_how_often_time_is_told_changes_nothing(story: Any, hours: list[int]) -> None:
    history = history_of(story)
    log = Log(HALF, 2)
    moments = iter([*sorted(micros(START + hour * HOURS) for hour in hours), END])
    moment = next(moments)
    for each in history:
        while moment <= micros(each.at):
            log.until(moment)
            moment = next(moments)
        log.take(each)
    log.until(END)
    assert by_content(log.seen) == by_content(run(history).seen)


@settings(max_examples=60)
@given(story=STORY, cut=st.integers(0, 24 * 30))
def test_nothing_looks_ahead(story: Any, cut: int) -> None:
    history = history_of(story)
    until = micros(START + cut * HOURS)
    early = Log(HALF, 2)
    for each in history:
        if micros(each.at) <= until:
            early.take(each)
    early.until(until)
    whole = [each for each in run(history, 2).seen if from_rfc3339(each.at) <= until]
    assert by_content(early.seen) == by_content(whole)


@settings(max_examples=60)
@given(story=STORY, cuts=st.lists(st.integers(0, 60), max_size=3), rng=st.randoms(use_true_random=False))
def test_workers_that_take_over_go_on_as_it_was(story: Any, cuts: list[int], rng: random.Random) -> None:
    history = history_of(story)
    log = Log(HALF, 2, rng)
    for number, each in enumerate(history):
        log.take(each)
        if number in cuts:
            log.restart()
    log.restart()
    log.until(END)
    assert by_content(log.seen) == by_content(run(history).seen)


def test_those_histories_are_judged_by_what_is_known_of_similar_records() -> None:
    story = [
        (100, number, "upsert", {"stage": "a", "segment": ["small", "large"][number - 1]})
        for number in (1, 2)
    ]
    seen = run(history_of(story)).seen
    assert any("similar deals (stage=a, segment=small)" in each.summary for each in seen)
    assert len({each.reason["clock"]["limit"] for each in seen if each.event == "opened"}) > 1


def test_a_worker_that_takes_over_knows_what_was_known() -> None:
    log = Log(HALF, 2)
    for each in steady(10, hours=6):
        log.take(each)
    log.until(micros(START + 45 * HOURS))
    log.restart()
    log.take(change(46, "deal:77", 0, stage="a", segment="small", created=(START + 46 * HOURS).isoformat()))
    log.until(micros(START + 54 * HOURS))
    assert opened(log.seen) in ([51], [52])


def test_what_goes_on_is_told_every_day_and_what_is_over_once() -> None:
    def days(history: list[Change]) -> list[int]:
        return [(micros(each.at) - micros(START)) // DAY for each in run(history).told]

    created = START.isoformat()
    begun = [change(0, "deal:1", 0, stage="a", created=created)]
    assert days(begun) == list(range(40))
    assert days([*begun, change(30, "deal:1", 1, stage=None)]) == [0, 1]
    assert days([change(0, "deal:1", 0, owner="anna")]) == [0]


def test_a_repeat_and_an_older_tally_change_nothing() -> None:
    history = history_of([])
    log = run(history)
    again = Log(HALF)
    told = iter(log.told)
    heard: list[Tallied] = []
    for each in history:
        again.take(each)
        while len(heard) < len(again.told):
            heard.append(next(told))
        for entry in heard[-3:]:
            again.seen += again.partitions[0].fold(entry)
    again.until(END)
    assert by_content(again.seen) == by_content(log.seen)


def test_a_large_tally_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(history_of([]), of=2)
    monkeypatch.setattr(baselines, "_LARGEST", 1)
    parts = run(history_of([]), of=2)
    assert max(each.parts for each in parts.told) > 1
    assert {each.parts for each in whole.told} == {1}
    assert all(len(each.groups) <= 1 for each in parts.told)
    assert by_content(parts.seen) == by_content(whole.seen)


def told_of(at: int, part: int = 1, parts: int = 1, of: int = 1, stay: int = HOUR) -> Tallied:
    """Twenty deals left stage a after `stay`."""
    stays = baselines.Stays.of([stay] * 20)
    group = (("stage", "a"), ("segment", "small"))
    return Tallied(
        partition=0,
        of=of,
        about="deal",
        by=("stage", "segment"),
        at=START + timedelta(microseconds=at),
        since=START + timedelta(microseconds=at + AHEAD),
        part=part,
        parts=parts,
        groups=((group, (stays.buckets, stays.counts), ((), ())),) if part == parts else (),
    )


def waiting_deal() -> Partition:
    partition = Partition([(0, HALF)])
    partition.advance(micros(START))
    partition.fold(change(0, "deal:1", 0, stage="a", segment="small"))
    return partition


def opened(escalations: list[Escalation]) -> list[int]:
    """Hours after START."""
    return [(from_rfc3339(each.at) - micros(START)) // HOUR for each in escalations if each.event == "opened"]


def test_a_tally_that_comes_late_holds_from_when_it_is_read() -> None:
    partition = waiting_deal()
    partition.advance(micros(START) + 30 * HOUR)
    assert partition.fold(told_of(0)) == []
    (said,) = partition.advance(micros(START) + 31 * HOUR)
    assert from_rfc3339(said.at) == micros(START) + 30 * HOUR + 1


def test_it_does_not_hold_before_it_is_whole_or_before_its_moment() -> None:
    partition = waiting_deal()
    partition.fold(told_of(10 * HOUR, part=2, parts=2))
    assert partition.advance(micros(START) + 12 * HOUR) == []
    partition.fold(told_of(10 * HOUR, part=1, parts=2))
    assert opened(partition.advance(micros(START) + 13 * HOUR)) == [12]
    other = waiting_deal()
    other.fold(told_of(10 * HOUR))
    assert other.advance(micros(START) + 11 * HOUR - 1) == []
    assert opened(other.advance(micros(START) + 11 * HOUR)) == [11]


def test_tallies_that_wait_each_hold_from_their_own_moment() -> None:
    partition = waiting_deal()
    partition.fold(told_of(10 * HOUR, stay=20 * HOUR))
    partition.fold(told_of(30 * HOUR, stay=2 * HOUR))
    assert opened(partition.advance(micros(START) + 40 * HOUR)) == [20]


def test_a_tally_of_another_log_is_not_taken() -> None:
    partition = waiting_deal()
    partition.fold(told_of(0, of=4))
    assert partition.advance(micros(START) + 3 * DAY) == []


def test_a_change_that_comes_after_its_moment_is_judged_by_it_though_no_tick_came() -> None:
    partition = waiting_deal()
    partition.fold(told_of(10 * HOUR))
    said = partition.fold(change(12, "deal:1", 1, stage="b"))
    assert [(each.event, each.at) for each in said] == [
        ("opened", rfc3339(micros(START) + 11 * HOUR)),
        ("resolved", rfc3339(micros(START) + 12 * HOUR)),
    ]


def test_a_record_with_a_deadline_at_that_very_moment_is_judged_by_it_too() -> None:
    document = dict(HALF.document)
    fixed = {"about": "deal", "when": {"in_stage": "11h"}, "steps": [{"notify": "anna"}]}
    document["paths"] = {"fixed": fixed, **document["paths"]}
    partition = Partition([(0, read_rules(document, Problems()))])
    partition.advance(micros(START))
    partition.fold(change(0, "deal:1", 0, stage="a", segment="small"))
    partition.fold(told_of(10 * HOUR))
    seen = partition.advance(micros(START) + 12 * HOUR)
    assert [(each.path, opened([each])) for each in seen] == [("fixed", [11]), ("p", [11])]


def test_a_record_that_is_ahead_of_the_others_is_judged_when_the_tally_is_read() -> None:
    partition = waiting_deal()
    partition.fold(change(20, "deal:1", 1, owner="bert"))
    assert opened(partition.fold(told_of(10 * HOUR))) == [20]
    assert partition.advance(micros(START) + 30 * HOUR) == []


def test_a_newer_tally_for_the_same_moment_counts_for_records_that_are_ahead_too() -> None:
    partition = waiting_deal()
    partition.advance(micros(START) + 20 * HOUR)
    partition.fold(told_of(1 * HOUR, stay=5 * DAY))
    partition.fold(change(21, "deal:1", 1, owner="bert"))
    partition.fold(told_of(2 * HOUR, stay=23 * HOUR))
    (found,) = opened(partition.advance(micros(START) + 30 * HOUR))
    assert found in (22, 23)


def test_what_was_too_long_once_stays_so_though_the_limit_moves() -> None:
    partition = waiting_deal()
    partition.fold(told_of(10 * HOUR))
    seen = partition.advance(micros(START) + 20 * HOUR)
    partition.fold(told_of(30 * HOUR, stay=5 * DAY))
    seen += partition.advance(micros(START) + 50 * HOUR)
    seen += partition.fold(change(51, "deal:1", 1, status="paused"))
    assert [each.event for each in seen] == ["opened"]
    assert [each.event for each in partition.fold(change(52, "deal:1", 2, segment="large"))] == ["resolved"]


@pytest.mark.parametrize(
    ("fields", "hours"), [({"stage": "b"}, 60 + 9 * 24), ({"segment": "large"}, 9 * 24), ({}, 5 * 24)]
)
def test_what_ends_it_or_moves_it(fields: Fields, hours: int) -> None:
    partition = waiting_deal()
    partition.fold(told_of(10 * HOUR, stay=5 * DAY))
    if fields:
        partition.fold(change(60, "deal:1", 1, **fields))
    if fields == {"segment": "large"}:
        # Too few are large, but all in the stage are known.
        hours = 5 * 24
    assert abs(opened(partition.advance(END))[0] - hours) <= 1


def test_a_new_version_of_the_path_goes_on_with_what_is_known() -> None:
    partition = waiting_deal()
    partition.fold(told_of(10 * HOUR, stay=5 * DAY))
    partition.advance(micros(START) + 20 * HOUR)
    stricter = compiled_with(
        {"longer_than_similar": "80%", "by": ["stage", "segment"], "sample": 6, "otherwise": "9d"}
    )
    partition.fold(NewRules(START + 30 * HOURS, dict(stricter.document)))
    partition.fold(told_of(40 * HOUR, stay=4 * DAY))
    (said,) = partition.advance(END)
    assert abs(opened([said])[0] - 4 * 24) <= 1
    assert said.version == stricter.version
    assert said.reason["clock"]["similar"]["sample"] == 6


def test_new_rules_and_tallies_wait_in_the_order_of_their_moments() -> None:
    other = compiled_with({**SIMILAR, "otherwise": "3d"})
    for order in ((0, 1), (1, 0)):
        partition = waiting_deal()
        news: list[Entry] = [
            told_of(10 * HOUR, stay=5 * DAY),
            NewRules(START + 2 * HOURS, dict(other.document)),
        ]
        for index in order:
            partition.fold(news[index])
        assert opened(partition.advance(END)) == [3 * 24]


def test_a_path_that_compares_nothing_keeps_nothing() -> None:
    partition = Partition([(0, rules(path("{in_stage: 10d}", about="deal")))])
    for each in steady(10, hours=24):
        partition.advance(micros(each.at))
        partition.fold(each)
    assert not partition.similar.has_news()
    assert partition.similar.due is None


def test_what_is_kept_is_under_keys_that_no_record_has() -> None:
    log = run(history_of([]), of=2)
    assert log.states[0]
    assert all(key.startswith(b":") for key in log.states[0])


def test_what_is_told_to_a_log_that_has_not_begun_is_known_when_it_does() -> None:
    partition = Partition()
    partition.fold(told_of(0))
    partition.fold(NewRules(START, dict(HALF.document)))
    partition.fold(Tick((Mark("crm", 0, 1, START),)))
    partition.fold(change(0.1, "deal:1", 0, stage="a", segment="small"))
    assert opened(partition.fold(Tick((Mark("crm", 0, 1, START + 5 * HOURS),)))) == [1]


def test_stays_of_long_ago_are_forgotten() -> None:
    similar = Similar()
    basis = Basis("deal", ("stage",))
    similar.begin([basis], 0)

    def lives(number: int, at: int) -> None:
        key = f"deal:{number}"
        opening = {"created": rfc3339(at), "stage": "a"}
        start = datetime.fromtimestamp(0, UTC)
        before = None
        for hour, fields in ((0, opening), (5, {"stage": "b"})):
            made = Change(
                record=key,
                op="upsert",
                at=start + timedelta(microseconds=at + hour * HOUR),
                feed="crm",
                source=Source("crm", 0, hour),
                fields=fields,
            )
            after, _ = records.apply(before, made, micros(made.at))
            similar.saw(basis, before, after)
            before = after

    def known(at: int) -> int:
        similar.tell(at, [])
        (said,) = similar.outbox
        state.update(similar.news())
        similar.clear()
        return sum(sum(completed[1]) for _, completed, _ in said.groups)

    state: dict[bytes, bytes] = {}
    lives(1, 0)
    assert known(DAY) == 1
    lives(2, KEPT // 2)
    assert known(KEPT // 2 + 2 * DAY) == 2
    lives(3, KEPT + 100 * DAY)
    assert known(KEPT + 102 * DAY) == 2
    similar = Similar(values=state)
    lives(4, 2 * KEPT)
    assert known(2 * KEPT + 2 * DAY) == 2


# Real history


@pytest.fixture(scope="module")
def loans() -> list[dict[str, str]]:
    """The applications' own stages, of the first ten weeks."""
    if not LOANS.exists():
        pytest.skip(f"the history {LOANS.name} is not beside the repository")
    with gzip.open(LOANS, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["concept:name"].startswith("A_")]
    return [row for row in rows if row["time:timestamp"] < "2011-12-08"]


CLOSED = ["A_DECLINED", "A_CANCELLED", "A_ACTIVATED", "A_REGISTERED", "A_APPROVED"]
LOAN_FEED = {
    "format": "csv",
    "at": "time:timestamp",
    "time": {"format": "iso"},
    "record": {
        "kind": "deal",
        "id": "case:concept:name",
        "stage": {"field": "concept:name", "closed": CLOSED},
        "created": "case:REG_DATE",
    },
}


def stays(rows: list[dict[str, str]], stage: str) -> Iterator[tuple[str, int, int | None]]:
    """Application, when it entered `stage`, when it left."""
    by_case: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        at = micros(datetime.fromisoformat(row["time:timestamp"]))
        by_case.setdefault(row["case:concept:name"], []).append((at, row["concept:name"]))
    for case, visits in by_case.items():
        for index, (at, name) in enumerate(visits):
            if name == stage and (index == 0 or visits[index - 1][1] != stage):
                later = [left for left, other in visits[index + 1 :] if other != stage]
                yield case, at, later[0] if later else None


def test_loans_that_wait_longer_than_nine_of_ten_are_those_that_can_be_counted_by_hand(
    loans: list[dict[str, str]],
) -> None:
    compiled = compiled_with({"longer_than_similar": "90%", "sample": 30, "otherwise": "30d"})
    feed = read_feed("crm", Node(LOAN_FEED))
    messages = [Message("loans", 0, n, None, json.dumps(row).encode()) for n, row in enumerate(loans)]
    seen = list(replay(compiled, read_history(feed, messages).changes))
    stage = "A_PREACCEPTED"
    midnight = micros(datetime(2011, 12, 1, tzinfo=UTC))
    known = [(at, left) for _, at, left in stays(loans, stage) if at < midnight]
    curve = ecdf(
        CensoredData(
            uncensored=[left - at for at, left in known if left is not None and left < midnight],
            right=[midnight - at for at, left in known if left is None or left >= midnight],
        )
    ).sf
    exact = next(t for t, s in zip(curve.quantiles, curve.probabilities, strict=True) if s <= 0.1 + 1e-9)

    today = [midnight + AHEAD + MINUTE, midnight + DAY + AHEAD - MINUTE]
    fired = [
        each
        for each in seen
        if each.event == "opened"
        and each.reason["clock"]["stage"] == stage
        and bisect_right(today, from_rfc3339(each.at)) == 1
    ]
    assert len(fired) >= 5
    for each in fired:
        took = from_rfc3339(each.at) - from_rfc3339(each.reason["clock"]["entered"])
        assert abs(took - exact) <= exact / 64
        assert each.reason["clock"]["similar"]["left"] + each.reason["clock"]["similar"]["there"] == len(
            known
        )
    # Whoever waits then for that long is told, and nobody else.
    limit = from_rfc3339(fired[0].at) - from_rfc3339(fired[0].reason["clock"]["entered"])
    waiting = {
        f"deal:{case}"
        for case, at, left in stays(loans, stage)
        if bisect_right(today, at + limit) == 1 and (left is None or left > at + limit)
    }
    assert {each.record for each in fired} == waiting
