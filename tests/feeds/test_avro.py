"""Avro through a schema registry: bytes as fastavro writes them, the registry over HTTP."""

import random
import resource
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Feed, Message, PassedOver, Unavailable, Undecodable
from streams.feeds.formats import read_feed
from tests.command import escalations
from tests.registry import Registry, avro, framed, guid_header

AT = datetime(2026, 11, 3, 8, 0, 0, 250_000, tzinfo=UTC)

TICKET = {
    "type": "record",
    "name": "Ticket",
    "namespace": "desk",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["open", "solved"]}},
        {"name": "owner", "type": ["null", "string"]},
        {"name": "updated", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "opened", "type": ["null", {"type": "long", "logicalType": "local-timestamp-millis"}]},
        {"name": "due", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "arr", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "seen", "type": {"type": "map", "values": "int"}},
        {"name": "mood", "type": "double"},
        {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 2}},
    ],
}
ROW = {
    "id": 7,
    "status": "open",
    "owner": "anna",
    "updated": AT,
    "opened": datetime(2026, 11, 1, 9, 30),
    "due": date(2026, 11, 20),
    "arr": Decimal("1234.50"),
    "tags": ["a", "b"],
    "seen": {"web": 2},
    "mood": 0.5,
    "raw": b"\xff\x00",
}
FEED: dict[str, Any] = {
    "format": "json",
    "topic": "desk.tickets",
    "at": "updated",
    "time": {"zone": "Europe/Berlin"},
    "record": {
        "kind": "ticket",
        "id": "id",
        "stage": "status",
        "owner": "owner",
        "created": "opened",
        "planned": "due",
        "health": "arr",
        "fields": ["tags", "mood", "raw", "seen.web"],
    },
}


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()
    registry.add(1, TICKET)
    yield registry
    registry.stop()


def feed(registry: Registry, **keys: Any) -> Feed:
    return read_feed("tickets", Node({**FEED, "registry": registry.url, **keys}))


def message(value: bytes | None, key: bytes | None = None, **more: Any) -> Message:
    return Message("desk.tickets", 0, 5, key, value, 1_793_700_000_000, **more)


def ticket(number: int = 1, **row: Any) -> Message:
    return message(framed(number, avro(TICKET, {**ROW, **row})))


def only(decoded: Any) -> Change:
    [change] = decoded
    assert isinstance(change, Change)
    return change


def reason(feed: Feed, read: Message) -> str:
    with pytest.raises(Undecodable) as refused:
        feed.decode(read)
    return str(refused.value)


# What is read


def test_a_row_is_what_its_json_would_be(registry: Registry) -> None:
    change = only(feed(registry).decode(ticket()))
    json = {
        **ROW,
        "updated": "2026-11-03T08:00:00.25Z",
        "opened": "2026-11-01T09:30:00",
        "due": "2026-11-20",
        "arr": 1234.5,
        "raw": "/wA=",
    }
    assert change == only(read_feed("tickets", Node(FEED)).decode(message(orjson.dumps(json))))
    assert change.at == AT
    assert change.fields["created"] == "2026-11-01T08:30:00Z"


def test_a_wall_clock_takes_a_zone_and_an_instant_needs_none(registry: Registry) -> None:
    without = feed(registry, time={"format": "iso"})
    assert "no offset" in reason(without, ticket())
    assert only(without.decode(ticket(opened=None, due=None))).at == AT


def test_a_topic_that_was_json_before_is_read_as_both(registry: Registry) -> None:
    old = {"id": 7, "updated": "2026-11-03T08:00:00Z"}
    assert only(feed(registry).decode(message(orjson.dumps(old)))).record == "ticket:7"
    assert isinstance(feed(registry).decode(message(None)), PassedOver)


def test_json_by_a_schema_of_the_registry_is_json(registry: Registry) -> None:
    registry.add(2, {"type": "object"}, schemaType="JSON")
    old = orjson.dumps({"id": 7, "updated": "2026-11-03T08:00:00Z"})
    assert only(feed(registry).decode(message(framed(2, old)))).record == "ticket:7"


def test_the_schema_may_be_in_the_headers(registry: Registry) -> None:
    guid = uuid.UUID(int=77)
    registry.schemas[f"guids/{guid}"] = registry.schemas["ids/1"]
    read = message(avro(TICKET, ROW), headers=(guid_header("value", guid),))
    assert only(feed(registry).decode(read)).fields["owner"] == "anna"


def test_a_column_that_came_later_is_read_by_the_schema_of_its_writer(registry: Registry) -> None:
    newer = {**TICKET, "fields": [{"name": "tier", "type": ["null", "string"]}, *TICKET["fields"]]}
    registry.add(2, newer)
    record = {**FEED["record"], "fields": ["tier"]}
    tickets = feed(registry, record=record)
    assert "tier" not in only(tickets.decode(ticket())).fields
    later = message(framed(2, avro(newer, {**ROW, "tier": "gold"})))
    assert only(tickets.decode(later)).fields["tier"] == "gold"
    assert "tier" not in only(tickets.decode(ticket())).fields
    assert registry.asked == ["/schemas/ids/1", "/schemas/ids/2"]


CONNECT: dict[str, tuple[Any, Any, Any]] = {
    "io.debezium.time.MicroTimestamp": ("long", 1_793_700_000_000_001, "2026-11-03T10:00:00.000001"),
    "io.debezium.time.NanoTimestamp": ("long", 1_793_700_000_000_001_999, "2026-11-03T10:00:00.000001"),
    "io.debezium.time.Date": ("int", 20_760, "2026-11-03T00:00:00"),
    "io.debezium.time.IsoTimestamp": ("string", "2026-11-03T10:40:00Z", "2026-11-03T10:40:00"),
    "io.debezium.time.ZonedTimestamp": ("string", "2026-11-03T10:40:00Z", "2026-11-03T10:40:00Z"),
}


@pytest.mark.parametrize("name", CONNECT)
def test_a_type_of_connects_goes_by_its_name(registry: Registry, name: str) -> None:
    kind, written, expected = CONNECT[name]
    column = {"name": "opened", "type": ["null", {"type": kind, "connect.version": 1, "connect.name": name}]}
    assert value_of(registry, column, written) == expected


def test_connects_timestamp_is_a_wall_clock_although_avros_is_an_instant(registry: Registry) -> None:
    kind = {
        "type": "long",
        "connect.name": "org.apache.kafka.connect.data.Timestamp",
        "logicalType": "timestamp-millis",
    }
    assert value_of(registry, {"name": "opened", "type": kind}, AT) == "2026-11-03T08:00:00.250000"


def test_an_infinity_is_a_text_and_what_no_calendar_reaches_a_number(registry: Registry) -> None:
    kind = {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}
    assert value_of(registry, {"name": "opened", "type": kind}, 9223372036825200000) == "infinity"
    assert value_of(registry, {"name": "opened", "type": kind}, 2**62) == 2**62


@pytest.mark.parametrize(
    ("digits", "expected"),
    [("12.50", 12.5), ("12.00", 12), ("-0.01", -0.01), ("9" * 20, "9" * 20), ("-" + "9" * 30,) * 2],
)
def test_a_decimal_keeps_all_the_digits_of_an_id(registry: Registry, digits: str, expected: Any) -> None:
    scale = 2 if "." in digits else 0
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": scale}
    assert value_of(registry, {"name": "opened", "type": kind}, Decimal(digits)) == expected


def test_a_decimal_with_a_scale_of_its_own_is_a_number(registry: Registry) -> None:
    kind = {
        "type": "record",
        "name": "VariableScaleDecimal",
        "connect.name": "io.debezium.data.VariableScaleDecimal",
        "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
    }
    assert value_of(registry, {"name": "opened", "type": kind}, {"scale": 1, "value": b"\x2d"}) == 4.5


def value_of(registry: Registry, column: dict[str, Any], value: Any) -> Any:
    """What a field of a record is that a column `opened` becomes."""
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "id", "type": "long"}, {"name": "updated", "type": "string"}, column],
    }
    registry.add(9, schema)
    row = {"id": 1, "updated": AT.isoformat(), "opened": value}
    tickets = feed(registry, record={"kind": "ticket", "id": "id", "fields": ["opened"]})
    return only(tickets.decode(message(framed(9, avro(schema, row))))).fields["opened"]


# What is refused


def test_what_cannot_be_read_says_why(registry: Registry) -> None:
    registry.add(2, 'syntax = "proto3";', schemaType="PROTOBUF")
    registry.add(3, {"type": "record", "name": "R", "fields": [{"name": "a", "type": "desk.Other"}]})
    tickets, body = feed(registry), avro(TICKET, ROW)
    assert reason(tickets, message(framed(99, body))) == "the registry knows no schema ids/99"
    assert "is PROTOBUF" in reason(tickets, message(framed(2, body)))
    assert "desk.Other" in reason(tickets, message(framed(3, body)))
    assert "EOFError" in reason(tickets, message(framed(1, body[:-1])))
    assert "2 bytes are left" in reason(tickets, message(framed(1, body + b"ab")))
    assert "not JSON" in reason(tickets, message(b"\0\0"))


NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
EMPTY = {"type": "record", "name": "Empty", "fields": [{"name": "no", "type": "null"}]}
ENDLESS: dict[str, tuple[Any, bytes]] = {
    # As deep as it is long: fastavro overflows the stack, which ends the process.
    "a schema that contains itself": (NODE, b"\2" * 2_000_000 + b"\0"),
    "2^60 nulls": ({"type": "array", "items": "null"}, b"\x80" * 8 + b"\x20\0"),
    "2^60 empty records": ({"type": "array", "items": EMPTY}, b"\x80" * 8 + b"\x20\0"),
    "2^60 numbers": ({"type": "array", "items": "int"}, b"\x80" * 8 + b"\x20" + b"\2" * 50),
    "2^60 entries": ({"type": "map", "values": "null"}, b"\x80" * 8 + b"\x20" + b"\2a" * 50),
    "2^60 bytes": ("bytes", b"\x80" * 8 + b"\x20" + b"abc"),
    "a negative length": ("string", b"\x09" + b"abc"),
    "a number without end": ("long", b"\xff" * 1_000_000),
    "a million digits": (
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        b"\x80\x89\x7a" + b"\x7f" * 1_000_000,
    ),
}


@pytest.mark.parametrize("shape", [{}, {"format": "debezium"}], ids=["json", "debezium"])
@pytest.mark.parametrize("name", ENDLESS)
def test_few_bytes_cannot_be_endlessly_much(registry: Registry, name: str, shape: dict[str, Any]) -> None:
    schema, body = ENDLESS[name]
    registry.add(4, schema)
    keys = {**FEED, **shape}
    if shape:
        keys = {key: keys[key] for key in ("format", "topic")} | {"record": {"kind": "ticket", "id": "id"}}
    tickets = read_feed("tickets", Node({**keys, "registry": registry.url}))
    before, since = memory(), time.monotonic()
    assert reason(tickets, message(framed(4, body)))
    assert time.monotonic() - since < 5
    assert memory() - before < 100 << 20


MUTATIONS = 50_000


def test_whatever_the_bytes_are_there_is_an_answer(registry: Registry) -> None:
    choose = random.Random(20261103)
    tickets, body = feed(registry), avro(TICKET, ROW)
    tickets.decode(ticket())
    before, since, refused = memory(), time.monotonic(), 0
    for _ in range(MUTATIONS):
        try:
            # An id that is another one is asked for; the registry is not what this is about.
            parts = [framed(1, mutated(choose, body)), framed(1, body)]
            choose.shuffle(parts)
            tickets.decode(message(*parts))
        except Undecodable:
            refused += 1
    assert 0 < refused < MUTATIONS
    assert registry.asked == ["/schemas/ids/1"]
    assert time.monotonic() - since < 120
    assert memory() - before < 200 << 20
    assert only(tickets.decode(ticket())).record == "ticket:7"


def mutated(choose: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(choose.randint(1, 4)):
        place = choose.randrange(len(changed) + 1)
        match choose.randrange(5):
            case 0:
                changed[place : place + 1] = choose.randbytes(1)
            case 1:
                del changed[place:]
            case 2:
                changed[place:place] = choose.randbytes(choose.randint(1, 8))
            case 3:
                # A length or a count that no message has.
                changed[place : place + 1] = b"\xff" * choose.randint(1, 9) + b"\x01"
            case 4:
                changed[place : place + 3] = changed[:3]
    return bytes(changed)


def memory() -> int:
    """The most that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# The registry


def test_a_registry_that_is_away_is_no_fault_of_the_message(registry: Registry) -> None:
    tickets = feed(registry)
    registry.stop()
    with pytest.raises(Unavailable, match="does not answer") as away:
        tickets.decode(ticket())
    with pytest.raises(Unavailable):
        away.value.ask_again()
    registry.start()
    away.value.ask_again()
    registry.stop()
    assert only(tickets.decode(ticket())).record == "ticket:7"


@pytest.mark.parametrize("code", [301, 401, 403, 404, 429, 500, 503])
def test_only_a_registry_can_say_that_there_is_no_such_schema(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(registry, "answer", lambda *_: (code, {"message": "from a proxy"}))
    with pytest.raises(Unavailable, match=f"HTTP {code}"):
        feed(registry).decode(ticket())


def test_the_password_is_sent_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REGISTRY_NAME", "intake")
    (tmp_path / "password").write_text("s3cret-word\n")
    registry = Registry(login=("intake", "s3cret-word"))
    registry.add(1, TICKET)
    login = {"username": "env:REGISTRY_NAME", "password": f"file:{tmp_path / 'password'}"}
    try:
        tickets = read_feed("tickets", Node({**FEED, "registry": {"url": registry.url, **login}}))
        assert only(tickets.decode(ticket())).record == "ticket:7"
        registry.add(2, TICKET)
        (tmp_path / "password").write_text("an0ther-word")
        with pytest.raises(Unavailable) as refused:
            tickets.decode(ticket(2))
        assert "401" in str(refused.value)
        assert "an0ther" not in f"{refused.value!r} {vars(tickets)!r}"
    finally:
        registry.stop()


CONFIGURATION = """
version: 1
feeds:
  tickets:
    format: json
    topic: desk.tickets
    registry: REGISTRY
    at: updated
    record: {kind: ticket, id: id}
people: {anna: }
fallback: anna
paths:
  untouched: {about: ticket, when: {untouched: 1h}, steps: [{notify: anna}]}
"""


@pytest.mark.parametrize(
    ("registry", "says"),
    [
        ("https://anna:s3cret@registry:8081", "carries a password"),
        ("https://registry:8081?token=s3cret", "carries a password"),
        ("registry:8081", "is no URL"),
        ("{url: 'https://registry', username: s3cret, password: s3cret}", "does not belong into this file"),
        ("{url: 'https://registry', username: env:NAME}", "lacks 'password'"),
        ("{url: 'http://registry', username: env:NAME, password: env:WORD}", "in the clear"),
        ("{uri: 'https://registry'}", "unknown key 'uri'"),
    ],
)
def test_check_says_what_to_write(tmp_path: Path, registry: str, says: str) -> None:
    (tmp_path / "escalations.yaml").write_text(CONFIGURATION.replace("REGISTRY", registry))
    done = escalations("check", cwd=tmp_path)
    said = done.out + done.err
    assert done.code != 0
    assert says in said
    assert "escalations.yaml:7" in said


def test_decode_ends_with_a_line_where_the_registry_is_away(tmp_path: Path, registry: Registry) -> None:
    registry.stop()
    (tmp_path / "escalations.yaml").write_text(CONFIGURATION.replace("REGISTRY", registry.url))
    (tmp_path / "messages.jsonl").write_bytes(
        orjson.dumps({"topic": "desk.tickets", "offset": 0, "value": framed(1, b"abc").decode()})
    )
    done = escalations("decode", "--feed", "tickets", "messages.jsonl", cwd=tmp_path)
    assert done.code == 69
    assert done.err.splitlines()[-1] == (
        f"escalations: the schema registry at {registry.url} does not answer: ConnectError"
    )
