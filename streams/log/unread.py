"""What of a topic a group has still to read."""

from collections.abc import Iterable

from confluent_kafka import Consumer, TopicPartition

from streams.log.connection import Connection
from streams.log.reader import FETCH_WAIT_MS, SILENCE_SECONDS, rounds


class Unread:
    """What `topics` hold when this is made, as far as `group` has not committed it.

    Raises BrokerUnavailable, or KafkaException for what the broker answers instead; so does `is_read`.
    """

    def __init__(self, connection: Connection, group: str, topics: Iterable[str]) -> None:
        known = connection.admin().list_topics().topics
        self._consumer = Consumer(
            connection.settings(
                **{
                    "group.id": group,
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "isolation.level": "read_committed",
                    "fetch.wait.max.ms": FETCH_WAIT_MS,
                    # Whether there is a message is all that is asked.
                    "queued.min.messages": 1,
                }
            )
        )
        here = [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
        self._ends = {(each.topic, each.partition): self._bounds(each)[1] for each in here}

    def is_read(self) -> bool:
        """Whether the group has committed all of it. Blocks, for a moment."""
        asked = [TopicPartition(*place) for place in self._ends]
        begun = self._consumer.committed(asked, timeout=SILENCE_SECONDS) if asked else []
        for each in begun:
            # Below all offsets where nothing has been committed.
            each.offset = max(each.offset, self._bounds(each)[0])
            if each.offset >= self._ends[each.topic, each.partition]:
                del self._ends[each.topic, each.partition]
        if not self._ends:
            return True
        # At its end a topic may have nothing but marks of transactions, which no group commits.
        self._consumer.assign([each for each in begun if (each.topic, each.partition) in self._ends])
        for messages in rounds(self._consumer):
            for message in messages:
                place = message.topic(), message.partition()
                if message.error() is None and message.offset() < self._ends.get(place, 0):
                    return False
                self._ends.pop(place, None)
            if not self._ends:
                return True
        return False

    def close(self) -> None:
        self._consumer.close()

    def _bounds(self, place: TopicPartition) -> tuple[int, int]:
        first, end = self._consumer.get_watermark_offsets(place, timeout=SILENCE_SECONDS)
        return first, end
