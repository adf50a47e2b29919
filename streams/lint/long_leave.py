"""long-leave: somebody is away for long, and nobody stands in."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject
from streams.lint.leaves import leaves

_LONG = 60
"""Days."""


def check(subject: Subject) -> Iterator[Finding]:
    fallback = subject.config.rules.directory.fallback
    for leave in leaves(subject):
        days = (leave.last - leave.first).days + 1
        alone = leave.person.deputy is None and leave.person.manager is None
        if alone and days > _LONG and leave.last >= subject.today and leave.person.name != fallback:
            yield Finding(
                "warning",
                leave.position,
                f"{leave.person.name} is away for {days} days, with neither deputy nor manager: "
                f"{fallback} is told instead, as the fallback",
                "Name a `deputy` or a `manager`",
            )
