"""Fivetran's rows: tables, history mode, histories of fields; invented ones, and those of real connectors."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.core.document import Node, Problem
from streams.core.entries import Change, Said
from streams.feeds import Format, Message, Undecodable
from streams.feeds.files import changes_in_order, read_messages
from streams.feeds.formats import read_feed
from tests.feeds.samples import change, folded, passed_over, refusal, sample

RECORD: dict[str, Any] = {"kind": "ticket", "id": "id", "stage": "status"}
SYNCED = "2026-03-02T11:05:00Z"


def feed(**options: Any) -> Format:
    return read_feed("tickets", Node({"format": "fivetran", "record": RECORD, **options}))


def message(row: Any, offset: int = 41) -> Message:
    return Message("tickets", 0, offset, None, orjson.dumps(row))


def versions(*rows: tuple[str, str | None, bool]) -> list[dict[str, Any]]:
    return [
        {
            "id": 7,
            "status": f"s{number}",
            "_fivetran_start": start,
            "_fivetran_end": end or "9999-12-31T23:59:59.999Z",
            "_fivetran_active": active,
            "_fivetran_synced": SYNCED,
        }
        for number, (start, end, active) in enumerate(rows)
    ]


def test_a_row_in_history_mode_is_a_version_from_its_start() -> None:
    first, second = versions(
        ("2026-03-02T09:00:00.250Z", "2026-03-02T09:59:59.999Z", False), ("2026-03-02T10:00:00Z", None, True)
    )
    found = [change(feed().decode(message(row, offset))) for row, offset in ((first, 41), (second, 42))]
    assert [each.fields["stage"] for each in found] == ["s0", "s1"]
    assert found[0].at == datetime(2026, 3, 2, 9, 0, 0, 250000, tzinfo=UTC)
    # The loader writes a version again when it ends.
    assert folded([*found, change(feed().decode(message(first, 43)))]).stage == "s1"


def test_a_table_without_history_says_which_column_is_the_time() -> None:
    row = {"id": 7, "status": "open", "_fivetran_synced": SYNCED, "updated_at": "2026-03-02T09:00:00Z"}
    assert "the table is not in history mode; say which column" in refusal(feed(), message(row))
    assert change(feed(at="updated_at").decode(message(row))).at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert change(feed(at="_fivetran_synced").decode(message(row))).at.minute == 5


@pytest.mark.parametrize("deleted", [True, "true", "TRUE"])
def test_a_deleted_row_is_a_delete_when_it_was_loaded(deleted: Any) -> None:
    row = {"id": 7, "status": "open", "_fivetran_synced": SYNCED, "updated_at": "2026-03-02T09:00:00Z"}
    reader = feed(at="updated_at")
    gone = change(reader.decode(message({**row, "_fivetran_deleted": deleted})))
    assert (gone.op, gone.fields, gone.at) == ("delete", {}, datetime(2026, 3, 2, 11, 5, tzinfo=UTC))
    for not_deleted in (False, "FALSE", "", None):
        there = change(reader.decode(message({**row, "_fivetran_deleted": not_deleted})))
        assert (there.op, there.at.hour) == ("upsert", 9)


def test_a_deleted_comment_leaves_its_ticket_alone() -> None:
    record = {"kind": "ticket", "id": "ticket_id", "said": {"text": "body"}}
    reader = feed(at="created", record=record)
    row = {"ticket_id": 7, "body": "Hello?", "created": "2026-03-02T09:00:00Z", "_fivetran_synced": SYNCED}
    assert change(reader.decode(message(row))).said == Said("Hello?")
    assert "a delete of a message" in passed_over(reader.decode(message({**row, "_fivetran_deleted": True})))


def test_times_of_a_warehouse_take_a_zone() -> None:
    row = {"id": 7, "updated_at": "2026-03-02 09:00:00.250"}
    assert "say in which zone" in refusal(feed(at="updated_at"), message(row))
    read = change(feed(at="updated_at", time={"zone": "UTC"}).decode(message(row)))
    assert read.at == datetime(2026, 3, 2, 9, 0, 0, 250000, tzinfo=UTC)


HISTORY: dict[str, Any] = {
    "at": "updated",
    "history": {"field": "field_name", "value": "value"},
    "record": {
        "kind": "ticket",
        "id": "ticket_id",
        "stage": {"field": "status", "closed": ["solved"]},
        "owner": "assignee_id",
        "fields": ["field_name", "ticket_id"],
    },
}


def test_a_row_of_a_history_says_its_field_alone() -> None:
    def fields(name: Any, value: Any) -> dict[str, Any]:
        row = {"ticket_id": 7, "updated": "2026-03-02T09:00:00Z", "field_name": name, "value": value}
        return change(feed(**HISTORY).decode(message(row))).fields

    assert fields("status", "solved") == {"stage": "solved", "status": "closed", "ticket_id": 7}
    assert fields("assignee_id", "") == {"owner": None, "ticket_id": 7}
    assert fields("custom", "x") == {"ticket_id": 7}
    # A field may be called like a column.
    assert fields("field_name", "x") == {"field_name": "x", "ticket_id": 7}
    assert fields("ticket_id", 8) == {"ticket_id": 7}


def test_fields_that_change_at_one_moment_are_all_told() -> None:
    told = []
    for offset, (name, value) in enumerate((("status", "open"), ("assignee_id", "12"))):
        row = {"ticket_id": 7, "updated": "2026-03-02T09:00:00Z", "field_name": name, "value": value}
        told.append(change(feed(**HISTORY).decode(message(row, offset))))
    record = folded(told)
    assert (record.stage, record.owner) == ("open", "12")


def test_a_file_of_a_history_needs_no_column_for_each_field(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("ticket_id,updated,field_name,value\n7,2026-03-02T09:00:00Z,status,open\n")
    reader = feed(**{**HISTORY, "record": {**HISTORY["record"], "fields": []}})
    assert change(reader.decode(next(read_messages(reader, path)))).fields["stage"] == "open"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1], "the row is a list"),
        ({"ticket_id": 7, "field_name": 5, "updated": SYNCED}, "'field_name', which names the field, is 5"),
        (
            {"ticket_id": 7, "field_name": "status", "value": "x"},
            "'updated', the time of the change, is missing",
        ),
        ({"field_name": "status", "updated": SYNCED}, "there is no id column 'ticket_id'"),
    ],
)
def test_what_cannot_be_read_says_why(row: Any, reason: str) -> None:
    assert reason in refusal(feed(**HISTORY), message(row))


def test_a_message_without_a_row_is_passed_over() -> None:
    assert passed_over(feed().decode(Message("t", 0, 0, None, None))) == "a message without a row"


def test_a_wrong_history_is_refused_where_it_is_wrong() -> None:
    with pytest.raises(Problem, match="lacks 'value'"):
        feed(history={"field": "name"})
    with pytest.raises(Problem, match="withheld and read"):
        feed(withhold=["status"])


def test_rows_in_the_documented_shape_are_read() -> None:
    live, deleted, version = orjson.loads(sample("fivetran/DERIVED_rows.json").read_bytes())
    rows = feed(at="_fivetran_synced")
    assert [change(rows.decode(message(row))).op for row in (live, deleted)] == ["upsert", "delete"]
    assert change(feed().decode(message(version))).at.microsecond == 250000


UTC_ZONE = {"zone": "UTC"}
# Some of these were edited by hand, and their hours have one digit.
BY_HAND = {"format": "%Y-%m-%d %H:%M:%S", "zone": "UTC"}
TABLES: dict[str, dict[str, Any]] = {
    "hubspot/company_property_history": {"id": "company_id", "at": "timestamp", "history": "name"},
    "hubspot/deal": {"id": "deal_id", "at": "property_createdate"},
    "hubspot/deal_pipeline_stage": {"id": "stage_id", "at": "updated_at"},
    "hubspot/deal_property_history": {"id": "deal_id", "at": "timestamp", "history": "name"},
    "hubspot/deal_stage": {"id": "deal_id", "at": None, "time": BY_HAND, "stage": "value"},
    "hubspot/ticket": {"id": "id", "at": "property_createdate", "stage": "property_hs_pipeline_stage"},
    "hubspot/ticket_pipeline_stage": {"id": "stage_id", "at": "updated_at"},
    "hubspot/ticket_property_history": {"id": "ticket_id", "at": "timestamp_instant", "history": "name"},
    "zendesk/audit_log": {"id": "source_id", "at": "created_at"},
    "zendesk/daylight_time": {"id": ["time_zone", "year"], "at": "_fivetran_synced"},
    "zendesk/organization": {"id": "id", "at": "updated_at"},
    "zendesk/schedule": {"id": "id", "at": "created_at"},
    "zendesk/schedule_holiday": {"id": "id", "at": "_fivetran_synced"},
    "zendesk/sla_policy_metric_history": {"id": ["sla_policy_id", "index"], "at": "sla_policy_updated_at"},
    "zendesk/ticket": {"id": "id", "at": "updated_at", "stage": "status"},
    "zendesk/ticket_comment": {"id": "ticket_id", "at": "created", "said": {"text": "body"}},
    "zendesk/ticket_field_history": {
        "id": "ticket_id",
        "at": "updated",
        "history": "field_name",
        "stage": "status",
    },
    "zendesk/ticket_schedule": {"id": "ticket_id", "at": "created_at"},
    "zendesk/ticket_sla_policy": {"id": "ticket_id", "at": "policy_applied_at"},
    "zendesk/time_zone": {"id": "time_zone", "at": "_fivetran_synced"},
}


def read_table(name: str) -> tuple[list[Change], list[str], int]:
    """The changes of a table, why some rows are none, and how many rows there are."""
    about = TABLES[name]
    options: dict[str, Any] = {
        "time": about.get("time", UTC_ZONE),
        "record": {"kind": "ticket", **{key: about[key] for key in ("id", "stage", "said") if key in about}},
    }
    if about["at"] is not None:
        options["at"] = about["at"]
    if "history" in about:
        options["history"] = {"field": about["history"], "value": "value"}
    reader = feed(**options)
    refused: list[str] = []

    def refuse(message: Message, error: Undecodable) -> None:
        refused.append(str(error))

    messages = list(read_messages(reader, sample(f"fivetran-history/{name}.csv.gz")))
    return changes_in_order(reader, messages, refuse), refused, len(messages)


@pytest.mark.parametrize("name", TABLES)
def test_each_row_of_a_real_table_is_a_change_or_says_why_not(name: str) -> None:
    found, refused, rows = read_table(name)
    assert len(found) + len(refused) == rows > 0
    # Some rows have no time of their own, and none is made up for them.
    assert all("the time of the change, is empty" in reason for reason in refused), refused
    assert len(refused) < rows


def test_a_real_history_of_fields_tells_the_stages_of_its_tickets() -> None:
    found, refused, rows = read_table("zendesk/ticket_field_history")
    assert (len(found), refused, rows) == (38, [], 38)
    assert {each.fields["stage"] for each in found if "stage" in each.fields} <= {
        "new",
        "open",
        "pending",
        "on-hold",
        "solved",
        "closed",
        "deleted",
    }


def test_no_real_table_is_left_out() -> None:
    folder = sample("fivetran-history")
    there = {str(path.relative_to(folder)).removesuffix(".csv.gz") for path in folder.glob("*/*.csv.gz")}
    assert there == set(TABLES)
