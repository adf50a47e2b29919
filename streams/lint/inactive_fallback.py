"""inactive-fallback: who is told when nobody is found is not there either."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    directory = subject.config.rules.directory
    fallback = directory.people[directory.fallback]
    if not fallback.active:
        yield Finding(
            "warning",
            ("fallback",),
            f"{fallback.name} is no longer active, but is told when nobody else is found",
            "Name somebody who is there",
        )
