"""Scores for people."""

from rich.table import Table

from streams.backtest.scores import Scores
from streams.console import console
from streams.core.timestamps import duration, rfc3339

_MISSED = 3
"""Of each path and outcome, the dearest."""


def show(scores: Scores, *, err: bool = False) -> None:
    """What each path that has an outcome was worth, on standard output or standard error."""
    out = console(err=err)
    table = Table()
    table.add_column("path", overflow="fold")
    table.add_column("outcome", overflow="fold")
    columns = (
        "precision",
        "recall",
        "median lead",
        "quartiles",
        "too late",
        "missed",
        "never acted on",
        "late",
    )
    for column in columns:
        table.add_column(column, justify="right")
    missed = []
    for path, tally in scores.tallies.items():
        for outcome, each in scores.verdicts(path).items():
            lead = each.quartiles()
            first, middle, third = (duration(round(span)) for span in lead) if lead else ("", "", "")
            table.add_row(
                path,
                outcome,
                str(each.precision),
                str(each.recall),
                middle,
                f"{first} to {third}" if lead else "",
                f"{each.after:,}",
                f"{len(each.missed):,}",
                f"{tally.never_acted_on:,} of {tally.episodes:,}",
                f"{len(tally.late):,}",
            )
            for record, bad in each.missed[:_MISSED]:
                cost = "" if bad.cost is None else f", {bad.cost:,.12g}"
                missed.append(f"missed by {path}: {record}, {outcome} at {rfc3339(bad.at)}{cost}")
            if len(each.missed) > _MISSED:
                missed.append(f"  ... and {len(each.missed) - _MISSED:,} more; --json has all of them")
    if table.row_count:
        out.print(table)
    for line in missed:
        out.print(line)
