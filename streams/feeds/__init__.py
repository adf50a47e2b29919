"""Change feeds: what a CRM emits, as normalised changes. One file per format.

A format reads its part of the configuration into a `Feed`. A feed takes one message at a
time and answers with facts (changes of records, rows of tables that they refer to), with a reason to pass
it over, or by raising `Undecodable`.
It keeps no state: the same message gives the same answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from streams.core.entries import Change, Fact, Lookup


class Message(msgspec.Struct, frozen=True):
    """One message of a feed, as it came. `timestamp`: the broker's, milliseconds since the epoch.
    `line`: the name of the file that it was read from, and on which line (from 1) it begins there.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    line: tuple[str, int] | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if self.line is not None:
            return f"{self.line[0]}:{self.line[1]}"
        return f"{self.topic}-{self.partition}@{self.offset}"


class PassedOver(msgspec.Struct, frozen=True):
    """A message that is well formed and says nothing about a record, such as a heartbeat.

    gap: whether it says that records have changed without saying which, or how: they must be read anew.
    """

    reason: str
    gap: bool = False


class Undecodable(Exception):
    """The message cannot be read as what the feed's configuration says it is; the text says why."""


class Unavailable(Exception):
    """Something outside that decoding needs does not answer, such as a schema registry.

    The message is neither good nor bad, and is to be decoded later. `ask_again` asks once more, blocking;
    it raises Unavailable as long as there is no answer.
    """

    def __init__(self, text: str, ask_again: Callable[[], None]) -> None:
        super().__init__(text)
        self.ask_again = ask_again


EVERY = frozenset({"created", "touched", "entered"})
"""Fields that are known of every record: of its changes, where no column says them."""


class Brings(msgspec.Struct, frozen=True):
    """What is known of a record by a feed's changes.

    fields: that conditions can ask for. facts: that triggers can read, by the names that
    `Trigger.needs` has for them: the fields, and what follows from them and from what was said.
    lookups: by field, where its values stand that the feed brings as keys; the keys are left out.
    """

    fields: frozenset[str]
    facts: frozenset[str]
    lookups: Mapping[str, Lookup] = {}


class Rows(msgspec.Struct, frozen=True):
    """How the rows of a feed's files are read: the columns it needs, those that must not be read, and
    what separates them."""

    columns: frozenset[str]
    withheld: frozenset[str]
    delimiter: str


class Feed(Protocol):
    name: str
    topic: str

    @property
    def kinds(self) -> Mapping[str, Brings]:
        """What it brings, by the kind of record."""
        ...

    @property
    def rows(self) -> Rows | None:
        """How its files are read that are no messages; None where there are no such files."""
        ...

    def decode(self, message: Message) -> Sequence[Fact] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are; but Unavailable where something
        outside is asked."""
        ...


class Format(Feed, Protocol):
    """A feed as its format has it: what `streams.feeds.references` makes of rows that are no records, it
    reads as changes of kinds that no record can have."""

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are; but Unavailable where something
        outside is asked."""
        ...
