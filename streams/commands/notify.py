"""`escalations notify`."""

import signal
import sys
from pathlib import Path

import click

from streams.commands.options import BROKER, CONFIG, LOG_FORMAT, examples, log_to_stderr, workers_topics


@click.command(
    "notify", epilog=examples("escalations notify", "DESK_WEBHOOK=https://... escalations notify desk")
)
@CONFIG
@BROKER
@LOG_FORMAT
@click.argument("channel", required=False)
def command(path: Path, broker: str, form: str, channel: str | None) -> None:
    """Hand each escalation to a channel.

    CHANNEL is one of `notify` in the configuration; without one, escalations are printed. Runs
    until Ctrl-C or SIGTERM. Every channel remembers for itself how far it is: what came while it
    was not running is handed over first. Run one process for each.
    """
    from streams.config import load
    from streams.log.connection import Connection
    from streams.notify.channel import sender
    from streams.notify.service import serve

    log_to_stderr(form)
    config = load(path)
    connection = Connection(broker, config.kafka)
    if channel is not None and channel not in config.notify:
        known = ", ".join(config.notify) or "none"
        raise click.BadParameter(f"{channel!r} is not in `notify`; known: {known}", param_hint="CHANNEL")
    stopped: list[int] = []
    try:
        send = sender(config.notify[channel] if channel else None, lambda: bool(stopped))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="CHANNEL") from None
    topics = workers_topics(config, connection)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    if sys.stderr.isatty():
        click.echo(f"Waiting for escalations on {topics.escalations.name}; Ctrl-C ends it.", err=True)
    serve(connection, topics, channel, send, lambda: bool(stopped))
