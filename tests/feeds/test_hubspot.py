"""What HubSpot's webhooks say, and in which order it counts."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node, Problem
from streams.core.entries import Change
from streams.core.record import is_news
from streams.core.timestamps import micros, rfc3339
from streams.feeds import Feed, Message, PassedOver, Undecodable
from streams.feeds.formats import read_feed
from tests.feeds.samples import folded

AT = 1772442000500  # 2026-03-02T09:00:00.5Z, in ms


def feed(**records: Any) -> Feed:
    records = records or {"deal": {"kind": "deal"}, "ticket": {"kind": "ticket"}, "2-77": {"kind": "visit"}}
    return read_feed("hub", Node({"format": "hubspot", "topic": "t", "records": records}))


def event(kind: str, **parts: Any) -> dict[str, Any]:
    return {
        "eventId": 100,
        "subscriptionId": 1,
        "portalId": 9,
        "appId": 5,
        "occurredAt": AT,
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": 7,
        "changeSource": "CRM_UI",
        **parts,
    }


def property_change(name: str, value: Any, kind: str = "deal.propertyChange", **parts: Any) -> dict[str, Any]:
    return event(kind, propertyName=name, propertyValue=value, **parts)


def message(value: Any, offset: int = 41) -> Message:
    return Message("t", 3, offset, None, None if value is None else orjson.dumps(value))


def changes(value: Any, by: Feed | None = None, offset: int = 41) -> list[Change]:
    decoded = (by or feed()).decode(message(value, offset))
    assert isinstance(decoded, list)
    return decoded


def passed_over(value: Any) -> str:
    decoded = feed().decode(message(value))
    assert isinstance(decoded, PassedOver)
    return decoded.reason


def test_a_list_of_events_is_as_many_changes_even_of_one_record() -> None:
    told = changes(
        [
            event("deal.creation", changeFlag="CREATED"),
            property_change("amount", "2000", occurredAt=AT + 400, eventId=101),
            property_change("dealstage", "qualifiedtobuy", occurredAt=AT + 800, eventId=99),
        ]
    )
    assert [each.record for each in told] == ["deal:7"] * 3
    assert [each.fields for each in told] == [
        {"created": "2026-03-02T09:00:00.500000Z"},
        {"value": 2000.0},
        {"stage": "qualifiedtobuy", "status": "open"},
    ]
    assert told[0].at == datetime(2026, 3, 2, 9, 0, 0, 500_000, UTC)
    # They are at one place of the topic; no one of them is a repeat of another.
    record = folded(told)
    assert (record.value, record.stage) == (2000.0, "qualifiedtobuy")
    assert record.created == micros(told[0].at)
    assert record.entered == micros(told[2].at)


def test_one_event_needs_no_list() -> None:
    assert changes(property_change("amount", "2")) == changes([property_change("amount", "2")])


def test_the_last_to_occur_holds_for_each_property_whatever_came_first() -> None:
    first = property_change("dealstage", "appointmentscheduled", occurredAt=AT, eventId=9)
    amount = property_change("amount", "5", occurredAt=AT + 1)
    last = property_change("dealstage", "closedwon", occurredAt=AT + 2, eventId=3)
    told = [changes(each, offset=offset)[0] for offset, each in enumerate((last, first, amount))]
    record = folded(told)
    assert (record.stage, record.status, record.value) == ("closedwon", "closed", 5.0)


def test_a_retry_is_known_by_when_it_occurred() -> None:
    stage = property_change("dealstage", "closedwon")
    record = folded(changes(stage, offset=1))
    again = changes({**stage, "attemptNumber": 1}, offset=8)[0]
    assert not is_news(record, again)


def test_a_property_that_is_not_mapped_is_a_touch_and_hides_no_deletion() -> None:
    touch = changes(property_change("hs_note", "x", occurredAt=AT + 5_000), offset=1)
    assert touch[0].fields == {}
    gone = changes(event("deal.deletion", changeFlag="DELETED", occurredAt=AT + 9_000), offset=2)
    for told in ([*touch, *gone], [*gone, *touch]):
        record = folded(told)
        assert record.deleted
        assert rfc3339(record.touched) == "2026-03-02T09:00:05.500000Z"


def test_an_empty_value_is_null() -> None:
    assert changes(property_change("amount", ""))[0].fields == {"value": None}


@pytest.mark.parametrize("kind", ["deal.deletion", "deal.privacyDeletion"])
def test_what_is_deleted_is_gone_and_what_is_restored_is_uncertain(kind: str) -> None:
    record = folded(changes(property_change("amount", "3", occurredAt=AT - 9)))
    record = folded(changes(event(kind)), record)
    assert record.deleted
    back = changes(event("deal.restore", occurredAt=AT + 9), offset=50)
    assert back[0].op == "gap"
    record = folded(back, record)
    assert (record.deleted, record.uncertain, record.value) == (False, True, None)


def test_a_late_deletion_does_not_undo_a_restoration() -> None:
    back = changes(event("deal.restore", occurredAt=AT + 9), offset=1)
    assert not folded([*back, *changes(event("deal.deletion"), offset=2)]).deleted


def test_a_change_from_before_the_deletion_brings_nothing_back() -> None:
    gone = changes(event("deal.deletion", occurredAt=AT + 9), offset=1)
    late = event("deal.propertyChange", propertyName="amount", propertyValue="7", occurredAt=AT + 5)
    record = folded([*gone, *changes(late, offset=2)])
    assert (record.deleted, record.value) == (True, 7.0)


def test_a_merge_says_of_the_others_what_they_are_now() -> None:
    told = changes(event("deal.merge", objectId=1, primaryObjectId=1, mergedObjectIds=[2, 3]))
    assert [(each.record, each.fields) for each in told] == [
        ("deal:2", {"merged": "deal:1"}),
        ("deal:3", {"merged": "deal:1"}),
    ]
    # A merge may make a new object of all of them.
    told = changes(event("deal.merge", primaryObjectId=1, mergedObjectIds=[2], newObjectId=8))
    assert [(each.record, each.fields) for each in told] == [
        ("deal:2", {"merged": "deal:8"}),
        ("deal:1", {"merged": "deal:8"}),
    ]
    assert not folded(told[:1]).alive


def test_the_generic_form_names_the_object_by_its_type() -> None:
    told = changes(
        [
            property_change("hs_pipeline_stage", "4", "object.propertyChange", objectTypeId="0-5"),
            property_change("hubspot_owner_id", "70", "object.propertyChange", objectTypeId="2-77"),
        ]
    )
    assert [(each.record, each.fields) for each in told] == [
        ("ticket:7", {"stage": "Closed", "status": "closed"}),
        ("visit:7", {"owner": "70"}),
    ]
    assert "'0-1'" in passed_over([event("object.creation", objectTypeId="0-1")])


def test_a_moment_is_a_text_of_milliseconds() -> None:
    assert changes(property_change("createdate", str(AT)))[0].fields == {
        "created": "2026-03-02T09:00:00.500000Z"
    }


def test_several_portals_are_told_apart() -> None:
    by = feed(deal={"kind": "deal", "id": ["portalId", "objectId"]})
    told = changes(event("deal.merge", primaryObjectId=1, mergedObjectIds=[2]), by)
    assert (told[0].record, told[0].fields) == ("deal:9/2", {"merged": "deal:9/1"})


def test_who_did_it_is_the_source_of_the_change() -> None:
    by = feed(deal={"kind": "deal", "by": {"field": "changeSource", "person": ["CRM_UI"]}})
    assert changes(event("deal.creation"), by)[0].by == "person"
    assert changes(event("deal.creation", changeSource="IMPORT"), by)[0].by is None


def test_what_says_nothing_of_a_record_is_passed_over() -> None:
    assert passed_over([]) == "a list without events"
    assert passed_over(None) == "a message without events"
    assert passed_over([event("deal.associationChange")]) == "an association of two objects"
    both = [event("contact.creation"), event("conversation.newMessage"), event("contact.deletion")]
    assert passed_over(both).count("does not name") == 2
    # What says something beside it is taken.
    assert len(changes([event("deal.associationChange"), event("deal.deletion")])) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x", "the value is 'x', not a list of events"),
        ([7], "event 1 of 1: not a webhook's event: there is no subscriptionType; it is 7"),
        ([event("deal.deletion"), {"a": 1}], "event 2 of 2: not a webhook's event"),
        ([event("deal.renamed")], "the subscriptionType ends in 'renamed', none of: creation"),
        ([event("deal.deletion", occurredAt="1")], "`occurredAt` is '1', not milliseconds"),
        ([event("deal.deletion", objectId=None)], "the id column 'objectId' is empty"),
        ([event("deal.propertyChange")], "the propertyName is None"),
        ([property_change("amount", "much")], "value, column 'amount': 'much' is not a number"),
        ([event("deal.merge", primaryObjectId=1)], "the mergedObjectIds are None, not a list"),
    ],
)
def test_what_cannot_be_read_says_why(value: Any, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        feed().decode(message(value))
    assert reason in str(caught.value)


def test_an_object_has_one_name() -> None:
    with pytest.raises(Problem) as caught:
        feed(**{"0-3": {"kind": "deal"}})
    assert (caught.value.message, caught.value.remedy) == ("'0-3' is the deal", "Write deal: ...")
