"""A history: all changes that files or topics hold, in the order in which they happened."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from streams.backtest.sorting import Sorter
from streams.core.entries import Change, Happened, Reference
from streams.core.timestamps import micros
from streams.feeds import Feed, Message, PassedOver, Undecodable
from streams.feeds.files import FileProblem

SHOWN = 3

Placed = tuple[datetime, int, tuple[int | str, ...], int, Happened]
"""A change where it belongs: by its moment, then its feed's rank, then the feed's order token, then the
number under which it was read, which no other has. What records refer to comes before all of them: a
reference says itself from when it holds."""

_BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)

placed_decoder = msgspec.msgpack.Decoder(list[Placed])


def placed(what: Happened, rank: int, number: int) -> Placed:
    """Where it belongs that was read as number `number`, of a feed of this `rank`."""
    if isinstance(what, Reference):
        return _BEFORE_ALL, rank, (micros(what.at), *(what.order or ())), number, what
    order = what.order if isinstance(what, Change) else None
    return what.at, rank, order or (), number, what


class Unread:
    """Messages that could not be read: their `count`, and of the `first` of them the reasons by place."""

    def __init__(self) -> None:
        self.count = 0
        self.first: dict[str, str] = {}

    def add(self, place: str, reason: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first[place] = reason


class Changes:
    """Changes and commands. Iterating, as often as one likes, gives them in the order of time, and before
    them what they refer to.

    Those of one moment come in the order of their feeds, then by the feed's own order token, then as they
    were added. Where there are many they are on disk.
    """

    def __init__(self) -> None:
        self._sorter = Sorter(placed_decoder)

    def __len__(self) -> int:
        return len(self._sorter)

    def __iter__(self) -> Iterator[Happened]:
        """Raises Unordered."""
        return (each[-1] for each in self._sorter)

    def add(self, change: Happened, rank: int) -> None:
        """At one moment, what has a lower `rank` comes first. Raises Unordered, OSError."""
        self._sorter.add(placed(change, rank, len(self._sorter)))


class History:
    """What has been read so far. `problem`: why that is only a part, or None."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.unread = Unread()
        self.problem: str | None = None

    def read(self, feed: Feed, messages: Iterable[Message], rank: int = 0) -> None:
        """Add what `feed` reads in `messages`; at one moment a feed of a lower `rank` comes first.

        Where reading them raises FileProblem, what came before it is there.
        """
        add, decode = self.changes.add, feed.decode
        try:
            for message in messages:
                try:
                    outcome = decode(message)
                except Undecodable as error:
                    self.unread.add(message.place, str(error))
                    continue
                if not isinstance(outcome, PassedOver):
                    for change in outcome:
                        add(change, rank)
        except FileProblem as problem:
            # The first is to be seen to first.
            self.problem = self.problem or str(problem)


def read_history(feed: Feed, messages: Iterable[Message]) -> History:
    """Everything of one feed."""
    history = History()
    history.read(feed, messages)
    return history
