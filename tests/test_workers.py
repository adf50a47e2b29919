"""`escalations run --workers`, as far as it needs no broker: what it refuses, and how it ends processes."""

import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from streams.commands import workers
from tests.command import escalations, process

NOBODY = "127.0.0.1:1"
PATIENT = "import os; os.read(0, 1)"
"""A worker that ends when it is asked to."""
DEAF = "import time; time.sleep(60)"


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    assert escalations("init", "--starter", "csv", cwd=tmp_path).code == 0
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "'0' is no number of workers; write a whole number from 1, or auto"),
        (["--workers", "-2"], "'-2' is no number of workers"),
        (["--workers", "all"], "'all' is no number of workers"),
        (["--workers", "5"], "5 workers cannot share the 4 partitions of the log; write 4 at most, or auto"),
        (
            ["--health", "9464"],
            "'9464' is no place to listen at. Write HOST:PORT, for example 127.0.0.1:9464",
        ),
        (["--health", "localhost:0"], "'localhost:0' is no place to listen at"),
        (["--workers", "3", "--health", "localhost:65534"], "there is no 65536; write a lower one"),
    ],
)
def test_what_makes_no_sense_is_refused(crm: Path, options: list[str], said: str) -> None:
    done = process("run", "--broker", NOBODY, *options, cwd=crm)
    assert done.code == 2, done
    assert f"'{options[-2]}'" in done.err or f"{options[-2]}: " in done.err
    assert said in done.err
    assert not (crm / "escalations-data").exists()


def test_a_mistake_in_the_configuration_is_told_once(crm: Path) -> None:
    config = crm / "escalations.yaml"
    config.write_text(config.read_text() + "\nlive: {partition: 8}\n")
    done = process("run", "--broker", NOBODY, "--workers", "4", cwd=crm)
    assert done.code == 2
    assert done.err.count("unknown key 'partition'") == 1


def test_a_broker_that_is_not_there_is_told_once(crm: Path) -> None:
    done = process("run", "--broker", NOBODY, "--workers", "4", cwd=crm)
    assert done.code == 69
    (line,) = done.err.splitlines()
    assert NOBODY in line


def supervise(*programs: str) -> int:
    return asyncio.run(workers.supervise([sys.executable, "-c", each] for each in programs))


def test_the_exit_code_is_that_of_the_one_that_ended_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    # As it comes down, the other one complains, too.
    assert supervise(f"{PATIENT}; raise SystemExit(70)", "raise SystemExit(69)") == 69
    assert caplog.messages == ["worker 2 has ended: the others are asked to"]


def test_one_that_ends_well_by_itself_ends_the_others(caplog: pytest.LogCaptureFixture) -> None:
    assert supervise("", PATIENT, PATIENT) == 0
    assert caplog.messages == ["worker 1 has ended: the others are asked to"]


def test_asked_to_end_while_they_start_they_have_ended_well(caplog: pytest.LogCaptureFixture) -> None:
    asked = f"import os, signal; os.kill({os.getpid()}, signal.SIGTERM)"
    starting = f"{PATIENT}; import signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert supervise(f"{asked}; {PATIENT}", starting) == 0
    assert not caplog.messages


def test_one_that_does_not_end_is_killed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "GRACE_SECONDS", 1.0)
    since = time.monotonic()
    with caplog.at_level(logging.ERROR):
        assert supervise(f"import os, signal; os.kill({os.getpid()}, signal.SIGINT); {PATIENT}", DEAF) == 70
    assert time.monotonic() - since < 10
    assert caplog.messages == [
        "worker 2 has not ended within 1 s",
        f"worker 2 was killed by signal {signal.SIGKILL} (Killed)",
    ]
