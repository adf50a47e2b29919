"""What a feed says about customers: from its messages to the changes of the customer's record."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.backtest.history import read_history
from streams.backtest.replay import replay
from streams.config import ConfigError, load
from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Feed, Message, PassedOver, Undecodable
from streams.feeds.customers import WithCustomers
from streams.feeds.files import messages_in_order, read_messages
from streams.feeds.formats import read_feed

COMMENTS: dict[str, Any] = {
    "format": "csv",
    "at": "at",
    "time": {"format": "iso"},
    "record": {
        "kind": "ticket",
        "id": "ticket",
        "customer": "author",
        "by": "role",
        "said": {"text": "body", "channel": "via"},
    },
}
ROWS = (
    "at,ticket,author,role,body,via\n"
    "2026-03-02T09:00:00Z,1,C7,customer,Hello?,email\n"
    "2026-03-02T10:00:00Z,1,C7,person,Hello!,email\n"
    "2026-03-02T11:00:00Z,2,C7,customer,Still broken,chat\n"
    "2026-03-02T12:00:00Z,3,,customer,Who am I?,chat\n"
)


def feed(**record: Any) -> Feed:
    return read_feed("comments", Node({**COMMENTS, "record": {**COMMENTS["record"], **record}}))


def refuse(message: Message, error: Undecodable) -> None:
    raise error


def test_each_change_is_followed_by_the_customers() -> None:
    cells = {"at": "2026-03-02T09:00:00Z", "ticket": "1", "author": "C7", "role": "customer", "body": "Hi"}
    message = Message("comments", 0, 4, None, orjson.dumps({**cells, "via": "email"}))
    alone = feed().decode(message)
    both = WithCustomers(feed()).decode(message)
    assert isinstance(alone, list)
    assert isinstance(both, list)
    ticket, customer = both
    assert alone == [ticket]
    assert (customer.record, customer.at, customer.source) == ("customer:C7", ticket.at, ticket.source)
    assert customer.fields == {"issue": "ticket:1", "visit": "email"}
    assert (customer.by, customer.said) == ("customer", None)


def test_what_says_nothing_of_a_customer_is_left_as_it_is() -> None:
    reader = WithCustomers(feed())
    assert reader.decode(Message("comments", 0, 0, None, None)) == feed().decode(
        Message("comments", 0, 0, None, None)
    )
    assert isinstance(reader.decode(Message("comments", 0, 0, None, None)), PassedOver)
    with pytest.raises(Undecodable):
        reader.decode(Message("comments", 0, 0, None, b"{"))
    nobody = {"at": "2026-03-02T09:00:00Z", "ticket": "1", "role": "customer", "body": "Hi"}
    decoded = reader.decode(Message("comments", 0, 0, None, orjson.dumps(nobody)))
    assert isinstance(decoded, list)
    assert [each.record for each in decoded] == ["ticket:1"]


def test_its_files_are_read_as_before_and_a_history_has_both(tmp_path: Path) -> None:
    path = tmp_path / "comments.csv"
    path.write_text(ROWS)
    reader = WithCustomers(feed())
    assert list(read_messages(reader, path)) == list(read_messages(feed(), path))
    history = read_history(reader, read_messages(reader, path))
    assert [each.record for each in history.changes] == [
        "ticket:1",
        "customer:C7",
        "ticket:1",
        "ticket:2",
        "customer:C7",
        "ticket:3",
    ]
    # A message stays one message, under the record that it is about.
    played = messages_in_order(reader, read_messages(reader, path), refuse)
    assert [each.record for each, _ in played] == ["ticket:1", "ticket:1", "ticket:2", "ticket:3"]


def test_who_writes_twice_is_found_in_a_history(tmp_path: Path) -> None:
    text = CONFIG.replace(", by: role, said", ", stage: {field: via, closed: [x]}, by: role, said")
    config = load(configured(tmp_path, text))
    path = tmp_path / "comments.csv"
    path.write_text(ROWS)
    comments = config.feeds["comments"]
    changes = read_history(comments, read_messages(comments, path)).changes
    (found,) = replay(config.rules, changes)
    assert (found.record, found.at, found.event) == ("customer:C7", "2026-03-02T11:00:00Z", "opened")
    assert "2 contacts" in found.summary


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        ({}, {"visits"}),
        ({"stage": {"field": "s", "closed": ["x"]}}, {"visits", "issues"}),
        # Stages of which none is closed do not say what has become of an issue.
        ({"stage": "s"}, {"visits"}),
    ],
)
def test_what_it_brings_of_customers(record: dict[str, Any], facts: set[str]) -> None:
    reader = WithCustomers(feed(**record))
    assert reader.kinds.keys() == {"ticket", "customer"}
    assert reader.kinds["ticket"] == feed(**record).kinds["ticket"]
    assert reader.kinds["customer"].facts - {"created", "touched", "entered"} == facts
    assert reader.kinds["customer"].fields == {"created", "touched", "entered"}


def test_a_table_of_customers_keeps_what_it_brings() -> None:
    reader = WithCustomers(feed(kind="customer", id="author", owner="rep"))
    assert reader.kinds == feed(kind="customer", id="author", owner="rep").kinds


CONFIG = """
version: 1
feeds:
  tickets:
    format: csv
    at: at
    time: {format: iso}
    record:
      {kind: ticket, id: ticket, customer: author, stage: {field: stage, closed: [closed]}}
  comments:
    format: csv
    at: at
    time: {format: iso}
    record:
      {kind: ticket, id: ticket, customer: author, by: role, said: {text: body}}
people: {bert: {}}
fallback: bert
paths:
  again:
    about: customer
    when: {contacts: 2, within: 24h}
    steps: [{notify: owner}]
"""


def configured(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "escalations.yaml"
    path.write_text(text)
    return path


def row(**cells: str) -> Message:
    return Message("m", 0, 1, None, orjson.dumps({"at": "2026-03-02T09:00:00Z", **cells}))


def decoded(feed: Feed, message: Message) -> list[Change]:
    changes = feed.decode(message)
    assert isinstance(changes, list)
    return changes


def test_a_path_about_customers_makes_the_feeds_of_a_configuration_tell_of_them(tmp_path: Path) -> None:
    config = load(configured(tmp_path, CONFIG))
    (_, opened) = decoded(config.feeds["tickets"], row(ticket="1", author="C7", stage="new"))
    assert (opened.record, opened.fields) == ("customer:C7", {"issue": "ticket:1", "issue_status": "open"})
    (_, wrote) = decoded(config.feeds["comments"], row(ticket="1", author="C7", role="customer", body="Hi"))
    assert (wrote.record, wrote.fields) == ("customer:C7", {"issue": "ticket:1", "visit": None})


def test_without_such_a_path_they_do_not(tmp_path: Path) -> None:
    text = CONFIG.replace("about: customer", "about: ticket")
    text = text.replace("{contacts: 2, within: 24h}", "{untouched: 1d}")
    config = load(configured(tmp_path, text))
    changes = decoded(config.feeds["tickets"], row(ticket="1", author="C7", stage="new"))
    assert [each.record for each in changes] == ["ticket:1"]
    assert config.feeds["tickets"].kinds.keys() == {"ticket"}


@pytest.mark.parametrize(
    ("old", "new", "message", "remedy"),
    [
        (
            ", stage: {field: stage, closed: [closed]}",
            "",
            "this needs the open issues of a customer, which no feed brings",
            "Map `customer`, and `stage`",
        ),
        (
            ", by: role",
            "",
            "this needs the contacts of a customer, which no feed brings",
            "Map `customer`, `said` and `by`",
        ),
        (
            "customer: author, ",
            "",
            "no feed brings records of the kind 'customer'",
            "maps `customer`, `said` and `by`",
        ),
    ],
)
def test_what_is_missing_for_customers_is_said(
    tmp_path: Path, old: str, new: str, message: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(configured(tmp_path, CONFIG.replace(old, new)))
    (problem,) = caught.value.diagnostics
    assert problem.message == message
    assert remedy in problem.remedy
