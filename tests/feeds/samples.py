"""The samples of feeds that lie beside this repository, and what becomes of them.

FEEDS names another directory of the same form.
"""

import os
from pathlib import Path

import pytest

from streams.core.entries import Change
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
