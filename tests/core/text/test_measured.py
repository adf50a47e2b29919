"""How well sentiment agrees with people, on real texts."""

import pytest

from streams.core.text.own_words import own_words
from streams.core.text.sentiment import THRESHOLD, sentiment
from tests.core.text import measured

pytestmark = pytest.mark.skipif(measured.absent() is not None, reason=str(measured.absent()))


def negativities(texts: list[str]) -> list[float]:
    scores = [sentiment(own_words(text)) for text in texts]
    return [score.negativity if score else 0.0 for score in scores]


@pytest.fixture(scope="module")
def held_out() -> tuple[list[float], list[float]]:
    negative, rest = measured.complaints(measured.HELD_OUT)
    return negativities(negative), negativities(rest)


def test_complaints_score_above_the_rest(held_out: tuple[list[float], list[float]]) -> None:
    assert measured.auc(*held_out) >= 0.85


def test_what_reaches_the_threshold_is_a_complaint(held_out: tuple[list[float], list[float]]) -> None:
    assert measured.precision(*held_out, THRESHOLD) >= 0.90


def test_the_threshold_finds_a_quarter_of_the_complaints(held_out: tuple[list[float], list[float]]) -> None:
    assert measured.share(held_out[0], THRESHOLD) >= 0.25


def test_calm_questions_hardly_ever_reach_the_threshold() -> None:
    assert measured.share(negativities(measured.calm_questions()), THRESHOLD) <= 0.01
