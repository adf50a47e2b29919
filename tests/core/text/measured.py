"""Real texts with what people say of them, and how well a method agrees.

The texts lie outside this repository; TEXT_DATA names another folder with the same files.
"""

import csv
import gzip
import os
import zlib
from collections.abc import Sequence
from html import unescape
from pathlib import Path

TUNING, HELD_OUT = 0, 1
"""The halves of the complaints: methods and the threshold were chosen on one, and measured on the other."""

_COMPLAINTS = "airline_tweets_labelled.csv.gz"
_CALM = "banking77_test.csv.gz"


def folder() -> Path:
    beside = Path(__file__).resolve().parents[3].parent / "shared/data/text"
    return Path(os.environ.get("TEXT_DATA") or beside)


def absent() -> str | None:
    """Why nothing can be measured, or None where it can."""
    missing = [name for name in (_COMPLAINTS, _CALM) if not (folder() / name).exists()]
    return f"no {' and '.join(missing)} in {folder()}; TEXT_DATA names another folder" if missing else None


def complaints(half: int) -> tuple[list[str], list[str]]:
    """Tweets to airlines: those labelled negative, and the rest. A tweet is in the same half every time."""
    rows = [row for row in _rows(_COMPLAINTS) if zlib.crc32(row["tweet_id"].encode()) % 2 == half]
    negative = [unescape(row["text"]) for row in rows if row["airline_sentiment"] == "negative"]
    rest = [unescape(row["text"]) for row in rows if row["airline_sentiment"] != "negative"]
    return negative, rest


def calm_questions() -> list[str]:
    return [row["text"] for row in _rows(_CALM)]


def _rows(name: str) -> list[dict[str, str]]:
    with gzip.open(folder() / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a positive one scores above a negative one; ties count half."""
    scored = sorted([(score, True) for score in positive] + [(score, False) for score in negative])
    ranks = 0.0
    at = 0
    while at < len(scored):
        behind = at
        while behind < len(scored) and scored[behind][0] == scored[at][0]:
            behind += 1
        ranks += (at + 1 + behind) / 2 * sum(is_positive for _, is_positive in scored[at:behind])
        at = behind
    return (ranks - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))


def share(scores: Sequence[float], threshold: float) -> float:
    """The share of `scores` that reach the threshold."""
    return sum(score >= threshold for score in scores) / len(scores)


def precision(positive: Sequence[float], negative: Sequence[float], threshold: float) -> float:
    """Of the scores that reach the threshold, the share of positive ones."""
    right = sum(score >= threshold for score in positive)
    return right / (right + sum(score >= threshold for score in negative))
