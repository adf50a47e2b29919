"""Topics of one run, what is played into them, and workers that can be killed, hang, and die on purpose."""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from streams.agents import worker
from streams.cli import main
from streams.config import Config, load
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from streams.log.topics import Topics, ensure
from tests.brokers import Kafka
from tests.crash import points
from tests.live import create_topic

SESSION_SECONDS = 3.0
"""Instead of the ten of the product, so that many takeovers fit into a minute."""

LAG_SECONDS = 1.0
FEED_PARTITIONS = 2

CONFIG = """
version: 1
feeds:
  tickets:
    format: json
    topic: PREFIXtickets
    at: at
    order: [version]
    operation: {field: op, delete: [deleted]}
    record: {kind: ticket, id: id, owner: owner, stage: {field: status, closed: [solved]}}
people: {anna: {manager: bert}, bert: }
fallback: bert
paths:
  untouched:
    about: ticket
    when: {untouched: 2s}
    steps: [{notify: owner}, {after: 2s, notify: owner.manager}]
  stuck: {about: ticket, when: {in_stage: 5s}, steps: [{notify: owner.manager}]}
live: {app: APP, prefix: PREFIX, partitions: 4, tick: 0.2s, lag: LAGs, batch: 100}
"""

_context = multiprocessing.get_context("forkserver")
# A worker takes seconds to load; forked from a process that has, it starts at once.
_context.set_forkserver_preload([__name__])


def short_sessions() -> Kafka:
    """A Kafka that lets sessions be as short as ours. Raises Unavailable."""
    return Kafka(settings={"group.min.session.timeout.ms": "1000"})


class Worker:
    """`escalations run`, with its local stores in `data`; it dies at the second passing of `point`."""

    def __init__(self, config: Path, address: str, data: Path, point: str | None = None) -> None:
        self.data = data
        self.log = data.with_suffix(".log")
        self.paused = False
        arguments = ["run", "-c", str(config), "--broker", address, "--data", str(data)]
        self._process = _context.Process(target=_run, args=(arguments, self.log, point), daemon=True)
        self._process.start()

    @property
    def exit_code(self) -> int | None:
        """Of one that a signal ended, its number below zero; None while it runs."""
        return self._process.exitcode

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def pause(self) -> None:
        self.paused = True
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.paused = False
        self._signal(signal.SIGCONT)

    def stop(self) -> bool:
        """Ask it to end, and end it if it does not; whether it did."""
        self._process.terminate()
        self._process.join(2 * worker.STOP_SECONDS)
        ended = not self._process.is_alive()
        self.kill()
        return ended

    def wipe(self) -> None:
        """As a machine that comes back without its disk. Only once it has ended."""
        shutil.rmtree(self.data, ignore_errors=True)

    def _signal(self, number: int) -> None:
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)


def _run(arguments: list[str], log: Path, point: str | None) -> None:
    with log.open("ab") as out:
        os.dup2(out.fileno(), sys.stdout.fileno())
        os.dup2(out.fileno(), sys.stderr.fileno())
    worker.SESSION_SECONDS = SESSION_SECONDS
    if point is not None:
        points.arm(point)
    main(arguments)


class Site:
    """A configuration under `folder` and its feed's topic, on the broker at `address`."""

    def __init__(self, folder: Path, address: str, prefix: str) -> None:
        self.address = address
        self.folder = folder
        self.connection = Connection(address)
        self._workers: list[Worker] = []
        self._path = folder / "escalations.yaml"
        text = CONFIG.replace("PREFIX", prefix).replace("APP", prefix.rstrip("."))
        self._path.write_text(text.replace("LAG", f"{LAG_SECONDS:g}"))
        self.config: Config = load(self._path)
        live = self.config.live
        self.topics = Topics(live.prefix, live.app, live.partitions)
        self.feed = self.config.feeds["tickets"]
        # The broker's clock says what came too late for the workers to have waited for it.
        timestamps = {"message.timestamp.type": "LogAppendTime"}
        create_topic(self.connection, self.feed.topic, FEED_PARTITIONS, **timestamps)
        ensure(self.connection.admin(), self.topics, [self.feed.topic], replication=1)

    def worker(self, name: str, point: str | None = None) -> Worker:
        started = Worker(self._path, self.address, self.folder / name, point)
        self._workers.append(started)
        return started

    def close(self) -> None:
        for each in self._workers:
            each.kill()


class Player:
    """Tickets as they come and go, drawn by `seed`: repeats, late facts, deletions and poison among them."""

    def __init__(self, site: Site, seed: int) -> None:
        self._random = random.Random(f"feed {seed}")
        self._site = site
        self._producer = PlainProducer(site.connection)
        self._versions: dict[int, int] = {}
        self._latest: dict[int, bytes] = {}
        self._next = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> datetime:
        """The moment at which all was in the topic."""
        self._over.set()
        self._thread.join()
        return datetime.now(UTC)

    def _play(self) -> None:
        while not self._over.wait(0.1):
            self.write(3)

    def write(self, count: int) -> None:
        messages = [self._message() for _ in range(count)]
        while True:
            try:
                self._producer.write(self._site.feed.topic, messages, timeout=120)
                return
            except Exception:
                # A broker that is away for long; what is written twice is one repeat more.
                time.sleep(0.5)

    def _message(self) -> dict[str, object]:
        draw = self._random
        what = draw.choices(["new", "touch", "solve", "late", "old", "again", "delete", "poison"],
                            [30, 40, 15, 4, 4, 6, 3, 2])[0]  # fmt: skip
        if what == "new" or not self._versions:
            ticket, self._next = self._next, self._next + 1
            return self._say(ticket, status="open")
        ticket = draw.choice(list(self._versions))
        if what == "poison":
            return {"value": b"\xff{" + str(draw.random()).encode(), "partition": ticket % FEED_PARTITIONS}
        if what == "again":
            return {"value": self._latest[ticket], "partition": ticket % FEED_PARTITIONS}
        ago = timedelta(seconds=draw.uniform(1, 8))
        if what == "late":
            return self._say(ticket, ago, owner="bert")
        if what == "old":
            # It was overtaken by what came after it.
            return self._say(ticket, ago, version=self._versions[ticket] - 5, status="solved")
        if what == "delete":
            message = self._say(ticket, op="deleted")
            del self._versions[ticket]
            return message
        return self._say(ticket, status="solved" if what == "solve" else "open")

    def _say(
        self, ticket: int, ago: timedelta = timedelta(), version: int | None = None, **more: str
    ) -> dict[str, object]:
        if version is None:
            version = self._versions[ticket] = self._versions.get(ticket, 0) + 10
        at = (datetime.now(UTC) - ago).isoformat()
        value = orjson.dumps({"id": str(ticket), "at": at, "version": version, "owner": "anna", **more})
        self._latest[ticket] = value
        # Tickets of which nothing was heard for long make room, so that not all that is said is a touch.
        if len(self._versions) > 60:
            self._versions.pop(next(iter(self._versions)))
        return {"value": value, "partition": ticket % FEED_PARTITIONS}
