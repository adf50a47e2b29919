"""What all tests share: one broker per run, and names on it that belong to one test."""

import re
import uuid
from collections.abc import Iterator

import pytest

from tests.brokers import Broker, start_broker

_BROKER = pytest.StashKey[Broker]()


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """A Kafka broker for the whole run; tests/brokers.py says which."""
    broker = start_broker()
    pytestconfig.stash[_BROKER] = broker
    yield broker
    broker.stop()


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """The beginning of every topic, group and transactional id of this test, so that tests can
    share a broker without seeing each other."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", request.node.name)[:80].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}."


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    # Which broker it was decides what a green run proves.
    if broker := config.stash.get(_BROKER, None):
        terminalreporter.write_line(f"broker: {broker}")
