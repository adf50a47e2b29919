"""A worker among what surrounds it: a broker that goes away, probes, metrics, logs, compressed feeds."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from tests.broker.test_worker import Site, opened, row
from tests.brokers import Broker, Kafka, Unavailable
from tests.live import wait_until

pytestmark = pytest.mark.broker

NOTICED_SECONDS = 40
AWAY_SECONDS = 10
BACK_SECONDS = 60
STOP_SECONDS = 8


@pytest.fixture
def site(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Site]:
    site = Site(tmp_path, broker.address, topic_prefix)
    site.create_feeds()
    yield site
    site.stop()


@pytest.fixture
def kafka() -> Iterator[Kafka]:
    """A broker that may be stopped."""
    try:
        kafka = Kafka()
    except Unavailable as error:
        pytest.skip(f"no Apache Kafka of our own: {error}")
    yield kafka
    kafka.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Probe:
    """Where a worker of `site` serves its health."""

    def __init__(self, site: Site) -> None:
        place = f"127.0.0.1:{free_port()}"
        site.configure("tick: 0.2s", f'tick: 0.2s, health: "{place}"')
        self._url = f"http://{place}"

    def status(self, path: str) -> int | None:
        """The answer's status; None when nobody answers."""
        try:
            return httpx.get(f"{self._url}/{path}").status_code
        except httpx.TransportError:
            return None

    def metrics(self) -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(httpx.get(f"{self._url}/metrics").text)
        return {
            (each.name, *sorted(each.labels.values())): each.value
            for family in families
            for each in family.samples
        }


def test_probes_and_metrics_follow_what_a_worker_does(site: Site) -> None:
    probe = Probe(site)
    worker = site.worker()
    assert (probe.status("livez"), probe.status("readyz"), probe.status("")) == (200, 200, 404)
    site.say(row(1), row(2), b"\xff{")
    # Of the third the hour is over in a moment; the others come an hour late.
    site.say(row(3, timedelta(minutes=59, seconds=57)))
    site.wait_for(*opened(1, 2, 3))
    feed, log = site.config.feeds["tickets"].topic, site.topics.changes.name

    def counted() -> bool:
        metrics = probe.metrics()
        return (
            metrics.get(("escalations_messages_total", feed)) == 4
            and metrics.get(("escalations_dead_letters_total", feed)) == 1
            and metrics.get(("escalations_open_episodes", "untouched")) == 3
            and metrics.get(("escalations_messages_total", log), 0) > 3
        )

    wait_until(counted, BACK_SECONDS, "all is counted")
    metrics = probe.metrics()
    assert metrics["escalations_ready",] == 1
    assert metrics["escalations_lateness_seconds_bucket", "10.0", "untouched"] == 1
    assert metrics["escalations_lateness_seconds_count", "untouched"] == 3
    # The watermark goes on while nothing is said.
    assert all(metrics["escalations_feed_behind_seconds", each, "tickets"] < 10 for each in "01")
    assert metrics["escalations_batch_seconds_count", feed] >= 1
    assert worker.stop(STOP_SECONDS) == 0
    # What is open is known again after a restart.
    site.worker()
    assert probe.metrics()["escalations_open_episodes", "untouched"] == 3


def test_without_the_setting_nothing_listens(site: Site) -> None:
    probe = Probe(site)
    site.configure()
    site.worker()
    assert probe.status("livez") is None


def test_a_port_that_is_taken_is_told(site: Site) -> None:
    Probe(site)
    site.worker("one")
    second = site.start("two")
    assert second.wait(20) == 70
    assert "address already in use" in second.said()
    assert "Traceback" not in second.said()


def test_logs_are_json_where_asked_for(site: Site) -> None:
    worker = site.start(options=["--log-format", "json"])
    wait_until(lambda: '"ready"' in worker.said(), BACK_SECONDS, "the worker is ready")
    other = site.start(options=["--log-format", "json"])
    assert other.wait(20) == 75
    assert worker.stop(STOP_SECONDS) == 0
    lines = [json.loads(line) for line in worker.said().splitlines()]
    assert all(line.keys() == {"time", "level", "message"} for line in lines)
    assert {"INFO", "ERROR"} == {line["level"] for line in lines}
    assert "is in use by another worker" in next(
        each["message"] for each in lines if each["level"] == "ERROR"
    )


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_feed_may_be_compressed(site: Site, codec: str) -> None:
    producer = Producer({"bootstrap.servers": site.connection.address, "compression.type": codec})
    for ticket in range(20):
        producer.produce(site.config.feeds["tickets"].topic, row(ticket), partition=0)
    assert producer.flush(15) == 0
    site.worker()
    site.wait_for(*opened(*range(20)))


def test_a_worker_waits_for_a_broker_that_is_away_and_goes_on(tmp_path: Path, kafka: Kafka) -> None:
    site = Site(tmp_path, kafka.address(), "away.")
    site.create_feeds()
    probe = Probe(site)
    worker = site.worker()
    site.say(row(1))
    site.wait_for(*opened(1))
    # Much of it is in hand when the broker goes.
    site.say(*[row(ticket) for ticket in range(2, 2000)])
    try:
        kafka.stop(grace=0)
        away = "the broker does not answer; waiting for it"
        wait_until(lambda: away in worker.said(), NOTICED_SECONDS, "the worker says that the broker is away")
        time.sleep(AWAY_SECONDS)
        assert worker.running, worker.said()
        assert worker.said().count(away) == 1
        assert (probe.status("livez"), probe.status("readyz")) == (200, 503)
        kafka.start()
        site.say(row(2000))
        site.wait_for(*opened(*range(1, 2001)))
        wait_until(lambda: probe.status("readyz") == 200, BACK_SECONDS, "it is ready again")
        assert worker.stop(STOP_SECONDS) == 0
        assert worker.said().count("the broker") == 2
        assert "Traceback" not in worker.said()
    finally:
        site.stop()


def test_a_worker_ends_soon_while_the_broker_is_away(tmp_path: Path, kafka: Kafka) -> None:
    site = Site(tmp_path, kafka.address(), "away.")
    site.create_feeds()
    worker = site.worker()
    kafka.stop(grace=0)
    time.sleep(2)
    assert worker.stop(STOP_SECONDS) == 0


def test_a_worker_with_a_name_comes_back_without_disturbing_the_others(tmp_path: Path, kafka: Kafka) -> None:
    site = Site(tmp_path, kafka.address(), "named.")
    site.create_feeds()
    try:
        one = site.start("one", ["--instance", "one"])
        wait_until(lambda: "ready" in one.said(), BACK_SECONDS, "the first is ready")
        two = site.start("two", ["--instance", "two"])
        wait_until(lambda: "ready" in two.said(), BACK_SECONDS, "the second is ready")
        site.say(row(1))
        site.wait_for(*opened(1))
        before = two.said()
        assert one.stop(STOP_SECONDS) == 0
        ready = one.said().count("ready")
        one = site.start("one", ["--instance", "one"])
        wait_until(lambda: one.said().count("ready") > ready, BACK_SECONDS, "it is back")
        site.say(*[row(ticket) for ticket in range(2, 40)])
        site.wait_for(*opened(*range(1, 40)))
        assert two.said() == before
    finally:
        site.stop()
