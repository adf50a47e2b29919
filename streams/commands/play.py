"""`escalations play`."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.exit_codes import INTERRUPTED, NO
from streams.commands.options import (
    BROKER,
    CONFIG,
    FILES,
    examples,
    feed_named,
    feed_of_topic,
    log_to_stderr,
    messages_of,
)

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from streams.feeds import Message, Undecodable

_DAY_MS = 86_400_000


@click.command(
    "play",
    epilog=examples(
        "escalations play --feed tickets tickets.csv --create",
        "escalations play --topic helpdesk.public.ticket messages.jsonl",
        "escalations play --feed tickets --topic rehearsal tickets.csv --create --speed 86400",
    ),
)
@CONFIG
@BROKER
@click.option("--feed", "name", help="Which feed the files are of. [default: that of the topic]")
@click.option("--topic", help="Where to. [default: the feed's topic]")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="So many times as fast as it happened. [default: as fast as possible]",
)
@click.option("--create", is_flag=True, help="Create the topic where it is missing, to keep all for ever.")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=FILES)
def command(
    path: Path,
    broker: str,
    name: str | None,
    topic: str | None,
    speed: float | None,
    create: bool,
    paths: tuple[Path, ...],
) -> None:
    """Play files of a feed into a topic.

    FILE is what `escalations decode` reads; a dash is standard input. Everything is read first, and
    then written in the order in which it happened, with the messages' own keys, headers and
    timestamps. Rows of CSV get their record as key, so that a record stays in one partition. What
    says nothing about a record, or cannot be read, is left out and counted.

    Ctrl-C stops and says how many are in. Exit 1 when there is nothing to play, or no such topic.
    """
    from streams.config import load
    from streams.feeds.files import messages_in_order
    from streams.log.connection import Connection
    from streams.log.play import play
    from streams.log.producer import PlainProducer
    from streams.progress import counted

    log_to_stderr()
    config = load(path)
    if name is not None:
        feed = feed_named(config, name)
    elif topic is not None:
        feed = feed_of_topic(config, topic)
    else:
        raise click.UsageError("Give --feed NAME, --topic TOPIC, or both.")
    topic = topic or feed.topic
    connection = Connection(broker, config.kafka)
    admin = connection.admin()
    partitions = _partitions(admin, topic, create, config.live.partitions, config.live.replication)

    read = refused = 0

    def counting() -> Iterator["Message"]:
        nonlocal read
        for message in messages_of(feed, paths):
            read += 1
            yield message

    def refuse(message: "Message", error: "Undecodable") -> None:
        nonlocal refused
        refused += 1
        # The first says what is wrong; one line each would hide all else.
        if refused == 1:
            click.echo(f"{message.place}: {error}", err=True)

    history = messages_in_order(feed, counted(counting(), "reading"), refuse)
    left_out = f"{read - refused - len(history)} passed over, {refused} could not be read"
    if not history:
        click.echo(f"escalations: there is nothing to play: {left_out}.", err=True)
        sys.exit(NO)
    _warn_of_retention(admin, topic, [message.timestamp for _, message in history])
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    done = 0
    try:
        playing = play(
            PlainProducer(connection),
            topic,
            partitions,
            history,
            keyed=feed.rows is not None,
            speed=speed,
            stopped=lambda: bool(stopped),
        )
        for _ in counted(playing, "playing", len(history), every=1000 if speed is None else 1):
            done += 1
    finally:
        of = f" of {len(history)}" if done < len(history) else ""
        click.echo(f"{done}{of} messages are in {topic}; {left_out}")
    if done < len(history):
        sys.exit(INTERRUPTED)


def _partitions(admin: "AdminClient", topic: str, create: bool, partitions: int, replication: int) -> int:
    """How many `topic` has; where it is missing it is made, if that is wanted. Raises NoSuchTopic."""
    from streams.core.document import did_you_mean
    from streams.log.reader import NoSuchTopic
    from streams.log.topics import Topic, count_partitions
    from streams.log.topics import create as create_topics

    present = admin.list_topics(timeout=15).topics
    if topic not in present:
        if not create:
            hint = did_you_mean(topic, present)
            raise NoSuchTopic(f"there is no topic {topic}. {hint}Add --create to have it created.")
        # A history is older than what topics keep by default.
        config = {"retention.ms": "-1"}
        wanted = Topic(topic, partitions, "a history that was played", config)
        create_topics(admin, [wanted], partitions, replication)
    return count_partitions(admin, [topic])[topic]


def _warn_of_retention(admin: "AdminClient", topic: str, timestamps: list[int | None]) -> None:
    """Say so where the broker will soon delete what is old."""
    from confluent_kafka.admin import ConfigResource, ResourceType

    oldest = min((each for each in timestamps if each is not None), default=None)
    if oldest is None:
        return
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entry = admin.describe_configs([resource])[resource].result(15).get("retention.ms")
    kept = int(entry.value) if entry is not None and entry.value is not None else -1
    if kept >= 0 and oldest < time.time() * 1000 - kept:
        click.echo(
            f"{topic} keeps messages for {kept / _DAY_MS:g} days, and some of these are older: the broker "
            f"will delete them. To keep them: kafka-configs --alter --topic {topic} --add-config "
            "retention.ms=-1",
            err=True,
        )
