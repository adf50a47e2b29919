"""Phrases of a customer about to escalate, in a text.

The standard list is `phrases.yaml` beside this file.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

import msgspec

from streams.core.text.negation import negated
from streams.core.text.phrasebook import Phrasebook
from streams.core.text.tokens import tokens

OWN = "own"
"""The section of phrases that are not from the standard list."""

_NEGATION_REACH = 7
_CONTEXT = 40


class Found(msgspec.Struct, frozen=True):
    """A phrase in a text from `start` to `end`: as listed, its `words` as written, the `context` around."""

    phrase: str
    section: str
    words: str
    start: int
    end: int
    context: str


class _Listed(msgspec.Struct, frozen=True):
    phrase: str
    section: str


class Phrases:
    """A list of phrases to look for in texts."""

    def __init__(self, sections: Mapping[str, Iterable[str]]) -> None:
        """`sections`: phrases by section, written as in `phrases.yaml`; ValueError for one without words."""
        self._book = Phrasebook(
            (phrase, _Listed(phrase, section)) for section, listed in sections.items() for phrase in listed
        )

    def find(self, text: str) -> tuple[Found, ...]:
        """The phrases in `text` in order, of those that overlap the first, of those the longest."""
        said = tokens(text)
        found = []
        at = 0
        while at < len(said):
            match = self._book.longest(said, at)
            if match is None or negated(said, at, within=_NEGATION_REACH):
                at += 1
                continue
            start, end = said[at].start, said[match.end - 1].end
            found.append(
                Found(
                    match.meaning.phrase,
                    match.meaning.section,
                    text[start:end],
                    start,
                    end,
                    " ".join(text[max(start - _CONTEXT, 0) : end + _CONTEXT].split()),
                )
            )
            at = match.end
        return tuple(found)


@cache
def standard() -> dict[str, tuple[str, ...]]:
    """The standard phrases by section."""
    content = resources.files(__package__).joinpath("phrases.yaml").read_bytes()
    return msgspec.yaml.decode(content, type=dict[str, tuple[str, ...]])


def phrases(*, without: Iterable[str] = (), plus: Iterable[str] = ()) -> Phrases:
    """The standard phrases `without` some, each a phrase as listed or a whole section, `plus` others.

    Raises ValueError for a phrase or section to leave out that is not there.
    """
    left_out = set(without)
    listed = standard()
    unknown = left_out - listed.keys() - {phrase for section in listed.values() for phrase in section}
    if unknown:
        raise ValueError(f"not in the standard list: {', '.join(sorted(unknown))}")
    kept = {
        section: [phrase for phrase in of_it if phrase not in left_out]
        for section, of_it in listed.items()
        if section not in left_out
    }
    return Phrases({OWN: plus, **kept})
