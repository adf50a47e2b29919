"""Messages to the broker, each with its own acknowledgement, from coroutines."""

import asyncio
import threading
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.log.connection import BrokerUnavailable, Connection
from streams.log.producer import PARTITIONER, TooLarge, WriteRefused

ACKNOWLEDGED_SECONDS = 4.0
"""Less than the 5 s after which HubSpot gives up a request; other senders wait longer."""

_LOOK_SECONDS = 2.0
_POLL_SECONDS = 0.1
# With any of these the broker may take the same message later.
_AWAY = (
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._QUEUE_FULL,
)


class Writer:
    """Writes until the `with` block ends, which waits for what is on its way.

    Idempotent, and acknowledged by all replicas in sync (`acks=all`, which idempotence implies).
    """

    def __init__(self, connection: Connection) -> None:
        self._producer = Producer(
            connection.settings(
                **{
                    "enable.idempotence": True,
                    "partitioner": PARTITIONER,
                    "linger.ms": 0,
                    "message.timeout.ms": int(ACKNOWLEDGED_SECONDS * 1000),
                }
            )
        )
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="acknowledgements", daemon=True)

    def __enter__(self) -> Self:
        self._poller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(ACKNOWLEDGED_SECONDS)
        self._stopping.set()
        self._poller.join()

    async def write(self, topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Returns once the broker has acknowledged the message.

        Raises BrokerUnavailable after ACKNOWLEDGED_SECONDS, in which case it may have it all the
        same, TooLarge or WriteRefused.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[KafkaError | None] = loop.create_future()

        def delivered(error: KafkaError | None, _: Message) -> None:
            # Called in the poller's thread.
            loop.call_soon_threadsafe(_settle, answer, error)

        try:
            self._producer.produce(topic, value, headers=headers, on_delivery=delivered)
            error = await answer
        except BufferError as full:
            raise BrokerUnavailable("the broker is too slow: too much is on its way") from full
        except KafkaException as failed:
            error = failed.args[0]
        if error is None:
            return
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            raise TooLarge(f"too large for {topic}: {len(value)} bytes")
        if error.retriable() or error.code() in _AWAY:
            raise BrokerUnavailable(f"the broker has not acknowledged it: {error.str()}")
        raise WriteRefused(f"{topic}: {error.str()}")

    async def reachable(self) -> bool:
        """Whether the broker answers now."""
        try:
            await asyncio.to_thread(self._producer.list_topics, timeout=_LOOK_SECONDS)
        except KafkaException:
            return False
        return True

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_SECONDS)


def _settle(answer: "asyncio.Future[Any]", error: KafkaError | None) -> None:
    # Whoever asked may have gone.
    if not answer.done():
        answer.set_result(error)
