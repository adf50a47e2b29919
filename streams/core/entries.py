"""What the log `crm.changes` holds: changes, references, commands, ticks, rules and tallies.

Each is one JSON object.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a change was read: a topic's coordinates, or a file, 0 and the row."""

    topic: str
    partition: int
    offset: int


Author = Literal["person", "customer", "automation"]


class Said(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A message between the customer and us.

    text: as it was written, at most `MOST_TEXT` characters. negativity: -1 to 1, where the feed brings one.
    public: whether the customer can see it; a note among colleagues is not an answer.
    automatic: whether a machine answered (out of office, receipt).
    """

    text: str = ""
    channel: str | None = None
    public: bool = True
    automatic: bool = False
    negativity: float | None = None


MOST_TEXT = 4_000

Operation = Literal["upsert", "refresh", "delete", "gap"]


class Lookup(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A field whose value stands in a table: in the `column` of the row named `key`.

    statuses: of a stage, which of the values are paused or closed; None where that is not known.
    """

    table: str
    column: str
    key: str
    statuses: dict[str, str] | None = None


class Change(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="change", omit_defaults=True, gc=False
):
    """One normalised fact about one record.

    record: `kind:id`.
    op: `upsert` (someone changed it), `refresh` (a snapshot read it: its state is known, but
        nobody touched it), `delete`, `gap` (someone changed it, and the feed cannot say how).
    by: who did it: somebody of ours, the customer, or a machine; None where the feed does not say.
    at: when it happened, in UTC.
    feed: the feed it came by; `order` compares within one feed and record.
    order: the feed's own order token, or None where it has none.
    unordered: whether its feed may tell later what happened before it.
    fields: what is known now. An absent name is unchanged, None is an explicit null. The `MOMENTS`
        of `streams.core.record` are RFC 3339 texts; `status` is open, paused or closed.
    said: what was written or said with this change, if anything was.
    lookups: of the `fields` that hold a key for now, where their values are.
    """

    record: str
    op: Operation
    at: Moment
    feed: str
    source: Source
    order: tuple[int | str, ...] | None = None
    unordered: bool = False
    by: Author | None = None
    fields: dict[str, Any] = {}
    said: Said | None = None
    lookups: dict[str, Lookup] = {}


class Reference(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="entry",
    tag="reference",
    omit_defaults=True,
    gc=False,
):
    """One row of a table that records refer to. It is in every partition of the log.

    values: by column, what is known now. An absent name is unchanged; None instead of all of them: the row
    is gone. The others are as those of a change; `streams.core.tables` says from when it holds.
    """

    table: str
    key: str
    at: Moment
    feed: str
    source: Source
    order: tuple[int | str, ...] | None = None
    values: dict[str, Any] | None = {}

    @property
    def record(self) -> str:
        """Table and key, as no record can be named."""
        return f":{self.table}:{self.key}"


Fact = Change | Reference
"""What a feed brings."""

Short = Annotated[str, msgspec.Meta(max_length=200)]
"""What people name is kept in the state, and must not let it grow."""

Deed = Literal["acknowledge", "snooze", "noise", "reopen"]


class Command(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="command", omit_defaults=True
):
    """What a person says to an open episode.

    id: drawn by whoever sends it; the escalation that answers carries it on.
    path: None for every open episode of the record.
    do: `acknowledge` (I see to it: the chain waits), `snooze` (the same until a moment), `noise` (no
        risk: silent until the condition has cleared), `reopen` (takes any of these back).
    until: when an acknowledgement or a snooze expires; a snooze needs one.
    """

    id: Short
    record: str
    path: Short | None = None
    do: Deed
    by: Short
    at: Moment
    until: Moment | None = None


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


Happened = Change | Reference | Command
"""What a history is made of: what feeds bring, and what people say to it."""

Counted = tuple[tuple[int, ...], tuple[int, ...]]
"""Durations in buckets, as `Stays` of `streams.core.baselines` has them: which, and how many in each."""


class Tallied(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="tallied"):
    """What one partition (of so many) of the log knew at the moment `at` of how long records stay.

    since: the log time from which that holds; where it is read later than that, it holds from then.
    about, by: the kind of record, and the facts by which they are grouped.
    part: from 1 to `parts`; a large one comes in several.
    groups: each with the stays that are over and those that are not.
    """

    partition: int
    of: int
    about: str
    by: tuple[str, ...]
    at: Moment
    since: Moment
    part: int = 1
    parts: int = 1
    groups: tuple[tuple[tuple[tuple[str, str], ...], Counted, Counted], ...] = ()


Entry = Change | Reference | Command | Tick | NewRules | Tallied

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(
    Change | Reference | Command | Tick | NewRules | Tallied
)


def encode(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def decode(value: bytes) -> Entry:
    """Raises msgspec.ValidationError or msgspec.DecodeError when `value` is no entry."""
    return _decoder.decode(value)
