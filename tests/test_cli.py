"""The command line: every command as a new user tries it, wrong input included."""

import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic
from jsonschema import Draft202012Validator

from streams.agents.records import POSITION, RULES
from streams.cli import COMMANDS
from streams.core import record
from streams.core.record import Record, Standing
from streams.core.timestamps import DAY, micros
from streams.demo.crm import TICKETS, Row, debezium
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from streams.log.topics import Topics, ensure
from tests.brokers import Broker
from tests.command import (
    PROGRAM,
    REPOSITORY,
    STARTERS,
    Done,
    environment,
    escalations,
    golden,
    process,
    the_command,
)
from tests.live import create_topic

NOBODY = "127.0.0.1:1"
"""An address where no broker answers."""

REAL_MESSAGES = REPOSITORY.parent / "shared" / "feeds" / "debezium-real"
CHANGE = Draft202012Validator(json.loads((REPOSITORY / "schemas" / "change.schema.json").read_text("utf-8")))


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    """A folder with the csv starter."""
    assert escalations("init", "--starter", "csv", cwd=tmp_path).code == 0
    return tmp_path


@pytest.fixture
def helpdesk(tmp_path: Path) -> Path:
    """A folder with the Debezium starter and a file of two messages of its tickets."""
    assert escalations("init", cwd=tmp_path).code == 0
    (tmp_path / "messages.jsonl").write_text(messages())
    return tmp_path


def messages() -> str:
    """As kcat -J prints them."""
    rows = (
        Row(TICKETS, datetime(2026, 3, day, 9, tzinfo=UTC), {"id": 1, "assignee_id": 7, "status": status})
        for day, status in ((2, "open"), (3, "solved"))
    )
    columns = {"priority": 2, "requester_id": None, "created_at": "2026-03-02T09:00:00Z"}
    lines = []
    for number, row in enumerate(rows):
        message = debezium(row._replace(columns={**columns, **row.columns}), lsn=number)
        payload = {"key": message["key"].decode(), "payload": message["value"].decode()}
        lines.append({"topic": "helpdesk.public.ticket", "partition": 0, "offset": number, **payload})
    return "".join(json.dumps(line) + "\n" for line in lines)


def refused(done: Done, code: int, *said: str) -> None:
    """It ended with `code`, printed nothing for programs, and its last line says why."""
    assert done.code == code, done
    assert done.out == ""
    last = done.err.splitlines()[-1]
    for each in said:
        assert each in last


# --- help ---


def examples(command: str) -> list[str]:
    text = the_command(command).epilog or ""
    return [line.strip() for line in text.partition("Examples:\n")[2].splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_each_command_with_examples(command: str, tmp_path: Path) -> None:
    done = escalations(command, "--help", cwd=tmp_path)
    assert done.code == 0
    assert examples(command)
    for line in examples(command):
        assert f"escalations {command}" in line
        assert line in done.out
    # Each has one whole sentence in the list of commands.
    listed = escalations("--help", cwd=tmp_path).out
    assert re.search(rf"^  {command} .*[^.]\.$", listed, re.MULTILINE)


def run_example(line: str, cwd: Path, **env: str) -> Done:
    """With stand-ins for the programs that an example pipes to or from."""
    programs = cwd / "programs"
    programs.mkdir(exist_ok=True)
    for name, script in (("kcat", "cat messages.jsonl"), ("jq", "cat")):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    everything = environment(**env)
    everything["PATH"] = f"{programs}{os.pathsep}{everything['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=cwd,
        env=everything,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_the_examples_of_init_and_check_work(tmp_path: Path) -> None:
    for line in (*examples("init"), *examples("check")):
        done = run_example(line, tmp_path)
        assert done.code == 0, (line, done)


def test_the_examples_of_decode_work(helpdesk: Path) -> None:
    for line in examples("decode"):
        done = run_example(line, helpdesk)
        assert done.code == 0, (line, done)
        assert done.out.count("\n") == 2
        assert done.err == "2 changes, 0 passed over, 0 dead letters\n"


def test_the_examples_of_backtest_on_files_work(crm: Path) -> None:
    for year in ("2025", "2026"):
        (crm / f"{year}.csv.gz").write_bytes(gzip.compress((crm / "tickets.csv").read_bytes()))
    lines = [line for line in examples("backtest") if "--topic" not in line]
    assert len(lines) == 3
    for line in lines:
        done = run_example(line, crm)
        assert done.code == 0, (line, done)
        assert "ticket-untouched" in done.out


@pytest.mark.broker
def test_the_examples_that_need_a_broker_work(helpdesk: Path, broker: Broker, topic_prefix: str) -> None:
    """With topics of this test's own; and `notify desk` gets its channel."""
    own = f"{topic_prefix}ticket"
    config = helpdesk / "escalations.yaml"
    text = config.read_text().replace("helpdesk.public.ticket", own)
    text = text.replace("helpdesk.public.deal", f"{topic_prefix}deal").replace("  # desk:", "  desk:")
    live = f'live: {{app: {topic_prefix.rstrip(".")}, prefix: "{topic_prefix}", partitions: 1}}\n'
    config.write_text(f"{text}\n{live}")
    for topic in (own, f"{topic_prefix}deal"):
        create_topic(Connection(broker.address), topic)
    line = examples("run")[0]
    worker = subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=helpdesk,
        env=environment(ESCALATIONS_BROKER=broker.address),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stderr is not None
        assert any(said == "ready\n" for said in worker.stderr)
        for line in (*examples("open"), examples("backtest")[3].replace("helpdesk.public.ticket", own)):
            done = run_example(line, helpdesk, ESCALATIONS_BROKER=broker.address)
            assert done.code == 0, (line, done)
        for line in examples("notify"):
            # It runs until it is stopped.
            quoted = line.replace("escalations", "timeout 2 escalations")
            done = run_example(quoted, helpdesk, ESCALATIONS_BROKER=broker.address)
            assert done == (124, "", ""), line
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


# --- init ---


def test_init_lists_the_starters(tmp_path: Path) -> None:
    done = escalations("init", "--list", cwd=tmp_path)
    assert done.code == 0
    golden("init-list.txt", done.out)
    assert not list(tmp_path.iterdir())


def test_init_writes_a_starter_beside_what_is_there_and_says_what_is_next(tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "notes.txt").write_text("mine")
    done = escalations("init", "crm", "--starter", "csv", cwd=tmp_path)
    assert done.code == 0
    golden("init-csv.txt", done.out)
    assert (tmp_path / "crm" / "notes.txt").read_text() == "mine"
    for command in re.findall(r"escalations (.*)", done.out.partition("Next: ")[2]):
        assert escalations(*shlex.split(command), cwd=tmp_path).code == 0


@pytest.mark.parametrize("name", ["escalations.yaml", "tickets.csv"])
def test_init_leaves_a_file_that_is_there_as_it_is_and_writes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = escalations("init", "--starter", "csv", cwd=tmp_path)
    refused(done, 1, name, "exists already and is left as it is")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_init_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(escalations("init", "--starter", "no", cwd=tmp_path), 2, "'no'", "known: csv, dataverse,")
    refused(escalations("init", "file", cwd=tmp_path), 2, "file: File exists")
    refused(escalations("init", "file/in", cwd=tmp_path), 2, "file/in: Not a directory")


# --- check ---


def test_check_says_what_there_is(crm: Path) -> None:
    done = escalations("check", cwd=crm)
    assert done.code == 0
    golden("check-good.txt", re.sub(r"version \w+", "version VERSION", done.out))


def test_check_says_what_is_wrong_where_and_what_to_write(crm: Path) -> None:
    config = crm / "escalations.yaml"
    config.write_text(config.read_text().replace("owner.manager\n", "owner.manger\n", 1))
    done = escalations("check", cwd=crm)
    assert done.code == 1
    assert done.out == ""
    golden("check-broken.txt", done.err)


def test_check_without_a_file_says_how_to_get_one(tmp_path: Path) -> None:
    done = escalations("check", cwd=tmp_path)
    assert done.code == 1
    assert "escalations init" in done.err


def test_no_command_starts_with_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "escalations.yaml").write_text("version: 1\n")
    for command in (["run"], ["open"], ["notify"], ["decode", "--feed", "a", "b"]):
        begin = time.monotonic()
        done = process(*command, cwd=tmp_path, env={"ESCALATIONS_BROKER": NOBODY})
        refused(done, 2, "nothing was started")
        assert time.monotonic() - begin < 15
    assert [path.name for path in tmp_path.iterdir()] == ["escalations.yaml"]


# --- decode ---


def test_decode_writes_changes_as_the_schema_describes_them(crm: Path) -> None:
    done = escalations("decode", "--feed", "tickets", "tickets.csv", cwd=crm)
    assert done.code == 0
    assert done.err == "29 changes, 0 passed over, 0 dead letters\n"
    assert len(done.out.splitlines()) == 29
    for line in done.out.splitlines():
        CHANGE.validate(json.loads(line))


def test_a_dash_is_standard_input(crm: Path) -> None:
    content = (crm / "tickets.csv").read_bytes()
    from_file = escalations("decode", "--feed", "tickets", "tickets.csv", cwd=crm)
    for stdin in (content, gzip.compress(content)):
        done = process("decode", "--feed", "tickets", "-", cwd=crm, stdin=stdin)
        assert done.code == 0
        assert done.out.replace('"topic":"stdin"', '"topic":"tickets.csv"') == from_file.out
    summary = process("backtest", "--feed", "tickets", "-", cwd=crm, stdin=content)
    assert summary == escalations("backtest", "--feed", "tickets", "tickets.csv", cwd=crm)


@pytest.mark.skipif(not REAL_MESSAGES.exists(), reason="the recorded messages are not beside the repository")
def test_decode_takes_what_debezium_writes(helpdesk: Path) -> None:
    config = helpdesk / "escalations.yaml"
    config.write_text(
        config.read_text().replace(
            "priority: {field: priority, values: {1: urgent",
            "priority: {field: priority, values: {low: low, 1: urgent",
        )
    )
    files = sorted(REAL_MESSAGES.glob("*.json"))
    done = escalations("decode", "--feed", "tickets", *files, "--dead-letters", "unread.jsonl", cwd=helpdesk)
    assert done.code == 0
    changes = [json.loads(line) for line in done.out.splitlines()]
    assert len(changes) > 10
    for change in changes:
        CHANGE.validate(change)
    unread = (helpdesk / "unread.jsonl").read_text().splitlines()
    assert unread
    assert done.err.endswith(f", {len(unread)} dead letters\n")


def test_dead_letters_keep_what_could_not_be_read_so_that_it_can_be_read_again(helpdesk: Path) -> None:
    broken = messages().replace('\\"op\\"', '\\"pp\\"', 1)
    (helpdesk / "messages.jsonl").write_text(broken + "\x01 not JSON\n")
    command = ("decode", "--feed", "tickets")
    done = escalations(*command, "messages.jsonl", cwd=helpdesk)
    assert done.code == 0
    assert done.out.count("\n") == 1
    *reasons, counts = done.err.splitlines()
    assert reasons[0].startswith("messages.jsonl:1: ")
    assert reasons[1].startswith("messages.jsonl:3: ")
    assert counts == "1 change, 0 passed over, 2 dead letters"
    again = escalations(*command, "messages.jsonl", "--dead-letters", "a.jsonl", cwd=helpdesk)
    assert again == (0, done.out, counts + "\n")
    letters = [json.loads(line) for line in (helpdesk / "a.jsonl").read_text().splitlines()]
    assert [each["reason"] for each in letters] == [reason.partition(": ")[2] for reason in reasons]
    (helpdesk / "a.jsonl").write_text((helpdesk / "a.jsonl").read_text().replace('\\"pp\\"', '\\"op\\"'))
    repaired = escalations(*command, "a.jsonl", cwd=helpdesk)
    assert repaired.out.count("\n") == 1
    assert repaired.err.splitlines()[0].partition(": ")[2] == reasons[1].partition(": ")[2]
    assert escalations(*command, "messages.jsonl", "--dead-letters", "no/a", cwd=helpdesk).code == 2


def test_a_reader_that_has_enough_ends_it_quietly(crm: Path) -> None:
    rows = (crm / "tickets.csv").read_text().splitlines(keepends=True)
    (crm / "many.csv").write_text(rows[0] + "".join(rows[1:]) * 2000)
    for command in ("decode --feed tickets many.csv", "backtest --feed tickets tickets.csv --escalations -"):
        done = subprocess.run(
            ["bash", "-c", f"escalations {command} | head -1"],
            cwd=crm,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.count("\n") == 1
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr


def test_nothing_left_on_the_disk_is_one_line(crm: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for line in ("check", "decode --feed tickets tickets.csv", "backtest --feed tickets tickets.csv"):
        done = run_example(f"escalations {line} >/dev/full", crm)
        refused(done, 70, "escalations: No space left on device")


@pytest.fixture
def unreadable(crm: Path) -> Path:
    whole = gzip.compress((crm / "tickets.csv").read_bytes())
    (crm / "truncated.csv.gz").write_bytes(whole[: len(whole) // 2])
    (crm / "binary.csv").write_bytes(bytes(range(256)))
    (crm / "empty.csv").touch()
    (crm / "folder.csv").mkdir()
    return crm


@pytest.mark.parametrize("name", ["missing.csv", "binary.csv", "empty.csv", "folder.csv", "truncated.csv.gz"])
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(unreadable: Path, name: str) -> None:
    for command in ("decode", "backtest"):
        done = escalations(command, "--feed", "tickets", name, cwd=unreadable)
        assert done.code == 1
        assert done.err.splitlines()[-1].startswith(f"escalations: {name}:")
        assert name.startswith("truncated") or done.out == ""


def test_an_unknown_feed_is_named_with_those_there_are(crm: Path) -> None:
    for command in ("decode", "backtest"):
        done = escalations(command, "--feed", "tickts", "tickets.csv", cwd=crm)
        refused(done, 2, "there is no feed 'tickts'; known: tickets")


# --- run, open ---


def test_no_broker_is_one_line_within_seconds(helpdesk: Path) -> None:
    begin = time.monotonic()
    running = {
        command: subprocess.Popen(
            [PROGRAM, command, "--broker", NOBODY, *more],
            cwd=helpdesk,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command, more in {
            "run": [],
            "open": [],
            "notify": [],
            "backtest": ["--topic", "helpdesk.public.ticket"],
        }.items()
    }
    for command, each in running.items():
        out, said = each.communicate(timeout=60)
        assert each.returncode == 69, command
        assert re.fullmatch(rf"escalations: no Kafka broker answers at {NOBODY}.*\n", said), command
        assert out == ""
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("address", ["", "http://kafka:9092", "kafka:9092, other:9092"])
def test_what_is_no_address_is_refused_at_once(address: str, helpdesk: Path) -> None:
    refused(escalations("open", "--broker", address, cwd=helpdesk), 2, "write HOST:PORT")


class Live:
    """The csv starter with topics of its own on a broker."""

    def __init__(self, folder: Path, broker: Broker, prefix: str) -> None:
        shutil.copy(STARTERS / "csv.yaml", folder / "escalations.yaml")
        app = prefix.rstrip(".")
        with (folder / "escalations.yaml").open("a") as config:
            config.write(f'live: {{app: {app}, prefix: "{prefix}", partitions: 1}}\n')
        self.folder = folder
        self.address = broker.address
        self.connection = Connection(broker.address)
        self.topics = Topics(prefix, app, 1)

    def escalations(self, *arguments: str) -> Done:
        return process(*arguments, cwd=self.folder, env={"ESCALATIONS_BROKER": self.address})

    def create_topics(self) -> None:
        ensure(self.connection.admin(), self.topics, (), replication=1)


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic_prefix: str) -> Live:
    return Live(tmp_path, broker, topic_prefix)


AT = micros(datetime(2026, 3, 2, 8, tzinfo=UTC))


def state(key: str, standings: dict[str, Standing]) -> Record:
    return Record(key=key, at=AT, created=AT, touched=AT, entered=AT, standings=standings)


@pytest.mark.broker
@pytest.mark.parametrize("command", ["open", "notify"])
def test_before_any_worker_has_run_it_says_so(command: str, live: Live) -> None:
    refused(live.escalations(command), 1, "no worker of this configuration has run there yet")


@pytest.mark.broker
def test_open_shows_what_has_escalated_and_not_resolved(live: Live) -> None:
    live.create_topics()
    assert live.escalations("open") == (0, "Nothing is open.\n", "")
    assert live.escalations("open", "--json") == (0, "", "")
    told = Standing(opened=AT + 1, due=AT + 2 * DAY, episode=2, step=1, told=("anna", "bert"))
    resolved = Standing(episode=1, step=0)
    last = Standing(opened=AT - DAY, episode=1, step=2, told=("carla",))
    states = [
        state("ticket:T-1", {"[ticket-untouched]": told, "big": resolved}),
        state("ticket:T-2", {"ticket-waiting": last}),
        state("ticket:T-3", {"ticket-waiting": last}),
    ]
    messages = [{"key": each.key.encode(), "value": record.encode(each)} for each in states]
    gone = {"key": b"ticket:T-3", "value": None}
    of_workers = [{"key": key, "value": b"7"} for key in (POSITION, RULES)]
    PlainProducer(live.connection).write(live.topics.changelog.name, [*messages, gone, *of_workers])
    table = live.escalations("open")
    assert table.code == 0
    golden("open.txt", table.out)
    listed = live.escalations("open", "--json")
    assert [json.loads(line) for line in listed.out.splitlines()] == [
        {
            "record": "ticket:T-2",
            "path": "ticket-waiting",
            "episode": 1,
            "since": "2026-03-01T08:00:00Z",
            "step": 2,
            "told": ["carla"],
            "next": None,
        },
        {
            "record": "ticket:T-1",
            "path": "[ticket-untouched]",
            "episode": 2,
            "since": "2026-03-02T08:00:00.000001Z",
            "step": 1,
            "told": ["anna", "bert"],
            "next": "2026-03-04T08:00:00Z",
        },
    ]


# --- backtest --topic ---


@pytest.mark.broker
def test_a_topic_is_backtested_like_a_file(live: Live, topic_prefix: str) -> None:
    topic = f"{topic_prefix}tickets"
    config = live.folder / "escalations.yaml"
    config.write_text(config.read_text().replace("format: csv", f"format: csv\n    topic: {topic}"))
    refused(live.escalations("backtest", "--topic", topic), 1, f"there is no topic {topic}")
    refused(live.escalations("backtest", "--topic", "x"), 2, f"no feed has the topic 'x'; known: {topic}")
    shutil.copy(STARTERS / "tickets.csv", live.folder)
    files = ("--feed", "tickets", "tickets.csv")
    by_file = live.escalations("backtest", *files, "--json", "--escalations", "file.jsonl")
    header, *rows = (live.folder / "tickets.csv").read_text().splitlines()
    messages = [
        {"value": json.dumps(dict(zip(header.split(","), row.split(","), strict=True))).encode()}
        for row in rows
    ]
    admin = live.connection.admin()
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(15)
    PlainProducer(live.connection).write(topic, messages)
    by_topic = live.escalations("backtest", "--topic", topic, "--json", "--escalations", "topic.jsonl")
    assert by_topic == by_file
    assert (live.folder / "topic.jsonl").read_bytes() == (live.folder / "file.jsonl").read_bytes()


def test_files_and_a_topic_at_once_are_refused(crm: Path) -> None:
    for arguments in (
        (),
        ("--feed", "tickets"),
        ("tickets.csv",),
        ("--topic", "a", "tickets.csv"),
        ("--topic", "a", "--feed", "tickets"),
    ):
        refused(
            escalations("backtest", *arguments, cwd=crm),
            2,
            "Give either --feed NAME FILE... or --topic TOPIC.",
        )


# --- everything ---


def test_ctrl_c_prints_no_traceback(crm: Path) -> None:
    header, *rows = (crm / "tickets.csv").read_bytes().splitlines(keepends=True)
    running = subprocess.Popen(
        [PROGRAM, "decode", "--feed", "tickets", "-"],
        cwd=crm,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(header + b"".join(rows) * 10)
    running.stdin.flush()
    # Once it has written something it waits for more.
    assert running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=10)
    assert running.returncode == 130
    assert re.fullmatch(rb"\d+ changes?, 0 passed over, 0 dead letters\n", said)
