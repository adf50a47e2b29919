"""What must make no difference: repeats, batches, restarts, extra ticks, other records, the hash seed."""

import copy
import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.core import record as records
from streams.core.document import Problems
from streams.core.entries import Change, Command, Entry, Mark, NewRules, Source, Tick
from streams.core.escalation import Escalation, encode, opened
from streams.core.partition import Partition
from streams.core.record import Record
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import micros
from streams.core.triggers import TRIGGERS
from tests.core.worlds import read_scripted, rules

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
KINDS = {"scripted": read_scripted}


@pytest.fixture(autouse=True, scope="module")
def scripted() -> Iterator[None]:
    with patch.dict(TRIGGERS, KINDS):
        yield


FIRST = """
paths:
  idle:
    about: ticket
    when: {untouched: 30m}
    for: 10m
    hold: 20m
    rearm: 40m
    acknowledged_for: 50m
    steps: [{notify: owner}, {after: 20m, notify: dora, reassign: "team:triage"}]
  big:
    about: ticket
    where: {priority: high}
    when: {value: {crosses: 100 EUR}}
    hold: 30m
    steps: [{after: 10m, notify: owner, repeat: {every: 20m, times: 3}}]
  stalled:
    about: ticket
    when: {in_stage: 40m}
    give_up: 90m
    shadow: true
    steps: [{notify: "team:triage"}, {after: 30m, notify: owner.manager}]
  late:
    about: ticket
    when: {scripted: true}
    rearm: {after: 2h, or: worse by 10 points}
    steps: [{notify: owner}, {after: 10m, notify: dora, severity: high}]
"""
SECOND = (
    FIRST.replace("for: 10m", "for: 40m")
    .replace("shadow: true", "shadow: false")
    .replace("{crosses: 100 EUR}", "{crosses: 50 EUR}")
    .replace("hold: 30m", "hold: 0m")
)
THIRD = """
paths:
  idle: {about: ticket, when: {untouched: 1h}, steps: [{notify: owner}]}
  new: {about: ticket, when: {in_stage: 10m}, backlog: ignore, steps: [{notify: owner}]}
  late: {about: ticket, when: {value: {crosses: 100 EUR}}, hold: 1h, steps: [{notify: dora}]}
"""
with patch.dict(TRIGGERS, KINDS):
    VERSIONS = [rules(text) for text in (FIRST, SECOND, THIRD)]

NAMES = st.sampled_from(["ticket:1", "ticket:2"])
OPS: st.SearchStrategy[Any] = st.sampled_from([*["upsert"] * 6, *["refresh"] * 4, "delete"])
FIELDS = st.fixed_dictionaries(
    {"currency": st.just("EUR")},
    optional={
        "owner": st.sampled_from(["anna", "bert", None]),
        "stage": st.sampled_from(["a", "b"]),
        "status": st.sampled_from([*["open"] * 6, "paused", "closed"]),
        "priority": st.sampled_from(["high", "low"]),
        "value": st.sampled_from([60.0, 100.0, None]),
        "merged": st.sampled_from([*[None] * 6, "ticket:9"]),
        "deadline": st.sampled_from([None, 560, 600, 620, 700]),
        "score": st.sampled_from([10, 20, 30]),
    },
)
DEEDS: st.SearchStrategy[Any] = st.sampled_from(["acknowledge", "snooze", "noise", "reopen"])
PATHS = st.sampled_from([*[None] * 5, "idle", "big", "stalled", "late", "new"])
# Coarse, so that things fall on the same moment often.
TENS = st.integers(0, 6).map(lambda number: timedelta(minutes=10 * number))
LATEST = timedelta(minutes=60)


def restarted(partition: Partition) -> Partition:
    """As a worker takes it up that knows nothing but what was stored."""
    known: list[tuple[int, Rules]] = []
    for since, each in partition.rules:
        problems = Problems()
        known.append((since, read_rules(msgspec.json.decode(msgspec.json.encode(each.document)), problems)))
        assert not problems
    return Partition(known, dict(partition.records.encoded), copy.deepcopy(partition.feeds))


class Stories:
    """Follows the events of each path and record: which may come after which."""

    def __init__(self) -> None:
        self.ids: dict[str, bytes] = {}
        self.latest: dict[tuple[str, str], Escalation] = {}

    def follow(self, each: Escalation) -> None:
        assert self.ids.get(each.id, encode(each)) == encode(each), "an id with two contents"
        assert each.id not in self.ids, "an id that comes twice"
        self.ids[each.id] = encode(each)
        before = self.latest.get((each.record, each.path))
        number, step, event = (before.episode, before.step, before.event) if before else (0, 0, "resolved")
        opened = event in ("opened", "advanced", "acknowledged", "snoozed", "reopened") and step > 0
        if each.event == "warned":
            assert not opened
            assert each.episode - number in ((0, 1) if event == "warned" else (1,))
        elif each.event == "opened":
            assert not opened, "two episodes are open"
            assert each.step == 1
            # A deadline that was met ends what the warnings began, in silence.
            assert each.episode - number in ((0, 1) if event == "warned" else (1,))
        elif each.event == "reopened" and not each.step:
            assert event == "noise"
            assert each.episode == number
        else:
            assert opened, f"{each.event} after {event}"
            assert each.episode == number
            assert each.step == step + (each.event == "advanced")
        assert before is None or each.at >= before.at
        self.latest[each.record, each.path] = each


class Disturbed(RuleBasedStateMachine):
    """One log, folded twice: plainly, and with every disturbance that a worker and intake may meet.

    A command is written twice at once, and not again later: `test_commands.py` says why.
    """

    @initialize()
    def begin(self) -> None:
        self.now = START
        self.plain = Partition([(0, VERSIONS[0])])
        self.disturbed = Partition([(0, VERSIONS[0])])
        self.log: list[Entry] = []
        self.decided: tuple[list[Escalation], list[Escalation]] = ([], [])
        self.stories = Stories()
        for record in ("ticket:1", "ticket:2"):
            facts = {"owner": "anna", "stage": "a", "priority": "high", "deadline": 600, "score": 10}
            self.change(record, "upsert", {**facts, "value": 100.0, "currency": "EUR"}, None)

    def write(self, entry: Entry) -> None:
        self.log.append(entry)
        self.decided[0].extend(self.plain.fold(entry))
        self.disturb(entry)

    def disturb(self, entry: Entry) -> None:
        escalations = self.disturbed.fold(entry)
        for each in escalations:
            self.stories.follow(each)
        self.decided[1].extend(escalations)

    @rule(wait=TENS)
    def wait(self, wait: timedelta) -> None:
        self.now += wait

    @rule(record=NAMES, op=OPS, fields=FIELDS, late=st.none() | TENS)
    def changes(self, record: str, op: Any, fields: dict[str, Any], late: timedelta | None) -> None:
        self.change(record, op, fields, late)

    def change(self, record: str, op: Any, fields: dict[str, Any], late: timedelta | None) -> None:
        number = len(self.log)
        at = self.now - (late or timedelta(0))
        source = Source("crm", 0, number)
        self.write(
            Change(record=record, op=op, at=at, feed="crm", source=source, order=(number,), fields=fields)
        )

    @rule(
        record=NAMES, said=st.lists(st.tuples(DEEDS, PATHS, st.none() | TENS, TENS), min_size=1, max_size=3)
    )
    def commands(self, record: str, said: list[tuple[Any, str | None, timedelta | None, timedelta]]) -> None:
        for do, path, until, late in said:
            self.command(record, do, path, until, late)

    def command(self, record: str, do: Any, path: str | None, until: Any, late: timedelta) -> None:
        number = str(len(self.log))
        at = self.now - late
        until = None if until is None else at + until
        command = Command(id=number, record=record, path=path, do=do, by="bert", at=at, until=until)
        self.write(command)
        self.disturb(command)

    @rule(version=st.sampled_from(VERSIONS))
    def adopt(self, version: Rules) -> None:
        self.write(NewRules(self.now, dict(version.document)))
        self.write(Tick((Mark("crm", 0, 1, self.now),)))

    @rule(early=TENS)
    def extra_tick(self, early: timedelta) -> None:
        """Up to where nothing older can come."""
        self.disturb(Tick((Mark("crm", 0, 1, self.now - LATEST - early),)))

    @rule()
    def restart(self) -> None:
        self.disturbed = restarted(self.disturbed)

    @rule(back=st.integers(1, 5))
    def repeat(self, back: int) -> None:
        for entry in self.log[-back:]:
            if isinstance(entry, Change | Tick):
                self.disturb(entry)

    @invariant()
    def records_survive_encoding(self) -> None:
        for record in self.disturbed.records.values():
            assert records.decode(records.encode(record)) == record
            assert record.due is None or record.due == records.earliest(record.standings)

    @invariant()
    def what_was_decided_tells_how_many_are_open(self) -> None:
        standings = [each.standings for each in self.disturbed.records.values()]
        open_now = Counter(path for each in standings for path in each if each[path].step)
        assert +opened(self.decided[1]) == open_now

    def teardown(self) -> None:
        if not hasattr(self, "now"):
            return
        end = Tick((Mark("crm", 0, 1, self.now + timedelta(days=2)),))
        self.write(end)
        plain, disturbed = (sorted(map(encode, each)) for each in self.decided)
        assert disturbed == plain
        assert self.disturbed.records == self.plain.records


TestDisturbed = Disturbed.TestCase
TestDisturbed.settings = settings(max_examples=60, stateful_step_count=30)


ENTRIES = st.lists(
    st.tuples(NAMES, TENS, st.tuples(OPS, FIELDS) | st.tuples(DEEDS, PATHS)), min_size=1, max_size=25
)


def written(drawn: list[tuple[str, timedelta, tuple[Any, Any]]]) -> list[Change | Command]:
    """As a log, each entry a while after the one before."""
    log: list[Change | Command] = []
    at = START
    for number, (record, wait, (what, more)) in enumerate(drawn):
        at += wait
        if isinstance(more, dict):
            source = Source("crm", 0, number)
            log.append(
                Change(record=record, op=what, at=at, feed="crm", source=source, order=(number,), fields=more)
            )
        else:
            until = at + timedelta(minutes=30)
            log.append(
                Command(id=str(number), record=record, path=more, do=what, by="bert", at=at, until=until)
            )
    return log


def folded(log: list[Any]) -> tuple[dict[str, list[bytes]], dict[str, Record]]:
    """By record: what was decided, and what it has come to."""
    partition = Partition([(0, VERSIONS[0])])
    decided = [each for entry in log for each in partition.fold(entry)]
    decided += partition.advance(micros(START + timedelta(days=2)))
    by_record: dict[str, list[bytes]] = {}
    for each in decided:
        by_record.setdefault(each.record, []).append(encode(each))
    return by_record, dict(partition.records)


@given(ENTRIES, st.randoms(use_true_random=False))
def test_entries_of_different_records_may_be_swapped(drawn: Any, rng: random.Random) -> None:
    log = written(drawn)
    queues = [[each for each in log if each.record == name] for name in ("ticket:1", "ticket:2")]
    swapped = []
    while any(queues):
        swapped.append(rng.choice([queue for queue in queues if queue]).pop(0))
    assert folded(swapped) == folded(log)


ROW = st.fixed_dictionaries(
    {
        "owner": st.sampled_from(["anna", "bert", None]),
        "customer": st.sampled_from(["c", None]),
        "stage": st.sampled_from(["a", "b", "c"]),
        "status": st.sampled_from(["open", "paused", "closed"]),
        "priority": st.sampled_from(["high", "low"]),
        "value": st.sampled_from([50.0, 100.0, None]),
        "currency": st.sampled_from(["EUR", "USD"]),
        "merged": st.sampled_from([None, "ticket:9"]),
        "health": st.sampled_from([10.0, 50.0]),
        "contacts": st.integers(0, 3),
        "color": st.sampled_from(["red", None]),
    }
)


@given(
    st.lists(st.tuples(TENS, ROW), min_size=1, max_size=8), st.booleans(), st.randoms(use_true_random=False)
)
def test_of_whole_rows_in_any_order_the_last_facts_are_safe(
    rows: Any, deleted: bool, rng: random.Random
) -> None:
    """Of a feed that keeps the order; of the others all facts are: tests/core/test_disorder.py."""
    log = written([("ticket:1", wait, ("upsert", row)) for wait, row in rows])
    if deleted:
        log[-1] = msgspec.structs.replace(log[-1], op="delete")
    shuffled = rng.sample(log, len(log))
    if deleted and shuffled[0] is log[-1]:
        # A row that is deleted before it is known leaves nothing to tell.
        shuffled.append(shuffled.pop(0))
    (first, second) = (folded(each)[1]["ticket:1"] for each in (log, shuffled))
    for name in (
        *("stage", "status", "owner", "customer", "merged", "priority", "value", "currency"),
        *("health", "contacts", "color"),
    ):
        assert first.fact(name) == second.fact(name), name
    assert first.deleted == second.deleted == deleted
    assert first.applied == second.applied
    assert deleted or first.touched == second.touched


def test_the_way_to_the_last_facts_is_not_safe() -> None:
    """What the test above leaves out does depend on the order of arrival."""
    stages = [{"stage": "a"}, {"stage": "b"}, {"stage": "a"}]
    log = written([("ticket:1", timedelta(minutes=10), ("upsert", row)) for row in stages])
    (first, second) = (folded(each)[1]["ticket:1"] for each in (log, [log[0], log[2], log[1]]))
    assert first.stage == second.stage
    assert first.entered != second.entered


def digest() -> str:
    """Of everything that a short story leads to, restarts included."""
    with patch.dict(TRIGGERS, KINDS):
        partition = Partition([(0, VERSIONS[0])])
        rng = random.Random(7)
        sha = hashlib.sha256()
        at = START
        for number in range(120):
            at += timedelta(minutes=10)
            record = f"ticket:{rng.randrange(3)}"
            fields = {
                "stage": rng.choice("ab"),
                "owner": rng.choice(["anna", "bert"]),
                "priority": "high",
                "value": rng.choice([50.0, 150.0]),
                "currency": "EUR",
                "deadline": 540 + 10 * number,
                "score": rng.randrange(40),
            }
            source = Source("crm", 0, number)
            entry: Entry = Change(
                record=record, op="upsert", at=at, feed="crm", source=source, order=(number,), fields=fields
            )
            if number % 7 == 3:
                entry = Command(id=str(number), record=record, do="acknowledge", by="bert", at=at)
            if number % 40 == 39:
                entry = NewRules(at, dict(VERSIONS[1 + number // 40 % 2].document))
            for each in partition.fold(entry):
                sha.update(encode(each))
            if number % 20 == 10:
                partition = restarted(partition)
        for each in partition.advance(micros(at + timedelta(days=2))):
            sha.update(encode(each))
        for key in sorted(partition.records):
            sha.update(records.encode(partition.records[key]))
        return sha.hexdigest()


def test_the_hash_seed_makes_no_difference() -> None:
    program = "from tests.core.test_properties import digest; print(digest())"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "2")
    }
    assert found == {digest()}
