"""`escalations play`: files of a feed into a topic, by the real command, and what is then in it."""

import itertools
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from streams.config import load
from streams.feeds import Message
from streams.feeds.files import read_messages
from streams.log.connection import Connection
from streams.log.reader import read_to_end
from tests.brokers import Broker
from tests.command import PROGRAM, STARTERS, Done, environment, process
from tests.live import create_topic, wait_until

pytestmark = pytest.mark.broker

CONFIGURATION = """\
version: 1
feeds:
  tickets:
    format: debezium
    topic: TOPIC
    record: {kind: ticket, id: id}
people: {bert: }
fallback: bert
paths:
  untouched: {about: ticket, when: {untouched: 8d}, steps: [{notify: bert}]}
"""


class Played:
    """A folder with a configuration, and a topic of this test's own."""

    def __init__(self, folder: Path, broker: Broker, topic: str) -> None:
        self.folder = folder
        self.topic = topic
        self.connection = Connection(broker.address)
        (folder / "escalations.yaml").write_text(CONFIGURATION.replace("TOPIC", topic))

    def use_csv(self) -> None:
        text = (STARTERS / "csv.yaml").read_text()
        (self.folder / "escalations.yaml").write_text(
            text.replace("format: csv", f"format: csv\n    topic: {self.topic}")
        )
        shutil.copy(STARTERS / "tickets.csv", self.folder)

    def play(self, *arguments: str, stdin: bytes = b"") -> Done:
        env = {"ESCALATIONS_BROKER": self.connection.address}
        return process("play", *arguments, cwd=self.folder, stdin=stdin, env=env)

    def written(self) -> list[Message]:
        return list(read_to_end(self.connection, self.topic))

    def create(self, partitions: int, retention: str = "-1") -> None:
        create_topic(self.connection, self.topic, partitions, **{"retention.ms": retention})

    def retention(self) -> str:
        resource = ConfigResource(ResourceType.TOPIC, self.topic)
        admin = self.connection.admin()
        value: str = admin.describe_configs([resource])[resource].result(15)["retention.ms"].value
        return value


@pytest.fixture
def played(tmp_path: Path, broker: Broker, topic_prefix: str) -> Played:
    return Played(tmp_path, broker, f"{topic_prefix}tickets")


def event(number: int, second: int, **more: Any) -> dict[str, Any]:
    """A message as files have it, `second` seconds after a beginning."""
    at = 1_772_442_000 + second
    row = {"op": "u", "after": {"id": number, "n": second}, "source": {"ts_us": at * 1_000_000, "lsn": at}}
    key = json.dumps({"id": number})
    return {"topic": "elsewhere", "timestamp": at * 1000 + 5, "key": key, "value": json.dumps(row), **more}


def lines(*events: dict[str, Any]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in events).encode()


def test_messages_keep_key_headers_timestamp_and_bytes_and_come_in_the_order_of_time(played: Played) -> None:
    played.create(1)
    tombstone = {"topic": "t", "timestamp": 1_772_442_009_000, "key": '{"id":1}', "value": None}
    events = [
        event(1, 3, headers=[["h", "x"], ["h", "y"], ["n", None]]),
        event(2, 1),
        tombstone,
        event(1, 2, key=None),
    ]
    (played.folder / "a.jsonl").write_bytes(lines(*events))
    done = played.play("--topic", played.topic, "a.jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"4 messages are in {played.topic}; 0 passed over, 0 could not be read\n"
    expected = [events[number] for number in (1, 3, 0, 2)]
    written = played.written()
    assert [each.offset for each in written] == [0, 1, 2, 3]
    for each, original in zip(written, expected, strict=True):
        assert each.value == (original["value"] and original["value"].encode())
        assert each.key == (original["key"] and original["key"].encode())
        assert each.timestamp == original["timestamp"]
    assert written[2].headers == (("h", b"x"), ("h", b"y"), ("n", None))


def test_rows_get_their_record_as_key_so_that_one_partition_has_all_of_it(played: Played) -> None:
    played.use_csv()
    done = played.play("--feed", "tickets", "tickets.csv", "--create")
    assert done.code == 0, done
    feed = load(played.folder / "escalations.yaml").feeds["tickets"]
    rows = [each.value for each in read_messages(feed, played.folder / "tickets.csv")]
    written = played.written()
    assert sorted(each.value or b"" for each in written) == sorted(row or b"" for row in rows)
    partitions: dict[str, set[int]] = {}
    order: dict[str, list[Any]] = {}
    for each in written:
        changes = feed.decode(each)
        assert isinstance(changes, list)
        assert each.key == changes[0].record.encode()
        partitions.setdefault(changes[0].record, set()).add(each.partition)
        order.setdefault(changes[0].record, []).append(changes[0].at)
    assert all(len(each) == 1 for each in partitions.values())
    assert len(set.union(*partitions.values())) > 1
    assert all(each == sorted(each) for each in order.values())
    # What tells the future is not in the topic either.
    assert not any(b"resolved" in (each.value or b"") for each in written)


def test_messages_without_a_key_stay_in_the_partition_they_came_from(played: Played) -> None:
    played.create(3)
    events = [event(second, second, key=None, partition=second % 5) for second in range(50)]
    done = played.play("--topic", played.topic, "-", stdin=lines(*events))
    assert done.code == 0, done
    written = played.written()
    assert len(written) == 50
    for each in written:
        assert each.partition == json.loads(each.value or b"")["after"]["n"] % 5 % 3
    for partition in range(3):
        times = [each.timestamp or 0 for each in written if each.partition == partition]
        assert times == sorted(times)


def test_what_cannot_be_read_or_says_nothing_is_counted_and_left_out(played: Played) -> None:
    played.create(1)
    heartbeat = {"topic": "t", "value": {"ts_ms": 5}}
    content = lines(event(1, 1), heartbeat) + b"{\n[\n" + lines(event(2, 2))
    done = played.play("--feed", "tickets", "-", stdin=content)
    assert done.code == 0
    assert done.out == f"2 messages are in {played.topic}; 1 passed over, 2 could not be read\n"
    assert done.err.count("\n") == 1
    assert "not JSON" in done.err
    assert len(played.written()) == 2
    done = played.play("--feed", "tickets", "-", stdin=b"{\n")
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("there is nothing to play: 0 passed over, 1 could not be read.\n")
    assert len(played.written()) == 2


def test_a_topic_that_is_not_there_is_refused_unless_it_is_to_be_created(played: Played) -> None:
    content = lines(event(1, 1))
    done = played.play("--feed", "tickets", "-", stdin=content)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"escalations: there is no topic {played.topic}.")
    assert done.err.endswith("Add --create to have it created.\n")
    assert played.topic not in played.connection.admin().list_topics().topics
    for _ in range(2):
        assert played.play("--feed", "tickets", "-", "--create", stdin=content).code == 0
    assert played.retention() == "-1"
    assert len(played.written()) == 2


def test_it_says_when_the_broker_will_delete_what_is_old(played: Played) -> None:
    played.create(1, retention="3600000")
    old, new = event(1, 1), event(1, 2, timestamp=int(time.time() * 1000))
    done = played.play("--feed", "tickets", "-", stdin=lines(new))
    assert (done.code, done.err) == (0, "")
    done = played.play("--feed", "tickets", "-", stdin=lines(new, old))
    assert done.code == 0
    assert "the broker will delete them" in done.err


def test_it_plays_so_many_times_as_fast_as_it_happened(played: Played) -> None:
    played.create(1)
    # Without timestamps of their own they show when they were written.
    events = [event(1, second, timestamp=None) for second in (0, 1, 3, 5, 45)]
    done = played.play("--feed", "tickets", "-", "--speed", "20", stdin=lines(*events))
    assert done.code == 0
    times = [each.timestamp or 0 for each in played.written()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(gaps) == 4
    # The first was handed over before there was a connection.
    assert all(50 <= gap < 500 for gap in gaps[1:3]), gaps
    assert 1900 < gaps[3] < 3500, gaps


def test_ctrl_c_says_how_many_are_in(played: Played) -> None:
    played.create(1)
    events = [event(1, second) for second in (0, 1, 2, 100_000)]
    (played.folder / "a.jsonl").write_bytes(lines(*events))
    running = subprocess.Popen(
        [PROGRAM, "play", "--feed", "tickets", "a.jsonl", "--speed", "10"],
        cwd=played.folder,
        env=environment(ESCALATIONS_BROKER=played.connection.address),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(played.written()) == 3, 30, "three are in")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=15)
    assert (running.returncode, err) == (130, "")
    assert out == f"3 of 4 messages are in {played.topic}; 0 passed over, 0 could not be read\n"
    assert len(played.written()) == 3


def test_a_message_that_the_topic_cannot_take_is_named(played: Played) -> None:
    played.create(1)
    huge = event(1, 1, headers=[["h", "x" * 1_100_000]])
    done = played.play("--feed", "tickets", "-", stdin=lines(huge))
    assert done.code == 70
    assert "too large" in done.err
    assert done.out == f"0 of 1 messages are in {played.topic}; 0 passed over, 0 could not be read\n"


def test_wrong_use_is_one_line(played: Played) -> None:
    for arguments, said in (
        (["a.jsonl"], "Give --feed NAME, --topic TOPIC, or both."),
        (["--topic", "other", "a.jsonl"], "no feed has the topic 'other'"),
        (["--feed", "ticket", "a.jsonl"], "there is no feed 'ticket'"),
        (["--feed", "tickets", "--speed", "0", "a.jsonl"], "--speed"),
        (["--feed", "tickets"], "FILE"),
    ):
        done = played.play(*arguments)
        assert done.code == 2, arguments
        assert said in done.err
    played.create(1)
    done = played.play("--feed", "tickets", "absent.jsonl")
    assert (done.code, done.out) == (1, "")
    assert "absent.jsonl" in done.err
