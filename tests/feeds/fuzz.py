"""What the fuzz tests of feeds share: a mapping and a row, odd values, samples with such values in them, and
what may come of whatever bytes: changes, a reason to pass over, or Undecodable.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from streams.core import entries
from streams.core.entries import MOST_TEXT, Change
from streams.feeds import Feed, Message, PassedOver, Undecodable

RECORD = {
    "kind": "ticket",
    "id": "id",
    "owner": "who",
    "stage": {"field": "stage", "closed": ["done"]},
    "priority": {"field": "priority", "values": {1: "urgent"}},
    "contacts": "count",
    "customer": "who",
    "merged": "into",
    "by": {"field": "role", "person": ["agent"], "customer": ["end-user", 1]},
    "said": {
        "text": "body",
        "channel": "via",
        "public": "shown",
        "automatic": {"field": "via", "is": ["auto"]},
        "negativity": {"field": "mood", "best": 5, "worst": 1},
    },
    "planned": "touched",
    "scored": "touched",
    "health": "score",
    "fields": ["extra"],
}
ROW = {
    "id": 7,
    "who": "a",
    "stage": "new",
    "priority": 1,
    "count": 3,
    "score": 1.5,
    "extra": ["a"],
    "at": 1793527199500000,
    "touched": "2026-11-03T08:00:00.25Z",
    "arr": "D0I2",
    "into": 8,
    "role": "end-user",
    "body": "Is anybody there?",
    "via": "email",
    "shown": True,
    "mood": 2,
}


def odd(words: Iterable[Any]) -> st.SearchStrategy[Any]:
    """Any value of JSON, not too large; `words`: what it may be, or be named, too."""
    words = list(words)
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=20)
        | st.sampled_from([*words, "9" * 5000])
    )
    names = st.text(max_size=5) | st.sampled_from([word for word in words if isinstance(word, str)])
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=6,
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def mutated(draw: st.DrawFn, samples: Sequence[Any], values: st.SearchStrategy[Any], least: int = 1) -> bytes:
    """A sample with some of its values replaced, at least so many."""
    value = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(least, 3))):
        value = replaced(value, draw(st.sampled_from(places(value))), draw(values))
    return msgspec.json.encode(value)


def spliced(draw: st.DrawFn, encoded: bytes) -> bytes:
    """The same with a few of its bytes replaced."""
    cut = draw(st.integers(0, len(encoded)))
    return encoded[:cut] + draw(st.binary(max_size=4)) + encoded[cut + draw(st.integers(0, 4)) :]


def check(feed: Feed, message: Message) -> list[Change]:
    """The changes, none where it is passed over or refused. Fails where it is anything else."""
    try:
        decoded = feed.decode(message)
    except Undecodable as error:
        decoded = PassedOver(str(error))
    if isinstance(decoded, PassedOver):
        assert 0 < len(decoded.reason) < 1500
        return []
    assert decoded
    changes = []
    for change in decoded:
        assert isinstance(change, Change)
        kind, _, key = change.record.partition(":")
        assert key
        assert kind in ("ticket", "deal", "account", "contact", "customer")
        assert change.said is None or len(change.said.text) <= MOST_TEXT
        assert entries.decode(entries.encode(change)) == change
        changes.append(change)
    return changes
