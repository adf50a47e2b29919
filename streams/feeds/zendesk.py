"""Zendesk's events, by webhook or by Amazon EventBridge, and triggers' webhooks: `format: zendesk`.

    tickets:
      format: zendesk
      topic: zendesk.events
      records:
        ticket: {kind: ticket}                # what is written goes before the DEFAULTS below
        organization: {kind: account, id: id}

Columns are the properties of the event's `detail` (`status`, `via.channel`), and of a ticket also:

    event        what happened: created, comment_added, status_changed, ...
    author       person, customer or automation; null where the event does not tell
    comment.body, comment.is_public, comment.author.id, ...      of an event that adds one
    merged_into  the ticket that this one has become part of

Statuses, priorities and types are in small letters, however they come, and `on-hold` is `hold`.

The order token is the event's time in nanoseconds, the position in its sequence, and its id. Events of one
action may come in any order, so one that adds a comment has none: a late one is heard. The number of a
sequence orders nothing. Skinny events (`detail` with an id alone) leave what they lack as it is.

A trigger's webhook is JSON that its author writes: an object `ticket` with the properties of a ticket,
of which `id` and `updated_at` are needed. An empty text is a null: that is what a placeholder gives. It
has no order token.

Events: https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events
and https://developer.zendesk.com/api-reference/amazon-eventbridge/tickets/
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from streams.core.document import Node
from streams.core.entries import Author, Change, Operation
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.mapping import Defaults, MappedFeed, RecordMapping, read_records
from streams.feeds.paths import Paths
from streams.feeds.reading import change, read_moment
from streams.feeds.times import PlainValues, read_time_format
from streams.feeds.values import listed, parse, shown

DEFAULTS: Defaults = {
    "ticket": {
        "id": "id",
        "owner": "assignee_id",
        "customer": "requester_id",
        "priority": "priority",
        "stage": {
            "field": "status",
            "paused": ["pending", "hold"],
            "closed": ["solved", "closed", "deleted", "archived", "scrubbed"],
        },
        "created": "created_at",
        "merged": "merged_into",
        "by": "author",
        "said": {"text": "comment.body", "channel": "via.channel", "public": "comment.is_public"},
        "fields": ["subject", "type", "tags", "group_id", "organization_id"],
    }
}

_DELETES = frozenset({"soft_deleted", "permanently_deleted", "marked_as_spam", "deleted"})
_COMMENTS = frozenset({"comment_added", "comment_created"})
_FOLDED = ("status", "priority", "type")
_ACTORS: dict[str, Author] = {
    "agent": "person",
    "end_user": "customer",
    "system": "automation",
    "trigger": "automation",
}
_SYSTEM = "-1"
_type = re.compile(r"zen:event-type:(?:messaging_)?([a-z_]+)\.([a-z_]+)").fullmatch
_fraction = re.compile(r"\.([0-9]+)").search

_read_time = read_time_format(None)


class _Event(msgspec.Struct, frozen=True):
    """what: the object and what happened to it. row: the object's properties. event: what is particular to
    this event. at: RFC 3339. order: the position in its sequence, and an id; None where there is neither."""

    what: tuple[str, str]
    row: dict[str, Any]
    event: dict[str, Any]
    at: Any
    order: tuple[int, str] | None


class ZendeskFeed(MappedFeed):
    def __init__(self, name: str, topic: str, mappings: Mapping[str, RecordMapping]) -> None:
        super().__init__(name, topic, mappings)
        self._paths = {kind: Paths(each.columns) for kind, each in mappings.items()}

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without a value")
        event = _read_event(parse(message.value, "value"))
        kind, what = event.what
        if kind not in self._mappings:
            return PassedOver(f"an event of {shown(kind)}, for which there is no record")
        if event.at is None:
            raise Undecodable("there is no time of the event: when it happened is unknown")
        at, micros, _ = read_moment(_read_time, event.at, "the time of the event")
        order = None
        if event.order is not None:
            order = (micros * 1000 + _nanos(event.at), *event.order)
        document = _ticket(event) if kind == "ticket" else event.row
        row = self._paths[kind].row(document, document)
        op: Operation = "delete" if what in _DELETES else "upsert"
        return [change(self._mappings[kind], row, op, at, self.name, message, order, unordered=True)]


def read_feed(name: str, node: Node) -> ZendeskFeed:
    """Raises Problem."""
    node.keys(required=("format", "topic", "records"))
    mappings = read_records(node["records"], PlainValues(_read_time), DEFAULTS)
    return ZendeskFeed(name, node["topic"].text(example="the name of a topic"), mappings)


def _read_event(value: Any) -> _Event:
    if not isinstance(value, dict):
        raise Undecodable(f"the value is {shown(value)}, not an event of Zendesk's")
    detail = value.get("detail", value)
    if isinstance(detail, dict) and "ticket_event" in detail:
        return _of_bridge(value, detail["ticket_event"])
    if "zendesk_event_version" in value:
        return _of_webhook(value)
    if "ticket" in value:
        ticket = _object(value, "ticket")
        row = {column: None if each == "" else each for column, each in ticket.items()}
        return _Event(("ticket", "triggered"), row, {}, row.get("updated_at"), None)
    raise Undecodable(
        f"neither an event of Zendesk's nor a trigger's object `ticket`; there are: {listed(value)}"
    )


def _of_webhook(value: dict[str, Any]) -> _Event:
    kind = value.get("type")
    named = _type(kind) if isinstance(kind, str) else None
    if named is None:
        raise Undecodable(f"the type {shown(kind)} is not of the form zen:event-type:ticket.created")
    event = _object(value, "event")
    order = _position(event), _id(value)
    return _Event((named[1], named[2]), _object(value, "detail"), event, value.get("time"), order)


def _of_bridge(value: dict[str, Any], event: Any) -> _Event:
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise Undecodable("`ticket_event` has no `type`")
    what = event["type"].lower().removeprefix("ticket ").replace(" ", "_")
    meta = _object(event, "meta")
    order = _position(event), _id(value)
    return _Event(("ticket", what), _object(event, "ticket"), event, meta.get("occurred_at"), order)


def _ticket(event: _Event) -> dict[str, Any]:
    """The ticket's properties, and what this event says beside them."""
    ticket = {**event.row, "event": event.what[1]}
    for column in _FOLDED:
        if isinstance(ticket.get(column), str):
            ticket[column] = ticket[column].lower()
    if ticket.get("status") == "on-hold":
        ticket["status"] = "hold"
    if event.what[1] in _COMMENTS:
        ticket["comment"] = _object(event.event, "comment")
    if "message" in event.event:
        ticket["comment"] = {"is_public": True, **_object(event.event, "message")}
        ticket.setdefault("via", {"channel": "native_messaging"})
    if "target_ticket_id" in event.event:
        ticket["merged_into"] = event.event["target_ticket_id"]
    ticket["author"] = _author(ticket, event.event)
    return ticket


def _author(ticket: dict[str, Any], event: dict[str, Any]) -> Author | None:
    """Who did it, where that is told: an actor who is neither the requester nor the system may be of ours,
    or another of the customer's."""
    comment = ticket.get("comment")
    author = comment.get("author") if isinstance(comment, dict) else None
    if isinstance(author, dict) and isinstance(author.get("is_staff"), bool):
        if _number(author.get("id")) == _SYSTEM:
            return "automation"
        return "person" if author["is_staff"] else "customer"
    actor = event.get("actor")
    if isinstance(actor, dict):
        kind = actor.get("type")
        return _ACTORS.get(kind) if isinstance(kind, str) else None
    meta = event.get("meta")
    by = _number((meta.get("actor_id") if isinstance(meta, dict) else None) or ticket.get("actor_id"))
    if by == _SYSTEM:
        return "automation"
    return "customer" if by is not None and by == _number(ticket.get("requester_id")) else None


def _number(value: Any) -> str | None:
    """A user's number, which is a text in a webhook and not in EventBridge."""
    return str(value) if isinstance(value, str | int) else None


def _position(event: dict[str, Any]) -> int:
    meta = event.get("meta")
    sequence = meta.get("sequence") if isinstance(meta, dict) else None
    position = sequence.get("position") if isinstance(sequence, dict) else None
    return position if type(position) is int else 0


def _nanos(at: str) -> int:
    """The digits of a fraction that microseconds have no room for."""
    fraction = _fraction(at)
    return int(fraction[1][6:9].ljust(3, "0")) if fraction else 0


def _id(value: dict[str, Any]) -> str:
    found = value.get("id")
    return found[:200] if isinstance(found, str) else ""


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise Undecodable(f"`{name}` is {shown(found)}, not an object")
    return found
