"""Dataverse's (Dynamics 365) webhooks and service endpoints in JSON: `format: dataverse`.

    crm:
      format: dataverse
      topic: dataverse.changes
      records:                                  # by PrimaryEntityName
        incident: {kind: ticket}
        opportunity: {kind: deal, value: {field: estimatedvalue, currency: {always: EUR}}}

A message is the RemoteExecutionContext of a step in the stage PostOperation. What is not said of a
table has a default: see `DEFAULTS`. Columns are the attributes of its Target, in the plain: a choice
and an amount of money are numbers, a lookup is the id that it refers to, a time `/Date(ms)/` a number
of milliseconds. Beside them there are `PrimaryEntityId`, and `UserId` and `InitiatingUserId`, which say
who did it. Images are not read: the one that asynchronous steps bring is no whole row, nor is
`ParentContext`, whose own operation sends its own message.

It happened at `modifiedon`, or at `OperationCreatedOn` where that is not there. In the published
example the latter's number is off by just the offset printed with it, so the offset is added.

There is no order token: the order read holds. The RowVersion of a Target is the one that the caller
had read before, and `modifiedon` counts whole seconds. Two updates bring different columns, and if
one came late it would be worse to lose it than to take it.

What is larger than 256 KB comes without its parameters: a gap.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from streams.core.document import Node
from streams.core.entries import Change, Operation
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.crm import VALUES, when
from streams.feeds.mapping import MappedFeed, read_records
from streams.feeds.reading import change
from streams.feeds.values import Row, listed, parse, shown

_OWNED = {"id": "PrimaryEntityId", "owner": "ownerid", "created": "createdon"}
_ACTIVE = {"field": "statuscode", "values": {"1": "Active", "2": "Inactive"}, "closed": ["Inactive"]}

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "*": _OWNED,
    "account": {**_OWNED, "stage": _ACTIVE},
    "contact": {**_OWNED, "stage": _ACTIVE},
    "incident": {
        **_OWNED,
        "customer": "customerid",
        "stage": {
            "field": "statuscode",
            "values": {
                "1": "In Progress",
                "2": "On Hold",
                "3": "Waiting for Details",
                "4": "Researching",
                "5": "Problem Solved",
                "6": "Canceled",
                "1000": "Information Provided",
                "2000": "Merged",
            },
            "paused": ["On Hold", "Waiting for Details"],
            "closed": ["Problem Solved", "Canceled", "Information Provided", "Merged"],
        },
        "priority": {"field": "prioritycode", "values": {"1": "High", "2": "Normal", "3": "Low"}},
        "merged": "masterid",
    },
    "lead": {
        **_OWNED,
        "stage": {
            "field": "statuscode",
            "values": {
                "1": "New",
                "2": "Contacted",
                "3": "Qualified",
                "4": "Lost",
                "5": "Cannot Contact",
                "6": "No Longer Interested",
                "7": "Canceled",
            },
            "closed": ["Qualified", "Lost", "Cannot Contact", "No Longer Interested", "Canceled"],
        },
    },
    "opportunity": {
        **_OWNED,
        "customer": "customerid",
        "stage": {
            "field": "statuscode",
            "values": {"1": "In Progress", "2": "On Hold", "3": "Won", "4": "Canceled", "5": "Out-Sold"},
            "paused": ["On Hold"],
            "closed": ["Won", "Canceled", "Out-Sold"],
        },
        "value": "estimatedvalue",
    },
}
"""The choices of `statuscode` and `prioritycode` in a new environment."""

_OPERATIONS: Mapping[str, Operation] = {"Create": "upsert", "Update": "upsert", "Delete": "delete"}
_POST_OPERATION = 40
_ASIDE = ("UserId", "InitiatingUserId")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch
_DATE = re.compile(r"/Date\((-?[0-9]{1,18})(?:([+-])([0-9]{2})([0-9]{2}))?\)/").fullmatch


class DataverseFeed(MappedFeed):
    """One endpoint's messages, of one table or of several."""

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a context")
        context = parse(message.value, "value")
        if not isinstance(context, dict):
            raise Undecodable(f"the value is {shown(context)}, not an execution context")
        what, table = context.get("MessageName"), context.get("PrimaryEntityName")
        if not isinstance(what, str) or not isinstance(table, str):
            raise Undecodable(
                "not an execution context: there is no MessageName or no PrimaryEntityName; "
                f"there are: {listed(context)}"
            )
        mapping = self._mappings.get(table)
        if mapping is None:
            return PassedOver(f"a change of a table that `records` does not name, {shown(table)}")
        if what not in _OPERATIONS:
            return PassedOver(f"the message {shown(what)}: register steps for {', '.join(_OPERATIONS)}")
        if context.get("Stage", _POST_OPERATION) != _POST_OPERATION:
            return PassedOver("a step before the operation, which may fail: register it for PostOperation")
        record = context.get("PrimaryEntityId")
        if not isinstance(record, str) or not _GUID(record):
            raise Undecodable(f"the PrimaryEntityId is {shown(record)}, not a GUID")
        op, row = _OPERATIONS[what], Row()
        if op == "upsert":
            target = _target(context)
            if target is None:
                op = "gap"
            else:
                row = {name: _plain(value) for name, value in _pairs(target, "Attributes").items()}
        at = _at(row.get("modifiedon"), context)
        row |= {name: context.get(name) for name in _ASIDE}
        row["PrimaryEntityId"] = record.lower()
        if not row.keys() >= set(mapping.id_columns):
            return PassedOver(f"a change of {shown(table)} that does not say of which {mapping.kind}")
        return [change(mapping, row, op, at, self.name, message)]


def read_feed(name: str, node: Node) -> DataverseFeed:
    """Raises Problem."""
    node.keys(required=("format", "topic", "records"))
    topic = node["topic"].text(example="the name of a topic")
    return DataverseFeed(name, topic, read_records(node["records"], VALUES, DEFAULTS))


def _target(context: dict[str, Any]) -> dict[str, Any] | None:
    """What the operation was given; None where it was taken out, being too large."""
    if context.get("InputParameters") is None:
        return None
    target = _pairs(context, "InputParameters").get("Target")
    if not isinstance(target, dict):
        raise Undecodable(f"the Target among the InputParameters is {shown(target)}")
    return target


def _pairs(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """A collection of {key, value} as a dictionary."""
    pairs = holder.get(name)
    try:
        if isinstance(pairs, list):
            return {pair["key"]: pair["value"] for pair in pairs}
    except (TypeError, LookupError):
        pass
    raise Undecodable(f"`{name}` is not a list of pairs of key and value")


def _plain(value: Any) -> Any:
    """The number, text or id that one of Dataverse's structures stands for; several choices are a list."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return _bare(value)


def _bare(value: Any) -> Any:
    while isinstance(value, dict) and "Value" in value:
        value = value["Value"]
    if isinstance(value, dict) and "LogicalName" in value and isinstance(value.get("Id"), str):
        return value["Id"].lower()
    millis = _millis(value)
    return value if millis is None else millis


def _millis(value: Any) -> int | None:
    """Milliseconds since 1970 in UTC of `/Date(ms)/`; None of anything else."""
    found = _DATE(value) if isinstance(value, str) else None
    if found is None:
        return None
    written, sign, hours, minutes = found.groups()
    offset = (int(hours) * 60 + int(minutes)) * 60_000 if sign else 0
    return int(written) + (-offset if sign == "-" else offset)


def _at(modified: Any, context: dict[str, Any]) -> datetime:
    if type(modified) is int:
        return when(modified, "modifiedon")
    return when(_millis(context.get("OperationCreatedOn")), "OperationCreatedOn")
