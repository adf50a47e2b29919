"""`escalations explain`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.exit_codes import NO
from streams.commands.inputs import FEEDS, feed_files, read_files
from streams.commands.options import (
    BROKER,
    CONFIG,
    FILES,
    Moment,
    examples,
    workers_topics,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.config import Config
    from streams.core.entries import Happened
    from streams.core.explain import Explanation
    from streams.core.record import Record
    from streams.core.rules import Rules
    from streams.feeds import Feed


@click.command(
    "explain",
    epilog=examples(
        "escalations explain ticket:4711",
        "escalations explain ticket:1 --feed tickets --at 2026-03-05T09:00:00Z tickets.csv",
        "escalations explain deal:7 --path deal-stalled --json",
    ),
)
@CONFIG
@click.option("--path", "name", help="Only this path. [default: every path about the record]")
@click.option("--at", type=Moment(), help="As of when. [default: now, or the end of the files]")
@FEEDS
@BROKER
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each path, a line each.")
@click.argument("record", metavar="RECORD")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=FILES)
def command(
    path: Path,
    name: str | None,
    at: int | None,
    feeds: tuple[str, ...],
    broker: str,
    as_json: bool,
    record: str,
    files: tuple[Path, ...],
) -> None:
    """Why a record has escalated, and why not.

    RECORD is named kind:id. For each path: every condition with its value, the arithmetic of its
    clock, what is missing, and what comes next and to whom. With --feed and FILE, from a history;
    without, from what the running workers know. Exit 1 when the record is not known.
    """
    import msgspec

    from streams.config import load
    from streams.core.document import did_you_mean
    from streams.core.explain import explain

    if files and not feeds:
        raise click.UsageError("Give --feed NAME and FILE..., or neither to ask the running workers.")
    config = load(path)
    known = [each.name for each in config.rules.paths]
    if name is not None and name not in known:
        hint = f"{did_you_mean(name, known)}Known: {', '.join(known)}"
        raise click.BadParameter(f"there is no path {name!r}. {hint}", param_hint="--path")
    found = (
        _from_history(config, feed_files(config, feeds, files), record, at)
        if feeds
        else _from_workers(config, broker, record, at)
    )
    kinds = sorted({each.about for each in config.rules.paths})
    if found is None:
        hint = (
            "" if record.partition(":")[0] in kinds else f". A record is kind:id; kinds: {', '.join(kinds)}"
        )
        when = "" if at is None else " by that time"
        click.echo(f"escalations: nothing is known of {record}{when}{hint}", err=True)
        sys.exit(NO)
    rules, state, at = found
    if at < state.at:
        raise click.BadParameter(
            "the workers know the record as it is now; for an earlier moment give --feed and its history",
            param_hint="--at",
        )
    explanations = [each for each in explain(rules, state, at) if name in (None, each.path)]
    if not explanations:
        what = "no path is about such records" if name is None else f"{name} is not about such records"
        click.echo(f"escalations: {record}: {what}", err=True)
        sys.exit(NO)
    for each in explanations:
        if as_json:
            click.echo(msgspec.json.encode(each))
        else:
            _show(each)


def _from_history(
    config: "Config", inputs: "list[tuple[Feed, tuple[Path, ...]]]", record: str, at: int | None
) -> "tuple[Rules, Record, int] | None":
    from collections import deque

    from streams.backtest.history import History
    from streams.backtest.replay import replay
    from streams.core.entries import Reference
    from streams.core.partition import Partition
    from streams.core.timestamps import micros
    from streams.progress import counted

    history = History()
    read_files(history, inputs)
    if history.problem is not None:
        click.echo(f"escalations: {history.problem}", err=True)
        sys.exit(NO)
    last = 0

    def concerning() -> "Iterator[Happened]":
        """Records have nothing to do with each other unless some are compared with similar ones."""
        nonlocal last
        for change in counted(history.changes, "replaying", len(history.changes)):
            if isinstance(change, Reference):
                yield change
                continue
            last = micros(change.at)
            if change.record == record or config.rules.bases:
                yield change

    partition = Partition([(0, config.rules)])
    deque(replay(config.rules, concerning(), at, partition), maxlen=0)
    if at is None:
        at = last
        partition.advance(at)
    state = partition.records.get(record)
    return None if state is None else (partition.rules[-1][1], state, at)


def _from_workers(
    config: "Config", broker: str, record: str, at: int | None
) -> "tuple[Rules, Record, int] | None":
    from datetime import UTC, datetime

    from streams.agents.states import state_of
    from streams.core.timestamps import micros
    from streams.log.connection import Connection

    connection = Connection(broker, config.kafka)
    found = state_of(connection, workers_topics(config, connection), record)
    return None if found is None else (*found, micros(datetime.now(UTC)) if at is None else at)


def _show(each: "Explanation") -> None:
    click.echo(f"{each.path}: {each.verdict}")
    click.echo(f"  {each.summary}")
    if each.uncertain:
        click.echo("  uncertain: its feed could not tell the latest change; look into the CRM")
    if each.because:
        click.echo(f"  because: {each.because}")
    for line in _clauses(each.clauses, "  "):
        click.echo(line)
    for key, value in each.clock.items():
        click.echo(f"  {key}: {value}")
    for person in each.next.people if each.next else ():
        click.echo(f"  then {person['for']} {', '.join(person['found'])}: {person['because']}")
    click.echo(f"  as of {each.at}, rules {each.version}")


def _clauses(clauses: list[dict[str, object]], indent: str) -> list[str]:
    lines = []
    for clause in clauses:
        mark = "yes" if clause["holds"] else "no "
        if "field" in clause:
            lines.append(f"{indent}{mark} {clause['field']} is {clause['is']!r}, wanted: {clause['wanted']}")
            continue
        (word,) = clause.keys() - {"holds"}
        parts = clause[word]
        assert isinstance(parts, list)
        lines += [f"{indent}{mark} {word} of:", *_clauses(parts, indent + "    ")]
    return lines
