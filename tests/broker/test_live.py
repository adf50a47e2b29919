"""Live equals replay: what a backtest decides is what workers put on the topic, whatever happens to them."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.backtest.history import read_history
from streams.backtest.replay import replay
from streams.config import Config, load
from streams.core.escalation import Escalation, encode
from streams.core.timestamps import from_rfc3339, micros
from streams.feeds.files import read_messages
from streams.log.connection import Connection
from tests.brokers import Broker
from tests.live import WorkerProcess, escalations, play, wait_until

REPOSITORY = Path(__file__).parents[2]
HISTORY = REPOSITORY.parent / "shared" / "data" / "tickets" / "servicenow_incidents.csv.gz"

SECONDS = 240.0


class Played:
    """A history in a topic, what a backtest makes of it, and workers to do the same live."""

    def __init__(
        self, folder: Path, broker: Broker, prefix: str, source: Path, feed: str, history: Path
    ) -> None:
        name = prefix.rstrip(".")
        text = source.read_text().replace("format: csv", f"format: csv\n    topic: {name}-{feed}")
        self._text = f'{text}\nlive: {{app: {name}, prefix: "{prefix}", tick: 0.2s, batch: BATCH}}\n'
        self.config: Config = load(self._configuration(folder / "backtest", 4000))
        self.connection = Connection(broker.address)
        messages = list(read_messages(self.config.feeds[feed], history))
        changes = read_history(self.config.feeds[feed], messages).changes
        self.last = max(micros(change.at) for change in changes)
        self.expected = Counter(map(encode, replay(self.config.rules, changes)))
        play(self.connection, self.config.feeds[feed], messages)
        self._folder = folder
        self._address = broker.address
        self._workers: list[WorkerProcess] = []

    def _configuration(self, beside: Path, batch: int) -> Path:
        path = beside.with_suffix(".yaml")
        path.write_text(self._text.replace("BATCH", str(batch)))
        return path

    def worker(self, name: str, batch: int = 4000) -> WorkerProcess:
        config = self._configuration(self._folder / name, batch)
        worker = WorkerProcess(config, self._address, self._folder / name)
        self._workers.append(worker)
        return worker

    def live(self) -> list[Escalation]:
        """What is on the topic, up to the last moment of the history."""
        events = escalations(self.connection, self.config)
        return [each for each in events if from_rfc3339(each.at) <= self.last]

    def wait_for(self, count: int) -> None:
        def there() -> bool:
            for worker in self._workers:
                assert worker.running or worker.killed, worker.said()
            return len(self.live()) >= count

        wait_until(there, SECONDS, f"{count} escalations")

    def stop(self) -> None:
        for worker in self._workers:
            if worker.running:
                worker.kill()


@pytest.fixture
def sample(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Played]:
    """The starter's own sample."""
    starters = REPOSITORY / "streams" / "starters"
    played = Played(
        tmp_path, broker, topic_prefix, starters / "csv.yaml", "tickets", starters / "tickets.csv"
    )
    yield played
    played.stop()


@pytest.fixture
def servicenow(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Played]:
    """101,045 updates of real incidents."""
    if not HISTORY.exists():
        pytest.skip(f"the history {HISTORY.name} is not beside the repository")
    source = REPOSITORY / "tests" / "histories" / "servicenow" / "escalations.yaml"
    played = Played(tmp_path, broker, topic_prefix, source, "incidents", HISTORY)
    yield played
    played.stop()


@pytest.mark.broker
def test_a_worker_decides_what_the_backtest_decides(sample: Played) -> None:
    worker = sample.worker("data")
    sample.wait_for(sample.expected.total())
    assert worker.stop() == 0
    assert Counter(map(encode, sample.live())) == sample.expected


@pytest.mark.broker
def test_two_workers_one_of_them_killed_and_started_again_decide_what_the_backtest_decides(
    servicenow: Played, broker: Broker
) -> None:
    expected = servicenow.expected.total()
    assert expected > 10_000
    # Small batches, so that the kill comes in the middle of many.
    first, second = (servicenow.worker(name, batch=500) for name in ("one", "two"))
    if broker.kind != "embedded":
        # The embedded broker never gives up on a member of a group that was killed.
        servicenow.wait_for(expected // 4)
        assert len(servicenow.live()) < expected, "all was over before the kill"
        first.kill()
        servicenow.worker("one", batch=1700)
    servicenow.wait_for(expected)
    assert second.stop() == 0
    assert Counter(map(encode, servicenow.live())) == servicenow.expected
