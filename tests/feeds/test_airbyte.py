"""Airbyte's rows on Kafka: with and without change data capture."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node
from streams.core.entries import Said
from streams.feeds import Format, Message
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, passed_over, refusal, sample

RECORDS = {
    "tickets": {"kind": "ticket", "id": "id", "stage": "status"},
    "comments": {"kind": "ticket", "id": "ticket_id", "said": {"text": "body"}},
}
EMITTED = 1772452800000
ROW = {
    "id": 7,
    "status": "open",
    "_ab_cdc_lsn": 500,
    "_ab_cdc_updated_at": "2026-03-02T09:00:00.250000Z",
    "_ab_cdc_deleted_at": None,
}


def feed(**options: Any) -> Format:
    return read_feed(
        "crm", Node({"format": "airbyte", "topic": "airbyte.crm", "records": RECORDS, **options})
    )


def message(data: Any, stream: Any = "tickets", **envelope: Any) -> Message:
    value = {
        "_airbyte_ab_id": "x",
        "_airbyte_stream": stream,
        "_airbyte_emitted_at": EMITTED,
        "_airbyte_data": data,
        **envelope,
    }
    return Message("airbyte.crm", 0, 41, b"00000000-0000-4000-8000-000000000001", orjson.dumps(value))


def test_a_row_of_change_data_capture_is_a_change_at_its_commit() -> None:
    decoded = change(feed().decode(message(ROW)))
    assert (decoded.record, decoded.op, decoded.order) == ("ticket:7", "upsert", (500,))
    assert (decoded.at, decoded.fields) == (
        datetime(2026, 3, 2, 9, 0, 0, 250000, tzinfo=UTC),
        {"stage": "open"},
    )


def test_a_row_with_a_time_of_its_delete_is_one() -> None:
    gone = {"id": 7, "status": None, "_ab_cdc_lsn": "501", "_ab_cdc_deleted_at": "2026-03-02T10:00:00Z"}
    decoded = change(feed().decode(message(gone)))
    assert (decoded.op, decoded.fields, decoded.order) == ("delete", {}, (501,))
    assert decoded.at == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_other_streams_say_which_column_is_the_time() -> None:
    row = {"id": 7, "status": "open", "updated_at": "2026-03-02T09:00:00Z"}
    assert "of a stream without change data capture say which column it is" in refusal(feed(), message(row))
    nine = 1772442000000000
    assert change(feed(at="updated_at").decode(message(row))).order == (nine, EMITTED * 1000)
    emitted = change(feed(at="_airbyte_emitted_at").decode(message(row)))
    assert (emitted.at, emitted.order) == (
        datetime(2026, 3, 2, 12, tzinfo=UTC),
        (EMITTED * 1000, EMITTED * 1000),
    )
    later = message(row, _airbyte_emitted_at=None, _airbyte_extracted_at=EMITTED + 1)
    assert (change(feed(at="updated_at").decode(later)).order or ())[1] == (EMITTED + 1) * 1000


def test_other_columns_may_order_the_rows() -> None:
    row = {**ROW, "_ab_cdc_lsn": "00000027:00000758:0005", "_ab_cdc_cursor": 9}
    assert "'_ab_cdc_lsn', which orders the changes, is" in refusal(feed(), message(row))
    assert change(feed(order="_ab_cdc_cursor").decode(message(row))).order == (9,)


def test_a_row_may_be_kept_as_text() -> None:
    assert change(feed().decode(message(orjson.dumps(ROW).decode()))).record == "ticket:7"
    assert "`_airbyte_data` is not JSON" in refusal(feed(), message("{"))


def test_a_comment_has_no_order_and_its_delete_is_not_its_tickets() -> None:
    row = {**ROW, "ticket_id": 7, "body": "Hello?"}
    said = change(feed().decode(message(row, "comments")))
    assert (said.said, said.order) == (Said("Hello?"), None)
    gone = message({**row, "_ab_cdc_deleted_at": "2026-03-02T10:00:00Z"}, "comments")
    assert "a delete of a message" in passed_over(feed().decode(gone))


def test_times_without_an_offset_take_a_zone() -> None:
    row = {"id": 7, "updated_at": "2026-03-02 10:00:00"}
    assert "say in which zone" in refusal(feed(at="updated_at"), message(row))
    berlin = feed(at="updated_at", time={"zone": "Europe/Berlin"})
    assert change(berlin.decode(message(row))).at == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_other_streams_are_passed_over() -> None:
    for stream in ("deals", None, ["tickets"]):
        assert "for which there is no record" in passed_over(feed().decode(message(ROW, stream)))
    assert passed_over(feed().decode(Message("t", 0, 0, b"k", None))) == "a message without a value"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Message("t", 0, 0, None, b'{"id": 7}'), "there is no `_airbyte_data`: not a message of Airbyte's"),
        (Message("t", 0, 0, None, b"[]"), "not a message of Airbyte's; there are: a list"),
        (message([ROW]), "`_airbyte_data` is a list, not a row"),
        (message(ROW, _airbyte_emitted_at=None), "`_airbyte_emitted_at`: None is not a"),
        (message({**ROW, "_ab_cdc_updated_at": "soon"}), "column '_ab_cdc_updated_at': 'soon' is not a time"),
        (message({**ROW, "id": None}), "the id column 'id' is empty"),
    ],
)
def test_what_cannot_be_read_says_why(broken: Message, reason: str) -> None:
    assert reason in refusal(feed(), broken)


def test_rows_in_the_documented_shape_are_read() -> None:
    found = []
    for name in ("update", "delete"):
        wrapped = orjson.loads(sample(f"airbyte-kafka/DERIVED_{name}.json").read_bytes())
        found.append(
            change(
                feed().decode(Message("t", 0, 0, wrapped["_key"].encode(), orjson.dumps(wrapped["value"])))
            )
        )
    update, delete = found
    assert (update.record, update.fields, update.order) == ("ticket:100", {"stage": "open"}, (26608232,))
    assert (delete.op, delete.at) == ("delete", datetime(2026, 11, 3, 11, tzinfo=UTC))
    assert (delete.order or ()) > (update.order or ())
