"""Scores for people."""

from collections.abc import Iterable

from rich.table import Table

from streams.backtest.scores import Scores, Verdict
from streams.console import console
from streams.core.timestamps import duration, rfc3339

_MISSED = 3
"""Of each path and outcome, the dearest."""


def show(scores: Scores, *, err: bool = False) -> None:
    """How loud each path was, and what each that has an outcome was worth, on standard output or standard
    error."""
    out = console(err=err)
    out.print(_noise(scores))
    verdicts = [
        (path, outcome, each) for path in scores.tallies for outcome, each in scores.verdicts(path).items()
    ]
    if verdicts:
        out.print(_worth(verdicts))
    for path, outcome, each in verdicts:
        for record, bad in each.missed[:_MISSED]:
            cost = "" if bad.cost is None else f", {_amount(bad.cost)}"
            out.print(f"missed by {path}: {record}, {outcome} at {rfc3339(bad.at)}{cost}")
        if len(each.missed) > _MISSED:
            out.print(f"  ... and {len(each.missed) - _MISSED:,} more; --json has all of them")


def _noise(scores: Scores) -> Table:
    table = _table("path", columns=("escalations", "median week", "worst week", "never acted on", "late"))
    for path, tally in scores.tallies.items():
        table.add_row(
            path,
            f"{tally.escalations:,}",
            f"{tally.median_week:,g}",
            f"{tally.worst_week:,}",
            f"{tally.never_acted_on:,} of {tally.episodes:,}",
            f"{len(tally.late):,}",
        )
    return table


def _worth(verdicts: Iterable[tuple[str, str, Verdict]]) -> Table:
    columns = (
        "precision",
        "recall",
        "median lead",
        "quartiles",
        "too late",
        "missed",
        "cost told of",
        "cost missed",
    )
    table = _table("path", "outcome", columns=columns)
    for path, outcome, each in verdicts:
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
            *(("", "") if each.cost is None else (_amount(each.cost.caught), _amount(each.cost.missed))),
        )
    return table


def _table(*names: str, columns: Iterable[str]) -> Table:
    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _amount(cost: float) -> str:
    return f"{cost:,.12g}"
