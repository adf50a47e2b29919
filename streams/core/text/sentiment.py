"""How unhappy the writer of a message is, by the words of customer service and what stands around them.

The words and their weights are in `sentiment.yaml` beside this file; docs/text.md has what it was
measured on. English only.
"""

import math
from bisect import bisect_left
from importlib import resources

import msgspec

from streams.core.text.language import is_english
from streams.core.text.negation import is_negation, negated
from streams.core.text.phrasebook import Phrasebook
from streams.core.text.tokens import Token, tokens

# Where precision is above 0.9 on complaints and hardly any calm question is taken for one.
THRESHOLD = 0.5

# What was measured are short messages; of a long one the unhappiest passage counts.
_PASSAGE = 80
_STEP = 40
_AGAIN = 0.6
_SCALE = 5.0
_NEGATION_REACH = 3


class Evidence(msgspec.Struct, frozen=True):
    """Words that moved a score, their category, and by how much: positive is unhappy."""

    words: str
    category: str
    weight: float


class Score(msgspec.Struct, frozen=True):
    """`negativity` from -1 (delighted) to 1 (furious), 0 for neither, and what it rests on."""

    negativity: float
    because: tuple[Evidence, ...]


class _Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weight: float
    negated: float
    entries: str


def _read() -> tuple[dict[str, _Category], Phrasebook[str]]:
    content = resources.files(__package__).joinpath("sentiment.yaml").read_bytes()
    categories = msgspec.yaml.decode(content, type=dict[str, _Category])
    return categories, Phrasebook(
        (entry, name) for name, category in categories.items() for entry in category.entries.split(",")
    )


_CATEGORIES, _ENTRIES = _read()


def sentiment(text: str) -> Score | None:
    """The sentiment of a message, best of its `own_words`; None where it is not English or has no words."""
    said = tokens(text)
    if not said or not is_english(text):
        return None
    found = _evidence(text, said)
    places = [at for at, _, _ in found]
    passages = (
        found[bisect_left(places, start) : bisect_left(places, start + _PASSAGE)]
        for start in range(0, max(len(said) - _STEP, 1), _STEP)
    )
    return max(map(_score, passages), key=lambda score: score.negativity)


def _evidence(text: str, said: list[Token]) -> list[tuple[int, bool, Evidence]]:
    """Every entry in the text: its token, whether it is negated, and what it would weigh alone."""
    found = []
    at = 0
    while at < len(said):
        match = _ENTRIES.longest(said, at)
        if match is None:
            at += 1
            continue
        category = _CATEGORIES[match.meaning]
        # A negation that an entry begins with is part of what it means.
        turned = not is_negation(said[at]) and negated(said, at, within=_NEGATION_REACH)
        weight = category.negated if turned else category.weight
        words = text[said[at].start : said[match.end - 1].end]
        found.append((at, turned, Evidence(words, match.meaning, weight)))
        at = match.end
    return found


def _score(found: list[tuple[int, bool, Evidence]]) -> Score:
    """The score of one passage."""
    times: dict[tuple[str, bool], int] = {}
    because = []
    for _, turned, evidence in found:
        if not evidence.weight:
            continue
        before = times.get((evidence.category, turned), 0)
        times[evidence.category, turned] = before + 1
        weight = round(evidence.weight * _AGAIN**before, 3)
        because.append(msgspec.structs.replace(evidence, weight=weight))
    total = math.fsum(evidence.weight for evidence in because)
    return Score(round(math.tanh(total / _SCALE), 3), tuple(because))
