"""Progress of long work on standard error, where that is a terminal; elsewhere nothing is shown."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

_EVERY = 1000
"""Items between two updates: the bar must cost nothing beside the work."""


def counted(items: Iterable[T], what: str, total: int | None = None, *, quiet: bool = False) -> Iterator[T]:
    """`items`, with a bar that says how many of `total` there were, or a count where that is not known.

    With `quiet` there is no bar: the terminal may belong to a pager that reads our output.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield from items
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        for number, item in enumerate(items, 1):
            yield item
            if number % _EVERY == 0:
                bar.update(task, completed=number)
