"""Workers on a feed of Avro: what becomes of its messages while the schema registry is away."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

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


def test_a_registry_that_is_away_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, broker: Broker, topic_prefix: str, registry: Registry
) -> None:
    registry.stop()
    path = tmp_path / "escalations.yaml"
    text = CONFIG.replace("PREFIX", topic_prefix).replace("APP", topic_prefix.rstrip("."))
    path.write_text(text.replace("REGISTRY", registry.url))
    config, connection = load(path), Connection(broker.address)
    topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
    feed = config.feeds["tickets"].topic
    create_topic(connection, feed, PARTITIONS)
    ago = datetime.now(UTC) - timedelta(hours=2)

    def say(number: int, schema: int = 1) -> None:
        value = framed(schema, avro(TICKET, {"id": number, "changed": ago, "who": "anna"}))
        PlainProducer(connection).write(feed, [{"value": value, "partition": number % PARTITIONS}])

    def letters() -> list[str]:
        return [
            (dict(letter.headers)["escalations.reason"] or b"").decode()
            for letter in read_to_end(connection, topics.dead_letters.name)
        ]

    for number in range(4):
        say(number)
    worker = WorkerProcess(path, broker.address, tmp_path / "data")
    try:
        wait_until(lambda: "waiting for it" in worker.said(), SECONDS, "the worker waits")
        say(4)
        say(5, schema=99)
        assert letters() == []
        registry.start()
        wait_until(lambda: len(escalations(connection, config)) >= 5, SECONDS, "five escalations")
        wait_until(lambda: len(letters()) >= 1, SECONDS, "a dead letter")
        assert letters() == ["the registry knows no schema ids/99"]
        opened = Counter(each.record for each in escalations(connection, config))
        assert opened == Counter(f"ticket:{number}" for number in range(5))
        assert worker.stop() == 0
        assert worker.said().count("tickets: what it waited for answers again") == 1
        away = f"tickets: the schema registry at {registry.url} does not answer: ConnectError; waiting for it"
        assert worker.said().count(away) == 1
    finally:
        if worker.running:
            worker.kill()
