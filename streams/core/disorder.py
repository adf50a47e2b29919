"""Changes that come late, put in their place: for feeds that promise no order.

A record of such a feed keeps its last changes. One that comes late is folded in where it belongs, so that
the facts are those that would be known had all come in their order. What has been told stays told, and
what follows from it happens at the record's time. Changes of one feed are in the order of its tokens,
those of different feeds in that of their moments.
"""

from collections.abc import Iterable, Mapping

import msgspec

from streams.core.entries import Change
from streams.core.record import Recent, Record, apply, is_news, taken
from streams.core.timestamps import micros

KEPT = 16
"""How many changes of a record are kept: so many may overtake another one."""

Tracked = Mapping[str, frozenset[str]]

# What a record is beside the facts that its changes tell.
_OWN = frozenset({"at", "rules", "due", "heeded", "standings", "applied", "recent"})


def is_kept(record: Record | None, change: Change) -> bool:
    """Whether `record` keeps its last changes, of which `change` is one."""
    return change.unordered or (record is not None and record.recent is not None)


def is_overtaken(record: Record | None, change: Change) -> bool:
    """Whether `change`, of which the feed has brought newer ones, has not been taken and is not too old to
    be put in its place."""
    if record is None or record.recent is None or not change.unordered:
        return False
    reach = record.recent.reach
    if reach is not None and micros(change.at) <= reach:
        return False
    mine = [each for each in record.recent.changes if each.feed == change.feed]
    taken_before = any(each.order == change.order for each in mine)
    # Where those that overtook it are kept no more, nobody knows its place.
    return not taken_before and any(_is_later(each, change) for each in mine)


def insert(
    record: Record | None, change: Change, at: int, when: int, tracked: Tracked
) -> tuple[Record, frozenset[str]]:
    """As `streams.core.record.apply`, with `change` in its place among the last ones of the record."""
    recent = _recent(record)
    changes = list(recent.changes)
    place = len(changes)
    while place and _is_later(changes[place - 1], change):
        place -= 1
    if record is None or place == len(changes):
        after, altered = apply(record, change, at, when, tracked)
    else:
        facts = _fold(recent.base, (*changes[:place], change, *changes[place:]), tracked)
        after = _beside(record, facts, change, at)
        altered = _differing(record, after)
    changes.insert(place, change)
    if surplus := changes[:-KEPT]:
        base = _fold(recent.base, surplus, tracked)
        reach = max(micros(each.at) for each in surplus)
        recent = Recent(base, reach if recent.reach is None else max(reach, recent.reach))
    kept = _with_one_text(changes[-KEPT:])
    return msgspec.structs.replace(after, recent=Recent(recent.base, recent.reach, kept)), altered


def _recent(record: Record | None) -> Recent:
    if record is None:
        return Recent()
    if record.recent is not None:
        return record.recent
    # What it has come to until now was told in order.
    return Recent(msgspec.structs.replace(record, due=None, heeded=(), standings={}), record.at)


def _is_later(one: Change, other: Change) -> bool:
    """Whether `one` happened after `other`, which is new."""
    if one.feed == other.feed and one.order is not None and other.order is not None:
        return one.order > other.order
    if one.at == other.at:
        # Of feeds with an order, what comes is the latest: such as a row that a record has waited for.
        return other.unordered and one.feed > other.feed
    return one.at > other.at


def _fold(base: Record | None, changes: Iterable[Change], tracked: Tracked) -> Record:
    record = base
    for change in changes:
        when = micros(change.at)
        record, _ = apply(record, change, when if record is None else max(when, record.at), when, tracked)
    assert record is not None, "there is at least one change"
    return record


def _beside(record: Record, facts: Record, change: Change, at: int) -> Record:
    """The `facts` that hold now, with what else the record is."""
    return msgspec.structs.replace(
        facts,
        at=at,
        rules=record.rules,
        due=record.due,
        heeded=record.heeded,
        standings=record.standings,
        applied=taken(record, change) if is_news(record, change) else record.applied,
    )


def _differing(one: Record, other: Record) -> frozenset[str]:
    names = {
        name
        for name in one.__struct_fields__
        if name not in _OWN and getattr(one, name) != getattr(other, name)
    }
    unknown = object()
    extras = one.fields.keys() | other.fields.keys()
    names |= {name for name in extras if one.fields.get(name, unknown) != other.fields.get(name, unknown)}
    return frozenset(names)


def _with_one_text(changes: list[Change]) -> tuple[Change, ...]:
    """The same, without texts but that of the latest message: a record needs no others, and they are long."""
    kept, has_text = [], False
    for each in reversed(changes):
        if (said := each.said) is not None and said.text:
            if has_text:
                each = msgspec.structs.replace(each, said=msgspec.structs.replace(said, text=""))
            has_text = True
        kept.append(each)
    return tuple(reversed(kept))
