"""Sorting more than memory should hold.

An external merge sort: what is too much for memory goes to disk as sorted runs, which are merged
when they are read. Input that is in order already makes one run, whatever its length.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

MOST = 100_000
"""So many items, in changes with a few fields some 150 MB, are kept in memory; the others go to disk."""

_BLOCK = 100
"""Items that are read from disk at once. While runs are merged, so many of each are in memory; the fewer,
the more blocks there are to know the places of."""

Block = tuple[int, int]
"""Where in a spill a part of a run is: offset and length in bytes."""

Run = list[Block]
"""Blocks that, one after the other, hold items in order."""

_encoder = msgspec.msgpack.Encoder()


class Unordered(Exception):
    """The items cannot be put in order; the text says why."""


class Spill:
    """A file without a name, so that nothing is left of it however the process ends.

    One process may append; those forked from it may read. Raises OSError where the disk is full.
    """

    def __init__(self) -> None:
        # It is closed with this object, which alone knows it.
        self._file = tempfile.TemporaryFile(prefix="escalations-", buffering=0)  # noqa: SIM115
        self._end = 0

    def append(self, content: bytes) -> Block:
        block = self._end, len(content)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._end += len(content)
        return block

    def read(self, block: Block) -> bytes:
        offset, length = block
        return os.pread(self._file.fileno(), length, offset)


class Sorter(Generic[T]):
    """Takes items in any order; iterating, as often as one likes, gives them sorted.

    Items are plain data that `decoder` reads back, a list of them at a time; no two compare as equal. At
    most about `most` are in memory at once.
    """

    def __init__(
        self, decoder: msgspec.msgpack.Decoder[list[T]], most: int = MOST, spill: Spill | None = None
    ) -> None:
        self._decoder = decoder
        self._most = most
        self._spill = spill
        self._held: list[T] = []
        self._last: T | None = None
        self._count = 0
        self.runs: list[Run] = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """Raises Unordered."""
        self._sort()
        if self._spill is None or not self.runs:
            return iter(self._held)
        return merged([*(read_run(self._spill, run, self._decoder) for run in self.runs), self._held])

    def add(self, item: T) -> None:
        """Raises Unordered, or OSError where the disk is full."""
        self._held.append(item)
        self._count += 1
        if len(self._held) >= self._most:
            self.settle()

    def settle(self) -> None:
        """Bring to disk what is in memory. Raises as `add`."""
        if not self._held:
            return
        self._sort()
        if self._spill is None:
            self._spill = Spill()
        if not self.runs or self._held[0] < self._last:  # type: ignore[operator]
            self.runs.append([])
        self._last = self._held[-1]
        for start in range(0, len(self._held), _BLOCK):
            block = _encoder.encode(self._held[start : start + _BLOCK])
            self.runs[-1].append(self._spill.append(block))
        self._held = []

    def _sort(self) -> None:
        try:
            # What is sorted already takes no time.
            self._held.sort()
        except TypeError as error:
            raise Unordered(str(error)) from None


def read_run(spill: Spill, run: Run, decoder: msgspec.msgpack.Decoder[list[T]]) -> Iterator[T]:
    for block in run:
        yield from decoder.decode(spill.read(block))


def merged(runs: Iterable[Iterable[T]]) -> Iterator[T]:
    """Raises Unordered."""
    try:
        yield from merge(*runs)  # type: ignore[type-var]
    except TypeError as error:
        raise Unordered(str(error)) from None
