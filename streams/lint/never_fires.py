"""never-fires: no record can meet all that the path asks for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from streams.core.record import Record
from streams.core.rules import Path
from streams.core.triggers.health import HealthFallsBelow
from streams.core.triggers.sla import Clock
from streams.core.triggers.stage import InStage, LongerThanSimilar
from streams.core.triggers.value import ValueCrosses
from streams.lint.finding import Finding, Subject
from streams.lint.logic import ALIVE, Conditions, Limits, alive
from streams.lint.mappings import closed_stages

Reason = tuple[str, Limits]


def check(subject: Subject) -> Iterator[Finding]:
    conditions = Conditions(subject)
    for path in subject.paths:
        if not path.where.parts:
            continue
        for why, limits in _reasons(subject, path):
            if conditions.never_hold(path.where, limits):
                yield Finding(
                    "error",
                    ("paths", path.name, "where"),
                    f"this path never fires: {why}",
                    "Look for conditions that exclude each other, here and in `when`",
                    key=True,
                )
                break


def _reasons(subject: Subject, path: Path) -> Iterator[Reason]:
    """What a record must be for the path to fire, each with why it does not where it cannot be that."""
    yield "its conditions never hold together", Limits(lambda field, record: True)
    yield "its conditions hold of closed and merged records only, which never escalate", ALIVE
    closed = closed_stages(subject, path.about)
    if closed:

        def is_open(field: str, record: Record) -> bool:
            return alive(field, record) and (field != "stage" or record.stage not in closed)

        named = {"stage": sorted(closed)}
        yield "its conditions hold in stages only that the feed says are closed", Limits(is_open, named)
    yield from _by_trigger(path)


def _by_trigger(path: Path) -> Iterator[Reason]:
    match path.trigger:
        case InStage() | LongerThanSimilar():
            yield (
                "a record without a stage has not been in one for any time",
                _limits("stage", lambda record: record.stage is not None),
            )
        case ValueCrosses() as crosses:
            number, currency, downwards = crosses.clear.number, crosses.clear.currency, crosses.downwards

            def is_beyond(record: Record) -> bool:
                value = record.value
                if value is None or record.currency != currency:
                    return False
                return value < number if downwards else value >= number

            side = "below" if downwards else "at least"
            yield (
                f"it is over unless the value is {side} {crosses.clear}",
                Limits(
                    lambda field, record: (
                        alive(field, record)
                        and (field != "value" or is_beyond(record))
                        and (field != "currency" or record.currency == currency)
                    ),
                    {"value": [crosses.clear], "currency": [currency]},
                ),
            )
        case HealthFallsBelow(clear=clear):
            yield (
                f"it is over unless the health is below {clear:g}",
                _limits(
                    "health", lambda record: bool(record.health) and record.health[-1][1] < clear, [clear]
                ),
            )
        case Clock(targets=targets) if targets and targets.other is None:
            yield (
                f"there is a target only for {targets.by} {', '.join(targets.by_value)}",
                _limits(targets.by, lambda record: targets.of(record) is not None, list(targets.by_value)),
            )


def _limits(asked: str, allows: Callable[[Record], bool], named: Sequence[Any] = ()) -> Limits:
    return Limits(
        lambda field, record: alive(field, record) and (field != asked or allows(record)), {asked: named}
    )
