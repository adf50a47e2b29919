"""Transactions, fenced by what they are for: one producer per source partition."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.log.connection import FORBIDDEN, BrokerUnavailable, Connection, Denied, in_words

# Java's partitioner, so that a record's key finds the same partition whoever writes it.
PARTITIONER = "murmur2_random"

COMMIT_SECONDS = 60.0


class Fenced(Exception):
    """Another producer has taken over the transactional id: this partition is no longer ours."""


class WriteRefused(Exception):
    """The broker will not take a write, and trying again will not change that."""


class NotDelivered(WriteRefused):
    """A batch did not get to the broker: it was away for too long, or takes one of the messages never."""


class TooLarge(Exception):
    """A message is larger than the client library or the broker takes."""


class TransactionalProducer:
    """Writes in transactions under `transactional_id`. Every method blocks: call from a thread."""

    def __init__(self, connection: Connection, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self._producer = Producer(
            connection.settings(
                **{
                    "transactional.id": transactional_id,
                    "partitioner": PARTITIONER,
                    "compression.type": "lz4",
                    "linger.ms": 5,
                }
            )
        )

    def fence(self) -> None:
        """Take over the id: whoever had it can write no more, and what they left open is undone."""
        self._producer.init_transactions(COMMIT_SECONDS)

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None = None, partition: int = -1, **others: Any
    ) -> None:
        """Add a message to the open transaction; its parts as in confluent_kafka.Producer.produce.

        Raises TooLarge; the transaction goes on without the message.
        """
        _produce(self._producer, topic, value, key, partition, **others)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is produced inside is committed at its end, or none of it when anything raises.

        Raises Fenced or WriteRefused; the producer is of no more use then.
        """
        try:
            self._producer.begin_transaction()
            yield
            self._commit()
        except KafkaException as error:
            # Once it is fenced the client library refuses a write without saying why; an abort says why.
            raise _meaning([error, *self._abort()], self.transactional_id) from error
        except TooLarge as error:
            self._abort()
            raise WriteRefused(f"{self.transactional_id}: {error}") from error
        except BaseException:
            self._abort()
            raise

    def _commit(self) -> None:
        while True:
            try:
                self._producer.commit_transaction(COMMIT_SECONDS)
                return
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise

    def _abort(self) -> list[KafkaException]:
        """Undo what is open, so that readers need not wait for its end; what kept it from being undone."""
        try:
            self._producer.abort_transaction(COMMIT_SECONDS)
        except KafkaException as error:
            # The next owner's fence undoes it as well.
            return [error]
        return []

    def close(self) -> None:
        """Let go without waiting; an open transaction is left to the next owner's fence."""
        self._producer.purge()
        # The client library says here that it was fenced, if it has not yet.
        with suppress(KafkaException):
            self._producer.flush(0)


def _produce(
    producer: Producer,
    topic: str,
    value: bytes | None,
    key: bytes | None = None,
    partition: int = -1,
    **others: Any,
) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition, **others)
            return
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise TooLarge(f"too large for {topic}: {len(value or b'')} bytes") from None
            raise
        except BufferError:
            # The local queue is full: let some of it go out.
            producer.poll(0.1)


def _meaning(errors: list[KafkaException], transactional_id: str) -> Exception:
    causes: list[KafkaError] = [error.args[0] for error in errors]
    fenced = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    if any(cause.code() in fenced for cause in causes):
        return Fenced(f"{transactional_id} was taken over")
    if causes[0].code() in FORBIDDEN:
        return Denied(f"{transactional_id}: {in_words(causes[0])}")
    undelivered = causes[0].code() in (KafkaError._INCONSISTENT, KafkaError._MSG_TIMED_OUT)
    kind = NotDelivered if undelivered else WriteRefused
    return kind(f"{transactional_id}: {causes[0].str()}")


class PlainProducer:
    """Writes without a transaction: entries of which a repeat changes nothing. Methods block."""

    def __init__(self, connection: Connection) -> None:
        self._producer = Producer(
            connection.settings(**{"enable.idempotence": True, "partitioner": PARTITIONER, "linger.ms": 0})
        )

    def write(self, topic: str, messages: Iterable[dict[str, Any]], timeout: float = 30.0) -> None:
        """Write `messages`, each the arguments of confluent_kafka.Producer.produce after the topic.

        Raises WriteRefused when one is not taken, BrokerUnavailable without an answer within `timeout`
        seconds, or TooLarge.
        """
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        for message in messages:
            _produce(self._producer, topic, on_delivery=delivered, **message)
        if self._producer.flush(timeout) or any(each.code() == KafkaError._MSG_TIMED_OUT for each in refused):
            raise BrokerUnavailable(f"the broker has not answered for {timeout:g} s")
        if refused:
            raise WriteRefused(f"{topic}: {refused[0].str()}")
