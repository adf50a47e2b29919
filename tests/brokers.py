"""Where tests take their Kafka broker from; the best there is on this machine:

1. the address in ESCALATIONS_TEST_BROKER,
2. a container, where an engine answers,
3. Apache Kafka out of its Maven jars, where Java 17 and Maven are (or the jars from an earlier run),
4. the embedded broker, which only needs Python.

ESCALATIONS_TEST_BROKER_KIND (`container`, `kafka` or `embedded`) takes that one or fails.
ESCALATIONS_TEST_KAFKA_IMAGE names another image, ESCALATIONS_TEST_KAFKA_JARS another folder of jars.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from streams.log.embedded import BrokerError, EmbeddedBroker, SupervisedProcess, wait_for_broker

POM = Path(__file__).parents[1] / "deploy" / "kafka" / "pom.xml"
KAFKA_VERSION = re.findall(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text())[0]

DOWNLOAD_SECONDS = 300
START_SECONDS = 60

# One node: every replication factor is 1. Few partitions of the internal topics and no waiting for
# further members: the first group joins at once instead of after seconds.
SETTINGS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
}


class Unavailable(Exception):
    """This machine cannot give this kind of broker; the text says why."""


@dataclass(frozen=True)
class Broker:
    """A running broker, `HOST:PORT`; `passed_over` says why it is not one of a better kind."""

    address: str
    kind: str
    stop: Callable[[], None]
    passed_over: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join([f"{self.kind} at {self.address}", *self.passed_over])


def start_broker(kind: str | None = None) -> Broker:
    """The best broker there is, or the one of this kind: environment, container, kafka or embedded.

    The caller stops it. Raises Unavailable if the kind asked for (here or by the environment)
    cannot be had, or none at all.
    """
    address = os.environ.get("ESCALATIONS_TEST_BROKER")
    wanted = kind or ("environment" if address else os.environ.get("ESCALATIONS_TEST_BROKER_KIND"))
    if wanted and wanted not in _STARTERS:
        raise Unavailable(f"no such kind of broker: {wanted!r}; there are {', '.join(_STARTERS)}")
    passed_over: list[str] = []
    for name in [wanted] if wanted else [name for name in _STARTERS if name != "environment"]:
        try:
            address, stop = _STARTERS[name]()
        except (Unavailable, BrokerError) as error:
            passed_over.append(f"no {name}: {error}")
        else:
            return Broker(address, name, stop, tuple(passed_over))
    raise Unavailable("; ".join(passed_over))


def _environment() -> tuple[str, Callable[[], None]]:
    address = os.environ.get("ESCALATIONS_TEST_BROKER")
    if not address:
        raise Unavailable("ESCALATIONS_TEST_BROKER is not set")
    wait_for_broker(address, timeout=10)
    return address, lambda: None


def _container() -> tuple[str, Callable[[], None]]:
    # Not at the top: testcontainers takes half a second to import, and most runs have no engine.
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

    if not _answers(lambda: DockerClient().client.ping(), seconds=3):
        raise Unavailable("no container engine answers")
    port = free_port()
    settings = {
        **SETTINGS,
        "controller.quorum.voters": "1@127.0.0.1:9093",
        "listeners": "CLIENT://:9092,CONTROLLER://127.0.0.1:9093,INTERNAL://127.0.0.1:9094",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port},INTERNAL://127.0.0.1:9094",
    }
    image = os.environ.get("ESCALATIONS_TEST_KAFKA_IMAGE", f"apache/kafka:{KAFKA_VERSION}")
    container = DockerContainer(image)
    container.with_envs(
        **{f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in settings.items()}
    )
    # The fixed port on loopback: the broker has to know it before it starts, to tell its clients.
    container.ports["9092/tcp"] = ("127.0.0.1", port)
    try:
        container.start()
        wait_for_broker(f"127.0.0.1:{port}", START_SECONDS)
    # Anything at all may go wrong with an engine; then the next kind of broker is tried.
    except Exception as error:
        with contextlib.suppress(Exception):
            container.stop()
        raise Unavailable(f"{image} does not start: {error}") from error
    return f"127.0.0.1:{port}", container.stop


class Kafka:
    """Apache Kafka out of its Maven jars, on loopback; it may be stopped and started again.

    Clients are let in at each of `listeners`, which are named as the server names them: a name, and
    how it is protected. `settings` are the server's; `users` have a name and a password, for SCRAM. With a
    `controller` it is one more node of the other's cluster, under the `node.id` of its settings.
    Raises Unavailable where Java or the jars are not to be had.
    """

    def __init__(
        self,
        listeners: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        controller: "Kafka | None" = None,
    ) -> None:
        self._java, self._classes = java(), f"{jars('kafka', POM)}/*"
        self._folder = Path(tempfile.mkdtemp(prefix="escalations-kafka-"))
        self._process: SupervisedProcess | None = None
        listeners = {"CLIENT": "PLAINTEXT", **(listeners or {})}
        own = (
            {"INTERNAL": "PLAINTEXT"} if controller else {"INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        )
        self._addresses = {name: f"127.0.0.1:{free_port()}" for name in (*listeners, *own)}
        protocols = {**listeners, **own, "CONTROLLER": "PLAINTEXT"}
        everything = {
            **SETTINGS,
            **({"process.roles": "broker"} if controller else {}),
            "controller.quorum.voters": f"1@{(controller or self).address('CONTROLLER')}",
            "listeners": ",".join(f"{name}://{each}" for name, each in self._addresses.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{each}" for name, each in protocols.items()),
            "log.dirs": str(self._folder / "data"),
            **(settings or {}),
        }
        self._config = self._folder / "server.properties"
        self._config.write_text("".join(f"{key}={value}\n" for key, value in everything.items()))
        formatting = ["format", "--cluster-id", "4L6g3nShT-eMCtK--X86sw", "--config", str(self._config)]
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            for name, password in (users or {}).items():
                formatting += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        try:
            self.tool("kafka.tools.StorageTool", *formatting)
            self.start()
        except BaseException:
            self.close()
            raise

    def address(self, listener: str = "CLIENT") -> str:
        return self._addresses[listener]

    def start(self) -> None:
        """Return once it answers."""
        self._process = SupervisedProcess(
            [self._java, "-Xmx1g", "-cp", self._classes, "kafka.Kafka", self._config],
            self._folder / "broker.log",
        )
        wait_for_broker(self.address(), START_SECONDS, self._process)

    def stop(self, grace: float = 10.0) -> None:
        """End it and keep its data; with `grace` 0 as a crash would."""
        if self._process is not None:
            self._process.stop(grace)
            self._process = None

    def tool(self, name: str, *arguments: str) -> str:
        """What one of Kafka's own programs printed. Raises Unavailable when it fails."""
        return run([self._java, "-cp", self._classes, name, *arguments], START_SECONDS)

    def close(self) -> None:
        # The data is thrown away: there is nothing to close in order.
        self.stop(grace=0)
        shutil.rmtree(self._folder, ignore_errors=True)


def _kafka() -> tuple[str, Callable[[], None]]:
    kafka = Kafka()
    return kafka.address(), kafka.close


def _embedded() -> tuple[str, Callable[[], None]]:
    folder = Path(tempfile.mkdtemp(prefix="escalations-broker-"))
    broker = EmbeddedBroker(folder, keep=False)

    def stop() -> None:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)

    try:
        broker.start()
    except BaseException:
        stop()
        raise
    return broker.address, stop


_STARTERS: dict[str, Callable[[], tuple[str, Callable[[], None]]]] = {
    "environment": _environment,
    "container": _container,
    "kafka": _kafka,
    "embedded": _embedded,
}


def java() -> str:
    """The program. Raises Unavailable where it is not there, or older than version 17."""
    program = shutil.which("java")
    if program is None:
        raise Unavailable("java is not installed")
    version = re.search(r'version "(\d+)', run([program, "-version"], seconds=30))
    if version is None or int(version[1]) < 17:
        raise Unavailable(f"{program} is older than version 17")
    return program


def jars(name: str, pom: Path) -> Path:
    """The folder of the jars that `pom` asks for in its version `NAME.version`, or the one that
    ESCALATIONS_TEST_NAME_JARS names; downloaded by Maven the first time. Raises Unavailable."""
    (version,) = re.findall(rf"<{name}\.version>(.+)</{name}\.version>", pom.read_text())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    own = os.environ.get(f"ESCALATIONS_TEST_{name.upper().replace('-', '_')}_JARS")
    folder = Path(own or cache / "escalation-paths" / f"{name}-{version}")
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("mvn is not installed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.is_dir():
            # Another process of this run was first.
            return folder
        # Beside its place and then renamed, so that a download broken off is never taken for a whole one.
        with tempfile.TemporaryDirectory(dir=folder.parent) as part:
            whole = Path(part, "jars")
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={whole}"]
            run([maven, "--quiet", "--batch-mode", "--file", str(pom), *goal], DOWNLOAD_SECONDS)
            whole.rename(folder)
    return folder


def run(command: list[str], seconds: float) -> str:
    """What the command printed. Raises Unavailable when it fails or takes longer."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{name} took longer than {seconds:g} s") from None
    except OSError as error:
        raise Unavailable(f"{name} does not run: {error}") from error
    if done.returncode != 0:
        raise Unavailable(f"{name} failed: {done.stdout.strip()[-500:]}")
    return done.stdout


def _answers(ask: Callable[[], object], seconds: float) -> bool:
    """Whether `ask` returns in time and without an error. One that hangs is left behind."""
    answered = threading.Event()

    def run() -> None:
        with contextlib.suppress(Exception):
            ask()
            answered.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
