"""Reading a configuration that is plain data: mappings, lists, texts, numbers.

The same reader serves `escalations.yaml` and the rules that travel in the log, so that both
are checked alike. It knows nothing of files; `streams.config` turns the position of a
`Problem` into file, line and carets.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

Position = tuple[str | int, ...]
"""Keys and indices from the root of the document to a value."""


class Problem(Exception):
    """One thing wrong with a configuration.

    `position`: where; `key`: whether the key itself is meant rather than its value;
    `message`: what is wrong; `remedy`: what to write instead.
    """

    def __init__(self, position: Position, message: str, remedy: str, *, key: bool = False) -> None:
        super().__init__(message)
        self.position = position
        self.message = message
        self.remedy = remedy
        self.key = key

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.position))}: {self.message}. {self.remedy}"


class Problems(list[Problem]):
    """Collects problems, so that a user sees all of them at once and not one per attempt."""

    @contextmanager
    def collect(self) -> Iterator[None]:
        try:
            yield
        except Problem as problem:
            self.append(problem)


class Node:
    """A value of the document together with its position. Reading it wrongly raises `Problem`."""

    __slots__ = ("position", "value")

    def __init__(self, value: Any, position: Position = ()) -> None:
        self.value = value
        self.position = position

    @property
    def name(self) -> str:
        """What to call this value: its key, or `steps[0]` for one in a list."""
        if not self.position:
            return "the file"
        *before, last = self.position
        return f"{before[-1] if before else ''}[{last}]" if isinstance(last, int) else last

    def fail(self, message: str, remedy: str, *, key: bool = False) -> NoReturn:
        raise Problem(self.position, message, remedy, key=key)

    def has(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def keys(self, *known: str, required: Sequence[str] = ()) -> None:
        """Refuse keys other than `known` and `required`, and a mapping that lacks a required one."""
        known = (*required, *known)
        for key, node in self.items():
            if key not in known:
                remedy = f"{did_you_mean(key, known)}Known here: {', '.join(known)}"
                node.fail(f"unknown key {key!r}", remedy, key=True)
        for key in required:
            if not self.has(key):
                self.fail(f"{self.name!r} lacks {key!r}", f"Add a line `{key}: ...`", key=True)

    def items(self) -> Iterator[tuple[str, "Node"]]:
        if not isinstance(self.value, dict):
            self.fail(f"{self.name!r} is {_kind(self.value)}", "Write a mapping: `key: value` lines")
        for key, value in self.value.items():
            yield str(key), Node(value, (*self.position, key))

    def __getitem__(self, key: str) -> "Node":
        return Node(self.value[key], (*self.position, key))

    def get(self, key: str) -> "Node | None":
        return self[key] if self.has(key) and self.value[key] is not None else None

    def list(self, *, what: str = "a list") -> Iterator["Node"]:
        if not isinstance(self.value, list):
            self.fail(f"{self.name!r} is {_kind(self.value)}", f"Write {what}: `[first, second]`")
        for index, value in enumerate(self.value):
            yield Node(value, (*self.position, index))

    def one_or_many(self) -> Iterator["Node"]:
        """The elements of a list, or the value itself where it is a single one."""
        return self.list() if isinstance(self.value, list) else iter([self])

    def text(self, *, example: str = "text") -> str:
        """A text; whole numbers count, since YAML reads an unquoted id as one."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(self.value)
        if not isinstance(self.value, str) or not self.value:
            self.fail(f"{self.name!r} is {_kind(self.value)}", f"Write {example}")
        return self.value

    def scalar(self) -> str | int | float | bool | None:
        if isinstance(self.value, dict | list):
            self.fail(f"{self.name!r} is {_kind(self.value)}", "Write a single value")
        value: str | int | float | bool | None = self.value
        return value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.fail(f"{self.name!r} is {_kind(self.value)}", "Write true or false")
        return self.value

    def choice(self, *options: str) -> str:
        value = self.text(example=f"one of {', '.join(options)}")
        if value not in options:
            remedy = f"{did_you_mean(value, options)}Write one of: {', '.join(options)}"
            self.fail(f"{value!r} is not known here", remedy)
        return value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The beginning of a remedy for a `word` that may be a misspelling of a known one; else empty."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {close[0]!r}? " if close else ""


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "empty"}
    return names.get(
        type(value), f"the number {value}" if isinstance(value, int | float) else "of a wrong kind"
    )
