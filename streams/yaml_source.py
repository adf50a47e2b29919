"""YAML as plain data that still knows where in the file each value stands.

Plain words are read as YAML 1.2 has it, and more cautiously where an id could be meant: `true`,
`false` and `null` are what they say; `no`, `on`, `2026-12-24`, `09:00`, `007`, `0x1F` and whole
numbers beyond 64 bits stay text. Keys are always text. Tags are refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import yaml

from streams.core.document import Position, Problem
from streams.diagnostics import ConfigError, Diagnostic, Spot, Text

MAX_BYTES = 1 << 20
"""Size of the largest file that is read."""
MAX_DEPTH = 50
"""How deep values may lie within values."""
MAX_VALUES = 100_000
"""How many values a file may have once its aliases stand for what they repeat."""

_CONSTANTS: Mapping[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")

# PyYAML's stubs do not say what its events have.
Event = Any


@dataclass(frozen=True)
class Value:
    """A value and where it stands.

    `keys`: where the key of each of its members stands; `members`: by key or index. `size`: number
    of values in it, itself included; `depth`: levels of values in it.
    """

    data: Any
    spot: Spot
    keys: Mapping[str | int, Spot]
    members: Mapping[str | int, "Value"]
    size: int = 1
    depth: int = 1


class YamlDocument:
    """A file that was read: its `text`, its `data`, and `duplicates`, what is wrong with its keys."""

    def __init__(self, text: Text, root: Value, duplicates: list[Diagnostic]) -> None:
        self.text = text
        self._root = root
        self.data: dict[str, Any] = root.data
        self.duplicates = duplicates

    def diagnose(self, problem: Problem) -> Diagnostic:
        """The diagnostic for a problem with `data`."""
        where = problem.position[:-1] if problem.key else problem.position
        if not problem.position:
            return Diagnostic(self.text.file, problem.message, problem.remedy)
        return self.text.diagnose(
            self._spot(problem.position, problem.key), problem.message, problem.remedy, dotted(where)
        )

    def _spot(self, position: Position, key: bool) -> Spot:
        value, key_spot = self._root, None
        for name in position:
            if name not in value.members:
                key = True
                break
            key_spot = value.keys.get(name)
            value = value.members[name]
        if key_spot is None:
            return value.spot
        empty = value.spot.start == value.spot.end
        below = self.text.line(value.spot.start) != self.text.line(key_spot.start)
        return key_spot if key or empty or below else value.spot


def read_yaml(path: Path, nouns: Mapping[str, str]) -> YamlDocument:
    """The YAML file at `path`, which must hold a mapping.

    `nouns`: what a member of each top-level mapping is called, for the message about a duplicate.
    Raises ConfigError when the file cannot be read or is no YAML.
    """
    text = _read_text(path)
    reader = _Reader(text, nouns)
    root = reader.read()
    if root.data is None:
        remedy = "`escalations init` writes one to begin with"
        raise ConfigError([Diagnostic(text.file, "the file is empty", remedy)])
    if not isinstance(root.data, dict):
        kind = "a list" if isinstance(root.data, list) else "a single value"
        raise ConfigError(
            [text.diagnose(root.spot, f"the file is {kind}", "Write a mapping: `feeds:`, `paths:` and so on")]
        )
    return YamlDocument(text, root, reader.duplicates)


def _read_text(path: Path) -> Text:
    def refuse(message: str, remedy: str) -> ConfigError:
        return ConfigError([Diagnostic(str(path), message, remedy)])

    another = "Name another file with `-c FILE`, or write one with `escalations init`"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse("there is no such file", another) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise refuse(f"the file cannot be read: {why}", another) from None
    if len(content) > MAX_BYTES:
        raise refuse(f"the file is larger than {MAX_BYTES >> 20} MiB", "Is it a configuration? " + another)
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refuse(f"the file is not UTF-8: see line {line}", "Save it as UTF-8") from None
    return Text(str(path), decoded)


class _Parser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's parser alone: what its events mean is decided here."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


class _Reader:
    """Reads one text. What makes it unreadable is raised, as a ConfigError; `duplicates` are collected."""

    def __init__(self, text: Text, nouns: Mapping[str, str]) -> None:
        self._text = text
        self._nouns = nouns
        self._anchors: dict[str, Value] = {}
        self.duplicates: list[Diagnostic] = []

    def read(self) -> Value:
        try:
            self._parser = _Parser(self._text.text)
            self._next()  # the beginning of the stream
            if isinstance(event := self._next(), yaml.StreamEndEvent):
                return Value(None, _spot(event), {}, {})
            root = self._value(self._next(), ())
            self._next()  # the end of the document
            if not isinstance(event := self._next(), yaml.StreamEndEvent):
                self._refuse(_spot(event), "a second document begins here", "Keep to one document a file")
        except yaml.reader.ReaderError as error:
            spot = Spot(error.position, error.position + 1)
            self._refuse(spot, f"the character {chr(error.character)!r} is not allowed", "Remove it")
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except (ValueError, OverflowError) as error:
            # PyYAML lets these through, from an escape such as "\UFFFFFFFF".
            spot = Spot(self._parser.index, self._parser.index + 1)
            self._refuse(spot, f"this is no YAML: {error}", "Look at what stands here and just before")
        return root

    def _next(self) -> Event:
        return self._parser.get_event()  # type: ignore[no-untyped-call]

    def _value(self, event: Event, position: Position) -> Value:
        if len(position) > MAX_DEPTH:
            self._refuse(_spot(event), "values lie too deep in each other", f"{MAX_DEPTH} levels are read")
        if isinstance(event, yaml.AliasEvent):
            value = self._alias(event, position)
        elif isinstance(event, yaml.ScalarEvent):
            text = self._scalar(event)
            value = Value(_plain(text) if event.style is None else text, _spot(event), {}, {})
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(event, position)
        else:
            value = self._mapping(event, position)
        if value.size > MAX_VALUES:
            self._refuse(
                value.spot, "there are too many values here", f"{MAX_VALUES:,} are read from one file"
            )
        if not isinstance(event, yaml.AliasEvent) and event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: Event, position: Position) -> Value:
        value = self._anchors.get(event.anchor)
        if value is None:
            self._refuse(_spot(event), f"no `&{event.anchor}` stands before this", "Write the value out")
        if len(position) + value.depth > MAX_DEPTH:
            self._refuse(_spot(event), "values lie too deep in each other", f"{MAX_DEPTH} levels are read")
        return replace(value, spot=_spot(event))

    def _scalar(self, event: Event) -> str:
        self._refuse_tag(event)
        text: str = event.value
        if half := _HALF_A_CHARACTER.search(text):
            self._refuse(_spot(event), f"{half[0]!r} is half a character", "Write the character itself")
        return text

    def _sequence(self, event: Event, position: Position) -> Value:
        self._refuse_tag(event)
        members: list[Value] = []
        while not isinstance(inner := self._next(), yaml.SequenceEndEvent):
            members.append(self._value(inner, (*position, len(members))))
        return _collection(
            [member.data for member in members], _spot(event, inner), {}, dict(enumerate(members))
        )

    def _mapping(self, event: Event, position: Position) -> Value:
        self._refuse_tag(event)
        members: dict[str | int, Value] = {}
        keys: dict[str | int, Spot] = {}
        while not isinstance(inner := self._next(), yaml.MappingEndEvent):
            if not isinstance(inner, yaml.ScalarEvent):
                self._refuse(_spot(inner), "this key is no text", "Write `key: value`")
            key = self._scalar(inner)
            if key == "<<" and inner.style is None:
                self._refuse(_spot(inner), "merging with `<<` is not read", "Write the keys out")
            value = self._value(self._next(), (*position, key))
            if key in keys:
                self._duplicate(key, position, _spot(inner), keys[key])
            else:
                keys[key] = _spot(inner)
                members[key] = value
        data = {key: member.data for key, member in members.items()}
        return _collection(data, _spot(event, inner), keys, members)

    def _duplicate(self, key: str, position: Position, spot: Spot, first: Spot) -> None:
        noun = self._nouns.get(str(position[0]), "key") if len(position) == 1 else "key"
        remedy = f"The first is in line {self._text.line(first.start)}: rename or remove one of them"
        self.duplicates.append(
            self._text.diagnose(spot, f"duplicate {noun} {key!r}", remedy, dotted(position))
        )

    def _refuse_tag(self, event: Event) -> None:
        if event.tag is not None:
            self._refuse(_spot(event), "tags are not read", "Quote a value to make it text")

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark, begun = error.problem_mark or error.context_mark, error.context_mark
        assert mark is not None, "the parser says where it stopped"
        spot = Spot(mark.index, mark.index + 1)
        before = re.split(r"[\r\n]", self._text.text[: spot.end])[-1]
        if "\t" in before and not before.strip():
            self._refuse(spot, "a tab cannot indent", "Indent with spaces")
        if begun is not None and re.search("flow|quoted", error.context or ""):
            line = self._text.line(mark.index)
            # A bracket or quote that is missing shows only where something else cannot be part of it.
            if self._text.line(begun.index) < line:
                spot = Spot(begun.index, begun.index + 1)
                self._refuse(spot, "what begins here does not end", f"Line {line} cannot be part of it")
        remedy = "Check indentation, brackets and quotes here and just before; quote text that holds `: `"
        self._refuse(spot, f"this is no YAML: {error.problem}", remedy)

    def _refuse(self, spot: Spot, message: str, remedy: str) -> NoReturn:
        raise ConfigError([*self.duplicates, self._text.diagnose(spot, message, remedy)]) from None


def dotted(position: Position) -> str:
    """A position as people write it: `paths.deal-stalled.steps[0]`."""
    parts = (f"[{each}]" if isinstance(each, int) else f".{_printable(each)}" for each in position)
    return "".join(parts).removeprefix(".")


def _printable(key: str) -> str:
    return key if key.isprintable() else repr(key)


def _collection(
    data: Any, spot: Spot, keys: Mapping[str | int, Spot], members: Mapping[str | int, Value]
) -> Value:
    return Value(
        data,
        spot,
        keys,
        members,
        size=1 + sum(member.size for member in members.values()),
        depth=1 + max((member.depth for member in members.values()), default=0),
    )


def _spot(first: Event, last: Event = None) -> Spot:
    return Spot(first.start_mark.index, (last or first).end_mark.index)


def _plain(text: str) -> Any:
    """What a word without quotes means."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
