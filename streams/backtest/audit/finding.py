"""What an audit looks for, and what it finds: each kind of failure is one file beside this one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from streams.core.record import Record
from streams.core.timestamps import DAY, HOUR


class Finding(msgspec.Struct, frozen=True):
    """One failure of one record. Moments are microseconds UTC.

    record: as it was before it ended; its value is what was at stake.
    began: when it began: the last touch, the entering of the stage. noticeable: when it could have been
    noticed, by nothing but what was known by then. over: when it ended; None where it never did.
    """

    record: Record
    began: int
    noticeable: int
    over: int | None
    what: str

    def unnoticed(self, end: int) -> int:
        """For how long it went on once it could have been noticed, in microseconds; at most until `end`."""
        return max(0, (end if self.over is None else self.over) - self.noticeable)


class Remedy(NamedTuple):
    """What a path would have asked; and the findings that it is for.

    conditions: its `where` and `when`, and other keys, as they can stand in the file: at first with the limit
    by which failures are found, then with one that is higher and higher.
    """

    name: str
    conditions: Sequence[Mapping[str, Any]]
    findings: Sequence[Finding]


class Failure(Protocol):
    """Looks for one kind of failure among records of one kind. It is told of every change of them in the
    order of time, and of every midnight (UTC) in between."""

    title: ClassVar[str]

    def saw(self, before: Record | None, after: Record) -> Finding | None:
        """The failure that is over with the change from `before` to `after`, if one is."""
        ...

    def midnight(self, at: int) -> None: ...

    def lasting(self, records: Mapping[str, Record], end: int) -> Iterable[Finding]:
        """The failures that are not over at the `end` of the history, with `records` as they are then."""
        ...

    def remedy(self, findings: Sequence[Finding]) -> Remedy:
        """The path that would have told of such `findings`; there is at least one."""
        ...


RISES = tuple(1.15**step for step in range(17))
"""By what a limit is multiplied as it rises: in steps that make a difference, up to nine times of it."""

_LONGEST = 3650 * DAY
"""Of the spans that a path may have."""


def span(micros: float) -> str:
    """A span as people write it in a path: to the hour below three days, else to the day."""
    micros = min(micros, _LONGEST)
    unit, letter = (HOUR, "h") if micros < 3 * DAY else (DAY, "d")
    return f"{max(1, round(micros / unit))}{letter}"
