"""The escalation: the event that says what became of an episode.

Its id is derived from what it says, never drawn: a repeat after a crash has the same id and
the same content.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

Event = Literal[
    "warned",
    "opened",
    "advanced",
    "acknowledged",
    "snoozed",
    "noise",
    "reopened",
    "resolved",
    "withdrawn",
]
CALLS: frozenset[Event] = frozenset({"warned", "opened", "advanced"})
"""Those that ask somebody to act; the others say what has become of it."""
_ENDS: frozenset[Event] = frozenset({"resolved", "withdrawn", "noise"})
Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """One event on `crm.escalations`. `schemas/escalation.schema.json` describes each field."""

    id: str
    event: Event
    record: str
    path: str
    version: str
    episode: int
    step: int
    severity: Severity
    at: str
    shadow: bool | UnsetType = UNSET
    digest: bool | UnsetType = UNSET
    notify: tuple[str, ...] = ()
    reassign: str | None = None
    summary: str
    reason: dict[str, Any]


def escalation_id(path: str, record: str, episode: int, step: int, event: Event, cause: str = "") -> str:
    """32 hex digits: BLAKE2b-128 of the parts, each ended by a zero byte so that none runs into the next.

    `cause`: the id of the command that this answers, if it is one.
    """
    parts = (path, record, str(episode), str(step), event, *((cause,) if cause else ()), "")
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def opened(escalations: Iterable[Escalation]) -> Counter[str]:
    """By path, how many more episodes are open after these; below 0 where they are fewer."""
    more: Counter[str] = Counter()
    for each in escalations:
        more[each.path] += (each.event == "opened") - (each.event in _ENDS)
    return more


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Escalation)


def encode(escalation: Escalation) -> bytes:
    """The JSON that goes onto the topic: the same bytes for the same escalation, always."""
    return _encoder.encode(escalation)


def decode(value: bytes) -> Escalation:
    """Raises msgspec.ValidationError or msgspec.DecodeError when `value` is no escalation."""
    return _decoder.decode(value)
