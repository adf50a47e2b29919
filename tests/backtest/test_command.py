"""The command `backtest`: its numbers, its files, and that they are the same each time."""

import csv
import gzip
import json
import os
import pty
import re
import select
import subprocess
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.command import (
    INCIDENTS,
    PROGRAM,
    REPOSITORY,
    SERVICENOW,
    STARTERS,
    Done,
    environment,
    escalations,
    golden,
    process,
)

SAMPLE = ("-c", STARTERS / "csv.yaml", "--feed", "tickets", STARTERS / "tickets.csv")
HISTORY = ("-c", SERVICENOW, "--feed", "incidents", INCIDENTS)
ESCALATION = Draft202012Validator(
    json.loads((REPOSITORY / "schemas" / "escalation.schema.json").read_text("utf-8"))
)

needs_history = pytest.mark.skipif(
    not INCIDENTS.exists(), reason=f"the history {INCIDENTS.name} is not beside the repository"
)


def sample(folder: Path, *more: str | Path) -> Done:
    return escalations("backtest", *SAMPLE, *more, cwd=folder)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def counted_anew(events: list[dict[str, Any]], first: str, last: str) -> dict[str, Any]:
    """What the summary must say of `events`, counted from the lines alone."""
    paths: dict[str, Counter[str]] = defaultdict(Counter)
    records: dict[str, set[str]] = defaultdict(set)
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for each in events:
        paths[each["path"]][each["event"]] += 1
        records[each["path"]].add(each["record"])
        if each["event"] != "resolved":
            for person in each["notify"]:
                told[person][f"{datetime.fromisoformat(each['at']):%G-%V}"] += 1
    days = [datetime.fromisoformat(first), datetime.fromisoformat(last)]
    mondays = [day.toordinal() - day.weekday() for day in days]
    weeks = (mondays[1] - mondays[0]) // 7 + 1
    quiet = {person: [0] * (weeks - len(counts)) for person, counts in told.items()}
    return {
        "weeks": weeks,
        "paths": {name: {"records": len(records[name]), **counts} for name, counts in paths.items()},
        "recipients": {
            person: {
                "notices": counts.total(),
                "median_week": median([*counts.values(), *quiet[person]]),
                "worst_week": max(counts.values()),
            }
            for person, counts in told.items()
        },
    }


def without_zeros(paths: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    found = {name: {key: n for key, n in counts.items() if n} for name, counts in paths.items()}
    return {name: counts for name, counts in found.items() if counts}


def check_summary(summary: dict[str, Any], events: list[dict[str, Any]]) -> None:
    expected = counted_anew(events, summary["first"], summary["last"])
    assert summary["weeks"] == expected["weeks"]
    assert without_zeros(summary["paths"]) == expected["paths"]
    assert summary["recipients"] == expected["recipients"]


def test_the_summary_on_the_terminal(tmp_path: Path) -> None:
    done = sample(tmp_path)
    assert done[::2] == (0, "")
    golden("backtest.txt", done.out)


def test_the_summary_as_json_counts_what_was_written(tmp_path: Path) -> None:
    done = sample(tmp_path, "--json", "--escalations", "out.jsonl")
    assert done[::2] == (0, "")
    events = written(tmp_path / "out.jsonl")
    for each in events:
        ESCALATION.validate(each)
    summary = json.loads(done.out)
    assert summary["changes"] == 29
    assert summary["records"] == 8
    assert (summary["first"], summary["last"]) == ("2026-03-02", "2026-03-27")
    assert (summary["undecodable"], summary["problem"]) == (0, None)
    check_summary(summary, events)


def test_a_path_that_never_fired_is_listed_with_zeros(tmp_path: Path) -> None:
    done = sample(tmp_path, "--until", "2026-03-02T10:00:00Z", "--json")
    paths = json.loads(done.out)["paths"]
    assert list(paths) == ["ticket-untouched", "ticket-resolution", "ticket-waiting"]
    assert {n for counts in paths.values() for n in counts.values()} == {0}
    assert "Nothing would have fired." in sample(tmp_path, "--until", "2026-03-02T10:00:00Z").out


def test_until_reads_nothing_after_it_and_lets_time_run_on_to_it(tmp_path: Path) -> None:
    def until(moment: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        done = sample(tmp_path, "--until", moment, "--json", "--escalations", "out.jsonl")
        return json.loads(done.out), written(tmp_path / "out.jsonl")

    sample(tmp_path, "--escalations", "whole.jsonl")
    whole = written(tmp_path / "whole.jsonl")
    middle = "2026-03-10T00:00:00Z"
    summary, events = until(middle)
    assert summary["changes"] == 18
    assert events == [each for each in whole if each["at"] <= middle]
    assert events != whole
    check_summary(summary, events)

    summary, events = until("2026-05-01T00:00:00+02:00")
    assert (summary["changes"], summary["last"]) == (29, "2026-04-30")
    assert events[: len(whole)] == whole
    assert {each["at"] > "2026-03-27" for each in events[len(whole) :]} == {True}
    check_summary(summary, events)

    summary, events = until("1999-01-01T00:00:00Z")
    assert (summary["changes"], summary["first"], summary["weeks"], events) == (0, None, 0, [])


@pytest.mark.parametrize(
    "moment", ["yesterday", "2026-03-01", "2026-03-01T00:00:00", "9999-12-31T23:59:59-10:00"]
)
def test_until_takes_a_moment_with_an_offset(tmp_path: Path, moment: str) -> None:
    done = sample(tmp_path, "--until", moment)
    assert done[:2] == (2, "")
    assert "write one such as 2026-04-01T00:00:00Z" in done.err


def test_with_a_dash_the_escalations_are_all_there_is_on_standard_output(tmp_path: Path) -> None:
    plain = sample(tmp_path, "--escalations", "out.jsonl")
    done = sample(tmp_path, "--escalations", "-")
    assert done.out == (tmp_path / "out.jsonl").read_text("utf-8")
    assert done.err == plain.out
    as_json = sample(tmp_path, "--escalations", "-", "--json")
    assert as_json.out == done.out
    assert json.loads(as_json.err) == json.loads(sample(tmp_path, "--json").out)


def test_the_file_to_write_is_refused_where_it_would_be_lost_or_cannot_be(tmp_path: Path) -> None:
    history = tmp_path / "tickets.csv"
    history.write_bytes((STARTERS / "tickets.csv").read_bytes())
    (tmp_path / "link.csv").symlink_to(history)
    command = ("backtest", *SAMPLE[:4], history, "--escalations")
    for name in ("tickets.csv", "./tickets.csv", "link.csv"):
        done = escalations(*command, name, cwd=tmp_path)
        assert done[:2] == (2, "")
        assert "is read as well" in done.err
    assert history.read_bytes() == (STARTERS / "tickets.csv").read_bytes()
    done = escalations(*command, "no/out.jsonl", cwd=tmp_path)
    assert done[:2] == (2, "")
    assert "no/out.jsonl: No such file or directory" in done.err


def test_the_part_of_a_broken_file_that_could_be_read_is_counted(tmp_path: Path) -> None:
    whole = (STARTERS / "tickets.csv").read_bytes()
    # Stored as it is, so that it is known what comes before the break.
    (tmp_path / "part.csv.gz").write_bytes(gzip.compress(whole, 0)[: len(whole) - 200])
    done = escalations("backtest", *SAMPLE[:4], "part.csv.gz", cwd=tmp_path)
    assert done.code == 1
    assert re.match(r"2\d changes of 8 records, ", done.out)
    assert re.fullmatch(
        r"escalations: part.csv.gz: the .* breaks off .*\. What came before it is counted above.\n", done.err
    )
    as_json = escalations("backtest", *SAMPLE[:4], "part.csv.gz", "--json", cwd=tmp_path)
    assert as_json.code == 1
    assert "part.csv.gz: the compressed file breaks off" in json.loads(as_json.out)["problem"]
    # Of nothing at all there is no summary.
    nothing = escalations("backtest", *SAMPLE[:4], "missing.csv", cwd=tmp_path)
    assert nothing[:2] == (1, "")
    assert "counted" not in nothing.err


def test_what_cannot_be_read_is_counted_and_the_first_of_it_shown(tmp_path: Path) -> None:
    rows = (STARTERS / "tickets.csv").read_text().replace(",05.03.2026 11:", ",the fifth ")
    (tmp_path / "some.csv").write_text(rows)
    done = escalations("backtest", *SAMPLE[:4], "some.csv", cwd=tmp_path)
    assert done.code == 0
    golden("backtest-undecodable.txt", done.out)


def test_the_same_bytes_on_each_run(tmp_path: Path) -> None:
    runs = []
    for seed in ("0", "1", "4242"):
        command = ("backtest", *SAMPLE, "--escalations", "out.jsonl", "--json")
        done = process(*command, cwd=tmp_path, env={"PYTHONHASHSEED": seed})
        runs.append((done, (tmp_path / "out.jsonl").read_bytes()))
    assert runs[0] == runs[1] == runs[2]


@needs_history
def test_a_real_history_gives_the_same_bytes_and_counts_on_each_run(tmp_path: Path) -> None:
    running = {
        seed: subprocess.Popen(
            [PROGRAM, "backtest", *HISTORY, "--json", "--escalations", f"{seed}.jsonl"],
            cwd=tmp_path,
            env=environment(PYTHONHASHSEED=seed),
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "4242")
    }
    first, second = (each.communicate(timeout=300)[0] for each in running.values())
    assert first == second
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "4242.jsonl").read_bytes()
    events = written(tmp_path / "1.jsonl")
    assert len(events) > 10_000
    for each in events[::100]:
        ESCALATION.validate(each)
    assert len({each["id"] for each in events}) == len(events)
    assert json.loads(first)["changes"] == 101_045
    check_summary(json.loads(first), events)


@needs_history
def test_what_is_withheld_decides_nothing(tmp_path: Path) -> None:
    """No withheld value is in a change, and other values in their place make no difference."""
    withheld = ("resolved_at", "closed_at", "made_sla", "closed_code", "resolved_by")
    values: set[str] = set()
    with (
        gzip.open(INCIDENTS, "rt", encoding="utf-8", newline="") as source,
        (tmp_path / "other.csv").open("w", encoding="utf-8", newline="") as other,
    ):
        rows = csv.DictReader(source)
        writer = csv.DictWriter(other, rows.fieldnames or ())
        writer.writeheader()
        for row in rows:
            values.update(row[column] for column in withheld)
            writer.writerow(row | dict.fromkeys(withheld, "something else"))
    values -= {"?", ""}
    assert len(values) > 1000
    done = escalations("decode", *HISTORY, cwd=tmp_path)
    assert done.err == "101045 changes, 0 passed over, 0 dead letters\n"
    for line in done.out.splitlines():
        fields = json.loads(line)["fields"]
        assert not fields.keys() & set(withheld)
        assert values.isdisjoint(value for value in fields.values() if isinstance(value, str)), line
    with_others = escalations("decode", *HISTORY[:4], "other.csv", cwd=tmp_path)
    assert with_others.out == done.out.replace(f'"topic":"{INCIDENTS.name}"', '"topic":"other.csv"')


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    """Standard error is a terminal, standard output a file."""
    ours, theirs = pty.openpty()
    rows = (STARTERS / "tickets.csv").read_text().splitlines(keepends=True)
    (tmp_path / "many.csv").write_text(rows[0] + "".join(rows[1:]) * 200)
    running = subprocess.Popen(
        [PROGRAM, "backtest", *SAMPLE[:4], "many.csv"],
        cwd=tmp_path,
        env=environment(TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            said += os.read(ours, 65536)
        except OSError:
            # All that had the terminal's other end have closed it.
            break
    assert running.stdout is not None
    summary = running.stdout.read()
    assert running.wait(30) == 0
    os.close(ours)
    assert b"reading" in said
    assert b"replaying" in said
    assert b"\x1b" not in summary
    assert "reading" not in sample(tmp_path).err
