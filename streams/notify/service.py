"""A notifier service: reads the escalations topic and hands each one to a channel.

Its consumer group is its own, and an offset is committed after the channel has taken the
escalation: nothing is lost, and what is told twice after a crash has the same id.
"""

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException

from streams.core.escalation import Escalation, decode
from streams.feeds import Message
from streams.log.connection import Connection, log
from streams.log.dead_letters import dead_letter
from streams.log.producer import PlainProducer
from streams.log.reader import as_message
from streams.log.topics import Topics
from streams.notify.webhook import Refused, Stopped

POLL_SECONDS = 0.2


def serve(
    connection: Connection,
    topics: Topics,
    channel: str | None,
    send: Callable[[Escalation], None],
    stopped: Callable[[], bool],
) -> None:
    """Hand each escalation to `send` until `stopped`. `channel` names what remembers how far it is.

    One of a path in the shadow is read and told to nobody. What `send` refuses, or what is no
    escalation, goes to the dead letters. Raises KafkaException for what the broker answers, and
    whatever else `send` raises, before the escalation counts as told.
    """
    group = f"{topics.app}-notify"
    consumer = Consumer(
        connection.settings(
            **{
                "group.id": group if channel is None else f"{group}-{channel}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                # A receiver that is away is asked again for minutes before we give up.
                "max.poll.interval.ms": 900_000,
            }
        )
    )
    letters = PlainProducer(connection)
    consumer.subscribe([topics.escalations.name])
    try:
        while not stopped():
            received = consumer.poll(POLL_SECONDS)
            if received is None:
                continue
            if received.error() is not None:
                raise KafkaException(received.error())
            _hand_over(as_message(received), send, topics, letters)
            consumer.commit(received, asynchronous=False)
    except Stopped:
        return
    finally:
        consumer.close()


def _hand_over(
    message: Message, send: Callable[[Escalation], None], topics: Topics, letters: PlainProducer
) -> None:
    try:
        escalation = _read(message)
        if not escalation.shadow:
            send(escalation)
    except Refused as error:
        log.warning("%s-%d@%d: %s", message.topic, message.partition, message.offset, error)
        letters.write(topics.dead_letters.name, [dead_letter(message, str(error))])


def _read(message: Message) -> Escalation:
    try:
        return decode(message.value or b"")
    except (ValueError, RecursionError) as error:
        raise Refused(f"this is no escalation: {error}") from None
