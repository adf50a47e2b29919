"""What `ack`, `snooze`, `noise` and `reopen` share: a person speaks to open episodes."""

import getpass
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.commands.options import BROKER, CONFIG, Moment, workers_topics

if TYPE_CHECKING:
    from streams.core.entries import Deed

RECORD = click.argument("record", metavar="RECORD")
PATH = click.option("--path", "name", help="Only the episode of this path. [default: every open one]")
BY = click.option("--by", help="Who says so. [default: the name you are logged in by]")
UNTIL = click.option("--until", type=Moment(), help="When it ends, such as 2026-12-01T09:00:00Z.")


def speaks(command: Any) -> Any:
    """The options and the argument that all four take."""
    for option in (RECORD, BROKER, BY, PATH, CONFIG):
        command = option(command)
    return command


def tell(
    do: "Deed",
    path: Path,
    broker: str,
    name: str | None,
    by: str | None,
    record: str,
    until: int | None = None,
) -> None:
    """Write the command and print each answer."""
    from streams.agents.commands import send
    from streams.config import load
    from streams.core.document import did_you_mean
    from streams.core.entries import Command
    from streams.core.timestamps import moment
    from streams.log.connection import Connection

    config = load(path)
    connection = Connection(broker, config.kafka)
    known = [each.name for each in config.rules.paths]
    if name is not None and name not in known:
        hint = f"{did_you_mean(name, known)}Known: {', '.join(known)}"
        raise click.BadParameter(f"there is no path {name!r}. {hint}", param_hint="--path")
    command = Command(
        id=uuid.uuid4().hex,
        record=record,
        path=name,
        do=do,
        by=by or getpass.getuser(),
        at=datetime.now(UTC),
        until=None if until is None else moment(until),
    )
    for answer in send(connection, workers_topics(config, connection), command):
        click.echo(f"{answer.path}, episode {answer.episode}: {answer.reason['because']}")
