"""What is wrong with a file, shown to people: the line, carets beneath the words meant, the remedy.

error: unknown key 'in_stagee' (paths.deal-stalled.when)
  --> escalations.yaml:41:12
   |
41 |     when: {in_stagee: 6 weeks}
   |            ^^^^^^^^^
   | Did you mean 'in_stage'? Known here: untouched, in_stage, clock, value
"""

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Weight = Literal["error", "warning", "info"]
WEIGHTS: tuple[Weight, ...] = get_args(Weight)
"""Heaviest first."""

_WIDTH = 100
"""Characters of a line that are shown; longer ones are clipped around the carets."""
_LONGEST = 400
"""Characters of a message or a remedy."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_URL = re.compile(r"(?<=://)[^\s\"'<>]+")


class Spot(NamedTuple):
    """A stretch of a text, in characters from its beginning; `end` lies behind it."""

    start: int
    end: int


@dataclass(frozen=True)
class Diagnostic:
    """One thing wrong with a file.

    message, remedy: what is wrong, and what to write instead.
    where: the value meant, such as `paths.deal-stalled.steps[0]`; empty for the file as a whole.
    line, column: from 1; None for the file as a whole.
    length: how many characters of `excerpt`, the text of that line, are meant.
    weight: with an error the file is not to be used. name: of the check that found it; empty where the
        file could not even be read as a configuration.

    URLs are masked in all texts, since they may hold secrets and these texts end in build logs.
    """

    file: str
    message: str
    remedy: str
    where: str = ""
    line: int | None = None
    column: int | None = None
    length: int = 0
    excerpt: str = ""
    weight: Weight = "error"
    name: str = ""


class ConfigError(Exception):
    """A configuration that cannot be used. `diagnostics`: everything wrong with it, in file order."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda each: (each.line or 0, each.column or 0)))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        end = f"{counted(self.diagnostics)} in {self.diagnostics[0].file}: nothing was started."
        return "\n\n".join([*map(render, self.diagnostics), end])


class Text:
    """A text with the name of the file it came from; finds lines and columns in it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def line(self, index: int) -> int:
        """The number, from 1, of the line that holds the character at `index`."""
        return bisect_right(self._starts, index)

    def diagnose(self, spot: Spot, message: str, remedy: str, where: str = "") -> Diagnostic:
        """A diagnostic about `spot`: its first line, where it has several."""
        line = self.line(spot.start)
        start = self._starts[line - 1]
        excerpt = _LINE_END.split(self.text[start : spot.start + _LONGEST], maxsplit=1)[0]
        column = spot.start - start
        return Diagnostic(
            self.file,
            _masked(message),
            remedy,
            where,
            line,
            column + 1,
            max(1, len(excerpt[column : spot.end - start].rstrip())),
            _masked(excerpt),
        )


def counted(diagnostics: Iterable[Diagnostic]) -> str:
    """How many there are of each weight: `2 errors, 1 warning`. Empty where there are none."""
    counts = Counter(each.weight for each in diagnostics)
    plurals = {"error": "errors", "warning": "warnings", "info": "infos"}
    return ", ".join(
        f"{counts[weight]} {weight if counts[weight] == 1 else plurals[weight]}"
        for weight in WEIGHTS
        if counts[weight]
    )


def render(diagnostic: Diagnostic) -> str:
    """`diagnostic` as plain text of several lines, without a line end at the end."""
    where = f" ({_short(diagnostic.where)})" if diagnostic.where else ""
    name = f"[{diagnostic.name}]" if diagnostic.name else ""
    heading = f"{diagnostic.weight}{name}: {_short(diagnostic.message)}{where}"
    if diagnostic.line is None or diagnostic.column is None:
        return "\n".join([heading, f"  --> {diagnostic.file}", f"   | {_short(diagnostic.remedy)}"])
    number = str(diagnostic.line)
    margin = " " * len(number)
    excerpt, carets = _underlined(diagnostic.excerpt, diagnostic.column - 1, diagnostic.length)
    return "\n".join(
        [
            heading,
            f"{margin}--> {diagnostic.file}:{diagnostic.line}:{diagnostic.column}",
            f"{margin} |",
            f"{number} | {excerpt}".rstrip(),
            f"{margin} | {carets}",
            f"{margin} | {_short(diagnostic.remedy)}",
        ]
    )


def _underlined(line: str, start: int, length: int) -> tuple[str, str]:
    """The part of `line` to show, and the carets to put beneath it."""
    first = max(0, min(start - _WIDTH // 3, len(line) - _WIDTH))
    last = first + _WIDTH
    before, meant = line[first:start], line[start : min(start + length, last)]
    left, right = "…" if first else "", "…" if last < len(line) else ""
    # A tab beneath a tab stays aligned whatever a terminal makes of it.
    padding = "".join("\t" if char == "\t" else " " * _columns(char) for char in left + before)
    carets = "^" * max(1, sum(map(_columns, meant)))
    shown = "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line[first:last])
    return left + shown + right, padding + carets


def _columns(char: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _masked(text: str) -> str:
    return _URL.sub(lambda url: "*" * len(url[0]), text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
