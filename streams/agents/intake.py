"""Intake: one partition of a feed, decoded and re-keyed into the log.

A batch is one transaction. After a crash it may be repeated: each change carries its source
coordinates and the feed's order token, and a record takes it once.

Nothing can have happened after it was read: what is dated in the future, be it by a clock that is ahead or
by a typing error, is taken as of now. By its own date it would make everything due that its record waits for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from streams.agents import Done, computing
from streams.core.entries import Fact, Mark, Reference, Tick, encode
from streams.feeds import Feed, PassedOver, Unavailable, Undecodable
from streams.log.connection import Connection, log
from streams.log.dead_letters import dead_letter
from streams.log.producer import TooLarge, TransactionalProducer
from streams.log.topics import Topics


class IntakePartition:
    """What the agent does with one partition. Methods block, and are called one at a time."""

    def __init__(self, connection: Connection, topics: Topics, feed: Feed, partition: int, of: int) -> None:
        self._topics = topics
        self._producer = TransactionalProducer(connection, f"{topics.app}.{feed.topic}.{partition}")
        self._feed = feed
        self._partition = partition
        self._of = of
        self._unread = 0
        """Messages put aside."""
        self._early = 0
        """Changes that were dated in the future."""
        self.marked: datetime | None = None
        """Up to when everything has been read, as it was last said."""
        self.position: int | None = None
        """The group's committed offset says where to begin."""

    def open(self) -> None:
        """Fence off whoever had the partition."""
        self._producer.fence()

    def process(self, batch: list[Any]) -> Done:
        """Write what `batch` says into the log, then how far it reaches to every partition of the log.

        Raises Fenced, WriteRefused, or Unavailable where decoding needs something that does not answer;
        nothing of the batch is written then.
        """
        unread = self._unread
        try:
            self._process(batch)
        except Unavailable:
            # The same messages come again.
            self._unread = unread
            raise
        return Done(letters=self._unread - unread)

    def _process(self, batch: list[Any]) -> None:
        changes = self._topics.changes.name
        reached: datetime | None = None
        now = datetime.now(UTC)
        with self._producer.transaction(), computing:
            for message in batch:
                try:
                    for fact in self._facts(message):
                        if fact.at > now:
                            fact = self._as_of(now, fact)
                        if isinstance(fact, Reference):
                            self._tell_all(encode(fact))
                        else:
                            self._producer.produce(changes, encode(fact), fact.record.encode())
                        reached = fact.at if reached is None else max(reached, fact.at)
                except (Undecodable, TooLarge) as error:
                    self._put_aside(message, str(error))
            if reached is not None:
                self._tell_all(encode(Tick((self.mark(reached),))))

    def _tell_all(self, entry: bytes) -> None:
        """Write `entry` to every partition of the log."""
        for partition in range(self._topics.partitions):
            self._producer.produce(self._topics.changes.name, entry, partition=partition)

    def _facts(self, message: Any) -> Sequence[Fact]:
        decoded = self._feed.decode(message)
        if not isinstance(decoded, PassedOver):
            return decoded
        if decoded.gap:
            log.warning("%s: partition %d: %s", self._feed.name, self._partition, decoded.reason)
        return []

    def _put_aside(self, message: Any, reason: str) -> None:
        self._producer.produce(self._topics.dead_letters.name, **dead_letter(message, reason))
        self._unread += 1
        if _is_round(self._unread):
            log.warning(
                "%s: %d unreadable in partition %d so far, kept in %s; the latest: %s",
                self._feed.name,
                self._unread,
                self._partition,
                self._topics.dead_letters.name,
                reason,
            )

    def _as_of(self, now: datetime, fact: Fact) -> Fact:
        self._early += 1
        if _is_round(self._early):
            log.warning(
                "%s: %d dated in the future in partition %d so far, taken as of now; the latest: %s, %s",
                self._feed.name,
                self._early,
                self._partition,
                fact.record,
                fact.at.isoformat(),
            )
        return msgspec.structs.replace(fact, at=now)

    def mark(self, at: datetime) -> Mark:
        """That everything up to `at` has been read."""
        self.marked = at if self.marked is None else max(self.marked, at)
        return Mark(self._feed.name, self._partition, self._of, at)

    def close(self) -> None:
        self._producer.close()


def _is_round(count: int) -> bool:
    """The first says what is wrong, the thousandth that it goes on; a line for each would hide all else."""
    return str(count).strip("0") == "1"
