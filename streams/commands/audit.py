"""`escalations audit`."""

import sys
from pathlib import Path

import click

from streams.commands.exit_codes import NO
from streams.commands.inputs import FEEDS, feed_files, nothing_judged, read_files
from streams.commands.options import CONFIG, FILES, Moment, examples

_BEARABLE = 25
"""So many a week somebody can look into: five on each working day. A path that tells of more is muted."""


@click.command(
    "audit",
    epilog=examples(
        "escalations audit --feed tickets tickets.csv",
        "escalations audit --feed deals deals.csv.gz --by product --by region",
        "escalations audit --feed tickets=tickets.csv --feed comments=comments.jsonl",
        "escalations audit --feed tickets tickets.csv --until 2026-04-01T00:00:00Z --json",
    ),
)
@CONFIG
@FEEDS
@click.option(
    "--by",
    multiple=True,
    metavar="FIELD",
    help="Similar records agree in this field, too, besides their stage; may be repeated.",
)
@click.option(
    "--until",
    type=Moment(),
    help="Let time run up to here, such as 2026-04-01T00:00:00Z, and read nothing after it. "
    "[default: the last change]",
)
@click.option(
    "--max-per-recipient-week",
    "most",
    type=click.IntRange(1),
    default=_BEARABLE,
    show_default=True,
    help="How often the path to start with may tell a person in a week.",
)
@click.option("--json", "as_json", is_flag=True, help="The same numbers as one JSON object.")
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=FILES)
def command(
    path: Path,
    feeds: tuple[str, ...],
    by: tuple[str, ...],
    until: int | None,
    most: int,
    as_json: bool,
    paths: tuple[Path, ...],
) -> None:
    """What nobody would have caught, and which path to start with.

    These are the failures in a history, each with what it cost and since when it could have been noticed by
    what was known then; with paths, what they leave out, too. The configuration needs `feeds` and nothing
    else. FILE is what `escalations decode` reads. docs/audit.md says what counts as a failure.
    """
    from streams.backtest.audit import audit, facts
    from streams.backtest.audit.report import show, show_json
    from streams.backtest.history import History
    from streams.config import load_bare
    from streams.progress import counted

    if not (feeds or paths):
        raise click.UsageError("Give --feed NAME FILE...")
    config, missing = load_bare(path)
    inputs = feed_files(config, feeds, paths)
    kinds = facts([feed for feed, _ in inputs])
    _check_fields(by, {field for known in kinds.values() for field in known})
    history = History()
    read_files(history, inputs)
    found = audit(
        history,
        config.rules,
        kinds,
        most,
        until,
        by,
        missing,
        lambda changes: counted(changes, "looking", len(history.changes)),
    )
    if as_json:
        show_json(found)
    elif history.changes or history.problem is None:
        show(found)
    if history.problem is not None:
        click.echo(f"escalations: {history.problem}", err=True)
        sys.exit(NO)
    if history.unread.count and not history.changes:
        click.echo(f"escalations: {nothing_judged(0, history.unread.count)}", err=True)
        sys.exit(NO)


def _check_fields(by: tuple[str, ...], fields: set[str]) -> None:
    for field in by:
        if field not in fields:
            known = ", ".join(sorted(fields))
            raise click.BadParameter(f"the feed brings no field {field!r}; known: {known}", param_hint="--by")
