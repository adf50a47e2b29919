"""Histories: several feeds in one, more than memory should hold, and what of them cannot be read."""

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.history import History
from streams.backtest.sorting import Sorter, Spill, Unordered
from streams.core.entries import Change, Source
from tests.command import STARTERS, Done, escalations

PAIRS = msgspec.msgpack.Decoder(list[tuple[int, int]])
START = datetime(2026, 3, 2, tzinfo=UTC)

TWO_FEEDS = """
version: 1
feeds:
  comments:
    format: csv
    at: written
    time: {format: iso, zone: UTC}
    record: {kind: ticket, id: ticket, customer: requester, fields: [words]}
  tickets:
    format: csv
    at: changed
    time: {format: iso, zone: UTC}
    record: {kind: ticket, id: ticket, stage: {field: status, closed: [solved]}}
people: {anna: }
fallback: anna
paths:
  silent:
    about: ticket
    where: {status: open}
    when: {untouched: 2d}
    steps: [{notify: anna}]
"""
TICKETS = """\
ticket,changed,status
1,2026-03-02T09:00:00,new
2,2026-03-02T09:00:00,new
1,2026-03-09T09:00:00,solved
"""
COMMENTS = "ticket,written,requester,words\n1,2026-03-03T08:00:00,C1,hello\n2,2026-03-02T09:00:00,C2,again\n"


def change(record: str, minutes: int, offset: int, order: tuple[int | str, ...] | None = None) -> Change:
    at = START + timedelta(minutes=minutes)
    return Change(record=record, op="upsert", at=at, feed="crm", source=Source("crm", 0, offset), order=order)


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 40))
def test_what_is_on_disk_comes_back_sorted_each_time(numbers: list[int], most: int) -> None:
    sorter = Sorter(PAIRS, most)
    pairs = [(number, index) for index, number in enumerate(numbers)]
    for pair in pairs:
        sorter.add(pair)
    assert list(sorter) == list(sorter) == sorted(pairs)
    assert len(sorter) == len(pairs)


def test_input_in_order_is_one_run_however_long() -> None:
    ordered, shuffled = Sorter(PAIRS, 10), Sorter(PAIRS, 10)
    pairs = [(number, 0) for number in range(1000)]
    for pair in pairs:
        ordered.add(pair)
    random.Random(1).shuffle(pairs)
    for pair in pairs:
        shuffled.add(pair)
    assert len(ordered.runs) == 1
    assert len(shuffled.runs) > 50


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spill = Spill()
    block = spill.append(b"x" * 100_000)
    assert spill.read(block) == b"x" * 100_000
    assert list(tmp_path.iterdir()) == []


def test_changes_of_one_moment_go_by_feed_then_by_token_then_as_they_came() -> None:
    history = History()
    given_ = [
        (change("deal:late", 1, 1), 0),
        (change("deal:second", 0, 2, (7,)), 1),
        (change("deal:first", 0, 3, (3,)), 1),
        (change("deal:other", 0, 4), 0),
        (change("deal:another", 0, 5), 0),
    ]
    for each, rank in given_:
        history.changes.add(each, rank)
    order = [each.record.removeprefix("deal:") for each in history.changes]
    assert order == ["other", "another", "first", "second", "late"]


def test_tokens_that_cannot_be_compared_are_told() -> None:
    history = History()
    history.changes.add(change("deal:1", 0, 1, (7,)), 0)
    history.changes.add(change("deal:1", 0, 2, ("a",)), 0)
    with pytest.raises(Unordered, match="not supported between"):
        list(history.changes)


def two_feeds(folder: Path, *arguments: str) -> Done:
    (folder / "escalations.yaml").write_text(TWO_FEEDS)
    (folder / "tickets.csv").write_text(TICKETS)
    (folder / "comments.csv").write_text(COMMENTS)
    return escalations("backtest", *arguments, cwd=folder)


def opened(folder: Path) -> list[tuple[str, str]]:
    lines = [msgspec.json.decode(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    return [(each["record"], each["at"]) for each in lines if each["event"] == "opened"]


def test_several_feeds_are_one_history(tmp_path: Path) -> None:
    both = ("--feed", "tickets=tickets.csv", "--feed", "comments=comments.csv", "--escalations", "out.jsonl")
    done = two_feeds(tmp_path, *both)
    assert done.code == 0, done
    assert "5 changes of 2 records, 2026-03-02 to 2026-03-09" in done.out
    # The comment has touched ticket 1 a day later.
    assert opened(tmp_path) == [("ticket:2", "2026-03-04T09:00:00Z"), ("ticket:1", "2026-03-05T08:00:00Z")]
    bytes_of_both = (tmp_path / "out.jsonl").read_bytes()
    for other in (
        ("--feed", "comments=comments.csv", "--feed", "tickets", "tickets.csv", "--escalations", "out.jsonl"),
        (*both, "--jobs", "2"),
    ):
        assert two_feeds(tmp_path, *other).out == done.out
        assert (tmp_path / "out.jsonl").read_bytes() == bytes_of_both
    two_feeds(tmp_path, "--feed", "tickets", "tickets.csv", "--escalations", "out.jsonl")
    assert ("ticket:1", "2026-03-04T09:00:00Z") in opened(tmp_path)


def test_explain_reads_several_feeds(tmp_path: Path) -> None:
    two_feeds(tmp_path, "--feed", "tickets=tickets.csv")
    command = ("explain", "ticket:1", "--feed", "tickets=tickets.csv", "--at", "2026-03-04T12:00:00Z")
    alone = escalations(*command, "--json", cwd=tmp_path)
    both = escalations(*command, "--feed", "comments=comments.csv", "--json", cwd=tmp_path)
    verdicts = [msgspec.json.decode(done.out)["verdict"] for done in (alone, both)]
    assert verdicts[0] != verdicts[1], verdicts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--feed", "tickets", "--feed", "comments", "tickets.csv"), "--feed tickets=FILE"),
        (("--feed", "tickets"), "--feed NAME FILE..."),
        (("tickets.csv",), "--feed NAME FILE..."),
        (("--feed", "tickets=tickets.csv", "comments.csv"), "--feed NAME FILE..."),
        (("--feed", "tikets=tickets.csv"), "there is no feed 'tikets'"),
        (("--feed", "tickets", "tickets.csv", "--from-offset", "3"), "go with --topic"),
        (("--topic", "tickets", "--from-offset", "3", "--from-time", "2026-03-02T00:00:00Z"), "not both"),
    ],
)
def test_wrong_use_is_told_with_what_to_write(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = two_feeds(tmp_path, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


SAMPLE = (STARTERS / "tickets.csv").read_text()
LINES = SAMPLE.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        ("", 0, "t.csv: the file is empty"),
        (SAMPLE.replace("revision", "version", 1), 0, "t.csv:1: there is no column 'revision'"),
        (
            "".join(LINES[:10]) + LINES[10].replace(",", ',"', 1) + "".join(LINES[11:]),
            9,
            "t.csv:11: a quote is",
        ),
    ],
)
def test_bad_input_is_told_and_what_came_before_it_is_counted(
    tmp_path: Path, content: str, changes: int, said: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    for jobs in ("1", "2"):
        done = escalations(
            "backtest",
            "-c",
            STARTERS / "csv.yaml",
            "--feed",
            "tickets",
            "t.csv",
            "--jobs",
            jobs,
            cwd=tmp_path,
        )
        assert done.code == 1
        assert said in done.err
        assert (f"{changes} changes of" in done.out) == (changes > 0)
        assert ("counted above" in done.err) == (changes > 0)


def test_a_file_cut_off_in_the_middle_of_a_line_is_read_up_to_there(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("".join(LINES[:10]) + LINES[10][:20])
    done = escalations("backtest", "-c", STARTERS / "csv.yaml", "--feed", "tickets", "t.csv", cwd=tmp_path)
    assert done.code == 0
    assert "9 changes of" in done.out
    assert "t.csv:11: " in done.out
