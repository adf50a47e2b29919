"""What a column of a sample looks like: the words of its name, how its values are spread, and whether
they are times or numbers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import product
from typing import Any

NULLS = ("?", "NULL", "null", "None", "N/A", "n/a", "NaN", "nan", "-")
"""Texts that stand for nothing in exports."""

TODO = "TODO"

_MOST_CHOICES = 40
_LONGEST_CHOICE = 60
"""Characters."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[0-9]{1,18}")

_DATES = [
    order.replace("-", separator)
    for separator, order in product("/.-", ("%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y", "%Y-%m-%d"))
]
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMATS = (
    *(f"{date}{clock}" for date, clock in product(_DATES, _CLOCKS)),
    "%a %b %d %H:%M:%S %z %Y",
    "%d %b %Y %H:%M",
    "%b %d, %Y, %I:%M %p",
)


def words(name: str) -> tuple[str, ...]:
    """The words in a name, in lower case: `sys_updatedAt` is sys, updated, at."""
    return tuple(each.lower() for each in _WORD.findall(name))


@dataclass(frozen=True)
class Times:
    """How times are written. `formats`: `iso`, or those of `strptime` that read all of them; several
    where the sample does not tell day from month. `offset`: whether they say their offset."""

    formats: tuple[str, ...]
    offset: bool


@dataclass(frozen=True)
class Column:
    """`values`: one for each row, None where there is nothing."""

    name: str
    values: Sequence[Any]

    @cached_property
    def words(self) -> tuple[str, ...]:
        return words(self.name)

    @cached_property
    def filled(self) -> list[Any]:
        return [each for each in self.values if each is not None]

    @cached_property
    def texts(self) -> list[str]:
        """The distinct values as text, in the order in which they first come."""
        return list(dict.fromkeys(map(str, self.filled)))

    @property
    def complete(self) -> bool:
        return bool(self.values) and len(self.filled) == len(self.values)

    @property
    def choice(self) -> bool:
        """Whether the values may be those of a list to choose from: short, and not too many."""
        return 0 < len(self.texts) <= _MOST_CHOICES and max(map(len, self.texts)) <= _LONGEST_CHOICE

    @property
    def few(self) -> bool:
        """Whether they also come again and again, which shows it without a name that says so."""
        return self.choice and 2 * len(self.texts) <= max(len(self.filled), 6)

    @cached_property
    def numeric(self) -> bool:
        return bool(self.texts) and all(map(_NUMBER.fullmatch, self.texts))

    @cached_property
    def whole(self) -> bool:
        return bool(self.texts) and all(map(_WHOLE.fullmatch, self.texts))

    @cached_property
    def times(self) -> Times | None:
        """None where the texts are no times."""
        if not self.filled or not all(isinstance(each, str) for each in self.filled):
            return None
        # A number is ISO 8601 as well: 20160229.
        if not self.numeric and (moments := _all(self.texts, datetime.fromisoformat)):
            return Times(("iso",), all(each.tzinfo is not None for each in moments))
        formats = tuple(each for each in _FORMATS if reads(each, self.texts))
        return Times(formats, all("%z" in each for each in formats)) if formats else None

    @property
    def spread(self) -> str:
        """How its values are spread, for people."""
        return f"{len(self.texts)} distinct in {len(self.filled)} of {len(self.values)} rows"


def reads(pattern: str, texts: Iterable[str]) -> bool:
    """Whether `pattern` reads all of `texts`."""
    return _all(texts, lambda text: datetime.strptime(text, pattern)) is not None


def _all(texts: Iterable[str], read: Any) -> list[datetime] | None:
    try:
        return [read(each) for each in texts]
    except (ValueError, OverflowError):
        return None
