"""What each part of the product has to be allowed on the broker, as Kafka's ACLs."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from streams.log.reader import NO_GROUP
from streams.log.topics import Topics


@dataclass(frozen=True)
class Acl:
    """That a principal may do `operations` to what is named `name`, or begins so (`prefixed`)."""

    operations: tuple[str, ...]
    kind: Literal["topic", "group", "transactional-id"]
    name: str
    prefixed: bool = False

    def command(self, principal: str, broker: str) -> str:
        """As a command line of Kafka's own `kafka-acls`."""
        words = ["kafka-acls", "--bootstrap-server", broker, "--add", "--allow-principal", principal]
        for operation in self.operations:
            words += ["--operation", operation]
        words += [f"--{self.kind}", self.name]
        if self.prefixed:
            words += ["--resource-pattern-type", "prefixed"]
        return shlex.join(words)


_reader = Acl(("Describe",), "group", NO_GROUP)


def acls(topics: Topics, feeds: Iterable[str]) -> Mapping[str, list[Acl]]:
    """By part of the product, the least that it needs where the topics are there already."""
    feeds = list(feeds)
    own = [topic.name for topic in topics.all()]
    return {
        "worker": [
            *_topics(feeds, "Read"),
            *_topics([topics.changes.name, topics.changelog.name], "Read", "Write", "DescribeConfigs"),
            *_topics([topics.escalations.name, topics.dead_letters.name], "Write"),
            Acl(("Read",), "group", topics.app),
            _reader,
            Acl(("Write", "Describe"), "transactional-id", f"{topics.app}.", prefixed=True),
        ],
        "notifier": [
            *_topics([topics.escalations.name], "Read"),
            *_topics([topics.dead_letters.name], "Write"),
            *_topics([topics.changes.name, topics.changelog.name], "Describe"),
            Acl(("Read",), "group", f"{topics.app}-notify", prefixed=True),
        ],
        "open, explain, ack, snooze, noise, reopen": [
            *_topics([topics.changelog.name, topics.escalations.name], "Read"),
            *_topics([topics.changes.name], "Write"),
            *_topics([topics.dead_letters.name], "Describe"),
            _reader,
        ],
        "backtest": [*_topics(feeds, "Read"), _reader],
        "topics": [
            *_topics(own, "Create", "Describe", "DescribeConfigs"),
            *_topics(feeds, "Describe"),
        ],
    }


def _topics(names: Iterable[str], *operations: str) -> Iterator[Acl]:
    return (Acl(operations, "topic", name) for name in names)
