"""`escalations ingest`: real requests to the real command, and what is then in the topic."""

import base64
import hashlib
import hmac
import json
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.core.timestamps import from_rfc3339
from streams.feeds import Message
from streams.ingest.server import AT_ONCE
from streams.log.connection import Connection
from streams.log.embedded import EmbeddedBroker
from streams.log.reader import read_to_end
from tests.brokers import Broker
from tests.command import PROGRAM, environment, process
from tests.live import create_topic, wait_until

pytestmark = pytest.mark.broker

SECRET = "s3cret"
LARGEST = 2000

CONFIGURATION = """\
version: 1
feeds:
  deals:
    format: debezium
    topic: TOPIC
    record: {kind: deal, id: id}
people: {bert: }
fallback: bert
paths:
  untouched: {about: deal, when: {untouched: 8d}, steps: [{notify: bert}]}
ingest:
  crm:
    path: /hooks/crm
    topic: TOPIC
    secret: env:CRM_SECRET
    signature: {hmac-sha256: X-Signature, prefix: "sha256="}
    largest: 2000
    rate: 50
  hubspot:
    path: /hooks/hubspot
    topic: TOPIC
    secret: file:hubspot.secret
    signature: {hubspot: v3, url: "https://hooks.example.com/hooks/hubspot"}
  zendesk: {path: /hooks/zendesk, topic: TOPIC, secret: env:CRM_SECRET, signature: zendesk, window: 1m}
  dataverse: {path: /hooks/dataverse, topic: TOPIC, secret: env:CRM_SECRET, signature: {token: X-Api-Key}}
"""


class Ingest:
    """The command as a process of its own, with a topic of its own."""

    def __init__(self, folder: Path, address: str, topic: str) -> None:
        self.folder = folder
        self.topic = topic
        self.connection = Connection(address)
        self._address = address
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "escalations.yaml").write_text(CONFIGURATION.replace("TOPIC", topic))
        (folder / "hubspot.secret").write_text(f"{SECRET}\n")

    def start(self, *arguments: str) -> str:
        """The URL that it listens on."""
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [PROGRAM, "ingest", "--port", "0", *arguments],
                cwd=self.folder,
                env=environment(ESCALATIONS_BROKER=self._address, CRM_SECRET=SECRET),
                stdout=output,
                stderr=output,
            )
        wait_until(lambda: "listening on" in self.said() or not self.running, 30, "it listens")
        found = re.search(r"listening on (\S+)", self.said())
        assert found, self.said()
        return found[1]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        return (self.folder / "output").read_text()

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        assert self._process is not None
        return self._process.wait(30)

    def kill(self) -> None:
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait()

    def written(self) -> list[Message]:
        return list(read_to_end(self.connection, self.topic))


@pytest.fixture
def ingest(tmp_path: Path, broker: Broker, topic_prefix: str) -> Iterator[Ingest]:
    ingest = Ingest(tmp_path, broker.address, f"{topic_prefix}deals")
    create_topic(ingest.connection, ingest.topic)
    yield ingest
    ingest.kill()


@pytest.fixture
def client(ingest: Ingest) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=ingest.start(), timeout=30) as client:
        yield client


def digest(*parts: str | bytes) -> bytes:
    joined = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return hmac.new(SECRET.encode(), joined, hashlib.sha256).digest()


def signed(body: bytes) -> dict[str, str]:
    return {"x-signature": f"sha256={digest(body).hex()}"}


def post(client: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    return client.post("/hooks/crm", content=body, headers={**signed(body), **headers})


def hubspot(body: bytes, at: float) -> dict[str, str]:
    timestamp = str(int(at * 1000))
    made = digest("POST", "https://hooks.example.com/hooks/hubspot", body, timestamp)
    return {
        "x-hubspot-signature-v3": base64.b64encode(made).decode(),
        "x-hubspot-request-timestamp": timestamp,
    }


def zendesk(body: bytes, at: float) -> dict[str, str]:
    timestamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "x-zendesk-webhook-signature": base64.b64encode(digest(timestamp, body)).decode(),
        "x-zendesk-webhook-signature-timestamp": timestamp,
    }


def test_each_sender_is_known_and_the_topic_has_the_bytes_once_it_is_answered(
    ingest: Ingest, client: httpx.Client
) -> None:
    bodies = {name: f'{{"from": "{name}", "ü": "\\u00fc"}}'.encode() for name in ("c", "h", "z", "d")}
    begin = time.time()
    answers = [
        post(client, bodies["c"], **{"content-type": "application/json; charset=utf-8"}),
        client.post("/hooks/hubspot", content=bodies["h"], headers=hubspot(bodies["h"], begin)),
        client.post("/hooks/zendesk", content=bodies["z"], headers=zendesk(bodies["z"], begin)),
        client.post("/hooks/dataverse", content=bodies["d"], headers={"x-api-key": SECRET}),
    ]
    written = ingest.written()
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 4
    assert {message.value for message in written} == set(bodies.values())
    for message in written:
        headers = dict(message.headers)
        assert message.key is None
        assert headers.keys() == {"content-type", "escalations.received-at"}
        received = from_rfc3339((headers["escalations.received-at"] or b"").decode()) / 1e6
        assert begin - 1 <= received <= time.time() + 1
    (first,) = (dict(message.headers) for message in written if message.value == bodies["c"])
    assert first["content-type"] == b"application/json; charset=utf-8"
    ingest.stop()
    assert ingest.ended() == 0
    assert SECRET not in ingest.said()


def test_what_is_not_signed_so_is_refused_and_not_written(ingest: Ingest, client: httpx.Client) -> None:
    body, now = b'{"id": 1}', time.time()
    refused: list[tuple[str, dict[str, str]]] = [
        ("/hooks/crm", {}),
        ("/hooks/crm", signed(b'{"id": 2}')),
        ("/hooks/crm", {"x-signature": "sha256=\xff\xfe"}),
        ("/hooks/hubspot", hubspot(body, now - 400)),
        ("/hooks/hubspot", hubspot(body, now + 400)),
        ("/hooks/zendesk", zendesk(body, now - 100)),
        ("/hooks/dataverse", {"x-api-key": "S3cret"}),
    ]
    for path, headers in refused:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = client.post(path, content=body, headers=raw)  # type: ignore[arg-type]
        assert answer.status_code == 401, (path, headers)
        assert "secret" not in answer.text
    assert client.post("/hooks/crm/", content=body, headers=signed(body)).status_code == 404
    assert client.post("/hooks/other", content=body, headers=signed(body)).status_code == 404
    assert client.get("/hooks/crm").status_code == 405
    assert post(client, b"").status_code == 400
    assert "Traceback" not in ingest.said()
    assert post(client, body, **{"content-encoding": "gzip"}).status_code in (400, 415)
    assert ingest.written() == []
    assert "crm: 1 requests refused so far; the latest: there is no x-signature" in ingest.said()
    assert SECRET not in ingest.said()


def test_a_huge_body_is_refused_whether_it_says_its_length_or_not(
    ingest: Ingest, client: httpx.Client
) -> None:
    fits, huge = b"x" * LARGEST, b"x" * (LARGEST + 1)
    assert post(client, fits).status_code == 204
    assert post(client, huge).status_code == 413

    def chunks() -> Iterator[bytes]:
        yield from (huge[:1000], huge[1000:])

    answer = client.post("/hooks/crm", content=chunks(), headers=signed(huge))
    assert answer.status_code == 413
    assert [message.value for message in ingest.written()] == [fits]


def test_a_slow_body_is_given_up(ingest: Ingest, client: httpx.Client) -> None:
    url = client.base_url
    with socket.create_connection((url.host, url.port or 0), timeout=30) as slow:
        slow.sendall(b"POST /hooks/crm HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        begin = time.monotonic()
        # Others are served meanwhile.
        assert post(client, b"{}").status_code == 204
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        assert 8 < time.monotonic() - begin < 15
    assert len(ingest.written()) == 1


def test_too_many_are_put_off_and_those_without_the_secret_use_up_nothing(
    ingest: Ingest, client: httpx.Client
) -> None:
    for number in range(60):
        body = str(number).encode()
        assert client.post("/hooks/crm", content=body, headers=signed(b"")).status_code == 401
    answers = [post(client, str(number).encode()) for number in range(150)]
    taken = sum(answer.status_code == 204 for answer in answers)
    put_off = [answer for answer in answers if answer.status_code == 429]
    assert taken + len(put_off) == 150
    assert put_off, "this machine is too slow for the test"
    assert {answer.headers["retry-after"] for answer in put_off} == {"1"}
    assert len(ingest.written()) == taken
    time.sleep(1)
    assert post(client, b"again").status_code == 204


def test_more_at_once_than_there_is_memory_for_are_put_off(client: httpx.Client) -> None:
    url = client.base_url
    slow = [socket.create_connection((url.host, url.port or 0), timeout=30) for _ in range(AT_ONCE)]
    try:
        for each in slow:
            each.sendall(b"POST /hooks/crm HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        answers: list[httpx.Response] = []

        def full() -> bool:
            answers.append(post(client, b"{}"))
            return answers[-1].status_code == 429

        wait_until(full, 8, "it is full")
        assert answers[-1].headers["retry-after"] == "1"
    finally:
        for each in slow:
            each.close()
    wait_until(lambda: post(client, b"{}").status_code == 204, 8, "there is room again")


def test_while_the_broker_is_away_senders_are_told_to_come_again(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    own = EmbeddedBroker(tmp_path / "broker").start()
    request.addfinalizer(own.stop)
    port = int(own.address.rpartition(":")[2])
    ingest = Ingest(tmp_path, own.address, "deals")
    request.addfinalizer(ingest.kill)
    create_topic(ingest.connection, "deals", 1)
    with httpx.Client(base_url=ingest.start(), timeout=30) as client:
        assert post(client, b"before").status_code == 204
        assert client.get("/health").json() == {"status": "ok"}
        own.stop()
        begin = time.monotonic()
        answer = post(client, b"lost")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert time.monotonic() - begin < 6
        wait_until(lambda: client.get("/health").status_code == 503, 10, "its health is bad")
        with EmbeddedBroker(tmp_path / "broker", port=port):
            wait_until(lambda: post(client, b"after").status_code == 204, 30, "it writes again")
            wait_until(lambda: client.get("/health").status_code == 200, 10, "its health is good")
            values = [message.value for message in ingest.written()]
            assert values[0] == b"before"
            assert b"after" in values


def test_asked_to_end_it_finishes_what_is_under_way(ingest: Ingest, client: httpx.Client) -> None:
    body = b'{"id": 1}'
    url = client.base_url
    with socket.create_connection((url.host, url.port or 0), timeout=30) as slow:
        head = f"POST /hooks/crm HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        head += f"X-Signature: {signed(body)['x-signature']}\r\n\r\n"
        slow.sendall(head.encode() + body[:4])
        time.sleep(0.5)
        ingest.stop()
        time.sleep(0.5)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((url.host, url.port or 0), timeout=5)
        assert ingest.running
        slow.sendall(body[4:])
        assert slow.recv(100).startswith(b"HTTP/1.1 204 ")
    assert ingest.ended() == 0
    assert [message.value for message in ingest.written()] == [body]


def test_it_listens_with_tls_where_it_has_a_certificate(ingest: Ingest) -> None:
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "tls.key", "-out", "tls.crt"]
    try:
        subprocess.run(make, cwd=ingest.folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no openssl to make a certificate with")
    url = ingest.start("--tls-cert", "tls.crt", "--tls-key", "tls.key")
    assert url.startswith("https://127.0.0.1:")
    trusted = ssl.create_default_context(cafile=str(ingest.folder / "tls.crt"))
    with httpx.Client(base_url=url, verify=trusted) as client:
        assert post(client, b"{}").status_code == 204


def without_the_variable(ingest: Ingest) -> dict[str, str]:
    return {}


def with_an_empty_one(ingest: Ingest) -> dict[str, str]:
    return {"CRM_SECRET": ""}


def without_the_file(ingest: Ingest) -> dict[str, str]:
    (ingest.folder / "hubspot.secret").unlink()
    return {"CRM_SECRET": SECRET}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_the_variable, "The secret of crm: the environment variable CRM_SECRET is not set"),
        (with_an_empty_one, "The secret of crm: the environment variable CRM_SECRET is not set"),
        (without_the_file, "The secret of hubspot: the file"),
    ],
)
def test_without_a_secret_nothing_is_started(
    ingest: Ingest, change: Callable[[Ingest], dict[str, str]], said: str
) -> None:
    more = {"ESCALATIONS_BROKER": "127.0.0.1:1", **change(ingest)}
    done = process("ingest", "--port", "0", cwd=ingest.folder, env=more)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert SECRET not in done.err


def test_what_keeps_it_from_starting_is_one_line(ingest: Ingest) -> None:
    env = {"CRM_SECRET": SECRET, "ESCALATIONS_BROKER": ingest.connection.address}

    def ended(*arguments: str, **more: str) -> tuple[int, str]:
        done = process("ingest", *arguments, cwd=ingest.folder, env={**env, **more})
        return done.code, done.err.splitlines()[-1]

    code, said = ended("--port", "0", ESCALATIONS_BROKER="127.0.0.1:1")
    assert (code, said[:50]) == (69, "escalations: no Kafka broker answers at 127.0.0.1:")
    assert ended("--tls-cert", "hubspot.secret")[0] == 2
    code, said = ended("--tls-cert", "hubspot.secret", "--tls-key", "hubspot.secret")
    assert code == 2
    assert "hubspot.secret" in said
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = ended("--port", str(taken.getsockname()[1]))
        assert code == 70
        assert "address already in use" in said
    config = ingest.folder / "escalations.yaml"
    config.write_text(CONFIGURATION.replace("TOPIC", "absent-topic"))
    assert ended("--port", "0") == (
        1,
        "escalations: there is no topic absent-topic, which crm is for. Create it first.",
    )
    config.write_text(CONFIGURATION.partition("ingest:")[0])
    code, said = ended()
    assert code == 2
    assert "has no `ingest`" in said


def test_a_content_type_of_any_bytes_is_kept(ingest: Ingest, client: httpx.Client) -> None:
    headers = {b"x-api-key": SECRET.encode(), b"content-type": b"text/\xff\xe4"}
    assert client.post("/hooks/dataverse", content=b"{}", headers=headers).status_code == 204
    (message,) = ingest.written()
    assert dict(message.headers)["content-type"] == b"text/\xff\xe4"


def test_the_health_is_for_anybody(client: httpx.Client) -> None:
    answer: Any = client.get("/health")
    assert (answer.status_code, json.loads(answer.content)) == (200, {"status": "ok"})
