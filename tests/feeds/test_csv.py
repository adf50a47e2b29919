"""CSV feeds: rows on a topic, rows in files, and a real history.

The history lies outside this repository; HISTORIES names another directory of the same form.
"""

import gzip
import itertools
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.core.document import Node, Problem
from streams.core.entries import Change, Said
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.csv import CsvFeed, read_feed
from streams.feeds.files import FileProblem, changes_in_order, messages_in_order, read_messages

BASE: dict[str, Any] = {
    "format": "csv",
    "at": "updated",
    "time": {"format": "%d/%m/%Y %H:%M", "zone": "Europe/Berlin"},
    "null": ["?"],
    "record": {"kind": "ticket", "id": "number", "owner": "who", "created": "opened"},
}


def feed(**options: Any) -> CsvFeed:
    return read_feed("incidents", Node({**BASE, **options}))


def row(offset: int = 0, **cells: Any) -> Message:
    cells = {"number": "INC1", "updated": "29/2/2016 01:23", **cells}
    return Message("incidents", 0, offset, None, orjson.dumps(cells))


def change(decoded: list[Change] | PassedOver) -> Change:
    assert isinstance(decoded, list)
    (only,) = decoded
    return only


def refuse(message: Message, error: Undecodable) -> None:
    raise error


def test_a_row_is_an_upsert_at_its_time() -> None:
    decoded = change(feed().decode(row(7, who="Anna", opened="29/2/2016 01:16")))
    assert (decoded.record, decoded.op) == ("ticket:INC1", "upsert")
    assert decoded.at == datetime(2016, 2, 29, 0, 23, tzinfo=UTC)
    assert decoded.fields == {"owner": "Anna", "created": "2016-02-29T00:16:00Z"}
    assert decoded.order == (1456705380000000, 7)


def test_the_empty_text_and_the_markers_are_null_and_a_missing_column_is_absent() -> None:
    assert change(feed().decode(row(who="?", opened=""))).fields == {"owner": None, "created": None}
    assert change(feed().decode(row())).fields == {}


def test_each_row_with_a_text_says_it() -> None:
    record = {
        "kind": "ticket",
        "id": "number",
        "by": {"field": "role", "person": ["agent"], "customer": ["caller"]},
        "said": {"text": "comment", "public": {"field": "type", "is": ["reply"]}},
        "responded": "answered",
        "merged": "parent",
    }
    reader = feed(record=record)
    cells = {"role": "caller", "comment": "Hello?", "type": "reply", "answered": "?", "parent": "INC7"}
    first = change(reader.decode(row(1, **cells)))
    assert (first.by, first.said) == ("customer", Said("Hello?"))
    assert first.fields == {"responded": None, "merged": "ticket:INC7"}
    again = change(reader.decode(row(2, **cells)))
    assert (again.said, again.order) == (first.said, (*(first.order or ())[:1], 2))
    silent = change(reader.decode(row(3, **{**cells, "comment": "", "answered": "29/2/2016 02:00"})))
    assert (silent.by, silent.said) == ("customer", None)
    assert silent.fields == {"responded": "2016-02-29T01:00:00Z", "merged": "ticket:INC7"}
    assert change(reader.decode(row(4))).said is None


def test_columns_of_what_was_said_may_not_be_withheld() -> None:
    record = {**BASE["record"], "said": {"text": "comment"}, "by": "role"}
    for column in ("comment", "role"):
        with pytest.raises(Problem, match="withheld and read"):
            feed(record=record, withhold=[column])


def test_the_topic_is_the_feeds_name_unless_it_is_given() -> None:
    assert (feed().topic, feed(topic="x").topic) == ("incidents", "x")


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("27/3/2016 01:59", "2016-03-27T00:59:00Z"),
        # 02:30 never came: clocks went from 02:00 to 03:00; the offset from before holds.
        ("27/3/2016 02:30", "2016-03-27T01:30:00Z"),
        ("27/3/2016 03:00", "2016-03-27T01:00:00Z"),
        # 02:30 came twice: the earlier one, in summer time.
        ("30/10/2016 02:30", "2016-10-30T00:30:00Z"),
        ("30/10/2016 03:00", "2016-10-30T02:00:00Z"),
        ("1/7/2016 12:00", "2016-07-01T10:00:00Z"),
    ],
)
def test_a_wall_clock_is_read_in_its_zone_across_changes_of_the_clocks(local: str, utc: str) -> None:
    assert change(feed().decode(row(opened=local))).fields == {"created": utc}


@pytest.mark.parametrize(
    ("time", "text", "utc"),
    [
        ({"format": "iso"}, "2017-01-09T09:49:50.000+01:00", "2017-01-09T08:49:50Z"),
        ({"format": "iso", "zone": "Europe/Rome"}, "2012-10-09T14:50:17", "2012-10-09T12:50:17Z"),
        (
            {"format": "iso", "zone": "Europe/Rome", "offset": "ignore"},
            "2012-10-09T14:50:17.000+03:00",
            "2012-10-09T12:50:17Z",
        ),
        ({"format": "%a %b %d %H:%M:%S %z %Y"}, "Tue Oct 31 22:10:47 +0000 2017", "2017-10-31T22:10:47Z"),
        ({"format": "%d-%m-%Y", "zone": "UTC"}, "03-07-2014", "2014-07-03T00:00:00Z"),
    ],
)
def test_times_come_in_the_format_that_is_configured(time: dict[str, str], text: str, utc: str) -> None:
    assert change(feed(time=time).decode(row(updated=text, opened=text))).fields == {"created": utc}


def test_changes_of_one_moment_are_ordered_by_the_columns_of_order_and_then_as_read() -> None:
    ordered = feed(order=["updated", "count"])
    first, second, third = (
        change(ordered.decode(row(offset, count=count))).order or ()
        for offset, count in ((9, "2"), (4, "10"), (5, "10"))
    )
    assert first < second < third


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (row(updated="yesterday"), "'yesterday'"),
        (row(updated="31/2/2016 01:00"), "updated"),
        (row(updated="?"), "'updated', the time of the change, is empty"),
        (row(updated=[]), "a list"),
        (row(number=""), "the id column 'number' is empty"),
        (row(opened=5), "created, column 'opened'"),
        (row(who={}), "owner, column 'who'"),
        (Message("t", 0, 0, None, b'{"number": "1"}'), "is missing; there are: number"),
        (Message("t", 0, 0, None, b'["a", "b"]'), "a row of 2 cells"),
        (Message("t", 0, 0, None, b"1"), "1"),
        (Message("t", 0, 0, None, b"number,updated"), "not JSON"),
    ],
)
def test_a_row_that_cannot_be_read_is_undecodable_with_a_reason(message: Message, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        feed().decode(message)
    assert reason in str(caught.value)


def test_an_order_column_that_is_no_whole_number_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="'count', which orders the changes, is 'x'"):
        feed(order=["count"]).decode(row(count="x"))


def test_a_message_without_a_value_is_passed_over() -> None:
    assert isinstance(feed().decode(Message("t", 0, 0, None, None)), PassedOver)


@pytest.mark.parametrize(
    ("options", "position", "message"),
    [
        ({"time": {"format": "%d/%m/%Y"}}, ("time",), "have no offset"),
        ({"time": {"format": "%H:%M", "zone": "UTC"}}, ("time", "format"), "does not name a day"),
        ({"time": {"format": "%Q", "zone": "UTC"}}, ("time", "format"), "no format"),
        ({"time": {"format": "iso", "zone": "Mars"}}, ("time", "zone"), "'Mars'"),
        ({"time": {"format": "iso", "offset": "ignore"}}, ("time",), "offset"),
        ({"time": "iso"}, ("time",), "text"),
        ({"withhold": ["closed", "opened"]}, ("withhold", 1), "'opened' is withheld"),
        ({"withhold": "updated"}, ("withhold",), "'updated' is withheld"),
        ({"delimiter": ", "}, ("delimiter",), "separate"),
        ({"nulls": ["?"]}, ("nulls",), "'nulls'"),
        ({"at": None}, ("at",), "empty"),
        (
            {"record": {**BASE["record"], "created": {"field": "opened", "unit": "s"}}},
            ("record", "created"),
            "without a zone",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_where_it_is_wrong(
    options: dict[str, Any], position: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(Problem) as caught:
        feed(**options)
    assert caught.value.position == position
    assert message in caught.value.message
    assert caught.value.remedy


def test_a_file_gives_one_message_a_row_without_the_withheld_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        '\ufeffnumber,updated,who,opened,closed\nINC1,29/2/2016 01:23,"Anna, or\nBert",,1/3/2016\n\n'
        "INC2,29/2/2016 01:24,?,,2/3/2016\n",
        encoding="utf-8",
    )
    reader = feed(withhold=["closed"])
    messages = list(read_messages(reader, path))
    assert [(m.topic, m.partition, m.offset) for m in messages] == [("rows.csv", 0, 1), ("rows.csv", 0, 2)]
    assert not any(b"closed" in (m.value or b"") or b"3/2016" in (m.value or b"") for m in messages)
    first, second = (change(reader.decode(m)) for m in messages)
    assert (first.fields["owner"], second.fields["owner"]) == ("Anna, or\nBert", None)


def test_a_delimiter_and_compression_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(gzip.compress(b"number;updated;who;opened\nINC1;29/2/2016 01:23;Anna;\n"))
    reader = feed(delimiter=";")
    assert change(reader.decode(next(read_messages(reader, path)))).fields["owner"] == "Anna"


def test_a_row_of_another_length_than_the_header_is_undecodable_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("number,updated,who,opened\nINC1\nINC2,a,b,c,d\nINC3,29/2/2016 01:23,,\n")
    refused: list[str] = []
    reader = feed()
    found = changes_in_order(
        reader, read_messages(reader, path), lambda m, error: refused.append(f"{m.offset}: {error}")
    )
    assert [c.record for c in found] == ["ticket:INC3"]
    assert [text[:17] for text in refused] == ["1: a row of 1 cel", "2: a row of 5 cel"]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"", 0, "empty"),
        (b"number,updated,whom,opened\n", 1, "no column 'who'"),
        (b"number,updated,who,who,opened\n", 1, "two columns 'who'"),
        (b"number,updated,who,opened\nINC1,\xff,,\n", 0, "UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", 0, "UTF-8"),
        (b'number,updated,who,opened\n"' + b"x" * 200_000, 2, "field larger"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0nothing", 0, "damaged"),
    ],
)
def test_a_file_that_is_no_csv_of_the_feed_says_so(
    tmp_path: Path, content: bytes, line: int, reason: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(FileProblem) as caught:
        list(read_messages(feed(), path))
    assert caught.value.line == line
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_a_misspelt_column_is_met_with_the_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("number,updated,whom,opened\n")
    with pytest.raises(FileProblem) as caught:
        list(read_messages(feed(), path))
    assert "Did you mean 'whom'?" in caught.value.remedy


def histories() -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared/data"
    return Path(os.environ.get("HISTORIES") or beside)


INCIDENTS = histories() / "tickets/servicenow_incidents.csv.gz"
needs_incidents = pytest.mark.skipif(
    not INCIDENTS.exists(), reason=f"no history at {INCIDENTS}; HISTORIES names another directory"
)


@needs_incidents
def test_a_real_history_of_incidents_is_read_in_the_order_in_which_it_happened() -> None:
    reader = read_feed(
        "incidents",
        Node(
            {
                "format": "csv",
                "at": "sys_updated_at",
                "time": {"format": "%d/%m/%Y %H:%M", "zone": "Europe/Berlin"},
                "null": ["?"],
                "order": ["sys_updated_at", "sys_mod_count"],
                "withhold": ["resolved_at", "closed_at", "resolved_by", "closed_code"],
                "record": {
                    "kind": "ticket",
                    "id": "number",
                    "owner": "assigned_to",
                    "stage": {
                        "field": "incident_state",
                        "paused": ["Awaiting User Info", "Awaiting Vendor", "Awaiting Problem"],
                        "closed": ["Resolved", "Closed"],
                    },
                    "priority": {
                        "field": "priority",
                        "values": {"1 - Critical": "urgent", "2 - High": "high"},
                    },
                    "created": "opened_at",
                    "contacts": "reopen_count",
                    "fields": ["category", "made_sla"],
                },
            }
        ),
    )
    seen: list[bytes] = []

    def watched() -> Any:
        for message in read_messages(reader, INCIDENTS):
            seen.append(message.value or b"")
            yield message

    found = changes_in_order(reader, watched(), refuse)
    assert len(found) == 101_045
    assert len({c.record for c in found}) == 17_136
    assert not any(b"resolved_at" in value or b"closed_at" in value for value in seen)
    assert all(a.at <= b.at for a, b in itertools.pairwise(found))
    assert {c.fields["status"] for c in found} == {"open", "paused", "closed"}
    last: dict[str, tuple[Any, ...]] = {}
    for each in found:
        assert last.get(each.record, ()) < (each.order or ())
        last[each.record] = each.order or ()


def test_messages_come_in_the_order_in_which_they_happened_with_their_change(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "number,updated,who,opened\nA,3/1/2016 10:00,,\nA,1/1/2016 10:00,,\n"
        "B,2/1/2016 10:00,,\nB,2/1/2016 10:00,x,\n"
    )
    reader = feed()
    played = messages_in_order(reader, read_messages(reader, path), refuse)
    assert [(each.record, message.offset) for each, message in played] == [
        ("ticket:A", 2),
        ("ticket:B", 3),
        ("ticket:B", 4),
        ("ticket:A", 1),
    ]


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_a_quote_that_is_never_closed_is_found_where_it_opened(tmp_path: Path, end: str) -> None:
    rows = [
        "number,updated,who,opened",
        'INC1,29/2/2016 01:23,"fine,',
        'over two lines",',
        'INC2,29/2/2016 01:24,"ok",',
        '"INC',
        '3",29/2/2016 01:24,"open,',
        "INC4,29/2/2016 01:25,anna,",
        "INC5,29/2/2016 01:25,anna,",
    ]
    path = tmp_path / "rows.csv"
    path.write_bytes(((end or "\n").join(rows) + end).encode())
    found: list[Message] = []
    with pytest.raises(FileProblem, match=r"rows\.csv:6: a quote is opened here and never closed"):
        found.extend(read_messages(feed(), path))
    assert [each.place for each in found] == ["rows.csv:2", "rows.csv:4"]
