"""A set of entries, each one or more words, and which of them a text has at a place.

In an entry `a|b` are alternatives, `word?` may be absent, and `word*` is every word that begins so.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from streams.core.text.tokens import Token, tokens

T = TypeVar("T")

_MOST_SPELLINGS = 1000


class Match(NamedTuple, Generic[T]):
    """An entry's meaning and the index of the token behind it."""

    end: int
    meaning: T


class _Node(Generic[T]):
    """What can follow the words read so far; `meanings` where an entry ends here."""

    __slots__ = ("beginnings", "longest", "meanings", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node[T]] = {}
        self.beginnings: dict[str, _Node[T]] = {}
        self.longest = 0
        self.meanings: list[T] = []

    def child(self, word: str) -> "_Node[T]":
        beginning = word.removesuffix("*")
        if beginning == word:
            return self.words.setdefault(word, _Node())
        self.longest = max(self.longest, len(beginning))
        return self.beginnings.setdefault(beginning, _Node())

    def after(self, word: str) -> "Iterable[_Node[T]]":
        if (node := self.words.get(word)) is not None:
            yield node
        for length in range(1, min(self.longest, len(word)) + 1):
            if (node := self.beginnings.get(word[:length])) is not None:
                yield node


class Phrasebook(Generic[T]):
    """Entries with what each means. Where entries are spelled the same, the first counts.

    Raises ValueError for an entry without words, or with too many spellings.
    """

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._root: _Node[T] = _Node()
        for entry, meaning in entries:
            for spelling in _spellings(entry):
                node = self._root
                for word in spelling:
                    node = node.child(word)
                node.meanings.append(meaning)

    def longest(self, text: Sequence[Token], at: int) -> Match[T] | None:
        """The longest entry that begins at token `at`; between its words is no punctuation."""
        best: Match[T] | None = None
        nodes = [self._root]
        for end in range(at, len(text)):
            word = text[end].text
            nodes = [after for node in nodes for after in node.after(word)]
            if not nodes:
                break
            for node in nodes:
                if node.meanings:
                    best = Match(end + 1, node.meanings[0])
                    break
        return best


def _spellings(entry: str) -> list[tuple[str, ...]]:
    choices = [_choices(word) for word in entry.split()]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _MOST_SPELLINGS:
        raise ValueError(f"{entry!r} has {count} spellings, more than {_MOST_SPELLINGS}")
    spellings = [tuple(itertools.chain(*parts)) for parts in itertools.product(*choices)]
    if not all(spellings) or not spellings:
        raise ValueError(f"{entry!r} has no words")
    return spellings


def _choices(word: str) -> list[tuple[str, ...]]:
    """What may stand for one word of an entry; a text's own tokens, since `e-mail` is two."""
    optional = len(word) > 1 and word.endswith("?")
    choices = [_split(each) for each in (word[:-1] if optional else word).split("|")]
    return [*choices, ()] if optional else choices


def _split(word: str) -> tuple[str, ...]:
    stem = word.removesuffix("*")
    words = [token.text for token in tokens(stem)]
    if not words:
        raise ValueError(f"{word!r} is no word")
    if stem != word:
        words[-1] += "*"
    return tuple(words)
