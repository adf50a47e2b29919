"""What a person says to an open episode, put into the log, and the answer.

The answer is the escalation that the workers write. Its id is known beforehand, since ids are
derived, so there is no doubt which of them it is.
"""

import time

from confluent_kafka import Consumer, TopicPartition

from streams.agents.states import state_of
from streams.core.entries import Command, encode
from streams.core.episodes import EVENTS, refusal
from streams.core.escalation import Escalation, decode, escalation_id
from streams.core.timestamps import micros
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from streams.log.reader import FETCH_WAIT_MS, NO_GROUP
from streams.log.topics import Topics

ANSWER_SECONDS = 15.0
"""So long the answer is waited for: a worker that starts or takes over needs that long at most."""


class CommandRefused(Exception):
    """No episode answers to the command; the text says why. Nothing has been written."""


class NoAnswer(Exception):
    """The command is in the log, and no worker has answered yet; the next one to run will."""


def send(connection: Connection, topics: Topics, command: Command) -> list[Escalation]:
    """Write `command` and wait for what the workers make of it: one escalation for each episode.

    Raises CommandRefused, NoAnswer, BrokerUnavailable, NoSuchTopic or WriteRefused.
    """
    expected = _expected(connection, topics, command)
    consumer = Consumer(
        connection.settings(
            **{
                "group.id": NO_GROUP,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": FETCH_WAIT_MS,
            }
        )
    )
    try:
        # From where it ends now, before anything is written.
        partitions = connection.admin().list_topics().topics[topics.escalations.name].partitions
        here = [TopicPartition(topics.escalations.name, number) for number in partitions]
        for each in here:
            each.offset = consumer.get_watermark_offsets(each, timeout=ANSWER_SECONDS)[1]
        consumer.assign(here)
        message = {"value": encode(command), "key": command.record.encode()}
        PlainProducer(connection).write(topics.changes.name, [message])
        return _answers(consumer, expected)
    finally:
        consumer.close()


def _expected(connection: Connection, topics: Topics, command: Command) -> set[str]:
    """Ids of the escalations that answer, as things stand now."""
    found = state_of(connection, topics, command.record)
    if found is None:
        raise CommandRefused(f"nothing is known of {command.record}")
    _, record = found
    if command.path is not None and command.path not in record.standings:
        raise CommandRefused(f"{command.path} has nothing open for {command.record}")
    asked = {name: each for name, each in record.standings.items() if command.path in (None, name)}
    refusals = {name: refusal(each, command, micros(command.at)) for name, each in asked.items()}
    expected = {
        escalation_id(name, record.key, each.episode, each.step, EVENTS[command.do], command.id)
        for name, each in asked.items()
        if refusals[name] is None
    }
    if not expected:
        whys = "; ".join(f"{name}: {why}" for name, why in refusals.items()) or "no episode is open"
        raise CommandRefused(f"{command.record}: {whys}")
    return expected


def _answers(consumer: Consumer, expected: set[str]) -> list[Escalation]:
    answers: dict[str, Escalation] = {}
    deadline = time.monotonic() + ANSWER_SECONDS
    while len(answers) < len(expected) and time.monotonic() < deadline:
        for message in consumer.consume(1000, timeout=0.1):
            if message.error() is None:
                escalation = decode(message.value())
                if escalation.id in expected:
                    answers[escalation.id] = escalation
    if not answers:
        raise NoAnswer(
            f"no worker has answered within {ANSWER_SECONDS:g} s; the command is in the log, and the next "
            "worker that runs obeys it"
        )
    return list(answers.values())
