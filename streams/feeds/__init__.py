"""Change feeds: what a CRM emits, as normalised changes. One file per format.

A format reads its part of the configuration into a `Feed`. A feed takes one message at a
time and answers with changes, with a reason to pass it over, or by raising `Undecodable`.
It keeps no state: the same message gives the same answer.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from streams.core.entries import Change


class Message(msgspec.Struct, frozen=True):
    """One message of a feed, as it came. `timestamp`: the broker's, milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class PassedOver(msgspec.Struct, frozen=True):
    """A message that is well formed and says nothing about a record, such as a heartbeat."""

    reason: str


class Undecodable(Exception):
    """The message cannot be read as what the feed's configuration says it is; the text says why."""


EVERY = frozenset({"created", "touched", "entered"})
"""Fields that are known of every record: of its changes, where no column says them."""


class Brings(msgspec.Struct, frozen=True):
    """What is known of a record by a feed's changes.

    fields: that conditions can ask for. facts: that triggers can read, by the names that
    `Trigger.needs` has for them: the fields, and what follows from them and from what was said.
    """

    fields: frozenset[str]
    facts: frozenset[str]


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

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        ...
