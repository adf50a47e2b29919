"""A Kafka broker on this machine without Java and without containers: for the demo and the quick tests.

The broker is noida-db, a young project, so nothing else in this package may know it: whoever needs
a broker gets an address. Where it is not Kafka: everything is in memory; a group member that was
killed is never given up (one that comes back under the same `group.instance.id` takes its place at
once, anybody else waits for ever); a transaction is not aborted by its timeout, only by a successor
with the same `transactional.id`; topics that do not exist are created, with one partition.

Run as a program (``python embedded.py PARENT COMMAND...``), this file is the supervisor that keeps a
child process from outliving its parent.
"""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SAVE_SECONDS = 30.0
"""How long a broker that was asked to stop may write its data before it is killed."""

_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.05


class BrokerError(RuntimeError):
    """The broker could not be started; the text says why, for people."""


class SupervisedProcess:
    """A child process that does not outlive this one, however this one ends, `kill -9` included.

    Between the two sits a supervisor that looks whether its parent is still there. The kernel's own
    "die with your parent" signal is no substitute: Linux sends it when the *thread* that started the
    child ends, and setting it runs code between fork and exec, which is unsafe beside other threads.

    Both run in a session of their own, so that Ctrl-C at the terminal reaches this process only and
    it can shut down in order.

    `output` receives what the child prints. Raises OSError if the output cannot be written.
    """

    def __init__(self, command: Sequence[str | Path], output: Path) -> None:
        self.output = output
        supervisor = [sys.executable, "-I", "-S", __file__, str(os.getpid()), *map(str, command)]
        with output.open("wb") as out:
            self._supervisor = subprocess.Popen(
                supervisor,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._supervisor.poll() is None

    def said(self) -> str:
        """What the child has printed so far."""
        text = self.output.read_text(errors="replace")
        # The loader's remark on an older C library is harmless and would only send people astray.
        return "".join(line for line in text.splitlines(keepends=True) if "weak version" not in line)

    def stop(self, grace: float = SAVE_SECONDS) -> None:
        """Ask it to end, kill it after `grace` seconds; nothing of it runs when this returns."""
        for order, patience in ((signal.SIGTERM, grace), (signal.SIGINT, _KILL_SECONDS)):
            if self.running and patience > 0:
                self._supervisor.send_signal(order)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._supervisor.wait(patience)
        if self.running:
            os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait()


def wait_for_broker(address: str, timeout: float, process: SupervisedProcess | None = None) -> None:
    """Return as soon as the broker at `address` answers.

    Raises BrokerError after `timeout` seconds, or at once when `process`, which is to be that
    broker, has ended; with the last of what it printed.
    """
    # Not at the top: the supervisor runs this file with the standard library alone.
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    # Until the broker listens, the client would print every refused connection and wait ever longer.
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.max.ms": 200})
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process is not None and not process.running:
            raise BrokerError(f"the broker ended while starting:\n{_tail(process)}")
        with contextlib.suppress(KafkaException):
            admin.list_topics(timeout=0.5)
            return
    said = f"; it said:\n{_tail(process)}" if process is not None else ""
    raise BrokerError(f"no broker answered at {address} within {timeout:g} s{said}")


class EmbeddedBroker:
    """noida-db in `folder`, on loopback, while the `with` block runs (or from `start` to `stop`).

    `port` 0 takes a free one. `timeout` (seconds) is for coming up. With `keep`, topics and records
    are saved in the folder at the end and are there at the next start; saving takes about 4 s for
    200,000 records. Without it the data is thrown away and stopping takes no time. A broker that is
    killed saves nothing.
    """

    def __init__(self, folder: Path, *, port: int = 0, timeout: float = 10.0, keep: bool = True) -> None:
        self._folder = folder
        self._port = port
        self._timeout = timeout
        self._keep = keep
        self._process: SupervisedProcess | None = None
        self._address: str | None = None

    @property
    def address(self) -> str:
        """Where clients connect, `127.0.0.1:PORT`. Raises BrokerError when it is not running."""
        if self._address is None:
            raise BrokerError("the embedded broker is not running")
        return self._address

    def start(self) -> Self:
        """Return once the broker answers.

        Raises BrokerError if it is not installed or does not come up (port taken, folder in use by
        another one, ...), and OSError if the folder cannot be written.
        """
        if self._process is not None:
            raise BrokerError("the embedded broker is running already")
        program = _program()
        self._folder.mkdir(parents=True, exist_ok=True)
        where = ["--data-dir", str(self._folder), "--host", "127.0.0.1", "--kafka-port", str(self._port)]
        self._process = SupervisedProcess(
            [program, "start", "--only", "kafka", *where], self._folder / "broker.log"
        )
        try:
            self._address = self._listening(self._process)
            wait_for_broker(self._address, self._timeout, self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the broker; it is gone when this returns. Does nothing if it is not running."""
        process, self._process, self._address = self._process, None, None
        if process is not None:
            process.stop(SAVE_SECONDS if self._keep else 0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listening(self, process: SupervisedProcess) -> str:
        """The address that the broker says it has taken: with port 0 only the broker knows it."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            # Asked before reading, so that what it said last is not missed.
            running = process.running
            if found := re.search(r"^\s*kafka\s+(127\.0\.0\.1:\d+)\s*$", process.said(), re.MULTILINE):
                return found[1]
            if not running:
                raise BrokerError(f"the embedded broker did not come up:\n{_tail(process)}")
            time.sleep(_POLL_SECONDS)
        raise BrokerError(
            f"the embedded broker did not come up within {self._timeout:g} s:\n{_tail(process)}"
        )


def _program() -> Path:
    """The broker's program inside its Python package.

    Not the `noida-db` command beside it: that one is a Python script which starts this program and
    does not pass on the signal to stop.
    """
    package = importlib.util.find_spec("noida_db")
    for folder in (package.submodule_search_locations if package else None) or ():
        program = Path(folder, "noida-db")
        if os.access(program, os.X_OK):
            return program
    raise BrokerError(
        "the embedded broker is not installed for this Python "
        f"({sys.executable}): pip install noida-db, or give the address of a Kafka broker"
    )


def _tail(process: SupervisedProcess, lines: int = 20) -> str:
    return "\n".join(process.said().splitlines()[-lines:]) or "(it printed nothing)"


def _supervise(parent: int, command: Sequence[str]) -> None:
    """Run `command` until it ends, or end it: on SIGTERM or when `parent` is gone it has
    SAVE_SECONDS to end in order, on SIGINT none."""
    orders: list[int] = []
    # Before the child is there, so that no order is missed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda order, _: orders.append(order))
    child = subprocess.Popen(command)
    deadline = None
    while child.poll() is None:
        if signal.SIGINT in orders or (deadline is not None and time.monotonic() > deadline):
            child.kill()
        elif deadline is None and (orders or os.getppid() != parent):
            child.terminate()
            deadline = time.monotonic() + SAVE_SECONDS
        time.sleep(_POLL_SECONDS)
    # The whole group, itself included: the child may have left children of its own.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _supervise(int(sys.argv[1]), sys.argv[2:])
