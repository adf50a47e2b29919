"""Files of feed messages: JSON lines, kcat's, and whole JSON files."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from streams.core.document import Node
from streams.feeds import Feed, Message, Undecodable
from streams.feeds.files import FileProblem, changes_in_order, read_messages
from streams.feeds.formats import read_feed


def feed() -> Feed:
    record = {"kind": "ticket", "id": "id"}
    return read_feed("tickets", Node({"format": "debezium", "topic": "t", "record": record}))


def read(path: Path, content: bytes) -> list[Message]:
    """The messages as they would come from a topic; that each knows its line is asserted here."""
    path.write_bytes(content)
    messages = list(read_messages(feed(), path))
    if path.suffix != ".json":
        lines = [number for number, line in enumerate(content.splitlines(), 1) if line.strip()]
        assert [each.line for each in messages] == [(path.name, number) for number in lines]
    return [msgspec.structs.replace(each, line=None) for each in messages]


def event(number: int, at: int) -> dict[str, Any]:
    return {"op": "c", "after": {"id": number}, "source": {"ts_us": at, "lsn": at}}


@pytest.mark.parametrize(
    "line",
    [
        {
            "topic": "t",
            "partition": 2,
            "offset": 9,
            "timestamp": 5,
            "key": {"id": 1},
            "value": {"a": 1},
            "headers": [["h", "x"], ["n", None]],
        },
        {
            "topic": "t",
            "partition": 2,
            "offset": 9,
            "timestamp": 5,
            "key": '{"id":1}',
            "value": '{"a":1}',
            "headers": ["h", "x", "n", None],
        },
        {
            "topic": "t",
            "partition": 2,
            "offset": 9,
            "tstype": "create",
            "ts": 5,
            "broker": 1,
            "key": '{"id":1}',
            "payload": '{"a":1}',
            "headers": ["h", "x", "n", None],
        },
    ],
)
def test_a_line_is_a_message_with_parsed_or_textual_json_and_as_kcat_prints_it(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    assert read(tmp_path / "a.jsonl", orjson.dumps(line)) == [
        Message("t", 2, 9, b'{"id":1}', b'{"a":1}', 5, (("h", b"x"), ("n", None)))
    ]


def test_a_missing_partition_is_0_and_a_missing_offset_the_line(tmp_path: Path) -> None:
    lines = b'\n{"topic":"t","value":null}\n{"topic":"t","partition":null,"key":"k","value":"v","ts":-1}\n'
    assert read(tmp_path / "a.jsonl", lines) == [
        Message("t", 0, 2, None, None),
        Message("t", 0, 3, b"k", b"v"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'{"topic":"t","value":{"a":',
        b'{"op":"c"}',
        b'{"topic":5,"value":1}',
        b'{"topic":"t","value":1,"headers":["odd"]}',
        b"not json \xff",
        b'{"topic":"t","value":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_line_that_is_no_message_is_the_value_of_one(tmp_path: Path, line: bytes) -> None:
    assert read(tmp_path / "a.jsonl", line + b"\n") == [Message("a.jsonl", 0, 1, None, line)]


def test_bare_values_one_a_line_are_messages(tmp_path: Path) -> None:
    (message,) = read(tmp_path / "a.jsonl", orjson.dumps(event(7, 1)))
    decoded = feed().decode(message)
    assert isinstance(decoded, list)
    assert decoded[0].record == "ticket:7"


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf{"topic":"t","offset":1,"value":1}\n{"topic":"t","offset":2,"value":1}',
        b'[{"topic":"t","offset":1,"value":1},\n {"topic":"t","offset":2,"value":1}]',
        b'[\n {"topic":"t",\n "value":1},\n {"topic":"t","value":1}\n]\n',
    ],
)
def test_a_json_file_holds_lines_or_a_list(tmp_path: Path, content: bytes) -> None:
    assert [m.offset for m in read(tmp_path / "a.json", content)] == [1, 2]


def test_a_json_file_may_hold_one_message_over_many_lines(tmp_path: Path) -> None:
    assert read(tmp_path / "a.json", b'{\n "topic": "t",\n "key": {"id": 1},\n "value": null\n}\n') == [
        Message("t", 0, 1, b'{"id": 1}', None)
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\x7fELF\0\0", "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_file_without_messages_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    for name in ("a.jsonl", "a.json"):
        with pytest.raises(FileProblem, match=reason):
            read(tmp_path / name, content)


def test_a_missing_file_and_a_directory_say_so(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.jsonl", tmp_path):
        with pytest.raises(FileProblem, match="cannot be read"):
            list(read_messages(feed(), path))


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz"])
def test_what_is_there_of_a_file_that_breaks_off_is_read_first(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = b"".join(orjson.dumps({"topic": "t", "value": event(n, n)}) + b"\n" for n in range(5000))
    packed = gzip.compress(lines)
    path.write_bytes(packed[: len(packed) // 2])
    found: list[Message] = []
    with pytest.raises(FileProblem, match="breaks off"):
        # What a list takes from an iterator before it fails stays in the list.
        found.extend(read_messages(feed(), path))
    assert 100 < len(found) < 5000
    assert all(isinstance(feed().decode(message), list) for message in found)


def test_changes_come_in_the_order_in_which_they_happened_and_others_are_refused(tmp_path: Path) -> None:
    refused: list[int] = []

    def refuse(message: Message, _: Undecodable) -> None:
        refused.append(message.offset)

    lines = [
        *(orjson.dumps({"topic": "t", "value": event(n, at)}) for n, at in ((1, 30), (2, 10), (3, 20))),
        b"{",
    ]
    messages = read(tmp_path / "a.jsonl", b"\n".join(lines))
    found = changes_in_order(feed(), messages, refuse)
    assert [c.record for c in found] == ["ticket:2", "ticket:3", "ticket:1"]
    assert refused == [4]
