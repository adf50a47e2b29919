"""Rows that records refer to: names of stages and people, whenever and however often they come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.document import Problems
from streams.core.entries import (
    Change,
    Entry,
    Lookup,
    Mark,
    Reference,
    Source,
    Tick,
    decode,
    encode,
)
from streams.core.escalation import Escalation
from streams.core.escalation import encode as encode_escalation
from streams.core.partition import FeedMarks, Partition
from streams.core.record import Record
from streams.core.rules import Rules, read_rules
from streams.core.tables import Tables
from streams.core.timestamps import micros, rfc3339

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
STATUSES = {"Won": "closed", "On hold": "paused"}

RULES: dict[str, Any] = {
    "feeds": ["deals", "users", "stages"],
    "zone": "Europe/Berlin",
    "people": {"from": "users", "bert": {"id": "2"}, "dora": None},
    "fallback": "dora",
    "paths": {
        "stalled": {
            "about": "deal",
            "when": {"in_stage": "8d"},
            "steps": [{"notify": "owner"}, {"after": "2d", "notify": "owner.manager", "reassign": "owner"}],
        },
        "negotiating": {
            "about": "deal",
            "where": {"stage": "Negotiation"},
            "when": {"untouched": "1d"},
            "steps": [{"notify": "owner"}],
        },
        "changed": {
            "about": "deal",
            "where": {"stage": {"changed": {"to": "Renamed"}}},
            "when": {"untouched": "1h"},
            "steps": [{"notify": "dora"}],
        },
    },
}


def rules() -> Rules:
    problems = Problems()
    compiled = read_rules(RULES, problems)
    assert not problems, problems
    return compiled


class Log:
    """One partition, and what has been decided in it. Entries pass through their JSON."""

    def __init__(self) -> None:
        self.partition = Partition([(0, rules())])
        self.decided: list[Escalation] = []
        self._offset = 0

    def fold(self, entry: Entry) -> None:
        self.decided += self.partition.fold(decode(encode(entry)))
        assert not self.partition.troubles

    def row(self, days: float, table: str, key: str, **values: Any) -> None:
        self.fold(self.reference(days, table, key, values))

    def gone(self, days: float, table: str, key: str) -> None:
        self.fold(self.reference(days, table, key, None))

    def reference(self, days: float, table: str, key: str, values: dict[str, Any] | None) -> Reference:
        self._offset += 1
        source = Source(table, 0, self._offset)
        at = START + timedelta(days=days)
        return Reference(table=table, key=key, at=at, feed=table, source=source, values=values)

    def deal(self, days: float, **fields: Any) -> None:
        self._offset += 1
        self.fold(change(self._offset, START + timedelta(days=days), fields))

    def until(self, days: float) -> None:
        self.decided += self.partition.advance(micros(START + timedelta(days=days)))

    @property
    def record(self) -> Record:
        return self.partition.records["deal:1"]

    def told(self, path: str) -> list[tuple[float, str, tuple[str, ...]]]:
        """Of one path: after how many days, what, whom."""
        return [
            ((datetime.fromisoformat(each.at) - START) / timedelta(days=1), each.event, each.notify)
            for each in self.decided
            if each.path == path
        ]


def change(offset: int, at: datetime, fields: dict[str, Any], record: str = "deal:1") -> Change:
    stage = fields.get("stage")
    lookups = {} if stage is None else {"stage": Lookup("stages", "label", str(stage), STATUSES)}
    return Change(
        record=record,
        op="upsert",
        at=at,
        feed="deals",
        source=Source("deals", 0, offset),
        fields=fields,
        lookups=lookups,
    )


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_key_that_a_row_has_is_its_value(log: Log) -> None:
    log.row(0, "stages", "17", label="Negotiation")
    log.deal(1, stage="17", owner="2")
    assert (log.record.stage, log.record.status) == ("Negotiation", "open")
    log.until(2.5)
    assert log.told("negotiating") == [(2, "opened", ("bert",))]


def test_a_key_stands_for_itself_until_its_row_comes(log: Log) -> None:
    log.deal(0, stage="17", owner="2")
    log.deal(1, color="red")
    entered, touched = log.record.entered, log.record.touched
    assert log.record.stage == "17"
    log.row(3, "stages", "17", label="Negotiation")
    assert (log.record.stage, log.record.entered, log.record.touched) == ("Negotiation", entered, touched)
    log.until(9)
    assert log.told("stalled") == [(8, "opened", ("bert",))]


def test_a_row_that_comes_late_ends_what_should_not_have_been(log: Log) -> None:
    log.deal(0, stage="9", owner="2")
    log.until(8.5)
    log.row(8.6, "stages", "9", label="Won")
    assert log.record.status == "closed"
    assert [event for _, event, _ in log.told("stalled")] == ["opened", "resolved"]


@pytest.mark.parametrize("feed", ["deals", "tickets"])
def test_a_row_that_comes_late_holds_for_a_feed_without_order(log: Log, feed: str) -> None:
    """Whichever of the two has the name that comes first."""

    def told(days: float, order: int, **fields: Any) -> None:
        made = change(order, START + timedelta(days=days), fields)
        log.fold(msgspec.structs.replace(made, feed=feed, order=(order,), unordered=True))

    told(1, 2, stage="17")
    log.row(3, "stages", "17", label="Negotiation")
    assert log.record.stage == "Negotiation"
    told(0, 1, stage="9", color="red")
    assert (log.record.stage, log.record.fields["color"]) == ("Negotiation", "red")


def test_a_record_that_has_gone_on_waits_no_more(log: Log) -> None:
    log.deal(0, stage="17")
    log.deal(1, stage="18")
    log.row(2, "stages", "17", label="Negotiation")
    assert log.record.stage == "18"
    log.row(2, "stages", "18", label="Offer")
    assert log.record.stage == "Offer"


def test_the_first_that_is_heard_of_a_row_holds_from_the_beginning(log: Log) -> None:
    log.row(100, "stages", "17", label="Negotiation")
    log.deal(1, stage="17")
    assert log.record.stage == "Negotiation"


def test_a_later_name_is_for_later_changes_and_no_other_stage(log: Log) -> None:
    log.row(0, "stages", "17", label="Negotiation")
    log.deal(0, stage="17", owner="2")
    log.row(3, "stages", "17", label="Renamed")
    log.deal(2, color="red", stage="17")
    assert log.record.stage == "Negotiation"
    log.deal(4, color="blue", stage="17")
    assert (log.record.stage, rfc3339(log.record.entered)) == ("Renamed", "2026-03-02T09:00:00Z")
    log.until(9)
    assert log.told("stalled") == [(8, "opened", ("bert",))]
    assert log.told("changed") == []
    # Another key that has the same name is another stage.
    log.row(9, "stages", "18", label="Other")
    log.deal(10, stage="18")
    assert rfc3339(log.record.entered) == "2026-03-12T09:00:00Z"


def test_a_row_that_is_gone_is_not_known_from_then_on(log: Log) -> None:
    log.row(0, "stages", "17", label="Negotiation")
    log.gone(5, "stages", "17")
    log.deal(1, stage="17")
    assert log.record.stage == "Negotiation"
    log.deal(6, stage="17")
    assert (log.record.stage, rfc3339(log.record.entered)) == ("17", "2026-03-03T09:00:00Z")
    log.row(7, "stages", "17", label="Back")
    log.deal(8, stage="17")
    assert log.record.stage == "Back"


def test_a_null_is_a_value_and_forgets_the_key(log: Log) -> None:
    log.row(0, "stages", "17", label=None)
    log.deal(1, stage="17")
    assert log.record.stage is None
    log.deal(2, stage=None)
    assert log.record.lookups == {}


def test_a_repeat_of_a_row_changes_nothing(log: Log) -> None:
    first = log.reference(0, "stages", "17", {"label": "Negotiation"})
    second = log.reference(1, "stages", "17", {"label": "Offer"})
    for each in (first, second, first):
        log.fold(each)
    log.deal(2, stage="17")
    assert log.record.stage == "Offer"


def test_what_a_row_does_not_bring_is_as_it_was() -> None:
    tables = Tables()
    log = Log()
    tables.put(log.reference(0, "users", "7", {"name": "Ida", "active": True}), None)
    tables.put(log.reference(1, "users", "7", {"active": False}), None)
    at = micros(START + timedelta(days=2))
    assert tables.find("users", "7", at) == {"name": "Ida", "active": False}
    assert tables.find("users", "8", at) is None


def test_an_owner_is_a_person_of_the_table_as_of_the_moment(log: Log) -> None:
    log.row(0, "users", "7", name="Ida", manager="8")
    log.row(0, "users", "8", name="Max")
    # Known already, and yet to come: neither decides before its time.
    log.row(9, "users", "7", active=False)
    log.row(9, "users", "8", name="Maxine")
    log.deal(0, stage="17", owner="7")
    log.until(11)
    assert log.told("stalled") == [(8, "opened", ("Ida",)), (10, "advanced", ("Maxine",))]
    (_, advanced) = (each for each in log.decided if each.path == "stalled")
    assert advanced.reassign == "Maxine"
    assert "Ida is no longer active; Maxine is the manager of Ida" in str(advanced.reason["people"])


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({}, "Ida"),
        ({"active": None}, "Ida"),
        ({"active": False}, "Max"),
        ({"away": True}, "Max"),
        ({"away": False}, "Ida"),
        # The eighth day is the 10th of March in Berlin; both ends are away.
        ({"away_from": "2026-03-09T23:00:00Z"}, "Max"),
        ({"away_from": "2026-03-10T23:00:00Z"}, "Ida"),
        ({"away_until": "2026-03-09T23:00:00Z"}, "Max"),
        ({"away_until": "2026-03-09T22:59:00Z"}, "Ida"),
        ({"away_from": "2026-03-01T00:00:00Z", "away_until": "2026-03-20T00:00:00Z"}, "Max"),
        ({"away": True, "deputy": 9}, "Kim"),
        ({"away": True, "deputy": "nobody"}, "Max"),
        ({"away": True, "manager": "nobody"}, "dora"),
        ({"away": True, "manager": None}, "dora"),
        ({"away": True, "manager": "2"}, "bert"),
        ({"away": True, "manager": "7"}, "dora"),
        ({"name": None}, "7"),
        # Whoever is written in the configuration wins, by name as by id.
        ({"name": "bert", "active": False}, "bert"),
    ],
)
def test_who_stands_in_for_a_person_of_the_table(log: Log, row: dict[str, Any], found: str) -> None:
    log.row(0, "users", "7", **{"name": "Ida", "manager": 8, **row})
    log.row(0, "users", "8", name="Max", manager="7")
    log.row(0, "users", "9", name="Kim")
    log.row(0, "users", "2", name="Bertram", active=False)
    log.deal(0, stage="17", owner="7")
    log.until(8.5)
    assert log.told("stalled") == [(8, "opened", (found,))]


def test_managers_in_a_circle_lead_to_the_fallback(log: Log) -> None:
    for key, manager in (("7", "8"), ("8", "9"), ("9", "8")):
        log.row(0, "users", key, name=f"user {key}", manager=manager, active=False)
    log.deal(0, stage="17", owner="7")
    log.until(8.5)
    assert log.told("stalled") == [(8, "opened", ("dora",))]


def test_who_is_in_no_table_is_said_so(log: Log) -> None:
    log.deal(0, stage="17", owner="77")
    log.until(8.5)
    assert "77 is not in `people` nor in the table users" in str(log.decided[-1].reason["people"])


KEYS = st.sampled_from(["1", "2"])
LABELS = st.sampled_from(["Negotiation", "Won", "On hold"])
ROWS: st.SearchStrategy[tuple[Any, ...]] = st.tuples(
    st.just("stages"),
    KEYS,
    st.fixed_dictionaries({"label": LABELS}),
) | st.tuples(
    st.just("users"),
    KEYS,
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["Ida", "Max"]),
            "active": st.booleans(),
            "manager": st.sampled_from(["1", "2", None]),
        },
    ),
)
DEALS: st.SearchStrategy[tuple[Any, ...]] = st.tuples(
    st.just("deals"),
    st.sampled_from(["deal:1", "deal:2"]),
    st.fixed_dictionaries({}, optional={"stage": KEYS, "owner": KEYS}),
)
DRAWN = st.lists(st.tuples(st.integers(1, 60), ROWS | DEALS), max_size=25)


def written(drawn: list[tuple[int, tuple[Any, ...]]]) -> list[Change | Reference]:
    """As a log, each entry so many hours after the one before."""
    entries: list[Change | Reference] = []
    at = START
    for number, (hours, (feed, key, values)) in enumerate(drawn):
        at += timedelta(hours=hours)
        if feed == "deals":
            entries.append(change(number, at, values, key))
        else:
            source = Source(feed, 0, number)
            entries.append(
                Reference(table=feed, key=key, at=at, feed=feed, source=source, values=values or None)
            )
    return entries


def end(entries: list[Change | Reference]) -> Tick:
    at = max((each.at for each in entries), default=START) + timedelta(days=20)
    return Tick(tuple(Mark(feed, 0, 1, at) for feed in RULES["feeds"]))


def restarted(partition: Partition, stored: dict[bytes, bytes]) -> Partition:
    """What a worker recovers: records, rows and marks, each as it was stored."""
    stored |= partition.tables.news()
    feeds = {name: FeedMarks(each.of, dict(each.marks)) for name, each in partition.feeds.items()}
    records = dict(partition.records.encoded)
    return Partition([(0, rules())], records, feeds, None, partition.now, Tables(stored))


@given(DRAWN, st.sets(st.integers(0, 25)))
@settings(max_examples=200)
def test_a_restart_anywhere_changes_nothing(drawn: Any, restarts: set[int]) -> None:
    entries: list[Any] = written(drawn)
    entries.append(end(entries))
    straight, broken = Partition([(0, rules())]), Partition([(0, rules())])
    stored: dict[bytes, bytes] = {}
    for number, entry in enumerate(entries):
        if number in restarts:
            broken = restarted(broken, stored)
        assert list(map(encode_escalation, broken.fold(entry))) == list(
            map(encode_escalation, straight.fold(entry))
        )
    assert broken.records == straight.records
    assert {**stored, **broken.tables.news()} == straight.tables.news()


@given(DRAWN)
@settings(max_examples=200)
def test_rows_may_be_read_ahead_of_what_refers_to_them(drawn: Any) -> None:
    first = [
        (0, (table, key, {"label": "Offer", "name": f"user {key}"}))
        for table in ("stages", "users")
        for key in ("1", "2")
    ]
    entries = written([*first, *drawn])
    ahead = sorted(entries, key=lambda each: isinstance(each, Change))
    assert decided(ahead) == decided(entries)


def decided(entries: list[Change | Reference]) -> list[bytes]:
    partition = Partition([(0, rules())])
    escalations = [each for entry in [*entries, end(entries)] for each in partition.fold(entry)]
    return sorted(map(encode_escalation, escalations))
