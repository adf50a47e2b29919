"""What people say to open episodes, through the commands, with a worker that answers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from streams.config import load
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from tests.brokers import Broker
from tests.command import Done
from tests.command import escalations as run
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
people: {anna: {manager: bert}, bert: }
fallback: bert
paths:
  untouched: {about: ticket, when: {untouched: 1h}, backlog: escalate, steps: [{notify: owner}]}
live: {app: APP, prefix: PREFIX, partitions: 2, tick: 0.2s}
"""


class Desk:
    """A ticket that nobody has touched for two hours, a worker, and the commands of who sits there."""

    def __init__(self, folder: Path, address: str, prefix: str) -> None:
        self._folder, self._address = folder, address
        self.path = folder / "escalations.yaml"
        self.path.write_text(CONFIG.replace("PREFIX", prefix).replace("APP", prefix.rstrip(".")))
        self.config = load(self.path)
        self.connection = Connection(address)
        (feed,) = self.config.feeds.values()
        create_topic(self.connection, feed.topic, 1)
        changed = datetime.now(UTC) - timedelta(hours=2)
        row = {"id": "1", "who": "anna", "status": "open", "changed": changed.isoformat()}
        PlainProducer(self.connection).write(feed.topic, [{"key": b"1", "value": orjson.dumps(row)}])
        self.worker = WorkerProcess(self.path, address, folder / "worker")

    def says(self, *words: str) -> Done:
        return run(*words, "--broker", self._address, cwd=self._folder)

    def events(self) -> list[str]:
        return [each.event for each in escalations(self.connection, self.config)]


@pytest.fixture
def desk(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Desk]:
    desk = Desk(tmp_path, broker.address, topic_prefix)
    try:
        wait_until(lambda: desk.events() == ["opened"], 60, "the ticket escalates")
        yield desk
    finally:
        if desk.worker.running:
            desk.worker.kill()


def test_people_are_answered(desk: Desk) -> None:
    acknowledged = desk.says("ack", "ticket:1", "--by", "anna")
    assert (acknowledged.code, acknowledged.out) == (0, "untouched, episode 1: anna: acknowledged\n")
    again = desk.says("ack", "ticket:1", "--by", "bert")
    assert again.code == 1
    assert again.err == "escalations: ticket:1: untouched: anna has acknowledged it\n"
    assert desk.says("reopen", "ticket:1", "--by", "bert").code == 0
    past = desk.says("snooze", "ticket:1", "--until", "2020-01-01T00:00:00Z")
    assert past.code == 1
    noise = desk.says("noise", "ticket:1", "--path", "untouched", "--by", "bert")
    assert noise.code == 0
    assert desk.events() == ["opened", "acknowledged", "reopened", "noise"]
    explained = desk.says("explain", "ticket:1")
    assert "called noise by bert" in explained.out
    assert desk.says("open").out == "Nothing is open.\n"


def test_who_cannot_be_answered_is_told_why(desk: Desk) -> None:
    assert "nothing is known of ticket:2" in desk.says("ack", "ticket:2").err
    misspelt = desk.says("ack", "ticket:1", "--path", "untuched")
    assert misspelt.code == 2
    assert "Did you mean 'untouched'?" in misspelt.err
    desk.worker.kill()
    silent = desk.says("ack", "ticket:1", "--by", "anna")
    assert silent.code == 69
    assert "the command is in the log" in silent.err
