"""All records of a partition: kept as the bytes that go into the table, decoded when one is asked for.

A decoded record is a few dozen objects all over the memory. As bytes it takes a quarter of the room, and
decoding it costs no more than fetching all these objects past the caches.
"""

from collections.abc import Iterator, MutableMapping

import msgspec

from streams.core.entries import Lookup
from streams.core.record import Record, decode, encode


class Awaited(msgspec.Struct, gc=False):
    """The little of a record that says what it waits for: a moment, and rows. The rest is not looked at."""

    due: int | None = None
    lookups: dict[str, Lookup] = {}


_awaited = msgspec.msgpack.Decoder(Awaited)


class Records(MutableMapping[str, Record]):
    """Records by key. `encoded`: the same as bytes; whoever gives them sees to it that they are records."""

    def __init__(self, encoded: dict[str, bytes] | None = None) -> None:
        self.encoded = {} if encoded is None else encoded

    def awaited(self) -> Iterator[tuple[str, Awaited]]:
        """What each record waits for, by its key: for a quarter of what it takes to decode all of them."""
        return ((key, _awaited.decode(state)) for key, state in self.encoded.items())

    def __getitem__(self, key: str) -> Record:
        return decode(self.encoded[key])

    def __setitem__(self, key: str, record: Record) -> None:
        self.encoded[key] = encode(record)

    def __delitem__(self, key: str) -> None:
        del self.encoded[key]

    def __contains__(self, key: object) -> bool:
        return key in self.encoded

    def __iter__(self) -> Iterator[str]:
        return iter(self.encoded)

    def __len__(self) -> int:
        return len(self.encoded)
