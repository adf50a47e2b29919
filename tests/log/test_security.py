"""The section `kafka`: what it may say, and that what it protects stays secret."""

import re
import ssl
from pathlib import Path

import pytest
import trustme

from streams.config import ConfigError, load
from streams.log.connection import Connection
from streams.log.security import Security
from streams.secret import Secret, SecurityProblem
from streams.yaml_source import read_yaml
from tests.command import REPOSITORY, escalations
from tests.test_schemas import CONFIGURATION

CONFIG = """
version: 1
feeds: {t: {format: csv, topic: t, at: at, time: {format: iso}, record: {kind: ticket, id: id}}}
people: {bert: }
fallback: bert
paths: {p: {about: ticket, when: {untouched: 1h}, steps: [{notify: bert}]}}
"""
SASL = "sasl: {mechanism: PLAIN, username: env:KAFKA_NAME, password: env:KAFKA_PASSWORD}"
SECRET = "hunter2-Passw0rd"


def read(folder: Path, kafka: str) -> Security:
    path = folder / "escalations.yaml"
    path.write_text(f"{CONFIG}kafka: {{{kafka}}}\n")
    return load(path).kafka


def test_without_the_section_the_connection_is_plain(tmp_path: Path) -> None:
    (tmp_path / "escalations.yaml").write_text(CONFIG)
    assert load(tmp_path / "escalations.yaml").kafka == Security()


def test_files_are_named_as_seen_from_the_configuration(tmp_path: Path) -> None:
    security = read(tmp_path, "protocol: tls, ca: ca.pem, certificate: c.pem, key: /elsewhere/c.key")
    assert (security.ca, security.certificate) == (tmp_path / "ca.pem", tmp_path / "c.pem")
    assert security.key == Path("/elsewhere/c.key")


@pytest.mark.parametrize(
    ("kafka", "message", "remedy"),
    [
        ("ca: ca.pem", "lacks 'protocol'", "protocol"),
        ("protocol: ssl", "'ssl' is not known here", "tls"),
        (f"protocol: plaintext, {SASL}", "the password would travel in the clear", "protocol: tls"),
        ("protocol: sasl_plaintext", "there is no `sasl`", "Add it"),
        ("protocol: plaintext, ca: ca.pem", "'ca' is of no use with plaintext", "protocol: tls"),
        ("protocol: tls, key: c.key", "'key' is nothing without 'certificate'", "certificate: FILE"),
        ("protocol: tls, certificate: c.pem", "'certificate' is nothing without 'key'", "key: FILE"),
        (
            "protocol: tls, sasl: {mechanism: GSSAPI, username: env:A, password: env:B}",
            "GSSAPI",
            "SCRAM",
        ),
        (
            f"protocol: tls, sasl: {{mechanism: PLAIN, username: env:A, password: {SECRET}}}",
            "not belong",
            "env",
        ),
        (
            'protocol: tls, sasl: {mechanism: PLAIN, username: "env:a b", password: env:B}',
            "no name",
            "Write",
        ),
        ("protocol: tls, sasl: {mechanism: PLAIN, username: {}, password: env:B}", "username", "env"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, kafka: str, message: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, kafka)
    (problem,) = error.value.diagnostics
    assert message in problem.message
    assert remedy.lower() in problem.remedy.lower()
    assert SECRET not in problem.message + problem.remedy
    assert not CONFIGURATION.is_valid(read_yaml(tmp_path / "escalations.yaml", {}).data)


def test_what_the_documentation_writes_is_read_and_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "operations.md").read_text(), re.DOTALL)
    path = tmp_path / "escalations.yaml"
    path.write_text("".join([CONFIG, *blocks]))
    config = load(path)
    assert config.kafka.sasl is not None
    assert config.live.health == ("127.0.0.1", 9464)
    CONFIGURATION.validate(read_yaml(path, {}).data)


def test_a_password_in_the_clear_must_be_asked_for(tmp_path: Path) -> None:
    security = read(tmp_path, f"protocol: sasl_plaintext, {SASL}")
    assert security.sasl is not None


def test_nothing_that_is_printed_holds_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_NAME", "worker")
    monkeypatch.setenv("KAFKA_PASSWORD", SECRET)
    connection = Connection("127.0.0.1:1", read(tmp_path, f"protocol: tls, {SASL}"))
    assert connection.settings()["sasl.password"] == SECRET
    assert SECRET not in f"{connection!r} {connection} {load(tmp_path / 'escalations.yaml')!r}"


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    assert Secret(path=tmp_path / "password").read() == SECRET


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_a_secret_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SecurityProblem, match=str(path)):
        Secret(path=path).read()


def test_a_variable_that_is_not_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_PASSWORD", raising=False)
    with pytest.raises(SecurityProblem, match="KAFKA_PASSWORD is not set"):
        Secret(env="KAFKA_PASSWORD").read()


def test_certificates_are_verified_and_so_is_the_name() -> None:
    context = Security("tls").context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    ca = trustme.CA()
    leaf, other = ca.issue_cert("localhost"), ca.issue_cert("localhost")
    good, key, wrong, text = (tmp_path / name for name in ("good.pem", "good.key", "wrong.key", "text"))
    leaf.cert_chain_pems[0].write_to_path(good)
    leaf.private_key_pem.write_to_path(key)
    other.private_key_pem.write_to_path(wrong)
    text.write_text("no certificate")
    assert Security("tls", certificate=good, key=key).context()
    for security, told in (
        (Security("tls", ca=tmp_path / "nowhere"), "nowhere cannot be read"),
        (Security("tls", ca=text), "text holds no certificate"),
        (Security("tls", certificate=good, key=wrong), "no certificate and its key"),
        (Security("tls", certificate=good, key=text), "no certificate and its key"),
    ):
        with pytest.raises(SecurityProblem, match=told):
            security.for_confluent()


@pytest.mark.parametrize("address", [f"worker:{SECRET}@kafka:9092", f"kafka://worker:{SECRET}@kafka:9092"])
def test_an_address_holds_no_password(tmp_path: Path, address: str) -> None:
    (tmp_path / "escalations.yaml").write_text(CONFIG)
    for arguments, env in ((("--broker", address), {}), ((), {"ESCALATIONS_BROKER": address})):
        done = escalations("open", *arguments, cwd=tmp_path, env=env)
        assert done.code == 2
        assert "`kafka` in the configuration" in done.err
        assert SECRET not in done.out + done.err
