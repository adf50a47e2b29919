"""The log `crm.changes`, folded once more as the live workers folded it: the same decisions, byte for byte.

It holds all that decided: changes, commands, the time that passed, the rules, and what the partitions
told each other. So nothing but the log is asked, and each of its partitions is folded for itself, as
`streams.agents.records` does it.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from streams.backtest.history import History, Unread
from streams.backtest.sorting import Sorter
from streams.core import entries, escalation
from streams.core.baselines import Similar
from streams.core.entries import Change, Command, Reference
from streams.core.escalation import Escalation
from streams.core.partition import NoRules, Partition
from streams.core.timestamps import from_rfc3339, micros
from streams.feeds import Message

_Decided = tuple[int, int, int, bytes]
"""The moment (never before that of what its partition decided earlier), partition, number, JSON."""

_decided = msgspec.msgpack.Decoder(list[_Decided])


class NotFromHere(Exception):
    """The log cannot be folded from where it was read; the text says what to do."""


class LogReplay:
    """What has been folded of a log of so many `partitions`. Its numbers are as `Replayed` says."""

    def __init__(self, partitions: int) -> None:
        self.unread = Unread()
        self.problem: str | None = None
        self.changes = 0
        self.first: int | None = None
        self.last: int | None = None
        self._of = partitions
        self._partitions: dict[int, Partition] = {}
        self._latest: dict[int, int] = {}
        self._decided = Sorter(_decided)

    @property
    def records(self) -> int:
        return sum(len(each.records) for each in self._partitions.values())

    def fold(self, messages: Iterable[Message]) -> None:
        """Fold `messages`, of each partition in its order. Raises NotFromHere."""
        for message in messages:
            self._fold(message)

    @property
    def replayed(self) -> "LogReplay":
        return self

    @property
    def total(self) -> int:
        return len(self._decided)

    def decide(
        self, until: int | None = None, advance: Callable[[int], None] = lambda more: None
    ) -> Iterator[Escalation]:
        """What has been decided, of each partition as it was decided, and all in the order of time, up to
        `until`. `advance` is told of each."""
        for at, _, _, value in self._decided:
            if until is not None and at > until:
                return
            yield escalation.decode(value)
            advance(1)

    def _fold(self, message: Message) -> None:
        number = message.partition
        partition = self._partitions.get(number)
        if partition is None:
            partition = self._partitions[number] = Partition(similar=Similar(number, self._of))
        try:
            entry = entries.decode(message.value or b"")
            decisions = partition.fold(entry)
        except NoRules as error:
            raise NotFromHere(
                f"{message.place}: {error}. Read the log from its beginning, or replay the rules of the "
                "configuration with --paths-of-file"
            ) from None
        except Exception as error:
            # As the worker does: it goes to the dead letters, and the record is as it was.
            self.unread.add(message.place, str(error) or repr(error))
            return
        if isinstance(entry, Change):
            at = micros(entry.at)
            self.changes += 1
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)
        partition.changed.clear()
        # What it has to say comes back to it from the log.
        partition.similar.clear()
        partition.tables.clear()
        partition.troubles.clear()
        for each in decisions:
            at = max(from_rfc3339(each.at), self._latest.get(number, 0))
            self._latest[number] = at
            self._decided.add((at, number, len(self._decided), escalation.encode(each)))


def read_entries(history: History, feeds: Iterable[str], messages: Iterable[Message]) -> None:
    """Add to `history` the changes and commands of a log, for other rules to be tried on them.

    `feeds`: in the order in which changes of one moment come.
    """
    ranks = {name: rank for rank, name in enumerate(feeds)}
    for message in messages:
        try:
            entry = entries.decode(message.value or b"")
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            history.unread.add(message.place, f"not an entry: {error}")
            continue
        if isinstance(entry, Reference):
            # Every partition has it; whoever takes it knows a repeat.
            history.changes.add(entry, ranks.get(entry.feed, len(ranks)))
        elif isinstance(entry, Change):
            # What is said about customers goes by a feed of its own for each issue.
            history.changes.add(entry, ranks.get(entry.feed.partition("/")[0], len(ranks)))
        elif isinstance(entry, Command):
            history.changes.add(entry, len(ranks) + 1)
