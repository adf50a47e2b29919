"""What Dataverse's execution contexts say of a row."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Format, Message, PassedOver, Undecodable
from streams.feeds.formats import read_feed

AT = 1772442000000  # 2026-03-02T09:00:00Z, in ms
CASE = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
USER = "75c2dd85-0000-4000-8000-000000000001"


def feed(**records: Any) -> Format:
    records = records or {
        "incident": {"kind": "ticket", "fields": ["title", "tags"]},
        "opportunity": {"kind": "deal"},
    }
    return read_feed("dv", Node({"format": "dataverse", "topic": "t", "records": records}))


def reference(table: str, row: str) -> dict[str, Any]:
    return {"__type": "EntityReference:http://x", "Id": row, "LogicalName": table, "Name": "N"}


def context(what: str = "Update", table: str = "incident", **attributes: Any) -> dict[str, Any]:
    target = {
        "Attributes": [{"key": name, "value": value} for name, value in attributes.items()],
        "Id": CASE,
        "LogicalName": table,
        "RowVersion": "77",
    }
    return {
        "MessageName": what,
        "PrimaryEntityName": table,
        "PrimaryEntityId": CASE.upper(),
        "InputParameters": [{"key": "Target", "value": target}],
        "OperationCreatedOn": f"/Date({AT + 1000})/",
        "Stage": 40,
        "UserId": USER,
        "InitiatingUserId": USER,
        "ParentContext": None,
    }


def decoded(value: Any, by: Format | None = None) -> list[Change] | PassedOver:
    raw = None if value is None else orjson.dumps(value)
    return (by or feed()).decode(Message("t", 3, 41, None, raw))


def change(value: Any, by: Format | None = None) -> Change:
    told = decoded(value, by)
    assert isinstance(told, list)
    (only,) = told
    return only


def test_an_update_says_the_attributes_of_its_target_in_the_plain() -> None:
    told = change(
        context(
            statuscode={"Value": 2},
            prioritycode={"Value": 1},
            ownerid=reference("systemuser", USER.upper()),
            customerid=None,
            title="Printer",
            tags=[{"Value": 3}, {"Value": 4}],
            createdon=f"/Date({AT - 60_000})/",
            modifiedon=f"/Date({AT})/",
            surname="not mapped",
        )
    )
    assert told.record == f"ticket:{CASE}"
    assert told.op == "upsert"
    assert told.at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert told.order is None
    assert told.fields == {
        "stage": "On Hold",
        "status": "paused",
        "priority": "High",
        "owner": USER,
        "customer": None,
        "title": "Printer",
        "tags": [3, 4],
        "created": "2026-03-02T08:59:00Z",
    }


@pytest.mark.parametrize(("money", "value"), [({"Value": 1500.5}, 1500.5), ({"Value": None}, None)])
def test_money_is_a_number(money: Any, value: float | None) -> None:
    assert change(context("Create", "opportunity", estimatedvalue=money)).fields == {"value": value}


def test_a_merged_case_names_the_one_it_has_become_part_of() -> None:
    other = "00000000-0000-4000-8000-00000000000a"
    assert change(context(masterid=reference("incident", other))).fields == {"merged": f"ticket:{other}"}


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (f"/Date({AT})/", AT),
        # In Microsoft's own example the number is ahead of modifiedon by just this offset.
        (f"/Date({AT + 7 * 3_600_000}-0700)/", AT),
        (f"/Date({AT - 5_400_000}+0130)/", AT),
    ],
)
def test_the_offset_of_when_the_operation_was_created_is_in_its_number(written: str, at: int) -> None:
    given = {**context(title="x"), "OperationCreatedOn": written}
    assert change(given).at.timestamp() * 1000 == at


def test_when_it_was_modified_goes_before_when_the_operation_was_created() -> None:
    assert change(context(modifiedon=f"/Date({AT - 3000})/")).at.timestamp() * 1000 == AT - 3000


def test_a_deletion_needs_no_target() -> None:
    given = {
        **context("Delete"),
        "InputParameters": [{"key": "Target", "value": reference("incident", CASE)}],
    }
    for each in (given, {key: value for key, value in given.items() if key != "InputParameters"}):
        told = change(each)
        assert (told.record, told.op, told.fields) == (f"ticket:{CASE}", "delete", {})


@pytest.mark.parametrize("what", ["Create", "Update"])
def test_what_was_too_large_to_send_is_a_gap(what: str) -> None:
    given = {key: value for key, value in context(what).items() if key != "InputParameters"}
    told = change(given)
    assert (told.record, told.op, told.fields) == (f"ticket:{CASE}", "gap", {})


def test_neither_images_nor_the_parents_are_read() -> None:
    image = {"Attributes": [{"key": "title", "value": "old"}], "Id": CASE}
    given = context(prioritycode={"Value": 3})
    given["PostEntityImages"] = [{"key": "AsynchronousStepPrimaryName", "value": image}]
    given["ParentContext"] = context("Create", "opportunity", estimatedvalue={"Value": 1})
    assert change(given).fields == {"priority": "Low"}


def test_what_is_about_another_record_is_taken_where_it_says_which() -> None:
    by = feed(email={"kind": "ticket", "id": "regardingobjectid", "said": {"text": "description"}})
    given = context(
        "Create", "email", regardingobjectid=reference("incident", CASE), description="Is anybody there?"
    )
    told = change(given, by)
    assert told.record == f"ticket:{CASE}"
    assert told.said is not None
    later = decoded(context("Update", "email", description="edited"), by)
    assert later == PassedOver("a change of 'email' that does not say of which ticket")


def test_who_did_it_is_a_user() -> None:
    by = feed(incident={"kind": "ticket", "by": {"field": "InitiatingUserId", "automation": [USER]}})
    assert change(context("Delete"), by).by == "automation"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "a message without a context"),
        (context(table="contact"), "a table that `records` does not name, 'contact'"),
        (context("SetState"), "the message 'SetState': register steps for Create, Update, Delete"),
        ({**context(), "Stage": 20}, "register it for PostOperation"),
    ],
)
def test_what_says_nothing_of_a_record_is_passed_over(value: Any, reason: str) -> None:
    told = decoded(value)
    assert isinstance(told, PassedOver)
    assert reason in told.reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "the value is a list, not an execution context"),
        ({"a": 1}, "there is no MessageName or no PrimaryEntityName; there are: a"),
        ({**context(), "PrimaryEntityId": "7"}, "the PrimaryEntityId is '7', not a GUID"),
        ({**context(), "InputParameters": []}, "the Target among the InputParameters is None"),
        ({**context(), "InputParameters": {}}, "`InputParameters` is not a list of pairs"),
        ({**context(), "InputParameters": [{"key": "Target", "value": {}}]}, "`Attributes` is not a list"),
        ({**context(), "OperationCreatedOn": "today"}, "`OperationCreatedOn` is None, not milliseconds"),
        (context(estimatedvalue=1, createdon="then"), "created, column 'createdon': 'then'"),
        (context(ownerid={"a": 1}), "owner, column 'ownerid': an object is not a text"),
    ],
)
def test_what_cannot_be_read_says_why(value: Any, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(value)
    assert reason in str(caught.value)
