"""The command `escalations`. Each command is thin: it reads its arguments, calls, and prints."""

# Only what every command needs: the rest is imported where it is used, so that `--help` is there at once.
import io
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from streams import __version__

if TYPE_CHECKING:
    from streams.config import Config
    from streams.feeds import Feed, Message
    from streams.log.connection import Connection
    from streams.log.topics import Topics

NO = 1
"""Exit code: the answer is no."""
WRONG_USE = 2
UNAVAILABLE = 69
"""Exit code: something outside did not answer, such as the broker. (sysexits.h EX_UNAVAILABLE)"""
REFUSED = 70
"""Exit code: a write was refused or state cannot be used; starting again alone will not help."""
INTERRUPTED = 128 + signal.SIGINT

STANDARD_INPUT = Path("/dev/stdin")


class _Main(click.Group):
    """Turns the errors that people can do something about into a line and an exit code.

    Any other error is a mistake in this program, and its traceback is what a report of it needs.
    """

    def invoke(self, ctx: click.Context) -> Any:
        # A standard output that was closed from outside is no file at all to Python.
        sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO())
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # Whoever read the output has enough of it; click ends quietly.
            raise
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            click.echo(_in_words(error), err=True)
            sys.exit(code)


def _exit_code(error: Exception) -> int | None:
    from confluent_kafka import KafkaError, KafkaException

    from streams.config import ConfigError
    from streams.feeds.files import FileProblem
    from streams.log.connection import BrokerUnavailable
    from streams.log.embedded import BrokerError
    from streams.log.producer import WriteRefused
    from streams.log.reader import NoSuchTopic
    from streams.log.store import StoreInUse
    from streams.log.topics import TopicMismatch
    from streams.notify.webhook import Unreachable

    silence = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)
    match error:
        case FileProblem() | NoSuchTopic():
            return NO
        case ConfigError() | StoreInUse() | TopicMismatch():
            return WRONG_USE
        case BrokerError() | BrokerUnavailable() | Unreachable():
            return UNAVAILABLE
        case KafkaException():
            cause = error.args[0]
            return UNAVAILABLE if cause.retriable() or cause.code() in silence else REFUSED
        case WriteRefused() | OSError():
            return REFUSED
    return None


def _in_words(error: Exception) -> str:
    from confluent_kafka import KafkaException

    from streams.config import ConfigError

    match error:
        case ConfigError():
            return str(error)
        case KafkaException():
            return f"escalations: Kafka says: {error.args[0].str()}"
        case OSError():
            return f"escalations: {_reason(error)}"
    return f"escalations: {error}"


def _reason(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}"


class _Moment(click.ParamType):
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


class _Address(click.ParamType):
    name = "host:port"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
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
    type=_Address(),
    default="127.0.0.1:9092",
    show_default=True,
    help="The Kafka broker, host:port; also from ESCALATIONS_BROKER.",
)
FILES = click.Path(path_type=Path, allow_dash=True)


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="escalations")
def main() -> None:
    """Who finds out, in time, when a ticket, a deal or an account is quietly going wrong.

    Escalation paths watch a CRM's change feed and route a record to somebody the moment it meets
    a risk condition.

    \b
    See it:         escalations demo
    Start:          escalations init, then check, backtest, run
    One command:    escalations COMMAND --help

    \b
    Exit codes:     0 done, 1 the answer is no, 2 wrong use,
                    69 something outside does not answer,
                    70 a write was refused or the state cannot be used
    """


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _log_to_stderr() -> None:
    import logging

    # Libraries say a lot at the level of information, and some of it is secret: httpx names URLs.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("escalations").setLevel(logging.INFO)
    # The client library reports each attempt to reach a broker; what matters comes as an error.
    logging.getLogger("escalations.kafka").setLevel(logging.CRITICAL)


def _feed(config: "Config", name: str) -> "Feed":
    if name not in config.feeds:
        known = ", ".join(config.feeds)
        raise click.BadParameter(f"there is no feed {name!r}; known: {known}", param_hint="--feed")
    return config.feeds[name]


def _messages(feed: "Feed", paths: tuple[Path, ...]) -> "Iterator[Message]":
    """The messages of files, one file after the other; `-` is standard input. Raises FileProblem."""
    from streams.feeds.files import read_messages

    for path in paths:
        yield from read_messages(feed, STANDARD_INPUT if path == Path("-") else path)


@contextmanager
def _created(path: Path | None, option: str, inputs: tuple[Path, ...]) -> "Iterator[BinaryIO | None]":
    """The file to write, empty, or None for none; `-` is standard output."""
    if path is None:
        yield None
        return
    if path.exists() and any(each.exists() and each.samefile(path) for each in inputs):
        raise click.BadParameter(f"{path} is read as well; name another file", param_hint=option)
    try:
        out: Any = click.open_file(str(path), "wb")
    except OSError as error:
        raise click.BadParameter(_reason(error), param_hint=option) from None
    with out:
        yield out


def _workers_topics(config: "Config", connection: "Connection") -> "Topics":
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


@main.command(epilog=_examples("escalations init", "escalations init crm --starter csv"))
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--starter", default="helpdesk", show_default=True, help="Which one; see --list.")
@click.option("--list", "listing", is_flag=True, help="List the starters.")
def init(folder: Path, starter: str, listing: bool) -> None:
    """Write a commented starter.

    It goes into FOLDER (default: here) as escalations.yaml. What is there already is left as it is.
    """
    from importlib.resources import files as resources

    source = resources("streams") / "starters"
    starters = {
        each.name.removesuffix(".yaml"): each
        for each in sorted(source.iterdir(), key=lambda each: each.name)
        if each.name.endswith(".yaml")
    }
    if listing:
        for name, each in starters.items():
            click.echo(f"{name:10} {each.read_text(encoding='utf-8').partition(chr(10))[0].lstrip('# ')}")
        return
    if starter not in starters:
        known = ", ".join(starters)
        raise click.BadParameter(f"there is no starter {starter!r}; known: {known}", param_hint="--starter")
    wanted = {"escalations.yaml": starters[starter]}
    if starter == "csv":
        wanted["tickets.csv"] = source / "tickets.csv"
    for name in wanted:
        if os.path.lexists(folder / name):
            click.echo(f"escalations: {folder / name} exists already and is left as it is", err=True)
            sys.exit(NO)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in wanted.items():
            (folder / name).write_bytes(content.read_bytes())
            click.echo(f"wrote {folder / name}")
    except OSError as error:
        raise click.BadParameter(_reason(error), param_hint="FOLDER") from None
    config = "" if folder == Path() else f" -c {folder / 'escalations.yaml'}"
    click.echo(f"Next: escalations check{config}")
    if starter == "csv":
        click.echo(f"      escalations backtest{config} --feed tickets {folder / 'tickets.csv'}")


@main.command(epilog=_examples("escalations check", "escalations check -c crm/escalations.yaml"))
@CONFIG
def check(path: Path) -> None:
    """Look for mistakes in the configuration. Exit 1 when there are any."""
    from streams.config import ConfigError, load

    try:
        config = load(path)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(NO)
    click.echo(config.summary())


@main.command(
    epilog=_examples(
        "escalations decode --feed tickets messages.jsonl",
        "escalations decode --feed tickets messages.jsonl --dead-letters unread.jsonl",
        "kcat -C -b broker -t helpdesk.public.ticket -e -J | escalations decode --feed tickets -",
    )
)
@CONFIG
@click.option("--feed", "name", required=True, help="Which feed of the configuration.")
@click.option(
    "--dead-letters",
    "letters",
    type=FILES,
    help="Where messages go that cannot be read, with the reason. [default: a line each on stderr]",
)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=FILES)
def decode(path: Path, name: str, letters: Path | None, paths: tuple[Path, ...]) -> None:
    """Show what becomes of a feed's messages.

    Writes the normalised changes as JSON lines, in the order of the files. Exit 1 when nothing
    could be read.

    FILE is CSV, or JSON lines of messages with topic, partition, offset, timestamp, key, value and
    headers, also as `kcat -J` prints them; either may be compressed (.gz). A dash is standard input.
    """
    from streams.config import load
    from streams.core.entries import encode
    from streams.feeds import PassedOver, Undecodable

    feed = _feed(load(path), name)
    changes = passed_over = refused = 0
    write, flush = sys.stdout.buffer.write, sys.stdout.buffer.flush
    watched = sys.stdout.isatty()
    with _created(letters, "--dead-letters", paths) as unread:
        try:
            for message in _messages(feed, paths):
                try:
                    outcome = feed.decode(message)
                except Undecodable as error:
                    refused += 1
                    _put_aside(unread, message, str(error))
                    continue
                if isinstance(outcome, PassedOver):
                    passed_over += 1
                    continue
                changes += len(outcome)
                for change in outcome:
                    write(encode(change) + b"\n")
                if watched:
                    flush()
        finally:
            flush()
            counts = _count(changes, "change"), f"{passed_over} passed over", _count(refused, "dead letter")
            click.echo(", ".join(counts), err=True)
    if refused and not changes:
        sys.exit(NO)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _put_aside(out: BinaryIO | None, message: "Message", reason: str) -> None:
    """As a message that `decode` can read again, once what was wrong is put right."""
    import orjson

    if out is None:
        click.echo(f"{message.topic}-{message.partition}@{message.offset}: {reason}", err=True)
        return
    line = {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "reason": reason,
        "key": _text(message.key),
        "value": _text(message.value),
        "headers": [(name, _text(value)) for name, value in message.headers],
    }
    out.write(orjson.dumps(line) + b"\n")


def _text(part: bytes | None) -> str | None:
    return None if part is None else part.decode(errors="backslashreplace")


@main.command(
    epilog=_examples(
        "escalations backtest --feed tickets tickets.csv",
        "escalations backtest --feed tickets 2025.csv.gz 2026.csv.gz --escalations out.jsonl",
        "escalations backtest --topic helpdesk.public.ticket --json",
    )
)
@CONFIG
@click.option("--feed", "name", help="Which feed of the configuration the files are of.")
@click.option("--topic", help="Read this topic of a feed instead of files, up to its present end.")
@BROKER
@click.option(
    "--escalations",
    "out",
    type=FILES,
    help="Write what would have fired, as JSON lines; with a dash, the summary goes to stderr.",
)
@click.option(
    "--until",
    type=_Moment(),
    help="Let time run up to here, such as 2026-04-01T00:00:00Z, and read nothing after it. "
    "[default: the last change]",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=FILES)
def backtest(
    path: Path,
    name: str | None,
    topic: str | None,
    broker: str,
    out: Path | None,
    until: int | None,
    as_json: bool,
    paths: tuple[Path, ...],
) -> None:
    """What would have fired on a history.

    These are the very events that the topic would carry. The history need not be in order: it is
    replayed in the order in which things happened. FILE is what `escalations decode` reads.
    """
    from streams.backtest.history import read_history
    from streams.backtest.replay import replay
    from streams.backtest.report import show, show_json
    from streams.backtest.summary import Summary
    from streams.config import load
    from streams.core.escalation import encode
    from streams.progress import counted

    if not (name and paths if topic is None else not name and not paths):
        raise click.UsageError("Give either --feed NAME FILE... or --topic TOPIC.")
    config = load(path)
    if topic is not None:
        from streams.log.connection import Connection
        from streams.log.reader import read_to_end

        feed = _feed_of(config, topic)
        messages = read_to_end(Connection(broker), topic)
    else:
        feed = _feed(config, name or "")
        messages = _messages(feed, paths)
    piped = out == Path("-")
    with _created(out, "--escalations", paths) as lines:
        history = read_history(feed, counted(messages, "reading", quiet=piped))
        summary = Summary(history, config.rules, until)
        changes = counted(history.changes, "replaying", len(history.changes), quiet=piped)
        for each in summary.count(replay(config.rules, changes, until)):
            if lines is not None:
                lines.write(encode(each) + b"\n")
    if as_json:
        show_json(summary, err=piped)
    elif history.changes or history.problem is None:
        show(summary, err=piped)
    if history.problem is not None:
        counted_above = ". What came before it is counted above." if history.changes else ""
        click.echo(f"escalations: {history.problem}{counted_above}", err=True)
        sys.exit(NO)
    if history.undecodable and not history.changes:
        click.echo("escalations: nothing could be read; `escalations decode` shows why.", err=True)
        sys.exit(NO)


def _feed_of(config: "Config", topic: str) -> "Feed":
    for feed in config.feeds.values():
        if feed.topic == topic:
            return feed
    known = ", ".join(feed.topic for feed in config.feeds.values())
    raise click.BadParameter(f"no feed has the topic {topic!r}; known: {known}", param_hint="--topic")


@main.command(
    epilog=_examples(
        "escalations run",
        "escalations run --broker kafka:9092 -c /etc/escalations.yaml --data /var/lib/escalations",
    )
)
@CONFIG
@BROKER
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="escalations-data",
    show_default=True,
    help="Folder for the local stores; one for each worker.",
)
def run(path: Path, broker: str, data: Path) -> None:
    """Watch the feeds and write escalations.

    Runs until Ctrl-C or SIGTERM. Start as many workers as you like, each with a --data folder of
    its own: they share the work.
    """
    import asyncio
    import logging

    from streams.config import load
    from streams.log.connection import Connection

    _log_to_stderr()
    config = load(path)
    # Faust takes a second to load; a mistake in the configuration is told before that.
    from streams.agents.worker import Worker

    worker = Worker(config, Connection(broker), data)
    asyncio.run(worker.run(on_ready=lambda: logging.getLogger("escalations").info("ready")))


@main.command("open", epilog=_examples("escalations open", "escalations open --json | jq .record"))
@CONFIG
@BROKER
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def open_episodes(path: Path, broker: str, as_json: bool) -> None:
    """What is open now.

    Each episode that has escalated and not resolved, the longest open first.
    """
    import orjson

    from streams.agents.open_episodes import open_episodes, show
    from streams.config import load
    from streams.log.connection import Connection

    config, connection = load(path), Connection(broker)
    episodes = open_episodes(connection, _workers_topics(config, connection))
    if as_json:
        for each in episodes:
            click.echo(orjson.dumps(each))
    elif episodes:
        show(episodes)
    else:
        click.echo("Nothing is open.")


@main.command(epilog=_examples("escalations notify", "DESK_WEBHOOK=https://... escalations notify desk"))
@CONFIG
@BROKER
@click.argument("channel", required=False)
def notify(path: Path, broker: str, channel: str | None) -> None:
    """Hand each escalation to a channel.

    CHANNEL is one of `notify` in the configuration; without one, escalations are printed. Runs
    until Ctrl-C or SIGTERM. Every channel remembers for itself how far it is: what came while it
    was not running is handed over first. Run one process for each.
    """
    from streams.config import load
    from streams.log.connection import Connection
    from streams.notify.channel import sender
    from streams.notify.service import serve

    _log_to_stderr()
    config, connection = load(path), Connection(broker)
    if channel is not None and channel not in config.notify:
        known = ", ".join(config.notify) or "none"
        raise click.BadParameter(f"{channel!r} is not in `notify`; known: {known}", param_hint="CHANNEL")
    stopped: list[int] = []
    try:
        send = sender(config.notify[channel] if channel else None, lambda: bool(stopped))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="CHANNEL") from None
    topics = _workers_topics(config, connection)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    if sys.stderr.isatty():
        click.echo(f"Waiting for escalations on {topics.escalations.name}; Ctrl-C ends it.", err=True)
    serve(connection, topics, channel, send, lambda: bool(stopped))


@main.command(epilog=_examples("escalations demo", "escalations demo --keep"))
@click.option("--keep", is_flag=True, help="Stay up after the stories, until Ctrl-C.")
def demo(keep: bool) -> None:
    """All of it in a minute.

    Runs on an embedded broker and an invented CRM, and leaves nothing behind.
    """
    from streams.demo.play import play

    play(keep)
