"""The embedded broker: it comes up, keeps what the worker rests on, and leaves nothing behind."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.log.embedded import BrokerError, EmbeddedBroker, SupervisedProcess, wait_for_broker

PARENT = """
import sys, time
from pathlib import Path
from streams.log.embedded import EmbeddedBroker
print(EmbeddedBroker(Path(sys.argv[1])).start().address, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("shared"), keep=False) as broker:
        yield broker


def processes(folder: Path) -> list[psutil.Process]:
    """The broker and its supervisor, known by the folder in their command line."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(folder) in (p.info["cmdline"] or [])]


def vanish(folder: Path, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while processes(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes(folder)


def create_topic(broker: EmbeddedBroker, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic(name, 1, 1, config={"cleanup.policy": "compact"})])[name].result(10)


def producer(broker: EmbeddedBroker, name: str) -> Producer:
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": name, "log_level": 0})
    producer.init_transactions(10)
    return producer


def committed(broker: EmbeddedBroker, topic: str) -> list[bytes | None]:
    """What a reader with read_committed sees of partition 0 from its beginning to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes | None] = []
    try:
        while True:
            message = consumer.poll(10)
            assert message is not None, "neither a record nor the end of the partition"
            if message.error():
                return values
            values.append(message.value())
    finally:
        consumer.close()


def test_starts_on_loopback_and_answers(shared: EmbeddedBroker) -> None:
    host, _, port = shared.address.partition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    wait_for_broker(shared.address, timeout=5)


def test_two_brokers_take_two_ports(shared: EmbeddedBroker, tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, keep=False) as other:
        assert other.address != shared.address


def test_only_committed_transactions_are_read(shared: EmbeddedBroker) -> None:
    create_topic(shared, "transactions")
    writer = producer(shared, "writer")
    for value, keep in ((b"kept", True), (b"dropped", False), (b"kept too", True)):
        writer.begin_transaction()
        writer.produce("transactions", value, key=value)
        writer.flush(10)
        if keep:
            writer.commit_transaction(10)
        else:
            writer.abort_transaction(10)
    writer.begin_transaction()
    writer.produce("transactions", b"still open", key=b"open")
    writer.flush(10)
    assert committed(shared, "transactions") == [b"kept", b"kept too"]


def test_a_successor_fences_its_predecessor(shared: EmbeddedBroker) -> None:
    create_topic(shared, "fencing")
    zombie = producer(shared, "fenced")
    zombie.begin_transaction()
    zombie.produce("fencing", b"from the dead", key=b"k")
    zombie.flush(10)
    successor = producer(shared, "fenced")
    with pytest.raises(KafkaException) as refused:
        zombie.commit_transaction(10)
    assert refused.value.args[0].fatal()
    successor.begin_transaction()
    successor.produce("fencing", b"alive", key=b"k")
    successor.commit_transaction(10)
    assert committed(shared, "fencing") == [b"alive"]


def test_a_stopped_broker_leaves_no_process(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path):
        assert len(processes(tmp_path)) == 2
    assert processes(tmp_path) == []


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        create_topic(broker, "kept")
        writer = producer(broker, "keeper")
        writer.begin_transaction()
        writer.produce("kept", b"value", key=b"k")
        writer.commit_transaction(10)
    with EmbeddedBroker(tmp_path) as broker:
        assert committed(broker, "kept") == [b"value"]


def test_a_killed_parent_leaves_no_broker(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path / "data"], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        address = lines.readline().strip()
        wait_for_broker(address, timeout=5)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert vanish(tmp_path / "data")


def test_the_broker_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, keep=False)
    thread = threading.Thread(target=broker.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.3)
        wait_for_broker(broker.address, timeout=5)
    finally:
        broker.stop()


def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    process = SupervisedProcess(
        [sys.executable, "-c", f"{deaf}time.sleep(600)", str(tmp_path)], tmp_path / "out"
    )
    while "up" not in process.said():
        time.sleep(0.02)
    process.stop(grace=0.3)
    assert processes(tmp_path) == []


def test_a_taken_port_is_named(shared: EmbeddedBroker, tmp_path: Path) -> None:
    port = int(shared.address.rpartition(":")[2])
    with pytest.raises(BrokerError, match=f"port {port} is already in use") as failed:
        EmbeddedBroker(tmp_path, port=port).start()
    assert "weak version" not in str(failed.value)
    assert processes(tmp_path) == []


def test_a_folder_in_use_is_named(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, keep=False), pytest.raises(BrokerError, match="already running for"):
        EmbeddedBroker(tmp_path).start()


def test_a_missing_program_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BrokerError, match="pip install noida-db"):
        EmbeddedBroker(tmp_path).start()


def test_the_address_of_a_stopped_broker_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="not running"):
        _ = EmbeddedBroker(tmp_path).address


def test_nobody_answering_is_an_error() -> None:
    with pytest.raises(BrokerError, match=r"no broker answered at 127\.0\.0\.1:1 within 0\.5 s"):
        wait_for_broker("127.0.0.1:1", timeout=0.5)
