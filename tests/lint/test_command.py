"""`escalations check` as people and programs run it."""

import json
from pathlib import Path

import pytest

from tests.command import escalations
from tests.lint.test_checks import GOLDEN


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("never-fires", [], 1),
        ("overlap", [], 0),
        ("overlap", ["--strict"], 1),
        ("overlap", ["--strict", "--json"], 1),
        ("shadow-path", ["--strict"], 0),
    ],
)
def test_exit_codes(name: str, options: list[str], code: int) -> None:
    assert escalations("check", "-c", f"{name}.yaml", *options, cwd=GOLDEN).code == code


def test_findings_go_to_stderr_with_their_number_and_the_summary_to_stdout() -> None:
    done = escalations("check", "-c", "same-fire.yaml", cwd=GOLDEN)
    assert done.err.startswith("warning[same-fire]: this path fires whenever 'one' does")
    assert done.err.endswith("\n\n1 warning in same-fire.yaml.\n")
    assert done.out.startswith("same-fire.yaml: 1 feed, 2 paths")


def test_programs_get_one_object() -> None:
    done = escalations("check", "-c", "overlap.yaml", "--json", cwd=GOLDEN)
    assert done.err == ""
    said = json.loads(done.out)
    assert (said["file"], said["counts"]) == ("overlap.yaml", {"error": 0, "warning": 2, "info": 0})
    assert said["findings"][0] == {
        "name": "overlap",
        "severity": "warning",
        "file": "overlap.yaml",
        "line": 30,
        "column": 3,
        "length": 6,
        "where": "paths",
        "message": "owner hears of each of these records by 'all', too",
        "remedy": "Leave these records out of 'all' with `not`, or tell somebody else",
    }


def test_programs_get_what_keeps_a_file_from_being_used(tmp_path: Path) -> None:
    text = (GOLDEN / "overlap.yaml").read_text(encoding="utf-8")
    (tmp_path / "escalations.yaml").write_text(
        text.replace("notify: owner", "notify: onwer"), encoding="utf-8"
    )
    done = escalations("check", "--json", cwd=tmp_path)
    said = json.loads(done.out)
    assert (done.code, done.err, said["counts"]["error"]) == (1, "", len(said["findings"]))
    assert {each["name"] for each in said["findings"]} == {None}
    assert said["findings"][0]["message"] == "'onwer' is not in `people`"
    assert (
        json.loads(escalations("check", "--json", "-c", "none", cwd=tmp_path).out)["findings"][0]["line"]
        is None
    )
