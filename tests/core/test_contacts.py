"""Contacts: a customer writes again and again about what is not resolved."""

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import customers
from streams.core.document import Problems
from streams.core.entries import Change, NewRules, Said, Source
from streams.core.partition import Partition
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import from_rfc3339, micros, rfc3339
from tests.core.text import measured
from tests.core.worlds import World, brief, moment, rules

WHEN = "contacts: 3, within: 24h"


def compiled(when: str = WHEN, more: str = "") -> Rules:
    return rules(
        f'paths: {{p: {{about: customer, when: {{{when}}}, steps: [{{notify: "team:triage"}}]{more}}}}}'
    )


class Shop(World):
    """The records of one customer, folded into the customer's own."""

    def __init__(self, when: str = WHEN, more: str = "") -> None:
        super().__init__(compiled(when, more))

    def write(
        self, at: str, issue: str = "ticket:1", channel: str | None = "email", status: str = "open"
    ) -> None:
        change = self.make(at, issue, customer="c1", status=status)
        self.tell(msgspec.structs.replace(change, by="customer", said=Said("Hello?", channel)))

    def set(self, at: str, issue: str, status: str) -> None:
        self.tell(self.make(at, issue, customer="c1", status=status))

    def tell(self, change: Change) -> None:
        implied = customers.of(change)
        assert implied is not None
        self.take(implied)

    @property
    def since(self) -> str | None:
        """From when it holds."""
        since = self.partition.records["customer:c1"].standings["p"].since
        return None if since is None else rfc3339(since)

    @property
    def events(self) -> list[tuple[str, str]]:
        return [each[:2] for each in brief(self.seen)]


def test_the_third_contact_within_a_day_counts_across_records_and_channels() -> None:
    shop = Shop()
    shop.write("03-02T09:00", "ticket:1", "email")
    shop.write("03-02T15:00", "chat:9", "chat")
    shop.write("03-03T08:00", "call:4", None)
    assert brief(shop.seen) == [("03-03T08:00", "opened", ("carla", "bert"))]
    (opened,) = shop.seen
    assert opened.record == "customer:c1"
    assert opened.reason["because"] == (
        "3 contacts within 23h by chat and email about ticket:1, chat:9, call:4"
    )
    assert opened.reason["clock"] == {
        "contacts": [
            {"at": "2026-03-02T09:00:00Z", "about": "ticket:1", "channel": "email"},
            {"at": "2026-03-02T15:00:00Z", "about": "chat:9", "channel": "chat"},
            {"at": "2026-03-03T08:00:00Z", "about": "call:4", "channel": None},
        ],
        "needed": 3,
        "within": "24h",
        "unresolved": {"ticket:1": "open", "chat:9": "open", "call:4": "open"},
    }


@pytest.mark.parametrize(("third", "opens"), [("03-03T09:00", True), ("03-03T09:01", False)])
def test_the_window_includes_both_of_its_ends(third: str, opens: bool) -> None:
    shop = Shop()
    for at in ("03-02T09:00", "03-02T15:00", third):
        shop.write(at)
    assert bool(shop.seen) is opens


def test_a_window_of_working_days_counts_in_its_calendar() -> None:
    shop = Shop("contacts: 2, within: 1 working days, calendar: office")
    shop.write("03-06T09:00")  # a Friday
    shop.write("03-09T09:00")
    assert shop.events == [("03-09T09:00", "opened")]


def test_it_holds_until_a_contact_finds_fewer_and_opens_once() -> None:
    shop = Shop()
    for at in ("03-02T09:00", "03-02T10:00", "03-02T11:00", "03-02T12:00", "03-03T09:00"):
        shop.write(at)
    shop.until("03-09T00:00")
    assert shop.events == [("03-02T11:00", "opened")]
    assert shop.since == "2026-03-02T11:00:00Z"
    shop.write("03-09T09:00")
    shop.write("03-09T10:00")
    shop.write("03-09T11:00")
    assert shop.events[1:] == [("03-09T09:00", "resolved"), ("03-09T11:00", "opened")]


def test_it_ends_when_the_issues_are_closed_and_another_opening_does_not_bring_it_back() -> None:
    shop = Shop()
    for hour, issue in ((9, "ticket:1"), (10, "ticket:2"), (11, "ticket:1")):
        shop.write(f"03-02T{hour:02}:00", issue)
    shop.set("03-02T12:00", "ticket:2", "paused")
    assert shop.events == [("03-02T11:00", "opened")]
    shop.set("03-02T13:00", "ticket:2", "closed")
    assert shop.events[1:] == [("03-02T13:00", "resolved")]
    shop.set("03-02T14:00", "ticket:2", "open")
    assert len(shop.seen) == 2
    shop.write("03-02T15:00", "ticket:2")
    assert shop.events[2:] == [("03-02T15:00", "opened")]


def test_it_goes_on_while_contacts_about_another_issue_are_enough() -> None:
    shop = Shop()
    for hour, issue in enumerate(["ticket:1"] * 3 + ["ticket:2"] * 3, 9):
        shop.write(f"03-02T{hour:02}:00", issue)
    shop.set("03-02T16:00", "ticket:1", "closed")
    assert shop.events == [("03-02T11:00", "opened")]
    assert shop.since == "2026-03-02T11:00:00Z"
    shop.set("03-02T17:00", "ticket:2", "closed")
    assert shop.events[1:] == [("03-02T17:00", "resolved")]


@pytest.mark.parametrize(("unresolved", "opens"), [("true", False), ("false", True)])
def test_contacts_about_what_is_closed_count_where_the_path_says_so(unresolved: str, opens: bool) -> None:
    shop = Shop(f"{WHEN}, unresolved: {unresolved}")
    shop.write("03-02T09:00")
    shop.write("03-02T10:00")
    shop.set("03-02T11:00", "ticket:1", "closed")
    shop.write("03-02T12:00", "ticket:2")
    assert bool(shop.seen) is opens


def test_only_contacts_by_the_channels_that_are_named_count() -> None:
    shop = Shop(f"{WHEN}, channels: [email, chat]")
    for hour, channel in enumerate(("email", "call", None, "chat", "letter", "email"), 9):
        shop.write(f"03-02T{hour:02}:00", channel=channel)
    assert shop.events == [("03-02T14:00", "opened")]


def test_a_contact_that_does_not_count_brings_nothing_back() -> None:
    shop = Shop(f"{WHEN}, channels: email")
    for hour in (9, 10, 11):
        shop.write(f"03-02T{hour:02}:00")
    shop.set("03-02T12:00", "ticket:1", "closed")
    shop.set("05-02T12:00", "ticket:1", "open")
    shop.write("05-02T13:00", channel="call")
    assert shop.events == [("03-02T11:00", "opened"), ("03-02T12:00", "resolved")]


def test_contacts_that_come_late_count_by_when_they_were() -> None:
    shop = Shop()
    for at in ("03-02T09:00", "03-02T21:00", "03-03T10:00"):
        shop.write(at)
    assert shop.seen == []
    shop.write("03-02T20:00", "chat:9")
    assert shop.events == [("03-03T10:00", "opened")]


def test_more_contacts_are_worse() -> None:
    shop = Shop(more=", rearm: {after: 30d, or: worse by 2 contacts}")
    for minute in range(6):
        shop.write(f"03-02T09:0{minute}")
    assert shop.events == [("03-02T09:02", "opened"), ("03-02T09:04", "resolved"), ("03-02T09:04", "opened")]


def test_a_new_path_takes_the_contacts_it_finds() -> None:
    shop = Shop("contacts: 9, within: 24h")
    for at in ("03-02T08:00", "03-02T09:00", "03-02T10:00", "03-02T11:00"):
        shop.write(at)
    newer = compiled(WHEN, ", backlog: escalate")
    shop.partition.fold(NewRules(datetime.fromisoformat(moment("03-02T12:00")), dict(newer.document)))
    shop.until("03-02T13:00")
    assert shop.events == [("03-02T12:00", "opened")]
    assert shop.since == "2026-03-02T10:00:00Z"


START = datetime(2026, 3, 2, tzinfo=UTC)

EVENT = st.tuples(
    st.integers(0, 9),
    st.sampled_from(["write", "write", "write", "close", "open"]),
    st.sampled_from(["ticket:1", "ticket:2", "chat:1"]),
    st.sampled_from(["email", "chat", None]),
)


@given(
    st.integers(2, 4),
    st.integers(1, 30),
    st.booleans(),
    st.sets(st.sampled_from(["email", "chat"])),
    st.lists(EVENT, max_size=30),
)
def test_is_what_going_through_all_contacts_finds(
    count: int,
    hours: int,
    unresolved: bool,
    channels: set[str],
    events: list[tuple[int, str, str, str | None]],
) -> None:
    listed = f", channels: [{', '.join(channels)}]" if channels else ""
    shop = Shop(f"contacts: {count}, within: {hours}h, unresolved: {str(unresolved).lower()}{listed}")
    contacts: list[tuple[int, str, str | None]] = []
    closed: set[str] = set()
    hour, holds = 0, False
    expected: list[tuple[datetime, str]] = []
    for later, what, issue, channel in events:
        hour += later
        at = (START + timedelta(hours=hour)).strftime("%m-%dT%H:%M")
        if what == "write":
            shop.write(at, issue, channel, "closed" if issue in closed else "open")
            contacts.append((hour, issue, channel))
        else:
            shop.set(at, issue, "closed" if what == "close" else "open")
            closed = closed | {issue} if what == "close" else closed - {issue}
        counted = [
            each
            for each in contacts
            if not (unresolved and each[1] in closed) and (not channels or each[2] in channels)
        ]
        latest = counted[-1][0] if counted else 0
        enough = sum(latest - each[0] <= hours for each in counted) >= count
        came = what == "write" and counted[-1:] == contacts[-1:]
        before, holds = holds, enough and (holds or came)
        if holds != before:
            expected.append((START + timedelta(hours=hour), "opened" if holds else "resolved"))
    found = [(from_rfc3339(each.at), each.event) for each in shop.seen]
    assert found == [(micros(at), event) for at, event in expected]


TWEETS = measured.folder() / "spotifycares_support_requests.csv.gz"


def messages() -> list[tuple[datetime, str, str, str]]:
    """When, by whom, which and what, in the order in which they were written."""
    read = []
    with gzip.open(TWEETS, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            # A handful of rows are broken off in the middle.
            if row["created_at"]:
                at = datetime.strptime(row["created_at"], "%a %b %d %H:%M:%S %z %Y")
                read.append((at, row["author_id"], row["tweet_id"], row["text"]))
    return sorted(read)


@pytest.mark.skipif(not TWEETS.exists(), reason=f"no {TWEETS}; TEXT_DATA names another folder")
def test_finds_exactly_those_who_wrote_three_times_within_a_day() -> None:
    tweets = messages()
    partition = Partition([(0, compiled())])
    found = set()
    for number, (at, author, tweet, words) in enumerate(tweets):
        implied = customers.of(
            Change(
                record=f"tweet:{tweet}",
                op="upsert",
                at=at,
                feed="twitter",
                source=Source("twitter", 0, number),
                by="customer",
                fields={"customer": author},
                said=Said(words, "twitter"),
            )
        )
        assert implied is not None
        found |= {each.record for each in partition.fold(implied)}

    written = defaultdict(list)
    for at, author, _, _ in tweets:
        written[author].append(at)
    expected = {
        f"customer:{author}"
        for author, times in written.items()
        if any(later - first <= timedelta(days=1) for first, later in zip(times, times[2:], strict=False))
    }
    assert found == expected
    assert len(found) == 1346


@pytest.mark.parametrize(
    ("when", "message", "remedy"),
    [
        ({"contacts": 3}, "'when' lacks 'within'", "within: ..."),
        ({"contacts": "three", "within": "24h"}, "'three' is no number of contacts", "from 2 to 64"),
        ({"contacts": 1, "within": "24h"}, "1 is no number of contacts", "from 2 to 64"),
        ({"contacts": 65, "within": "24h"}, "65 is no number of contacts", "from 2 to 64"),
        ({"contacts": 3, "within": 24}, "the span 24 has no unit", "8h"),
        ({"contacts": 3, "within": "0h"}, "a window of no length", "24h"),
        ({"contacts": 3, "within": "1 working days"}, "needs a calendar", "calendar: NAME"),
        ({"contacts": 3, "within": "24h", "unresolved": "yes"}, "'unresolved' is text", "true or false"),
        ({"contacts": 3, "within": "24h", "channels": []}, "the list of 'channels' is empty", "Take it out"),
        ({"contacts": 3, "within": "24h", "channel": "email"}, "unknown key 'channel'", "'channels'?"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(when: dict[str, Any], message: str, remedy: str) -> None:
    problems = Problems()
    document = {
        "people": {"anna": None},
        "fallback": "anna",
        "paths": {"p": {"about": "customer", "when": when, "steps": [{"notify": "anna"}]}},
    }
    read_rules(document, problems)
    assert len(problems) == 1
    assert message in problems[0].message
    assert remedy in problems[0].remedy
    assert problems[0].position[:3] == ("paths", "p", "when")
