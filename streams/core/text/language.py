"""Which language a text is in, by the Compact Language Detector 2, which comes with its data."""

import re

import pycld2  # type: ignore[import-untyped]

# It refuses control characters, lone surrogates and noncharacters (the last two of each plane, and
# U+FDD0 to U+FDEF), and takes names and links for words.
_PLANE_ENDS = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_NO_LANGUAGE = re.compile(rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]|@\w+|https?://\S+")
_ENOUGH = 2000


def is_english(text: str) -> bool:
    """Whether `text` is English, by its first 2,000 characters; a text too short to tell is."""
    sample = _NO_LANGUAGE.sub(" ", text[:_ENOUGH])
    try:
        # The hint decides for texts of a word or two, where the letters alone do not.
        _, _, guesses = pycld2.detect(sample, isPlainText=True, hintLanguage="en", bestEffort=True)
    except pycld2.error:
        # Whatever else it may refuse, a customer's letter must not stop anything.
        return False
    return guesses[0][1] in ("en", "un")
