"""Several workers under one command: what they share, what each has for itself, and that all end."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from tests.broker.test_edge import free_port
from tests.broker.test_worker import READY_SECONDS, START_AND_REFUSE_SECONDS, STOP_SECONDS, Site, opened, row
from tests.brokers import Broker
from tests.live import WorkerProcess, wait_until

pytestmark = pytest.mark.broker

GONE_SECONDS = 8


@pytest.fixture
def site(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Site]:
    site = Site(tmp_path, broker.address, topic_prefix)
    site.create_feeds()
    yield site
    site.stop()
    wait_until(lambda: not running(site), GONE_SECONDS, "no process is left")


def two(site: Site, *options: str, ready_line: str = "worker {}: ready") -> WorkerProcess:
    """A command with two workers that are ready."""
    command = site.start("one", ["--workers", "2", *options])

    def ready() -> bool:
        assert command.running, command.said()
        return all(ready_line.format(number) in command.said() for number in (1, 2))

    wait_until(ready, READY_SECONDS, "both workers are ready")
    return command


def running(site: Site) -> list[psutil.Process]:
    """The command and its workers, by their data folders."""
    data = site.data("one")
    folders = {str(data), str(data / "1"), str(data / "2")}
    return [each for each in psutil.process_iter(["cmdline"]) if folders & set(each.info["cmdline"] or ())]


def second_worker(site: Site) -> psutil.Process:
    (worker,) = (each for each in running(site) if str(site.data("one") / "2") in each.cmdline())
    return worker


def free_ports() -> int:
    """The first of two that follow each other."""
    while True:
        first = free_port()
        with socket.socket() as following, suppress(OSError, OverflowError):
            following.bind(("127.0.0.1", first + 1))
            return first


def dealt_with(port: int, topic: str) -> float:
    """How many messages of this topic, by the worker whose metrics are served there."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    name = f'escalations_messages_total{{topic="{topic}"}} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def members(site: Site) -> set[str | None]:
    """The names of those in the workers' group."""
    app = site.topics.app
    group = site.connection.admin().describe_consumer_groups([app])[app].result(15)
    return {each.group_instance_id for each in group.members}


@pytest.mark.parametrize("where", ["option", "configuration"])
def test_they_share_the_work_and_each_has_its_own_port(site: Site, where: str) -> None:
    port = free_ports()
    # Of the two, the option is what counts.
    others = port if where == "configuration" else free_port()
    site.configure("tick: 0.2s", f'tick: 0.2s, health: "127.0.0.1:{others}"')
    command = two(site, *(["--health", f"127.0.0.1:{port}"] if where == "option" else []))
    tickets = range(100)
    for partition in (0, 1):
        site.say(*[row(ticket) for ticket in tickets if ticket % 2 == partition], partition=partition)
    site.wait_for(*opened(*tickets))
    log = site.topics.changes.name
    wait_until(
        lambda: all(dealt_with(each, log) > 0 for each in (port, port + 1)),
        READY_SECONDS,
        "both do something",
    )
    ready = [httpx.get(f"http://127.0.0.1:{each}/readyz").status_code for each in (port, port + 1)]
    assert ready == [200, 200]
    assert {each.name for each in site.data("one").iterdir()} == {"1", "2"}
    assert command.stop(STOP_SECONDS) == 0
    assert not running(site)
    assert "Traceback" not in command.said()
    assert all(line.startswith(("worker 1: ", "worker 2: ")) for line in command.said().splitlines())


def test_each_has_a_name_of_its_own_for_the_group_and_in_the_log(site: Site, broker: Broker) -> None:
    if broker.kind == "embedded":
        pytest.skip("the embedded broker does not tell the names of a group's members")
    command = two(site, "--instance", "desk", "--log-format", "json", ready_line='"ready", "worker": {}')
    assert members(site) == {"desk-1", "desk-2"}
    assert command.stop(STOP_SECONDS) == 0
    lines = [json.loads(line) for line in command.said().splitlines()]
    assert {each["worker"] for each in lines} == {1, 2}


def test_ctrl_c_that_reaches_all_of_them_ends_all_in_order(site: Site) -> None:
    command = two(site)
    site.say(*[row(ticket) for ticket in range(100)])
    for each in running(site):
        each.send_signal(signal.SIGINT)
    assert command.wait(STOP_SECONDS) == 0
    assert not running(site)
    assert "Traceback" not in command.said()


def test_when_one_is_killed_the_others_end_and_the_command_says_so(site: Site) -> None:
    command = two(site)
    second_worker(site).kill()
    assert command.wait(STOP_SECONDS) == 70
    assert not running(site)
    said = command.said().splitlines()
    assert said[-2:] == [
        "worker 2 was killed by signal 9 (Killed)",
        "worker 2 has ended: the others are asked to",
    ]


def test_when_one_cannot_start_the_exit_code_is_its(site: Site) -> None:
    site.data("one").mkdir()
    site.worker("one/2")
    command = site.start("one", ["--workers", "2"])
    assert command.wait(START_AND_REFUSE_SECONDS) == 75
    assert "worker 2: " in command.said()
    assert "is in use by another worker" in command.said()


def test_none_outlives_a_command_that_was_killed(site: Site, broker: Broker) -> None:
    command = two(site)
    site.say(row(1))
    site.wait_for(*opened(1))
    command.kill()
    wait_until(lambda: not running(site), GONE_SECONDS, "no process is left")
    if broker.kind != "embedded":
        # That one may keep a member which leaves at the same moment as another.
        assert not members(site)
        site.worker("two")
        site.say(row(2))
        site.wait_for(*opened(1, 2))


def test_with_a_single_core_auto_is_the_one_worker_it_always_was(site: Site) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not say which cores a process may use")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        command = site.start("one", ["--workers", "auto"])
    finally:
        os.sched_setaffinity(0, allowed)
    wait_until(lambda: "ready" in command.said(), READY_SECONDS, "the worker is ready")
    assert command.said().splitlines()[-1] == "ready"
    assert len(running(site)) == 1
    assert (site.data("one") / "lock").exists()
    assert command.stop(STOP_SECONDS) == 0
