"""Plain JSON: dotted paths, lists of items, times, order and operations."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node, Problem
from streams.core.entries import Change, Said
from streams.core.timestamps import micros
from streams.feeds import Format, Message
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, changes, folded, passed_over, refusal, sample

BASE: dict[str, Any] = {
    "format": "json",
    "topic": "desk.tickets",
    "at": "ticket.updated_at",
    "record": {
        "kind": "ticket",
        "id": "ticket.id",
        "stage": {"field": "ticket.status", "closed": ["solved"]},
        "owner": "ticket.assignee.id",
    },
}
AT = "2026-03-02T09:00:00Z"


def feed(**options: Any) -> Format:
    return read_feed("tickets", Node({**BASE, **options}))


def message(value: Any, offset: int = 41, timestamp: int | None = None) -> Message:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return Message("desk.tickets", 2, offset, None, data, timestamp)


def ticket(**properties: Any) -> dict[str, Any]:
    return {"event": "ticket.changed", "ticket": {"id": 7, "updated_at": AT, **properties}}


def test_columns_are_dotted_paths() -> None:
    decoded = change(feed().decode(message(ticket(status="open", assignee={"id": 12, "name": "Anna"}))))
    assert (decoded.record, decoded.op, decoded.at) == (
        "ticket:7",
        "upsert",
        datetime(2026, 3, 2, 9, tzinfo=UTC),
    )
    assert decoded.fields == {"stage": "open", "status": "open", "owner": "12"}


@pytest.mark.parametrize(
    ("properties", "fields"),
    [
        ({}, {}),
        ({"assignee": None}, {"owner": None}),
        ({"assignee": {}}, {}),
        ({"assignee": {"id": None}}, {"owner": None}),
        ({"status": None}, {"stage": None, "status": "open"}),
    ],
)
def test_what_is_absent_is_unchanged_and_a_null_on_the_way_is_a_null(
    properties: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert change(feed().decode(message(ticket(**properties)))).fields == fields


def test_a_key_that_is_written_with_a_dot_goes_before_a_path() -> None:
    record = {"kind": "ticket", "id": "a.b"}
    assert change(
        feed(at="at", record=record).decode(message({"a.b": 1, "a": {"b": 2}, "at": AT}))
    ).record == ("ticket:1")


def test_texts_of_null_are_nulls() -> None:
    reader = feed(null=["", "?"])
    assert change(reader.decode(message(ticket(status="", assignee={"id": "?"})))).fields == {
        "stage": None,
        "status": "open",
        "owner": None,
    }
    assert change(feed().decode(message(ticket(status="")))).fields["stage"] == ""


def test_each_item_of_a_list_is_a_change_with_an_order_of_its_own() -> None:
    reader = feed(
        each="batch.tickets", at=".sent_at", record={"kind": "ticket", "id": "id", "stage": "status"}
    )
    batch = {
        "sent_at": AT,
        "status": "not of an item",
        "batch": {"tickets": [{"id": 1, "status": "new"}, {"id": 1, "status": "open"}, {"id": 2}]},
    }
    found = changes(reader.decode(message(batch)))
    assert [(each.record, each.fields) for each in found] == [
        ("ticket:1", {"stage": "new"}),
        ("ticket:1", {"stage": "open"}),
        ("ticket:2", {}),
    ]
    assert folded(found[:2]).stage == "open"


def test_a_message_may_be_a_list_itself() -> None:
    reader = feed(each=".", at="updated_at", record={"kind": "ticket", "id": "id"})
    items = [{"id": 1, "updated_at": AT}, {"id": 2, "updated_at": AT}]
    assert [each.record for each in changes(reader.decode(message(items)))] == ["ticket:1", "ticket:2"]
    assert passed_over(reader.decode(message([]))) == "a list without items"


def test_the_brokers_timestamp_is_a_time_only_where_that_is_said() -> None:
    reader = feed(at={"broker": "timestamp"})
    assert change(reader.decode(message(ticket(), timestamp=1772442000250))).at == datetime(
        2026, 3, 2, 9, 0, 0, 250000, tzinfo=UTC
    )
    assert "no timestamp of the broker" in refusal(reader, message(ticket()))
    assert "'ticket.updated_at', the time of the change, is empty" in refusal(
        feed(), message(ticket(updated_at=None), timestamp=1772442000250)
    )


@pytest.mark.parametrize(
    ("time", "written", "utc"),
    [
        ({"unit": "ms", "zone": "UTC"}, 1772442000250, "2026-03-02T09:00:00.250000Z"),
        ({"unit": "ms", "zone": "UTC"}, "1772442000250", "2026-03-02T09:00:00.250000Z"),
        ({"unit": "s", "zone": "UTC"}, 1772442000.25, "2026-03-02T09:00:00.250000Z"),
        ({"unit": "s", "zone": "UTC"}, "1772442000.25", "2026-03-02T09:00:00.250000Z"),
        ({"unit": "us", "zone": "UTC"}, 1772442000250001, "2026-03-02T09:00:00.250001Z"),
        ({"unit": "ns", "zone": "UTC"}, 1772442000250001999, "2026-03-02T09:00:00.250001Z"),
        ({"unit": "days", "zone": "Europe/Berlin"}, 20514, "2026-03-01T23:00:00Z"),
        ({"zone": "Europe/Berlin"}, "2026-03-02 10:00:00", AT),
        ({"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}, "02.03.2026 10:00", AT),
        ({"format": "iso"}, "2026-03-02T10:00:00.123456789+01:00", "2026-03-02T09:00:00.123456Z"),
    ],
)
def test_times_come_as_they_are_said_to(time: dict[str, str], written: Any, utc: str) -> None:
    record = {**BASE["record"], "created": "ticket.updated_at"}
    decoded = change(feed(time=time, record=record).decode(message(ticket(updated_at=written))))
    assert decoded.fields["created"] == utc
    assert decoded.at == datetime.fromisoformat(utc)


def test_one_column_may_be_written_otherwise() -> None:
    record = {
        **BASE["record"],
        "created": {"field": "ticket.opened", "unit": "s", "zone": "UTC"},
        "planned": {"field": "ticket.due", "format": "%d.%m.%Y", "zone": "Europe/Berlin"},
    }
    decoded = change(feed(record=record).decode(message(ticket(opened=1772442000, due="03.03.2026"))))
    assert decoded.fields == {"created": AT, "planned": "2026-03-02T23:00:00Z"}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (1772442000250, "say what it counts and in which zone, such as {unit: ms, zone: UTC}"),
        ("2026-03-02 10:00:00", "has no offset: say in which zone it is meant, zone: Europe/Berlin"),
        ("9999-12-31T00:00:00Z", "outside the years"),
        (True, "True is not a time"),
        ({}, "an object is not a time"),
    ],
)
def test_a_time_is_never_guessed(written: Any, reason: str) -> None:
    assert reason in refusal(feed(), message(ticket(updated_at=written)))


def test_true_is_not_one() -> None:
    reader = feed(time={"unit": "s", "zone": "UTC"})
    assert change(reader.decode(message(ticket(updated_at=1.0)))).at.year == 1970
    assert "True is not a number" in refusal(reader, message(ticket(updated_at=True)))


def test_what_comes_late_is_put_in_its_place_where_no_order_is_promised() -> None:
    stories = {}
    for unordered in (False, True):
        reader = feed(unordered=unordered)
        first, second = (
            change(reader.decode(message(ticket(updated_at=at, status="open"), offset)))
            for at, offset in (("2026-03-02T09:00:00Z", 2), ("2026-03-02T10:00:00Z", 1))
        )
        stories[unordered] = [folded([second, first]).entered, folded([first, second]).entered]
    assert stories[True] == [micros(first.at)] * 2
    assert stories[False] == [micros(second.at), micros(first.at)]
    with pytest.raises(Problem, match="Write true or false"):
        feed(unordered="often")


def test_a_column_orders_the_changes_of_a_record() -> None:
    reader = feed(order="ticket.version")
    older, newer = (
        change(reader.decode(message(ticket(version=version, status=status), offset)))
        for version, status, offset in (("9", "new", 50), (10, "open", 40))
    )
    assert folded([newer, older]).stage == "open"
    assert "'ticket.version', which orders the changes, is 'x'" in refusal(
        reader, message(ticket(version="x"))
    )
    assert "is None, not a whole number" in refusal(reader, message(ticket()))


def test_operations_are_what_the_column_says() -> None:
    operation = {"field": "event", "delete": ["ticket.deleted"], "refresh": "ticket.read", "ignore": ["ping"]}
    reader = feed(operation=operation)

    def op(event: Any) -> Change:
        return change(reader.decode(message({**ticket(status="open"), "event": event})))

    assert (op("ticket.deleted").op, op("ticket.deleted").fields) == ("delete", {})
    assert (op("ticket.read").op, op("ticket.read").fields["stage"]) == ("refresh", "open")
    assert (op("ticket.changed").op, op(None).op) == ("upsert", "upsert")
    assert "to be ignored" in passed_over(reader.decode(message({"event": "ping"})))
    flag = feed(operation={"field": "ticket.gone", "delete": True})
    assert [change(flag.decode(message(ticket(gone=gone)))).op for gone in (True, False)] == [
        "delete",
        "upsert",
    ]


def test_a_text_is_said() -> None:
    record = {**BASE["record"], "by": "role", "said": {"text": "ticket.comment.body"}}
    decoded = change(
        feed(record=record).decode(message({**ticket(comment={"body": "Hello?"}), "role": "customer"}))
    )
    assert (decoded.by, decoded.said) == ("customer", Said("Hello?"))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "not JSON"),
        (5, "the value is 5, not an object"),
        ([ticket()], "where it is a list of records, say so, `each: .`"),
        ({"ticket": 5}, "'ticket' is 5, not an object"),
        ({"ticket": [1]}, "'ticket' is a list, not an object"),
        ({}, "the time of the change, is missing"),
        (ticket(id=None), "the id column 'ticket.id' is empty"),
        ({"ticket": {"updated_at": AT}}, "there is no id column 'ticket.id'"),
    ],
)
def test_what_cannot_be_read_says_why(value: Any, reason: str) -> None:
    assert reason in refusal(feed(), message(value))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"tickets": {}}, "what is at 'tickets' is an object, not a list"),
        ({"ticket": []}, "there is no list at 'tickets'; there are: ticket"),
        ({"tickets": [5]}, "item 0 of the list is 5, not an object"),
        (5, "there is no list at 'tickets'"),
    ],
)
def test_a_list_that_is_not_there_says_so(value: Any, reason: str) -> None:
    assert reason in refusal(feed(each="tickets"), message(value))


def test_a_tombstone_says_nothing() -> None:
    assert passed_over(feed().decode(Message("t", 0, 0, b"7", None))) == "a message without a value"


@pytest.mark.parametrize(
    ("options", "position", "text"),
    [
        ({"at": {"broker": "offset"}}, ("at", "broker"), "'offset'"),
        ({"at": {"field": "x"}}, ("at", "field"), "unknown key"),
        ({"time": {"unit": "ms"}}, ("time",), "without a zone"),
        ({"time": {"unit": "h", "zone": "UTC"}}, ("time", "unit"), "'h'"),
        ({"time": {"unit": "s", "format": "iso", "zone": "UTC"}}, ("time", "unit"), "a format or"),
        ({"operation": {"field": "event"}}, ("operation",), "names no value"),
        ({"operation": {"field": "e", "delete": "x", "ignore": ["x"]}}, ("operation", "ignore", 0), "both"),
        ({"operation": {"field": "e", "delete": [None]}}, ("operation", "delete", 0), "empty"),
        ({"withhold": ["ticket.status"]}, ("withhold", 0), "withheld and read"),
        ({"withhold": "ticket"}, ("withhold",), "withheld and read"),
        ({"withhold": "ticket.assignee.id.x"}, ("withhold",), "withheld and read"),
        ({"columns": []}, ("columns",), "unknown key"),
    ],
)
def test_a_wrong_configuration_is_refused_where_it_is_wrong(
    options: dict[str, Any], position: tuple[str | int, ...], text: str
) -> None:
    with pytest.raises(Problem) as caught:
        feed(**options)
    assert caught.value.position == position
    assert text in caught.value.message


def test_the_format_of_a_schema_registry_is_read() -> None:
    wire = orjson.loads(sample("output/confluent_wire.json").read_bytes())
    reader = feed(
        at={"broker": "timestamp"}, record={"kind": "ticket", "id": "record_id", "fields": ["level"]}
    )
    prefixed = bytes.fromhex(wire["v0_prefix"]["value_hex_prefix"]) + wire["v0_prefix"]["rest"].encode()
    for value in (prefixed, wire["header_mode"]["value"].encode()):
        decoded = change(reader.decode(message(value, timestamp=1772442000250)))
        assert (decoded.record, decoded.fields) == ("ticket:500", {"level": 2})
