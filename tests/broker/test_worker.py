"""The worker as a process: how it starts, stops, refuses to start, and comes back."""

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from streams.config import Config, load
from streams.core.entries import Mark, Tick, encode
from streams.core.escalation import Escalation
from streams.log.connection import Connection
from streams.log.producer import PlainProducer, TransactionalProducer
from streams.log.reader import read_to_end
from streams.log.topics import Topics
from tests.brokers import Broker
from tests.live import WorkerProcess, create_topic, escalations, wait_until

pytestmark = pytest.mark.broker

CONFIG = """
version: 1
feeds:
  tickets:
    format: csv
    topic: PREFIXtickets
    at: changed
    time: {format: iso}
    record: {kind: ticket, id: id, owner: who, stage: {field: status, closed: [solved]}}
  silent:
    format: csv
    topic: PREFIXsilent
    at: changed
    time: {format: iso}
    record: {kind: deal, id: id}
people: {anna: {manager: bert}, bert: }
fallback: bert
paths:
  untouched: {about: ticket, when: {untouched: 1h}, steps: [{notify: owner}]}
live: {app: APP, prefix: PREFIX, partitions: 2, tick: 0.2s}
"""

FEED_PARTITIONS = 2
READY_SECONDS = 30
SECONDS = 40
START_AND_REFUSE_SECONDS = 10
STOP_SECONDS = 8
SESSION_SECONDS = 10


class Site:
    """A configuration with a feed that has messages and one that has none, and workers."""

    def __init__(self, folder: Path, address: str, prefix: str) -> None:
        self._folder = folder
        self._address = address
        self._workers: list[WorkerProcess] = []
        self._path = folder / "escalations.yaml"
        self._text = CONFIG.replace("PREFIX", prefix).replace("APP", prefix.rstrip("."))
        self.connection = Connection(address)
        self.config = self.configure()
        live = self.config.live
        self.topics = Topics(live.prefix, live.app, live.partitions)

    def configure(self, old: str = "", new: str = "") -> Config:
        """Write the configuration, with another text in the place of one that is there."""
        self._path.write_text(self._text.replace(old, new))
        return load(self._path)

    def create_feeds(self) -> None:
        for feed in self.config.feeds.values():
            create_topic(self.connection, feed.topic, FEED_PARTITIONS)

    def data(self, name: str) -> Path:
        return self._folder / name

    def start(self, name: str = "one", options: Iterable[str] = ()) -> WorkerProcess:
        worker = WorkerProcess(self._path, self._address, self.data(name), options)
        self._workers.append(worker)
        return worker

    def worker(self, name: str = "one") -> WorkerProcess:
        """One whose partitions are all open."""
        log = self.data(name).with_suffix(".log")
        before = log.read_text() if log.exists() else ""
        worker = self.start(name)

        def ready() -> bool:
            assert worker.running, worker.said()
            return "ready" in worker.said().removeprefix(before)

        wait_until(ready, READY_SECONDS, "the worker is ready")
        return worker

    def say(self, *values: bytes, partition: int = 0) -> None:
        messages = [{"value": value, "partition": partition} for value in values]
        PlainProducer(self.connection).write(self.config.feeds["tickets"].topic, messages)

    def tick(self, partition: int, of: int) -> None:
        """That somebody has read the feed's partition up to now."""
        mark = Mark("tickets", partition, of, datetime.now(UTC))
        messages = [{"value": encode(Tick((mark,))), "partition": number} for number in range(2)]
        PlainProducer(self.connection).write(self.topics.changes.name, messages)

    def live(self) -> list[Escalation]:
        return escalations(self.connection, self.config)

    def events(self) -> Counter[tuple[str, str]]:
        return Counter((each.record, each.event) for each in self.live())

    def wait_for(self, *expected: tuple[str, str]) -> None:
        """Until these have been escalated; nothing else may be, nor anything twice."""

        def there() -> bool:
            events = self.events()
            assert events <= Counter(expected)
            return events == Counter(expected)

        wait_until(there, SECONDS, f"{len(expected)} escalations, the last {expected[-1]}")

    def stop(self) -> None:
        for worker in self._workers:
            if worker.running:
                worker.kill()


@pytest.fixture
def site(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Site]:
    site = Site(tmp_path, broker.address, topic_prefix)
    site.create_feeds()
    yield site
    site.stop()


def row(ticket: int | str, ago: timedelta = timedelta(hours=2), status: str = "open") -> bytes:
    """A ticket as it became so long ago. Untouched for two hours, it is to be escalated."""
    at = datetime.now(UTC) - ago
    return orjson.dumps({"id": str(ticket), "changed": at.isoformat(), "who": "anna", "status": status})


def opened(*tickets: int | str) -> list[tuple[str, str]]:
    return [(f"ticket:{ticket}", "opened") for ticket in tickets]


# Starting and stopping


def test_without_a_broker_it_says_so_and_ends(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.1:1", "none.")
    worker = site.start()
    assert worker.wait(START_AND_REFUSE_SECONDS) == 69
    (line,) = worker.said().splitlines()
    assert "127.0.0.1:1" in line


def test_a_log_with_another_number_of_partitions_is_refused(site: Site) -> None:
    create_topic(site.connection, site.topics.changes.name, 3, **site.topics.changes.config)
    worker = site.start()
    assert worker.wait(START_AND_REFUSE_SECONDS) == 2
    assert f"{site.topics.changes.name} has 3 partitions" in worker.said()
    assert "live: {partitions: 3}" in worker.said()
    assert "Traceback" not in worker.said()


def test_a_changelog_that_would_be_cut_off_is_refused(site: Site) -> None:
    name = site.topics.changelog.name
    create_topic(site.connection, name, 2, **{"cleanup.policy": "delete"})
    worker = site.start()
    assert worker.wait(START_AND_REFUSE_SECONDS) == 2
    assert "--add-config cleanup.policy=compact" in worker.said()
    assert name in worker.said()
    assert "Traceback" not in worker.said()


def test_a_data_folder_is_for_one_worker(site: Site) -> None:
    first = site.worker()
    second = site.start()
    assert second.wait(START_AND_REFUSE_SECONDS) == 75
    assert f"{site.data('one')} is in use by another worker" in second.said()
    site.say(row(1))
    site.wait_for(*opened(1))
    assert first.running


def test_it_ends_in_order_when_asked(site: Site) -> None:
    worker = site.worker()
    site.say(*[row(ticket) for ticket in range(100)])
    assert worker.stop(STOP_SECONDS) == 0
    assert "Traceback" not in worker.said()


# Restarts


def test_a_restart_goes_on_where_it_was_whatever_becomes_of_the_data_folder(site: Site) -> None:
    worker = site.worker()
    site.say(row(1), row(2))
    site.wait_for(*opened(1, 2))
    assert worker.stop(STOP_SECONDS) == 0
    worker = site.worker()
    site.say(row(3), row(1, timedelta(), status="solved"))
    site.wait_for(*opened(1, 2, 3), ("ticket:1", "resolved"))
    assert worker.stop(STOP_SECONDS) == 0
    shutil.rmtree(site.data("one"))
    site.worker()
    site.say(row(4), row(2, timedelta(), status="solved"))
    site.wait_for(*opened(1, 2, 3, 4), ("ticket:1", "resolved"), ("ticket:2", "resolved"))


def test_new_rules_take_effect_with_a_restart_and_open_episodes_go_on(site: Site) -> None:
    worker = site.worker()
    site.say(row(1), row(2, timedelta(minutes=30)))
    site.wait_for(*opened(1))
    old = site.config.rules.version
    config = site.configure(
        "{untouched: 1h}, steps: [{notify: owner}]",
        "{untouched: 20m}, steps: [{notify: owner}, {after: 1s, notify: owner.manager}]",
    )
    assert worker.stop(STOP_SECONDS) == 0
    site.worker()
    advanced = [("ticket:1", "advanced"), ("ticket:2", "advanced")]
    site.wait_for(*opened(1, 2), *advanced)
    first, *rest = sorted(site.live(), key=lambda each: each.at)
    assert (first.record, first.version) == ("ticket:1", old)
    assert {each.version for each in rest} == {config.rules.version}
    assert {each.episode for each in rest} == {1}


# Feeds


def test_a_broken_record_does_not_hold_up_its_feed(site: Site) -> None:
    site.say(row(1), b"\xff{", row(2))
    worker = site.worker()
    site.wait_for(*opened(1, 2))
    (letter,) = read_to_end(site.connection, site.topics.dead_letters.name)
    assert letter.value == b"\xff{"
    assert worker.running


def test_time_waits_for_a_feed_partition_that_nobody_has_read(site: Site) -> None:
    # The feed that has no messages at all, and its like, hold nothing back.
    first = site.worker()
    site.say(row(1))
    site.wait_for(*opened(1))
    site.tick(partition=0, of=FEED_PARTITIONS + 1)
    site.say(row(2))
    time.sleep(3)
    assert site.events() == Counter(opened(1))
    site.tick(partition=FEED_PARTITIONS, of=FEED_PARTITIONS + 1)
    site.wait_for(*opened(1, 2))
    assert first.running


# Partitions that are taken away


def test_partitions_that_were_fenced_off_and_are_still_ours_are_taken_up_again(site: Site) -> None:
    worker = site.worker()
    feed, log = site.config.feeds["tickets"].topic, site.topics.changes.name
    for topic, partition in ((feed, 0), (log, 0), (log, 1)):
        TransactionalProducer(site.connection, f"{site.topics.app}.{topic}.{partition}").fence()
    site.say(row(1))
    # By the partition of the feed that is left, so that those of the log learn of it now, too.
    site.say(*[row(ticket) for ticket in range(2, 10)], partition=1)
    site.wait_for(*opened(*range(1, 10)))
    assert worker.said().count("was taken over") == 3
    assert worker.stop(STOP_SECONDS) == 0


def test_a_worker_that_hung_while_another_took_over_repeats_nothing_and_works_on(
    site: Site, broker: Broker
) -> None:
    if broker.kind == "embedded":
        pytest.skip("the embedded broker never gives up a group member that is silent")
    tickets = iter(range(10_000))

    def say() -> None:
        for partition in range(FEED_PARTITIONS):
            site.say(*[row(next(tickets)) for _ in range(200)], partition=partition)

    def wait_for_all() -> None:
        said = next(tickets)
        site.say(row(said))
        site.wait_for(*opened(*range(said + 1)))

    zombie = site.worker("one")
    other = site.worker("two")
    say()
    wait_for_all()
    say()
    zombie.pause()
    # Longer than a session, and until the other one has it all.
    time.sleep(SESSION_SECONDS)
    say()
    wait_for_all()
    zombie.go_on()
    say()
    wait_for_all()
    assert other.stop(STOP_SECONDS) == 0
    say()
    wait_for_all()
    assert zombie.running, zombie.said()
    assert zombie.stop(STOP_SECONDS) == 0
