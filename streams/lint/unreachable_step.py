"""unreachable-step: the path has given up before the step is due."""

from collections.abc import Iterator

from streams.core.spans import Span
from streams.lint.finding import Finding, Subject
from streams.lint.spans import surely_longer


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.paths:
        if path.give_up is None:
            continue
        waits: list[Span] = []
        for index, (position, steps) in enumerate(subject.steps[path.name]):
            # The wait of the first step lies before the episode opens.
            added = [step.after for step in (steps if index else steps[1:])]
            if surely_longer([*waits, *added], path.give_up):
                itself = index > 0 and surely_longer([*waits, added[0]], path.give_up)
                what = "taken" if itself else "repeated so often"
                yield Finding(
                    "error",
                    (*position, "after" if itself else "repeat"),
                    f"with `give_up: {path.give_up.text}` this step is never {what}",
                    "Write a longer `give_up`, or shorter waits",
                )
                break
            waits += added
