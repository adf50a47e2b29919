"""`escalations reopen`."""

from pathlib import Path

import click

from streams.commands.options import examples
from streams.commands.person import speaks, tell


@click.command("reopen", epilog=examples("escalations reopen ticket:4711"))
@speaks
def command(path: Path, broker: str, name: str | None, by: str | None, record: str) -> None:
    """Take back an acknowledgement, a snooze or noise.

    RECORD is named kind:id. The chain goes on from now. Exit 1 when there is nothing to take back.
    """
    tell("reopen", path, broker, name, by, record)
