"""Batches through Faust: one event is what was read of one partition at once.

Faust does membership, assignment, agents and life cycle. Its path per message costs more than
all of our work on it, acknowledges what an agent has not done (after an exception, on a
rebalance), and cannot hold a partition back. So this transport

- delivers a `Batch`, the records of one partition, as one message, and no second one of that
  partition before the first is acknowledged;
- wakes a poll that waits for other partitions when one is acknowledged, so that this one is read on at once;
- commits an offset only when the agent has said that the batch is `done`, and reads again what is
  acknowledged without that;
- reads a partition only once its `gate` is open, and from where its owner says;
- reads committed messages only, each as a `streams.feeds.Message`: aiokafka's own record costs six
  times as much to make.

It overrides what Faust does not offer for it; `tests/broker/test_faust.py` guards each override.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import aiokafka
import faust.transport.drivers.aiokafka as stock
from aiokafka.consumer import fetcher
from aiokafka.errors import IllegalStateError
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.feeds import Message

FETCH_WAIT_MS = 50
"""How long the broker may wait for something to send; Faust's own 1,500 ms delay an idle end."""

POLL_SECONDS = 0.1
"""How long nothing need be seen of a gate that opens. Nothing else waits for this: what is acknowledged, and
what has arrived, wakes whoever waits."""

_TURN_SECONDS = 0.005


class Batch(list[Message]):
    """Messages of one partition in the order of their offsets.

    `done`: set by whoever has dealt with all of them.
    """

    done = False


class _PartitionRecords(fetcher.PartitionRecords):
    def _consumer_record(self, tp: TP, record: Any) -> Message:
        return Message(
            tp.topic,
            tp.partition,
            record.offset,
            record.key,
            record.value,
            record.timestamp,
            tuple(record.headers),
        )


# The fetcher makes them by this name, and has no setting for it.
fetcher.PartitionRecords = _PartitionRecords


class _Thread(stock.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Both are read when the consumer starts; Faust has no setting for either.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    _woken = False

    def wake(self, seek: tuple[TP, int] | None = None) -> None:
        """Let a poll that waits, or else the next one, return at once. For the main thread; with `seek`,
        that partition goes on at that offset, if it is assigned still."""
        # A thread that has ended reads nothing more.
        with suppress(RuntimeError):
            self.thread_loop.call_soon_threadsafe(self._wake, seek)

    def _wake(self, seek: tuple[TP, int] | None) -> None:
        consumer = self._ensure_consumer()
        if seek is not None:
            with suppress(IllegalStateError):
                consumer.seek(*seek)
        self._woken = True
        for waiter in consumer._fetcher._fetch_waiters:
            consumer._fetcher._notify(waiter)

    async def seek_here(self, tp: TP, offset: int) -> None:
        """Seek in this thread, where records are handed out: from another one it can cross that."""
        self.seek(tp, offset)

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Any:
        # aiokafka would wait on through a wake, for the partitions that it was asked for.
        records = await super()._fetch_records(consumer, active_partitions, 0, max_records)
        if not records and not self._woken:
            waiter = consumer._fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=timeout)
            if not done:
                waiter.cancel()
                return {}
            # It may have been told of a failure.
            waiter.result()
            records = await super()._fetch_records(consumer, active_partitions, 0, max_records)
        self._woken = False
        return records


class _Consumer(stock.Consumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight: dict[TP, Any] = {}
        self._delivered: Counter[TP] = Counter()
        self._rounds = 0
        self._freed = asyncio.Event()

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            await self._drain(fetcher)
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.transport.app.should_stop:
                raise

    async def _drain(self, fetcher: Any) -> None:
        while not (self.should_stop or fetcher.should_stop):
            self._rounds += 1
            self._freed.clear()
            if not self.flow_active:
                await self.wait(self.can_resume_flow)
                continue
            open_partitions = {
                tp
                for tp in self._get_active_partitions()
                if tp not in self._in_flight and self.transport.is_open(tp)
            }
            if not open_partitions:
                await self.wait(self._freed, timeout=POLL_SECONDS)
                continue
            generation = self.app.consumer_generation_id
            records = await self._getmany(open_partitions, timeout=POLL_SECONDS)
            for tp, batch in records.items():
                if not self.flow_active or generation != self.app.consumer_generation_id:
                    # What was read is read again: every rebalance ends with a seek.
                    break
                await self._deliver(tp, batch)

    async def _deliver(self, tp: TP, records: list[Message]) -> None:
        message = ConsumerMessage(
            topic=tp.topic,
            partition=tp.partition,
            offset=records[-1].offset,
            timestamp=0.0,
            timestamp_type=0,
            headers=(),
            key=None,
            value=Batch(records),
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )
        self._in_flight[tp] = message
        self._delivered[tp] += 1
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def ack(self, message: Any) -> bool:
        tp, batch = message.tp, message.value
        if self._in_flight.get(tp) is message:
            del self._in_flight[tp]
            # What is not done, whoever has the partition next, us included, is to read again.
            self._wake(None if batch.done else (tp, batch[0].offset))
        return batch.done and super().ack(message)

    def _wake(self, seek: tuple[TP, int] | None = None) -> None:
        self._thread.wake(seek)
        self._freed.set()

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.call_thread(self._thread.seek_here, partition, offset)

    async def read_to_end(self, partitions: Iterable[TP]) -> set[TP]:
        """Those of `partitions` of which, when this was called, everything had been read and dealt with."""
        partitions = list(partitions)
        delivered = {tp: self._delivered[tp] for tp in partitions if tp not in self._in_flight}
        try:
            ends = await self.highwaters(*partitions)
            positions = {tp: await self.position(tp) for tp in delivered}
        except IllegalStateError:
            # A rebalance has taken one of them away meanwhile.
            return set()
        # A position moves when records are handed over, a moment before they are in flight: only
        # after another round of the loop is it certain that none were.
        rounds = self._rounds + 2
        while self._rounds < rounds and not self.should_stop:
            self._wake()
            await self.sleep(_TURN_SECONDS)
        return {
            tp
            for tp, position in positions.items()
            if position is not None and position >= ends[tp] and self._delivered[tp] == delivered[tp]
        }

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        last = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._in_flight.clear()
        await super().on_partitions_revoked(revoked)

    async def seek_if_assigned(self, tp: TP, offset: int) -> None:
        """Read `tp` from `offset` on; where a rebalance has just taken it away, the next one does that."""
        with suppress(IllegalStateError):
            await self.seek(tp, offset)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        offsets = dict(await super().seek_to_committed())
        for tp in self.assignment():
            position = self.transport.position(tp)
            if position is not None:
                await self.seek_if_assigned(tp, position)
                offsets[tp] = position
        return offsets


class BatchTransport(stock.Transport):
    """`is_open` and `position` are asked for each assigned partition: whether it may be read yet,
    and from which offset (None: where the group has committed)."""

    Consumer = _Consumer

    def __init__(
        self,
        urls: list[Any],
        app: Any,
        is_open: Callable[[TP], bool],
        position: Callable[[TP], int | None],
    ) -> None:
        super().__init__(urls, app)
        self.is_open = is_open
        self.position = position
