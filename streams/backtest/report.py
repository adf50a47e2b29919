"""The summary of a backtest, for people, on the terminal."""

from rich.console import Console
from rich.table import Table

from streams.backtest.history import History
from streams.backtest.summary import Summary

_COUNTS = ("records", "opened", "advanced", "resolved")
_UNDECODABLE_SHOWN = 3


def show(summary: Summary, history: History, console: Console) -> None:
    numbers = summary.as_json()
    paths = Table(
        "path", *(("records", "opened", "advanced", "resolved")), title=f"{len(history.changes)} changes"
    )
    for column in paths.columns[1:]:
        column.justify = "right"
    for name, counts in numbers["paths"].items():
        paths.add_row(
            name, *(str(counts.get(key, 0)) for key in ("records", "opened", "advanced", "resolved"))
        )
    console.print(paths if numbers["paths"] else f"{len(history.changes)} changes: nothing would have fired.")
    if numbers["recipients"]:
        people = Table("told", "notices", "median week", "worst week")
        for column in people.columns[1:]:
            column.justify = "right"
        for name, load in numbers["recipients"].items():
            people.add_row(name, str(load["notices"]), f"{load['median_week']:g}", str(load["worst_week"]))
        console.print(people)
    if history.undecodable:
        console.print(f"{len(history.undecodable)} messages could not be read:")
        for place, reason in list(history.undecodable.items())[:_UNDECODABLE_SHOWN]:
            console.print(f"  {place}: {reason}", markup=False, highlight=False)
