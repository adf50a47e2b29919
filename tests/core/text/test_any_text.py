"""Whatever the text: an answer, the same every time, and soon."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.text.automatic import is_automatic
from streams.core.text.own_words import own_words
from streams.core.text.phrases import phrases
from streams.core.text.sentiment import sentiment

FUNCTIONS: dict[str, Callable[[str], object]] = {
    "own_words": own_words,
    "is_automatic": is_automatic,
    "phrases": phrases().find,
    "sentiment": sentiment,
}

# Any characters, lone surrogates among them, and pieces that mean something to one of the functions.
ANY = st.text(alphabet=st.characters(codec=None, exclude_categories=()))
PIECES = st.lists(
    st.sampled_from(
        [
            "On 3 May 2027, Ann <a@b.c> wrote:",
            "From: x",
            "Sent: y",
            "> ",
            "-- ",
            "Regards",
            "Ann",
            "<div>",
            "</p>",
            "<blockquote>",
            "&lt;",
            "not ",
            "don’t ",
            "cancel my account",
            "worst",
            "thanks",
            "😡",
            "?",
            ",",
            "\n",
            " ",
            "\x00",
            "\ud800",
            "ß",
            "İ",
            "本",
        ]
    )
).map("".join)

NASTY = {
    "one word": "a",
    "blanks": " ",
    "empty lines": "\n",
    "attributions": "On a\n",
    "dated attributions": "On 2027 <a@b <a@b <a@:\n",
    "addresses": "a@",
    "brackets": "On 2027 " + "<@" * 140 + ":\n",
    "wrote": "On 2027 " + "wrote " * 45 + ":\n",
    "headers": "From: a\n",
    "dashes": "-",
    "closings": "Thanks,\n",
    "negations": "no ",
    "phrases begun": "speak to a ",
    "phrases": "I want to cancel ",
    "tags": "<div>",
    "open tags": "<",
    "quotes": "<blockquote>",
    "disclaimers": "this email and attachment ",
    "apostrophes": "'a",
    "emoji": "👩‍👧",
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
@given(text=ANY | PIECES)
def test_an_answer_and_the_same_every_time(function: Callable[[str], object], text: str) -> None:
    assert function(text) == function(text)


@given(text=ANY | PIECES)
def test_phrases_are_where_they_say(text: str) -> None:
    behind = 0
    for found in phrases().find(text):
        assert behind <= found.start < found.end
        assert text[found.start : found.end] == found.words
        behind = found.end


@given(text=ANY | PIECES)
def test_negativity_is_in_its_range(text: str) -> None:
    score = sentiment(text)
    assert score is None or -1 <= score.negativity <= 1


@pytest.mark.parametrize("piece", NASTY.values(), ids=NASTY.keys())
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_long_text_takes_no_longer_than_it_must(function: Callable[[str], object], piece: str) -> None:
    # Seconds where it is linear; hours where it is quadratic would be the least of it.
    text = (piece * (100_000 // len(piece) + 1))[:100_000]
    began = time.process_time()
    function(text)
    assert time.process_time() - began < 10
