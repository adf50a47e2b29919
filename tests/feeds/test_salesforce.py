"""What Salesforce's Change Data Capture gives, in each of the shapes in which it reaches a topic."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node, Problem
from streams.core.entries import Change
from streams.core.record import is_news
from streams.feeds import Feed, Message, PassedOver, Undecodable
from streams.feeds.formats import read_feed
from tests.feeds.samples import folded

AT = 1772442000000  # 2026-03-02T09:00:00Z, in ms
ACCOUNT, OTHER = "001000000000001AAA", "001000000000002AAA"


def feed(**records: Any) -> Feed:
    records = records or {
        "Opportunity": {"kind": "deal"},
        "Account": {"kind": "account", "fields": ["Name", "BillingAddress.City", "Industry", "Description"]},
    }
    return read_feed("crm", Node({"format": "salesforce", "topic": "t", "records": records}))


def event(kind: str = "UPDATE", fields: dict[str, Any] | None = None, **header: Any) -> dict[str, Any]:
    """The decoded payload, as the Pub/Sub API has it."""
    return {
        "ChangeEventHeader": {
            "entityName": "Account",
            "recordIds": [ACCOUNT],
            "changeType": kind,
            "changeOrigin": "com/salesforce/api/soap/60.0;client=SfdcInternalAPI/",
            "transactionKey": "00000000-0000-0000-0000-000000000001",
            "sequenceNumber": 1,
            "commitTimestamp": AT,
            "commitNumber": 700,
            "commitUser": "005000000000001AAA",
            **header,
        },
        **(fields or {}),
    }


def message(value: Any, offset: int = 41) -> Message:
    return Message("t", 3, offset, None, None if value is None else orjson.dumps(value))


def changes(value: Any, by: Feed | None = None, offset: int = 41) -> list[Change]:
    decoded = (by or feed()).decode(message(value, offset))
    assert isinstance(decoded, list)
    return decoded


def change(value: Any, by: Feed | None = None, offset: int = 41) -> Change:
    (only,) = changes(value, by, offset)
    return only


def passed_over(value: Any, by: Feed | None = None) -> PassedOver:
    decoded = (by or feed()).decode(message(value))
    assert isinstance(decoded, PassedOver)
    return decoded


@pytest.mark.parametrize(
    "around",
    [
        lambda payload: payload,
        lambda payload: {"schema": "abc", "payload": payload, "event": {"replayId": 7}},
        lambda payload: {
            "data": {"schema": "abc", "payload": payload},
            "channel": "/data/AccountChangeEvent",
        },
        lambda payload: {"replayId": 7, "payload": payload},
        lambda payload: {"account": "1", "time": "2026-03-02T09:00:05Z", "detail": payload},
        lambda payload: {"detail": {"schema": "abc", "payload": payload}},
        lambda payload: {
            "schema": {"type": "struct", "fields": []},
            "payload": {**payload, "Id": ACCOUNT, "ReplayId": "7", "_EventType": "abc", "_ObjectType": "x"},
        },
    ],
    ids=[
        "pubsub",
        "cometd",
        "cometd-data",
        "pubsub-payload",
        "eventbridge",
        "eventbridge-payload",
        "connect",
    ],
)
def test_an_event_says_the_same_in_every_shape(around: Any) -> None:
    given = event("UPDATE", {"OwnerId": "005000000000002AAA", "Name": None}, changedFields=["OwnerId"])
    told = change(around(given))
    assert told.record == f"account:{ACCOUNT}"
    assert told.op == "upsert"
    assert told.at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert told.order == (AT, 700, 1)
    assert told.fields == {"owner": "005000000000002AAA"}


def test_an_update_says_only_what_its_header_names() -> None:
    told = change(
        event(
            "UPDATE",
            {"Name": None, "Industry": None, "OwnerId": "005000000000001AAA", "CreatedDate": None},
            changedFields=["Industry", "LastModifiedDate"],
        )
    )
    assert told.fields == {"Industry": None}


def test_a_part_of_a_compound_field_has_a_name_of_its_own() -> None:
    address = {"City": "Graz", "State": None}
    told = change(event("UPDATE", {"BillingAddress": address}, changedFields=["BillingAddress.City"]))
    assert told.fields == {"BillingAddress.City": "Graz"}
    told = change(event("UPDATE", {"BillingAddress": address}, changedFields=["BillingAddress.State"]))
    assert told.fields == {}
    told = change(event("UPDATE", {"BillingAddress": None}, changedFields=["BillingAddress.City"]))
    assert told.fields == {"BillingAddress.City": None}
    for given in (
        event("UPDATE", {"BillingAddress": address}, changedFields=["BillingAddress"]),
        event("CREATE", {"BillingAddress": address}),
    ):
        assert change(given).fields == {"BillingAddress.City": "Graz"}


def test_a_field_that_is_named_as_empty_is_null() -> None:
    assert change(event("UPDATE", changedFields=["Industry"], nulledFields=["Industry"])).fields == {
        "Industry": None
    }


def test_of_a_difference_nothing_is_taken() -> None:
    given = {"Description": "--- \n+++ \n@@ -1 +1 @@", "Name": "Acme"}
    told = change(event("UPDATE", given, changedFields=["Description", "Name"], diffFields=["Description"]))
    assert told.fields == {"Name": "Acme"}


@pytest.mark.parametrize("bitmap", [["0x400800"], ["0x400800", "4-0x08"], [], None])
def test_bitmaps_that_nobody_has_decoded_leave_what_has_a_value(bitmap: Any) -> None:
    given = {"Name": None, "Industry": "Apparel", "BillingAddress": {"City": None, "State": "CA"}}
    told = change(event("UPDATE", given, changedFields=bitmap, nulledFields=["0x01"]))
    assert told.fields == {"Industry": "Apparel"}


def test_what_is_created_or_undeleted_brings_its_nulls() -> None:
    for kind in ("CREATE", "UNDELETE"):
        told = change(event(kind, {"Name": "Acme", "Industry": None, "CreatedDate": AT}))
        assert told.op == "upsert"
        assert told.fields == {"Name": "Acme", "Industry": None, "created": "2026-03-02T09:00:00Z"}


@pytest.mark.parametrize(
    "written", [AT, str(AT), "2026-03-02T09:00:00Z", "2026-03-02T09:00:00.000Z", "2026-03-02T10:00:00+0100"]
)
def test_a_time_is_a_text_or_milliseconds(written: Any) -> None:
    assert change(event("CREATE", {"CreatedDate": written})).fields == {"created": "2026-03-02T09:00:00Z"}


def test_a_date_in_days_says_so() -> None:
    by = feed(
        Opportunity={
            "kind": "deal",
            "planned": {"field": "CloseDate", "unit": "days", "zone": "Europe/Berlin"},
        }
    )
    told = change(event("CREATE", {"CloseDate": 20_514}, entityName="Opportunity"), by)
    assert told.fields == {"planned": "2026-03-01T23:00:00Z"}


def test_one_event_for_several_records_is_a_change_of_each() -> None:
    given = event(
        "UPDATE", {"Industry": "Apparel"}, changedFields=["Industry"], recordIds=[ACCOUNT, OTHER, ACCOUNT]
    )
    told = changes(given)
    assert [each.record for each in told] == [f"account:{ACCOUNT}", f"account:{OTHER}"]
    assert {each.source.offset for each in told} == {41}
    assert all(each.fields == {"Industry": "Apparel"} for each in told)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        # From Salesforce's own published events.
        ("001ZM000001n4n5", "001ZM000001n4n5YAA"),
        ("50025000009vJE9", "50025000009vJE9AAM"),
        ("0015f00002JUZPc", "0015f00002JUZPcAAP"),
        ("a00B000000AVWaZ", "a00B000000AVWaZIAX"),
    ],
)
def test_both_ids_of_a_record_name_it_alike(short: str, long: str) -> None:
    for written in (short, long):
        assert change(event("DELETE", recordIds=[written])).record == f"account:{long}"


def test_a_wildcard_is_no_record() -> None:
    told = passed_over(event("UPDATE", {"Industry": "x"}, recordIds=["001*"], changedFields=["Industry"]))
    assert told.gap
    assert "read them all anew" in told.reason


@pytest.mark.parametrize(
    ("kind", "op"),
    [
        ("DELETE", "delete"),
        ("GAP_DELETE", "delete"),
        ("GAP_CREATE", "gap"),
        ("GAP_UPDATE", "gap"),
        ("GAP_UNDELETE", "gap"),
    ],
)
def test_an_event_without_a_body_says_nothing_of_the_fields(kind: str, op: str) -> None:
    told = change(event(kind, {"Name": None, "OwnerId": None}, changedFields=[]))
    assert (told.op, told.fields) == (op, {})


def test_an_overflow_is_no_record_and_asks_to_read_all_anew() -> None:
    told = passed_over(event("GAP_OVERFLOW", recordIds=["000000000000000AAA"]))
    assert told.gap
    assert "read all its records anew" in told.reason


def test_the_order_of_one_second_is_that_of_the_commits() -> None:
    def told(number: int, sequence: int, owner: str, offset: int) -> Change:
        given = event(
            "UPDATE",
            {"OwnerId": owner},
            changedFields=["OwnerId"],
            commitNumber=number,
            sequenceNumber=sequence,
        )
        return change(given, offset=offset)

    first, second, third = told(700, 1, "a", 1), told(700, 2, "b", 2), told(701, 1, "c", 3)
    record = folded([first, third, second, third])
    assert record.owner == "c"
    repeated = told(701, 1, "c", 9)
    assert not is_news(record, repeated)


def test_who_did_it_is_the_user_of_the_commit() -> None:
    by = feed(Account={"kind": "account", "by": {"field": "commitUser", "person": ["005000000000001AAA"]}})
    assert change(event("DELETE"), by).by == "person"
    assert change(event("UPDATE", changedFields=["Name"], commitUser="005000000000009AAA"), by).by is None


def test_known_objects_need_their_kind_alone() -> None:
    opportunity = {
        "Id": "006000000000001AAA",
        "OwnerId": "005000000000001AAA",
        "AccountId": ACCOUNT,
        "StageName": "Closed Won",
        "Amount": 1500.5,
        "CreatedDate": AT,
        "Name": "not mapped",
    }
    told = change(event("CREATE", opportunity, entityName="Opportunity", recordIds=["006000000000001"]))
    assert told.record == "deal:006000000000001AAA"
    assert told.fields == {
        "owner": "005000000000001AAA",
        "customer": ACCOUNT,
        "stage": "Closed Won",
        "status": "closed",
        "value": 1500.5,
        "created": "2026-03-02T09:00:00Z",
    }
    own = feed(Opportunity={"kind": "deal", "stage": {"field": "StageName", "closed": ["Verloren"]}})
    told = change(event("CREATE", opportunity, entityName="Opportunity"), own)
    assert told.fields["status"] == "open"


def test_an_object_of_ones_own_has_the_defaults_of_every_object() -> None:
    told = change(
        event("CREATE", {"OwnerId": "o", "Level__c": 3}, entityName="Visit__c"),
        feed(Visit__c={"kind": "visit", "fields": {"level": "Level__c"}}),
    )
    assert told.fields == {"owner": "o", "level": 3}


def test_what_is_about_another_record_is_taken_where_it_says_which() -> None:
    by = feed(
        CaseComment={
            "kind": "ticket",
            "id": "ParentId",
            "said": {"text": "CommentBody"},
            "by": {"field": "commitUser"},
        }
    )
    comment = {"ParentId": "500000000000001AAA", "CommentBody": "Any news?"}
    told = change(event("CREATE", comment, entityName="CaseComment"), by)
    assert told.record == "ticket:500000000000001AAA"
    assert told.said is not None
    assert told.said.text == "Any news?"
    # A message that comes late is a message all the same.
    assert told.order is None
    for kind in ("DELETE", "UPDATE", "GAP_UPDATE"):
        given = event(kind, {"CommentBody": "x"}, entityName="CaseComment", changedFields=["CommentBody"])
        assert passed_over(given, by).reason == "a change of 'CaseComment' that does not say of which ticket"


def test_what_is_no_change_of_an_object_that_is_named_is_passed_over() -> None:
    assert "'Contact'" in passed_over(event("CREATE", entityName="Contact")).reason
    assert "tombstone" in passed_over(None).reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "not a change event: there is no ChangeEventHeader; it is a list"),
        ({"payload": {"Name": "x"}}, "there is no ChangeEventHeader; there are: payload"),
        ({"ChangeEventHeader": None}, "the ChangeEventHeader is None"),
        (event(entityName=7), "the header's entityName is 7"),
        (event("MERGE"), "the changeType 'MERGE' is none of: CREATE"),
        (event(commitTimestamp="2026"), "`commitTimestamp` is '2026', not milliseconds"),
        (event(commitTimestamp=10**17), "outside the years"),
        (event(commitNumber="7"), "the header's commitNumber is '7', not a whole number"),
        (event(recordIds="001"), "the header's recordIds are '001', not a list"),
        (event(recordIds=[]), "name no record"),
        (event(recordIds=[""]), "'' among the header's recordIds is no id"),
        (event(changedFields="Name"), "the header's changedFields are 'Name', not a list"),
        (event("CREATE", {"CreatedDate": "soon"}), "created, column 'CreatedDate': 'soon'"),
    ],
)
def test_what_cannot_be_read_says_why(value: Any, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        feed().decode(message(value))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"record": {"kind": "deal", "id": "Id"}}, "unknown key 'record'"),
        ({"records": {}}, "`records` names no object"),
        ({"records": {"Case": None}}, "'Case' is empty"),
        ({"records": {"Case": {}}}, "'Case' lacks 'kind'"),
        ({"records": {"Case": {"kind": "ticket", "stag": "Status"}}}, "unknown key 'stag'"),
        ({"records": ["Case"]}, "'records' is a list"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused(node: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem) as caught:
        read_feed("crm", Node({"format": "salesforce", "topic": "t", **node}, ("feeds", "crm")))
    assert message in caught.value.message
