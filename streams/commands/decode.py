"""`escalations decode`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from streams.commands.exit_codes import NO
from streams.commands.options import CONFIG, FILES, created, examples, feed_named, messages_of

if TYPE_CHECKING:
    from streams.feeds import Message


@click.command(
    "decode",
    epilog=examples(
        "escalations decode --feed tickets messages.jsonl",
        "escalations decode --feed tickets messages.jsonl --dead-letters unread.jsonl",
        "kcat -C -b broker -t helpdesk.public.ticket -e -J | escalations decode --feed tickets -",
    ),
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
def command(path: Path, name: str, letters: Path | None, paths: tuple[Path, ...]) -> None:
    """Show what becomes of a feed's messages.

    Writes the normalised changes as JSON lines, in the order of the files. Exit 1 when nothing
    could be read.

    FILE is CSV, or JSON lines of messages with topic, partition, offset, timestamp, key, value and
    headers, also as `kcat -J` prints them; either may be compressed (.gz). A dash is standard input.
    """
    from streams.config import load
    from streams.core.entries import encode
    from streams.feeds import PassedOver, Undecodable

    feed = feed_named(load(path), name)
    changes = passed_over = refused = 0
    write, flush = sys.stdout.buffer.write, sys.stdout.buffer.flush
    watched = sys.stdout.isatty()
    with created(letters, "--dead-letters", paths) as unread:
        try:
            for message in messages_of(feed, paths):
                try:
                    outcome = feed.decode(message)
                except Undecodable as error:
                    refused += 1
                    _put_aside(unread, message, str(error))
                    continue
                if isinstance(outcome, PassedOver):
                    passed_over += 1
                    if outcome.gap:
                        _tell(message, outcome.reason)
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
        _tell(message, reason)
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


def _tell(message: "Message", reason: str) -> None:
    click.echo(f"{message.place}: {reason}", err=True)


def _text(part: bytes | None) -> str | None:
    return None if part is None else part.decode(errors="backslashreplace")
