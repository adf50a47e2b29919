"""`escalations backtest`."""

import sys
from pathlib import Path

import click

from streams.commands.exit_codes import NO
from streams.commands.options import (
    BROKER,
    CONFIG,
    FILES,
    Moment,
    created,
    examples,
    feed_named,
    feed_of_topic,
    messages_of,
)


@click.command(
    "backtest",
    epilog=examples(
        "escalations backtest --feed tickets tickets.csv",
        "escalations backtest --feed tickets 2025.csv.gz 2026.csv.gz --escalations out.jsonl",
        "escalations backtest --topic helpdesk.public.ticket --json",
    ),
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
    type=Moment(),
    help="Let time run up to here, such as 2026-04-01T00:00:00Z, and read nothing after it. "
    "[default: the last change]",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=FILES)
def command(
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

        feed = feed_of_topic(config, topic)
        messages = read_to_end(Connection(broker), topic)
    else:
        feed = feed_named(config, name or "")
        messages = messages_of(feed, paths)
    piped = out == Path("-")
    with created(out, "--escalations", paths) as lines:
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
