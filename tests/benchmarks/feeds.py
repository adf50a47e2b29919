"""What it costs to read one message of a feed, beside what it costs to parse its JSON.

    python -m tests.benchmarks.feeds [--messages N] [--json] [FORMAT ...]

The deals of `history.py`, as each format writes them. A format's own share is what `decode` takes beyond
`orjson.loads`, which makes objects of the whole message; a decoder that makes fewer may take less.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from streams.core.document import Node
from streams.feeds import Feed, Message, PassedOver
from streams.feeds.formats import read_feed
from tests.benchmarks.history import make_history

ROUNDS = 9
"""All formats take turns so often, and the fastest counts: what else the machine does only slows down."""

_TOPIC = "crm.public.deal"
_COLUMNS = {
    "kind": "deal",
    "id": "id",
    "owner": "owner_id",
    "customer": "account_id",
    "stage": {"field": "stage", "paused": ["on_hold"], "closed": ["won", "lost"]},
    "priority": {"field": "priority", "values": {1: "urgent", 2: "high", 3: "normal"}},
    "value": {"field": "amount", "currency": "currency"},
    "contacts": "contact_count",
    "created": "created_at",
    "fields": ["name", "region"],
}
_TYPES = {int: "int64", str: "string"}

Event = dict[str, Any]
"""One of Debezium's, without schema: what all the others are made of."""


@dataclass(frozen=True)
class Cost:
    """Of one message on average: its bytes, and microseconds of processor time."""

    format: str
    bytes: int
    loads: float
    decode: float

    @property
    def ratio(self) -> float:
        return self.decode / self.loads


def _with_schema(event: Event) -> Any:
    parts = [
        {"type": "struct", "fields": _fields(event["after"]), "optional": True, "field": part}
        for part in ("before", "after")
    ]
    source = {"type": "struct", "fields": _fields(event["source"]), "optional": False, "field": "source"}
    others = [
        {"type": "string" if name == "op" else "int64", "optional": True, "field": name}
        for name in ("op", "ts_ms", "ts_us", "ts_ns")
    ]
    fields = [*parts, source, *others]
    schema = {"type": "struct", "fields": fields, "optional": False, "name": f"{_TOPIC}.Envelope"}
    return {"schema": schema, "payload": event}


def _unwrapped(event: Event) -> Any:
    source = event["source"]
    return {**event["after"], "__op": event["op"], "__lsn": source["lsn"], "__source_ts_us": source["ts_us"]}


def _cloud_event(event: Event) -> Any:
    attributes = {f"iodebezium{name.replace('_', '')}": str(value) for name, value in event["source"].items()}
    data = {"before": None, "after": event["after"]}
    return {"specversion": "1.0", "iodebeziumop": event["op"], **attributes, "data": data}


def _fields(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": _TYPES.get(type(value), "int64"), "optional": True, "field": column}
        for column, value in row.items()
    ]


def _text_row(event: Event) -> Any:
    return {column: str(value) for column, value in event["after"].items()}


def _salesforce(event: Event) -> Any:
    row, source = event["after"], event["source"]
    header = {
        "entityName": "Opportunity",
        "recordIds": [f"006{row['id']:015}"],
        "changeType": "UPDATE",
        "changeOrigin": "com/salesforce/api/soap/62.0",
        "transactionKey": "00031ee1-0c5f-17d5-92e6-5b3ad28ad3a2",
        "sequenceNumber": 1,
        "commitTimestamp": source["ts_ms"],
        "commitNumber": source["lsn"],
        "commitUser": "0055f000005mc66AAA",
        "nulledFields": [],
        "diffFields": [],
        "changedFields": ["StageName", "Amount", "LastModifiedDate"],
    }
    payload = {
        "ChangeEventHeader": header,
        "StageName": row["stage"],
        "Amount": row["amount"],
        "LastModifiedDate": row["updated_at"],
    }
    return {"schema": "IeRuaY6cbI_HsV8Rv1Mc5g", "payload": payload, "event": {"replayId": source["lsn"]}}


def _hubspot(event: Event) -> Any:
    row, source = event["after"], event["source"]
    return [
        {
            "eventId": source["lsn"],
            "subscriptionId": 3_712_551,
            "portalId": 48_000_001,
            "appId": 1_402_337,
            "occurredAt": source["ts_ms"],
            "subscriptionType": "deal.propertyChange",
            "attemptNumber": 0,
            "objectId": row["id"],
            "propertyName": "dealstage",
            "propertyValue": row["stage"],
            "changeSource": "CRM_UI",
            "sourceId": f"userId:{row['owner_id']}",
        }
    ]


def _zendesk(event: Event) -> Any:
    row, source = event["after"], event["source"]
    detail = {
        "actor_id": str(row["owner_id"]),
        "assignee_id": str(row["owner_id"]),
        "brand_id": "360000001",
        "created_at": row["created_at"],
        "custom_status": "1",
        "description": row["name"],
        "external_id": None,
        "form_id": "360000002",
        "group_id": "360000003",
        "id": str(row["id"]),
        "is_public": True,
        "organization_id": str(row["account_id"]),
        "priority": "LOW",
        "requester_id": str(row["account_id"]),
        "status": "OPEN",
        "subject": row["name"],
        "submitter_id": str(row["owner_id"]),
        "tags": [row["region"]],
        "type": "TASK",
        "updated_at": row["updated_at"],
        "via": {"channel": "web_service"},
    }
    return {
        "account_id": 22_129_848,
        "detail": detail,
        "event": {"current": "OPEN", "previous": "NEW", "meta": {"sequence": {"id": "1", "position": 1}}},
        "id": f"{source['lsn']:032x}",
        "subject": f"zen:ticket:{row['id']}",
        "time": row["updated_at"],
        "type": "zen:event-type:ticket.status_changed",
        "zendesk_event_version": "2022-11-06",
    }


def _maxwell(event: Event) -> Any:
    source = event["source"]
    return {
        "database": "crm",
        "table": "deal",
        "type": "update",
        "ts": source["ts_ms"] // 1000,
        "xid": source["txId"],
        "xoffset": 0,
        "position": f"mysql-bin.000003:{source['lsn']}",
        "data": event["after"],
        "old": {"updated_at": event["after"]["created_at"]},
    }


def _wal2json(event: Event) -> Any:
    row, lsn = event["after"], event["source"]["lsn"]
    columns = [
        {"name": name, "type": "bigint" if type(value) is int else "text", "value": value}
        for name, value in row.items()
    ]
    return {
        "action": "U",
        "lsn": f"0/{lsn:X}",
        "timestamp": row["updated_at"],
        "schema": "public",
        "table": "deal",
        "columns": columns,
        "identity": [{"name": "id", "type": "bigint", "value": row["id"]}],
    }


_UNWRAPPED = {"at": "__source_ts_us", "operation": "__op", "order": {"lsn": "__lsn"}}
_TABLES = {"records": {"deal": _COLUMNS}}
_FORMATS: dict[str, tuple[dict[str, Any], Callable[[Event], Any]]] = {
    "debezium": ({"record": _COLUMNS}, lambda event: event),
    "debezium with schema": ({"record": _COLUMNS}, _with_schema),
    "debezium unwrapped": ({"record": _COLUMNS, "unwrapped": _UNWRAPPED}, _unwrapped),
    "debezium cloudevents": ({"record": _COLUMNS}, _cloud_event),
    "csv": ({"at": "updated_at", "time": {"format": "iso"}, "record": _COLUMNS}, _text_row),
    "salesforce": ({"records": {"Opportunity": {"kind": "deal"}}}, _salesforce),
    "hubspot": ({"records": {"deal": {"kind": "deal"}}}, _hubspot),
    "zendesk": ({"records": {"ticket": {"kind": "ticket"}}}, _zendesk),
    "maxwell": (_TABLES, _maxwell),
    "wal2json": (_TABLES, _wal2json),
    "json": ({"at": "updated_at", "record": _COLUMNS}, lambda event: event["after"]),
}
"""By name, the configuration of a feed, its format the first word, and what a change looks like there."""


def make_feed(name: str) -> Feed:
    options, _ = _FORMATS[name]
    return read_feed("deals", Node({"format": name.partition(" ")[0], "topic": _TOPIC, **options}))


def make_messages(name: str, count: int) -> list[Message]:
    _, written = _FORMATS[name]
    events = make_history(count, count // 10).events
    return [
        Message(_TOPIC, 0, offset, event.key, orjson.dumps(written(orjson.loads(event.value))))
        for offset, event in enumerate(events)
    ]


def measure(names: Iterable[str], count: int) -> list[Cost]:
    feeds = {name: make_feed(name) for name in names}
    messages = {name: make_messages(name, count) for name in names}
    loads, decode = (dict.fromkeys(feeds, float("inf")) for _ in range(2))
    for name, feed in feeds.items():
        passed_over = [each for each in map(feed.decode, messages[name]) if isinstance(each, PassedOver)]
        assert not passed_over, (name, passed_over[0])
    for _ in range(ROUNDS):
        for name, feed in feeds.items():
            values = [message.value for message in messages[name]]
            loads[name] = min(loads[name], _seconds(orjson.loads, values))
            decode[name] = min(decode[name], _seconds(feed.decode, messages[name]))
    return [
        Cost(
            name,
            sum(len(message.value or b"") for message in messages[name]) // count,
            loads=1e6 * loads[name] / count,
            decode=1e6 * decode[name] / count,
        )
        for name in feeds
    ]


def _seconds(work: Callable[[Any], object], inputs: list[Any]) -> float:
    gc.collect()
    start = time.process_time()
    for each in inputs:
        work(each)
    return time.process_time() - start


def _show(costs: list[Cost]) -> None:
    print("format                 bytes  orjson.loads us  decode us  ratio")
    for cost in costs:
        print(f"{cost.format:21}{cost.bytes:7,}{cost.loads:17.1f}{cost.decode:11.1f}{cost.ratio:7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Microseconds per message of a feed.")
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of: {', '.join(_FORMATS)} [all]")
    parser.add_argument("--messages", type=int, default=5_000, help="of each format [%(default)s]")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of the table")
    arguments = parser.parse_args()
    unknown = set(arguments.formats) - _FORMATS.keys()
    if unknown:
        parser.error(f"no such format: {', '.join(sorted(unknown))}")
    costs = measure(arguments.formats or _FORMATS, arguments.messages)
    if arguments.json:
        print(orjson.dumps([{**asdict(cost), "ratio": cost.ratio} for cost in costs]).decode())
    else:
        _show(costs)


if __name__ == "__main__":
    main()
