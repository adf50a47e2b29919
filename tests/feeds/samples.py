"""The samples of feeds that lie beside this repository, and what becomes of them.

FEEDS names another directory of the same form.
"""

import os
from pathlib import Path

import pytest

from streams.core.document import Problems
from streams.core.engine import step
from streams.core.entries import Change
from streams.core.record import Record
from streams.core.rules import read_rules
from streams.feeds import Feed, Message, PassedOver, Undecodable

SAMPLES = Path(os.environ.get("FEEDS") or Path(__file__).resolve().parents[2].parent / "shared/feeds")


def sample(name: str) -> Path:
    """A file or folder of the samples; skips the test where it is not there."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"no samples at {path}; FEEDS names another directory")
    return path


def changes(decoded: list[Change] | PassedOver) -> list[Change]:
    assert isinstance(decoded, list), decoded
    return decoded


def change(decoded: list[Change] | PassedOver) -> Change:
    (only,) = changes(decoded)
    return only


def passed_over(decoded: list[Change] | PassedOver) -> str:
    assert isinstance(decoded, PassedOver), decoded
    return decoded.reason


def refusal(feed: Feed, message: Message) -> str:
    with pytest.raises(Undecodable) as caught:
        feed.decode(message)
    return str(caught.value)


_NO_PATHS = read_rules({"fallback": "dora", "people": {"dora": None}, "paths": {}}, Problems())


def folded(changes: list[Change], record: Record | None = None) -> Record:
    """What a record has come to after these."""
    for each in changes:
        record, _ = step(_NO_PATHS, record, change=each)
    assert record is not None
    return record
