"""The table of one log partition: changed states go to a compacted changelog topic and a local store.

Beside the records it holds, under keys no record can have, the position up to which the log is
applied and the rules in force. Both are written in the transaction that writes the states.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.log.connection import Connection, log
from streams.log.producer import TransactionalProducer
from streams.log.reader import FETCH_WAIT_MS, NO_GROUP, SILENCE_SECONDS, rounds
from streams.log.store import Store
from streams.log.topics import topic_id

_AT_ONCE = 20_000
"""So much of the changelog is held twice while it is read, once for the local store."""

_NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


class Table:
    """Keys to values of one partition. Every method blocks: call from a thread."""

    def __init__(self, connection: Connection, topic: str, partition: int, folder: Path) -> None:
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._store = Store(folder / f"{topic}-{partition}")

    def recover(self) -> dict[bytes, bytes]:
        """Everything in the table, as of the changelog's end.

        Call after fencing: then nobody else can write to this partition any more.
        Raises BrokerUnavailable when the broker falls silent.
        """
        consumer = Consumer(
            self._connection.settings(
                **{
                    "group.id": NO_GROUP,
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "isolation.level": "read_committed",
                    "fetch.wait.max.ms": FETCH_WAIT_MS,
                    "auto.offset.reset": "error",
                }
            )
        )
        try:
            return self._read(consumer)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer) -> dict[bytes, bytes]:
        here = TopicPartition(self._topic, self._partition)
        first, end = _ends(consumer, here)
        values = self._store.read()
        start = self._store.position
        changelog = topic_id(self._connection.admin(), self._topic)
        if start and not (first <= start <= end and self._store.belongs_to == changelog):
            log.warning(
                "the local store of %s-%d does not belong to this changelog: rebuilding it",
                self._topic,
                self._partition,
            )
            self._store.clear()
            values, start = {}, 0
        self._store.belongs_to = changelog
        news: dict[bytes, bytes | None] = {}
        position = start
        consumer.assign([TopicPartition(self._topic, self._partition, start or OFFSET_BEGINNING)])
        for messages in rounds(consumer):
            for message in messages:
                if message.error() is None:
                    news[message.key()] = message.value()
                    position = message.offset() + 1
                elif message.offset() >= end:
                    self._bring_forward(values, news, message.offset())
                    return values
            if len(news) >= _AT_ONCE:
                self._bring_forward(values, news, position)
                news = {}
        raise AssertionError("the rounds do not end by themselves")

    def _bring_forward(
        self, values: dict[bytes, bytes], news: Mapping[bytes, bytes | None], position: int
    ) -> None:
        self._store.write(news, position)
        for key, value in news.items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value

    def produce(self, producer: TransactionalProducer, values: Mapping[bytes, bytes]) -> "Written":
        """Add `values` to the producer's open transaction."""
        written = Written(values)
        *others, last = values.items()
        for key, value in others:
            producer.produce(self._topic, value, key, self._partition)
        # They are delivered in order: where the last one is, the others are before it.
        key, value = last
        producer.produce(self._topic, value, key, self._partition, on_delivery=written.delivered)
        return written

    def keep(self, written: "Written") -> None:
        """Bring the local store to what was committed. Call after the commit, never before."""
        self._store.write(written.values, written.position)

    def close(self) -> None:
        self._store.close()


def _ends(consumer: Consumer, here: TopicPartition) -> tuple[int, int]:
    """The first and the next offset. A partition that was made just now may have no leader for a moment."""
    deadline = time.monotonic() + SILENCE_SECONDS
    while True:
        try:
            first, end = consumer.get_watermark_offsets(here, timeout=SILENCE_SECONDS)
            return first, end
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Written:
    """Values on their way into the changelog; `position` is the offset after the last of them."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        self.values = values
        self.position = 0

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        # A failed delivery fails the commit; there is nothing to keep then.
        if error is None:
            self.position = max(self.position, message.offset() + 1)
