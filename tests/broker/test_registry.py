"""Workers on a feed of Avro: what becomes of its messages while the schema registry is away."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from streams.config import load
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from streams.log.reader import read_to_end
from streams.log.topics import Topics
from tests.brokers import Broker
from tests.live import WorkerProcess, create_topic, escalations, wait_until
from tests.registry import Registry, avro, framed

pytestmark = pytest.mark.broker

CONFIG = """
version: 1
feeds:
  tickets:
    format: json
    topic: PREFIXtickets
    registry: REGISTRY
    at: changed
    record: {kind: ticket, id: id, owner: who}
people: {anna: }
fallback: anna
paths:
  untouched: {about: ticket, when: {untouched: 1h}, steps: [{notify: owner}]}
live: {app: APP, prefix: PREFIX, partitions: 2, tick: 0.2s}
"""
TICKET = {
    "type": "record",
    "name": "Ticket",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "changed", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "who", "type": ["null", "string"]},
    ],
}
PARTITIONS = 2
SECONDS = 40


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()
    registry.add(1, TICKET)
    yield registry
    registry.stop()


class Site:
    """Two partitions of a feed that is Avro or plain JSON, and one worker."""

    def __init__(self, folder: Path, address: str, prefix: str, registry: Registry, more: str = "") -> None:
        path = folder / "escalations.yaml"
        text = CONFIG.replace("PREFIX", prefix).replace("APP", prefix.rstrip("."))
        path.write_text(text.replace("REGISTRY", registry.url).replace("tick: 0.2s", f"tick: 0.2s{more}"))
        self.config, self.connection = load(path), Connection(address)
        live = self.config.live
        self.topics = Topics(live.prefix, live.app, live.partitions)
        self.feed = self.config.feeds["tickets"].topic
        create_topic(self.connection, self.feed, PARTITIONS)
        self._start = path, address, folder / "data"

    def start(self) -> WorkerProcess:
        return WorkerProcess(*self._start)

    def say(self, number: int, schema: int | None = 1) -> None:
        """Ticket `number` as of two hours ago: untouched, it is to be escalated. None: without a schema."""
        ago = datetime.now(UTC) - timedelta(hours=2)
        if schema is None:
            value = orjson.dumps({"id": number, "changed": ago, "who": "anna"})
        else:
            value = framed(schema, avro(TICKET, {"id": number, "changed": ago, "who": "anna"}))
        messages = [{"value": value, "partition": number % PARTITIONS}]
        PlainProducer(self.connection).write(self.feed, messages)

    def letters(self) -> list[str]:
        return [
            (dict(letter.headers)["escalations.reason"] or b"").decode()
            for letter in read_to_end(self.connection, self.topics.dead_letters.name)
        ]

    def opened(self) -> Counter[str]:
        return Counter(each.record for each in escalations(self.connection, self.config))


def test_a_registry_that_is_away_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, broker: Broker, topic_prefix: str, registry: Registry
) -> None:
    registry.stop()
    site = Site(tmp_path, broker.address, topic_prefix, registry)
    for number in range(4):
        site.say(number)
    worker = site.start()
    try:
        wait_until(lambda: "waiting for it" in worker.said(), SECONDS, "the worker waits")
        site.say(4)
        site.say(5, schema=99)
        assert site.letters() == []
        registry.start()
        wait_until(lambda: site.opened().total() >= 5, SECONDS, "five escalations")
        wait_until(lambda: len(site.letters()) >= 1, SECONDS, "a dead letter")
        assert site.letters() == ["the registry knows no schema ids/99"]
        assert site.opened() == Counter(f"ticket:{number}" for number in range(5))
        assert worker.stop() == 0
        assert worker.said().count("tickets: what it waited for answers again") == 1
        away = f"tickets: the schema registry at {registry.url} does not answer: ConnectError; waiting for it"
        assert worker.said().count(away) == 1
    finally:
        if worker.running:
            worker.kill()


def test_a_partition_that_cannot_be_read_holds_the_others_back_for_so_long_and_no_longer(
    tmp_path: Path, broker: Broker, topic_prefix: str, registry: Registry
) -> None:
    registry.stop()
    site = Site(tmp_path, broker.address, topic_prefix, registry, more=", stuck: 6s")
    site.say(0)
    worker = site.start()
    try:
        wait_until(lambda: "waiting for it" in worker.said(), SECONDS, "the worker waits")
        site.say(1, schema=None)
        time.sleep(2)
        assert site.opened() == Counter()
        stuck = "tickets: partition 0 has not been read for 6s; time goes on without it"
        wait_until(lambda: site.opened().total() >= 1, SECONDS, "time goes on")
        assert stuck in worker.said()
        assert site.opened() == Counter(["ticket:1"])
        registry.start()
        wait_until(lambda: site.opened().total() >= 2, SECONDS, "what came late is escalated")
        assert worker.stop() == 0
        assert site.opened() == Counter(["ticket:0", "ticket:1"])
        assert worker.said().count(stuck) == 1
        assert worker.said().count("tickets: partition 0 is read again") == 1
    finally:
        if worker.running:
            worker.kill()
