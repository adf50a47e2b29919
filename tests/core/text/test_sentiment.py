"""How unhappy the writer of a message is."""

import os
import subprocess
import sys

import pytest

from streams.core.text.sentiment import THRESHOLD, Score, sentiment

FURIOUS = [
    "This is the worst service ever, I have been on hold for three hours and nobody answers!",
    "Absolutely unacceptable. You lied to me and lost my order again.",
    "Thanks for nothing, your support is useless",
    "Still waiting, still no reply. This is ridiculous and I am furious 😡",
    "Terrible. Rude staff, broken product, no refund.",
]
CALM = [
    "How do I change my address?",
    "Could you please send me the invoice for May?",
    "Is there a way to export the data?",
    "My card has not arrived yet.",
    "We would like to add two seats.",
    "The meeting is on Tuesday",
]
HAPPY = [
    "Thank you so much, that was quick and very helpful!",
    "Great service, love it :)",
    "No problem at all, it works now. Thanks!",
    "👍",
]
NOT_ENGLISH = [
    "Das ist wirklich eine Frechheit, ich warte seit drei Wochen auf eine Antwort.",
    "Ich möchte mein Geld zurück!",
    "C'est inadmissible, personne ne répond au téléphone.",
    "El servicio es terrible y nadie contesta.",
    "Il servizio è pessimo, vergogna!",
    "Dit is echt belachelijk, ik wacht al weken.",
    "To jest skandal, czekam od dwóch tygodni.",
    "Это ужасно, никто не отвечает",
    "これはひどいです",
    "服务太差了",
    "الخدمة سيئة جدا",
]


def negativity(text: str) -> float:
    score = sentiment(text)
    assert score is not None
    return score.negativity


@pytest.mark.parametrize("text", FURIOUS)
def test_furious(text: str) -> None:
    assert negativity(text) >= THRESHOLD


@pytest.mark.parametrize("text", CALM)
def test_calm(text: str) -> None:
    assert negativity(text) < THRESHOLD / 2


@pytest.mark.parametrize("text", HAPPY)
def test_happy(text: str) -> None:
    assert negativity(text) < 0


@pytest.mark.parametrize("text", ["", " \n", "@somebody https://example.com/terrible", *NOT_ENGLISH])
def test_no_score(text: str) -> None:
    assert sentiment(text) is None


@pytest.mark.parametrize("text", ["Terrible!", "Still waiting", "No reply", "unacceptable", "WTF"])
def test_a_word_or_two(text: str) -> None:
    assert negativity(text) > 0


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ("The agent was not helpful", "The agent was helpful"),
        ("The agent wasn’t helpful", "The agent was helpful"),
        ("There is a problem", "There is no problem"),
        ("It is terrible", "It is not terrible"),
        ("I'm not happy", "I'm happy"),
        ("thanks for nothing", "thanks for everything"),
        ("Why is it late?", "Is it here?"),
        ("bad bad bad", "bad"),
        ("It broke 😡", "It broke"),
    ],
)
def test_worse_and_better(worse: str, better: str) -> None:
    assert negativity(worse) > negativity(better)


def test_what_it_rests_on() -> None:
    score = sentiment("The WORST  service, and nobody answers. Thanks for nothing!")
    assert score is not None
    assert [(each.words, each.category) for each in score.because] == [
        ("WORST", "outrage"),
        ("nobody", "ignored"),
        ("Thanks for nothing", "irony"),
    ]
    assert all(each.weight > 0 for each in score.because)


def test_nothing_said() -> None:
    assert sentiment("The meeting is on Tuesday") == Score(0.0, ())


def test_of_a_long_message_the_unhappiest_passage_counts() -> None:
    small_talk = "The report lists the figures of the month by region. " * 40
    score = sentiment(small_talk + FURIOUS[0] + " " + small_talk)
    assert score is not None
    assert score.negativity >= THRESHOLD
    assert len(score.because) < 20
    # The facts of many pages do not add up to anger.
    assert negativity("The order is late. " + small_talk * 5 + "The order is late. " + small_talk) < THRESHOLD


def test_the_same_in_every_process() -> None:
    program = (
        "from streams.core.text.sentiment import sentiment;"
        f"print([sentiment(text) for text in {FURIOUS + HAPPY!r}])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
