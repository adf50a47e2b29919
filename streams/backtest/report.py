"""The summary of a backtest, for people and for programs."""

import click
import orjson
from rich.table import Table

from streams.backtest.summary import ALWAYS, EVENTS, Summary
from streams.console import console

_UNDECODABLE_SHOWN = 3


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
    elif summary.changes:
        out.print("Nothing would have fired.")
    if summary.undecodable:
        count = len(summary.undecodable)
        out.print(f"{count} message{'s' * (count != 1)} could not be read:")
        for place, reason in list(summary.undecodable.items())[:_UNDECODABLE_SHOWN]:
            out.print(f"  {place}: {reason}")
        if count > _UNDECODABLE_SHOWN:
            out.print("  ... `escalations decode` shows all of them.")


def show_json(summary: Summary, *, err: bool = False) -> None:
    """One JSON object on standard output, or with `err` on standard error."""
    click.echo(orjson.dumps(summary.as_json(), option=orjson.OPT_INDENT_2), err=err)


def _title(summary: Summary) -> str:
    if summary.first is None:
        return "No changes."
    counts = f"{summary.changes:,} changes of {summary.records:,} records"
    return f"{counts}, {summary.first} to {summary.last}"


def _table(first: str, columns: tuple[str, ...], rows: dict[str, dict[str, float]]) -> Table:
    table = Table()
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row.get(column.replace(' ', '_'), 0):,.12g}" for column in columns))
    return table
