"""Comments that switch a check off: `# check: ignore overlap, no-path - both teams ask for their own`.

Such a comment holds for what begins in its line and for all that lies in it: in the line of a path's
name, for the path. On a line of its own it holds for what begins in the next line that has any content.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from streams.core.document import Position, Problem, did_you_mean
from streams.diagnostics import Diagnostic, Spot, Text
from streams.yaml_source import YamlDocument

NAME = "unused-ignore"

_COMMENT = re.compile(
    r"(?<!\S)#[ \t]*check:[ \t]*ignore[ \t]+"
    r"(?P<names>[a-z][a-z-]*(?:[ \t]*,[ \t]*[a-z][a-z-]*)*)"
)
_WORD = re.compile("[a-z-]+")
_EMPTY_LINE = re.compile(r"[ \t]*(?:#[^\n\r]*)?(?:\r\n|\r|\n)")


class Ignored(NamedTuple):
    """A check's name in such a comment: where it stands, and the line for which it is."""

    name: str
    spot: Spot
    line: int


def ignored(text: Text) -> list[Ignored]:
    """All that the comments of a file switch off, in its order."""
    found: list[Ignored] = []
    for comment in _COMMENT.finditer(text.text):
        line = text.line(comment.start("names"))
        begun = re.split(r"[\r\n]", text.text[: comment.start()])[-1]
        if not begun.strip():
            line = _next_line(text, comment.end())
        found += [
            Ignored(name[0], Spot(name.start(), name.end()), line)
            for name in _WORD.finditer(text.text, comment.start("names"), comment.end("names"))
        ]
    return found


def lines(document: YamlDocument, position: Position) -> set[int]:
    """The lines in which the value at `position`, and each that it lies in, begin."""
    wholes = (position[:length] for length in range(1, len(position) + 1))
    return {document.diagnose(Problem(whole, "", "", key=True)).line or 0 for whole in wholes}


def unused(document: YamlDocument, unused: Sequence[Ignored], known: Collection[str]) -> Iterator[Diagnostic]:
    """What is wrong with those that switch off nothing."""
    for each in unused:
        if each.name in known:
            message, remedy = f"{each.name!r} finds nothing here to ignore", "Take it out"
        else:
            message = f"there is no check {each.name!r} to ignore"
            remedy = f"{did_you_mean(each.name, known)}docs/checks.md lists them"
        yield replace(document.text.diagnose(each.spot, message, remedy), weight="warning", name=NAME)


def _next_line(text: Text, end: int) -> int:
    """The line after the one that ends from `end` on, or the first after it that is not empty."""
    at = re.compile(r"[^\n\r]*(?:\r\n|\r|\n)?").match(text.text, end)
    assert at is not None, "it matches anything"
    rest = at.end()
    while empty := _EMPTY_LINE.match(text.text, rest):
        rest = empty.end()
    return text.line(rest)
