"""`escalations init --from`: proposals for invented samples, as a user gets them.

The golden files are what stands in the file; UPDATE_GOLDEN=1 writes them anew.
"""

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streams.config import ConfigError, load
from streams.guess.columns import Column
from streams.guess.propose import propose_rows, quoted
from streams.guess.sample import is_json, propose
from streams.yaml_source import read_yaml
from tests.command import REPOSITORY, Done, escalations, golden

SHARED = Path(os.environ.get("SHARED") or REPOSITORY.parent / "shared")
SCHEMA = REPOSITORY / "schemas" / "escalations.schema.json"
CONFIGURATION = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))

TICKETS = """\
Ticket Number;Status;Severity;Assigned To;Requester;Opened At;Last Updated;Revision;Resolved At;Region;Note
T-1;New;2 - High;anna;Acme: Ltd;03.02.2026 09:00;03.02.2026 09:00;0;05.02.2026 10:00;North;Hello there
T-1;Pending customer;2 - High;anna;Acme: Ltd;03.02.2026 09:00;04.02.2026 09:30;1;05.02.2026 10:00;North;?
T-1;Resolved;2 - High;bert;Acme: Ltd;03.02.2026 09:00;05.02.2026 10:00;2;05.02.2026 10:00;North;?
T-2;New;3 - Low;?;Beta, Inc;13.02.2026 12:00;13.02.2026 12:00;0;14.02.2026 08:00;South;?
T-2;Closed;3 - Low;bert;Beta, Inc;13.02.2026 12:00;14.02.2026 08:00;1;14.02.2026 08:00;South;?
"""

DEALS = """\
opportunity_id,sales_agent,account,deal_stage,close_value_usd,created_on,modified_on
1,Anna B,Acme,Prospecting,,2026-01-05T10:00:00+01:00,2026-01-05T10:00:00+01:00
1,Anna B,Acme,Negotiation,,2026-01-05T10:00:00+01:00,2026-02-05T10:00:00+01:00
1,Anna B,Acme,Won,1500.5,2026-01-05T10:00:00+01:00,2026-03-05T10:00:00+01:00
2,Carla D,Beta,Prospecting,,2026-01-06T10:00:00+01:00,2026-01-06T10:00:00+01:00
2,Carla D,Beta,Lost,0,2026-01-06T10:00:00+01:00,2026-02-06T10:00:00+01:00
3,Carla D,Gamma,Prospecting,,2026-01-06T10:00:00+01:00,2026-01-06T10:00:00+01:00
"""


def event(table: str, number: int, **row: Any) -> dict[str, Any]:
    source = {"ts_us": 1_772_442_000_000_000 + number, "lsn": number, "table": table}
    after = {"id": number % 2, **row}
    value = {"before": None, "after": after, "source": source, "op": "u"}
    return {"topic": f"crm.public.{table}", "key": {"id": number % 2}, "value": value}


DEBEZIUM = [
    *(
        event(
            "ticket",
            number,
            assignee_id=7,
            status="open" if number % 3 else "on hold",
            priority="high",
            created_at="2026-01-05T10:00:00Z",
            due_local=1_772_442_000_000_000,
            body="__debezium_unavailable_value",
        )
        for number in range(6)
    ),
    *(
        event("opportunity", number, owner="anna", amount="AL68Ug==", currency="EUR", opened_on="2026-01-05")
        for number in range(6)
    ),
    {"topic": "crm.heartbeat", "value": {"ts_ms": 5}},
    {"topic": "crm.public.ticket", "key": {"id": 1}, "value": None},
]


def init(folder: Path, name: str, content: str | bytes, *arguments: str) -> Done:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return escalations("init", "mine", "--from", name, *arguments, cwd=folder)


def lines(messages: Sequence[Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in messages)


def problems(path: Path) -> list[str]:
    try:
        load(path)
    except ConfigError as error:
        return [each.message for each in error.diagnostics]
    return []


def fill_in(path: Path, **values: str) -> None:
    text = path.read_text()
    for name, value in values.items():
        assert f"{name}: TODO" in text
        text = text.replace(f"{name}: TODO", f"{name}: {value}")
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "content", "todo", "said", "filled"),
    [
        ("tickets.csv", TICKETS, 1, ["'TODO' is no time zone"], {"zone": "Europe/Berlin"}),
        ("deals.csv", DEALS, 0, [], {}),
        (
            "messages.jsonl",
            lines(DEBEZIUM),
            2,
            ["'TODO' is no time zone"],
            {"scale": "2", "zone": "UTC"},
        ),
    ],
)
def test_a_proposal_names_its_guesses_and_what_is_left_is_refused_until_it_is_filled_in(
    tmp_path: Path, name: str, content: str, todo: int, said: list[str], filled: dict[str, str]
) -> None:
    done = init(tmp_path, name, content)
    assert (done.code, done.err) == (0, "")
    path = tmp_path / "mine" / "escalations.yaml"
    left = {0: "", 1: "; 1 TODO is left to you"}.get(todo, f"; {todo} TODO are left to you")
    assert done.out.splitlines()[0] == f"wrote mine/escalations.yaml{left}"
    golden(f"init-from-{name.partition('.')[0]}.yaml", path.read_text())
    assert max(map(len, path.read_text().splitlines())) <= 110
    assert problems(path) == said
    fill_in(path, **filled)
    assert problems(path) == []
    CONFIGURATION.validate(read_yaml(path, {}).data)
    feed = next(iter(load(path).feeds))
    decoded = escalations("decode", "-c", str(path), "--feed", feed, name, cwd=tmp_path)
    assert decoded.code == 0
    assert decoded.out


def test_what_is_read_by_the_proposal_is_what_the_sample_says(tmp_path: Path) -> None:
    init(tmp_path, "tickets.csv.gz", gzip.compress(TICKETS.encode()))
    fill_in(tmp_path / "mine" / "escalations.yaml", zone="Europe/Berlin")
    done = escalations(
        "decode", "-c", "mine/escalations.yaml", "--feed", "tickets", "tickets.csv.gz", cwd=tmp_path
    )
    changes = [json.loads(line) for line in done.out.splitlines()]
    assert [each["record"] for each in changes] == ["ticket:T-1"] * 3 + ["ticket:T-2"] * 2
    assert [each["fields"]["status"] for each in changes] == ["open", "paused", "closed", "open", "closed"]
    assert [each["fields"]["owner"] for each in changes] == ["anna", "anna", "bert", None, "bert"]
    assert changes[0]["fields"]["created"] == "2026-02-03T08:00:00Z"
    assert changes[1]["at"] == "2026-02-04T08:30:00Z"


def test_the_same_sample_gives_the_same_proposal(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TICKETS)
    assert len({propose(tmp_path / "a.csv", messages=False).text for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("texts", "formats", "offset"),
    [
        (["2026-01-05T10:00:00Z"], ("iso",), True),
        (["2026-01-05T10:00:00Z", "2026-01-05"], ("iso",), False),
        (["2026-01-05 10:00"], ("iso",), False),
        (["13/02/2026", "01/02/2026"], ("%d/%m/%Y",), False),
        (["02/13/2026 1:05 PM"], ("%m/%d/%Y %I:%M %p",), False),
        (["01/02/2026", "03/02/2026"], ("%d/%m/%Y", "%m/%d/%Y"), False),
        (["Tue Oct 31 22:10:47 +0000 2017"], ("%a %b %d %H:%M:%S %z %Y",), True),
    ],
)
def test_times_are_known_by_how_they_are_written(
    texts: list[str], formats: tuple[str, ...], offset: bool
) -> None:
    times = Column("at", texts).times
    assert times is not None
    assert (times.formats, times.offset) == (formats, offset)


@pytest.mark.parametrize("texts", [["20260105"], ["soon"], ["2026-01-05", "soon"], [], [None], [5]])
def test_what_may_be_something_else_is_no_time(texts: list[Any]) -> None:
    assert Column("at", texts).times is None


def test_where_day_and_month_cannot_be_told_apart_the_format_is_left_open(tmp_path: Path) -> None:
    init(tmp_path, "a.csv", "id,updated\n1,01/02/2026\n2,03/02/2026\n")
    path = tmp_path / "mine" / "escalations.yaml"
    assert '"%d/%m/%Y" or "%m/%d/%Y"?' in path.read_text()
    assert problems(path)
    fill_in(path, format='"%d/%m/%Y"', zone="UTC")
    assert problems(path) == []


def test_a_sample_without_an_id_and_times_leaves_both_open(tmp_path: Path) -> None:
    done = init(tmp_path, "a.csv", "colour,shape\nred,round\nred,round\n")
    assert "3 TODO are left to you" in done.out
    said = problems(tmp_path / "mine" / "escalations.yaml")
    assert len(said) >= 1
    assert "'at' is empty" in said[0] or "TODO" in said[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "id,updated\n", "there are no rows under a header"),
        ("a.csv", b"\x89PNG\0\0", "UTF-8"),
        ("a.csv", b"\x1f\x8b\x08\0\0\0\0\0\0\0nothing", "damaged"),
        ("a.jsonl", '{"subscriptionType": "deal.creation", "objectId": 5}\n', "`format: hubspot`"),
        ("a.jsonl", '{"op": "c"}\n[1]\n"x"\n{\n', "no message is a change event of Debezium"),
        ("absent/a.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_sample_says_so_and_nothing_is_written(
    tmp_path: Path, name: str, content: str | bytes | None, said: str
) -> None:
    if content is None:
        done = escalations("init", "mine", "--from", name, cwd=tmp_path)
    else:
        done = init(tmp_path, name, content)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "mine").exists()


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "escalations.yaml").write_text("mine")
    done = init(tmp_path, "tickets.csv", TICKETS)
    assert (done.code, done.out) == (1, "")
    assert "exists already and is left as it is" in done.err
    assert (tmp_path / "mine" / "escalations.yaml").read_text() == "mine"


def test_the_format_can_be_said_and_is_nothing_without_a_sample(tmp_path: Path) -> None:
    done = init(tmp_path, "messages.txt", lines(DEBEZIUM), "--format", "debezium")
    assert done.code == 0
    assert "format: debezium" in (tmp_path / "mine" / "escalations.yaml").read_text()
    done = escalations("init", "--format", "csv", cwd=tmp_path)
    assert done.code == 2
    assert "--from FILE" in done.err


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts)
def test_whatever_a_name_is_it_is_read_as_itself(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("q") / "a.yaml"
    path.write_text(f"key: {quoted(name)}\n", encoding="utf-8")
    assert read_yaml(path, {}).data == {"key": name}


@given(st.lists(texts, min_size=1, max_size=6), st.lists(st.lists(texts, min_size=1, max_size=6), max_size=6))
def test_whatever_a_sample_holds_the_proposal_is_yaml(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], rows: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("p") / "escalations.yaml"
    path.write_text(propose_rows("a", header, rows, ",").text, encoding="utf-8")
    document = read_yaml(path, {})
    assert not document.duplicates
    assert document.data["feeds"]["a"]["format"] == "csv"
    assert not any("YAML" in each for each in problems(path))


REAL: dict[str, dict[str, Any]] = {
    "tickets/servicenow_incidents.csv.gz": {
        "id": "number",
        "owner": "assigned_to",
        "stage": "incident_state",
        "priority": "priority",
        "created": "sys_created_at",
        "customer": "caller_id",
    },
    "deals/maven_crm_sales_pipeline.csv.gz": {
        "id": "opportunity_id",
        "owner": "sales_agent",
        "stage": "deal_stage",
        "value": "close_value",
        "created": "engage_date",
    },
    "accounts/ravenstack_support_tickets.csv.gz": {
        "id": "ticket_id",
        "customer": "account_id",
        "priority": "priority",
        "created": "submitted_at",
    },
    "deals/loan_applications.csv.gz": {
        "id": "case:concept:name",
        "owner": "org:resource",
        "value": "case:AMOUNT_REQ",
        "created": "case:REG_DATE",
    },
    "tickets/retailbank_complaints.csv.gz": {"id": "complaint_id", "customer": "client_id"},
}


@pytest.mark.parametrize("name", REAL)
def test_columns_of_real_exports_are_guessed_by_their_names(tmp_path: Path, name: str) -> None:
    sample = SHARED / "data" / name
    if not sample.exists():
        pytest.skip(f"{name} is not beside the repository")
    path = tmp_path / "escalations.yaml"
    path.write_text(propose(sample, messages=is_json(sample)).text)
    (feed,) = read_yaml(path, {}).data["feeds"].values()
    found = {
        key: each.get("field") if isinstance(each, dict) else each for key, each in feed["record"].items()
    }
    assert {key: found.get(key) for key in REAL[name]} == REAL[name]
