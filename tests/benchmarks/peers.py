"""Events per second on the live path: `escalations run` beside other stream processors, on one broker.

    python -m tests.benchmarks.peers [--events N] [--only ENGINE ...] [--json]

The job is that of `peers/job.py`: Debezium JSON of deals in, re-keyed by record, a state for each, three
paths with timers, escalations out. `engines.py` starts the engines, README.md says what each is given. They
run one after the other, each in a process of its own, on topics of its own with the same messages.

The clock leaves out what starting costs. A first part of the history, the opening, is written before the
engine starts, and the engine has to answer it with all the escalations that it leads to. Then the history is
written in one transaction, and the clock starts when it is committed. It stops when the last escalation is
there that the history leads to; the last event of each partition leads to one. Escalations are counted as
a reader of committed messages sees them. Stock Faust does not wait for commits: it may begin while the
history is still being written, and what it does by then counts for it.

Nobody skips work: what each engine wrote is compared, event by event, with what `job.py` makes of the same
messages: which event of which path for which record at which moment, nothing missing and nothing twice. Ours
says more in each escalation; that is left out of the comparison.
"""

import argparse
import itertools
import logging
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil  # type: ignore[import-untyped, unused-ignore]
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from confluent_kafka.admin import NewTopic

# Also where it is started by its path.
sys.path.insert(0, str(Path(__file__).parents[2]))

from streams.core.timestamps import from_rfc3339
from streams.log.connection import Connection
from streams.log.producer import TransactionalProducer
from tests.benchmarks.engines import ENGINES, PEERS, Engine, Place
from tests.benchmarks.history import PARTITIONS, Event, History, make_history
from tests.brokers import Unavailable, start_broker

ROOT = Path(__file__).parents[2]
EVENTS_PER_RECORD = 10
WARM_UP = 1 / 4
"""How long the opening is, as a share of the history: a JVM compiles what has run often."""
PATIENCE_SECONDS = 180.0
"""After so long without an escalation nothing more is expected of an engine."""
SURPLUS_SECONDS = 2.0
"""How long to look, after the last expected escalation, for what should not be there."""

LOG_LINES = 20
"""How much is shown of what an engine printed that did not do its job."""

Told = tuple[str, str, str, int]
"""What is compared of an escalation: event, path, record, and its moment in microseconds."""


class Failed(Exception):
    """An engine did not do its job: there is nothing to measure."""


@dataclass(frozen=True)
class Run:
    """One engine over one history. `cpu`: seconds of processor time its process took."""

    engine: str
    events: int
    escalations: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds


@dataclass(frozen=True)
class Expected:
    """What the opening leads to, and what all of the history does."""

    opening: list[Told]
    all: list[Told]


def expect(history: History) -> Expected:
    return Expected(_job(history.opening), _job([*history.opening, *history.events]))


def _job(events: Iterable[Event]) -> list[Told]:
    lines = b"\n".join(event.value for event in events)
    done = subprocess.run([sys.executable, PEERS / "job.py"], input=lines, stdout=subprocess.PIPE, check=True)
    return [_told(line) for line in done.stdout.splitlines()]


def _told(value: bytes) -> Told:
    escalation = orjson.loads(value)
    at = escalation["at"]
    return (
        escalation["event"],
        escalation["path"],
        escalation["record"],
        from_rfc3339(at) if isinstance(at, str) else at,
    )


def measure(
    engine: Engine, connection: Connection, folder: Path, history: History, expected: Expected
) -> Run:
    """Play `history` to an engine, under a name of its own on the broker. Raises Unavailable, Failed."""
    # A broker that is there already may hold the topics of an earlier run.
    place = Place(connection.address, f"{uuid.uuid4().hex[:6]}-{engine.__name__}", folder / engine.__name__)
    place.folder.mkdir()
    command = engine(place)
    create_topics(connection, place.feed, place.output)
    watch = Watch(connection, place.output)
    writer = TransactionalProducer(connection, f"{place.name}-writer")
    writer.fence()
    try:
        write(writer, place.feed, history.opening)
        with running(command, place.folder / "engine.log") as process:
            watch.wait_for(len(expected.opening), process)
            spent = _cpu(process)
            write(writer, place.feed, history.events)
            start = time.monotonic()
            watch.wait_for(len(expected.all), process)
            spent = _cpu(process) - spent
            seconds = watch.latest - start
            watch.listen(SURPLUS_SECONDS)
    finally:
        watch.close()
        writer.close()
    difference = _difference(Counter(map(_told, watch.values)), Counter(expected.all))
    if difference:
        raise Failed(difference)
    return Run(engine.__name__, len(history.events), len(watch.values), seconds, spent)


def _difference(told: Counter[Told], expected: Counter[Told]) -> str:
    """How the two differ, for people; empty where they do not."""
    missing, surplus = expected - told, told - expected
    if not missing and not surplus:
        return ""
    examples = [f"no {each}" for each in itertools.islice(missing, 3)]
    examples += [f"but {each}" for each in itertools.islice(surplus, 3)]
    return f"{missing.total()} missing, {surplus.total()} too many: {', '.join(examples)}"


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

    def wait_for(self, count: int, process: psutil.Popen) -> None:
        """Until `count` are there. Raises Failed when no more come, or the process has ended."""
        self.latest = time.monotonic()
        while len(self.values) < count:
            if process.poll() is not None:
                raise Failed(f"it has ended with exit code {process.returncode}")
            if time.monotonic() - self.latest > PATIENCE_SECONDS:
                raise Failed(f"{len(self.values)} of {count} escalations, and no more came")
            self._poll()

    def listen(self, seconds: float) -> None:
        """Whatever else comes in this time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._poll()

    def _poll(self) -> None:
        for message in self._consumer.consume(10_000, timeout=0.02):
            if message.error() is None:
                self.take(message)
                self.latest = time.monotonic()

    def take(self, message: Message) -> None:
        self.values.append(message.value())

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def running(command: list[str | Path], output: Path) -> Iterator[psutil.Popen]:
    """A process of its own; what it prints goes to a file, and to standard error if it fails."""
    with output.open("wb") as log:
        process = psutil.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    except Failed:
        print(*output.read_text(errors="replace").splitlines()[-LOG_LINES:], sep="\n", file=sys.stderr)
        raise
    finally:
        process.terminate()
        try:
            process.wait(30)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            process.kill()
            process.wait()


def _cpu(process: psutil.Popen) -> float:
    """Of it and those it has started."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def create_topics(connection: Connection, *topics: str) -> None:
    # Kafka Streams gives its messages the time of the event: they are old, and are to stay.
    keep = {"retention.ms": "-1"}
    # The client must outlive its futures.
    admin = connection.admin()
    made = admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=keep) for topic in topics])
    for future in made.values():
        future.result(15)


def write(writer: TransactionalProducer, topic: str, events: list[Event]) -> None:
    with writer.transaction():
        for event in events:
            writer.produce(topic, key=event.key, value=event.value, partition=event.partition)


def _show(runs: list[Run]) -> None:
    print(
        f"{'engine':24}{'events':>10}{'escalations':>13}{'seconds':>9}{'events/s':>10}{'CPU us':>8}"
        f"{'ours is':>9}"
    )
    ours = next((run.rate for run in runs if run.engine == "ours"), None)
    for run in runs:
        ratio = "" if ours is None else f"{ours / run.rate:8.2f}x"
        print(
            f"{run.engine:24}{run.events:10,}{run.escalations:13,}{run.seconds:9.2f}{run.rate:10,.0f}"
            f"{1e6 * run.cpu / run.events:8.0f}{ratio:>9}"
        )


def main() -> None:
    names = [engine.__name__ for engine in ENGINES]
    parser = argparse.ArgumentParser(description="Events per second: the live worker beside its peers.")
    parser.add_argument("--events", type=int, default=200_000, help="for each [%(default)s]")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these engines [all]")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    # The client library reports what it tries again.
    logging.basicConfig(level=logging.ERROR)
    count = arguments.events
    history = make_history(count, count // EVENTS_PER_RECORD, warm_up=int(count * WARM_UP))
    expected = expect(history)
    runs: list[Run] = []
    same_output = True
    broker = start_broker()
    try:
        with tempfile.TemporaryDirectory(prefix="escalations-benchmark-") as name:
            connection, folder = Connection(broker.address), Path(name)
            for engine in ENGINES:
                if engine.__name__ not in arguments.only:
                    continue
                try:
                    runs.append(measure(engine, connection, folder, history, expected))
                except Unavailable as error:
                    print(f"{engine.__name__} is left out: {error}", file=sys.stderr)
                except Failed as error:
                    print(f"{engine.__name__} has failed: {error}", file=sys.stderr)
                    same_output = False
    finally:
        broker.stop()
    if arguments.json:
        rates = {run.engine: round(run.rate) for run in runs}
        result = {
            "events": count,
            "events_per_second": {name: rates.get(name) for name in names},
            "cpu_microseconds_per_event": {run.engine: round(1e6 * run.cpu / run.events) for run in runs},
            "same_output": same_output,
            "broker": broker.kind,
        }
        print(orjson.dumps(result).decode())
    else:
        _show(runs)
        output = "all of them told the same" if same_output else "NOT all of them told the same"
        print(f"{output}, on the broker {broker.kind}")
    sys.exit(not same_output)


if __name__ == "__main__":
    main()
