"""Owners of partitions over a simulated broker: crashes, zombies and lost disks between any two steps.

What must hold after every step: each escalation is there once, and each dead letter of the log; what is
committed is the fold of the log up to the committed position, escalations and states alike; and no local
store is ahead of what is committed (simulated.Store looks). At the end, with everything read, the
escalations are those of a backtest of the feed.
"""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.agents import intake, records
from streams.agents.intake import IntakePartition
from streams.agents.records import POSITION, Position, RecordsPartition
from streams.backtest.history import read_history
from streams.backtest.replay import replay
from streams.core import entries, escalation
from streams.core.document import Node
from streams.core.entries import Change, Mark, NewRules, Tick
from streams.core.partition import Partition
from streams.core.timestamps import micros
from streams.feeds.json import read_feed
from streams.log import producer, table
from streams.log.producer import Fenced
from streams.log.topics import Topics
from tests.core.worlds import rules
from tests.crash import simulated
from tests.crash.simulated import Broker, Process

PARTITIONS = 2
RULES = rules(
    "paths: {p: {about: ticket, when: {untouched: 1h},"
    " steps: [{notify: owner}, {after: 1h, notify: owner.manager}]}}"
)
TOPICS = Topics("crm.", "app", PARTITIONS)
FEED = read_feed(
    "crm",
    Node(
        {
            "format": "json",
            "topic": "feed",
            "at": "at",
            "order": "version",
            "record": {"kind": "ticket", "id": "id", "owner": "owner"},
        }
    ),
)
START = datetime(2026, 3, 2, tzinfo=UTC)
LATE = "late"
"""The record of which facts come late, so that a backtest of the feed does not decide the same."""

INTAKE = -1
OWNED = [INTAKE, *range(PARTITIONS)]
"""What can be owned: the one partition of the feed, and those of the log."""

FOLDERS = ["a", "b", "c"]
"""Each is for one worker at a time: so many are alive at once, all but the first as zombies."""


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.broker = broker = Broker({TOPICS.changes.name: PARTITIONS, TOPICS.escalations.name: 1,
                                       TOPICS.dead_letters.name: 1})  # fmt: skip
        self._patch = patch = pytest.MonkeyPatch()
        patch.setattr(producer, "Producer", lambda given: simulated.Producer(broker, given))
        patch.setattr(table, "Consumer", lambda given: simulated.Consumer(broker))
        patch.setattr(table, "Store", lambda folder: simulated.Store(broker, folder))
        patch.setattr(table, "topic_id", lambda *_: "the only one")
        patch.setattr(records, "QUIET_ENTRIES", 5)
        # They are processes of their own: what one of them holds keeps no other from computing.
        for module in (records, intake):
            patch.setattr(module, "computing", nullcontext())
        self.now = START
        self.versions = 0
        self.alive: dict[int, list[tuple[str, Process]]] = {each: [] for each in OWNED}
        self.generation = 0
        self.oracles = [Oracle() for _ in range(PARTITIONS)]
        for number in range(PARTITIONS):
            self._log(number, entries.encode(NewRules(START, dict(RULES.document))))

    # What goes in

    @rule(record=st.sampled_from(["1", "2", "3", LATE]), minutes=st.integers(0, 90))
    def change(self, record: str, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.versions += 1
        at = self.now - timedelta(minutes=90 * (self.versions % 2)) if record == LATE else self.now
        value = {"id": record, "at": at.isoformat(), "version": self.versions, "owner": "anna"}
        self.broker.say(FEED.topic, 0, orjson.dumps(value))

    @precondition(lambda self: self.broker.logs[FEED.topic, 0])
    @rule()
    def repeat(self) -> None:
        self.broker.say(FEED.topic, 0, self.broker.logs[FEED.topic, 0][-1].value or b"")

    @rule()
    def poison(self) -> None:
        self.broker.say(FEED.topic, 0, b"\xff{")

    @rule(partition=st.sampled_from(range(PARTITIONS)))
    def garbage(self, partition: int) -> None:
        self._log(partition, b"no entry")

    @rule(minutes=st.integers(0, 150))
    def time_passes(self, minutes: int) -> None:
        """As a worker says it: only where nothing of the feed is unread."""
        self.go_on(INTAKE, 0, 60)
        if self._all_read():
            self.now += timedelta(minutes=minutes)
            self._tick()

    # What befalls workers

    @rule(owned=st.sampled_from(OWNED), steps=st.integers(0, 40))
    def take_over(self, owned: int, steps: int) -> None:
        """Whoever had it goes on without knowing, until the next but one needs its folder."""
        if len(self.alive[owned]) == len(FOLDERS):
            self.alive[owned].pop()[1].die()
        data = next(name for name in FOLDERS if name not in [each for each, _ in self.alive[owned]])
        process = Process(self._intake if owned == INTAKE else lambda: self._records(owned, data))
        self.alive[owned].insert(0, (data, process))
        process.go(steps)

    @rule(owned=st.sampled_from(OWNED), which=st.integers(0, 2), steps=st.integers(1, 60))
    def go_on(self, owned: int, which: int, steps: int) -> None:
        """The latest, or one of those before it."""
        if not self.alive[owned]:
            self.take_over(owned, steps)
        for _, process in self.alive[owned][which : which + 1]:
            process.go(steps)
        self.alive[owned] = [each for each in self.alive[owned] if not each[1].over]

    @rule(owned=st.sampled_from(OWNED), which=st.integers(0, 2), kept=st.integers(0, 4))
    def crash(self, owned: int, which: int, kept: int) -> None:
        """With all of its disk but the latest writes, or without a disk at all."""
        for data, process in self.alive[owned][which : which + 1]:
            process.die()
            for folder, disk in self.broker.disks.items():
                if folder.parent == Path(data) and folder.name.endswith(f"-{owned}"):
                    lost = {4: len(disk.batches)}.get(kept, kept)
                    del disk.batches[len(disk.batches) - min(lost, len(disk.batches)) :]
        self.alive[owned] = [each for each in self.alive[owned] if not each[1].over]

    @rule(done=st.booleans())
    def an_answer_will_be_lost(self, done: bool) -> None:
        self.broker.lost_answers = [done]

    # Workers

    def _records(self, partition: int, data: str) -> None:
        connection: Any = simulated.Connection()
        owner = RecordsPartition(connection, TOPICS, partition, Path(data))
        owner.open()
        try:
            while True:
                Process.step()
                # As after a rebalance: some of it has been applied already.
                start = max(0, owner.position - 2)
                owner.process(self.broker.read(TOPICS.changes.name, partition, start)[:7])
        except Fenced:
            owner.close()

    def _intake(self) -> None:
        connection: Any = simulated.Connection()
        owner = IntakePartition(connection, TOPICS, FEED, 0, 1)
        owner.open()
        self.generation += 1
        generation, position = self.generation, self.broker.group[FEED.topic, 0]
        try:
            while True:
                Process.step()
                if batch := self.broker.read(FEED.topic, 0, position)[:5]:
                    owner.process(batch)
                    position = batch[-1].offset + 1
                    Process.step()
                    if generation == self.generation:
                        self.broker.group[FEED.topic, 0] = position
        except Fenced:
            owner.close()

    # What must hold

    @invariant()
    def each_escalation_is_there_once(self) -> None:
        ids = [escalation.decode(each.value or b"").id for each in self._committed(TOPICS.escalations.name)]
        assert len(ids) == len(set(ids))

    @invariant()
    def each_dead_letter_of_the_log_is_there_once(self) -> None:
        """Those of the feed may be repeated, as what intake writes may."""
        places = [self._place(each) for each in self._committed(TOPICS.dead_letters.name)]
        of_log = [place for place in places if place[0] == TOPICS.changes.name]
        assert len(of_log) == len(set(of_log))

    @invariant()
    def what_is_committed_is_the_fold_of_the_log(self) -> None:
        said = self._committed(TOPICS.escalations.name)
        for number, oracle in enumerate(self.oracles):
            end = len(self.broker.logs[TOPICS.changelog.name, number])
            held = simulated.compacted(self.broker.read(TOPICS.changelog.name, number, end=end))
            if POSITION in held:
                position = msgspec.json.decode(held[POSITION], type=Position).offset
                assert position >= oracle.position, "it goes back"
                oracle.come_to(position, self.broker, number)
            mine = f"{TOPICS.app}.{TOPICS.changes.name}.{number}"
            assert [each.value for each in said if each.by == mine] == oracle.said
            states = {key: value for key, value in held.items() if not key.startswith(b":")}
            assert states == {key.encode(): value for key, value in oracle.states.items()}

    def teardown(self) -> None:
        try:
            for processes in self.alive.values():
                for _, process in processes:
                    process.die()
            self._drain()
        finally:
            self._patch.undo()

    def _drain(self) -> None:
        """New workers read everything."""
        self.broker.lost_answers = []
        self._finish(Process(self._intake))
        assert self._all_read()
        self._tick()
        for partition in range(PARTITIONS):
            self._finish(Process(lambda partition=partition: self._records(partition, "last")))  # type: ignore[misc]
        self.each_escalation_is_there_once()
        self.each_dead_letter_of_the_log_is_there_once()
        self.what_is_committed_is_the_fold_of_the_log()
        changes = read_history(FEED, self.broker.read(FEED.topic, 0)).changes
        expected = sorted(
            escalation.encode(each)
            for each in replay(RULES, changes, until=micros(self.now))
            if not each.record.endswith(LATE)
        )
        said = [each.value or b"" for each in self._committed(TOPICS.escalations.name)]
        assert sorted(each for each in said if not escalation.decode(each).record.endswith(LATE)) == expected

    def _finish(self, process: Process) -> None:
        process.go(3000)
        process.die()

    # The topics

    def _tick(self) -> None:
        for partition in range(PARTITIONS):
            self._log(partition, entries.encode(Tick((Mark(FEED.name, 0, 1, self.now),))))

    def _log(self, partition: int, value: bytes) -> None:
        self.broker.say(TOPICS.changes.name, partition, value)

    def _all_read(self) -> bool:
        read, aside = set(), set()
        for partition in range(PARTITIONS):
            for message in self.broker.read(TOPICS.changes.name, partition):
                if message.value != b"no entry":
                    entry = entries.decode(message.value or b"")
                    if isinstance(entry, Change):
                        read.add(entry.source.offset)
        for letter in self._committed(TOPICS.dead_letters.name):
            topic, _, offset = self._place(letter)
            if topic == FEED.topic:
                aside.add(int(offset))
        return read | aside == set(range(len(self.broker.logs[FEED.topic, 0])))

    def _place(self, letter: simulated.Entry) -> tuple[str, ...]:
        """Topic, partition and offset of what is in it."""
        headers = dict(letter.headers)
        return tuple(
            (headers[f"escalations.{name}"] or b"").decode() for name in ("topic", "partition", "offset")
        )

    def _committed(self, topic: str) -> list[simulated.Entry]:
        return [each for each in self.broker.logs[topic, 0] if each.state == "committed"]


class Oracle:
    """One partition of the log, folded up to `position`: what was `said`, and the `states`."""

    def __init__(self) -> None:
        self.position = 0
        self.said: list[bytes] = []
        self._partition = Partition()

    @property
    def states(self) -> dict[str, bytes]:
        return self._partition.records.encoded

    def come_to(self, position: int, broker: Broker, partition: int) -> None:
        for message in broker.read(TOPICS.changes.name, partition, self.position, position):
            if message.value != b"no entry":
                entry = entries.decode(message.value or b"")
                self.said += map(escalation.encode, self._partition.fold(entry))
        self.position = position


TestSimulator = Machine.TestCase
TestSimulator.settings = settings(
    max_examples=80,
    stateful_step_count=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
