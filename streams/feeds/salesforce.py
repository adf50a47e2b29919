"""Salesforce's Change Data Capture in JSON: `format: salesforce`.

    crm:
      format: salesforce
      topic: salesforce.changes
      records:                                  # by entityName
        Opportunity: {kind: deal}
        Case: {kind: ticket, fields: [Subject, BillingAddress.City]}

What is not said of a standard object has a default: see `DEFAULTS`. An event may come as CometD gives
it, with and without `data` around it; as the decoded payload of the Pub/Sub API; in the `detail` of an
EventBridge event; or in the envelope of a Kafka Connect source.

Columns are the fields of the object; a part of a compound field is `BillingAddress.State`. Beside them
there are `Id`, the record's in its 18 characters, and `commitUser` and `changeOrigin` of the header,
which say who did it: `by: {field: commitUser, automation: [0055f000005mc66AAA]}`.

The header goes before the body: an UPDATE says only what is in its `changedFields`. Where these are
still bitmaps (0x400800), which need the event's Avro schema, it says what has a value, and no null.

The order token is (commitTimestamp, commitNumber, sequenceNumber). Replay ids would order as well,
but not every shape has them, and they begin anew when an organization moves to another instance.
Timestamps are whole seconds; within one, the commit number tells.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from streams.core.document import Node
from streams.core.entries import Change, Operation
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.crm import VALUES, when
from streams.feeds.mapping import MappedFeed, read_records
from streams.feeds.reading import change
from streams.feeds.values import Row, listed, parse, shown

_OWNED = {"id": "Id", "owner": "OwnerId", "created": "CreatedDate"}

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "*": _OWNED,
    "Case": {
        **_OWNED,
        "customer": "ContactId",
        "stage": {"field": "Status", "closed": ["Closed"]},
        "priority": "Priority",
    },
    "Lead": {
        **_OWNED,
        "stage": {"field": "Status", "closed": ["Closed - Converted", "Closed - Not Converted"]},
    },
    "Opportunity": {
        **_OWNED,
        "customer": "AccountId",
        "stage": {"field": "StageName", "closed": ["Closed Won", "Closed Lost"]},
        "value": "Amount",
    },
}
"""The fields and the closed stages of a new organization."""

_OPERATIONS: Mapping[str, Operation] = {
    "CREATE": "upsert",
    "UPDATE": "upsert",
    "UNDELETE": "upsert",
    "DELETE": "delete",
    "GAP_CREATE": "gap",
    "GAP_UPDATE": "gap",
    "GAP_UNDELETE": "gap",
    "GAP_DELETE": "delete",
}

_ENVELOPES = ("data", "detail", "payload")
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?").fullmatch
_BITMAP = re.compile(r"(?:[0-9]+-)?0x[0-9A-Fa-f]*").fullmatch
_CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


class SalesforceFeed(MappedFeed):
    """One channel's topic, of one object or of several."""

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a tombstone: the event before it has told of the deletion")
        event = _event(parse(message.value, "value"))
        header = event["ChangeEventHeader"]
        entity, kind = header.get("entityName"), header.get("changeType")
        if not isinstance(entity, str):
            raise Undecodable(f"the header's entityName is {shown(entity)}")
        mapping = self._mappings.get(entity)
        if mapping is None:
            return PassedOver(f"a change of an object that `records` does not name, {shown(entity)}")
        if kind == "GAP_OVERFLOW":
            return PassedOver(
                f"GAP_OVERFLOW: too many changes of {entity} in one transaction; read all its records anew",
                gap=True,
            )
        if not isinstance(kind, str) or kind not in _OPERATIONS:
            raise Undecodable(f"the changeType {shown(kind)} is none of: {', '.join(_OPERATIONS)}")
        ids = _ids(header)
        if not ids:
            return PassedOver(
                f"a conversion of a field of every {entity}, not of one record; read them all anew", gap=True
            )
        at = when(header.get("commitTimestamp"), "commitTimestamp")
        order = tuple(_whole(header, name) for name in ("commitTimestamp", "commitNumber", "sequenceNumber"))
        op = _OPERATIONS[kind]
        row: Row = {}
        if op == "upsert":
            row = _changed(header, event) if kind == "UPDATE" else dict(_flat(event))
        row |= {name: header.get(name) for name in ("commitUser", "changeOrigin")}
        changes = []
        for each in ids:
            row["Id"] = each
            if not row.keys() >= set(mapping.id_columns):
                return PassedOver(f"a change of {shown(entity)} that does not say of which {mapping.kind}")
            changes.append(change(mapping, row, op, at, self.name, message, order))
        return changes


def read_feed(name: str, node: Node) -> SalesforceFeed:
    """Raises Problem."""
    node.keys(required=("format", "topic", "records"))
    topic = node["topic"].text(example="the name of a topic")
    return SalesforceFeed(name, topic, read_records(node["records"], VALUES, DEFAULTS))


def _event(value: Any) -> dict[str, Any]:
    """The part of an event that has the header and the fields, whatever is around it."""
    inner = value
    while isinstance(inner, dict):
        if "ChangeEventHeader" in inner:
            if not isinstance(inner["ChangeEventHeader"], dict):
                raise Undecodable(f"the ChangeEventHeader is {shown(inner['ChangeEventHeader'])}")
            return inner
        inner = next((inner[name] for name in _ENVELOPES if name in inner), None)
    there = f"there are: {listed(value)}" if isinstance(value, dict) else f"it is {shown(value)}"
    raise Undecodable(f"not a change event: there is no ChangeEventHeader; {there}")


def _ids(header: dict[str, Any]) -> list[str]:
    """The records that the event is about, each once; none where a wildcard (001*) stands for all."""
    written = header.get("recordIds")
    if not isinstance(written, list):
        raise Undecodable(f"the header's recordIds are {shown(written)}, not a list")
    ids: dict[str, None] = {}
    for each in written:
        if isinstance(each, str) and _ID(each):
            ids[_long(each)] = None
        elif not (isinstance(each, str) and each.endswith("*")):
            raise Undecodable(f"{shown(each)} among the header's recordIds is no id of a record")
    if not written:
        raise Undecodable("the header's recordIds name no record")
    return list(ids)


def _long(short: str) -> str:
    """The id in 18 characters: of each five of the first 15, the capitals are the bits of one more.

    Source: Salesforce, "ID Field Type", Object Reference.
    """
    first = short[:15]
    if len(short) == 18:
        return short
    bits = [sum(1 << place for place in range(5) if first[start + place].isupper()) for start in (0, 5, 10)]
    return first + "".join(_CHECKS[each] for each in bits)


def _whole(header: dict[str, Any], name: str) -> int:
    value = header.get(name, 0)
    if type(value) is not int:
        raise Undecodable(f"the header's {name} is {shown(value)}, not a whole number")
    return value


def _flat(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every field, and every part of a compound one."""
    for name, value in event.items():
        if name != "ChangeEventHeader":
            yield name, value
            if isinstance(value, dict):
                yield from ((f"{name}.{part}", each) for part, each in value.items())


def _changed(header: dict[str, Any], event: dict[str, Any]) -> Row:
    """What an update says by its header: fields that have changed and those that are empty now, without
    any of which it brings but the difference."""
    changed, nulled, differing = (
        _names(header, name) for name in ("changedFields", "nulledFields", "diffFields")
    )
    if changed and not any(map(_BITMAP, changed)):
        row = dict(_named(changed, event))
    else:
        # A compound field is there as soon as one of its parts is.
        row = {name: value for name, value in _flat(event) if not isinstance(value, dict | None)}
    row |= {name: None for name in nulled if not _BITMAP(name)}
    return {name: value for name, value in row.items() if name not in differing}


def _named(names: list[str], event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in names:
        whole, _, part = name.partition(".")
        if whole not in event:
            continue
        value = event[whole]
        if not part:
            yield from _flat({whole: value})
        elif value is None:
            yield name, None
        elif isinstance(value, dict) and part in value:
            yield name, value[part]


def _names(header: dict[str, Any], name: str) -> list[str]:
    names = header.get(name) or []
    if not (isinstance(names, list) and all(isinstance(each, str) for each in names)):
        raise Undecodable(f"the header's {name} are {shown(names)}, not a list of names")
    return names
