"""A broker, local disks and processes in memory, one at a time: a test decides who goes on, and how far.

They stand in for confluent-kafka's clients and for the local store, so that all above them is the product's
own. Each call of theirs is a step: between any two a process can be held, left behind as a zombie, or die.
"""

import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException

from streams.feeds import Message

FOREVER = 10**9
_EMPTY_ROUNDS = 100


class Died(BaseException):
    """The process is no more: whatever it still tries has no effect."""


class Process:
    """`work` in a thread of its own, which goes on only while somebody waits for it in `go`."""

    _here = threading.local()

    def __init__(self, work: Callable[[], None]) -> None:
        self.over = False
        self._work = work
        self._steps = 0
        self._dead = False
        self._error: BaseException | None = None
        self._held, self._let_go = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._here.process = self
        self._let_go.acquire()
        try:
            if not self._dead:
                self._work()
        except Died:
            pass
        except BaseException as error:
            self._error = error
        self.over = True
        self._held.release()

    def go(self, steps: int = FOREVER) -> None:
        """Let it take so many steps. Raises what it raises."""
        if self.over:
            return
        self._steps = steps
        self._let_go.release()
        self._held.acquire()
        if self._error is not None:
            raise self._error

    def die(self) -> None:
        self._dead = True
        if not self.over:
            self._let_go.release()
            self._held.acquire()
        self._thread.join()

    @classmethod
    def step(cls) -> None:
        """Called where a process does something that others can see. Outside of one it does nothing."""
        process = getattr(cls._here, "process", None)
        if process is None:
            return
        if not process._dead and process._steps == 0:
            process._held.release()
            process._let_go.acquire()
        if process._dead:
            raise Died
        process._steps -= 1


@dataclass
class Entry:
    """A message in a partition. `by`: the transactional id that wrote it, if one did."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    by: str | None
    state: Literal["open", "committed", "aborted"]


@dataclass
class Broker:
    """`group`: committed offsets. `lost_answers`: of the next so many commits the client hears nothing at
    first; whether they are done by then is for each of them to say."""

    partitions: Mapping[str, int]
    logs: dict[tuple[str, int], list[Entry]] = field(default_factory=lambda: defaultdict(list))
    epochs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    open: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    group: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    lost_answers: list[bool] = field(default_factory=list)
    disks: dict[Path, "Disk"] = field(default_factory=dict)

    def write(self, topic: str, partition: int, entry: Entry) -> int:
        """Its offset."""
        if partition < 0:
            partition = zlib.crc32(entry.key or b"") % self.partitions[topic]
        log = self.logs[topic, partition]
        log.append(entry)
        return len(log) - 1

    def say(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> int:
        """Without a transaction."""
        return self.write(topic, partition, Entry(key, value, [], None, "committed"))

    def end(self, topic: str, partition: int) -> int:
        """How far a reader of committed messages can see."""
        log = self.logs[topic, partition]
        return next((offset for offset, each in enumerate(log) if each.state == "open"), len(log))

    def read(self, topic: str, partition: int, start: int = 0, end: int | None = None) -> list[Message]:
        end = self.end(topic, partition) if end is None else end
        return [
            Message(topic, partition, offset, each.key, each.value, 0, tuple(each.headers))
            for offset, each in enumerate(self.logs[topic, partition][start:end], start)
            if each.state == "committed"
        ]

    def finish(self, transactional_id: str, state: Literal["committed", "aborted"]) -> None:
        for entry in self.open.pop(transactional_id, []):
            entry.state = state


class Producer:
    """As much of confluent_kafka.Producer as transactions need."""

    def __init__(self, broker: Broker, settings: Mapping[str, Any]) -> None:
        self._broker = broker
        self._id: str = settings["transactional.id"]
        self._epoch = 0
        self._reports: list[tuple[Callable[[Any, Any], None], int]] = []
        self._asked = False

    @property
    def _fenced(self) -> bool:
        return self._broker.epochs[self._id] != self._epoch

    def init_transactions(self, _: float) -> None:
        Process.step()
        self._broker.finish(self._id, "aborted")
        self._broker.epochs[self._id] += 1
        self._epoch = self._broker.epochs[self._id]

    def begin_transaction(self) -> None:
        self._reports = []
        self._asked = False

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        headers: Any = (),
        on_delivery: Callable[[Any, Any], None] | None = None,
    ) -> None:
        Process.step()
        # The client library takes it all the same, and says so when it is to commit.
        if self._fenced:
            return
        entry = Entry(key, value, list(headers), self._id, "open")
        offset = self._broker.write(topic, partition, entry)
        self._broker.open[self._id].append(entry)
        if on_delivery is not None:
            self._reports.append((on_delivery, offset))

    def commit_transaction(self, _: float) -> None:
        Process.step()
        answers = self._broker.lost_answers
        lost = answers.pop(0) if answers and not self._asked else None
        if lost is False:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer", retriable=True))
        if not self._asked:
            self._check()
            self._broker.finish(self._id, "committed")
            self._asked = True
        if lost is True:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer", retriable=True))
        for report, offset in self._reports:
            report(None, Received(None, None, offset))

    def abort_transaction(self, _: float) -> None:
        Process.step()
        self._check()
        self._broker.finish(self._id, "aborted")

    def _check(self) -> None:
        if self._fenced:
            raise KafkaException(KafkaError(KafkaError._FENCED, "fenced", fatal=True))

    def purge(self) -> None:
        pass

    def flush(self, _: float) -> int:
        return 0


class Received:
    """A message as confluent-kafka has it; without a key it is the end of the partition."""

    def __init__(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        self._key, self._value, self._offset = key, value, offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return KafkaError(KafkaError._PARTITION_EOF) if self._key is None else None


class Consumer:
    """As much of confluent_kafka.Consumer as reading one partition needs."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._at = 0
        self._empty = 0

    def get_watermark_offsets(self, here: Any, timeout: float) -> tuple[int, int]:
        Process.step()
        return 0, len(self._broker.logs[here.topic, here.partition])

    def assign(self, partitions: list[Any]) -> None:
        (self._here,) = partitions
        self._at = 0 if self._here.offset == OFFSET_BEGINNING else self._here.offset

    def consume(self, _: int, timeout: float) -> list[Received]:
        Process.step()
        topic, partition = self._here.topic, self._here.partition
        end = self._broker.end(topic, partition)
        messages = self._broker.read(topic, partition, self._at, end)
        self._at = max(self._at, end)
        self._empty += not messages
        assert self._empty < _EMPTY_ROUNDS, "what is to be read is held up by an open transaction"
        return [
            *(Received(each.key, each.value, each.offset) for each in messages),
            Received(None, None, end),
        ]

    def close(self) -> None:
        pass


@dataclass
class Disk:
    """What was written to a local store, batch by batch; a crash may lose the last of them."""

    batches: list[tuple[dict[bytes, bytes | None], int, str]] = field(default_factory=list)

    def values(self) -> dict[bytes, bytes]:
        values: dict[bytes, bytes | None] = {}
        for batch, _, _ in self.batches:
            values |= batch
        return {key: value for key, value in values.items() if value is not None}


class Store:
    """As `streams.log.store.Store`. Each write is held against the changelog: it must not be ahead of it,
    nor other than it."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._disk = broker.disks.setdefault(folder, Disk())
        self._broker = broker
        topic, _, partition = folder.name.rpartition("-")
        self._changelog = topic, int(partition)
        self.position = 0
        self.belongs_to = ""

    def read(self) -> dict[bytes, bytes]:
        Process.step()
        if self._disk.batches:
            _, self.position, self.belongs_to = self._disk.batches[-1]
        return self._disk.values()

    def write(self, values: Mapping[bytes, bytes | None], position: int) -> None:
        Process.step()
        self._disk.batches.append((dict(values), position, self.belongs_to))
        self.position = position
        assert position <= self._broker.end(*self._changelog), "the store is ahead of what is committed"
        assert self._disk.values() == compacted(self._broker.read(*self._changelog, end=position))

    def clear(self) -> None:
        self._disk.batches.clear()
        self.position = 0

    def close(self) -> None:
        pass


def compacted(messages: list[Message]) -> dict[bytes, bytes]:
    return {each.key: each.value for each in messages if each.key is not None and each.value is not None}


class Connection:
    """As `streams.log.connection.Connection`, with nothing behind it."""

    address = "memory"

    def settings(self, **more: Any) -> dict[str, Any]:
        return more

    def admin(self) -> None:
        return None
