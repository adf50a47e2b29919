"""A history read and replayed by this process alone; `streams.backtest.jobs` does it with several."""

from collections.abc import Callable, Iterable, Iterator

from streams.backtest.history import History
from streams.backtest.replay import Replay, up_to
from streams.core.entries import Happened
from streams.core.escalation import Escalation
from streams.core.rules import Rules

_EVERY = 1000


class Alone(History):
    """First read what there is, then `decide` on it under `rules`."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.replayed = Replay(rules)

    @property
    def total(self) -> int:
        """Changes that have been read."""
        return len(self.changes)

    def decide(
        self,
        until: int | None = None,
        advance: Callable[[int], None] = lambda more: None,
        watch: Callable[[Iterable[Happened]], Iterable[Happened]] = iter,
    ) -> Iterator[Escalation]:
        """As `Replay.run` on all that has been read. `advance` is told how many more changes that took;
        `watch` sees them on their way."""
        return self.replayed.run(watch(up_to(until, _watched(self.changes, advance))), until)


def _watched(changes: Iterable[Happened], advance: Callable[[int], None]) -> Iterator[Happened]:
    for number, change in enumerate(changes, 1):
        yield change
        if number % _EVERY == 0:
            advance(_EVERY)
