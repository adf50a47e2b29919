"""The topics: which there are, created when missing, checked when present."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streams.core.document import did_you_mean
from streams.log.connection import log
from streams.log.reader import NoSuchTopic

_AGAIN_SECONDS = 0.1


class TopicMismatch(Exception):
    """A topic is there, but not as it must be; the text says what is wrong and what to do."""


@dataclass(frozen=True)
class Topic:
    """`config`: settings that must hold. `partitions`: None accepts any number."""

    name: str
    partitions: int | None
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topics:
    """Names of the product's own topics under a `prefix`, for an `app` (its consumer group)."""

    prefix: str
    app: str
    partitions: int

    @cached_property
    def changes(self) -> Topic:
        """The log. It is kept: folding it from its beginning decides the same again."""
        config = {"cleanup.policy": "delete", "retention.ms": "-1"}
        return Topic(f"{self.prefix}changes", self.partitions, config)

    @cached_property
    def changelog(self) -> Topic:
        """The records' states, partition by partition those of the log."""
        return Topic(f"{self.app}-records-changelog", self.partitions, {"cleanup.policy": "compact"})

    @cached_property
    def escalations(self) -> Topic:
        return Topic(f"{self.prefix}escalations", None)

    @cached_property
    def dead_letters(self) -> Topic:
        return Topic(f"{self.prefix}dead-letters", None)

    def all(self) -> tuple[Topic, ...]:
        return self.changes, self.changelog, self.escalations, self.dead_letters


def ensure(
    admin: AdminClient, topics: Topics, feeds: Iterable[str], *, replication: int, timeout: float = 15.0
) -> None:
    """Check what is there, then create what is missing. Blocks for up to `timeout` seconds a call.

    The topics of `feeds` belong to whoever writes them, and are never created: one that a misspelt
    name brought about would stay empty in silence. Raises NoSuchTopic when one is not there,
    TopicMismatch when an own topic has another number of partitions or another clean-up policy, and
    KafkaException when the broker refuses to create one.
    """
    present = admin.list_topics(timeout=timeout).topics
    own = topics.all()
    if taken := {topic.name for topic in own} & set(feeds):
        raise TopicMismatch(f"the feed of topic {min(taken)} would read what this product itself writes")
    for name in feeds:
        if name not in present:
            hint = did_you_mean(name, present)
            raise NoSuchTopic(
                f"there is no topic {name}, which a feed reads. {hint}Create it, or start what writes it."
            )
    found = [topic for topic in own if topic.name in present]
    for topic in found:
        count = len(present[topic.name].partitions)
        if topic.partitions is not None and count != topic.partitions:
            raise TopicMismatch(
                f"topic {topic.name} has {count} partitions, the configuration says {topic.partitions}. "
                f"Write `live: {{partitions: {count}}}`, or start over under another `prefix` and `app`: "
                "records would move between partitions and leave their state behind."
            )
    _check_policies(admin, [topic for topic in found if "cleanup.policy" in topic.config], timeout)
    create(
        admin, [topic for topic in own if topic.name not in present], topics.partitions, replication, timeout
    )


def count_partitions(admin: AdminClient, names: Iterable[str], timeout: float = 15.0) -> dict[str, int]:
    """How many partitions each topic has; a topic that was made just now may need a moment to be known.

    Raises TopicMismatch when one is not there within `timeout` seconds.
    """
    missing = set(names)
    counts: dict[str, int] = {}
    deadline = time.monotonic() + timeout
    while missing:
        present = admin.list_topics(timeout=timeout).topics
        counts |= {name: len(present[name].partitions) for name in missing if name in present}
        missing -= counts.keys()
        if missing and time.monotonic() > deadline:
            raise TopicMismatch(f"topic {min(missing)} is not there")
        if missing:
            time.sleep(_AGAIN_SECONDS)
    return counts


def topic_id(admin: AdminClient, name: str, timeout: float = 15.0) -> str:
    """What tells a topic from another of the same name, before or after it."""
    described = admin.describe_topics(TopicCollection([name]), request_timeout=timeout)
    return str(described[name].result(timeout).topic_id)


def create(
    admin: AdminClient, missing: list[Topic], partitions: int, replication: int, timeout: float = 15.0
) -> None:
    """Create topics and wait until the broker knows them; `partitions` of those that name no number."""
    if not missing:
        return
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions or partitions,
            replication_factor=replication,
            config=topic.config,
        )
        for topic in missing
    ]
    for name, future in admin.create_topics(wanted, operation_timeout=timeout).items():
        try:
            future.result(timeout)
            log.info("created topic %s", name)
        except KafkaException as error:
            # Another worker that started at the same time was faster.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    count_partitions(admin, [topic.name for topic in missing], timeout)


def _check_policies(admin: AdminClient, topics: list[Topic], timeout: float) -> None:
    if not topics:
        return
    resources = {ConfigResource(ResourceType.TOPIC, topic.name): topic for topic in topics}
    for resource, future in admin.describe_configs(list(resources)).items():
        topic = resources[resource]
        entry = future.result(timeout).get("cleanup.policy")
        wanted = topic.config["cleanup.policy"]
        if entry is not None and entry.value != wanted:
            raise TopicMismatch(
                f"topic {topic.name} has cleanup.policy={entry.value}; it must be {wanted}. "
                f"Set it with kafka-configs --alter --topic {topic.name} "
                f"--add-config cleanup.policy={wanted}"
            )
