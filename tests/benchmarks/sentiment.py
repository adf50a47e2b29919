"""Sentiment beside other methods, on texts that people have labelled.

    python -m tests.benchmarks.sentiment

Ours, and of vaderSentiment, afinn and textblob those that are installed. The texts and the halves are
those of `tests/core/text/measured.py`: methods and our threshold were chosen on the tuning half, so
the other one counts. The others come without a threshold for this: theirs is the lowest at which at
most 1 % of the calm questions fire.
"""

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich import print
from rich.table import Table

from streams.core.text.own_words import own_words
from streams.core.text.sentiment import THRESHOLD, sentiment
from tests.core.text import measured

ALLOWED_FALSE_ALARMS = 0.01


class Method(NamedTuple):
    """How negative a text is; `threshold` from which it is, where the method has one."""

    name: str
    negativity: Callable[[str], float]
    threshold: float | None = None


def ours(text: str) -> float:
    score = sentiment(own_words(text))
    return score.negativity if score else 0.0


def methods() -> Iterator[Method]:
    yield Method("ours", ours, THRESHOLD)
    if vader := _installed("vaderSentiment.vaderSentiment"):
        analyzer = vader.SentimentIntensityAnalyzer()
        yield Method("VADER, compound", lambda text: -float(analyzer.polarity_scores(text)["compound"]))

        def difference(text: str) -> float:
            scores = analyzer.polarity_scores(text)
            return float(scores["neg"] - scores["pos"])

        yield Method("VADER, neg - pos", difference)
    if afinn := _installed("afinn"):
        words = afinn.Afinn(emoticons=True)
        yield Method("AFINN", lambda text: -float(words.score(text)))
    if textblob := _installed("textblob"):
        yield Method("TextBlob", lambda text: -float(textblob.TextBlob(text).sentiment.polarity))


def _installed(module: str) -> Any:
    """A module, None where it is not installed; each has an interface of its own, and none has types."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def main() -> None:
    if reason := measured.absent():
        sys.exit(reason)
    halves = [measured.complaints(half) for half in (measured.TUNING, measured.HELD_OUT)]
    calm = measured.calm_questions()
    table = Table(
        "method", "AUC tuning", "AUC held out", "threshold", "precision", "recall", "false alarms", "us"
    )
    for method in methods():
        began = time.perf_counter()
        scored = [tuple([method.negativity(text) for text in texts] for texts in half) for half in halves]
        took = time.perf_counter() - began
        alarms = [method.negativity(text) for text in calm]
        threshold = method.threshold
        if threshold is None:
            threshold = sorted(alarms)[-int(len(alarms) * ALLOWED_FALSE_ALARMS) - 1] + 1e-9
        negative, rest = scored[measured.HELD_OUT]
        table.add_row(
            method.name,
            *(f"{measured.auc(*half):.3f}" for half in scored),
            f"{threshold:.3f}",
            f"{measured.precision(negative, rest, threshold):.3f}",
            f"{measured.share(negative, threshold):.3f}",
            f"{measured.share(alarms, threshold):.4f}",
            f"{took / sum(len(texts) for half in halves for texts in half) * 1e6:.0f}",
        )
    print(table)


if __name__ == "__main__":
    main()
