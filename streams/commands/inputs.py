"""Histories as commands are given them: files of feeds, and topics."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.exit_codes import NO
from streams.commands.options import STANDARD_INPUT, feed_named, feed_of_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.backtest.history import History
    from streams.backtest.jobs import Jobs
    from streams.backtest.log import LogReplay
    from streams.config import Config
    from streams.feeds import Feed, Message

FEEDS = click.option(
    "--feed",
    "feeds",
    metavar="NAME[=FILE]",
    multiple=True,
    help="Which feed of the configuration the files are of; for several feeds NAME=FILE, as often as needed.",
)


class Offset(click.ParamType):
    """A whole number; `earliest` is the first there can be."""

    name = "offset"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "earliest":
            return 0
        if not str(value).isdecimal():
            self.fail(f"{value!r} is no offset; write a number, or earliest", param, ctx)
        return int(value)


def feed_files(
    config: "Config", feeds: tuple[str, ...], files: tuple[Path, ...]
) -> "list[tuple[Feed, tuple[Path, ...]]]":
    """The files of each feed that is named, feeds in the order of the configuration."""
    bare = [each for each in feeds if "=" not in each]
    if len(bare) > 1:
        raise click.BadParameter(
            f"with several feeds, write --feed {bare[0]}=FILE for each of them", param_hint="--feed"
        )
    of = {feed_named(config, name).name: list(files) for name in bare}
    if bool(bare) != bool(files):
        raise click.UsageError("Give files with the feed that they are of: --feed NAME FILE...")
    for name, _, path in (each.partition("=") for each in feeds if "=" in each):
        of.setdefault(feed_named(config, name).name, []).append(Path(path))
    for name, paths in of.items():
        if len(set(paths)) < len(paths):
            raise click.UsageError(f"A file of {name} is given twice: all that is in it would count double.")
    return [(feed, tuple(of[name])) for name, feed in config.feeds.items() if name in of]


def read_files(
    into: "History | Jobs", inputs: "list[tuple[Feed, tuple[Path, ...]]]", *, quiet: bool = False
) -> None:
    """Add what is in files, `-` being standard input; why one cannot be read is `into.problem`."""
    from streams.feeds.files import read_messages
    from streams.progress import opening

    named = [
        (feed, [STANDARD_INPUT if path == Path("-") else path for path in paths]) for feed, paths in inputs
    ]
    with opening([path for _, paths in named for path in paths], "reading", quiet=quiet) as open_file:
        for rank, (feed, paths) in enumerate(named):
            for path in paths:
                into.read(feed, read_messages(feed, path, open_file), rank)


def read_history(
    inputs: "list[tuple[Feed, tuple[Path, ...]]]", until: int | None, *, quiet: bool = False
) -> "History":
    """What is in files, up to `until`, for commands that judge it as a whole: of a part, or of nothing, they
    would say that all is well. Standard error says what could not be read; where that is all, where a file
    breaks off, or where there is nothing, the command ends."""
    from streams.backtest.history import History
    from streams.backtest.replay import up_to
    from streams.core.entries import Reference

    history = History()
    read_files(history, inputs, quiet=quiet)
    problem = history.problem
    if problem is None and all(isinstance(each, Reference) for each in up_to(until, history.changes)):
        problem = nothing_judged(len(history.changes), history.unread.count)
    if problem is not None:
        click.echo(f"escalations: {problem}", err=True)
        sys.exit(NO)
    if count := history.unread.count:
        messages = "1 message" if count == 1 else f"{count:,} messages"
        click.echo(f"Left out: {messages} that cannot be read; `escalations decode` shows why.", err=True)
    return history


def nothing_judged(changes: int, unread: int) -> str:
    """Why nothing was replayed of so many changes that were read, and messages that could not be."""
    if changes:
        return "nothing of it had happened by --until."
    if unread:
        return "nothing could be read; `escalations decode` shows why."
    return "there are no changes in it."


class OnTopics:
    """The history that `topics` hold up to now: from `offset` on in each partition, or from what came there
    at the moment `since` (microseconds) or later. No topics hold none."""

    def __init__(
        self,
        config: "Config",
        broker: str,
        topics: tuple[str, ...],
        offset: int | None,
        since: int | None,
        *,
        quiet: bool = False,
    ) -> None:
        if offset is not None and since is not None:
            raise click.UsageError("Give --from-offset or --from-time, not both.")
        if (offset is not None or since is not None) and not topics:
            raise click.UsageError("--from-offset and --from-time go with --topic.")
        log = f"{config.live.prefix}changes"
        if log in topics and len(topics) > 1:
            raise click.BadParameter(f"{log} holds what is in the others already", param_hint="--topic")
        self.is_log = log in topics
        self._config = config
        self._broker = broker
        self._topics = topics
        self._start = {"offset": offset, "since": None if since is None else -(-since // 1000)}
        self._quiet = quiet
        self._feeds = {} if self.is_log else {topic: feed_of_topic(config, topic) for topic in topics}

    def read(self, into: "History | Jobs") -> None:
        """Add the changes of feeds' topics; or, of the log, changes and commands."""
        from streams.backtest.history import History
        from streams.backtest.log import read_entries

        ranks = {name: rank for rank, name in enumerate(self._config.feeds)}
        for topic in self._topics:
            if isinstance(into, History) and self.is_log:
                read_entries(into, ranks, self._messages(topic))
            else:
                feed = self._feeds[topic]
                into.read(feed, self._messages(topic), ranks[feed.name])

    def messages_of(self, feed: str) -> "Iterator[Message] | None":
        """What the topic of a feed holds, once more; None where that is not among those to be read."""
        topic = next((topic for topic, each in self._feeds.items() if each.name == feed), None)
        return None if topic is None else self._messages(topic)

    def fold(self, log: "LogReplay") -> None:
        """Fold the log. Raises NotFromHere."""
        for topic in self._topics:
            log.fold(self._messages(topic))

    def _messages(self, topic: str) -> "Iterator[Message]":
        from streams.log.connection import Connection
        from streams.log.reader import read_to_end
        from streams.progress import counted

        connection = Connection(self._broker, self._config.kafka)
        messages = read_to_end(connection, topic, **self._start)
        return counted(messages, f"reading {topic}", quiet=self._quiet)
