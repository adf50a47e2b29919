"""past-leave: a leave is over."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject
from streams.lint.leaves import leaves


def check(subject: Subject) -> Iterator[Finding]:
    for leave in leaves(subject):
        if leave.last < subject.today:
            yield Finding(
                "info",
                leave.position,
                f"this leave of {leave.person.name} is over since {leave.last}",
                "Take it out, unless histories are replayed with this file",
            )
