"""Progress of long work on standard error, where that is a terminal; elsewhere nothing is shown."""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from streams.feeds.files import Open, plainly

T = TypeVar("T")

_EVERY = 1000
"""Items between two updates: the bar must cost nothing beside the work."""

_BUFFER = 1 << 18


def counted(
    items: Iterable[T], what: str, total: int | None = None, *, quiet: bool = False, every: int = _EVERY
) -> Iterator[T]:
    """`items`, with a bar that says how many of `total` there were and how long the rest will take, or a
    count where that is not known.

    With `quiet` there is no bar: the terminal may belong to a pager that reads our output.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield from items
        return
    with _bar(console, MofNCompleteColumn()) as bar:
        task = bar.add_task(what, total=total)
        for number, item in enumerate(items, 1):
            yield item
            if number % _EVERY == 0:
                bar.update(task, completed=number)


@contextmanager
def counting(what: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """The same for who does not come by each item: to be told how many more there were."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda more: None
        return
    with _bar(console, MofNCompleteColumn()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


@contextmanager
def opening(paths: Iterable[Path], what: str, *, quiet: bool = False) -> Iterator[Open]:
    """A way to open `paths`, with a bar that says how much of all their bytes has been read, and how long
    the rest will take. `quiet` as above."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield plainly
        return
    # A pipe has no size, and what is not there none either: then nothing is said of the rest.
    sizes = [path.stat().st_size if path.is_file() else 0 for path in paths]
    with _bar(console, DownloadColumn()) as bar:
        task = bar.add_task(what, total=sum(sizes) if all(sizes) else None)

        def open_file(path: Path) -> io.BufferedReader:
            wrapped = bar.wrap_file(path.open("rb", buffering=0), task_id=task)
            return io.BufferedReader(cast("io.RawIOBase", wrapped), _BUFFER)

        yield open_file


def _bar(console: Console, amount: ProgressColumn) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), amount)
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
