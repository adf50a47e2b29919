"""no-path: a feed brings records of a kind that no path is about."""

from collections.abc import Iterator

from streams.core import customers
from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    about = {path.about for path in subject.paths}
    for name, feed in subject.config.feeds.items():
        # What tells of customers serves the paths about them.
        serves = customers.KIND in about and any("customer" in each.fields for each in feed.kinds.values())
        if about.isdisjoint(feed.kinds) and not serves:
            kinds = " and ".join(feed.kinds)
            yield Finding(
                "info",
                ("feeds", name),
                f"no path is about the kind {kinds}, which is all that this feed brings",
                f"Add a path with `about: {next(iter(feed.kinds), '...')}`, or take the feed out",
                key=True,
            )
