"""The order token of each connector: where a change stands in its database's log."""

from typing import Any

import pytest

from streams.core.document import Node
from streams.feeds.files import read_messages
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, passed_over, refusal, sample
from tests.feeds.test_debezium import AT, COMMITTED, event, message

FEED = read_feed("t", Node({"format": "debezium", "topic": "t", "record": {"kind": "ticket", "id": "id"}}))

BINLOG: dict[str, Any] = {
    "connector": "mysql",
    "file": "mysql-bin.000003",
    "pos": 484,
    "row": 0,
    "gtid": None,
}
SQLSERVER: dict[str, Any] = {
    "connector": "sqlserver",
    "commit_lsn": "00000027:00000758:0005",
    "change_lsn": "00000027:00000758:0003",
    "event_serial_no": 2,
}


def order(op: str = "u", **source: Any) -> tuple[int | str, ...] | None:
    row = {"id": 7}
    source = {"ts_us": COMMITTED, "snapshot": "false", **source}
    return change(FEED.decode(event(op, after=row, source=source))).order


@pytest.mark.parametrize("connector", ["mysql", "mariadb"])
def test_a_binlogs_place_is_the_files_number_the_position_and_the_row(connector: str) -> None:
    assert order(**{**BINLOG, "connector": connector}) == (3, 484, 0)


def test_places_in_a_binlog_compare_as_numbers() -> None:
    places = [
        order(**{**BINLOG, "file": "mysql-bin.999999", "pos": 9_000, "row": 2}),
        order(**{**BINLOG, "file": "mysql-bin.1000000", "pos": 4, "row": 9}),
        order(**{**BINLOG, "file": "mysql-bin.1000000", "pos": 4, "row": 10}),
        order(**{**BINLOG, "file": "mysql-bin.1000000", "pos": 30, "row": 0}),
    ]
    assert places == sorted(places, key=lambda place: place or ())
    assert len(set(places)) == 4


def test_a_place_in_sql_server_is_the_commit_then_the_change_then_its_number() -> None:
    assert order(**SQLSERVER) == (0x27, 0x758, 5, 0x27, 0x758, 3, 2)
    # Of two transactions the one that commits later is later, whichever began first.
    late = {**SQLSERVER, "commit_lsn": "00000027:00000758:000a", "change_lsn": "00000027:00000758:0001"}
    assert (order(**late) or ()) > (order(**SQLSERVER) or ())


def test_a_snapshots_row_in_sql_server_has_no_change_of_its_own() -> None:
    snapshot = {**SQLSERVER, "change_lsn": None, "event_serial_no": None, "snapshot": "true"}
    assert order("r", **snapshot) == (0x27, 0x758, 5, 0, 0, 0, 0)
    assert (order("r", **snapshot) or ()) < (order(**SQLSERVER) or ())


@pytest.mark.parametrize("source", [BINLOG, SQLSERVER, {"connector": "postgresql", "lsn": 5}])
def test_a_row_of_an_incremental_snapshot_stands_nowhere_in_the_log(source: dict[str, Any]) -> None:
    assert order("r", **{**source, "snapshot": "incremental"}) is None


@pytest.mark.parametrize("connector", ["oracle", "db2", "vitess", "something of ours"])
def test_an_unknown_connector_has_no_order_whatever_its_source_looks_like(connector: str) -> None:
    assert order(connector=connector, lsn=5, file="a.000001", pos=1, row=0) is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({**BINLOG, "file": "mysql-bin"}, "'mysql-bin'"),
        ({**BINLOG, "file": 3}, "the file 3"),
        ({**BINLOG, "pos": None}, "the pos None"),
        ({**BINLOG, "pos": "484"}, "the pos '484'"),
        ({**SQLSERVER, "commit_lsn": "27:758:5"}, "commit_lsn '27:758:5'"),
        ({**SQLSERVER, "change_lsn": 5}, "change_lsn 5"),
    ],
)
def test_a_place_that_cannot_be_read_is_refused_and_not_left_out(source: dict[str, Any], reason: str) -> None:
    broken = event(after={"id": 7}, source={"ts_us": COMMITTED, **source})
    assert reason in refusal(FEED, broken)


def test_where_mysql_does_not_know_the_time_it_is_when_the_row_was_read() -> None:
    source = {**BINLOG, "ts_ms": 0, "ts_us": 0}
    known = {"op": "r", "after": {"id": 7}, "source": source, "ts_ms": 1, "ts_us": COMMITTED}
    assert change(FEED.decode(message(known))).at == AT


def test_a_change_of_a_tables_schema_is_passed_over() -> None:
    ddl = {"source": BINLOG, "databaseName": "crm", "ddl": "ALTER TABLE t ADD c int", "tableChanges": []}
    assert "schema" in passed_over(FEED.decode(message(ddl)))


def test_mysqls_documented_events_are_what_they_say() -> None:
    decoded = {}
    for path in sample("debezium-mysql-docs").glob("*.json"):
        (only,) = read_messages(FEED, path)
        if path.name[0] == "d":
            # It has no key, and takes the id from `before`.
            decoded["d"] = change(FEED.decode(only))
        elif path.name[0] != "t":
            decoded[path.name[0]] = change(FEED.decode(only))
    assert {op: (c.record, c.op, c.order) for op, c in decoded.items()} == {
        "c": ("ticket:1004", "upsert", (3, 154, 0)),
        "u": ("ticket:1004", "upsert", (3, 484, 0)),
        "d": ("ticket:1004", "delete", (3, 805, 0)),
    }
    assert decoded["c"].at < decoded["u"].at < decoded["d"].at
