"""The summary of a backtest, for people and for programs."""

from typing import Any

import click
import orjson
from rich.table import Table

from streams.backtest.scores import Scores
from streams.backtest.summary import ALWAYS, EVENTS, Summary
from streams.console import console


def show(summary: Summary, *, err: bool = False) -> None:
    """Tables on standard output, or with `err` on standard error."""
    out = console(err=err)
    numbers = summary.as_json()
    out.print(_title(summary))
    happened = {event for load in summary.paths.values() for event in load.counts()}
    events = (event for event in EVENTS if event in happened or event in ALWAYS)
    out.print(_table("path", ("records", *events), numbers["paths"]))
    if numbers["recipients"]:
        columns = ("notices", "median week", "worst week")
        out.print(_table("told", columns, numbers["recipients"]))
    elif summary.replayed.changes:
        out.print("Nothing would have fired.")
    if count := summary.unread.count:
        out.print(f"{count} message{'s' * (count != 1)} could not be read:")
        for place, reason in summary.unread.first.items():
            out.print(f"  {place}: {reason}")
        if count > len(summary.unread.first):
            out.print("  ... `escalations decode` shows all of them.")


def show_json(summary: Summary, scores: Scores | None = None, *, err: bool = False) -> None:
    """One JSON object on standard output, or with `err` on standard error."""
    click.echo(orjson.dumps(numbers_of(summary, scores), option=orjson.OPT_INDENT_2), err=err)


def numbers_of(summary: Summary, scores: Scores | None = None) -> dict[str, Any]:
    """All numbers of a backtest; `scored` and `scores` only where it was scored."""
    numbers = summary.as_json()
    if scores is not None:
        numbers["scored"] = scores.period.as_json()
        numbers["scores"] = scores.as_json()
    return numbers


def _title(summary: Summary) -> str:
    if summary.days is None:
        return "No changes."
    first, last = summary.days
    return f"{summary.replayed.changes:,} changes of {summary.replayed.records:,} records, {first} to {last}"


def _table(first: str, columns: tuple[str, ...], rows: dict[str, dict[str, float]]) -> Table:
    table = Table()
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row.get(column.replace(' ', '_'), 0):,.12g}" for column in columns))
    return table
