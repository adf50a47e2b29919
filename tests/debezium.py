"""Debezium for tests, as users run it: the connector in Kafka Connect, a process of its own."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from streams.log.embedded import SupervisedProcess
from tests.brokers import jars, java
from tests.postgres import USER, Postgres

POM = Path(__file__).with_suffix(".pom.xml")

CONNECT = {
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    # The REST interface of a standalone worker cannot be turned off.
    "listeners": "http://127.0.0.1:0",
    "plugin.discovery": "service_load",
}


class Debezium:
    """The changes of a database go to topics `NAME.SCHEMA.TABLE`, which are to be there.

    What it has sent it keeps in a file, so that it goes on there when it is started again. `settings`
    are the connector's. Raises Unavailable where Java or the jars are not to be had.
    """

    def __init__(self, broker: str, postgres: Postgres, name: str, settings: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="escalations-debezium-"))
        self._offsets = self._folder / "offsets"
        self._process: SupervisedProcess | None = None
        connector = {
            "name": name,
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": "127.0.0.1",
            "database.port": str(postgres.port),
            "database.user": USER,
            "database.password": "",
            "database.dbname": USER,
            "plugin.name": "pgoutput",
            "topic.prefix": name,
            **settings,
        }
        worker = {**CONNECT, "bootstrap.servers": broker, "offset.storage.file.filename": str(self._offsets)}
        try:
            files = [self._write("worker", worker), self._write("connector", connector)]
            classes = f"{jars('debezium', POM)}/*"
            main = "org.apache.kafka.connect.cli.ConnectStandalone"
            self._command = [java(), "-Xmx512m", "-cp", classes, main, *files]
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        self._process = SupervisedProcess(self._command, self._folder / "connect.log")

    def said(self) -> str:
        return "" if self._process is None else self._process.said()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def stop(self, grace: float = 30.0) -> None:
        """End it; with `grace` 0 as a crash would: what it has sent of late it will send again."""
        if self._process is not None:
            self._process.stop(grace)
            self._process = None

    def forget(self) -> None:
        """Throw away what it knows of what it has sent, so that it begins with a snapshot."""
        self._offsets.unlink()

    def close(self) -> None:
        self.stop(grace=0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, name: str, settings: Mapping[str, str]) -> str:
        path = self._folder / f"{name}.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return str(path)
