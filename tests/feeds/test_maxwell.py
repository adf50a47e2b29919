"""Maxwell's events: invented ones in the documented shape, and those of its documentation."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node
from streams.core.entries import Change, Said
from streams.core.record import apply, is_news
from streams.core.timestamps import micros
from streams.feeds import Format, Message
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, changes, passed_over, refusal, sample

TICKETS = {"kind": "ticket", "id": "id", "stage": "status", "created": "created_at"}
COMMENTS = {"kind": "ticket", "id": "ticket_id", "said": {"text": "body"}}


def feed(**options: Any) -> Format:
    records = {"tickets": TICKETS, "desk.comments": COMMENTS}
    return read_feed("crm", Node({"format": "maxwell", "topic": "maxwell", "records": records, **options}))


def event(kind: str = "update", table: str = "tickets", **parts: Any) -> dict[str, Any]:
    data = {"id": 7, "ticket_id": 7, "status": "open", "body": "Hello?"}
    return {"database": "desk", "table": table, "type": kind, "ts": 1772442000, "data": data, **parts}


def message(value: Any, offset: int = 41, key: Any = None) -> Message:
    return Message("maxwell", 0, offset, None if key is None else orjson.dumps(key), orjson.dumps(value))


def test_a_row_is_a_change_at_its_second() -> None:
    decoded = change(feed().decode(message(event(xid=1, commit=True))))
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:7", "upsert", {"stage": "open"})
    assert (decoded.at, decoded.order) == (datetime(2026, 3, 2, 9, tzinfo=UTC), None)


def test_rows_are_ordered_by_their_place_in_the_binlog() -> None:
    events = [
        event(position="master.000009:900", xoffset=0, data={"id": 7, "status": "a"}),
        event(position="master.000010:100", xoffset=0, data={"id": 7, "status": "b"}),
        event(position="master.000010:100", xoffset=1, data={"id": 7, "status": "c"}),
        event(position="master.000010:100", commit=True, data={"id": 7, "status": "d"}),
    ]
    orders = [change(feed().decode(message(each))).order for each in events]
    assert orders == sorted(orders, key=lambda each: each or ())
    assert len(set(orders)) == 4


def test_rows_of_one_place_go_by_the_offset() -> None:
    first, second = (change(feed().decode(message(event(position="m.1:5"), offset))) for offset in (41, 42))
    record, _ = apply(None, first, micros(first.at))
    assert is_news(record, second)
    assert not is_news(apply(record, second, micros(first.at))[0], first)


def test_a_bootstrap_is_a_snapshot_without_an_order() -> None:
    decoded = change(feed().decode(message(event("bootstrap-insert", position="m.1:5"))))
    assert (decoded.op, decoded.order) == ("refresh", None)


def test_a_delete_has_the_last_row() -> None:
    decoded = change(feed().decode(message(event("delete"))))
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:7", "delete", {})


def test_an_update_that_changes_the_id_deletes_the_record_that_had_it() -> None:
    gone, new = changes(feed().decode(message(event(old={"id": 6}))))
    assert [(each.record, each.op) for each in (gone, new)] == [
        ("ticket:6", "delete"),
        ("ticket:7", "upsert"),
    ]
    assert change(feed().decode(message(event(old={"status": "new"})))).record == "ticket:7"


def test_a_comment_is_said_when_it_is_inserted_and_its_delete_is_not_its_tickets() -> None:
    def decoded(kind: str, **parts: Any) -> Change:
        return change(feed().decode(message(event(kind, "comments", position="m.1:5", **parts))))

    assert (decoded("insert").said, decoded("insert").order) == (Said("Hello?"), None)
    assert decoded("update", old={"body": "Hallo?", "ticket_id": 6}).said is None
    gone = event("delete", "comments")
    assert "a delete of a message" in passed_over(feed().decode(message(gone)))
    key = {"database": "desk", "table": "comments", "pk.id": 3}
    assert "a delete of a message" in passed_over(feed().decode(message(gone, key=key)))
    key = {"database": "desk", "table": "comments", "pk.ticket_id": 7}
    assert change(feed().decode(message(gone, key=key))).op == "delete"


def test_a_datetime_takes_a_zone_and_a_zero_date_is_none() -> None:
    local = event(data={"id": 7, "created_at": "2026-03-02 10:00:00.5"})
    assert "say in which zone" in refusal(feed(), message(local))
    berlin = feed(time={"zone": "Europe/Berlin"})
    assert change(berlin.decode(message(local))).fields == {"created": "2026-03-02T09:00:00.500000Z"}
    zero = event(data={"id": 7, "created_at": "0000-00-00 00:00:00"})
    assert change(berlin.decode(message(zero))).fields == {"created": None}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (event("table-alter", ts=1772442000000), "table-alter: not a row"),
        (event("bootstrap-complete"), "bootstrap-complete: not a row"),
        (event("database-create"), "database-create: not a row"),
        (event(table="deals"), "a row of the table 'desk.deals', for which there is no record"),
        (event(table="comments", database="other"), "'other.comments', for which there is no record"),
    ],
)
def test_what_says_nothing_of_a_record_is_passed_over(value: Any, reason: str) -> None:
    assert reason in passed_over(feed().decode(message(value)))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"data": {}}, "there is no `type`: not an event of Maxwell's; there are: data"),
        (event("upsert"), "'upsert' is none of Maxwell's"),
        (event(ts=None), "there is no `ts`"),
        (event(ts="soon"), "`ts`: 'soon' is not a time"),
        (event(ts=1772442000000000), "`ts`: 1772442000000000 is not a time"),
        (event(data=[1]), "`data` is a list"),
        (event(old=5), "`old` is 5"),
        (event(position="gtid"), "'gtid' is not of the form master.000006:800911"),
    ],
)
def test_what_cannot_be_read_says_why(value: Any, reason: str) -> None:
    assert reason in refusal(feed(), message(value))


def test_its_documentations_events_are_read() -> None:
    record = {"kind": "ticket", "id": "id", "created": "c", "value": "m", "fields": ["comment"]}
    reader = feed(records={"test.e": record}, time={"zone": "UTC"})
    found: dict[str, Any] = {}
    for path in sorted(sample("maxwell").iterdir()):
        found[path.stem] = reader.decode(Message("maxwell", 0, 1, None, path.read_bytes()))
    assert change(found["insert"]).order == (6, 800911, 2**53, 1)
    assert change(found["insert"]).at == datetime(2016, 10, 21, 12, 33, 37, tzinfo=UTC)
    assert change(found["update"]).fields == {
        "created": "2016-10-21T05:33:54.631000Z",
        "value": 5.444,
        "comment": "I am a creature of light.",
    }
    assert change(found["delete"]).op == "delete"
    assert passed_over(found["ddl_table_alter_ts_in_ms"]) == "table-alter: not a row"
