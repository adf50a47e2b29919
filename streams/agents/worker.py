"""The live worker: Faust agents over feeds and log, and what keeps them honest.

Faust assigns partitions and calls the agents. Each assigned partition has an owner that is
opened (fenced, recovered) before its first message is read, and does one batch at a time.
"""

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.types import TP
from yarl import URL

from streams.agents.intake import IntakePartition
from streams.agents.records import RecordsPartition
from streams.config import Config
from streams.core.entries import NewRules, Tick, encode
from streams.log.connection import BrokerUnavailable, Connection, log
from streams.log.producer import Fenced, PlainProducer
from streams.log.store import claim
from streams.log.topics import Topics, count_partitions, ensure
from streams.log.transport import BatchTransport

RULES_AHEAD = timedelta(seconds=5)
"""New rules hold from a moment a little ahead, so that their place in the log does not matter."""

STOP_SECONDS = 5.0
CUT_OFF = 70
"""Exit code of a worker that had to stop and could not do so in time."""

SESSION_SECONDS = 10.0
"""After so long without a sign of life a worker's partitions go to the others."""


class _Slot:
    """A partition that is or was ours: its owner while it is open, and a lock, for all that is done to
    a partition is done one after the other."""

    def __init__(self, tp: TP) -> None:
        self.tp = tp
        self.assigned = False
        self.owner: IntakePartition | RecordsPartition | None = None
        self.lock = asyncio.Lock()


class Worker:
    """One worker process of `config` on a broker, with its local stores under `data`."""

    def __init__(self, config: Config, connection: Connection, data: Path) -> None:
        self._config = config
        self._connection = connection
        self._data = data
        self._topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
        self._feeds = {feed.topic: feed for feed in config.feeds.values()}
        self._partitions: dict[str, int] = {}
        self._slots: dict[TP, _Slot] = {}
        self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="partition")
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Work until SIGINT or SIGTERM; `on_ready` is called each time all assigned partitions are open.

        Raises what makes going on impossible: BrokerUnavailable, NoSuchTopic, TopicMismatch,
        StoreInUse, WriteRefused, or an error of Faust's.
        """
        self._on_ready = on_ready
        # By default the collector would look through a million records of plain data again and again.
        gc.set_threshold(50_000, 20, 100)
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        self._marks = await asyncio.to_thread(self._prepare)
        self._app = self._faust_app()
        try:
            await self._app.start()
            ticking = self._spawn(self._tick())
            await self._ended
            ticking.cancel()
        finally:
            cut_off = self._cut_off_later()
            await self._app.stop()
            for slot in self._slots.values():
                slot.assigned = False
                # This waits for the batch in hand.
                await self._settle(slot)
            for task in self._tasks:
                task.cancel()
            self._threads.shutdown(cancel_futures=True)
            cut_off.cancel()

    def _cut_off_later(self) -> threading.Timer:
        """Without a broker, Faust can wait for ever to leave its group. A crash loses nothing, so neither
        does ending in the middle of that."""

        def cut_off() -> None:
            asked = self._ended.done() and self._ended.exception() is None
            if self._ended.done() and not asked:
                log.error("escalations: %s", self._ended.exception())
            os._exit(0 if asked else CUT_OFF)

        timer = threading.Timer(STOP_SECONDS, cut_off)
        timer.daemon = True
        timer.start()
        return timer

    def _end(self, error: BaseException | None = None) -> None:
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    def _prepare(self) -> PlainProducer:
        admin = self._connection.admin()
        # Without this, two workers in one folder would not notice before a partition moves between them.
        self._claimed = claim(self._data)
        ensure(admin, self._topics, self._feeds, replication=self._config.live.replication)
        self._count_partitions()
        producer = PlainProducer(self._connection)
        rules = NewRules(datetime.now(UTC) + RULES_AHEAD, dict(self._config.rules.document))
        producer.write(self._topics.changes.name, self._to_every_partition(encode(rules)))
        return producer

    def _count_partitions(self) -> None:
        self._partitions = count_partitions(self._connection.admin(), self._feeds)

    def _to_every_partition(self, value: bytes) -> list[dict[str, Any]]:
        return [{"value": value, "partition": number} for number in range(self._topics.partitions)]

    def _faust_app(self) -> Any:
        # Faust tells each step of each of its services, under the name of the class's module, and
        # aiokafka each attempt to reach a broker that is away.
        for name in ("faust", "mode", BatchTransport.__module__):
            logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        url = URL(f"kafka://{self._connection.address.replace(',', ';kafka://')}")
        app = faust.App(
            self._topics.app,
            broker=url,
            datadir=str(self._data / "faust"),
            autodiscover=False,
            web_enabled=False,
            store="memory://",
            table_standby_replicas=0,
            topic_disable_leader=True,
            topic_allow_declare=False,
            key_serializer="raw",
            value_serializer="raw",
            # What an agent has in hand when partitions move is finished or fenced, not waited for.
            stream_wait_empty=False,
            consumer_auto_offset_reset="earliest",
            broker_max_poll_records=self._config.live.batch,
            broker_request_timeout=2 * SESSION_SECONDS,
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=SESSION_SECONDS / 4,
        )
        app.transport = BatchTransport(url, app, self._is_open, self._position)
        for topic in (*self._feeds, self._topics.changes.name):
            name = "records" if topic == self._topics.changes.name else f"intake-{self._feeds[topic].name}"
            app.agent(app.topic(topic), name=name)(self._agent)
        app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        app.finalize()
        return app

    async def _agent(self, stream: Any) -> None:
        event: Any
        async for event in stream.noack().events():
            # Other partitions' batches go on while this one commits.
            self._spawn(self._process(event))

    async def _process(self, event: Any) -> None:
        slot, batch = self._slots[event.message.tp], event.value
        async with slot.lock:
            if slot.owner is not None:
                try:
                    await self._in_thread(slot.owner.process, batch)
                    batch.done = True
                except Fenced as error:
                    log.warning("%s: letting go of it", error)
                    await self._let_go(slot)
                    self._spawn(self._reclaim(slot))
        event.ack()

    async def _reclaim(self, slot: _Slot) -> None:
        """Open a partition again that was fenced off and yet, after a session, is still ours."""
        await asyncio.sleep(2 * SESSION_SECONDS)
        await self._settle(slot)

    def _is_open(self, tp: TP) -> bool:
        return tp in self._slots and self._slots[tp].owner is not None

    def _position(self, tp: TP) -> int | None:
        slot = self._slots.get(tp)
        return slot.owner.position if slot is not None and slot.owner is not None else None

    async def _on_assigned(self, _: Any, assigned: Iterable[TP], **__: Any) -> None:
        """Open what is new, close what is gone; what stays keeps its state: the fence is still ours,
        and if it is not, the next commit says so."""
        assigned = set(assigned)
        await asyncio.to_thread(self._count_partitions)
        for tp in sorted(assigned - self._slots.keys()):
            self._slots[tp] = _Slot(tp)
        for tp, slot in self._slots.items():
            slot.assigned = tp in assigned
            self._spawn(self._settle(slot))

    async def _settle(self, slot: _Slot) -> None:
        """Bring a slot to what its assignment asks for."""
        async with slot.lock:
            if not slot.assigned:
                await self._let_go(slot)
            elif slot.owner is None:
                owner = await self._in_thread(self._new_owner, slot.tp)
                await self._in_thread(owner.open)
                if owner.position is not None:
                    await self._app.consumer.seek_if_assigned(slot.tp, owner.position)
                slot.owner = owner
                if all(each.owner is not None or not each.assigned for each in self._slots.values()):
                    self._on_ready()

    async def _let_go(self, slot: _Slot) -> None:
        if slot.owner is not None:
            await self._in_thread(slot.owner.close)
            slot.owner = None

    def _new_owner(self, tp: TP) -> IntakePartition | RecordsPartition:
        if tp.topic == self._topics.changes.name:
            return RecordsPartition(self._connection, self._topics, tp.partition, self._data)
        feed = self._feeds[tp.topic]
        of = self._partitions[tp.topic]
        return IntakePartition(self._connection, self._topics, feed, tp.partition, of)

    async def _tick(self) -> None:
        """Say, again and again, where nothing is left unread that the feed has been read up to now."""
        silent = False
        while True:
            await asyncio.sleep(self._config.live.tick)
            if self._app.crashed:
                raise self._app.crash_reason
            # What happened before this has had the time to arrive.
            now = datetime.now(UTC) - timedelta(seconds=self._config.live.lag)
            intake = {
                tp: slot.owner for tp, slot in self._slots.items() if isinstance(slot.owner, IntakePartition)
            }
            if not intake or self._app.rebalancing:
                continue
            try:
                read = await self._app.consumer.read_to_end(intake)
                if marks := tuple(intake[tp].mark(now) for tp in sorted(read)):
                    messages = self._to_every_partition(encode(Tick(marks)))
                    await self._in_thread(self._marks.write, self._topics.changes.name, messages)
            except (KafkaError, BrokerUnavailable):
                if not silent:
                    log.warning("the broker does not answer; waiting for it")
                silent = True
                continue
            if silent:
                log.info("the broker answers again")
                silent = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; what it raises ends the worker."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(error)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
