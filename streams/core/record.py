"""The state of one record, and how a change alters it. Values only: nothing here decides."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from streams.core.entries import Author, Change, Lookup, Reference, Said, Source
from streams.core.timestamps import DAY, from_rfc3339

HEALTH_HISTORY = 32
"""How many scores of a record's health are kept; the oldest go first."""

PAUSES = 128
"""How many spans in which a record was not open are kept apart."""

VISITS = 64
"""How many contacts of a customer are kept; the oldest go first."""

COMMANDS = 16
"""Of how many commands a record keeps that it has obeyed them."""

FEEDS = VISITS
"""Of how many feeds a record keeps what it took last; those that have been silent longest go first.
A customer has one for each issue."""


class Applied(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last change of one feed that this record took: the feed's order token and the coordinates."""

    order: tuple[int | str, ...] | None
    source: Source


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Somebody has said something about an open episode: its chain waits. `backlog`: it held before the
    path first saw the record.

    until: when that ends; None is when it clears, or by another command.
    """

    kind: Literal["acknowledged", "snoozed", "noise", "backlog"]
    by: str
    until: int | None = None


class Standing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where one path stands with one record.

    since: the moment from which the trigger holds if nothing changes; None is never.
    start: the moment from which the whole condition (trigger, `where` and `for`) holds.
    due: when something happens next: a warning, a step, the end of a pause or of the hold time.
    episode: number of the latest episode of this path and record, from 1; warnings begin one.
    step: steps taken in the open episode; 0 when none is open.
    warned: warnings given before it opens.
    told: who was told in this episode.
    opened: when it opened. taken: when its latest step was taken.
    ending: when the open episode resolves, its condition having ceased to hold.
    rested: until when no next one opens. level: how bad it was when the latest one opened.
    """

    since: int | None = None
    start: int | None = None
    due: int | None = None
    episode: int = 0
    step: int = 0
    warned: int = 0
    told: tuple[str, ...] = ()
    opened: int | None = None
    taken: int | None = None
    ending: int | None = None
    rested: int | None = None
    level: float | None = None
    pause: Pause | None = None


class Heard(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The latest message: when, by whom, and what."""

    at: int
    by: Author | None
    said: Said


class Visit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A customer has written: when, about which record, by which channel. `source`: the partition and the
    offset of that message, by which a repeat of it is known."""

    at: int
    issue: str
    channel: str | None = None
    source: tuple[int, int] | None = None


class Recent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last changes of a record of which some may come late, in the order in which they happened.

    base: the record before the first of them; None where it was not known. reach: the latest moment of any
    change in `base`; None where there is none.
    """

    base: "Record | None" = None
    reach: int | None = None
    changes: tuple[Change, ...] = ()


# Plain data cannot form cycles; there are so many of these that looking for some would cost.
class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One record's state. Moments are microseconds UTC.

    at: the latest moment this state has seen. rules: version of the rules it was last judged by.
    due: when the next thing of any path is due.
    entered: when the present stage was entered. arrived: whether that was seen, or told by the feed, and
        is not just when the record became known. touched: when somebody last touched the record.
    idle: spans in which the record was not open (paused or closed); the last may be unended.
    merged: the record that this one has become part of.
    uncertain: whether the latest change was one that its feed could not tell (a `gap`).
    health: scores with their moments, oldest first. contacts: how often the customer wrote.
    asked: since when the customer has been waiting for an answer; None while nobody waits.
    responded: when the first answer was given. replied: when the latest was.
    planned: when the next activity is planned. heard: the latest message.
    visits: of a customer, its contacts, oldest first. issues: the records they were about that are not
        closed, with their status.
    was: the value before the present one, of the fields for which some path asks that.
    heeded: ids of the commands obeyed last, by which one that is written again is known.
    lookups: of the facts that stand in a table, by name, where.
    recent: None as long as its feeds bring its changes in their order.
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
    arrived: bool = False
    status: str = "open"
    idle: tuple[tuple[int, int | None], ...] = ()
    owner: str | None = None
    customer: str | None = None
    merged: str | None = None
    priority: str | None = None
    value: float | None = None
    currency: str | None = None
    health: tuple[tuple[int, float], ...] = ()
    contacts: int = 0
    asked: int | None = None
    responded: int | None = None
    replied: int | None = None
    planned: int | None = None
    heard: Heard | None = None
    visits: tuple[Visit, ...] = ()
    issues: dict[str, str] = {}
    fields: dict[str, Any] = {}
    was: dict[str, Any] = {}
    deleted: bool = False
    uncertain: bool = False
    heeded: tuple[str, ...] = ()
    lookups: dict[str, Lookup] = {}
    recent: Recent | None = None
    standings: dict[str, Standing] = {}
    applied: dict[str, Applied] = {}

    @property
    def alive(self) -> bool:
        """Whether it can be at risk at all."""
        return self.status != "closed" and not self.deleted and self.merged is None

    @property
    def kind(self) -> str:
        return self.key.partition(":")[0]

    def fact(self, name: str) -> Any:
        """The present value of a field by its name in the configuration; None where unknown."""
        if name == "health":
            return self.health[-1][1] if self.health else None
        return getattr(self, name) if name in FACTS else self.fields.get(name)


FACTS = frozenset(
    {
        "stage",
        "status",
        "owner",
        "customer",
        "merged",
        "priority",
        "value",
        "currency",
        "health",
        "contacts",
    }
)
"""The fields every record has; others are in `Record.fields` under the name the mapping gives them."""

MOMENTS = ("created", "touched", "entered", "asked", "responded", "replied", "planned", "scored")
"""Fields of a change that are moments. `scored`: when the health that comes with it was measured."""

_KEPT: dict[str, Literal["as it comes", "mark", "derived"]] = {
    **dict.fromkeys(("stage", "status", "health", "contacts", "issue", "issue_status", "visit"), "derived"),
    **dict.fromkeys(MOMENTS, "derived"),
    **dict.fromkeys(("asked", "responded", "replied", "planned"), "mark"),
    **dict.fromkeys(("owner", "customer", "merged", "priority", "value", "currency"), "as it comes"),
}
"""How a field of a change is kept in a record; any other is one of its `fields`."""
_UNKNOWN = object()

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


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
    """Whether `change` is newer, for its feed, than what `record` took last."""
    last = record.applied.get(change.feed) if record else None
    return last is None or is_newer(last, change)


def is_newer(last: Applied, fact: Change | Reference) -> bool:
    """Whether `fact` is newer than the `last` one of its feed that was taken.

    By the feed's order token where both have one, else by the coordinates: a repeat has the
    same ones. So neither a redelivery nor an intake that starts over after a crash counts twice.
    """
    if fact.order is not None and last.order is not None:
        return fact.order > last.order
    here, there = fact.source, last.source
    same = (here.topic, here.partition) == (there.topic, there.partition)
    return not same or here.offset > there.offset


def apply(
    record: Record | None,
    change: Change,
    at: int,
    when: int | None = None,
    tracked: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> tuple[Record, frozenset[str]]:
    """`record` after `change`, and the names of the facts that differ.

    `at` is the record's time, which never runs back; `when` the change's own, where it came late.
    Of the facts in `tracked`, by kind of record, the value before is kept.
    """
    if when is None:
        when = at
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
        kept = _KEPT.get(name)
        if kept is None:
            if known.get(name, _UNKNOWN) != value:
                extras[name] = value
        elif kept == "as it comes":
            if value != getattr(record, name):
                updates[name] = value
        elif kept == "mark":
            mark = None if value is None else from_rfc3339(value)
            if mark != getattr(record, name):
                updates[name] = mark
    if extras:
        updates["fields"] = {**known, **extras}
    created = fields.get("created")
    if created is not None and (created := from_rfc3339(created)) != record.created:
        updates["created"] = created
    touched = fields.get("touched")
    if touched is not None:
        touched = from_rfc3339(touched)
    elif change.op in ("upsert", "gap") and "touched" not in fields:
        touched = max(when, record.touched)
    if touched is not None and touched != record.touched:
        updates["touched"] = touched
    if "stage" in fields and fields["stage"] != record.stage:
        updates["stage"] = fields["stage"]
        if not is_same("stage", change.lookups, record.lookups):
            entered = fields.get("entered")
            if entered is not None:
                updates["entered"] = from_rfc3339(entered)
            elif record.applied:
                updates["entered"] = max(when, record.entered)
            if (arrived := _arrived(record, change, at)) != record.arrived:
                updates["arrived"] = arrived
    if "status" in fields and fields["status"] != record.status:
        updates["status"] = fields["status"]
        updates["idle"] = _idle(record, fields["status"], when)
    if (health := fields.get("health")) is not None:
        scored = fields.get("scored")
        # A feed that sends whole rows repeats the score with every unrelated change.
        at_score = when if scored is None else from_rfc3339(scored)
        if scored is not None or health != _in_force(record.health, at_score):
            scores = _scored(record.health, at_score, health)
            if scores != record.health:
                updates["health"] = scores
    written = 0
    if (contacts := fields.get("contacts", record.contacts) or 0) != record.contacts:
        written = contacts - record.contacts
        updates["contacts"] = contacts
    if change.said is not None or written > 0:
        _converse(record, change, when, updates)
    if "issue" in fields:
        _visited(record, change, when, updates)
    deleted = change.op == "delete"
    if deleted != record.deleted:
        updates["deleted"] = deleted
    uncertain = change.op == "gap"
    if uncertain != record.uncertain:
        updates["uncertain"] = uncertain
    changed = frozenset((*updates, *extras))
    if change.lookups or record.lookups:
        # A field that holds no key any more has none.
        there = {name: each for name, each in record.lookups.items() if name not in fields}
        updates["lookups"] = {**there, **change.lookups}
    after = msgspec.structs.replace(record, at=at, applied=taken(record, change), **updates)
    if tracked and record.applied and (names := tracked.get(record.kind)):
        # The first value that a record comes with is no change.
        was = {
            name: old
            for name in names
            if (old := record.fact(name)) != after.fact(name)
            and (old is not None or name in known)
            and not is_same(name, change.lookups, record.lookups)
        }
        if was:
            after = msgspec.structs.replace(after, was={**record.was, **was})
    return after, changed


def is_same(fact: str, here: Mapping[str, Lookup], there: Mapping[str, Lookup]) -> bool:
    """Whether a fact has one key in both: then another value of it is another name for the same."""
    one, other = here.get(fact), there.get(fact)
    return one is not None and other is not None and one.key == other.key and one.table == other.table


def taken(record: Record, change: Change) -> dict[str, Applied]:
    """What `record` has taken last of each feed, now that it takes `change`."""
    applied = dict(record.applied)
    last = applied.pop(change.feed, None)
    order = latest_order(last, change, gone=change.op == "delete" and not record.deleted)
    applied[change.feed] = Applied(order, change.source)
    if len(applied) > FEEDS:
        del applied[next(iter(applied))]
    return applied


def _first(change: Change, at: int) -> Record:
    """A record of which nothing was known."""
    text = change.fields.get("created")
    created = at if text is None else from_rfc3339(text)
    # A snapshot's own time says when it was read, not when anybody did anything.
    known = created if change.op == "refresh" else at
    return Record(key=change.record, at=at, created=created, touched=known, entered=known)


def _arrived(record: Record, change: Change, at: int) -> bool:
    """Whether `change` shows when the stage that it brings was entered."""
    fields = change.fields
    if fields.get("entered") is not None:
        return True
    if change.op != "upsert":
        return False
    # The first that is heard of a record need not be its beginning. Many a CRM says only on which day it
    # was created.
    return bool(record.applied) or (fields.get("created") is not None and abs(at - record.created) <= DAY)


def latest_order(
    last: Applied | None, fact: Change | Reference, *, gone: bool
) -> tuple[int | str, ...] | None:
    """The order token that what the feed brings after `fact` must exceed; `gone`: whether it is a delete."""
    if fact.order is not None or last is None or gone:
        # A tombstone, which has none, may be a repeat from before the record was made anew;
        # then that making must count as news again.
        return fact.order
    return last.order


def _idle(record: Record, status: str, when: int) -> tuple[tuple[int, int | None], ...]:
    """Open the record's idle span when it stops being open, end it when it is open again."""
    spans = record.idle
    if len(spans) > PAUSES:
        # The oldest moves up to the next, so that none of its time is lost.
        (start, end), (following, until), *others = spans
        spans = ((following - ((end or start) - start), until), *others)
    running = bool(spans) and spans[-1][1] is None
    # A change that comes late ends or begins no span before the one it follows.
    if status != "open" and not running:
        latest = spans[-1][1] if spans else None
        return (*spans, (when if latest is None else max(when, latest), None))
    if status == "open" and running:
        began = spans[-1][0]
        return (*spans[:-1], (began, max(when, began)))
    return spans


def _in_force(scores: tuple[tuple[int, float], ...], at: int) -> float | None:
    """The score that held at `at`."""
    if scores and scores[-1][0] <= at:
        # Nearly always, and half the cost.
        return scores[-1][1]
    return next((score for moment, score in reversed(scores) if moment <= at), None)


def _scored(scores: tuple[tuple[int, float], ...], at: int, score: float) -> tuple[tuple[int, float], ...]:
    """With a score in its place: a late one between the others, a restated one instead of the old."""
    if not scores or scores[-1][0] < at:
        return (*scores, (at, score))[-HEALTH_HISTORY:]
    return tuple(sorted({**dict(scores), at: score}.items()))[-HEALTH_HISTORY:]


def _converse(record: Record, change: Change, when: int, updates: dict[str, Any]) -> None:
    """Whose turn it is after something was written. What a machine writes, or colleagues alone see,
    is no answer.

    A customer who writes again while nobody has answered has been waiting since the first time.
    """
    said, fields = change.said, change.fields
    if said is not None:
        latest = record.heard is None or when >= record.heard.at
        if latest and (said.text or said.negativity is not None):
            updates["heard"] = Heard(when, change.by, said)
        if said.automatic or not said.public:
            return
    # A counter of contacts that goes up says by itself who has written.
    by = change.by if said is not None else "customer"
    asked, replied = record.asked, record.replied
    if by == "customer" and "asked" not in fields:
        answered = replied is not None and replied > when
        if not answered and (asked is None or when < asked):
            updates["asked"] = when
    if by == "person":
        if "responded" not in fields and (record.responded is None or when < record.responded):
            updates["responded"] = when
        if "replied" not in fields and (replied is None or when > replied):
            updates["replied"] = when
        if "asked" not in fields and asked is not None and asked <= when:
            updates["asked"] = None


def _visited(record: Record, change: Change, when: int, updates: dict[str, Any]) -> None:
    """Of a customer: what a record of theirs has come to, and that they have written about it.

    Only issues of the contacts that are kept matter; a big customer may have thousands of others.
    """
    fields, visits = change.fields, record.visits
    issue, source = fields["issue"], (change.source.partition, change.source.offset)
    seen = any(visit.issue == issue for visit in visits)
    visit = Visit(when, issue, fields.get("visit"), source)
    if "visit" in fields and visit not in visits:
        visits = tuple(sorted((*visits, visit), key=lambda each: each.at))[-VISITS:]
        updates["visits"] = visits
    # A message alone does not say that what was closed is open again.
    status = fields.get("issue_status", record.issues.get(issue, "closed" if seen else "open"))
    issues = {**record.issues, issue: status}
    about = {visit.issue for visit in visits}
    issues = {name: each for name, each in issues.items() if each != "closed" and name in about}
    if issues != record.issues:
        updates["issues"] = issues
