"""Events per second on the live path: `escalations run` beside a stock Faust agent, on one broker.

    python -m tests.benchmarks.live [--events N] [--peer-events N] [--json]
    python -m tests.benchmarks.live --profile

Both are processes of their own with one worker, and get the same job: Debezium JSON of deals on a
feed topic with four partitions, three paths (`escalations.yaml`), escalations out. `peer.py` is the
stock agent. The peer gets a shorter history, which the worker plays as well, on topics of its own.

The clock leaves out what starting costs. One event in each partition is written first, and the
engine has to answer all of them with escalations. Then the history is written in one
transaction, and the clock starts when it is committed. It stops when the last escalation is there
that the history leads to; the last event of each partition leads to one. Escalations are counted
as a reader of committed messages sees them. Stock Faust does not wait for commits: it may begin
while the history is still being written, and what it does by then counts for it.

Nobody skips work: what each engine wrote is compared, byte by byte, with the offline replay of its
history, and `same_output` says whether all of it was the same, nothing missing and nothing twice.
"""

import argparse
import cProfile
import logging
import pstats
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped, unused-ignore]
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import NewTopic

from streams.agents.intake import IntakePartition
from streams.agents.records import RecordsPartition
from streams.backtest.replay import replay
from streams.config import Config, load
from streams.core.entries import NewRules, encode
from streams.core.escalation import encode as encode_escalation
from streams.core.timestamps import moment
from streams.log.connection import Connection
from streams.log.producer import PlainProducer, TransactionalProducer
from streams.log.reader import read_to_end
from streams.log.topics import Topics, ensure
from tests.benchmarks.history import BEGINNING, PARTITIONS, Event, History, make_history, write_config
from tests.brokers import start_broker

ROOT = Path(__file__).parents[2]
EVENTS_PER_RECORD = 10
START_SECONDS = 60.0
"""How long an engine may take to start and to answer the opening."""
SILENCE_SECONDS = 30.0
"""After so long without an escalation nothing more is expected of an engine."""
SURPLUS_SECONDS = 2.0
"""How long to look, after the last expected escalation, for what should not be there."""


@dataclass(frozen=True)
class Run:
    """One engine over one history. `cpu`: seconds of processor time its process took."""

    engine: str
    events: int
    escalations: int
    seconds: float
    cpu: float
    same_output: bool

    @property
    def rate(self) -> float:
        return self.events / self.seconds


Command = Callable[[Path, Config, str, str, Path], list[str]]
"""How an engine is started: its configuration file, what is in it, broker, output topic, data folder."""


def ours(path: Path, config: Config, broker: str, output: str, data: Path) -> list[str]:
    return ["streams", "run", "-c", str(path), "--broker", broker, "--data", str(data)]


def faust(path: Path, config: Config, broker: str, output: str, data: Path) -> list[str]:
    return ["tests.benchmarks.peer", str(path), broker, output, str(data)]


def measure(connection: Connection, folder: Path, name: str, command: Command, history: History) -> Run:
    """Play `history` to the engine that `command` starts, under a name of its own on the broker."""
    path = write_config(folder, name)
    config = load(path)
    (feed,) = config.feeds.values()
    output = Topics(config.live.prefix, config.live.app, config.live.partitions).escalations.name
    expected = [encode_escalation(each) for each in replay(config.rules, history.changes(feed))]
    _create(connection, feed.topic, output)
    watch = Watch(connection, output)
    writer = TransactionalProducer(connection, f"{name}-writer")
    writer.fence()
    try:
        _write(writer, feed.topic, history.opening)
        data = folder / name
        with _running(command(path, config, connection.address, output, data), data) as process:
            watch.wait_for(PARTITIONS, process, START_SECONDS)
            spent = _cpu(process)
            _write(writer, feed.topic, history.events)
            start = time.monotonic()
            watch.wait_for(len(expected), process, SILENCE_SECONDS)
            spent = _cpu(process) - spent
            seconds = watch.latest - start
            watch.listen(SURPLUS_SECONDS)
    finally:
        watch.close()
        writer.close()
    return Run(
        engine=command.__name__,
        events=len(history.events),
        escalations=len(watch.values),
        seconds=seconds,
        cpu=spent,
        same_output=sorted(watch.values) == sorted(expected),
    )


class Watch:
    """Collects what is committed on a topic. `latest`: when the last of it came."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self.values: list[bytes] = []
        self.latest = 0.0
        self._consumer = Consumer(
            connection.settings(
                **{
                    # Nothing is ever committed; the client library just wants a name.
                    "group.id": "benchmark",
                    "enable.auto.commit": False,
                    "isolation.level": "read_committed",
                }
            )
        )
        self._consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)])

    def wait_for(self, count: int, process: psutil.Popen, silence: float) -> None:
        """Until `count` are there, or no more came for so many seconds of `silence`."""
        self.latest = time.monotonic()
        while len(self.values) < count:
            if process.poll() is not None:
                raise SystemExit(f"the engine has ended with exit code {process.returncode}")
            if time.monotonic() - self.latest > silence:
                print(f"{len(self.values)} of {count} escalations, and no more came", file=sys.stderr)
                return
            self._poll()

    def listen(self, seconds: float) -> None:
        """Whatever else comes in this time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._poll()

    def _poll(self) -> None:
        for message in self._consumer.consume(10_000, timeout=0.02):
            if message.error() is None:
                self.values.append(message.value())
                self.latest = time.monotonic()

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def _running(module: list[str], data: Path) -> Iterator[psutil.Popen]:
    """`python -m` as a process of its own, its output in a file beside its `data`."""
    with data.with_suffix(".log").open("wb") as log:
        process = psutil.Popen([sys.executable, "-m", *module], cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            process.kill()
            process.wait()


def _cpu(process: psutil.Popen) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _create(connection: Connection, *topics: str) -> None:
    # The client must outlive its futures.
    admin = connection.admin()
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics]).values():
        future.result(15)


def _write(writer: TransactionalProducer, topic: str, events: list[Event]) -> None:
    with writer.transaction():
        for event in events:
            writer.produce(topic, key=event.key, value=event.value, partition=event.partition)


def profile(connection: Connection, folder: Path, history: History) -> None:
    """Where the two halves of the worker spend their time, each in this process, batch by batch.

    The batches come out of memory: reading the topics and Faust are not in it.
    """
    config = load(write_config(folder, "profile"))
    (feed,) = config.feeds.values()
    topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
    _create(connection, feed.topic)
    ensure(connection.admin(), topics, [], replication=1)
    writer = TransactionalProducer(connection, "profile-writer")
    writer.fence()
    _write(writer, feed.topic, [*history.opening, *history.events])
    rules = encode(NewRules(moment(BEGINNING), dict(config.rules.document)))
    PlainProducer(connection).write(
        topics.changes.name, [{"value": rules, "partition": number} for number in range(PARTITIONS)]
    )
    for name, topic, make in (
        ("intake", feed.topic, lambda n: IntakePartition(connection, topics, feed, n, PARTITIONS)),
        (
            "records",
            topics.changes.name,
            lambda n: RecordsPartition(connection, topics, n, folder / "profile"),
        ),
    ):
        partitions: dict[int, list[Any]] = {}
        for message in read_to_end(connection, topic):
            partitions.setdefault(message.partition, []).append(message)
        profiler = cProfile.Profile()
        for number, messages in partitions.items():
            owner = make(number)
            owner.open()
            for start in range(0, len(messages), config.live.batch):
                profiler.runcall(owner.process, messages[start : start + config.live.batch])
            owner.close()
        print(f"\n{name}: {sum(map(len, partitions.values()))} messages")
        pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(25)


def _show(runs: list[Run]) -> None:
    print(f"{'engine':8}{'events':>10}{'escalations':>13}{'seconds':>9}{'events/s':>10}{'CPU us':>8}  output")
    for run in runs:
        output = "as replayed" if run.same_output else "NOT as replayed"
        print(
            f"{run.engine:8}{run.events:10,}{run.escalations:13,}{run.seconds:9.2f}{run.rate:10,.0f}"
            f"{1e6 * run.cpu / run.events:8.0f}  {output}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Events per second: the live worker beside stock Faust.")
    parser.add_argument("--events", type=int, default=200_000, help="for the worker [%(default)s]")
    parser.add_argument("--peer-events", type=int, default=20_000, help="for both [%(default)s]")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--profile", action="store_true", help="where the worker's time goes, and no more")
    arguments = parser.parse_args()
    # The client library reports what it tries again.
    logging.basicConfig(level=logging.ERROR)
    long = make_history(arguments.events, arguments.events // EVENTS_PER_RECORD)
    short = make_history(arguments.peer_events, arguments.peer_events // EVENTS_PER_RECORD)
    broker = start_broker()
    try:
        with tempfile.TemporaryDirectory(prefix="escalations-benchmark-") as name:
            connection, folder = Connection(broker.address), Path(name)
            if arguments.profile:
                profile(connection, folder, long)
                return
            # A broker that is there already may hold the topics of an earlier run.
            run = uuid.uuid4().hex[:6]
            peer = measure(connection, folder, f"{run}-peer", faust, short)
            same = measure(connection, folder, f"{run}-same", ours, short)
            full = measure(connection, folder, f"{run}-full", ours, long)
    finally:
        broker.stop()
    ratio = full.rate / peer.rate
    same_output = peer.same_output and same.same_output and full.same_output
    if arguments.json:
        result = {
            "events": {"ours": full.events, "faust": peer.events},
            "events_per_second": {"ours": round(full.rate), "faust": round(peer.rate)},
            "ours_on_the_peers_events": round(same.rate),
            "ratio": round(ratio, 1),
            "same_output": same_output,
            "broker": broker.kind,
        }
        print(orjson.dumps(result).decode())
    else:
        _show([peer, same, full])
        print(f"{ratio:.1f} times the events per second, on the broker {broker.kind}")
    sys.exit(not same_output)


if __name__ == "__main__":
    main()
