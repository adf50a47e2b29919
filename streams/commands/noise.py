"""`escalations noise`."""

from pathlib import Path

import click

from streams.commands.options import examples
from streams.commands.person import speaks, tell


@click.command(
    "noise",
    epilog=examples("escalations noise ticket:4711", "escalations noise ticket:4711 --path ticket-untouched"),
)
@speaks
def command(path: Path, broker: str, name: str | None, by: str | None, record: str) -> None:
    """No risk: nothing more of it until the condition has cleared.

    RECORD is named kind:id. The episode ends, and whoever was told hears of it. Exit 1 when no open
    episode answers.
    """
    tell("noise", path, broker, name, by, record)
