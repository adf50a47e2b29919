"""The notifier service on a broker: everything is handed over, whatever comes in between."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.core.escalation import Escalation, encode
from streams.feeds import Message
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from streams.log.reader import read_to_end
from streams.log.topics import Topics, ensure
from streams.notify.service import serve
from streams.notify.webhook import Refused, Unreachable
from tests.brokers import Broker
from tests.command import PROGRAM, STARTERS, Done, environment
from tests.command import process as run
from tests.live import wait_until
from tests.notify.receiver import Receiver, escalation, receiving

pytestmark = pytest.mark.broker

SECONDS = 30.0


class Notified:
    """The topics of a worker that has run, and a configuration with channels."""

    def __init__(self, folder: Path, broker: Broker, prefix: str) -> None:
        app = prefix.rstrip(".")
        self._folder = folder
        self._address = broker.address
        self._connection = Connection(broker.address)
        self._topics = Topics(prefix, app, 1)
        self._processes: list[subprocess.Popen[bytes]] = []
        ensure(self._connection.admin(), self._topics, (), replication=1)
        (folder / "escalations.yaml").write_text(
            (STARTERS / "csv.yaml").read_text() + f'live: {{app: {app}, prefix: "{prefix}", partitions: 1}}\n'
            "notify:\n"
            "  desk: {webhook: env:DESK_WEBHOOK}\n"
            "  filed: {webhook: file:secret, print: true}\n"
        )

    def write(self, *escalations: Escalation | bytes | None) -> None:
        values = [encode(each) if isinstance(each, Escalation) else each for each in escalations]
        # One key, so that there is one order.
        messages = [{"key": b"k", "value": value, "headers": [("h", b"x")]} for value in values]
        PlainProducer(self._connection).write(self._topics.escalations.name, messages)

    def dead_letters(self) -> list[Message]:
        return list(read_to_end(self._connection, self._topics.dead_letters.name))

    def serve(self, send: Callable[[Escalation], None], until: Callable[[], bool]) -> None:
        """In this process, for the channel "here"."""
        deadline = time.monotonic() + SECONDS
        serve(self._connection, self._topics, "here", send, lambda: until() or time.monotonic() > deadline)

    def committed(self) -> int:
        """How far the channel "here" is."""
        consumer = Consumer(self._connection.settings(**{"group.id": f"{self._topics.app}-notify-here"}))
        try:
            (place,) = consumer.committed([TopicPartition(self._topics.escalations.name, 0)], 10)
        finally:
            consumer.close()
        offset: int = place.offset
        return offset

    def notify(self, *arguments: str, **env: str) -> Done:
        """To its end, which comes by itself only where something is wrong."""
        return run("notify", *arguments, cwd=self._folder, env={"ESCALATIONS_BROKER": self._address, **env})

    def start(self, *arguments: str, **env: str) -> "subprocess.Popen[bytes]":
        """Its output is in the file `output`."""
        with (self._folder / "output").open("ab") as output:
            process = subprocess.Popen(
                [PROGRAM, "notify", *arguments],
                cwd=self._folder,
                env=environment(ESCALATIONS_BROKER=self._address, **env),
                stdout=output,
                stderr=output,
            )
        self._processes.append(process)
        return process

    def said(self) -> str:
        return (self._folder / "output").read_text()

    def file(self, secret: str) -> None:
        (self._folder / "secret").write_text(secret)

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def notified(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Notified]:
    notified = Notified(tmp_path, broker, topic_prefix)
    yield notified
    notified.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def ended(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(15)


def test_without_a_channel_it_prints_and_goes_on_where_it_stopped(notified: Notified) -> None:
    notified.write(escalation(1), escalation(2))
    first = notified.start()
    wait_until(lambda: "T-2" in notified.said(), SECONDS, "two printed")
    assert ended(first) == 0
    notified.write(escalation(3))
    second = notified.start()
    wait_until(lambda: "T-3" in notified.said(), SECONDS, "the third printed")
    assert ended(second, signal.SIGINT) == 0
    printed = [line for line in notified.said().splitlines() if not line.startswith(" ")]
    assert printed == [f"2026-03-04T08:40:00Z  ESCALATED  ticket:T-{n}: untouched for 2d" for n in (1, 2, 3)]


def test_a_webhook_gets_each_and_what_it_refuses_goes_to_the_dead_letters(
    notified: Notified, receiver: Receiver
) -> None:
    """The second is taken at the second attempt, the third never."""
    notified.write(*(escalation(n) for n in (1, 2, 3, 4)))
    receiver.answers = [200, 500, 200, 400, 200]
    process = notified.start("desk", DESK_WEBHOOK=receiver.url)
    wait_until(lambda: escalation(4).id in receiver.ids(), SECONDS, "the last one handed over")
    assert ended(process) == 0
    assert receiver.ids() == [escalation(n).id for n in (1, 2, 2, 3, 4)]
    assert [post.body for post in receiver.posts][-1] == encode(escalation(4))
    (letter,) = notified.dead_letters()
    assert (letter.key, letter.value) == (b"k", encode(escalation(3)))
    headers = dict(letter.headers)
    assert headers["h"] == b"x"
    assert headers["escalations.reason"] == b"desk refuses it: HTTP 400"
    assert headers["escalations.offset"] == b"2"
    said = notified.said()
    assert "desk: HTTP 500; trying again in 1 s" in said
    assert "desk refuses it: HTTP 400" in said
    assert "s3cret" not in said
    assert "t0ken" not in said


def test_a_receiver_that_is_not_there_ends_it_and_the_next_start_delivers(
    notified: Notified, receiver: Receiver
) -> None:
    notified.write(escalation(1), escalation(2))
    receiver.answers = [200, 404]
    done = notified.notify("desk", DESK_WEBHOOK=receiver.url)
    assert done[:2] == (69, "")
    assert done.err == (
        "escalations: desk answers HTTP 404: look at its webhook's URL and start again; nothing is lost\n"
    )
    process = notified.start("desk", DESK_WEBHOOK=receiver.url)
    wait_until(lambda: len(receiver.posts) == 3, SECONDS, "the second one handed over")
    assert ended(process) == 0
    assert receiver.ids() == [escalation(n).id for n in (1, 2, 2)]
    assert notified.dead_letters() == []


def test_asked_to_end_while_the_receiver_is_ill_it_ends_soon_and_loses_nothing(
    notified: Notified, receiver: Receiver
) -> None:
    notified.write(escalation(1))
    receiver.answers = [503] * 4
    process = notified.start("desk", DESK_WEBHOOK=receiver.url)
    wait_until(lambda: len(receiver.posts) == 3, SECONDS, "a few attempts")
    begin = time.monotonic()
    assert ended(process) == 0
    assert time.monotonic() - begin < 5
    receiver.answers.clear()
    again = notified.start("desk", DESK_WEBHOOK=receiver.url)
    wait_until(lambda: len(receiver.posts) == 4, SECONDS, "handed over")
    assert ended(again) == 0


def test_without_its_secret_a_channel_does_not_start(notified: Notified) -> None:
    done = notified.notify("desk")
    assert done[:2] == (2, "")
    assert "the environment variable DESK_WEBHOOK is not set" in done.err
    done = notified.notify("desk", DESK_WEBHOOK="s3cret")
    assert done[:2] == (2, "")
    assert "s3cret" not in done.err
    done = notified.notify("filed")
    assert done[:2] == (2, "")
    assert "secret cannot be read" in done.err


def test_the_secret_may_be_in_a_file_and_a_channel_may_print_as_well(
    notified: Notified, receiver: Receiver
) -> None:
    notified.file(f"{receiver.url}\n")
    notified.write(escalation(1))
    process = notified.start("filed")
    wait_until(lambda: "T-1" in notified.said(), SECONDS, "printed")
    assert ended(process) == 0
    assert receiver.ids() == [escalation(1).id]


def test_an_unknown_channel_is_named_with_those_there_are(notified: Notified) -> None:
    done = notified.notify("dsk")
    assert done[:2] == (2, "")
    assert "'dsk' is not in `notify`; known: desk, filed" in done.err


def test_what_is_no_escalation_goes_to_the_dead_letters(notified: Notified) -> None:
    deep = b'{"reason":' + b'{"a":' * 100_000
    broken = [b"\xff\x00", b'{"id":"\xff"}', b"{}", b"[]", deep, None]
    notified.write(escalation(1), *broken, escalation(2))
    got: list[Escalation] = []
    notified.serve(got.append, lambda: len(got) == 2)
    assert got == [escalation(1), escalation(2)]
    letters = notified.dead_letters()
    assert [letter.value for letter in letters] == broken
    for letter in letters:
        assert dict(letter.headers)["escalations.reason"]


def test_what_is_in_the_shadow_is_told_to_nobody_and_is_done_with(notified: Notified) -> None:
    shadows = [msgspec.structs.replace(escalation(n), shadow=True) for n in (1, 3)]
    notified.write(shadows[0], escalation(2), shadows[1])
    got: list[Escalation] = []
    notified.serve(got.append, lambda: notified.committed() == 3)
    assert got == [escalation(2)]
    assert notified.committed() == 3
    assert notified.dead_letters() == []


def test_what_was_not_handed_over_comes_again(notified: Notified) -> None:
    notified.write(*(escalation(n) for n in (1, 2, 3)))
    got: list[Escalation] = []

    def fail_at_the_second(each: Escalation) -> None:
        got.append(each)
        if len(got) == 2:
            raise Unreachable("not there")

    with pytest.raises(Unreachable):
        notified.serve(fail_at_the_second, lambda: False)
    notified.serve(got.append, lambda: len(got) == 4)
    assert got == [escalation(n) for n in (1, 2, 2, 3)]


def test_a_refusal_is_remembered_as_handed_over(notified: Notified) -> None:
    notified.write(escalation(1), escalation(2))
    got: list[Escalation] = []

    def refuse_the_first(each: Escalation) -> None:
        got.append(each)
        if len(got) == 1:
            raise Refused("no")

    notified.serve(refuse_the_first, lambda: len(got) == 2)
    notified.write(escalation(3))
    notified.serve(got.append, lambda: len(got) == 3)
    assert got == [escalation(n) for n in (1, 2, 3)]
    assert len(notified.dead_letters()) == 1
