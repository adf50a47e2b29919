"""same-fire: two paths fire for the same records at the same moments."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject
from streams.lint.overlaps import pairs


def check(subject: Subject) -> Iterator[Finding]:
    for pair in pairs(subject):
        if pair.same:
            yield Finding(
                "warning",
                ("paths", pair.narrow.name),
                f"this path fires whenever {pair.wide.name!r} does, and only then",
                "Make them one: put the recipients into the steps of one path",
                key=True,
            )
