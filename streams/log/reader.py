"""Reading a topic from its beginning to where it ends now, outside any consumer group."""

import time
from collections.abc import Iterator

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as Received

from streams.feeds import Message
from streams.log.connection import BrokerUnavailable, Connection

SILENCE_SECONDS = 30.0
NO_GROUP = "escalations-reader"
"""The group of consumers that are assigned and never commit: the client library just wants a name."""

FETCH_WAIT_MS = 50
"""How long the broker may wait before it says that nothing more is there."""

_ROUND_SECONDS = 0.1


class NoSuchTopic(Exception):
    """The broker has no such topic."""


def as_message(received: Received) -> Message:
    """What the client library received, as a plain value."""
    kind, timestamp = received.timestamp()
    return Message(
        received.topic(),
        received.partition(),
        received.offset(),
        received.key(),
        received.value(),
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        tuple(received.headers() or ()),
    )


def rounds(consumer: Consumer) -> Iterator[list[Received]]:
    """What an assigned consumer receives, round by round, ends of partitions included.

    Raises BrokerUnavailable when nothing comes for SILENCE_SECONDS, or KafkaException for what the
    broker answers instead.
    """
    heard = time.monotonic()
    while True:
        # This waits for all of its time unless so many are there at once.
        messages = consumer.consume(10_000, timeout=_ROUND_SECONDS)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise BrokerUnavailable(f"the broker has said nothing for {SILENCE_SECONDS:g} s")
        for message in messages:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
        yield messages


def read_to_end(
    connection: Connection, topic: str, *, offset: int | None = None, since: int | None = None
) -> Iterator[Message]:
    """The committed messages of `topic`, partition by partition in their order, up to its present end.

    From the beginning, or of each partition from `offset`, or from the first message whose timestamp is
    `since` (milliseconds since the epoch) or later. Raises BrokerUnavailable, NoSuchTopic, or
    KafkaException for what the broker answers instead.
    """
    # Says in plain words when there is no broker.
    partitions = connection.admin().list_topics().topics.get(topic)
    if partitions is None:
        raise NoSuchTopic(f"there is no topic {topic} at {connection.address}")
    consumer = Consumer(
        connection.settings(
            **{
                "group.id": NO_GROUP,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": FETCH_WAIT_MS,
            }
        )
    )
    try:
        # A consumer that does not know yet whom to ask waits half a second before its first fetch.
        consumer.list_topics(topic)
        unfinished = set(partitions.partitions)
        here = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in unfinished]
        consumer.assign(_starts(consumer, here, offset, since))
        for messages in rounds(consumer):
            for message in messages:
                if message.error() is None:
                    yield as_message(message)
                else:
                    unfinished.discard(message.partition())
            if not unfinished:
                return
    finally:
        consumer.close()


def _starts(
    consumer: Consumer, here: list[TopicPartition], offset: int | None, since: int | None
) -> list[TopicPartition]:
    if since is not None:
        asked = [TopicPartition(each.topic, each.partition, since) for each in here]
        return list(consumer.offsets_for_times(asked, timeout=SILENCE_SECONDS))
    if offset is not None:
        for each in here:
            # Outside of what there is, a broker would give us the other end.
            first, end = consumer.get_watermark_offsets(each, timeout=SILENCE_SECONDS)
            each.offset = min(max(offset, first), end)
    return here
