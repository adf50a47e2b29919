"""Budgets: what a path may cost and must find, so that a change of it can be refused."""

from collections.abc import Iterator

import msgspec

from streams.backtest.scores import Scores


class Budget(msgspec.Struct, frozen=True):
    """most: notices that a person may get in a week, from all paths. recall: the least of every outcome,
    where there are enough records to say. None is no bound."""

    most: int | None = None
    recall: float | None = None

    def exceeded(self, scores: Scores) -> Iterator[str]:
        """What is over the budget, a sentence each."""
        notices = scores.notices()
        if self.most is not None:
            worst: dict[str, int] = {}
            for (person, _), count in notices.items():
                worst[person] = max(count, worst.get(person, 0))
            for person, count in sorted(worst.items()):
                if count > self.most:
                    yield f"{person} would be told {count:,} times in the worst week, more than {self.most:,}"
        if self.recall is not None:
            for path in scores.tallies:
                for outcome, each in scores.verdicts(path).items():
                    value = each.recall.value
                    if value is not None and each.recall.enough and value < self.recall:
                        yield f"{path} tells of {value:.1%} of {outcome} in time, less than {self.recall:.1%}"
