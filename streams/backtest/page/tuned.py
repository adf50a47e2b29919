"""What `escalations tune --json` wrote, as far as a report draws it."""

from pathlib import Path
from typing import Any

import msgspec


class NotTuned(ValueError):
    """The file is not what `escalations tune --json` writes."""


class Rate(msgspec.Struct):
    value: float | None


class _Lead(msgspec.Struct):
    median: float


class Row(msgspec.Struct):
    """`recall` and `lead_seconds`: None without an outcome."""

    values: list[Any]
    escalations: int
    records: int
    worst_week: int
    precision: Rate | None = None
    recall: Rate | None = None
    lead_seconds: _Lead | None = None


class _Period(msgspec.Struct):
    rows: list[Row]


class Tuned(msgspec.Struct):
    """`periods`: `fit`, by which values were chosen, and `score`, where there is one. knee, within_budget,
    with_recall: the values chosen."""

    path: str
    over: list[str]
    periods: dict[str, _Period]
    knee: list[Any] | None
    within_budget: list[Any] | None
    with_recall: list[Any] | None


def read_tuned(path: Path) -> Tuned:
    """Raises NotTuned, OSError."""
    try:
        tuned = msgspec.json.decode(path.read_bytes(), type=Tuned)
    except msgspec.DecodeError as error:
        raise NotTuned(f"{path} is not what `escalations tune --json` writes: {error}") from None
    if "fit" not in tuned.periods:
        raise NotTuned(f"{path} is not what `escalations tune --json` writes: it has no period `fit`")
    return tuned
