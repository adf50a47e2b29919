"""What we rest on in Faust, release by release: each override in streams/log/transport.py, and what
streams/agents/worker.py takes for granted.

A member of a consumer group reads a topic as the worker does; its agent notes what it is given.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import faust
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from faust.types import TP
from yarl import URL

from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from streams.log.transport import FETCH_WAIT_MS, Batch, BatchTransport
from tests.brokers import Broker
from tests.live import create_topic

pytestmark = pytest.mark.broker

PARTITIONS = 2
AT_ONCE = 3
"""Records a poll brings at most."""

COMMIT_SECONDS = 0.1
QUIET_SECONDS = 0.8
"""So long nothing may happen until a test believes that nothing does: many polls and commits."""


@dataclass
class Topic:
    """A topic, and the group of the same name that reads it."""

    name: str
    connection: Connection

    def partition(self, number: int) -> TP:
        return TP(self.name, number)

    def write(self, values: Iterable[int], partition: int = 0) -> None:
        PlainProducer(self.connection).write(self.name, self._messages(values, partition))

    def write_in_transaction(self, values: Iterable[int], partition: int = 0, *, commit: bool = True) -> None:
        producer = Producer(self.connection.settings(**{"transactional.id": self.name}))
        producer.init_transactions(20)
        producer.begin_transaction()
        for message in self._messages(values, partition):
            producer.produce(self.name, **message)
        # An abort would drop what has not been sent.
        producer.flush(20)
        end = producer.commit_transaction if commit else producer.abort_transaction
        end(20)

    def _messages(self, values: Iterable[int], partition: int) -> list[dict[str, Any]]:
        return [{"value": str(value).encode(), "partition": partition} for value in values]

    def committed(self, partition: int = 0) -> int | None:
        """The group's offset."""
        with self._group() as group:
            offset: int = group.committed([TopicPartition(self.name, partition)], 10)[0].offset
            return None if offset < 0 else offset

    def commit(self, offset: int, partition: int = 0) -> None:
        with self._group() as group:
            group.commit(offsets=[TopicPartition(self.name, partition, offset)], asynchronous=False)

    @contextmanager
    def _group(self) -> Iterator[Consumer]:
        group = Consumer(self.connection.settings(**{"group.id": self.name, "enable.auto.commit": False}))
        try:
            yield group
        finally:
            group.close()


@pytest.fixture
def topic(broker: Broker, topic_prefix: str) -> Topic:
    connection = Connection(broker.address)
    create_topic(connection, topic_prefix + "log", PARTITIONS)
    return Topic(topic_prefix + "log", connection)


class Member:
    """One member of the group. `events`: what its agent was given, each with a batch as its value."""

    def __init__(
        self, topic: Topic, is_open: Callable[[TP], bool], position: Callable[[TP], int | None]
    ) -> None:
        urls = [URL(f"kafka://{topic.connection.address}")]
        self.app = faust.App(
            topic.name,
            broker=urls,
            datadir=tempfile.mkdtemp(prefix="escalations-faust-"),
            autodiscover=False,
            web_enabled=False,
            store="memory://",
            table_standby_replicas=0,
            topic_disable_leader=True,
            topic_allow_declare=False,
            key_serializer="raw",
            value_serializer="raw",
            stream_wait_empty=False,
            consumer_auto_offset_reset="earliest",
            broker_max_poll_records=AT_ONCE,
            broker_commit_interval=COMMIT_SECONDS,
        )
        self.app.transport = BatchTransport(urls, self.app, is_open, position)
        self.app.agent(self.app.topic(topic.name), name="agent")(self._agent)
        self.assigned: list[set[TP]] = []
        self.app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        self.app.finalize()
        self.events: list[Any] = []

    async def _on_assigned(self, _: Any, assigned: Iterable[TP], **__: Any) -> None:
        self.assigned.append(set(assigned))

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            self.events.append(event)
            await self.handle(event)

    async def handle(self, event: Any) -> None:
        """What the agent does with an event; by default it keeps it in hand."""

    def batches(self, partition: int = 0) -> list[list[int]]:
        """Offsets, batch by batch."""
        of_partition = [event.value for event in self.events if event.message.partition == partition]
        return [[record.offset for record in batch] for batch in of_partition]

    def offsets(self, partition: int = 0) -> list[int]:
        return [offset for batch in self.batches(partition) for offset in batch]

    async def read_to_end(self) -> set[int]:
        partitions = await self.app.consumer.read_to_end(self.assigned[-1])
        return {tp.partition for tp in partitions}


@asynccontextmanager
async def member(
    topic: Topic,
    handle: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
    is_open: Callable[[TP], bool] = lambda tp: True,
    position: Callable[[TP], int | None] = lambda tp: None,
) -> AsyncIterator[Member]:
    """A member at work, with partitions assigned."""
    new = Member(topic, is_open, position)
    if handle is not None:
        new.handle = handle  # type: ignore[method-assign, assignment]
    await new.app.start()
    try:
        await until(lambda: bool(new.assigned), "partitions are assigned")
        yield new
    finally:
        await new.app.stop()


async def do(event: Any) -> None:
    """As the worker does with a batch that it has dealt with."""
    event.value.done = True
    event.ack()


async def until(true: Callable[[], bool], what: str, seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


async def quiet() -> None:
    await asyncio.sleep(QUIET_SECONDS)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60))


def test_an_event_is_a_batch_of_one_partition_without_gaps(topic: Topic) -> None:
    async def scenario() -> None:
        for partition in range(PARTITIONS):
            topic.write(range(10), partition)
        async with member(topic, do) as reader:
            for partition in range(PARTITIONS):
                await until(lambda p=partition: len(reader.offsets(p)) >= 10, "all are read")  # type: ignore[misc]
        for event in reader.events:
            assert isinstance(event.value, Batch)
            assert {record.partition for record in event.value} == {event.message.partition}
            assert event.message.offset == event.value[-1].offset
        for partition in range(PARTITIONS):
            assert reader.offsets(partition) == list(range(10))
            assert max(map(len, reader.batches(partition))) == AT_ONCE

    run(scenario())


def test_a_partition_waits_for_the_batch_in_hand_and_the_others_go_on(topic: Topic) -> None:
    async def only_the_second(event: Any) -> None:
        if event.message.partition == 1:
            await do(event)

    async def scenario() -> None:
        for partition in range(PARTITIONS):
            topic.write(range(10), partition)
        async with member(topic, only_the_second) as reader:
            await until(lambda: len(reader.offsets(1)) == 10, "the other partition is read")
            await until(lambda: len(reader.batches(0)) == 1, "the first batch is there")
            await quiet()
            assert len(reader.batches(0)) == 1
            await do(next(event for event in reader.events if event.message.partition == 0))
            await until(lambda: len(reader.batches(0)) == 2, "the next batch comes")
        assert reader.offsets(0) == list(range(len(reader.offsets(0))))

    run(scenario())


def test_what_is_acknowledged_is_read_on_at_once(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a poll waits for the other partition, and while nothing can be polled."""

    async def slowly(event: Any) -> None:
        await asyncio.sleep(0.05)
        await do(event)

    async def scenario() -> None:
        gates = {0}
        topic.write(range(20))
        async with member(topic, slowly, is_open=lambda tp: tp.partition in gates) as reader:
            await until(lambda: len(reader.offsets()) == 20, "all are read with the other one closed")
            gates.add(1)
            reader.app.consumer._wake()
            topic.write(range(20))
            await until(lambda: len(reader.offsets()) == 40, "all are read with the other one open")
            await until(lambda: not reader.app.consumer._in_flight, "all is dealt with")
            assert await reader.read_to_end() == {0, 1}

    monkeypatch.setattr("streams.log.transport.POLL_SECONDS", 1000)
    run(scenario())


def test_what_is_done_is_committed_and_what_is_not_is_read_again(topic: Topic) -> None:
    gates = {0}

    async def first_only(event: Any) -> None:
        event.value.done = event.value[0].offset == 0
        if not event.value.done:
            # As the worker lets go of a partition of which another has taken over the producer.
            gates.clear()
        event.ack()

    async def scenario() -> None:
        topic.write(range(AT_ONCE))
        async with member(topic, first_only, is_open=lambda tp: tp.partition in gates) as reader:
            await until(lambda: topic.committed() is not None, "the first batch is committed")
            assert topic.committed() == AT_ONCE
            topic.write(range(AT_ONCE))
            await until(lambda: len(reader.offsets()) == 2 * AT_ONCE, "the second batch is read")
            await quiet()
            assert topic.committed() == AT_ONCE
            assert await reader.read_to_end() == {1}
            reader.handle = do  # type: ignore[method-assign]
            gates.add(0)
            await until(lambda: topic.committed() == 2 * AT_ONCE, "the second batch is committed")
        assert reader.batches() == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]

    run(scenario())


def test_an_exception_in_the_agent_acknowledges_nothing(topic: Topic) -> None:
    async def fail(event: Any) -> None:
        raise RuntimeError("on purpose")

    async def scenario() -> None:
        topic.write(range(10))
        async with member(topic, fail) as reader:
            await until(lambda: bool(reader.events), "a batch is there")
            await quiet()
        assert len(reader.events) == 1, "what failed is not passed over"
        assert topic.committed() is None

    run(scenario())


def test_an_agent_that_is_cancelled_acknowledges_nothing(topic: Topic) -> None:
    async def hang(event: Any) -> None:
        try:
            await asyncio.sleep(600)
        finally:
            event.ack()

    async def scenario() -> None:
        topic.write(range(10))
        async with member(topic, hang) as reader:
            await until(lambda: bool(reader.events), "a batch is there")
        assert reader.events[0].message.acked is False
        assert topic.committed() is None

    run(scenario())


def test_only_committed_messages_are_read(topic: Topic) -> None:
    async def scenario() -> None:
        topic.write([1])
        topic.write_in_transaction([2, 3], commit=False)
        topic.write_in_transaction([4])
        topic.write([5])
        async with member(topic, do) as reader:
            await until(lambda: topic.committed() is not None, "something is read")
            await quiet()
        values = [record.value for event in reader.events for record in event.value]
        assert values == [b"1", b"4", b"5"]

    run(scenario())


def test_a_partition_is_read_once_its_gate_is_open_and_from_where_its_owner_says(topic: Topic) -> None:
    gates = {1}

    async def scenario() -> None:
        topic.commit(3)
        for partition in range(PARTITIONS):
            topic.write(range(10), partition)
        async with member(topic, do, is_open=lambda tp: tp.partition in gates) as reader:
            await until(lambda: len(reader.offsets(1)) == 10, "the open partition is read")
            await quiet()
            assert reader.offsets(0) == []
            await reader.app.consumer.seek_if_assigned(topic.partition(0), 5)
            gates.add(0)
            await until(lambda: len(reader.offsets(0)) >= 5, "the partition that was opened is read")
        assert reader.offsets(0) == [5, 6, 7, 8, 9]

    run(scenario())


@pytest.mark.parametrize("position", [0, 7], ids=["behind", "ahead"])
def test_after_a_rebalance_an_open_partition_goes_on_at_its_own_position(topic: Topic, position: int) -> None:
    async def scenario() -> None:
        topic.write(range(10))
        topic.commit(3)
        at = {topic.partition(0): position}
        async with member(topic, do, position=at.get) as reader:
            await until(lambda: 9 in reader.offsets(), "all is read")
        assert reader.offsets() == list(range(position, 10))

    run(scenario())


def test_a_seek_in_a_partition_that_is_gone_does_nothing(topic: Topic) -> None:
    async def scenario() -> None:
        async with member(topic) as reader:
            await reader.app.consumer.seek_if_assigned(TP(topic.name, PARTITIONS), 5)
            assert not reader.app.crashed

    run(scenario())


def test_what_was_in_hand_at_a_rebalance_is_read_again(topic: Topic) -> None:
    async def scenario() -> None:
        for partition in range(PARTITIONS):
            topic.write(range(AT_ONCE), partition)
        async with member(topic) as first:
            await until(lambda: len(first.events) == PARTITIONS, "a batch of each partition is in hand")
            async with member(topic) as second:
                await until(lambda: len(first.assigned) == 2, "the partitions are shared")
                await until(lambda: len(first.events) == PARTITIONS + 1, "the one that stays is read again")
                await until(lambda: len(second.events) == 1, "the one that moves is read by the other")
                again = [first.events[-1], second.events[0]]
                # An acknowledgement from before the rebalance is not one for what was read again.
                for event in first.events[:PARTITIONS]:
                    event.ack()
                await quiet()
                assert len(first.events) == PARTITIONS + 1
        assert {event.message.partition for event in again} == set(range(PARTITIONS))
        assert all([record.offset for record in event.value] == [0, 1, 2] for event in again)
        assert all(topic.committed(partition) is None for partition in range(PARTITIONS))

    run(scenario())


def test_what_was_read_and_not_delivered_at_a_rebalance_is_read_again(topic: Topic) -> None:
    async def scenario() -> None:
        async with member(topic, do) as first:
            consumer = first.app.consumer
            read, getmany = asyncio.Event(), consumer._getmany

            async def slow(partitions: set[TP], timeout: float) -> Any:
                records = await getmany(partitions, timeout=timeout)
                if records:
                    read.set()
                    await until(lambda: len(first.assigned) == 2, "the partitions are shared")
                return records

            consumer._getmany = slow
            for partition in range(PARTITIONS):
                topic.write(range(AT_ONCE), partition)
            await read.wait()
            async with member(topic, do) as second:
                await until(lambda: len(first.events) == 1, "the one that stays is read again")
                await until(lambda: len(second.events) == 1, "the one that moves is read by the other")
                await quiet()
        events = [*first.events, *second.events]
        assert sorted(event.message.partition for event in events) == [0, 1]
        assert all([record.offset for record in event.value] == [0, 1, 2] for event in events)

    run(scenario())


def test_read_to_end_is_said_of_partitions_read_and_dealt_with_to_their_end(topic: Topic) -> None:
    gates: set[int] = set()

    async def scenario() -> None:
        topic.write(range(2))
        async with member(topic, is_open=lambda tp: tp.partition in gates) as reader:
            await until(lambda: bool(reader.app.consumer.flow_active), "reading begins")
            assert await reader.read_to_end() == {1}, "one is unread, the other empty"
            gates.update(range(PARTITIONS))
            await until(lambda: len(reader.offsets()) == 2, "the messages are read")
            assert await reader.read_to_end() == {1}, "one is in hand"
            await do(reader.events[0])
            assert await reader.read_to_end() == {0, 1}
            topic.write(range(1), partition=1)
            assert 1 not in await reader.read_to_end(), "a message has come"

    run(scenario())


def test_the_marker_of_a_transaction_does_not_keep_the_end_away(topic: Topic) -> None:
    async def scenario() -> None:
        for partition, commit in ((0, True), (1, False)):
            topic.write([1], partition)
            topic.write_in_transaction([2], partition, commit=commit)
        async with member(topic, do) as reader:
            await until(lambda: len(reader.events) >= PARTITIONS, "the messages are read")
            ends: set[int] = set()
            for _ in range(20):
                ends |= await reader.read_to_end()
                if len(ends) == PARTITIONS:
                    break
        assert ends == {0, 1}
        assert (reader.offsets(0), reader.offsets(1)) == ([0, 1], [0])

    run(scenario())


def test_a_failure_in_reading_shows_in_the_app(topic: Topic) -> None:
    """The worker looks for this and ends with it."""

    async def scenario() -> None:
        async with member(topic, do) as reader:

            async def fail(*_: Any, **__: Any) -> Any:
                raise RuntimeError("on purpose")

            reader.app.consumer._getmany = fail
            await until(lambda: reader.app.crashed, "the app says that it crashed")
            assert str(reader.app.crash_reason) == "on purpose"

    run(scenario())


def test_the_broker_may_hold_a_fetch_only_for_a_moment(topic: Topic) -> None:
    async def scenario() -> None:
        async with member(topic) as reader:
            fetcher = reader.app.consumer._thread._consumer._fetcher
            assert fetcher._fetch_max_wait_ms == FETCH_WAIT_MS

    run(scenario())
