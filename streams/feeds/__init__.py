"""Change feeds: what a CRM emits, as normalised changes. One file per format.

A format reads its part of the configuration into a `Feed`. A feed takes one message at a
time and answers with changes, with a reason to pass it over, or by raising `Undecodable`.
It keeps no state: the same message gives the same answer.
"""

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


class Feed(Protocol):
    """`fields`: names of the fields its changes may carry. `kinds`: kinds of record they are about."""

    name: str
    topic: str
    kinds: frozenset[str]
    fields: frozenset[str]

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        ...
