"""`ingest` of the configuration: what is wrong with it is found, and no secret is ever shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streams.config import Config, ConfigError, load
from streams.ingest.rate import Bucket
from streams.ingest.signatures import HmacSha256, HubSpot, Token, Zendesk

SCHEMA = Path(__file__).parents[2] / "schemas" / "escalations.schema.json"
CONFIGURATION = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))

SOURCE = {"path": "/hooks/crm", "topic": "deals", "secret": "env:CRM_SECRET", "signature": "zendesk"}
URL = "https://hooks.example.com/crm"


def document(**sources: dict[str, Any]) -> dict[str, Any]:
    feed = {"format": "debezium", "topic": "deals", "record": {"kind": "deal", "id": "id"}}
    path = {"about": "deal", "when": {"untouched": "8d"}, "steps": [{"notify": "bert"}]}
    return {
        "version": 1,
        "feeds": {"deals": feed},
        "people": {"bert": None},
        "fallback": "bert",
        "paths": {"p": path},
        "ingest": sources,
    }


def read(folder: Path, written: dict[str, Any]) -> Config:
    path = folder / "escalations.yaml"
    path.write_text(json.dumps(written))
    return load(path)


@pytest.mark.parametrize(
    ("source", "signature"),
    [
        ({}, Zendesk(300)),
        ({"window": "90s"}, Zendesk(90)),
        ({"signature": {"hubspot": "v3", "url": URL}}, HubSpot(URL, 300)),
        ({"signature": {"token": "X-Api-Key"}}, Token("x-api-key")),
        ({"signature": {"hmac-sha256": "X-Signature"}}, HmacSha256("x-signature", "hex", "")),
        (
            {"signature": {"hmac-sha256": "x-s", "encoding": "base64", "prefix": "v1="}},
            HmacSha256("x-s", "base64", "v1="),
        ),
    ],
)
def test_a_source_is_read_and_valid(tmp_path: Path, source: dict[str, Any], signature: object) -> None:
    written = document(crm={**SOURCE, **source})
    assert read(tmp_path, written).ingest["crm"].signature == signature
    CONFIGURATION.validate(written)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"path": "hooks"}, "'hooks' cannot be the path"),
        ({"path": "/hooks/"}, "cannot be the path"),
        ({"path": "/health"}, "cannot be the path"),
        ({"path": "/{name}"}, "cannot be the path"),
        ({"secret": "t0p-s3cret"}, "does not belong into this file"),
        ({"secret": "env:t0p-s3cret"}, "no name of an environment variable"),
        ({"secret": "file:"}, "the path of the file is missing"),
        ({"secret": 5}, "does not belong into this file"),
        ({"signature": "none"}, "no way to sign"),
        ({"signature": "hubspot"}, "no way to sign"),
        ({"signature": {"zendesk": True}}, "no way to sign"),
        ({"signature": {}}, "no way to sign"),
        ({"signature": ["zendesk"]}, "no way to sign"),
        ({"signature": {"hubspot": "v3"}}, "lacks 'url'"),
        ({"signature": {"hubspot": "v2", "url": URL}}, "'v2' is not known"),
        ({"signature": {"hubspot": "v3", "url": "hooks.example.com"}}, "no URL"),
        ({"signature": {"token": "x api key"}}, "no name of a header"),
        ({"signature": {"token": "x", "hmac-sha256": "y"}}, "unknown key 'token'"),
        ({"signature": {"hmac-sha256": "x", "encoding": "ascii"}}, "'ascii' is not known"),
        ({"window": "5"}, "unit"),
        ({"rate": 0}, "no number of messages a second"),
        ({"largest": "1 MB"}, "no number of bytes"),
        ({"topics": "deals"}, "unknown key 'topics'"),
    ],
)
def test_a_source_that_is_wrong_is_refused_and_invalid(
    tmp_path: Path, source: dict[str, Any], said: str
) -> None:
    written = document(crm={**SOURCE, **source})
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, written)
    (only,) = caught.value.diagnostics
    assert said in only.message
    assert only.remedy
    assert "t0p-s3cret" not in f"{only.message}{only.remedy}"
    assert not CONFIGURATION.is_valid(written)


def test_what_refers_to_something_else_is_checked(tmp_path: Path) -> None:
    sources: dict[str, dict[str, Any]] = {
        "a": SOURCE,
        "b": SOURCE,
        "c": {**SOURCE, "path": "/c", "topic": "deal"},
        "d": {**SOURCE, "path": "/d", "signature": {"token": "x"}, "window": "5m"},
    }
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, document(**sources))
    assert [each.message for each in caught.value.diagnostics] == [
        "the path /hooks/crm is that of 'a' as well",
        "no feed reads the topic 'deal'",
        "token says nothing of when a request was sent",
    ]
    assert "Did you mean 'deals'?" in caught.value.diagnostics[1].remedy


def test_the_secret_is_in_no_repr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_SECRET", "t0p-s3cret")
    (tmp_path / "secret").write_text("t0p-s3cret\r\n")
    filed = {**SOURCE, "path": "/filed", "secret": "file:secret"}
    config = read(tmp_path, document(crm=SOURCE, filed=filed))
    assert {source.secret.read() for source in config.ingest.values()} == {"t0p-s3cret"}
    assert "t0p-s3cret" not in repr(config)


def test_a_bucket_gives_a_second_s_worth_at_once_and_then_its_rate() -> None:
    bucket = Bucket(4, 100.0)
    assert [bucket.take(100.0) for _ in range(5)] == [0, 0, 0, 0, 0.25]
    assert bucket.take(100.125) == 0.125
    assert bucket.take(100.25) == 0
    assert bucket.take(100.25) == 0.25
    assert [bucket.take(200.0) for _ in range(5)] == [0, 0, 0, 0, 0.25]
