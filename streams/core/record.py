"""The state of one record, and how a change alters it. Values only: nothing here decides."""

from collections.abc import Mapping
from typing import Any

import msgspec

from streams.core.entries import Change, Source
from streams.core.timestamps import from_rfc3339

HEALTH_HISTORY = 32
"""How many scores of a record's health are kept; the oldest go first."""


class Applied(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last change of one feed that this record took: the feed's order token and the coordinates."""

    order: tuple[int | str, ...] | None
    source: Source


class Standing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where one path stands with one record.

    since: the moment from which the trigger holds if nothing changes; None is never.
    start: the moment from which the whole condition (trigger and `where`) holds.
    due: when the next step is due; None when there is none.
    episode: number of the latest episode of this path and record, from 1.
    step: steps taken in the open episode; 0 when none is open.
    told: who was told in the open episode.
    """

    since: int | None = None
    start: int | None = None
    due: int | None = None
    episode: int = 0
    step: int = 0
    told: tuple[str, ...] = ()


# Plain data cannot form cycles; there are so many of these that looking for some would cost.
class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One record's state. Moments are microseconds UTC.

    at: the latest moment this state has seen. rules: version of the rules it was last judged by.
    due: when the next step of any path is due.
    entered: when the present stage was entered. touched: when somebody last touched the record.
    health: scores with their moments, oldest first. contacts: how often the customer wrote.
    idle: spans in which the record was not open (paused or closed); the last may be unended.
    standings: by path. applied: by feed.
    """

    key: str
    at: int
    rules: str = ""
    due: int | None = None
    created: int
    touched: int
    stage: str | None = None
    entered: int
    status: str = "open"
    idle: tuple[tuple[int, int | None], ...] = ()
    owner: str | None = None
    customer: str | None = None
    priority: str | None = None
    value: float | None = None
    currency: str | None = None
    health: tuple[tuple[int, float], ...] = ()
    contacts: int = 0
    fields: dict[str, Any] = {}
    deleted: bool = False
    standings: dict[str, Standing] = {}
    applied: dict[str, Applied] = {}

    @property
    def kind(self) -> str:
        return self.key.partition(":")[0]

    def fact(self, name: str) -> Any:
        """The present value of a field by its name in the configuration; None where unknown."""
        if name == "health":
            return self.health[-1][1] if self.health else None
        return getattr(self, name) if name in FACTS else self.fields.get(name)


FACTS = frozenset(
    {"stage", "status", "owner", "customer", "priority", "value", "currency", "health", "contacts"}
)
"""The fields every record has; others are in `Record.fields` under the name the mapping gives them."""

_AS_THEY_COME = frozenset({"owner", "customer", "priority", "value", "currency"})
_DERIVED = frozenset({"stage", "status", "health", "contacts", "created", "touched", "entered"})

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def earliest(standings: Mapping[str, Standing]) -> int | None:
    """When the next step of any of `standings` is due."""
    first = None
    for standing in standings.values():
        due = standing.due
        if due is not None and (first is None or due < first):
            first = due
    return first


def encode(record: Record) -> bytes:
    return _encoder.encode(record)


def decode(value: bytes) -> Record:
    """Raises msgspec.ValidationError or msgspec.DecodeError when `value` is no record."""
    return _decoder.decode(value)


def is_news(record: Record | None, change: Change) -> bool:
    """Whether `change` is newer, for its feed, than what `record` took last.

    By the feed's order token where both have one, else by the coordinates: a repeat has the
    same ones. So neither a redelivery nor an intake that starts over after a crash counts twice.
    """
    last = record.applied.get(change.feed) if record else None
    if last is None:
        return True
    if change.order is not None and last.order is not None:
        return change.order > last.order
    here, there = change.source, last.source
    same = (here.topic, here.partition) == (there.topic, there.partition)
    return not same or here.offset > there.offset


def apply(record: Record | None, change: Change, at: int) -> tuple[Record, frozenset[str]]:
    """`record` after `change`, which counts as happening at `at`, and the names of the facts that differ."""
    fields = change.fields
    if record is None:
        record = _first(change, at)
    elif record.deleted and change.op != "delete":
        # What is made anew under an old key has a life of its own; its past tells only repeats.
        record = msgspec.structs.replace(
            _first(change, at), rules=record.rules, standings=record.standings, applied=record.applied
        )
    updates: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    known = record.fields
    for name, value in fields.items():
        if name in _AS_THEY_COME:
            if value != getattr(record, name):
                updates[name] = value
        elif name not in _DERIVED and (name not in known or value != known[name]):
            extras[name] = value
    if extras:
        updates["fields"] = {**known, **extras}
    created = fields.get("created")
    if created is not None and (created := from_rfc3339(created)) != record.created:
        updates["created"] = created
    touched = fields.get("touched")
    if touched is not None:
        touched = from_rfc3339(touched)
    elif change.op == "upsert" and "touched" not in fields:
        touched = at
    if touched is not None and touched != record.touched:
        updates["touched"] = touched
    if "stage" in fields and fields["stage"] != record.stage:
        updates["stage"] = fields["stage"]
        entered = fields.get("entered")
        if entered is not None:
            updates["entered"] = from_rfc3339(entered)
        elif record.applied:
            updates["entered"] = at
    if "status" in fields and fields["status"] != record.status:
        updates["status"] = fields["status"]
        updates["idle"] = _idle(record, fields["status"], at)
    health = fields.get("health")
    # A feed that sends whole rows repeats the score with every unrelated change.
    if health is not None and health != record.fact("health"):
        updates["health"] = (*record.health, (at, health))[-HEALTH_HISTORY:]
    if (contacts := fields.get("contacts", record.contacts) or 0) != record.contacts:
        updates["contacts"] = contacts
    deleted = change.op == "delete"
    if deleted != record.deleted:
        updates["deleted"] = deleted
    applied = {**record.applied, change.feed: Applied(_order(record, change), change.source)}
    after = msgspec.structs.replace(record, at=at, applied=applied, **updates)
    return after, frozenset((*updates, *extras))


def _first(change: Change, at: int) -> Record:
    """A record of which nothing was known."""
    text = change.fields.get("created")
    created = at if text is None else from_rfc3339(text)
    # A snapshot's own time says when it was read, not when anybody did anything.
    known = created if change.op == "refresh" else at
    return Record(key=change.record, at=at, created=created, touched=known, entered=known)


def _order(record: Record, change: Change) -> tuple[int | str, ...] | None:
    """The order token that the next change of the feed must exceed."""
    last = record.applied.get(change.feed)
    if change.order is not None or last is None or change.op == "delete":
        # A tombstone, which has none, may be a repeat from before the record was made anew;
        # then that making must count as news again.
        return change.order
    return last.order


def _idle(record: Record, status: str, at: int) -> tuple[tuple[int, int | None], ...]:
    """Open the record's idle span when it stops being open, end it when it is open again."""
    running = bool(record.idle) and record.idle[-1][1] is None
    if status != "open" and not running:
        return (*record.idle, (at, None))
    if status == "open" and running:
        return (*record.idle[:-1], (record.idle[-1][0], at))
    return record.idle
