"""A replay's memory, its processes and its end: none of them alters what is decided."""

import gzip
import json
import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.backtest import replay as replaying
from streams.backtest import sorting
from streams.backtest.states import States
from tests.command import PROGRAM, environment, escalations

RULES = """
version: 1
feeds:
  tickets:
    format: csv
    at: changed
    time: {format: iso, zone: UTC}
    order: [changed]
    record:
      kind: ticket
      id: ticket
      customer: requester
      stage: {field: status, closed: [solved], paused: [waiting]}
      priority: priority
      by: {field: role, person: [agent], customer: [user]}
      said: {text: words}
people:
  anna: {manager: bert}
  bert:
fallback: bert
paths:
  untouched:
    about: ticket
    where: {status: open}
    when: {untouched: {for: 20h, by: person}}
    rearm: 1d
    hold: 2h
    steps: [{notify: anna}, {after: 5h, notify: bert, repeat: {every: 3h, times: 2}}]
  stuck:
    about: ticket
    when: WHEN
    give_up: 10d
    steps: [{notify: bert}]
  sla:
    about: ticket
    when: {clock: resolution, target: {urgent: 4h, else: 3d}, warn: [50%]}
    steps: [{notify: anna}]
  again:
    about: customer
    when: {contacts: 3, within: 24h}
    steps: [{notify: anna}]
"""
COLUMNS = "ticket,changed,status,requester,priority,role,words"


def history(folder: Path, rows: int = 3000, when: str = "{in_stage: 2d}") -> None:
    """Tickets of few customers, at few moments, so that much happens at the same one; out of order."""
    (folder / "escalations.yaml").write_text(RULES.replace("WHEN", when))
    chance = random.Random(7)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    lines = []
    for number in range(rows):
        at = start + timedelta(hours=chance.randrange(number // 10 + 1))
        status = chance.choice(("new", "new", "open", "waiting", "solved", "solved"))
        priority = chance.choice(("urgent", "low"))
        role = chance.choice(("agent", "user"))
        ticket = number // 8 + chance.randrange(20)
        cells = f"{ticket},{at:%Y-%m-%dT%H:%M:%S},{status},C{ticket % 23},{priority},{role},hello {number}"
        lines.append(cells)
    (folder / "tickets.csv").write_text("\n".join([COLUMNS, *lines]) + "\n")


def decided(folder: Path, *more: str) -> tuple[str, bytes]:
    done = escalations(
        "backtest",
        "--feed",
        "tickets",
        "tickets.csv",
        "--json",
        "--escalations",
        "out.jsonl",
        *more,
        cwd=folder,
    )
    assert done.code == 0, done
    return done.out, (folder / "out.jsonl").read_bytes()


def test_several_processes_decide_byte_for_byte_what_one_does(tmp_path: Path) -> None:
    history(tmp_path)
    for more in ((), ("--until", "2026-03-08T00:00:00Z"), ("--until", "2027-01-01T00:00:00Z")):
        alone = decided(tmp_path, "--jobs", "1", *more)
        assert len(alone[1].splitlines()) > 500
        assert b'"path":"again"' in alone[1]
        assert decided(tmp_path, "--jobs", "2", *more) == alone
        assert decided(tmp_path, "--jobs", "5", *more) == alone


def test_what_records_know_of_each_other_takes_one_process(tmp_path: Path) -> None:
    history(tmp_path, 500, "{in_stage: {longer_than_similar: 60%, sample: 5, otherwise: 3d}}")
    command = ("backtest", "--feed", "tickets", "tickets.csv")
    alone, two = (escalations(*command, "--jobs", jobs, cwd=tmp_path) for jobs in ("1", "2"))
    assert (alone.out, alone.err) == (two.out, "")
    assert two.err.startswith("One process: ")
    assert len(two.err.splitlines()) == 1


def test_states_and_changes_on_disk_decide_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(tmp_path)
    in_memory = decided(tmp_path, "--jobs", "1")
    moved = 0

    class Few(States):
        def __init__(self) -> None:
            super().__init__(least=10)

        def __missing__(self, key: str) -> bytes:
            nonlocal moved
            state = super().__missing__(key)
            moved += 1
            return state

    monkeypatch.setattr(replaying, "States", Few)
    monkeypatch.setattr(sorting.Sorter.__init__, "__defaults__", (100, None))
    assert decided(tmp_path, "--jobs", "1") == in_memory
    # So many came back from there: what is closed is often opened again.
    assert moved > 10


def test_an_interrupted_backtest_says_what_it_has_so_far(tmp_path: Path) -> None:
    history(tmp_path, 60_000)
    command = ("backtest", "--feed", "tickets", "tickets.csv", "--json")
    for jobs in ("1", "2"):
        # Its own temporary folder, to see that nothing is left in it.
        (tmp_path / jobs).mkdir()
        running = subprocess.Popen(
            [PROGRAM, *command, "--jobs", jobs, "--escalations", f"{jobs}.jsonl"],
            cwd=tmp_path,
            env=environment(TMPDIR=str(tmp_path / jobs)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        out = tmp_path / f"{jobs}.jsonl"
        deadline = time.monotonic() + 60
        while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)
        said, errors = running.communicate(timeout=60)
        assert running.returncode == 130, errors
        assert b"Traceback" not in errors
        summary = json.loads(said)
        assert 0 < summary["changes"] < 60_000
        assert "interrupted after" in summary["problem"]
        assert b"counted above" in errors
        written = out.read_bytes().splitlines()
        opened = sum(json.loads(line)["event"] == "opened" for line in written)
        # It may have come between counting one and writing it.
        assert sum(load["opened"] for load in summary["paths"].values()) - opened in (0, 1)
        assert list((tmp_path / jobs).iterdir()) == []


def test_a_gzip_stream_cut_off_is_read_up_to_there_by_several_processes(tmp_path: Path) -> None:
    history(tmp_path, 500)
    whole = (tmp_path / "tickets.csv").read_bytes()
    (tmp_path / "tickets.csv").write_bytes(gzip.compress(whole, 0)[:-2000])
    for jobs in ("1", "2"):
        done = escalations("backtest", "--feed", "tickets", "tickets.csv", "--jobs", jobs, cwd=tmp_path)
        assert done.code == 1
        assert "breaks off in the middle" in done.err
        assert "changes of" in done.out
