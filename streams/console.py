"""The console for people: standard output or standard error."""

from rich.console import Console

_UNBOUNDED = 1000
"""Columns of a file or a pipe: a row of a table stays one line there."""


def console(*, err: bool = False) -> Console:
    """As wide as the terminal, if it is one. Text is printed as it is, never taken for markup."""
    made = Console(stderr=err, highlight=False, markup=False)
    if not made.is_terminal:
        made.width = _UNBOUNDED
    return made
