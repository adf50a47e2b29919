"""What the changes of tickets and interactions say about the customers they belong to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from streams.core import customers, entries
from streams.core.entries import Change, Said, Source
from streams.core.partition import Partition
from streams.core.record import Record
from streams.core.timestamps import micros
from tests.core.worlds import rules

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
WROTE = Said("Where is my parcel?", channel="email")


def change(number: int = 1, said: Said | None = None, **more: Any) -> Change:
    made = Change(
        record="ticket:7",
        op="upsert",
        at=AT,
        feed="crm",
        source=Source("crm", 0, number),
        order=(number,),
        by="customer" if said else None,
        fields={"customer": "c1", "status": "open", "subject": "Parcel"},
        said=said,
    )
    return msgspec.structs.replace(made, **more)


def test_what_comes_of_a_message() -> None:
    assert customers.of(change(said=WROTE)) == Change(
        record="customer:c1",
        op="upsert",
        at=AT,
        feed="crm/ticket:7",
        source=Source("crm", 0, 1),
        order=(1,),
        by="customer",
        fields={"issue": "ticket:7", "issue_status": "open", "visit": "email"},
    )


@pytest.mark.parametrize(
    ("more", "visit"),
    [
        ({"said": WROTE, "by": "customer"}, True),
        ({"said": Said("Hello?"), "by": "customer"}, True),
        ({"said": Said(negativity=0.4, channel="call"), "by": "customer"}, True),
        ({"said": WROTE, "by": "person"}, False),
        ({"said": WROTE, "by": "automation"}, False),
        ({"said": WROTE, "by": None}, False),
        ({"said": Said("Hello?", automatic=True), "by": "customer"}, False),
        ({"said": Said("I am out of the office until 9 March."), "by": "customer"}, False),
        ({"said": WROTE, "by": "customer", "op": "refresh"}, False),
        ({"by": "customer"}, False),
        ({"by": "customer", "fields": {"customer": "c1", "status": "open", "contacts": 4}}, False),
    ],
)
def test_a_visit_is_what_the_customer_wrote_and_no_machine(more: dict[str, Any], visit: bool) -> None:
    implied = customers.of(change(**more))
    assert implied is not None
    assert ("visit" in implied.fields) is visit
    assert implied.said is None


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "open"),
        ({"op": "refresh"}, "open"),
        ({"fields": {"customer": "c1", "status": "paused"}}, "paused"),
        ({"fields": {"customer": "c1", "status": "closed"}}, "closed"),
        ({"fields": {"customer": "c1", "status": "open", "merged": "ticket:8"}}, "closed"),
        ({"fields": {"customer": "c1", "status": "open", "merged": None}}, "open"),
        ({"op": "delete", "fields": {"customer": "c1"}}, "closed"),
    ],
)
def test_what_has_become_of_the_issue(more: dict[str, Any], status: str) -> None:
    implied = customers.of(change(**more))
    assert implied is not None
    assert implied.fields == {"issue": "ticket:7", "issue_status": status}
    assert implied.op == ("upsert" if not more.get("op") else "refresh")


@pytest.mark.parametrize(
    "more",
    [
        {"fields": {"status": "open"}},
        {"fields": {"customer": None, "status": "open"}},
        {"fields": {"customer": "", "status": "open"}},
        {"fields": {"customer": "c1", "subject": "Parcels"}},
        {"op": "delete", "fields": {}},
        {"record": "customer:c1"},
    ],
)
def test_what_says_nothing_about_a_customer(more: dict[str, Any]) -> None:
    assert customers.of(change(**more)) is None


def fold(*changes: Change) -> Record:
    """The customer after these changes of tickets."""
    partition = Partition([(0, rules("paths: {}"))])
    for each in changes:
        implied = customers.of(each)
        assert implied is not None
        partition.fold(entries.decode(entries.encode(implied)))
    return partition.records["customer:c1"]


def test_the_customer_has_the_contacts_and_the_issues_that_are_not_closed() -> None:
    customer = fold(
        change(1, WROTE),
        change(2, WROTE, record="ticket:8"),
        change(3, WROTE, record="chat:1", fields={"customer": "c1"}),
        change(4, fields={"customer": "c1", "status": "closed"}),
        change(5, record="ticket:8", fields={"customer": "c1", "status": "paused"}),
    )
    at = micros(AT)
    visits = [(each.at, each.issue, each.channel) for each in customer.visits]
    assert visits == [(at, each, "email") for each in ("ticket:7", "ticket:8", "chat:1")]
    assert customer.issues == {"ticket:8": "paused", "chat:1": "open"}


def test_a_repeat_counts_once_and_an_issue_does_not_hide_another() -> None:
    """Each issue has an order of its own: the second ticket's is lower than the first's."""
    later = change(9, WROTE)
    customer = fold(later, change(2, WROTE, record="ticket:8"), later, change(2, WROTE, record="ticket:8"))
    assert len(customer.visits) == 2


def test_a_message_that_comes_late_counts_where_its_feed_has_no_order() -> None:
    messages = [
        change(number, WROTE, at=AT + timedelta(minutes=number), unordered=True) for number in (1, 3, 2)
    ]
    assert [each.at for each in fold(*messages).visits] == [
        micros(AT + timedelta(minutes=number)) for number in (1, 2, 3)
    ]


def test_a_customer_outlives_a_deleted_issue() -> None:
    gone = change(2, op="delete", fields={"customer": "c1"})
    customer = fold(change(1, WROTE), gone)
    assert not customer.deleted
    assert customer.issues == {}
    assert len(customer.visits) == 1
