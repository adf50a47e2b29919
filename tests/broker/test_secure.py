"""A real Kafka with TLS, certificates, passwords and ACLs: who gets in, who does not, and what is said."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic

from streams.config import load
from streams.log.connection import BrokerUnavailable, Connection, Denied
from streams.log.producer import PlainProducer
from streams.log.security import Mechanism, Sasl, Security
from streams.log.topics import Topics, ensure
from streams.secret import Secret
from tests.broker.test_worker import CONFIG, opened, row
from tests.brokers import Unavailable
from tests.command import Done, environment
from tests.live import escalations, wait_until
from tests.secure import PASSWORDS, SecureKafka

pytestmark = pytest.mark.broker

SOON_SECONDS = 5


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    try:
        secure = SecureKafka(tmp_path_factory.mktemp("secure"))
    except Unavailable as error:
        pytest.skip(f"no Apache Kafka of our own: {error}")
    yield secure
    secure.kafka.close()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, password in PASSWORDS.items():
        monkeypatch.setenv(f"{name.upper()}_NAME", name)
        monkeypatch.setenv(f"{name.upper()}_PASSWORD", password)
    monkeypatch.setenv("WRONG_PASSWORD", "wr0ng-Passw0rd")


def sasl(mechanism: Mechanism = "SCRAM-SHA-512", password: str = "BOSS_PASSWORD") -> Sasl:
    return Sasl(mechanism, Secret(env="BOSS_NAME"), Secret(env=password))


# Who gets in


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_a_password_opens(kafka: SecureKafka, mechanism: Mechanism) -> None:
    security = Security("tls", kafka.folder / "ca.pem", sasl=sasl(mechanism))
    assert Connection(kafka.address("SASL"), security).admin().list_topics().brokers


def test_a_certificate_opens(kafka: SecureKafka) -> None:
    ca, certificate, key = (kafka.folder / name for name in ("ca.pem", "client.pem", "client.key"))
    admin = Connection(kafka.address("MTLS"), Security("tls", ca, certificate, key)).admin()
    # Only `boss` may do this.
    admin.create_topics([NewTopic("by-certificate", 1, 1)])["by-certificate"].result(15)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_a_wrong_password_is_told_at_once(kafka: SecureKafka, mechanism: Mechanism) -> None:
    security = Security("tls", kafka.folder / "ca.pem", sasl=sasl(mechanism, "WRONG_PASSWORD"))
    refused(Connection(kafka.address("SASL"), security), "uthentication failed")


def test_a_broker_whose_certificate_nobody_vouches_for_is_refused(kafka: SecureKafka) -> None:
    security = Security("tls", kafka.folder / "stranger.pem")
    refused(Connection(kafka.address("TLS"), security), "certificate verify failed")
    refused(Connection(kafka.address("TLS"), replace(security, ca=None)), "certificate verify failed")


def test_a_broker_whose_certificate_is_for_another_name_is_refused(kafka: SecureKafka) -> None:
    address = kafka.address("TLS").replace("127.0.0.1", "localhost")
    refused(Connection(address, Security("tls", kafka.folder / "ca.pem")), "certificate verify failed")


def test_a_broker_that_wants_a_certificate_is_not_silent_about_it(kafka: SecureKafka) -> None:
    refused(Connection(kafka.address("MTLS"), Security("tls", kafka.folder / "ca.pem")), "bad certificate")


def refused(connection: Connection, because: str) -> None:
    since = time.monotonic()
    with pytest.raises(Denied, match=because) as error:
        connection.admin()
    assert time.monotonic() - since < SOON_SECONDS
    assert connection.address in str(error.value)
    assert "wr0ng" not in str(error.value)


@pytest.mark.parametrize(("listener", "security"), [("TLS", Security()), ("CLIENT", Security("tls"))])
def test_the_wrong_protocol_is_guessed_at(kafka: SecureKafka, listener: str, security: Security) -> None:
    with pytest.raises(BrokerUnavailable, match=f"does not speak {security.protocol}"):
        Connection(kafka.address(listener), security).admin(timeout=2)


# Commands


class Site:
    """A configuration for `who`, and its feeds' topics."""

    def __init__(self, kafka: SecureKafka, folder: Path, prefix: str, who: str) -> None:
        self.kafka = kafka
        self.folder = folder
        self.boss = Connection(kafka.address())
        self.path = folder / "escalations.yaml"
        section = (
            f"kafka: {{protocol: tls, ca: {kafka.folder}/ca.pem, sasl: {{mechanism: SCRAM-SHA-256, "
            f"username: env:{who}_NAME, password: env:{who}_PASSWORD}}}}\n"
        )
        text = CONFIG.replace("PREFIX", prefix).replace("APP", prefix.rstrip("."))
        self.path.write_text(text + section)
        self.config = load(self.path)
        live = self.config.live
        self.topics = Topics(live.prefix, live.app, live.partitions)
        admin = self.boss.admin()
        feeds = [NewTopic(feed.topic, 1, 1) for feed in self.config.feeds.values()]
        for future in admin.create_topics(feeds).values():
            future.result(15)

    def command(self, *arguments: str, broker: str = "") -> list[str]:
        """The command line; over TLS and with a password."""
        where = ["-c", str(self.path), "--broker", broker or self.kafka.address("SASL")]
        return [sys.executable, "-m", "streams", arguments[0], *where, *arguments[1:]]

    def run(self, *arguments: str, **env: str) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def acls(self, part: str) -> list[str]:
        """What `escalations topics --acls` prints for a part of the product."""
        done = self.run("topics", "--acls", "User:limited")
        assert done.code == 0, done
        parts = {each.splitlines()[0]: each.splitlines()[1:] for each in done.out.split("# ")[1:]}
        return parts[part]

    def create(self) -> None:
        """The product's topics, by somebody who may."""
        ensure(self.boss.admin(), self.topics, (), replication=1)

    def say(self, value: bytes) -> None:
        topic = self.config.feeds["tickets"].topic
        PlainProducer(self.boss).write(topic, [{"value": value}])

    def works(self) -> str:
        """Run a worker until it has escalated something and is asked to end; what it said."""
        self.say(row(1))
        log = self.folder / "worker.log"
        with log.open("wb") as out:
            worker = subprocess.Popen(self.command("run"), cwd=self.folder, stderr=out, stdout=out)
        try:

            def escalated() -> bool:
                assert worker.poll() is None, log.read_text()
                events = [(each.record, each.event) for each in escalations(self.boss, self.config)]
                return events == opened(1)

            wait_until(escalated, 40, "the worker escalates")
            worker.terminate()
            assert worker.wait(8) == 0, log.read_text()
        finally:
            worker.kill()
        return log.read_text()


def test_a_worker_and_every_command_work_with_a_password_over_tls(
    kafka: SecureKafka, tmp_path: Path, topic_prefix: str
) -> None:
    site = Site(kafka, tmp_path, topic_prefix, "BOSS")
    said = site.works()
    assert PASSWORDS["boss"] not in said
    for arguments in (
        ("open",),
        ("explain", "ticket:1"),
        ("topics",),
        ("backtest", "--topic", site.config.feeds["tickets"].topic),
    ):
        done = site.run(*arguments)
        assert done.code == 0, (arguments, done)
        assert PASSWORDS["boss"] not in done.out + done.err


def test_a_wrong_password_ends_a_command_with_a_line(
    kafka: SecureKafka, tmp_path: Path, topic_prefix: str
) -> None:
    site = Site(kafka, tmp_path, topic_prefix, "BOSS")
    for command in (["run"], ["open"], ["notify"], ["topics"]):
        since = time.monotonic()
        done = site.run(*command, BOSS_PASSWORD="wr0ng-Passw0rd")
        assert time.monotonic() - since < 2 * SOON_SECONDS
        assert done.code == 77
        (line,) = done.err.splitlines()
        assert "uthentication failed" in line
        assert "wr0ng" not in line


def test_a_password_that_is_nowhere_is_told_without_a_broker(
    kafka: SecureKafka, tmp_path: Path, topic_prefix: str
) -> None:
    site = Site(kafka, tmp_path, topic_prefix, "BOSS")
    done = site.run("open", BOSS_PASSWORD="")
    assert done == (2, "", "escalations: the environment variable BOSS_PASSWORD is not set, or empty\n")


# What is allowed


@pytest.mark.parametrize("without", ["group", "transactional-id"])
def test_a_worker_that_lacks_an_acl_says_which_command_prints_them(
    kafka: SecureKafka, tmp_path: Path, topic_prefix: str, without: str
) -> None:
    site = Site(kafka, tmp_path, topic_prefix, "LIMITED")
    site.create()
    site.say(row(1))
    for line in site.acls("worker"):
        if f" --{without} " not in line:
            kafka.allow(line)
    done = site.run("run")
    assert done.code == 77
    assert "`escalations topics --acls" in done.err
    assert "Traceback" not in done.err


def test_what_topics_prints_is_what_each_part_needs(
    kafka: SecureKafka, tmp_path: Path, topic_prefix: str
) -> None:
    site = Site(kafka, tmp_path, topic_prefix, "LIMITED")
    site.create()
    for line in site.acls("worker"):
        kafka.allow(line)
    site.works()
    backtest = "backtest", "--topic", site.config.feeds["tickets"].topic
    for part, arguments in (
        ("open, explain, ack, snooze, noise, reopen", ("open",)),
        ("backtest", backtest),
        ("topics", ("topics",)),
    ):
        kafka.forbid_all()
        for line in site.acls(part):
            kafka.allow(line)
        done = site.run(*arguments)
        assert done.code == 0, (part, done)


def test_a_notifier_needs_no_more_than_is_printed(
    kafka: SecureKafka, tmp_path: Path, topic_prefix: str
) -> None:
    site = Site(kafka, tmp_path, topic_prefix, "LIMITED")
    site.create()
    kafka.forbid_all()
    for line in site.acls("worker"):
        kafka.allow(line)
    site.works()
    kafka.forbid_all()
    for line in site.acls("notifier"):
        kafka.allow(line)
    notifier = subprocess.Popen(site.command("notify"), cwd=site.folder, stdout=subprocess.PIPE, text=True)
    try:
        assert notifier.stdout is not None
        assert "ticket:1" in notifier.stdout.readline()
        notifier.terminate()
        assert notifier.wait(8) == 0
    finally:
        notifier.kill()
