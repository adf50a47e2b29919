"""What several commands take and need: options, parameters, files."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

if TYPE_CHECKING:
    from streams.config import Config
    from streams.feeds import Feed, Message
    from streams.log.connection import Connection
    from streams.log.topics import Topics

STANDARD_INPUT = Path("/dev/stdin")


class Moment(click.ParamType):
    """RFC 3339 text as microseconds since the epoch."""

    name = "moment"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from streams.core.timestamps import from_rfc3339, rfc3339

        try:
            at = from_rfc3339(value)
            rfc3339(at)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no moment with an offset; write one such as 2026-04-01T00:00:00Z", param, ctx
            )
        return at


class Address(click.ParamType):
    name = "host:port"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if "@" in value:
            self.fail(
                "an address holds no name and no password; `kafka` in the configuration says where they are",
                param,
                ctx,
            )
        if not re.fullmatch(r"[^\s/,]+(,[^\s/,]+)*", value):
            self.fail(f"{value!r} is no address of a broker; write HOST:PORT", param, ctx)
        return value


CONFIG = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default="escalations.yaml",
    show_default=True,
    help="The configuration.",
)
BROKER = click.option(
    "--broker",
    envvar="ESCALATIONS_BROKER",
    type=Address(),
    default="127.0.0.1:9092",
    show_default=True,
    help="The Kafka broker, host:port; also from ESCALATIONS_BROKER.",
)
LOG_FORMAT = click.option(
    "--log-format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or one JSON object a line.",
)
LOGS = "escalations.logs"
"""In the context of a command that logs: what ends it goes to the log, too."""
FILES = click.Path(path_type=Path, allow_dash=True)


def reason(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}"


def examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def log_to_stderr(form: str = "text", worker: int | None = None) -> None:
    """From now on; also what ends the command. `form`: one of LOG_FORMAT. `worker`: which of several says
    it."""
    import logging

    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        from pythonjsonlogger.json import JsonFormatter

        names = {"levelname": "level", "exc_info": "traceback"}
        handler.setFormatter(
            JsonFormatter(
                "{levelname}{message}",
                style="{",
                rename_fields=names,
                static_fields={} if worker is None else {"worker": worker},
                timestamp="time",
            )
        )
    # Libraries say a lot at the level of information, and some of it is secret: httpx names URLs.
    prefix = "" if worker is None else f"worker {worker}: "
    logging.basicConfig(level=logging.WARNING, format=f"{prefix}%(message)s", handlers=[handler])
    logging.getLogger("escalations").setLevel(logging.INFO)
    # The client library reports each attempt to reach a broker; what matters comes as an error.
    logging.getLogger("escalations.kafka").setLevel(logging.CRITICAL)
    click.get_current_context().meta[LOGS] = True


def feed_named(config: "Config", name: str) -> "Feed":
    if name not in config.feeds:
        known = ", ".join(config.feeds)
        raise click.BadParameter(f"there is no feed {name!r}; known: {known}", param_hint="--feed")
    return config.feeds[name]


def messages_of(feed: "Feed", paths: tuple[Path, ...]) -> "Iterator[Message]":
    """The messages of files, one file after the other; `-` is standard input. Raises FileProblem."""
    from streams.feeds.files import read_messages

    for path in paths:
        yield from read_messages(feed, STANDARD_INPUT if path == Path("-") else path)


@contextmanager
def created(path: Path | None, option: str, inputs: tuple[Path, ...]) -> "Iterator[BinaryIO | None]":
    """The file to write, empty, or None for none; `-` is standard output."""
    if path is None:
        yield None
        return
    if path.exists() and any(each.exists() and each.samefile(path) for each in inputs):
        raise click.BadParameter(f"{path} is read as well; name another file", param_hint=option)
    try:
        out: Any = click.open_file(str(path), "wb")
    except OSError as error:
        raise click.BadParameter(reason(error), param_hint=option) from None
    try:
        with out:
            yield out
    except OSError as error:
        # What is raised while a file is written does not say which one.
        error.filename = error.filename or str(path)
        raise


def workers_topics(config: "Config", connection: "Connection") -> "Topics":
    """The topics that workers have created. Raises BrokerUnavailable, or NoSuchTopic before any has run."""
    from streams.log.reader import NoSuchTopic
    from streams.log.topics import Topics

    topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
    present = connection.admin().list_topics().topics
    for topic in topics.all():
        if topic.name not in present:
            raise NoSuchTopic(
                f"there is no topic {topic.name} at {connection.address}: no worker of this "
                "configuration has run there yet. Start one with `escalations run`."
            )
    return topics


def feed_of_topic(config: "Config", topic: str) -> "Feed":
    for feed in config.feeds.values():
        if feed.topic == topic:
            return feed
    known = ", ".join(feed.topic for feed in config.feeds.values())
    raise click.BadParameter(f"no feed has the topic {topic!r}; known: {known}", param_hint="--topic")
