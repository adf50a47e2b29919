"""The kill loop: workers, and the broker, are killed and hang at random while a feed is played; then
everything is recomputed from the topics and compared (verify.py).

    python -m tests.crash.loop --kills 300 --broker kafka --seed 7

`--broker kafka` starts Apache Kafka, which is killed, too; `environment` takes the one that
ESCALATIONS_TEST_BROKER names, and `container` one in a container, and leave it alone. The seed draws what
is done and what is played; when it falls on the workers' work is for the machine to decide.
Exit codes: 0 nothing wrong, 1 something is, 2 no such broker here.
"""

import json
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.commands.exit_codes import REFUSED, UNAVAILABLE
from streams.log.reader import NO_GROUP
from tests.brokers import Kafka, Unavailable, start_broker
from tests.crash import site
from tests.crash.site import Player, Site, Worker, short_sessions
from tests.crash.verify import Verdict, verify

WORKERS = 4
BREATH = 12
"""After so many kills the workers are let come to something: a run in which nobody ever gets anything
done would prove nothing."""

EXPECTED = (0, UNAVAILABLE, REFUSED)
"""Exit codes of a worker that has said in plain words what outside of it kept it from going on."""

STUCK_SECONDS = 90.0
LEAST_SESSION_SECONDS = 6.0
"""The shortest that a broker allows by default."""


class Stuck(Exception):
    """Nothing comes of the workers any more; the text says what they said last."""


@dataclass
class Outcome:
    """What was done (by name, how often), what ended by itself (by exit code), and the verdict."""

    seed: int
    done: Counter[str]
    ended: Counter[int]
    verdict: Verdict

    def line(self) -> dict[str, object]:
        verdict = self.verdict
        return {
            "kills": self.done["kill"] + self.done["broker"],
            "changes": verdict.changes,
            "escalations": verdict.escalations,
            **{
                name: len(getattr(verdict, name))
                for name in ("missing", "unknown", "conflicting", "repeated")
            },
            "seed": self.seed,
            "done": dict(self.done),
            "ended": {str(code): count for code, count in self.ended.items()},
            "again": verdict.again,
            "alone": verdict.alone,
        }


class Loop:
    """One run. `kafka`: the broker, where it is ours to kill."""

    def __init__(self, place: Site, seed: int, kafka: Kafka | None = None, pause: float = 1.0) -> None:
        self.done: Counter[str] = Counter()
        self.ended: Counter[int] = Counter()
        self._site = place
        self._seed = seed
        self._kafka = kafka
        self._pause = pause
        self._random = random.Random(seed)
        self._workers: dict[str, Worker] = {}
        self._wakes: dict[str, float] = {}

    def run(self, kills: int, progress: Callable[[str], None] = lambda _: None) -> Outcome:
        """Until so many kills are done. Raises Stuck."""
        player = Player(self._site, self._seed)
        try:
            self._work("one")
            player.start()
            self._breathe()
            for number in range(1, kills + 1):
                while self.done["kill"] + self.done["broker"] < number:
                    self._do()
                    time.sleep(self._random.uniform(0, 2 * self._pause))
                if number % BREATH == 0 or number == kills:
                    self._breathe()
                    progress(f"{number} of {kills} kills; {dict(self.done)}")
            until = player.stop()
            return Outcome(self._seed, self.done, self.ended, self._settle(until))
        finally:
            self._site.close()

    def _do(self) -> None:
        """One thing, as it is drawn."""
        self._look_after()
        kinds = {"kill": 12, "hang": 2, "stop": 1, "start": 3, "broker": 1 if self._kafka else 0}
        what = self._random.choices(list(kinds), list(kinds.values()))[0]
        name = self._random.choice(list(self._workers))
        worker = self._workers[name]
        if what == "kill":
            worker.kill()
            # A machine that is gone, one that comes back, and one that comes back without its disk.
            if self._random.random() < 0.2:
                worker.wipe()
                self.done["wipe"] += 1
            if self._random.random() < 0.8 or len(self._workers) == 1:
                self._work(name)
            else:
                self._forget(name)
        elif what == "hang" and not worker.paused:
            worker.pause()
            self._wakes[name] = time.monotonic() + site.SESSION_SECONDS * self._random.uniform(0.5, 3)
        elif what == "stop" and len(self._workers) > 1 and not worker.paused:
            self._stop(worker)
            self._forget(name)
        elif what == "start" and len(self._workers) < WORKERS:
            free = {"one", "two", "three", "four"} - self._workers.keys()
            self._work(self._random.choice(sorted(free)))
        elif what == "broker" and self._kafka is not None:
            self._kafka.stop(grace=0)
            time.sleep(self._random.uniform(0, 3))
            self._kafka.start()
        else:
            return
        self.done[what] += 1

    def _stop(self, worker: Worker) -> None:
        if not worker.stop():
            self.done["would not stop"] += 1

    def _work(self, name: str) -> None:
        self._wakes.pop(name, None)
        self._workers[name] = self._site.worker(name)

    def _forget(self, name: str) -> None:
        self._wakes.pop(name, None)
        del self._workers[name]

    def _look_after(self) -> None:
        """Wake up whose time has come, and start again what has ended, as a service manager does."""
        for name, moment in list(self._wakes.items()):
            if moment < time.monotonic():
                del self._wakes[name]
                self._workers[name].go_on()
        for name, worker in list(self._workers.items()):
            if (code := worker.exit_code) is not None:
                self.ended[code] += 1
                if code not in EXPECTED:
                    click.echo(f"{name} ended with {code}: {worker.said()[-3000:]}", err=True)
                self._work(name)

    def _breathe(self) -> None:
        """Until there is something new among the escalations."""
        self._wait(lambda: self._written() > 0)
        before = self._written()
        self._wait(lambda: self._written() > before)

    def _settle(self, until: datetime) -> Verdict:
        for worker in self._workers.values():
            worker.go_on()
        self._wakes.clear()
        verdict = Verdict()

        def complete() -> bool:
            nonlocal verdict
            verdict = verify(self._site, until)
            return not verdict.missing

        try:
            self._wait(complete)
        except Stuck as stuck:
            click.echo(stuck, err=True)
            return verdict
        for worker in self._workers.values():
            self._stop(worker)
        return verify(self._site, until)

    def _wait(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STUCK_SECONDS
        while not true():
            self._look_after()
            if time.monotonic() > deadline:
                last = {name: worker.said()[-1500:] for name, worker in self._workers.items()}
                raise Stuck("\n".join(f"{name}: {said}" for name, said in last.items()))
            time.sleep(0.5)

    def _written(self) -> int:
        """The sum of the escalations' offsets; 0 while a partition has no leader."""
        topic = self._site.topics.escalations.name
        consumer = Consumer(self._site.connection.settings(**{"group.id": NO_GROUP}))
        try:
            found = consumer.list_topics(topic, timeout=10).topics[topic]
            here = [TopicPartition(topic, number) for number in found.partitions]
            return sum(consumer.get_watermark_offsets(each, timeout=10)[1] for each in here)
        except KafkaException:
            return 0
        finally:
            consumer.close()


@contextmanager
def started(kind: str) -> Iterator[tuple[str, Kafka | None]]:
    """A broker's address, and the broker where it is ours to kill. Raises Unavailable."""
    if kind == "kafka":
        kafka = short_sessions()
        try:
            yield kafka.address(), kafka
        finally:
            kafka.close()
        return
    broker = start_broker(kind)
    site.SESSION_SECONDS = LEAST_SESSION_SECONDS
    try:
        yield broker.address, None
    finally:
        broker.stop()


@click.command()
@click.option("--kills", type=click.IntRange(1), default=300, show_default=True)
@click.option("--broker", type=click.Choice(["kafka", "environment", "container"]), default="kafka")
@click.option("--seed", type=int, default=None, help="By default another each time.")
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def main(kills: int, broker: str, seed: int | None, as_json: bool) -> None:
    seed = random.randrange(10**6) if seed is None else seed
    try:
        with started(broker) as (address, kafka), tempfile.TemporaryDirectory() as folder:
            place = Site(Path(folder), address, f"loop-{uuid.uuid4().hex[:8]}.")
            outcome = Loop(place, seed, kafka).run(kills, lambda text: click.echo(text, err=True))
    except Unavailable as error:
        click.echo(error, err=True)
        sys.exit(2)
    line = outcome.line()
    click.echo(json.dumps(line) if as_json else ", ".join(f"{name} {value}" for name, value in line.items()))
    for wrong in sorted(outcome.verdict.wrong)[:20]:
        click.echo(wrong, err=True)
    sys.exit(1 if outcome.verdict.wrong else 0)


if __name__ == "__main__":
    main()
