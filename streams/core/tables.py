"""Tables: rows that records refer to by a key, such as users and the names of stages.

Every partition of the log holds all rows of all tables. Each row is kept in versions, as a temporal join has
them: what is asked for is asked as of a moment, so it does not matter how far ahead a table's feed has been
read. The first that is heard of a row holds from the beginning, since a row that was there before its feed
began has no past. A version goes when time has passed the next one.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from streams.core.entries import Change, Reference
from streams.core.record import Applied, Record, is_newer, latest_order
from streams.core.timestamps import micros, moment


class Version(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a row has in it from the moment `since` (microseconds UTC); None: it is gone."""

    since: int
    values: dict[str, Any] | None


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """versions: oldest first, at least one. feed, applied: what was taken last."""

    feed: str
    applied: Applied
    versions: tuple[Version, ...]

    def at(self, at: int) -> dict[str, Any] | None:
        """What the row had in it at a moment; None where it was gone."""
        for version in reversed(self.versions):
            if version.since <= at:
                return version.values
        return self.versions[0].values


class Tables:
    """All rows of all tables, in one partition. Mutable.

    `values`: the state as `news` gave it, by keys that no record can have; others are passed over.
    """

    def __init__(self, values: Mapping[bytes, bytes] | None = None) -> None:
        # As bytes they take a fraction of the room, like the records.
        self._rows = {key: value for key, value in (values or {}).items() if key.startswith(_ROW)}
        self._changed: set[bytes] = set()

    def has(self, table: str, key: str) -> bool:
        """Whether anything was ever heard of a row."""
        return _row_key(table, key) in self._rows

    def find(self, table: str, key: str, at: int) -> dict[str, Any] | None:
        """The row named `key` as it was at a moment (microseconds UTC); None where there was none."""
        value = self._rows.get(_row_key(table, key))
        return None if value is None else _decoder.decode(value).at(at)

    def put(self, reference: Reference, now: int | None) -> bool:
        """Take a row, time having come to `now`; False for one that is no news."""
        name = _row_key(reference.table, reference.key)
        value = self._rows.get(name)
        row = None if value is None else _decoder.decode(value)
        last = row.applied if row is not None and row.feed == reference.feed else None
        gone = reference.values is None
        if (row is None and gone) or (last is not None and not is_newer(last, reference)):
            return False
        versions = _after(() if row is None else row.versions, reference)
        while len(versions) > 1 and now is not None and versions[1].since <= now:
            versions = versions[1:]
        gone = gone and row is not None and row.versions[-1].values is not None
        applied = Applied(latest_order(last, reference, gone=gone), reference.source)
        self._rows[name] = _encoder.encode(Row(reference.feed, applied, versions))
        self._changed.add(name)
        return True

    def resolved(self, change: Change) -> Change:
        """`change` with what its keys stand for at its moment. One of which that is not known stays."""
        if not change.lookups:
            return change
        fields = dict(change.fields)
        at = micros(change.at)
        for name, lookup in change.lookups.items():
            row = self.find(lookup.table, lookup.key, at)
            if row is not None and lookup.column in row:
                value = row[lookup.column]
                fields[name] = text(value) if value is not None and name in _TEXTS else value
                if lookup.statuses is not None:
                    fields["status"] = lookup.statuses.get(fields[name], "open")
        return msgspec.structs.replace(change, fields=fields)

    def has_news(self) -> bool:
        return bool(self._changed)

    def news(self) -> dict[bytes, bytes]:
        """What of the state has changed since the last `clear`."""
        return {key: self._rows[key] for key in sorted(self._changed)}

    def clear(self) -> None:
        """The news is stored."""
        self._changed.clear()


def told_of(record: Record, reference: Reference) -> Change | None:
    """What a row says of a record that has waited for it: nobody has touched that. None where that no
    longer waits."""
    lookups = {
        name: lookup
        for name, lookup in record.lookups.items()
        if (lookup.table, lookup.key) == (reference.table, reference.key)
    }
    if not lookups or record.deleted:
        return None
    return Change(
        record=record.key,
        op="refresh",
        at=moment(record.at),
        feed=reference.feed,
        source=reference.source,
        fields={name: lookup.key for name, lookup in lookups.items()},
        lookups=lookups,
    )


def text(value: Any) -> str:
    """A field's value as a name or a key; empty where there is none. An id is a number in some feeds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)


_ROW = b":row"
"""What the keys of the state begin with; those of records begin with a kind."""

_TEXTS = frozenset({"owner", "stage", "customer", "priority"})

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Row)


def _row_key(table: str, key: str) -> bytes:
    # No name of a table has a colon in it.
    return _ROW + f":{table}:{key}".encode()


def _after(versions: tuple[Version, ...], reference: Reference) -> tuple[Version, ...]:
    at, values = micros(reference.at), reference.values
    if not versions:
        return (Version(at, values),)
    last = versions[-1]
    if values is not None and last.values is not None:
        values = {**last.values, **values}
    if values == last.values:
        return versions
    # A clock that runs back must not put a later version before an earlier one.
    since = max(at, last.since)
    return (*(each for each in versions if each.since < since), Version(since, values))
