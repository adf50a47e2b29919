"""acknowledgement-without-end: the path gives up before an acknowledgement runs out."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject
from streams.lint.spans import surely_longer


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.paths:
        if path.expires and path.give_up and surely_longer([path.expires], path.give_up):
            yield Finding(
                "warning",
                ("paths", path.name, "acknowledged_for"),
                f"an acknowledgement never ends: with `give_up: {path.give_up.text}` the path ends before",
                "Write a shorter span, a longer `give_up`, or take one of them out",
            )
