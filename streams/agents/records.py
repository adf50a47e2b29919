"""Records: one partition of the log, decided on.

Per batch: fold it in memory, then one transaction with the escalations, the changed states and
the position; after the commit the local store. So all of a batch is done or none of it, and a
worker that has lost its partition can write nothing more.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from streams.agents import Done, computing
from streams.core import entries, escalation
from streams.core.baselines import Similar
from streams.core.document import Problems
from streams.core.entries import Change, Command, Reference
from streams.core.escalation import Escalation, opened
from streams.core.partition import FeedMarks, NoRules, Partition
from streams.core.rules import Rules, read_rules
from streams.core.tables import Tables
from streams.log.connection import Connection, log
from streams.log.dead_letters import dead_letter
from streams.log.producer import TransactionalProducer
from streams.log.table import Table
from streams.log.topics import Topics

POSITION = b":position"
RULES = b":rules"
"""Keys in the table beside the records', which all begin with a kind."""

QUIET_ENTRIES = 1000
"""After so many entries that changed nothing, the position is written all the same, so that a
restart has few of them to read again."""


class Position(msgspec.Struct, frozen=True):
    """The next offset of the log to apply, how far the feeds had been read by then, to which moment
    time had come, and how many episodes were open, by path."""

    offset: int
    feeds: dict[str, FeedMarks]
    now: int | None = None
    open: dict[str, int] = {}


_positions = msgspec.json.Decoder(Position)
_rules = msgspec.json.Decoder(list[tuple[int, dict[str, Any]]])


def rules_in(value: bytes) -> list[tuple[int, Rules]]:
    """The rules in force, each with the moment from which it holds, out of the value at `RULES`.

    Raises ValueError for rules that this version of the software cannot read.
    """
    rules = []
    for since, document in _rules.decode(value):
        problems = Problems()
        rules.append((since, read_rules(document, problems)))
        if problems:
            raise ValueError(f"the state holds rules that cannot be read: {problems[0]}")
    return rules


def time_in(values: Mapping[bytes, bytes]) -> int | None:
    """To which moment (microseconds UTC) time had come in a partition whose table holds `values`."""
    value = values.get(POSITION)
    return None if value is None else _positions.decode(value).now


class RecordsPartition:
    """What the agent does with one partition. Methods block, and are called one at a time."""

    def __init__(self, connection: Connection, topics: Topics, partition: int, data: Path) -> None:
        self._topics = topics
        self._number = partition
        self._producer = TransactionalProducer(connection, f"{topics.app}.{topics.changes.name}.{partition}")
        self._table = Table(connection, topics.changelog.name, partition, data)
        self._partition = Partition()
        self._known_rules: tuple[str, ...] = ()
        self._quiet = 0
        self.position = 0
        self.open_episodes: Counter[str] = Counter()
        """By path. It is never altered, so any thread may look at it."""

    def open(self) -> None:
        """Fence off whoever had the partition, then recover its state; only then may it be read."""
        self._producer.fence()
        values = self._table.recover()
        feeds: dict[str, FeedMarks] = {}
        now = None
        if (value := values.pop(POSITION, None)) is not None:
            position = _positions.decode(value)
            self.position, feeds, now = position.offset, position.feeds, position.now
            self.open_episodes = Counter(position.open)
        rules = rules_in(values.pop(RULES, b"[]"))
        records = {key.decode(): value for key, value in values.items() if not key.startswith(b":")}
        similar = Similar(self._number, self._topics.partitions, values)
        self._partition = Partition(rules, records, feeds, similar, now, Tables(values))
        self._known_rules = self._versions()

    def process(self, batch: list[Any]) -> Done:
        """Apply `batch`. Raises Fenced or WriteRefused; nothing of the batch is done then."""
        with computing:
            decisions, letters = self._apply(batch)
        partition = self._partition
        # Whatever is to be told to others has changed the state as well.
        changed = partition.changed or partition.tables.has_news() or partition.similar.has_news()
        if decisions or letters or changed or self._quiet >= QUIET_ENTRIES:
            self._commit(decisions, letters)
        return Done(decisions, len(letters))

    def _apply(self, batch: list[Any]) -> tuple[list[Escalation], list[dict[str, Any]]]:
        decisions: list[Escalation] = []
        letters: list[dict[str, Any]] = []
        for message in batch:
            # After a rebalance the group's offset may lie before what is applied already.
            if message.offset >= self.position:
                self._quiet += 1
                self.position = message.offset + 1
                try:
                    decisions += self._fold(message.value or b"")
                except _NotApplied as error:
                    letters.append(dead_letter(message, str(error)))
        for key, trouble in self._partition.troubles:
            log.error("%s stands still until it changes: %r", key, trouble)
        self._partition.troubles.clear()
        return decisions, letters

    def _fold(self, value: bytes) -> list[Escalation]:
        try:
            entry = entries.decode(value)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise _NotApplied(f"not an entry: {error}") from error
        try:
            return self._partition.fold(entry)
        except NoRules:
            raise
        except Exception as error:
            if not isinstance(entry, Change | Command | Reference):
                raise
            # One record's trouble must not hold up the others; its state is as it was.
            log.exception("%s could not be applied", entry.record)
            raise _NotApplied(f"could not be applied: {error!r}") from error

    def _commit(self, decisions: list[Escalation], letters: list[dict[str, Any]]) -> None:
        open_episodes = self.open_episodes + opened(decisions)
        with self._producer.transaction(), computing:
            for decision in decisions:
                self._producer.produce(
                    self._topics.escalations.name,
                    escalation.encode(decision),
                    decision.record.encode(),
                    headers=_cloud_event(decision, self._topics.app),
                )
            for letter in letters:
                self._producer.produce(self._topics.dead_letters.name, **letter)
            for entry in self._partition.similar.outbox:
                value = entries.encode(entry)
                for number in range(self._topics.partitions):
                    self._producer.produce(self._topics.changes.name, value, partition=number)
            written = self._table.produce(self._producer, self._news(open_episodes))
        self._table.keep(written)
        self.open_episodes = open_episodes
        self._partition.changed.clear()
        self._partition.tables.clear()
        self._partition.similar.clear()
        self._known_rules = self._versions()
        self._quiet = 0

    def _news(self, open_episodes: dict[str, int]) -> dict[bytes, bytes]:
        """What of the table has changed since the last commit."""
        partition = self._partition
        encoded = partition.records.encoded
        values = {key.encode(): encoded[key] for key in sorted(partition.changed)}
        values |= partition.tables.news()
        values |= partition.similar.news()
        position = Position(self.position, partition.feeds, partition.now, open_episodes)
        values[POSITION] = msgspec.json.encode(position)
        if self._known_rules != self._versions():
            values[RULES] = msgspec.json.encode([(since, each.document) for since, each in self._rules()])
        return values

    def _rules(self) -> list[tuple[int, Rules]]:
        """The rules in force; what they know of similar records is for the partition to find again."""
        rules = self._partition.rules
        return [
            each
            for index, each in enumerate(rules)
            if not index or each[1].version != rules[index - 1][1].version
        ]

    def _versions(self) -> tuple[str, ...]:
        return tuple(rules.version for _, rules in self._rules())

    def close(self) -> None:
        self._producer.close()
        self._table.close()


class _NotApplied(Exception):
    """An entry that goes to the dead letters."""


def _cloud_event(decision: Escalation, app: str) -> list[tuple[str, bytes]]:
    """Headers of the CloudEvents 1.0 Kafka binding, binary mode."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", decision.id.encode()),
        ("ce_source", f"/{app}".encode()),
        ("ce_type", f"escalation.{decision.event}".encode()),
        ("ce_subject", decision.record.encode()),
        ("ce_time", decision.at.encode()),
        ("content-type", b"application/json"),
    ]
