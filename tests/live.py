"""The live product under test: topics with a history in them, workers as processes of their own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from confluent_kafka.admin import NewTopic

from streams.config import Config
from streams.core.escalation import Escalation, decode
from streams.feeds import Feed, Message
from streams.feeds.files import messages_in_order
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from streams.log.reader import read_to_end
from streams.log.topics import Topics, count_partitions

PARTITIONS = 4


def create_topic(connection: Connection, name: str, partitions: int = PARTITIONS, **config: str) -> None:
    # The client must outlive its futures.
    admin = connection.admin()
    for future in admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values():
        future.result(15)
    # A broker that has just said yes may still have to hear of it.
    count_partitions(admin, [name])


def play(
    connection: Connection, feed: Feed, messages: Iterable[Message], partitions: int = PARTITIONS
) -> None:
    """Put a history into its feed's topic in the order in which it happened, keyed by record."""

    def refuse(message: Message, error: Exception) -> None:
        raise AssertionError(f"{message} cannot be played: {error}")

    create_topic(connection, feed.topic, partitions)
    PlainProducer(connection).write(
        feed.topic,
        (
            {"key": change.record.encode(), "value": message.value}
            for change, message in messages_in_order(feed, messages, refuse)
        ),
        timeout=120,
    )


class WorkerProcess:
    """`escalations run` as a process of its own, with its output in a file."""

    def __init__(self, config: Path, address: str, data: Path, options: Iterable[str] = ()) -> None:
        self._log = data.with_suffix(".log")
        self.killed = False
        command = [sys.executable, "-m", "streams", "run", "-c", str(config), "--broker", address]
        with self._log.open("ab") as log:
            command += ["--data", str(data), *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """As a power cut would."""
        self.killed = True
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """As a machine that hangs: it neither works nor goes away."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self, timeout: float = 30.0) -> int:
        """Ask it to end; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout)

    def wait(self, timeout: float) -> int:
        return self._process.wait(timeout)


def escalations(connection: Connection, config: Config) -> list[Escalation]:
    """Everything on the escalations topic, as a reader of committed messages sees it."""
    topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
    if topics.escalations.name not in connection.admin().list_topics().topics:
        return []
    return [decode(message.value or b"") for message in read_to_end(connection, topics.escalations.name)]


def wait_until(true: Callable[[], bool], timeout: float, what: str) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.2)
