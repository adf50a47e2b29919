"""overlap: whenever the path fires, a wider one tells the same people of the same record."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject
from streams.lint.overlaps import pairs


def check(subject: Subject) -> Iterator[Finding]:
    for pair in pairs(subject):
        told = pair.narrow.steps[0].notify
        if not pair.same and told and set(told) <= set(pair.wide.steps[0].notify):
            yield Finding(
                "warning",
                ("paths", pair.narrow.name),
                f"{' and '.join(told)} hears of each of these records by {pair.wide.name!r}, too",
                f"Leave these records out of {pair.wide.name!r} with `not`, or tell somebody else",
                key=True,
            )
