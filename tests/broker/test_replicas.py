"""Three brokers with three replicas of everything, two of which must have a write: leaders die and move."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from confluent_kafka import ElectionType
from confluent_kafka.admin import NewTopic

from streams.log.connection import Connection
from tests.broker.test_worker import Site, opened, row
from tests.brokers import Kafka, Unavailable
from tests.live import wait_until

pytestmark = pytest.mark.broker

REPLICATED = {
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # One that is dead shall be known to be so soon.
    "broker.session.timeout.ms": "3000",
}
NOTICED_SECONDS = 120
STOP_SECONDS = 8


@pytest.fixture
def nodes() -> Iterator[list[Kafka]]:
    """Three; the first also decides who leads, and stays."""
    with ExitStack() as stack:
        try:
            nodes = [stack.enter_context(closing(Kafka(settings=REPLICATED)))]
            for number in ("2", "3"):
                settings = {**REPLICATED, "node.id": number}
                nodes.append(stack.enter_context(closing(Kafka(settings=settings, controller=nodes[0]))))
        except Unavailable as error:
            pytest.skip(f"no Apache Kafka of our own: {error}")
        yield nodes


@pytest.fixture
def site(tmp_path: Path, nodes: list[Kafka]) -> Iterator[Site]:
    site = Site(tmp_path, ",".join(node.address() for node in nodes), "replicated.")
    site.configure("tick: 0.2s", "tick: 0.2s, replication: 3")
    for feed in site.config.feeds.values():
        # The feeds take writes whatever the product's own topics do.
        admin = site.connection.admin()
        topic = NewTopic(feed.topic, 2, 3, config={"min.insync.replicas": "1"})
        admin.create_topics([topic])[feed.topic].result(15)
    yield site
    site.stop()


def test_leaders_die_and_move_under_load_and_nothing_is_lost(site: Site, nodes: list[Kafka]) -> None:
    worker = site.worker()
    tickets = 0

    def say_more() -> None:
        nonlocal tickets
        site.say(*[row(ticket) for ticket in range(tickets, tickets + 500)])
        tickets += 500

    for node in nodes[1:]:
        say_more()
        node.stop(grace=0)
        say_more()
        node.start()
        elect(site.connection)
        say_more()
        site.wait_for(*opened(*range(tickets)))
    assert worker.running, worker.said()
    assert worker.stop(STOP_SECONDS) == 0


def test_with_too_few_replicas_a_worker_waits_and_says_so(site: Site, nodes: list[Kafka]) -> None:
    worker = site.worker()
    site.say(row(0))
    site.wait_for(*opened(0))
    for node in nodes[1:]:
        node.stop(grace=0)
    site.say(*[row(ticket) for ticket in range(1, 1000)])
    said = re.compile(r"partition \d of replicated\S+ has 1 of the 2 replicas in sync that a write takes;")
    wait_until(lambda: said.search(worker.said()) is not None, NOTICED_SECONDS, "it says what it waits for")
    assert worker.running, worker.said()
    for node in nodes[1:]:
        node.start()
    site.wait_for(*opened(*range(1000)))
    assert worker.stop(STOP_SECONDS) == 0


def elect(connection: Connection) -> None:
    """Make the first replica of each partition its leader again."""
    admin = connection.admin()
    admin.elect_leaders(ElectionType.PREFERRED, None).result(15)
