"""The command `escalations`. Each command is thin: it reads its arguments, calls, and prints."""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import click
import orjson

from streams import __version__
from streams.config import Config, ConfigError, load

NO = 1
"""Exit code: the answer is no."""
WRONG_USE = 2
UNAVAILABLE = 69
"""Exit code: something outside did not answer, such as the broker. (sysexits.h EX_UNAVAILABLE)"""
REFUSED = 70
"""Exit code: a write was refused or state cannot be used; starting again alone will not help."""

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
    default="127.0.0.1:9092",
    show_default=True,
    help="The Kafka broker, host:port; also from ESCALATIONS_BROKER.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="escalations")
def main() -> None:
    """Who finds out, in time, when a ticket, a deal or an account is quietly going wrong.

    Escalation paths watch a CRM's change feed and route a record to somebody the moment it meets
    a risk condition.

    \b
    See it:         escalations demo
    Start:          escalations init, then check, backtest, run
    One command:    escalations COMMAND --help
    """


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@contextmanager
def _plainly() -> Iterator[None]:
    """Turn the errors that people can do something about into a line and an exit code."""
    from confluent_kafka import KafkaException

    from streams.feeds.files import FileProblem
    from streams.log.connection import BrokerUnavailable
    from streams.log.embedded import BrokerError
    from streams.log.producer import WriteRefused
    from streams.log.reader import NoSuchTopic
    from streams.log.store import StoreInUse
    from streams.log.topics import TopicMismatch
    from streams.notify.webhook import Unreachable

    codes: dict[type[Exception], int] = {
        ConfigError: WRONG_USE,
        FileProblem: NO,
        NoSuchTopic: NO,
        StoreInUse: WRONG_USE,
        TopicMismatch: WRONG_USE,
        BrokerError: UNAVAILABLE,
        BrokerUnavailable: UNAVAILABLE,
        Unreachable: UNAVAILABLE,
        WriteRefused: REFUSED,
        KafkaException: REFUSED,
    }
    try:
        yield
    except tuple(codes) as error:
        text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        click.echo(text if isinstance(error, ConfigError) else f"escalations: {text}", err=True)
        sys.exit(next(code for kind, code in codes.items() if isinstance(error, kind)))


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # The client library reports each attempt to reach a broker; what matters comes as an error.
    logging.getLogger("escalations.kafka").setLevel(logging.CRITICAL)


def _feed(config: Config, name: str) -> Any:
    if name not in config.feeds:
        known = ", ".join(config.feeds)
        raise click.BadParameter(f"there is no feed {name!r}; known: {known}", param_hint="--feed")
    return config.feeds[name]


@main.command(epilog=_examples("escalations init", "escalations init crm --starter csv"))
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--starter", default="helpdesk", show_default=True, help="Which one; see --list.")
@click.option("--list", "listing", is_flag=True, help="List the starters.")
def init(folder: Path, starter: str, listing: bool) -> None:
    """Write a commented escalations.yaml to start from, into FOLDER (default: here)."""
    source = resources("streams") / "starters"
    names = sorted(
        each.name.removesuffix(".yaml") for each in source.iterdir() if each.name.endswith(".yaml")
    )
    if listing:
        click.echo("\n".join(names))
        return
    if starter not in names:
        raise click.BadParameter(f"known: {', '.join(names)}", param_hint="--starter")
    wanted = {"escalations.yaml": source / f"{starter}.yaml"}
    if starter == "csv":
        wanted["tickets.csv"] = source / "tickets.csv"
    for name in wanted:
        if (folder / name).exists():
            click.echo(f"escalations: {folder / name} exists already and is left as it is", err=True)
            sys.exit(NO)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in wanted.items():
        (folder / name).write_bytes(content.read_bytes())
        click.echo(f"wrote {folder / name}")
    click.echo("Next: escalations check" + (f" -c {folder / 'escalations.yaml'}" if folder != Path() else ""))


@main.command(epilog=_examples("escalations check", "escalations check -c crm/escalations.yaml"))
@CONFIG
def check(path: Path) -> None:
    """Look for mistakes in the configuration. Exit 1 when there are any."""
    try:
        config = load(path)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(NO)
    click.echo(config.summary())


@main.command(
    epilog=_examples(
        "escalations decode --feed tickets messages.jsonl",
        "kcat -C -b broker -t helpdesk.public.ticket -e -J | escalations decode --feed tickets -",
    )
)
@CONFIG
@click.option("--feed", "name", required=True, help="Which feed of the configuration.")
@click.option(
    "--dead-letters", type=click.File("wb"), help="Where what cannot be read goes, with the reason."
)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def decode(path: Path, name: str, dead_letters: Any, paths: tuple[Path, ...]) -> None:
    """Show what becomes of a feed's messages: normalised changes as JSON lines.

    FILE is CSV (also .gz), or JSON lines of messages with topic, partition, offset, timestamp,
    key, value and headers, also as `kcat -J` prints them.
    """
    from streams.core.entries import encode
    from streams.feeds import PassedOver, Undecodable
    from streams.feeds.files import read_messages

    counts = {"changes": 0, "passed over": 0, "dead letters": 0}
    with _plainly():
        feed = _feed(load(path), name)
        try:
            for file in paths:
                for message in read_messages(feed, file):
                    try:
                        outcome = feed.decode(message)
                    except Undecodable as error:
                        counts["dead letters"] += 1
                        _write_dead_letter(dead_letters, message, str(error))
                        continue
                    if isinstance(outcome, PassedOver):
                        counts["passed over"] += 1
                        continue
                    counts["changes"] += len(outcome)
                    for change in outcome:
                        sys.stdout.buffer.write(encode(change) + b"\n")
        finally:
            sys.stdout.buffer.flush()
            click.echo(", ".join(f"{count} {what}" for what, count in counts.items()), err=True)


def _write_dead_letter(out: Any, message: Any, reason: str) -> None:
    place = f"{message.topic}-{message.partition}@{message.offset}"
    if out is None:
        click.echo(f"{place}: {reason}", err=True)
        return
    line = {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "reason": reason,
        "key": _text(message.key),
        "value": _text(message.value),
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
    "--escalations", "out", type=click.File("wb"), help="Write what would have fired, as JSON lines."
)
@click.option("--until", help="How far time runs on after the last change (RFC 3339). [default: not at all]")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
def backtest(
    path: Path,
    name: str | None,
    topic: str | None,
    broker: str,
    out: Any,
    until: str | None,
    as_json: bool,
    paths: tuple[Path, ...],
) -> None:
    """What would have fired on a history: the very events that the topic would carry.

    The history need not be in order: it is replayed in the order in which things happened.
    """
    from rich.console import Console

    from streams.backtest.history import read_history
    from streams.backtest.replay import replay
    from streams.backtest.report import show
    from streams.backtest.summary import Summary
    from streams.core.escalation import encode
    from streams.core.timestamps import from_rfc3339
    from streams.feeds.files import read_messages
    from streams.log.connection import Connection
    from streams.log.reader import read_to_end
    from streams.progress import counted

    if (name is None or not paths) == (topic is None):
        raise click.UsageError("Give either --feed NAME FILE... or --topic TOPIC.")
    try:
        end = None if until is None else from_rfc3339(until)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from None
    with _plainly():
        config = load(path)
        if topic is not None:
            feed = next((each for each in config.feeds.values() if each.topic == topic), None)
            if feed is None:
                raise click.BadParameter("no feed of the configuration has this topic", param_hint="--topic")
            messages = read_to_end(Connection(broker), topic)
        else:
            feed = _feed(config, name or "")
            messages = (message for file in paths for message in read_messages(feed, file))
        history = read_history(feed, counted(messages, "reading"))
        summary = Summary(len(history.changes))
        changes = counted(history.changes, "replaying", len(history.changes))
        for each in summary.count(replay(config.rules, changes, end)):
            if out is not None:
                out.write(encode(each) + b"\n")
    if as_json:
        numbers = {**summary.as_json(), "undecodable": len(history.undecodable)}
        click.echo(orjson.dumps(numbers, option=orjson.OPT_INDENT_2))
    else:
        show(summary, history, Console())
    if history.problem is not None:
        click.echo(f"escalations: {history.problem} What came before it is counted above.", err=True)
        sys.exit(NO)


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
    """Watch the feeds and write escalations, until Ctrl-C or SIGTERM.

    Start as many workers as you like, each with a --data folder of its own: they share the work.
    """
    from streams.log.connection import Connection

    _log_to_stderr()
    with _plainly():
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
    """What is open now: each episode that has escalated and not resolved."""
    from rich.console import Console
    from rich.table import Table

    from streams.agents.open_episodes import open_episodes
    from streams.log.connection import Connection
    from streams.log.topics import Topics

    with _plainly():
        live = load(path).live
        topics = Topics(live.prefix, live.app, live.partitions)
        episodes = open_episodes(Connection(broker), topics)
    if as_json:
        for each in episodes:
            click.echo(orjson.dumps(each))
        return
    if not episodes:
        click.echo("Nothing is open.")
        return
    table = Table("record", "path", "since", "step", "told", "next step")
    for each in episodes:
        table.add_row(
            each["record"],
            each["path"],
            each["since"],
            str(each["step"]),
            ", ".join(each["told"]),
            each["next"] or "none",
        )
    Console().print(table)


@main.command(epilog=_examples("escalations notify", "DESK_WEBHOOK=https://... escalations notify desk"))
@CONFIG
@BROKER
@click.argument("channel", required=False)
def notify(path: Path, broker: str, channel: str | None) -> None:
    """Hand each escalation to CHANNEL, one of `notify` in the configuration; without one, print it.

    Every channel remembers for itself how far it is; run one process for each.
    """
    from streams.log.connection import Connection
    from streams.log.topics import Topics
    from streams.notify.channel import sender
    from streams.notify.service import serve

    _log_to_stderr()
    with _plainly():
        config = load(path)
        if channel is not None and channel not in config.notify:
            known = ", ".join(config.notify) or "none"
            raise click.BadParameter(f"{channel!r} is not in `notify`; known: {known}", param_hint="CHANNEL")
        topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
        stopped: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: stopped.append(number))
        send = sender(config.notify[channel] if channel else None)
        serve(Connection(broker), topics, channel or "print", send, lambda: bool(stopped))


@main.command(epilog=_examples("escalations demo", "escalations demo --keep"))
@click.option("--keep", is_flag=True, help="Stay up after the stories, until Ctrl-C.")
def demo(keep: bool) -> None:
    """All of it in a minute, on an embedded broker and an invented CRM. Leaves nothing behind."""
    from streams.demo.play import play

    with _plainly():
        play(keep)
