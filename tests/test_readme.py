"""The README does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def section(title: str) -> str:
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert match is not None, title
    return match[1]


def blocks(title: str, language: str = "sh") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("title", "end"), [("Run it", ".venv/bin/escalations demo"), ("Test it", ".venv/bin/pytest")]
)
def test_one_line_does_all_the_setting_up(title: str, end: str) -> None:
    (block,) = blocks(title)
    assert block.count("\n") == 1
    assert block.strip().endswith(end)


def test_the_first_path_leads_to_a_useful_escalation(tmp_path: Path) -> None:
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "activate").write_text("")
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks("The first path in five minutes")[0]],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    last = result.stdout.splitlines()[-1]
    assert '"event":"opened"' in last
    assert "anna is on leave" in last
    assert '"notify":["carla"]' in last


def test_the_feed_and_the_path_that_it_explains_make_a_configuration(tmp_path: Path) -> None:
    feed, path = (blocks(f"What a {what} says", "yaml")[0] for what in ("feed", "path"))
    people = "people: {bert: }\nteams: {triage: [bert]}\nfallback: bert\n"
    (tmp_path / "escalations.yaml").write_text(f"version: 1\n{feed}{people}{path}")
    subprocess.run([sys.executable, "-m", "streams", "check"], cwd=tmp_path, check=True)


def test_every_command_is_listed() -> None:
    listed = set(re.findall(r"^\| `escalations (\w+)", section("Commands"), re.MULTILINE))
    shown = subprocess.run(
        [sys.executable, "-m", "streams", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = shown.partition("Commands:\n")[2]
    assert listed == set(re.findall(r"^  (\w+)", commands, re.MULTILINE))
