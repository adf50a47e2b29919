"""The topics: which there are and why, created when missing, checked when present."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streams.core.document import did_you_mean
from streams.log.connection import FORBIDDEN, Denied, log
from streams.log.reader import NoSuchTopic

_AGAIN_SECONDS = 0.1

_CLEANUP = "cleanup.policy"
_IN_SYNC = "min.insync.replicas"


class TopicMismatch(Exception):
    """A topic is there, but not as it must be; the text says what is wrong and what to do."""


@dataclass(frozen=True)
class Topic:
    """`config`: settings that it is to have. `partitions`: None accepts any number."""

    name: str
    partitions: int | None
    why: str
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
        config = {_CLEANUP: "delete", "retention.ms": "-1"}
        why = "the log: what every decision follows from, kept for good"
        return Topic(f"{self.prefix}changes", self.partitions, why, config)

    @cached_property
    def changelog(self) -> Topic:
        """The records' states, partition by partition those of the log."""
        why = "the workers' state, as many partitions as the log"
        return Topic(f"{self.app}-records-changelog", self.partitions, why, {_CLEANUP: "compact"})

    @cached_property
    def escalations(self) -> Topic:
        return Topic(f"{self.prefix}escalations", None, "what notifiers read")

    @cached_property
    def dead_letters(self) -> Topic:
        return Topic(f"{self.prefix}dead-letters", None, "what could not be read or delivered")

    def all(self) -> tuple[Topic, ...]:
        return self.changes, self.changelog, self.escalations, self.dead_letters


@dataclass(frozen=True)
class Found:
    """A topic as the broker has it. `config` is empty where it may not be seen."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """What of a topic is not as it is to be, and what to do. `fatal`: no worker runs on it."""

    what: str
    remedy: str
    fatal: bool

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def differences(topic: Topic, found: Found) -> list[Difference]:
    """In what `found` is not as `topic` is to be."""
    result = []
    if topic.partitions not in (None, found.partitions):
        result.append(
            Difference(
                f"topic {topic.name} has {found.partitions} partitions, "
                f"the configuration says {topic.partitions}",
                f"Write `live: {{partitions: {found.partitions}}}`; for another number start over under "
                "another `prefix` and `app`, which reads the feeds anew (docs/operations.md, Partitions): "
                "in the same topics records would move between partitions and leave their state behind.",
                fatal=True,
            )
        )
    for key, wanted in topic.config.items():
        value = found.config.get(key, wanted)
        if value != wanted:
            result.append(
                Difference(
                    f"topic {topic.name} has {key}={value}; it must be {wanted}",
                    f"Set it with kafka-configs --alter --topic {topic.name} --add-config {key}={wanted}",
                    fatal=key == _CLEANUP,
                )
            )
    return result


def look(admin: AdminClient, topics: Iterable[Topic], timeout: float = 15.0) -> dict[str, Found]:
    """Those of `topics` that are there, by name. Blocks for up to `timeout` seconds a call."""
    present = admin.list_topics(timeout=timeout).topics
    asked = [topic for topic in topics if topic.name in present]
    resources = {ConfigResource(ResourceType.TOPIC, each.name): each for each in asked if each.config}
    # With nothing to ask for, the client library raises.
    answers = admin.describe_configs(list(resources)) if resources else {}
    configs = {resources[resource].name: _settings(future, timeout) for resource, future in answers.items()}
    return {
        each.name: Found(len(present[each.name].partitions), configs.get(each.name, {})) for each in asked
    }


def _settings(future: Any, timeout: float) -> dict[str, str]:
    try:
        return {name: entry.value for name, entry in future.result(timeout).items()}
    except KafkaException as error:
        # Whoever may write to a topic need not be allowed to look at its settings.
        if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise
        return {}


def ensure(
    admin: AdminClient, topics: Topics, feeds: Iterable[str], *, replication: int, timeout: float = 15.0
) -> None:
    """Check what is there, then create what is missing. Blocks for up to `timeout` seconds a call.

    The topics of `feeds` belong to whoever writes them, and are never created: one that a misspelt
    name brought about would stay empty in silence. Raises NoSuchTopic when one is not there,
    TopicMismatch when an own topic has another number of partitions or another clean-up policy,
    Denied when the broker does not let us create one, and KafkaException when it refuses otherwise.
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
    found = look(admin, own, timeout)
    for difference in _compare(own, found):
        log.warning("%s", difference)
    missing = [topic for topic in own if topic.name not in found]
    create(admin, missing, topics.partitions, replication, timeout)


def recheck(admin: AdminClient, topics: Topics, timeout: float = 15.0) -> None:
    """Raises TopicMismatch when somebody has changed a topic so that workers must not go on."""
    _compare(topics.all(), look(admin, topics.all(), timeout))


def lacking_replicas(admin: AdminClient, topics: Topics, timeout: float = 5.0) -> str | None:
    """Why a write is not taken, where a partition has fewer replicas in sync than one takes; else None.

    Blocks for up to `timeout` seconds a call. Raises KafkaException, or TimeoutError without an answer.
    """
    names = [topic.name for topic in topics.all()]
    present = admin.list_topics(timeout=timeout).topics
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names if name in present]
    for resource, future in admin.describe_configs(resources).items() if resources else ():
        needed = int(_settings(future, timeout).get(_IN_SYNC, 1))
        for number, partition in present[resource.name].partitions.items():
            if len(partition.isrs) < needed:
                return (
                    f"partition {number} of {resource.name} has {len(partition.isrs)} of the {needed} "
                    "replicas in sync that a write takes"
                )
    return None


def _compare(topics: Iterable[Topic], found: Mapping[str, Found]) -> list[Difference]:
    """What is different and does not matter to workers. Raises TopicMismatch for what does."""
    there = [each for each in topics if each.name in found]
    all_of_them = [difference for each in there for difference in differences(each, found[each.name])]
    for difference in all_of_them:
        if difference.fatal:
            raise TopicMismatch(str(difference))
    return all_of_them


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
            code = error.args[0].code()
            if code in (*FORBIDDEN, KafkaError.POLICY_VIOLATION):
                raise Denied(
                    f"topic {name} is not there for us, and the broker does not let us create it. Have it "
                    "created (`escalations topics` says how), or allow what `escalations topics --acls "
                    "PRINCIPAL` prints."
                ) from None
            # Another worker that started at the same time was faster.
            if code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    count_partitions(admin, [topic.name for topic in missing], timeout)
