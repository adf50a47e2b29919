"""The log, folded once more: every escalation that workers have put on the topic, byte for byte."""

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from streams.config import Config, load
from streams.core.escalation import Escalation, encode
from streams.feeds.files import read_messages
from streams.log.connection import Connection
from tests.brokers import Broker
from tests.command import STARTERS, escalations
from tests.live import WorkerProcess, play, wait_until
from tests.live import escalations as on_the_topic

pytestmark = pytest.mark.broker

SECONDS = 120.0
SOME = 20

SIMILAR = """
  ticket-slow:
    about: ticket
    when: {in_stage: {longer_than_similar: 60%, sample: 5, otherwise: 3d}}
    steps: [{notify: owner}]
"""

OLD = """
  ticket-old:
    about: ticket
    when: {in_stage: 1d}
    backlog: escalate
    steps: [{notify: owner}]
"""


class Live:
    """The starter's tickets on a topic, and workers on them."""

    def __init__(self, folder: Path, broker: Broker, prefix: str) -> None:
        self.name = prefix.rstrip(".")
        self.prefix = prefix
        self.folder = folder
        self.broker = broker
        self.workers: list[WorkerProcess] = []
        self.config = self.configured("one", SIMILAR)
        self.connection = Connection(broker.address)
        feed = self.config.feeds["tickets"]
        messages = list(read_messages(feed, STARTERS / "tickets.csv"))
        play(self.connection, feed, messages)

    def configured(self, name: str, paths: str) -> Config:
        text = (
            (STARTERS / "csv.yaml").read_text().replace("format: csv", f"format: csv\n    topic: {self.name}")
        )
        live = f'live: {{app: {self.name}, prefix: "{self.prefix}", tick: 0.2s, partitions: 3}}'
        self.path = self.folder / f"{name}.yaml"
        self.path.write_text(text.replace("\npaths:\n", f"\npaths:{paths}") + f"\n{live}\n")
        return load(self.path)

    def worker(self) -> WorkerProcess:
        worker = WorkerProcess(self.path, self.broker.address, self.folder / "data")
        self.workers.append(worker)
        return worker

    def events(self) -> list[Escalation]:
        return on_the_topic(self.connection, self.config)

    def wait_for(self, count: int) -> None:
        """Until there are so many, and the workers have come to the end of all time that has passed."""
        before = -1

        def quiet() -> bool:
            nonlocal before
            assert self.workers[-1].running, self.workers[-1].said()
            now, last = len(self.events()), before
            before = now
            time.sleep(2)
            return now == last >= count

        wait_until(quiet, SECONDS, f"{count} escalations")


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Live]:
    live = Live(tmp_path, broker, topic_prefix)
    yield live
    for worker in live.workers:
        if worker.running:
            worker.kill()


def by_record(lines: list[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for line in lines:
        found[orjson.loads(line)["record"]].append(line)
    return found


def test_the_log_decides_once_more_what_the_workers_decided(live: Live, tmp_path: Path) -> None:
    worker = live.worker()
    live.wait_for(SOME)
    open_now = next(each for each in reversed(live.events()) if each.event in ("opened", "advanced"))
    done = escalations(
        "ack", open_now.record, "-c", live.path, "--broker", live.broker.address, "--by", "anna", cwd=tmp_path
    )
    assert done.code in (0, 1), done
    assert worker.stop() == 0
    # Other rules take over, and time goes on.
    live.configured("two", SIMILAR + OLD)
    worker = live.worker()
    newer = load(live.path).rules.version
    before = len(live.events())
    wait_until(
        lambda: newer in {each.version for each in live.events()}, SECONDS, "escalations by the new rules"
    )
    live.wait_for(before)
    assert worker.stop() == 0

    log = f"{live.prefix}changes"
    command = ("backtest", "-c", live.path, "--broker", live.broker.address, "--topic", log)
    done = escalations(*command, "--escalations", "out.jsonl", "--json", cwd=tmp_path)
    assert done.code == 0, done
    replayed = (tmp_path / "out.jsonl").read_bytes().splitlines()
    decided = [encode(each) for each in live.events()]
    assert len(decided) > SOME
    assert sorted(replayed) == sorted(decided)
    assert by_record(replayed) == by_record(decided)
    summary = orjson.loads(done.out)
    assert (summary["changes"], summary["records"], summary["undecodable"]) == (
        29,
        8,
        0,
    )

    again = escalations(*command, "--escalations", "again.jsonl", cwd=tmp_path)
    assert again.code == 0
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()

    # Without its beginning, it holds no rules; the configuration's are tried on what it holds.
    late = escalations(*command, "--from-offset", "3", cwd=tmp_path)
    assert late.code == 1
    assert "--paths-of-file" in late.err
    tried = escalations(
        *command,
        "--paths-of-file",
        "--until",
        "2026-03-27T23:00:00Z",
        "--escalations",
        "tried.jsonl",
        cwd=tmp_path,
    )
    assert tried.code == 0, tried
    of_files = escalations(
        "backtest",
        "-c",
        live.path,
        "--feed",
        "tickets",
        STARTERS / "tickets.csv",
        "--until",
        "2026-03-27T23:00:00Z",
        "--escalations",
        "files.jsonl",
        cwd=tmp_path,
    )
    assert of_files.code == 0
    assert (tmp_path / "tried.jsonl").read_bytes() == (tmp_path / "files.jsonl").read_bytes()


def test_a_feeds_topic_is_read_from_where_one_says(live: Live, tmp_path: Path) -> None:
    def changes(*more: str) -> int:
        command = ("backtest", "-c", live.path, "--broker", live.broker.address, "--topic", live.name)
        done = escalations(*command, "--json", *more, cwd=tmp_path)
        assert done.code == 0, done
        return int(orjson.loads(done.out)["changes"])

    held = changes()
    assert held == changes("--from-offset", "earliest") == changes("--from-offset", "0") == 29
    assert 29 > changes("--from-offset", "2") > 0
    assert changes("--from-offset", "1000") == 0
    assert changes("--from-time", "2020-01-01T00:00:00Z") == 29
    assert changes("--from-time", f"{datetime.now(UTC).year + 1}-01-01T00:00:00Z") == 0
    refused = escalations(
        "backtest", "-c", live.path, "--topic", live.name, "--from-offset", "last", cwd=tmp_path
    )
    assert refused.code == 2
    assert "earliest" in refused.err
