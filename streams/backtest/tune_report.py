"""What was tuned, for people and for programs."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from streams.backtest.intervals import Share
from streams.backtest.scores import Period
from streams.backtest.sweep import Sweep
from streams.backtest.tune import Answers, Row
from streams.console import console
from streams.core.timestamps import duration

_NAMES = ("fit", "score")
"""Of the first period, by which values are chosen, and of the second, where there is one."""


def as_json(
    path: str,
    sweeps: Sequence[Sweep],
    periods: Sequence[Period],
    swept: Sequence[Sequence[Row]],
    chosen: Answers,
) -> dict[str, Any]:
    """For programs: rows by period, and the values chosen by the first of them."""

    def values(number: int | None) -> list[Any] | None:
        return None if number is None else list(swept[0][number].values)

    return {
        "path": path,
        "over": [sweep.name for sweep in sweeps],
        "periods": {
            name: {**period.as_json(), "rows": [row.as_json() for row in rows]}
            for name, period, rows in zip(_NAMES, periods, swept, strict=False)
        },
        "knee": values(chosen.knee),
        "within_budget": values(chosen.budget),
        "with_recall": values(chosen.recall),
    }


def show(
    sweeps: Sequence[Sweep], periods: Sequence[Period], swept: Sequence[Sequence[Row]], chosen: Answers
) -> None:
    """A table for each period on standard output."""
    out = console()
    marks = {
        word: number
        for word, number in (
            ("knee", chosen.knee),
            ("within budget", chosen.budget),
            ("has the recall", chosen.recall),
        )
        if number is not None
    }
    for period, rows in zip(periods, swept, strict=True):
        if period != Period():
            since, until = period.as_json().values()
            bounds = [f"from {since}"] * (since is not None) + [f"before {until}"] * (until is not None)
            out.print(f"Records created {' and '.join(bounds)}")
        out.print(_table(sweeps, rows, marks))


def _table(sweeps: Sequence[Sweep], rows: Sequence[Row], marks: dict[str, int]) -> Table:
    scored = any(row.verdict is not None for row in rows)
    table = Table()
    for sweep in sweeps:
        table.add_column(sweep.name)
    for column in ("escalations", "records", "worst week"):
        table.add_column(column, justify="right")
    for column in ("precision", "recall", "median lead") if scored else ():
        table.add_column(column, justify="right")
    table.add_column("")
    for number, row in enumerate(rows):
        counts = (row.tally.escalations, len(row.tally.first), row.tally.worst_week)
        cells = [str(value) for value in row.values] + [f"{count:,}" for count in counts]
        if row.verdict is not None:
            lead = row.verdict.quartiles()
            shares = (row.verdict.precision, row.verdict.recall)
            cells += [*map(_percent, shares), duration(round(lead[1])) if lead else ""]
        table.add_row(*cells, ", ".join(word for word, marked in marks.items() if marked == number))
    return table


def _percent(share: Share) -> str:
    if share.value is None or not share.enough:
        return "too few to say"
    low, high = share.interval()
    return f"{share.value:.1%} ±{(high - low) / 2:.1%}"
