"""CloudEvents on Kafka: both modes, what a reader of them must not make up, and what is refused."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node
from streams.feeds import Format, Message
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, passed_over, refusal, sample

AT = "2026-03-02T09:00:00.250Z"
RECORD = {"kind": "ticket", "id": "subject", "stage": "data.status", "owner": "data.assignee.id"}
EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/desk",
    "type": "com.example.ticket.changed",
    "subject": "7",
    "time": AT,
}
DATA = {"status": "open", "assignee": {"id": 12}}
FIELDS = {"stage": "open", "owner": "12"}


def feed(**options: Any) -> Format:
    return read_feed(
        "tickets", Node({"format": "cloudevents", "topic": "desk.events", "record": RECORD, **options})
    )


def structured(
    event: Any, content_type: str | None = "application/cloudevents+json; charset=UTF-8"
) -> Message:
    headers = (("content-type", content_type.encode()),) if content_type else ()
    return Message("desk.events", 0, 3, None, orjson.dumps(event), None, headers)


def binary(data: bytes | None, content_type: str = "application/json", **attributes: str) -> Message:
    pairs = {"content-type": content_type, **{f"ce_{name}": text for name, text in attributes.items()}}
    headers = tuple((name, text.encode()) for name, text in pairs.items())
    return Message("desk.events", 0, 3, None, data, None, headers)


@pytest.mark.parametrize(
    "message",
    [
        structured({**EVENT, "data": DATA}),
        structured({**EVENT, "data": DATA}, "Application/CloudEvents+JSON"),
        structured({**EVENT, "data": DATA}, None),
        structured({**EVENT, "data_base64": base64.b64encode(orjson.dumps(DATA)).decode()}),
        binary(orjson.dumps(DATA), **EVENT),
        binary(orjson.dumps(DATA), "application/vnd.desk+json; charset=utf-8", **EVENT),
        binary(orjson.dumps(DATA), "", **EVENT),
    ],
)
def test_both_modes_say_the_same(message: Message) -> None:
    decoded = change(feed().decode(message))
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:7", "upsert", FIELDS)
    assert decoded.at == datetime(2026, 3, 2, 9, 0, 0, 250000, tzinfo=UTC)


def test_the_content_type_goes_before_the_headers_of_attributes() -> None:
    event = orjson.dumps({**EVENT, "data": DATA})
    message = binary(event, "application/cloudevents+json", specversion="1.0", subject="8")
    assert change(feed().decode(message)).record == "ticket:7"


def test_an_event_without_data_leaves_its_columns_as_they_are() -> None:
    for message in (structured(EVENT), structured({**EVENT, "data": None}), binary(None, **EVENT)):
        assert change(feed().decode(message)).fields == {}


def test_the_operation_may_follow_from_the_type() -> None:
    reader = feed(operation={"field": "type", "delete": ["com.example.ticket.deleted"], "ignore": ["ping"]})
    gone = change(reader.decode(binary(None, **{**EVENT, "type": "com.example.ticket.deleted"})))
    assert (gone.record, gone.op) == ("ticket:7", "delete")
    assert "ignored" in passed_over(reader.decode(structured({**EVENT, "type": "ping"})))


def test_a_time_that_is_not_there_is_not_made_up() -> None:
    event = {name: value for name, value in EVENT.items() if name != "time"}
    assert "the column 'time', the time of the change, is missing" in refusal(feed(), structured(event))
    assert change(feed(at="data.at").decode(structured({**event, "data": {"at": AT}}))).fields == {}


def test_an_extension_may_order_the_changes() -> None:
    message = binary(None, **EVENT, sequence="0042")
    assert change(feed(order="sequence").decode(message)).order == (42, 3)
    assert (change(feed().decode(message)).order or ())[1:] == (3,)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (structured(DATA), "neither a content type application/cloudevents, nor a header ce_specversion"),
        (structured({**EVENT, "specversion": "0.3"}), "of the version '0.3'"),
        (structured({**EVENT, "source": None}), "no attribute 'source'"),
        (structured({**EVENT, "data_base64": "?"}), "not base64"),
        (structured([EVENT], "application/cloudevents-batch+json"), "a batch of CloudEvents"),
        (binary(b"<a/>", "application/xml", **EVENT), "is of the type 'application/xml', not JSON"),
        (binary(b"{", **EVENT), "the data of the event is not JSON"),
        (binary(b"{}", specversion="1.0"), "no attribute 'id'"),
        (structured({**EVENT, "time": "yesterday"}), "column 'time': 'yesterday' is not a time"),
        (structured({**EVENT, "data": 5}), "'data' is 5, not an object"),
    ],
)
def test_what_is_no_event_says_why(message: Message, reason: str) -> None:
    assert reason in refusal(feed(), message)


def test_a_header_that_is_no_text_says_so() -> None:
    message = Message("t", 0, 0, None, b"{}", None, (("content-type", b"\xff"),))
    assert "'content-type' is not UTF-8" in refusal(feed(), message)


def test_a_tombstone_says_nothing() -> None:
    assert passed_over(feed().decode(Message("t", 0, 0, b"7", None))) == "a message without a value"


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_what_the_sdk_writes_is_read(mode: str) -> None:
    printed = json.loads(sample(f"cloudevents/kafka_{mode}_sdk.json").read_text())
    headers = tuple((name, text.encode()) for name, text in printed["headers"].items())
    message = Message("t", 0, 0, printed["key"].encode(), printed["value_utf8"].encode(), None, headers)
    reader = feed(record={"kind": "escalation", "id": "subject", "fields": {"level": "data.level"}})
    decoded = change(reader.decode(message))
    assert (decoded.record, decoded.fields) == ("escalation:tickets/100", {"level": 2})
    assert decoded.at == datetime(2026, 11, 3, 8, tzinfo=UTC)
