"""Zendesk's events in the three ways in which they come: invented ones, and published ones."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.core import entries
from streams.core.document import Node, Problem
from streams.core.entries import Change, Said
from streams.core.record import Record
from streams.feeds import Format, Message
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, folded, passed_over, refusal, sample

AT = "2026-03-02T09:00:00.123456789Z"
NANOS = 1772442000123456789
TICKET = {
    "actor_id": "900",
    "assignee_id": "12",
    "brand_id": "1",
    "created_at": "2026-03-01T08:00:00Z",
    "custom_status": "44",
    "external_id": None,
    "group_id": "3",
    "id": "7",
    "is_public": True,
    "organization_id": None,
    "priority": "URGENT",
    "requester_id": "801",
    "status": "OPEN",
    "subject": "It is down",
    "submitter_id": "801",
    "tags": ["vip"],
    "type": "INCIDENT",
    "updated_at": "2026-03-02T09:00:00Z",
    "via": {"channel": "mail"},
}
FIELDS = {
    "owner": "12",
    "customer": "801",
    "priority": "urgent",
    "stage": "open",
    "status": "open",
    "created": "2026-03-01T08:00:00Z",
    "subject": "It is down",
    "type": "incident",
    "tags": ["vip"],
    "group_id": "3",
    "organization_id": None,
}
COMMENT = {"id": "5", "body": "Hello?", "is_public": True, "author": {"id": "801", "is_staff": False}}


def feed(**records: Any) -> Format:
    return read_feed(
        "tickets",
        Node({"format": "zendesk", "topic": "zendesk", "records": records or {"ticket": {"kind": "ticket"}}}),
    )


def webhook(what: str = "ticket.status_changed", detail: Any = TICKET, **parts: Any) -> dict[str, Any]:
    return {
        "account_id": 1,
        "detail": detail,
        "event": {},
        "id": "e-1",
        "subject": "zen:ticket:7",
        "time": AT,
        "type": f"zen:event-type:{what}",
        "zendesk_event_version": "2022-11-06",
        **parts,
    }


def bridge(what: str, position: int = 1, **event: Any) -> dict[str, Any]:
    ticket = {**TICKET, "id": 7, "status": "open", "priority": "urgent", "type": "incident"}
    meta = {"version": "1.0", "occurred_at": AT, "sequence": {"id": "CE4A", "position": position, "total": 2}}
    return {
        "detail-type": f"Support Ticket: {what}",
        "id": "b-1",
        "time": "2026-03-02T09:00:09Z",
        "detail": {"ticket_event": {"meta": meta, "type": what, "ticket": ticket, **event}},
    }


def message(value: Any, offset: int = 41, partition: int = 0) -> Message:
    return Message("zendesk", partition, offset, None, orjson.dumps(value))


def read(value: Any) -> Change:
    return change(feed().decode(message(value)))


def played(*messages: Message) -> Record:
    return folded([change(feed().decode(each)) for each in messages])


def test_an_event_has_the_whole_ticket_in_small_letters() -> None:
    decoded = read(webhook())
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:7", "upsert", FIELDS)
    assert decoded.at == datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)


def test_the_bridge_says_the_same_as_the_webhook() -> None:
    decoded = read(bridge("Status Changed", previous="new", current="open"))
    assert (decoded.record, decoded.op, decoded.fields) == ("ticket:7", "upsert", FIELDS)
    assert decoded.order == (NANOS, 1, "b-1")
    assert read(bridge("Status Changed")["detail"]).fields == FIELDS


@pytest.mark.parametrize(
    ("at", "nanos"),
    [
        (AT, NANOS),
        ("2026-03-02T09:00:00Z", NANOS // 10**9 * 10**9),
        ("2026-03-02T09:00:00.1Z", NANOS // 10**9 * 10**9 + 10**8),
        ("2026-03-02T10:00:00.1234567+01:00", NANOS // 100 * 100),
    ],
)
def test_the_order_has_all_the_digits_of_the_time(at: str, nanos: int) -> None:
    assert read(webhook(time=at)).order == (nanos, 0, "e-1")


def test_a_sequences_number_beyond_64_bits_does_no_harm() -> None:
    value = orjson.dumps(webhook(event={"meta": {"sequence": {"id": 1, "position": 3}}}))
    value = value.replace(b'"id":1,', b'"id":39313930383633353634323835,')
    decoded = change(feed().decode(Message("t", 0, 0, None, value)))
    assert decoded.order == (NANOS, 3, "e-1")
    assert entries.decode(entries.encode(decoded)) == decoded


def test_an_event_that_comes_late_is_old_but_what_it_says_is_heard() -> None:
    status = message(webhook(detail={**TICKET, "status": "SOLVED"}, time="2026-03-02T09:00:01Z"), 41)
    late = message(webhook(detail={**TICKET, "status": "PENDING"}), 42)
    assert played(status, late).stage == "solved"
    comment = webhook("ticket.comment_added", {**TICKET, "status": "SOLVED"}, event={"comment": COMMENT})
    heard = played(status, message(comment, 42)).heard
    assert heard is not None
    assert heard.said.text == "Hello?"


@pytest.mark.parametrize(
    ("author", "by"),
    [
        ({"id": "801", "is_staff": False}, "customer"),
        ({"id": "12", "is_staff": True}, "person"),
        ({"id": "-1", "is_staff": True}, "automation"),
    ],
)
@pytest.mark.parametrize("public", [True, False])
def test_a_comment_is_said_by_whoever_is_its_author(author: Any, by: str, public: bool) -> None:
    comment = {**COMMENT, "author": author, "is_public": public}
    for value in (
        webhook("ticket.comment_added", event={"comment": comment}),
        bridge("Comment Created", comment=comment),
    ):
        decoded = read(value)
        assert decoded.said == Said("Hello?", channel="mail", public=public)
        assert (decoded.by, decoded.order, decoded.fields) == (by, None, FIELDS)


def test_a_comment_that_is_redacted_or_made_private_is_not_said_again() -> None:
    for what in ("comment_redacted", "comment_made_private", "attachment_linked_to_comment"):
        assert read(webhook(f"ticket.{what}", event={"comment": COMMENT})).said is None


@pytest.mark.parametrize(
    ("kind", "by"),
    [
        ("end_user", "customer"),
        ("agent", "person"),
        ("system", "automation"),
        ("trigger", "automation"),
        ("else", None),
    ],
)
def test_a_message_in_messaging_brings_what_it_has_and_leaves_the_rest(kind: str, by: str | None) -> None:
    value = webhook(
        "messaging_ticket.message_added",
        {"id": "7"},
        event={"actor": {"id": "x", "type": kind}, "message": {"id": "m", "body": "Hi"}},
    )
    decoded = read(value)
    assert (decoded.record, decoded.by, decoded.fields) == ("ticket:7", by, {})
    assert decoded.said == Said("Hi", channel="native_messaging")
    assert played(message(webhook(), 1), message(value, 2)).priority == "urgent"


@pytest.mark.parametrize(
    ("actor", "by"), [("801", "customer"), ("-1", "automation"), ("12", None), (None, None)]
)
def test_an_actor_is_somebody_only_where_that_is_certain(actor: str | None, by: str | None) -> None:
    assert read(webhook(detail={**TICKET, "actor_id": actor})).by == by
    meta = {"occurred_at": AT, "actor_id": None if actor is None else int(actor)}
    value = bridge("Status Changed", meta=meta)
    del value["detail"]["ticket_event"]["ticket"]["actor_id"]
    assert read(value).by == by


@pytest.mark.parametrize("what", ["soft_deleted", "permanently_deleted", "marked_as_spam"])
def test_a_ticket_that_is_deleted_is_gone_and_comes_back_when_that_is_undone(what: str) -> None:
    gone = webhook(f"ticket.{what}", time="2026-03-02T09:00:01Z")
    assert (read(gone).op, read(gone).fields) == ("delete", {})
    assert played(message(webhook(), 1), message(gone, 2)).deleted
    back = webhook("ticket.undeleted", time="2026-03-02T09:00:02Z")
    assert not played(message(webhook(), 1), message(gone, 2), message(back, 3)).deleted


@pytest.mark.parametrize("what", ["Soft Deleted", "Ticket Soft Deleted", "Permanently Deleted"])
def test_the_bridge_deletes_too(what: str) -> None:
    assert read(bridge(what)).op == "delete"


def test_a_ticket_that_is_merged_names_the_other() -> None:
    for value in (
        webhook("ticket.merged", event={"target_ticket_id": "9"}),
        bridge("Ticket Merged", target_ticket_id=9),
    ):
        assert read(value).fields["merged"] == "ticket:9"
    assert "merged" not in read(webhook("ticket.merged")).fields


@pytest.mark.parametrize(
    ("written", "stage", "status"),
    [
        ("NEW", "new", "open"),
        ("PENDING", "pending", "paused"),
        ("HOLD", "hold", "paused"),
        ("On-hold", "hold", "paused"),
        ("SOLVED", "solved", "closed"),
        ("CLOSED", "closed", "closed"),
        ("DELETED", "deleted", "closed"),
        ("ARCHIVED", "archived", "closed"),
        ("SCRUBBED", "scrubbed", "closed"),
    ],
)
def test_each_status_is_open_paused_or_closed(written: str, stage: str, status: str) -> None:
    fields = read(webhook(detail={**TICKET, "status": written})).fields
    assert (fields["stage"], fields["status"]) == (stage, status)


def test_a_triggers_webhook_is_a_ticket_without_an_order() -> None:
    ticket = {
        "id": "7",
        "status": "On-hold",
        "priority": "Urgent",
        "assignee_id": "",
        "requester_id": "801",
        "updated_at": "2026-03-02T09:00:00Z",
    }
    decoded = read({"ticket": ticket})
    assert (decoded.record, decoded.order, decoded.by) == ("ticket:7", None, None)
    assert decoded.fields == {
        "owner": None,
        "customer": "801",
        "priority": "urgent",
        "stage": "hold",
        "status": "paused",
    }
    without = {name: text for name, text in ticket.items() if name != "updated_at"}
    assert "no time of the event" in refusal(feed(), message({"ticket": without}))


def test_what_is_written_goes_before_a_default_and_other_objects_may_be_read() -> None:
    reader = feed(
        ticket={"kind": "case", "fields": ["event", "via.channel", "comment.id"]},
        organization={"kind": "account", "id": "id", "fields": ["name"]},
    )
    told = change(reader.decode(message(webhook("ticket.comment_added", event={"comment": COMMENT}))))
    assert told.record == "case:7"
    assert {name: told.fields[name] for name in ("event", "via.channel", "comment.id")} == {
        "event": "comment_added",
        "via.channel": "mail",
        "comment.id": "5",
    }
    account = webhook("organization.name_changed", {"id": "4", "name": "Initech"})
    assert change(reader.decode(message(account))).fields == {"name": "Initech"}
    assert change(reader.decode(message(webhook("organization.deleted", {"id": "4"})))).op == "delete"
    assert set(reader.kinds) == {"case", "account"}


def test_events_of_other_objects_are_passed_over() -> None:
    assert "an event of 'user'" in passed_over(feed().decode(message(webhook("user.created"))))
    assert passed_over(feed().decode(Message("t", 0, 0, None, None))) == "a message without a value"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "a list, not an event of Zendesk's"),
        ({"id": 7}, "neither an event of Zendesk's nor a trigger's object `ticket`; there are: id"),
        ({"ticket": "7"}, "`ticket` is '7', not an object"),
        (webhook(type="ticket.created"), "is not of the form zen:event-type:ticket.created"),
        (webhook(detail=None), "`detail` is None"),
        (webhook(event=None), "`event` is None"),
        (webhook(detail={}), "there is no id column 'id'"),
        (webhook(time=None), "no time of the event"),
        (webhook(time="2026-03-02T09:00:00"), "has no offset"),
        (webhook(time=1772442000), "the time of the event: 1772442000 is not a time"),
        (webhook("ticket.comment_added"), "`comment` is None"),
        ({"detail": {"ticket_event": {"meta": {}}}}, "`ticket_event` has no `type`"),
        (bridge("Created", meta=None), "`meta` is None"),
        (bridge("Created", ticket=None), "`ticket` is None"),
        (webhook(detail={**TICKET, "via": "mail"}, event={"comment": COMMENT}) | {
            "type": "zen:event-type:ticket.comment_added"
        }, "'via' is 'mail', not an object"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(value: Any, reason: str) -> None:
    assert reason in refusal(feed(), message(value))


def test_an_object_without_defaults_needs_its_keys() -> None:
    with pytest.raises(Problem, match="lacks 'id'"):
        feed(organization={"kind": "account"})


PUBLISHED = {
    "custom_status_changed_with_sequence": ("ticket:1001", "customer", "open"),
    "eventbridge_agent_assignment_changed": ("ticket:35436", "customer", "open"),
    "messaging_message_added_skinny": ("ticket:141", "automation", None),
    "ticket_attachment_linked": ("ticket:19395", "customer", "new"),
    "ticket_comment_added_private": ("ticket:71447", "customer", "open"),
    "ticket_created": ("ticket:5158", None, "open"),
}


def test_published_events_are_read() -> None:
    found = {}
    for path in sorted(Path(sample("zendesk")).iterdir()):
        decoded = change(feed().decode(Message("zendesk", 0, 1, None, path.read_bytes())))
        found[path.stem] = (decoded.record, decoded.by, decoded.fields.get("stage"))
        said = decoded.said
        assert (said is not None) == (
            path.stem in ("messaging_message_added_skinny", "ticket_comment_added_private")
        )
    assert found == PUBLISHED
