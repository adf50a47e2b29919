"""The command `escalations` as people run it, and the golden files of what it prints."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click
from click.testing import CliRunner

from streams.cli import main

REPOSITORY = Path(__file__).parents[1]
STARTERS = REPOSITORY / "streams" / "starters"
SERVICENOW = REPOSITORY / "tests" / "histories" / "servicenow" / "escalations.yaml"
INCIDENTS = REPOSITORY.parent / "shared" / "data" / "tickets" / "servicenow_incidents.csv.gz"
"""101,045 updates of real incidents; too large for the repository, and not always beside it."""

PROGRAM = Path(sys.executable).parent / "escalations"

TIMEOUT_SECONDS = 120.0

_GOLDEN = REPOSITORY / "tests" / "golden" / "cli"


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """A plain terminal of 100 columns, and nothing that the developer has set for this product."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ESCALATIONS_")}
    path = f"{PROGRAM.parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1", **more}


def escalations(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run one command in the folder `cwd` to its end, inside this process. `env`: more environment.

    Not for `run` and `notify`, which set up logging and signals, nor with standard input.
    """
    plain = dict.fromkeys(os.environ.keys() - environment().keys())
    with contextlib.chdir(cwd):
        result = CliRunner(env={**plain, **environment(**env or {})}).invoke(
            main, [str(each) for each in arguments], prog_name="escalations"
        )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def process(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Done:
    """The same in a process of its own."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        cwd=cwd,
        input=stdin,
        env=environment(**env or {}),
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def the_command(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


def golden(name: str, text: str) -> None:
    """Compare with tests/golden/cli/NAME; with UPDATE_GOLDEN=1, write it."""
    path = _GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} has changed; UPDATE_GOLDEN=1 writes it anew"
