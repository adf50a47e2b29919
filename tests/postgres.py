"""PostgreSQL for tests, out of the binaries of this machine."""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from streams.log.embedded import SupervisedProcess
from tests.brokers import START_SECONDS, Unavailable, free_port, run

DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps each version in a folder here, and most of its programs out of the PATH."""

USER = "postgres"


class Postgres:
    """A server of its own on loopback that logs for logical replication; `sql` may do everything.

    Raises Unavailable where PostgreSQL is not installed.
    """

    def __init__(self) -> None:
        self._binaries = _binaries()
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="escalations-postgres-"))
        self._data = self._folder / "data"
        # It refuses to run as root.
        self._as = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(self._folder, USER)
        self._process: SupervisedProcess | None = None
        try:
            self._run("initdb", "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def version(self) -> str:
        return self.sql("SHOW server_version").strip()

    def sql(self, *statements: str) -> str:
        """What these answer; each is a transaction. Raises Unavailable with what is wrong with them."""
        commands = [part for each in statements for part in ("-c", each)]
        where = ["-h", "127.0.0.1", "-p", self.port, "-U", USER]
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, *commands)

    def close(self) -> None:
        if self._process is not None:
            # In order, so that it leaves no shared memory behind.
            self._run("pg_ctl", "stop", "-D", self._data, "-m", "immediate")
            self._process.stop(grace=0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        settings = ["-c", "wal_level=logical", "-c", "fsync=off"]
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)]
        command = [*self._as, str(self._binaries / "postgres"), "-D", str(self._data), *where, *settings]
        self._process = SupervisedProcess(command, self._folder / "postgres.log")
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.sql("SELECT 1")
                return
            except Unavailable:
                if not self._process.running or time.monotonic() > deadline:
                    raise Unavailable(f"PostgreSQL does not start: {self._process.said()[-500:]}") from None
                time.sleep(0.1)

    def _run(self, program: str, *arguments: object) -> str:
        return run([*self._as, *map(str, (self._binaries / program, *arguments))], START_SECONDS)


def _binaries() -> Path:
    if program := shutil.which("initdb"):
        return Path(program).resolve().parent
    found = DEBIAN.glob("*/bin/initdb")
    newest = max(found, key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0), default=None)
    if newest is None:
        raise Unavailable("PostgreSQL is not installed")
    return newest.parent
