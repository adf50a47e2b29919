"""What two configurations do differently, for people."""

from collections.abc import Sequence

from rich.table import Table

from streams.backtest.compare import KINDS, Difference, counts
from streams.console import console
from streams.core.timestamps import SECOND, duration

_SHOWN = 3
"""Of each kind of difference of a path."""


def show(found: Sequence[Difference], *, err: bool = False) -> None:
    """Counts, and a few of each kind with their reasons, on standard output or standard error."""
    out = console(err=err)
    if not found:
        out.print("Both escalate the same.")
        return
    table = Table()
    table.add_column("path", overflow="fold")
    for kind in KINDS:
        table.add_column(kind.replace("_", " "), justify="right")
    by_path = counts(found)
    for path, counted in by_path.items():
        table.add_row(path, *(f"{counted[kind]:,}" for kind in KINDS))
    out.print(table)
    for path, counted in by_path.items():
        for kind in KINDS:
            some = [each for each in found if (each.path, each.kind) == (path, kind)][:_SHOWN]
            for each in some:
                out.print(line(each))
            if counted[kind] > len(some):
                out.print(f"  ... and {counted[kind] - len(some):,} more {kind.replace('_', ' ')} in {path}")


def line(each: Difference) -> str:
    """One difference with its reason."""
    place = f"{each.record}, {each.path}, episode {each.episode}, step {each.step}"
    old, new = each.before, each.after
    if old is None or new is None:
        call = new or old
        assert call is not None
        return f"{each.kind} at {call.at}: {place}, to {_people(call.notify)}: {call.because}"
    told = f"to {_people(new.notify)} instead of {_people(old.notify)}"
    if each.kind == "other_recipient":
        taken = f", for {new.reassign} instead of {old.reassign}" if old.reassign != new.reassign else ""
        return f"other recipient at {new.at}: {place}, {told}{taken}"
    span = duration(round(abs(each.seconds or 0.0) * SECOND))
    others = f", {told}" if each.others else ""
    reason = new.because if new.because == old.because else f"{new.because}; before: {old.because}"
    return f"{span} {each.kind} at {new.at}: {place}{others}: {reason}"


def _people(names: Sequence[str]) -> str:
    return " and ".join(names) or "nobody"
