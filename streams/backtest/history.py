"""A history: all changes that files or a topic hold, in the order in which they happened."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from streams.core.entries import Change
from streams.feeds import Feed, Message, Undecodable
from streams.feeds.files import FileProblem, changes_in_order


@dataclass
class History:
    """`undecodable`: reasons by message, as `topic-partition@offset`. `problem`: why it is only a part."""

    changes: list[Change]
    undecodable: dict[str, str] = field(default_factory=dict)
    problem: FileProblem | None = None


def read_history(feed: Feed, messages: Iterable[Message]) -> History:
    """Everything in `messages`; where reading them raises FileProblem, what came before it."""
    history = History([])

    def refuse(message: Message, error: Undecodable) -> None:
        history.undecodable[f"{message.topic}-{message.partition}@{message.offset}"] = str(error)

    def readable() -> Iterator[Message]:
        try:
            yield from messages
        except FileProblem as problem:
            history.problem = problem

    history.changes = changes_in_order(feed, readable(), refuse)
    return history
