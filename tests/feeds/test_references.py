"""Rows that records refer to, as feeds bring them, and histories that have some."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from streams.config import Config, ConfigError, load
from streams.core.entries import Change, Lookup, Reference
from streams.feeds import Message, PassedOver
from tests.command import REPOSITORY, escalations

CONFIG: dict[str, Any] = {
    "version": 1,
    "zone": "Europe/Berlin",
    "feeds": {
        "deals": {
            "format": "json",
            "topic": "crm.deals",
            "at": "at",
            "operation": {"field": "op", "delete": "deleted"},
            "record": {
                "kind": "deal",
                "id": "id",
                "owner": "owner_id",
                "stage": {"field": "stage_id", "lookup": "stages.label", "closed": ["Won"]},
                "fields": {"level": {"field": "plan_id", "lookup": "stages.level"}, "plan": "plan_id"},
            },
        },
        "stages": {
            "format": "json",
            "topic": "crm.stages",
            "at": "at",
            "operation": {"field": "op", "delete": "deleted"},
            "record": {"table": "stages", "key": "id", "columns": {"label": "name", "level": "level"}},
        },
        "users": {
            "format": "csv",
            "at": "updated",
            "time": {"format": "iso"},
            "record": {
                "table": "users",
                "key": "id",
                "columns": {
                    "name": "name",
                    "manager": "manager",
                    "active": {"field": "state", "is": ["active"]},
                    "away_until": {"field": "back", "zone": "Europe/Berlin", "format": "%d.%m.%Y"},
                },
            },
        },
    },
    "people": {"from": "users", "dora": None},
    "fallback": "dora",
    "paths": {
        "stalled": {
            "about": "deal",
            "where": {"level": {"at_least": 2}},
            "when": {"in_stage": "8d"},
            "steps": [{"notify": "owner"}],
        }
    },
}
USERS = """\
id,name,manager,state,back,updated
7,Ida,8,active,12.03.2026,2026-03-31T00:00:00Z
8,Max,,active,,2026-03-31T00:00:00Z
9,Kim,8,left,,2026-03-31T00:00:00Z
"""
STAGES = [
    {"id": 17, "name": "Offer", "level": 2, "at": "2026-03-31T00:00:00Z"},
    {"id": 18, "name": "Won", "level": 2, "at": "2026-03-31T00:00:00Z"},
]
DEALS = [
    {"id": number, "owner_id": owner, "stage_id": 17, "plan_id": 17, "at": f"2026-03-{day:02}T09:00:00Z"}
    for number, owner, day in ((1, 7, 2), (2, 7, 20), (3, 9, 2), (4, "?", 2))
]
DEALS += [
    {"id": 5, "owner_id": 7, "stage_id": 18, "plan_id": 17, "at": "2026-03-02T09:00:00Z"},
    {"id": 6, "owner_id": 7, "stage_id": 17, "plan_id": 1, "at": "2026-03-02T09:00:00Z"},
]


def configured(folder: Path, document: dict[str, Any] = CONFIG) -> Path:
    path = folder / "escalations.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def merged(document: Any, change: Any) -> Any:
    """`document` with `change` in it; what becomes None is taken out."""
    if not (isinstance(document, dict) and isinstance(change, dict)):
        return change
    both = {**document, **{key: merged(document.get(key), each) for key, each in change.items()}}
    return {key: each for key, each in both.items() if each is not None or key not in change}


def test_the_schema_describes_it() -> None:
    schema = json.loads((REPOSITORY / "schemas" / "escalations.schema.json").read_text("utf-8"))
    validator = Draft202012Validator(schema)
    validator.validate(CONFIG)
    assert not validator.is_valid(merged(CONFIG, {"feeds": {"users": {"record": {"kind": "user"}}}}))
    assert not validator.is_valid(
        merged(CONFIG, {"feeds": {"deals": {"record": {"stage": {"lookup": "x"}}}}})
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(configured(tmp_path))


def decoded(config: Config, feed: str, row: dict[str, Any]) -> Change | Reference:
    told = config.feeds[feed].decode(Message("t", 0, 1, None, orjson.dumps(row)))
    assert not isinstance(told, PassedOver)
    (only,) = told
    return only


def test_a_row_of_a_table_is_a_reference(config: Config) -> None:
    row = {"id": 17, "name": "Offer", "at": "2026-03-02T09:00:00Z"}
    told = decoded(config, "stages", row)
    assert isinstance(told, Reference)
    assert (told.table, told.key, told.values) == ("stages", "17", {"label": "Offer"})
    gone = decoded(config, "stages", {**row, "op": "deleted"})
    assert isinstance(gone, Reference)
    assert gone.values is None


def test_what_a_row_says_of_people_is_read_as_that(config: Config) -> None:
    row = {"id": "7", "name": "Ida", "state": "left", "back": "12.03.2026", "updated": "2026-03-02T09:00:00Z"}
    told = decoded(config, "users", row)
    assert isinstance(told, Reference)
    assert told.values == {"name": "Ida", "active": False, "away_until": "2026-03-11T23:00:00Z"}


def test_a_change_says_where_its_values_are(config: Config) -> None:
    told = decoded(config, "deals", DEALS[0])
    assert isinstance(told, Change)
    assert told.fields == {"owner": "7", "stage": "17", "status": "open", "level": 17, "plan": 17}
    assert told.lookups == {
        "stage": Lookup("stages", "label", "17", {"Won": "closed"}),
        "level": Lookup("stages", "level", "17"),
    }
    without = decoded(config, "deals", {"id": 1, "stage_id": None, "at": DEALS[0]["at"]})
    assert isinstance(without, Change)
    assert without.lookups == {}


def test_one_feed_may_bring_records_and_tables(tmp_path: Path) -> None:
    records = {
        "Opportunity": {"kind": "deal", "stage": {"field": "StageName", "lookup": "stages.label"}},
        "User": {"table": "users", "key": "Id", "columns": {"name": "Username", "active": "IsActive"}},
    }
    feeds = {
        "deals": None,
        "users": None,
        "crm": {"format": "salesforce", "topic": "sf", "records": records},
    }
    change = {"feeds": feeds, "paths": {"stalled": {"where": None}}}
    config = load(configured(tmp_path, merged(CONFIG, change)))
    header = {
        "entityName": "User",
        "recordIds": ["005000000000001AAA"],
        "changeType": "UPDATE",
        "transactionKey": "1",
        "sequenceNumber": 1,
        "commitTimestamp": 1_772_442_000_000,
        "commitNumber": 7,
        "commitUser": "005000000000001AAA",
        "changedFields": ["IsActive"],
    }
    told = decoded(config, "crm", {"ChangeEventHeader": header, "IsActive": False})
    assert isinstance(told, Reference)
    assert (told.table, told.values) == ("users", {"active": False})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"feeds": {"deals": {"record": {"stage": {"lookup": "stages.lable"}}}}},
            "the table 'stages' has no column 'lable'",
        ),
        (
            {"feeds": {"deals": {"record": {"owner": {"field": "o", "lookup": "user.name"}}}}},
            "no feed brings a table 'user'",
        ),
        (
            {"feeds": {"deals": {"record": {"stage": {"lookup": "stages"}}}}},
            "'stages' names no column of a table",
        ),
        (
            {"feeds": {"deals": {"record": {"stage": {"values": {"1": "Won"}}}}}},
            "a table has the values already",
        ),
        (
            {"feeds": {"users": {"record": {"table": "stages"}}}},
            "is brought by two feeds, 'stages' and 'users'",
        ),
        ({"feeds": {"users": {"record": {"table": "a.b"}}}}, "'a.b' has a colon or a dot"),
        ({"feeds": {"users": {"record": {"columns": {"a.b": "c"}}}}}, "'a.b' has a dot"),
        ({"feeds": {"users": {"record": {"key": []}}}}, "`key` names no column"),
        ({"feeds": {"users": {"record": {"columns": None}}}}, "lacks 'columns'"),
        ({"feeds": {"users": {"record": {"kind": "user"}}}}, "unknown key 'kind'"),
        ({"people": {"from": "user"}}, "no feed brings a table 'user'"),
        ({"people": {"from": {"manager": "dora"}}}, "`from` names a table"),
        (
            {
                "feeds": {"deals": {"record": {"customer": {"field": "c", "lookup": "stages.label"}}}},
                "paths": {
                    "again": {"about": "customer", "when": {"untouched": "1d"}, "steps": [{"notify": "dora"}]}
                },
            },
            "customers have records of their own here",
        ),
    ],
)
def test_what_is_not_there_cannot_be_looked_up(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(configured(tmp_path, merged(CONFIG, change)))
    assert said in str(caught.value)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """All three feeds as files; the tables were exported after everything else had happened."""
    configured(tmp_path)
    (tmp_path / "users.csv").write_text(USERS)
    for name, rows in (("deals", DEALS), ("stages", STAGES)):
        messages = [
            {"topic": name, "partition": 0, "offset": number, "value": orjson.dumps(row).decode()}
            for number, row in enumerate(rows)
        ]
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, messages)))
    return tmp_path


FEEDS = ("--feed", "deals=deals.jsonl", "--feed", "stages=stages.jsonl", "--feed", "users=users.csv")


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_backtest_knows_what_its_records_refer_to(history: Path, jobs: str) -> None:
    done = escalations(
        *("backtest", *FEEDS, "--until", "2026-04-15T00:00:00Z", "--jobs", jobs),
        *("--escalations", "out.jsonl"),
        cwd=history,
    )
    assert done.code == 0, done.err
    found = [orjson.loads(line) for line in (history / "out.jsonl").read_bytes().splitlines()]
    assert [(each["record"], each["notify"]) for each in found if each["event"] == "opened"] == [
        ("deal:1", ["Max"]),
        ("deal:3", ["Max"]),
        ("deal:4", ["dora"]),
        ("deal:2", ["Ida"]),
    ]
    assert found[0]["reason"]["because"] == "in stage Offer for 8d"
    assert "Ida is on leave to 2026-03-12; Max is the manager" in str(found[0]["reason"]["people"])


def test_explain_and_tune_know_it_too(history: Path) -> None:
    done = escalations("explain", "deal:1", *FEEDS, "--at", "2026-03-05T09:00:00Z", cwd=history)
    assert done.code == 0, done.err
    assert "stage: Offer" in done.out
    assert "then notify Max" in done.out
    swept = escalations(
        *("tune", "--path", "stalled", "--over", "in_stage=8d,9d", *FEEDS, "--json"),
        *("--until", "2026-04-15T00:00:00Z"),
        cwd=history,
    )
    assert swept.code == 0, swept.err
    ((period,),) = ([orjson.loads(swept.out)["periods"].values()],)
    assert [row["episodes"] for each in period for row in each["rows"]] == [4, 4]


def test_check_finds_nothing_odd(history: Path) -> None:
    done = escalations("check", "--strict", cwd=history)
    assert done.code == 0, done.out + done.err


def test_rows_are_shown_by_decode(history: Path) -> None:
    done = escalations("decode", "--feed", "stages", "stages.jsonl", cwd=history)
    assert orjson.loads(done.out.splitlines()[0])["entry"] == "reference"
