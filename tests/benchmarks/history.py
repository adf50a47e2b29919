"""A history of deals to measure with: as Debezium writes them, in JSON without schema.

The same arguments give the same bytes. The feed is partitioned as the log is: by the record, as Java's
clients do it, so time runs forward in each partition of both. Each partition has the deals of one region.
"""

import itertools
import random
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import orjson
from aiokafka.partitioner import DefaultPartitioner

from streams.core.entries import Change
from streams.core.timestamps import DAY, HOUR, micros, rfc3339
from streams.feeds import Feed, Message, PassedOver

BEGINNING = micros(datetime(2025, 1, 6, tzinfo=UTC))
SPAN = 60 * DAY
PARTITIONS = 4

_BIG = 1_000_000
_REGIONS = ("north", "south", "east", "west")
_STAGES = ("prospecting", "qualified", "proposal", "negotiation", "on_hold", "won", "lost")
_STAGE_WEIGHTS = (20, 25, 25, 20, 4, 3, 3)

_partition_of_key = DefaultPartitioner()


class Event(NamedTuple):
    """One message of the feed."""

    key: bytes
    value: bytes
    partition: int


class History(NamedTuple):
    """`opening`: what wakes an engine before the clock starts. `events`: what is measured. The last event
    of each partition, in both, leads to an escalation at once, and is of the same moment, a whole hour."""

    opening: list[Event]
    events: list[Event]

    def changes(self, feed: Feed) -> list[Change]:
        """What `feed` reads in all of it."""
        changes: list[Change] = []
        for offset, event in enumerate([*self.opening, *self.events]):
            decoded = feed.decode(Message(feed.topic, event.partition, offset, event.key, event.value))
            assert not isinstance(decoded, PassedOver), decoded
            changes += [each for each in decoded if isinstance(each, Change)]
        return changes


def make_history(events: int, records: int, warm_up: int = 0, seed: int = 1) -> History:
    """`events` changes of `records` deals, in the order of time, after `warm_up` more in the opening."""
    random_ = random.Random(seed)
    deals: dict[int, dict[str, Any]] = {}
    others = itertools.count(records)
    numbers = itertools.count()

    def change(at: int) -> Event:
        key = random_.randrange(records)
        before = deals.get(key)
        deal = deals[key] = _deal(key, at, random_) if before is None else _edited(before, at, random_)
        return debezium(next(numbers), deal, at, new=before is None)

    def last(at: int) -> list[Event]:
        """A deal in each partition that is big from the beginning."""
        found: dict[int, Event] = {}
        while len(found) < PARTITIONS:
            key = next(others)
            if partition_of(key) not in found:
                deal = _deal(key, at, random_, amount=_BIG)
                found[partition_of(key)] = debezium(next(numbers), deal, at)
        return list(found.values())

    awake = BEGINNING + -(-SPAN * warm_up // events // HOUR) * HOUR
    end = awake + SPAN
    opening = [change(BEGINNING + (awake - BEGINNING) * each // warm_up) for each in range(warm_up)]
    opening += last(awake)
    measured = events - PARTITIONS
    made = [change(awake + SPAN * each // (measured + 1)) for each in range(1, measured + 1)]
    return History(opening, made + last(end))


def partition_of(deal: int) -> int:
    """In which partition the log has it."""
    partition: int = _partition_of_key(f"deal:{deal}".encode(), range(PARTITIONS), range(PARTITIONS))
    return partition


def write_config(folder: Path, name: str) -> Path:
    """The configuration of a run that keeps its topics and its group to itself."""
    text = Path(__file__).with_name("escalations.yaml").read_text()
    path = folder / f"{name}.yaml"
    path.write_text(Template(text).substitute(name=name))
    return path


def _deal(key: int, at: int, random_: random.Random, amount: int | None = None) -> dict[str, Any]:
    return {
        "id": key,
        "name": f"Renewal and extension {key} of the framework agreement",
        "stage": "prospecting",
        "priority": random_.randint(1, 3),
        "owner_id": random_.randint(1, 3),
        "account_id": key // 5,
        "amount": random_.randrange(1_000, 90_000) if amount is None else amount,
        "currency": "EUR",
        "region": _REGIONS[partition_of(key)],
        "contact_count": 0,
        "health_score": random_.randint(40, 90),
        "created_at": rfc3339(at),
        "updated_at": rfc3339(at),
    }


def _edited(deal: dict[str, Any], at: int, random_: random.Random) -> dict[str, Any]:
    """Half of the changes are a contact or a new score; the others move the deal."""
    edited = {**deal, "updated_at": rfc3339(at)}
    what = random_.random()
    if what < 0.25:
        (edited["stage"],) = random_.choices(_STAGES, _STAGE_WEIGHTS)
    elif what < 0.45:
        edited["amount"] = random_.randrange(1_000, 110_000)
    elif what < 0.5:
        edited["priority"] = random_.randint(1, 3)
    elif what < 0.75:
        edited["contact_count"] += 1
    else:
        edited["health_score"] = random_.randint(40, 90)
    return edited


def debezium(number: int, row: dict[str, Any], at: int, new: bool = True) -> Event:
    """Change number `number`, which left a deal as `row` at `at` (microseconds), as Debezium writes it."""
    lsn = 24_000_000 + 200 * number
    envelope = {
        "before": None,
        "after": row,
        "source": {
            "version": "3.0.0.Final",
            "connector": "postgresql",
            "name": "crm",
            "ts_ms": at // 1000,
            "snapshot": "false",
            "db": "crm",
            "sequence": f'["{lsn - 56}","{lsn}"]',
            "ts_us": at,
            "ts_ns": at * 1000,
            "schema": "public",
            "table": "deal",
            "txId": 700 + number,
            "lsn": lsn,
            "xmin": None,
        },
        "transaction": None,
        "op": "c" if new else "u",
        "ts_ms": at // 1000 + 40,
        "ts_us": at + 40_000,
        "ts_ns": (at + 40_000) * 1000,
    }
    return Event(orjson.dumps({"id": row["id"]}), orjson.dumps(envelope), partition_of(row["id"]))
