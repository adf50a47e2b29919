"""Each gap between two writes, reached on purpose: what a crash there leaves, a restart makes whole."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Kafka, Unavailable
from tests.crash.points import POINTS
from tests.crash.site import Player, Site, short_sessions
from tests.crash.verify import verify
from tests.live import wait_until

pytestmark = pytest.mark.broker

SECONDS = 60
PLAY_SECONDS = 2


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    try:
        kafka = short_sessions()
    except Unavailable as error:
        pytest.skip(f"no Apache Kafka of our own: {error}")
    yield kafka
    kafka.close()


@pytest.fixture
def site(kafka: Kafka, topic_prefix: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, kafka.address(), topic_prefix)
    yield site
    site.close()


@pytest.mark.parametrize("point", POINTS)
def test_after_a_crash_a_restart_makes_it_whole(site: Site, point: str) -> None:
    player = Player(site, seed=1)
    player.start()
    first = site.worker("data")
    wait_until(lambda: "ready" in first.said(), SECONDS, "the first is ready")
    first.stop()
    dying = site.worker("data", point)
    wait_until(lambda: dying.exit_code is not None, SECONDS, f"it comes to {point}")
    assert dying.exit_code == -signal.SIGKILL, dying.said()
    last = site.worker("data")
    wait_until(lambda: last.said().count("ready") == 2, SECONDS, "the last is ready")
    time.sleep(PLAY_SECONDS)
    until = player.stop()
    wait_until(lambda: not verify(site, until).missing, SECONDS, "all is there")
    last.stop()
    verdict = verify(site, until)
    assert not verdict.wrong
    assert verdict.alone > 10
