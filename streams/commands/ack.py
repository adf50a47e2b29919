"""`escalations ack`."""

from pathlib import Path

import click

from streams.commands.options import examples
from streams.commands.person import UNTIL, speaks, tell


@click.command(
    "ack",
    epilog=examples(
        "escalations ack ticket:4711",
        "escalations ack deal:7 --path deal-stalled --by anna --until 2026-12-01T09:00:00Z",
    ),
)
@speaks
@UNTIL
def command(
    path: Path, broker: str, name: str | None, by: str | None, record: str, until: int | None
) -> None:
    """I see to it: the chain of steps waits.

    RECORD is named kind:id. Until it expires, by --until or by the path's `acknowledged_for`, nobody
    else is told. If the condition still holds then, the chain goes on. Exit 1 when no open episode
    answers.
    """
    tell("acknowledge", path, broker, name, by, record, until)
