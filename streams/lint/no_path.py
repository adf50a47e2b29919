"""no-path: a feed brings records of a kind that no path is about."""

from collections.abc import Iterator

from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    about = {path.about for path in subject.paths}
    for name, feed in subject.config.feeds.items():
        # What tells of customers brings them, too, where a path is about them. Others bring tables alone.
        if feed.kinds and about.isdisjoint(feed.kinds):
            kinds = " and ".join(feed.kinds)
            yield Finding(
                "info",
                ("feeds", name),
                f"no path is about the kind {kinds}, which is all that this feed brings",
                f"Add a path with `about: {next(iter(feed.kinds), '...')}`, or take the feed out",
                key=True,
            )
