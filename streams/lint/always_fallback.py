"""always-fallback: a step asks for the person in a field that no feed brings."""

from collections.abc import Iterator

from streams.core.document import Position
from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    directory = subject.config.rules.directory
    for path in subject.paths:
        feeds = [feed.kinds[path.about] for feed in subject.config.feeds.values() if path.about in feed.kinds]
        brought = frozenset[str]().union(*(brings.fields for brings in feeds))
        for position, asked in _recipients(subject, path.name):
            recipient = directory.parse(asked)
            if recipient.kind == "field" and recipient.name not in brought:
                where = "it" if recipient.name == "owner" else f"`{recipient.name}`"
                yield Finding(
                    "warning",
                    position,
                    f"no feed brings the {recipient.name} of a {path.about}: "
                    f"this is always the fallback, {directory.fallback}",
                    f"Map {where} under `record` of a feed, or name somebody else",
                )


def _recipients(subject: Subject, path: str) -> Iterator[tuple[Position, str]]:
    for position, _ in subject.steps[path]:
        for key in ("notify", "reassign"):
            written = subject.at(*position, key)
            if isinstance(written, list):
                yield from (((*position, key, index), str(each)) for index, each in enumerate(written))
            elif written is not None:
                yield (*position, key), str(written)
