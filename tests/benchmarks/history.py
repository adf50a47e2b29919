"""A history of deals to measure with: as Debezium writes them, in JSON without schema.

The same arguments give the same bytes.
"""

import random
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import orjson

from streams.core.entries import Change
from streams.core.timestamps import DAY, SECOND, micros, rfc3339
from streams.feeds import Feed, Message, PassedOver

BEGINNING = micros(datetime(2025, 1, 6, tzinfo=UTC))
SPAN = 60 * DAY
PARTITIONS = 4

_BIG = 1_000_000
_STAGES = ("prospecting", "qualified", "proposal", "negotiation", "on_hold", "won", "lost")
_STAGE_WEIGHTS = (20, 25, 25, 20, 4, 3, 3)


class Event(NamedTuple):
    """One message of the feed; `partition` -1 leaves the choice to the key."""

    key: bytes
    value: bytes
    partition: int = -1


class History(NamedTuple):
    """`opening`: one event for each partition, to see a whole engine awake before the clock starts.
    `events`: what is measured; its last event in each partition leads to an escalation at once."""

    opening: list[Event]
    events: list[Event]

    def changes(self, feed: Feed) -> list[Change]:
        """What `feed` reads in all of it."""
        changes: list[Change] = []
        for offset, event in enumerate([*self.opening, *self.events]):
            decoded = feed.decode(Message(feed.topic, 0, offset, event.key, event.value))
            assert not isinstance(decoded, PassedOver), decoded
            changes += [each for each in decoded if isinstance(each, Change)]
        return changes


def make_history(events: int, records: int, seed: int = 1) -> History:
    """`events` changes of `records` deals, in the order of time, with the opening and the end."""
    random_ = random.Random(seed)
    deals: dict[int, dict[str, Any]] = {}
    opening = [
        _event(partition, _deal(records + partition, BEGINNING, random_, amount=_BIG), BEGINNING, partition)
        for partition in range(PARTITIONS)
    ]
    made: list[Event] = []
    for number in range(events - PARTITIONS):
        at = BEGINNING + SECOND + SPAN * number // events
        key = random_.randrange(records)
        before = deals.get(key)
        deal = deals[key] = _deal(key, at, random_) if before is None else _edited(before, at, random_)
        made.append(_event(PARTITIONS + number, deal, at, new=before is None))
    for partition in range(PARTITIONS):
        at = BEGINNING + SPAN
        deal = _deal(records + PARTITIONS + partition, at, random_, amount=_BIG)
        made.append(_event(events + partition, deal, at, partition))
    return History(opening, made)


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
        "region": random_.choice(("north", "south", "east", "west")),
        "contact_count": 0,
        "created_at": rfc3339(at),
        "updated_at": rfc3339(at),
    }


def _edited(deal: dict[str, Any], at: int, random_: random.Random) -> dict[str, Any]:
    """Most changes say that somebody was in contact; some move the deal."""
    edited = {**deal, "updated_at": rfc3339(at)}
    what = random_.random()
    if what < 0.25:
        (edited["stage"],) = random_.choices(_STAGES, _STAGE_WEIGHTS)
    elif what < 0.45:
        edited["amount"] = random_.randrange(1_000, 110_000)
    elif what < 0.5:
        edited["priority"] = random_.randint(1, 3)
    else:
        edited["contact_count"] += 1
    return edited


def _event(number: int, row: dict[str, Any], at: int, partition: int = -1, new: bool = True) -> Event:
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
    return Event(orjson.dumps({"id": row["id"]}), orjson.dumps(envelope), partition)
