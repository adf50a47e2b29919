"""What all tests share: one broker per process of the run, and names on it that belong to one test."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.brokers import Broker, start_broker

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_BROKER = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """A Kafka broker for all that this process runs; tests/brokers.py says which."""
    broker = start_broker()
    pytestconfig.stash[_BROKER] = str(broker)
    yield broker
    broker.stop()


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """The beginning of every topic, group and transactional id of this test, so that tests can
    share a broker without seeing each other."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", request.node.name)[:80].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}."


def pytest_sessionfinish(session: pytest.Session) -> None:
    # One of the processes that xdist starts tells the one that reports.
    if broker := session.config.stash.get(_BROKER, None):
        getattr(session.config, "workeroutput", {})["broker"] = broker


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    if broker := getattr(node, "workeroutput", {}).get("broker"):
        node.config.stash[_BROKER] = broker


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    # Which broker it was decides what a green run proves.
    if broker := config.stash.get(_BROKER, None):
        terminalreporter.write_line(f"broker: {broker}")
