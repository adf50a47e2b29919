"""What is known of similar records, on a real broker: told to every partition, and kept."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from streams.agents.records import RecordsPartition
from streams.agents.states import states
from streams.core import entries, escalation
from streams.core.entries import Change, Entry, Mark, NewRules, Tallied, Tick
from streams.core.escalation import Escalation
from streams.feeds import Message
from streams.log.connection import Connection
from tests.broker.test_delivery import Place
from tests.brokers import Broker
from tests.core.test_stage import HALF, HOURS, START, change

pytestmark = pytest.mark.broker

OF = 2


class Log:
    """The log's partitions, each with its owner, and what they have read of it so far."""

    def __init__(self, connection: Connection, prefix: str, folder: Path) -> None:
        self._place = Place(connection, prefix, folder)
        self._place.create_topics()
        self.connection = connection
        self.topics = self._place.topics
        self._ends = [0] * OF
        self._told = 0
        self.owners = [self._open(number) for number in range(OF)]
        self.to_all(NewRules(START - 1000 * HOURS, dict(HALF.document)))

    def _open(self, number: int, data: str = "data") -> RecordsPartition:
        folder = self._place.folder(data)
        owner = self._place.closing(RecordsPartition(self.connection, self.topics, number, folder))
        owner.open()
        return owner

    def take(self, made: Change) -> None:
        self._say(int(made.record.partition(":")[2]) % OF, made)

    def until(self, hours: float) -> None:
        """Time passes; what the partitions tell each other is read by all of them."""
        self.to_all(Tick((Mark("crm", 0, 1, START + timedelta(hours=hours)),)))
        told = self.told()
        for entry in told[self._told :]:
            self.to_all(entry)
        self._told = len(told)

    def to_all(self, entry: Entry) -> None:
        for number in range(OF):
            self._say(number, entry)

    def _say(self, number: int, entry: Entry) -> None:
        name = self.topics.changes.name
        message = Message(name, number, self._ends[number], None, entries.encode(entry), 0, ())
        self._ends[number] += 1
        self.owners[number].process([message])

    def told(self) -> list[Tallied]:
        """What the owners wrote into the log, which is the same in each of its partitions."""
        said = [(each.partition, entries.decode(each.value or b"")) for each in self._place.changes()]
        first, second = ([entry for number, entry in said if number == each] for each in range(OF))
        assert first == second
        return [entry for entry in first if isinstance(entry, Tallied)]

    def restart(self, data: str) -> None:
        self._place.close()
        self.owners = [self._open(number, data) for number in range(OF)]

    def seen(self) -> list[Escalation]:
        said = [escalation.decode(each.value or b"") for each in self._place.escalations()]
        return sorted(said, key=lambda each: each.record)

    def close(self) -> None:
        self._place.close()


@pytest.fixture
def log(broker: Broker, topic_prefix: str, tmp_path: Path) -> Iterator[Log]:
    log = Log(Connection(broker.address), topic_prefix, tmp_path)
    yield log
    log.close()


def born(number: int, hours: float) -> Change:
    created = (START + timedelta(hours=hours)).isoformat()
    return change(hours, f"deal:{number}", 0, stage="a", segment="small", created=created)


@pytest.mark.parametrize("data", ["data", "another"])
def test_a_worker_that_comes_back_knows_what_similar_records_took(log: Log, data: str) -> None:
    log.until(0)
    for number in range(8):
        log.take(born(number, 0.5))
        log.take(change(3.5, f"deal:{number}", 1, stage="b"))
    # Midnight is after 15 hours; what is told then holds an hour later.
    log.until(15.5)
    assert {each.partition for each in log.told()} == {0, 1}
    log.until(16.5)
    log.restart(data)
    for number in (77, 78):
        log.take(born(number, 17))
    log.until(24)
    assert [each.record for each in log.seen()] == ["deal:77", "deal:78"]
    for each in log.seen():
        at = datetime.fromisoformat(each.at) - START
        assert abs(at - timedelta(hours=20)) < timedelta(minutes=2)
        assert "of 8 similar deals (stage=a, segment=small) 50 % had left by" in each.summary
    assert len(list(states(log.connection, log.topics))) == 10


def test_a_stay_that_nobody_has_told_of_yet_is_kept(log: Log) -> None:
    log.until(0)
    for number in range(8):
        log.take(born(number, 0.5))
        log.take(change(3.5, f"deal:{number}", 1, stage="b"))
    log.restart("another")
    log.until(15.5)
    assert sum(sum(group[1][1]) for each in log.told() for group in each.groups) == 8
    assert {each.at for each in log.told()} == {START + 15 * HOURS}
