"""HubSpot's webhooks, as they were posted: `format: hubspot`.

    crm:
      format: hubspot
      topic: hubspot.events
      records:                                  # by object: contact, company, deal, ticket, or 2-1234567
        deal: {kind: deal}
        ticket: {kind: ticket, fields: [subject]}

A message is a list of events, or one event. What is not said of an object has a default: see
`DEFAULTS`. Columns are the object's properties; beside them, of the event, there are `objectId`,
`portalId`, `changeSource` and `sourceId`. Several portals in one topic need both: `id: [portalId,
objectId]`. All values are text, and an empty one is null.

An event tells of one property, so a record is known by what has changed since the feed began. It is
also a touch. `created` comes with the creation of a record, `merged` when it becomes part of another.
A record that is restored comes back as a gap: nothing says what it looks like.

Events come in any order. So each property that is mapped counts as a feed of its own, NAME/PROPERTY
in `Change.feed`, with the order token (occurredAt, eventId): the last to occur holds, and a retry is
known as such. Creation, deletion, restoration and merge go by one order together, and so do the
touches by properties that are not mapped. What comes late is put in its place.

One event that cannot be read makes its whole message a dead letter.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from streams.core.document import Node
from streams.core.entries import Change, Operation
from streams.feeds import Brings, Message, PassedOver, Undecodable
from streams.feeds.crm import VALUES, when
from streams.feeds.mapping import MappedFeed, RecordMapping, read_records
from streams.feeds.reading import change
from streams.feeds.values import Row, listed, parse, shown, utc_text

_OWNED = {"id": "objectId", "owner": "hubspot_owner_id", "created": "createdate"}

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "*": _OWNED,
    "deal": {
        **_OWNED,
        "stage": {"field": "dealstage", "closed": ["closedwon", "closedlost"]},
        "value": "amount",
    },
    "ticket": {
        **_OWNED,
        "stage": {
            "field": "hs_pipeline_stage",
            "values": {"1": "New", "2": "Waiting on contact", "3": "Waiting on us", "4": "Closed"},
            "paused": ["Waiting on contact"],
            "closed": ["Closed"],
        },
        "priority": "hs_ticket_priority",
    },
}
"""The default pipelines' stages."""

_TYPES = {"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket"}
"""By the objectTypeId of `object.*` events."""

_LIFE: Mapping[str, Operation] = {
    "creation": "upsert",
    "deletion": "delete",
    "privacyDeletion": "delete",
    "restore": "gap",
}
_ASIDE = ("objectId", "portalId", "changeSource", "sourceId")


class HubspotFeed(MappedFeed):
    """One app's events, of one object or of several."""

    def __init__(self, name: str, topic: str, mappings: Mapping[str, RecordMapping]) -> None:
        super().__init__(name, topic, mappings)
        self.kinds = {
            kind: Brings(brings.fields | {"merged"}, brings.facts | {"merged"}, brings.lookups)
            for kind, brings in self.kinds.items()
        }

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        if message.value is None:
            return PassedOver("a message without events")
        events = parse(message.value, "value")
        if isinstance(events, dict):
            events = [events]
        if not isinstance(events, list):
            raise Undecodable(f"the value is {shown(events)}, not a list of events")
        changes: list[Change] = []
        reasons: dict[str, None] = {}
        for number, event in enumerate(events, 1):
            try:
                told = self._told(event, message)
            except Undecodable as error:
                raise Undecodable(f"event {number} of {len(events)}: {error}") from None
            if isinstance(told, PassedOver):
                reasons[told.reason] = None
            else:
                changes += told
        return changes or PassedOver("; ".join(list(reasons)[:5]) or "a list without events")

    def _told(self, event: Any, message: Message) -> list[Change] | PassedOver:
        if not isinstance(event, dict) or not isinstance(event.get("subscriptionType"), str):
            there = f"there are: {listed(event)}" if isinstance(event, dict) else f"it is {shown(event)}"
            raise Undecodable(f"not a webhook's event: there is no subscriptionType; {there}")
        subject, _, what = event["subscriptionType"].partition(".")
        if what == "associationChange":
            return PassedOver("an association of two objects")
        name = event.get("objectTypeId") if subject == "object" else subject
        mapping = self._mappings.get(_TYPES.get(name, name)) if isinstance(name, str) else None
        if mapping is None:
            return PassedOver(f"a change of an object that `records` does not name, {shown(name)}")
        return list(self._changes(mapping, event, what, message))

    def _changes(
        self, mapping: RecordMapping, event: dict[str, Any], what: str, message: Message
    ) -> Iterator[Change]:
        at = when(event.get("occurredAt"), "occurredAt")
        number = event.get("eventId")
        order = event["occurredAt"], number if type(number) is int else 0
        row: Row = {column: event.get(column) for column in _ASIDE}
        if what == "propertyChange":
            column, value = event.get("propertyName"), event.get("propertyValue")
            if not isinstance(column, str):
                raise Undecodable(f"the propertyName is {shown(column)}")
            if column not in _ASIDE:
                row[column] = None if value == "" else value
            feed = f"{self.name}/{column if column in mapping.columns else '*'}"
            yield change(mapping, row, "upsert", at, feed, message, order, unordered=True)
        elif what == "merge":
            kept = event.get("newObjectId") or event.get("primaryObjectId")
            into = mapping.record({**row, "objectId": kept})
            for gone in _merged(event):
                if gone != kept:
                    yield change(
                        mapping,
                        {**row, "objectId": gone},
                        "upsert",
                        at,
                        self.name,
                        message,
                        order,
                        told={"merged": into},
                        unordered=True,
                    )
        elif what in _LIFE:
            told = {"created": utc_text(at)} if what == "creation" else {}
            yield change(mapping, row, _LIFE[what], at, self.name, message, order, told=told, unordered=True)
        else:
            known = ", ".join((*_LIFE, "merge", "propertyChange", "associationChange"))
            raise Undecodable(f"the subscriptionType ends in {shown(what)}, none of: {known}")


def read_feed(name: str, node: Node) -> HubspotFeed:
    """Raises Problem."""
    node.keys(required=("format", "topic", "records"))
    for key, each in node["records"].items():
        if key in _TYPES:
            each.fail(f"{key!r} is the {_TYPES[key]}", f"Write {_TYPES[key]}: ...", key=True)
    topic = node["topic"].text(example="the name of a topic")
    return HubspotFeed(name, topic, read_records(node["records"], VALUES, DEFAULTS))


def _merged(event: dict[str, Any]) -> list[Any]:
    """The objects that have become part of another: where a new one was made, the primary one as well."""
    merged = event.get("mergedObjectIds")
    if not isinstance(merged, list):
        raise Undecodable(f"the mergedObjectIds are {shown(merged)}, not a list")
    return [*merged, event.get("primaryObjectId")]
