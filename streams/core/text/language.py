"""Which language a text is in, by the Compact Language Detector 2, which comes with its data."""

import re

import pycld2  # type: ignore[import-untyped]

# It refuses control characters and lone surrogates, and takes names and links for words.
_NO_LANGUAGE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]|@\w+|https?://\S+")
_ENOUGH = 2000


def is_english(text: str) -> bool:
    """Whether `text` is English, by its first 2,000 characters; a text too short to tell is."""
    sample = _NO_LANGUAGE.sub(" ", text[:_ENOUGH])
    # The hint decides for texts of a word or two, where the letters alone do not.
    _, _, guesses = pycld2.detect(sample, isPlainText=True, hintLanguage="en", bestEffort=True)
    return guesses[0][1] in ("en", "un")
