"""What the log `crm.changes` holds: changes, ticks and rules. Each is one JSON object."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a change was read: a topic's coordinates, or a file, 0 and the row."""

    topic: str
    partition: int
    offset: int


class Change(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="change", omit_defaults=True, gc=False
):
    """One normalised fact about one record.

    record: `kind:id`.
    op: `upsert` (someone changed it), `refresh` (a snapshot read it: its state is known, but
        nobody touched it), `delete`.
    at: when it happened, in UTC.
    feed: the feed it came by; `order` compares within one feed and record.
    order: the feed's own order token, or None where it has none.
    fields: what is known now. An absent name is unchanged, None is an explicit null. `created`,
        `touched` and `entered` are RFC 3339 texts; `status` is open, paused or closed.
    """

    record: str
    op: Literal["upsert", "refresh", "delete"]
    at: Moment
    feed: str
    source: Source
    order: tuple[int | str, ...] | None = None
    fields: dict[str, Any] = {}


class Mark(msgspec.Struct, frozen=True):
    """Up to when one partition (of so many) of a feed has been read."""

    feed: str
    partition: int
    of: int
    at: Moment


class Tick(msgspec.Struct, frozen=True, tag_field="entry", tag="tick"):
    """Time that passed: what has been read of the feeds. A repeat of one changes nothing."""

    marks: tuple[Mark, ...]


class NewRules(msgspec.Struct, frozen=True, tag_field="entry", tag="rules"):
    """The rules, as the plain data that `streams.core.rules.read_rules` takes, and the log time
    from which they hold. The first rules of a log hold from its beginning."""

    since: Moment
    document: dict[str, Any]


Entry = Change | Tick | NewRules

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Change | Tick | NewRules)


def encode(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def decode(value: bytes) -> Entry:
    """Raises msgspec.ValidationError or msgspec.DecodeError when `value` is no entry."""
    return _decoder.decode(value)
