"""What every trigger can be asked.

A trigger answers one question: *since when does its condition hold, if nothing changes?* A
moment that has come means that it holds; one in the future is a deadline; None is never. So
one answer serves a change that arrives as well as time that passes.
"""

from typing import Any, ClassVar

import msgspec

from streams.core.entries import Author
from streams.core.record import Record


class Now(msgspec.Struct, frozen=True, gc=False):
    """What is happening to a record. Moments are microseconds UTC.

    at: the record's time, which never runs back. when: the change's own time, earlier where it came late.
    changed: names of the facts that differ. by: who did it, where the feed says.
    """

    at: int
    when: int
    changed: frozenset[str] = frozenset()
    by: Author | None = None


class Trigger(msgspec.Struct, frozen=True):
    """Pure and immutable.

    reads: attributes of a record on which the answer depends; while they stay, so does it.
    remembers: whether `held` matters; then it is asked even where other clauses do not hold.
    graded: whether it has a `level`.
    """

    reads: ClassVar[frozenset[str]]
    remembers: ClassVar[bool] = False
    graded: ClassVar[bool] = False

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        """The moment from which the condition holds for `record`, in microseconds; None is never.

        `before` is the record as it was before what happens `now`, None when it was created then;
        `held` is what this method last answered for the record.
        """
        raise NotImplementedError

    def needs(self) -> frozenset[str]:
        """Facts without which it never holds, or always: a feed must bring them. By default all it reads."""
        return self.reads

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        """Why the condition holds at `at`: a line for people, and the arithmetic behind it."""
        raise NotImplementedError

    def missing(self, record: Record, at: int) -> str:
        """Why it does not hold and no clock of it runs, for people: what there is, and what it would take."""
        return "nothing that this trigger watches for has happened"

    def warnings(self, record: Record) -> tuple[int, ...]:
        """Moments before the condition holds at which to warn that it will, earliest first."""
        return ()

    def warning(self, record: Record, number: int, at: int) -> tuple[str, dict[str, Any]]:
        """What to say at the warning of this `number`, from 0; as `because`."""
        raise NotImplementedError

    def level(self, record: Record) -> float | None:
        """How bad it is, higher is worse; None where it is no matter of degree."""
        return None
