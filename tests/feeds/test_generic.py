"""The generic feeds as `escalations decode` shows them, from invented messages, and what is refused."""

import json
from pathlib import Path

import pytest

from streams.yaml_source import read_yaml
from tests.command import escalations, golden
from tests.test_schemas import CHANGE, CONFIGURATION

MESSAGES = Path(__file__).parents[1] / "golden/feeds"
FILES = [f"{name}.jsonl" for name in ("json", "cloudevents", "zendesk", "maxwell", "wal2json", "airbyte")]


@pytest.mark.parametrize("file", [*FILES, "fivetran.csv"])
def test_invented_messages_give_what_they_gave(tmp_path: Path, file: str) -> None:
    name = file.partition(".")[0]
    config = MESSAGES / "generic.yaml"
    done = escalations("decode", "-c", config, "--feed", name, MESSAGES / file, cwd=tmp_path)
    for line in done.out.splitlines():
        CHANGE.validate(json.loads(line))
    golden(f"decode-{name}.txt", done.out + done.err)


def test_their_configuration_is_in_the_schema_and_without_findings(tmp_path: Path) -> None:
    CONFIGURATION.validate(read_yaml(MESSAGES / "generic.yaml", {}).data)
    assert escalations("check", "-c", MESSAGES / "generic.yaml", cwd=tmp_path).code == 0


def test_the_starter_is_without_findings(tmp_path: Path) -> None:
    assert escalations("init", "--starter", "zendesk", cwd=tmp_path).code == 0
    assert escalations("check", "--strict", cwd=tmp_path).code == 0
    assert escalations("test", cwd=tmp_path).code == 0
