"""shadow-path: a path tells nobody yet."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.paths:
        if path.shadow:
            yield Finding(
                "info",
                ("paths", path.name, "shadow"),
                f"{path.name!r} is in shadow: it decides, and tells nobody",
                "Take `shadow` out when it is to tell people",
            )
