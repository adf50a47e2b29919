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
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaConnectionError, KafkaError
from confluent_kafka import KafkaException
from faust.types import TP
from yarl import URL

from streams.agents.health import served
from streams.agents.intake import IntakePartition
from streams.agents.metrics import Metrics, Present
from streams.agents.records import RecordsPartition
from streams.config import Config
from streams.core.entries import Mark, NewRules, Tick, encode
from streams.core.timestamps import duration
from streams.feeds import Unavailable
from streams.feeds.references import tables
from streams.log.connection import FORBIDDEN, BrokerUnavailable, Connection, is_silence, log
from streams.log.producer import Fenced, NotDelivered, PlainProducer
from streams.log.security import Security
from streams.log.store import claim
from streams.log.topics import Topics, count_partitions, ensure, lacking_replicas, recheck
from streams.log.transport import BatchTransport
from streams.log.unread import Unread

RULES_AHEAD = timedelta(seconds=5)
"""New rules hold from a moment a little ahead, so that their place in the log does not matter."""

CHECK_SECONDS = 30.0
"""How often to see that nobody has changed the topics."""

AGAIN_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
"""The longest between two questions to something outside that does not answer."""
STUCK_SECONDS = 180.0
"""Longer than anything takes that the worker waits for."""

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
        self.undelivered = False
        self.progressed = 0.0
        """When, by the worker's `_running`, a batch was dealt with last, or nothing was left to read."""
        self.passed_by = False
        self.lock = asyncio.Lock()


class Worker:
    """One worker process of `config` on a broker, with its local stores under `data`.

    `instance`: a name by which the group knows it again after a restart; None is known for one run.
    """

    def __init__(
        self, config: Config, connection: Connection, data: Path, instance: str | None = None
    ) -> None:
        self._instance = instance
        self._config = config
        self._connection = connection
        self._data = data
        self._topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
        self._feeds = {feed.topic: feed for feed in config.feeds.values()}
        self._tables = {topic for topic, feed in self._feeds.items() if tables([feed])}
        self._unread: Unread | None = None
        self._partitions: dict[str, int] = {}
        self._slots: dict[TP, _Slot] = {}
        self._waiting: dict[str, set[TP]] = {topic: set() for topic in self._feeds}
        self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="partition")
        self._tasks: set[asyncio.Task[None]] = set()
        self._metrics = Metrics(self._present)
        self._silent = False
        self._joined = False
        self._beat = time.monotonic()
        self._running = 0.0
        """For how many seconds it has been at work; a worker that hangs is not."""

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
        health = AsyncExitStack()
        try:
            if self._config.live.health is not None:
                place = self._config.live.health
                await health.enter_async_context(
                    served(place, self._metrics.registry, self._is_alive, self._is_ready)
                )
            services = self._app.start(), self._check_group(), self._read_tables(), self._tick()
            beside = [self._spawn(each) for each in services]
            await self._ended
            for task in beside:
                task.cancel()
        finally:
            cut_off = self._cut_off_later()
            await health.aclose()
            await self._app.stop()
            for slot in self._slots.values():
                slot.assigned = False
                # This waits for the batch in hand.
                await self._settle(slot)
            for task in self._tasks:
                task.cancel()
            self._threads.shutdown(cancel_futures=True)
            cut_off.cancel()

    def _is_ready(self) -> bool:
        """Whether all that is assigned is being worked on, and the broker is there."""
        return self._joined and not self._silent and self._all_open()

    def _all_open(self) -> bool:
        return all(slot.owner is not None or not slot.assigned for slot in self._slots.values())

    def _is_alive(self) -> bool:
        """Whether anything goes on at all, were it waiting for the broker."""
        return time.monotonic() - self._beat < STUCK_SECONDS

    def _present(self) -> Present:
        owners = [(tp, slot.owner) for tp, slot in self._slots.items()]
        watermarks = {
            (self._feeds[tp.topic].name, tp.partition): owner.marked
            for tp, owner in owners
            if isinstance(owner, IntakePartition) and owner.marked is not None
        }
        counts = [owner.open_episodes for _, owner in owners if isinstance(owner, RecordsPartition)]
        # A path with nothing open is 0, not absent.
        episodes = dict.fromkeys((path.name for path in self._config.rules.paths), 0)
        return Present(watermarks, episodes | sum(counts, Counter()), self._is_ready())

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
        if self._tables:
            self._unread = Unread(self._connection, self._topics.app, self._tables)
        producer = PlainProducer(self._connection)
        rules = NewRules(datetime.now(UTC) + RULES_AHEAD, dict(self._config.rules.document))
        producer.write(self._topics.changes.name, self._to_every_partition(encode(rules)))
        return producer

    async def _check_group(self) -> None:
        """Without the right to join its group, Faust would wait for ever and say nothing."""
        admin = await self._in_thread(self._connection.admin)
        try:
            await asyncio.wrap_future(admin.describe_consumer_groups([self._topics.app])[self._topics.app])
        except (BrokerUnavailable, KafkaException) as error:
            # A group that is new, or whose coordinator is, is no reason to stop.
            if isinstance(error, KafkaException) and error.args[0].code() in FORBIDDEN:
                raise

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
        urls = [URL(f"kafka://{each.strip()}") for each in self._connection.address.split(",")]
        app = faust.App(
            self._topics.app,
            broker=urls,
            broker_credentials=_credentials(self._connection.security),
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
            consumer_group_instance_id=self._instance,
            broker_max_poll_records=self._config.live.batch,
            broker_request_timeout=2 * SESSION_SECONDS,
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=SESSION_SECONDS / 4,
            # Whoever leads the group right after the broker was started may not know of any partitions yet,
            # and give none to anybody. It looks again, and divides them anew, after so many milliseconds.
            consumer_metadata_max_age_ms=int(1000 * SESSION_SECONDS),
        )
        app.transport = BatchTransport(urls, app, self._is_open, self._position)
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
        away = None
        async with slot.lock:
            if slot.owner is not None:
                try:
                    await self._do(slot, slot.owner, batch)
                except Unavailable as error:
                    away = error
                except NotDelivered:
                    # Where that happens twice it was not the broker's absence.
                    if slot.undelivered:
                        raise
                    slot.undelivered = True
                    self._say_silence()
                    await self._let_go(slot)
                    self._spawn(self._reclaim(slot, AGAIN_SECONDS))
                except Fenced as error:
                    log.warning("%s: letting go of it", error)
                    await self._let_go(slot)
                    # If it is still ours after a session.
                    self._spawn(self._reclaim(slot, 2 * SESSION_SECONDS))
        if away is not None:
            # Without the lock, since the partition may have to be let go of meanwhile.
            await self._wait_for(away, slot)
        event.ack()

    async def _wait_for(self, away: Unavailable, slot: _Slot) -> None:
        """Until what a batch needs is there, or the slot is no longer ours; the batch is read again then."""
        feed, waiting = self._feeds[slot.tp.topic].name, self._waiting[slot.tp.topic]
        if not waiting:
            log.warning("%s: %s; waiting for it", feed, away)
        waiting.add(slot.tp)
        seconds, answers = AGAIN_SECONDS, False
        try:
            while slot.owner is not None and not answers:
                await asyncio.sleep(seconds)
                seconds = min(2 * seconds, PATIENCE_SECONDS)
                with suppress(Unavailable):
                    await self._in_thread(away.ask_again)
                    answers = True
        finally:
            waiting.discard(slot.tp)
        if answers and not waiting:
            log.info("%s: what it waited for answers again", feed)

    async def _do(self, slot: _Slot, owner: IntakePartition | RecordsPartition, batch: Any) -> None:
        since = time.monotonic()
        done = await self._in_thread(owner.process, batch)
        batch.done = True
        slot.undelivered = False
        self._progress(slot)
        self._metrics.done(slot.tp.topic, len(batch), time.monotonic() - since)
        self._metrics.escalated(done.escalations)
        self._metrics.put_aside(slot.tp.topic, done.letters)

    async def _reclaim(self, slot: _Slot, seconds: float) -> None:
        """Open a partition again that we let go of, if it is ours after so long."""
        await asyncio.sleep(seconds)
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
        self._joined = True
        # A broker that has just come back may be gone again; what was counted before still holds.
        with suppress(BrokerUnavailable):
            await asyncio.to_thread(self._count_partitions)
        for tp in sorted(assigned - self._slots.keys()):
            self._slots[tp] = _Slot(tp)
        for tp, slot in self._slots.items():
            if tp in assigned and not slot.assigned:
                slot.progressed = self._running
            slot.assigned = tp in assigned
            self._spawn(self._settle(slot))

    async def _settle(self, slot: _Slot) -> None:
        """Bring a slot to what its assignment asks for."""
        async with slot.lock:
            if not slot.assigned:
                await self._let_go(slot)
            elif slot.owner is None and self._may_open(slot.tp):
                if (
                    slot.tp.topic == self._topics.changes.name
                    and slot.tp.partition >= self._topics.partitions
                ):
                    # Faust may see that the log has grown before the next look at the topics.
                    await self._in_thread(self._recheck)
                owner = await self._opened(slot)
                if owner is None:
                    return
                if owner.position is not None:
                    await self._app.consumer.seek_if_assigned(slot.tp, owner.position)
                slot.owner = owner
                if self._all_open():
                    self._on_ready()

    def _may_open(self, tp: TP) -> bool:
        return self._unread is None or tp.topic in self._tables or tp.topic not in self._feeds

    async def _read_tables(self) -> None:
        """Open the other feeds once all is in the log that those of tables held when this worker started,
        whichever worker reads it: so a row comes before the records that refer to it."""
        while self._unread is not None:
            try:
                if await self._in_thread(self._unread.is_read):
                    await self._in_thread(self._unread.close)
                    self._unread = None
                    break
            except Exception as error:
                if not _away(error):
                    raise
                self._say_silence()
            await asyncio.sleep(AGAIN_SECONDS)
        for slot in self._slots.values():
            self._spawn(self._settle(slot))

    async def _opened(self, slot: _Slot) -> IntakePartition | RecordsPartition | None:
        """The open owner of a slot; None while the broker is away: it is tried again soon."""
        owner: IntakePartition | RecordsPartition = await self._in_thread(self._new_owner, slot.tp)
        try:
            await self._in_thread(owner.open)
        except Exception as error:
            await self._in_thread(owner.close)
            if not _away(error):
                raise
            self._say_silence()
            self._spawn(self._reclaim(slot, AGAIN_SECONDS))
            return None
        return owner

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
        """Again and again: tell the log how far the feeds have been read, and see that all is well."""
        checked = time.monotonic()
        while True:
            await asyncio.sleep(self._config.live.tick)
            now = time.monotonic()
            # What hung for longer has not waited for a feed all that time: it may just have much to read.
            self._running += min(now - self._beat, SESSION_SECONDS)
            self._beat = now
            if self._app.crashed:
                raise self._app.crash_reason
            try:
                if self._beat - checked > CHECK_SECONDS:
                    await self._in_thread(self._recheck)
                    checked = self._beat
                await self._mark()
            except Exception as error:
                if not _away(error):
                    raise
                self._say_silence()
                continue
            if self._silent and self._all_open():
                log.info("the broker answers again")
                self._silent = False

    async def _mark(self) -> None:
        """Say where nothing is left unread that the feed has been read up to now; pass by what is stuck."""
        # What happened before this has had the time to arrive.
        now = datetime.now(UTC) - timedelta(seconds=self._config.live.lag)
        slots = [each for tp, each in self._slots.items() if each.assigned and tp.topic in self._feeds]
        intake = {each.tp: each.owner for each in slots if isinstance(each.owner, IntakePartition)}
        if not slots or self._app.rebalancing:
            return
        read, silence = set(), None
        try:
            read = await self._app.consumer.read_to_end(intake)
        except Exception as error:
            if not _away(error):
                raise
            silence = error
        marks = []
        for slot in slots:
            if slot.tp in read:
                self._progress(slot)
                marks.append(intake[slot.tp].mark(now))
            elif self._running - slot.progressed > self._config.live.stuck:
                marks.append(self._pass_by(slot, now))
        if marks:
            messages = self._to_every_partition(encode(Tick(tuple(marks))))
            await self._in_thread(self._marks.write, self._topics.changes.name, messages, SESSION_SECONDS)
        if silence is not None:
            raise silence

    def _progress(self, slot: _Slot) -> None:
        slot.progressed = self._running
        if slot.passed_by:
            log.info("%s: partition %d is read again", self._feeds[slot.tp.topic].name, slot.tp.partition)
        slot.passed_by = False

    def _pass_by(self, slot: _Slot, now: datetime) -> Mark:
        """Let time go on without what cannot be read, as far behind as it may hold the rest."""
        feed, stuck = self._feeds[slot.tp.topic].name, timedelta(seconds=self._config.live.stuck)
        if not slot.passed_by:
            log.warning(
                "%s: partition %d has not been read for %s; time goes on without it",
                feed,
                slot.tp.partition,
                duration(stuck // timedelta(microseconds=1)),
            )
        slot.passed_by = True
        return Mark(feed, slot.tp.partition, self._partitions[slot.tp.topic], now - stuck)

    def _say_silence(self) -> None:
        if not self._silent:
            self._spawn(self._tell_silence())
        self._silent = True

    async def _tell_silence(self) -> None:
        why = None
        with suppress(BrokerUnavailable, KafkaException, TimeoutError):
            why = await self._in_thread(self._lacking_replicas)
        # It may have answered while it was asked.
        if self._silent:
            log.warning("%s; waiting for it", why or "the broker does not answer")

    def _lacking_replicas(self) -> str | None:
        return lacking_replicas(self._connection.admin(), self._topics)

    def _recheck(self) -> None:
        recheck(self._connection.admin(), self._topics)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; what it raises ends the worker."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, KafkaConnectionError):
                # Faust does not wait for a broker that is not there when it starts.
                error = BrokerUnavailable(f"no Kafka broker answers at {self._connection.address} any more")
            self._end(error)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _away(error: Exception) -> bool:
    """Whether `error` says no more than that the broker is not there now."""
    if isinstance(error, KafkaException):
        return is_silence(error.args[0])
    return isinstance(error, KafkaError | BrokerUnavailable | TimeoutError)


def _credentials(security: Security) -> Any:
    """The same for Faust, which takes credentials that come without a context for plain text."""
    context = security.context() if security.protocol == "tls" else None
    if security.sasl is not None:
        return faust.SASLCredentials(
            mechanism=security.sasl.mechanism,
            username=security.sasl.username.read(),
            password=security.sasl.password.read(),
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
