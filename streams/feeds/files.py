"""Files of a feed: the messages in them, and the history these tell.

A file holds CSV rows (of a feed with `format: csv`) or JSON: one feed message a line with `topic,
partition, offset, timestamp, key, value, headers`, or as `kcat -J` prints it; a `.json` file may
hold one message, or a list of them, over many lines. Whatever is no such message is taken as the
bare value of one. Any of them may be compressed by gzip.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import cast

import msgspec
import orjson

from streams.core.document import did_you_mean
from streams.core.entries import Change, Fact
from streams.feeds import Feed, Message, PassedOver, Rows, Undecodable

_JSON = {".json", ".jsonl", ".ndjson"}
_GZIP = b"\x1f\x8b"
_BLOCK = 4096
_LINE_END = re.compile(r"\r\n|\r|\n")
_END = "\0end of the file\0"
"""Put after the last line of a CSV file: what a quote that is never closed swallows, too."""

Refuse = Callable[[Message, Undecodable], None]
"""What to do with a message that cannot be decoded."""


class FileProblem(Exception):
    """A file that cannot be read as a feed's; `line` is where, 0 for the whole of it."""

    def __init__(self, path: Path, line: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.path = path
        self.line = line
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{place}: {self.message}. {self.remedy}"


Open = Callable[[Path], io.BufferedReader]
"""How to open a file for reading. Raises OSError."""


def plainly(path: Path) -> io.BufferedReader:
    return path.open("rb")


def read_messages(feed: Feed, path: Path, open_file: Open = plainly) -> Iterator[Message]:
    """The messages of a file, in its order. A row's coordinates are the file's name, 0 and its number.

    Raises FileProblem, after what could be read has been yielded.
    """
    kind = next((suffix for suffix in reversed(path.suffixes) if suffix != ".gz"), "")
    if feed.rows is not None and kind not in _JSON:
        return _read_rows(feed.name, feed.rows, path, open_file)
    return _read_json(path, open_file, whole=kind == ".json")


def changes_in_order(feed: Feed, messages: Iterable[Message], refuse: Refuse) -> list[Change]:
    """All changes in the order in which they happened."""
    told = (fact for _, facts in _decoded(feed, messages, refuse) for fact in facts)
    return sorted((fact for fact in told if isinstance(fact, Change)), key=_when)


def messages_in_order(feed: Feed, messages: Iterable[Message], refuse: Refuse) -> list[tuple[Fact, Message]]:
    """The messages that hold facts, each with its (first) one, in the order in which they happened."""
    decoded = sorted(_decoded(feed, messages, refuse), key=lambda each: _when(each[1][0]))
    return [(facts[0], message) for message, facts in decoded]


def _decoded(
    feed: Feed, messages: Iterable[Message], refuse: Refuse
) -> Iterator[tuple[Message, Sequence[Fact]]]:
    for message in messages:
        try:
            outcome = feed.decode(message)
        except Undecodable as error:
            refuse(message, error)
            continue
        if outcome and not isinstance(outcome, PassedOver):
            yield message, outcome


def _when(fact: Fact) -> tuple[datetime, tuple[int | str, ...]]:
    # Without an order token the sort, which is stable, leaves changes of one moment as they came.
    return fact.at, fact.order or ()


def _read_rows(feed: str, form: Rows, path: Path, open_file: Open) -> Iterator[Message]:
    with _opened(path, open_file) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        rows = csv.reader(chain(text, (_END,)), delimiter=form.delimiter)
        try:
            read = 0
            header = next(rows)
            if header == [_END]:
                raise FileProblem(path, 0, "the file is empty", "Give one with a header and rows")
            if header[-1:] and header[-1].endswith(_END):
                _check_closed(path, header[-1], rows.line_num)
            _check_header(feed, form, path, header)
            kept = [index for index, column in enumerate(header) if column not in form.withheld]
            number, name, read = 0, path.name, rows.line_num
            for cells in rows:
                line, read = read + 1, rows.line_num
                if not cells:
                    continue
                if cells[-1].endswith(_END):
                    _check_closed(path, cells[-1], read)
                    return
                number += 1
                if len(cells) == len(header):
                    value = orjson.dumps({header[index]: cells[index] for index in kept})
                else:
                    # It cannot be told which columns are which, nor which of them are withheld.
                    value = orjson.dumps(cells)
                yield Message(name, 0, number, None, value, line=(name, line))
        except UnicodeDecodeError as error:
            raise FileProblem(
                path,
                rows.line_num,
                f"what follows is not UTF-8 text: {error.reason}",
                "Convert the file to UTF-8",
            ) from None
        except csv.Error as error:
            raise FileProblem(
                path, read + 1, f"this is not CSV: {error}", "Look for a quote that is not closed"
            ) from None


def _check_closed(path: Path, cell: str, lines: int) -> None:
    """Raises FileProblem if the end of the file, which `cell` holds as its line `lines`, is in a quote."""
    if cell == _END:
        return
    swallowed = _LINE_END.split(cell.removesuffix(_END))
    # What follows the last line end is a line only if there is something.
    opened = lines - len(swallowed) + (not swallowed[-1])
    raise FileProblem(
        path,
        opened,
        "a quote is opened here and never closed, so the rest of the file is one value",
        'Close it; a quote inside of a quoted value is written twice, ""',
    )


def _check_header(feed: str, form: Rows, path: Path, header: list[str]) -> None:
    for column in sorted(form.columns):
        if header.count(column) > 1:
            raise FileProblem(path, 1, f"there are two columns {column!r}", "Give each its own name")
        if column not in header:
            raise FileProblem(
                path,
                1,
                f"there is no column {column!r}, which {feed!r} reads",
                _other_columns(column, header),
            )


def _other_columns(column: str, header: list[str]) -> str:
    if len(header) == 1:
        for delimiter, written in ((",", ","), (";", ";"), ("\t", "\\t"), ("|", "|")):
            if delimiter in header[0]:
                return f'Write delimiter: "{written}"; the header is one column otherwise'
    return f"{did_you_mean(column, header)}There are: {', '.join(header)[:600]}"


class _Line(msgspec.Struct):
    """A feed message as JSON; `payload` and `ts` are what kcat calls the value and the timestamp."""

    topic: str
    partition: int | None = None
    offset: int | None = None
    timestamp: int | None = None
    ts: int | None = None
    key: msgspec.Raw = msgspec.Raw(b"null")
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    headers: list[str | tuple[str, str | None] | None] | None = None


_line = msgspec.json.Decoder(_Line)


def _read_json(path: Path, open_file: Open, *, whole: bool) -> Iterator[Message]:
    if whole and (found := _read_whole(path, open_file)) is not None:
        for number, value in enumerate(found, 1):
            # A piece of JSON over many lines: which of them it is on is not known.
            yield msgspec.structs.replace(_message(path, number, value), line=None)
        return
    empty = True
    for number, line in enumerate(_lines(path, open_file), 1):
        if line := line.strip():
            empty = False
            yield _message(path, number, line)
    if empty:
        raise FileProblem(path, 0, "the file is empty", "Give JSON lines, one message each")


def _read_whole(path: Path, open_file: Open) -> list[bytes] | None:
    """The messages of a file that is a single piece of JSON; None when it is not."""
    try:
        content = b"".join(_lines(path, open_file)).strip()
        if content[:1] == b"[":
            return [bytes(each) for each in msgspec.json.decode(content, type=list[msgspec.Raw])]
        return [bytes(msgspec.json.decode(content, type=msgspec.Raw))]
    except (FileProblem, msgspec.DecodeError, RecursionError):
        return None


def _lines(path: Path, open_file: Open) -> Iterator[bytes]:
    with _opened(path, open_file) as file:
        start = file.peek(_BLOCK)[:_BLOCK]
        if b"\0" in start:
            raise FileProblem(path, 0, "the file is not UTF-8 text", "Give JSON lines, one message each")
        if start.startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        yield from file


@contextmanager
def _opened(path: Path, open_file: Open) -> Iterator[io.BufferedReader | gzip.GzipFile]:
    """The file's bytes, decompressed where they are compressed, whatever its name is."""
    try:
        with open_file(path) as raw:
            if raw.peek(2)[:2] == _GZIP:
                with gzip.open(raw) as unzipped:
                    yield unzipped
            else:
                yield raw
    except EOFError:
        raise FileProblem(
            path, 0, "the compressed file breaks off in the middle", "Copy or download it once more"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileProblem(path, 0, f"the compressed file is damaged: {error}", "Copy it once more") from None
    except OSError as error:
        raise FileProblem(
            path,
            0,
            f"it cannot be read: {error.strerror or error}",
            "Check its name and its permissions",
        ) from None


def _message(path: Path, number: int, text: bytes) -> Message:
    """The feed message that `text` is, or else one with `text` as its value."""
    try:
        line = _line.decode(text)
        value = line.value if line.value is not msgspec.UNSET else line.payload
        if value is msgspec.UNSET:
            raise ValueError
        timestamp = line.timestamp if line.timestamp is not None else line.ts
        return Message(
            topic=line.topic,
            partition=line.partition or 0,
            offset=number if line.offset is None else line.offset,
            key=_bytes(line.key),
            value=_bytes(value),
            # Kafka's -1 is "none".
            timestamp=None if timestamp is None or timestamp < 0 else timestamp,
            headers=_headers(line.headers or []),
            line=(path.name, number),
        )
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Message(path.name, 0, number, None, text, line=(path.name, number))


def _bytes(raw: msgspec.Raw) -> bytes | None:
    """A key or value: JSON text, whose content it is, or JSON, which it is itself."""
    content = bytes(raw)
    if content == b"null":
        return None
    return msgspec.json.decode(content, type=str).encode() if content[:1] == b'"' else content


def _headers(listed: list[str | tuple[str, str | None] | None]) -> tuple[tuple[str, bytes | None], ...]:
    """From pairs, or as kcat has them: name, value, name, value. Raises ValueError."""
    pairs = [each for each in listed if isinstance(each, tuple)]
    if not pairs:
        flat = cast("list[str | None]", listed)
        pairs = [(name or "", value) for name, value in zip(flat[::2], flat[1::2], strict=True)]
    elif len(pairs) < len(listed):
        raise ValueError
    return tuple((name, None if value is None else value.encode()) for name, value in pairs)
