"""`escalations snooze`."""

from pathlib import Path

import click

from streams.commands.options import Moment, examples
from streams.commands.person import speaks, tell


@click.command("snooze", epilog=examples("escalations snooze ticket:4711 --until 2026-12-01T09:00:00Z"))
@speaks
@click.option("--until", required=True, type=Moment(), help="When it ends, such as 2026-12-01T09:00:00Z.")
def command(
    path: Path, broker: str, name: str | None, by: str | None, record: str, until: int | None
) -> None:
    """Not now: the chain of steps waits until a moment.

    RECORD is named kind:id. At --until it is looked at again, and goes on if the condition still
    holds. Exit 1 when no open episode answers.
    """
    tell("snooze", path, broker, name, by, record, until)
