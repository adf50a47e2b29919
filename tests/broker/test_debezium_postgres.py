"""A real Debezium on a real PostgreSQL: what SQL changes escalates once, whoever is stopped or killed.

Takes PostgreSQL's binaries, Java 17, and Maven or the jars of tests/debezium.pom.xml; else it is skipped.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from streams.config import load
from streams.core.escalation import Escalation, encode
from streams.feeds import Message
from streams.log.connection import Connection
from streams.log.reader import read_to_end
from tests.brokers import Broker, Unavailable
from tests.command import escalations as command
from tests.debezium import Debezium
from tests.live import WorkerProcess, create_topic, escalations, wait_until
from tests.postgres import Postgres

pytestmark = pytest.mark.broker

CONFIG = """\
version: 1
feeds:
  users:
    format: debezium
    topic: NAME.public.users
    record: {table: users, key: id, columns: {name: email, manager: manager_id, active: active}}
  tickets:
    format: debezium
    topic: NAME.public.tickets
    record:
      kind: ticket
      id: id
      owner: owner_id
      stage: {field: status, closed: [solved]}
      value: {field: amount, currency: {always: EUR}}
      priority: priority
      created: created_at
      entered: entered_at
      fields: [description]
people: {from: users, dora: }
fallback: dora
paths:
  big:
    about: ticket
    where: {description: {contains: lawsuit}}
    when: {value: {crosses: 10000 EUR}}
    steps: [{notify: owner}]
  stalled:
    about: ticket
    when: {in_stage: 8d}
    steps: [{notify: owner.manager}]
  late:
    about: ticket
    when: {clock: resolution, target: {urgent: 4s, else: 90d}}
    steps: [{notify: owner, severity: high}]
live: {app: NAME, prefix: "NAME.", partitions: 2, tick: 0.2s, lag: 5s}
"""

SCHEMA = """\
CREATE TABLE users (
  id int PRIMARY KEY, email text NOT NULL, manager_id int, active boolean NOT NULL DEFAULT true);
CREATE TABLE tickets (
  id int PRIMARY KEY, owner_id int NOT NULL DEFAULT 1, status text NOT NULL DEFAULT 'open',
  priority text NOT NULL DEFAULT 'normal', amount numeric(12,2), description text,
  created_at timestamptz NOT NULL DEFAULT now(), entered_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE tickets ALTER description SET STORAGE EXTERNAL;
CREATE TABLE debezium_signal (id text PRIMARY KEY, type text NOT NULL, data text);
"""

CONNECTOR = {
    "table.include.list": "public.users,public.tickets",
    "signal.data.collection": "public.debezium_signal",
    # Otherwise a truncate is no event.
    "skipped.operations": "none",
}

TABLES = ("users", "tickets", "debezium_signal")
FEED_PARTITIONS = 2
SECONDS = 60
UNAVAILABLE = b"__debezium_unavailable_value"

Event = tuple[int, str, str]
"""Ticket, path and event."""


@pytest.fixture
def postgres(broker: Broker) -> Iterator[Postgres]:
    if broker.kind == "embedded":
        pytest.skip("the embedded broker never gives up a worker that was killed")
    try:
        postgres = Postgres()
    except Unavailable as error:
        pytest.skip(str(error))
    yield postgres
    postgres.close()


class Desk:
    """A database whose changes come to topics, a worker, and all that is to have escalated by now."""

    def __init__(self, folder: Path, broker: str, postgres: Postgres, name: str) -> None:
        self._folder, self._broker = folder, broker
        self._path = folder / "escalations.yaml"
        self._path.write_text(CONFIG.replace("NAME", name))
        self.config = load(self._path)
        self.name = name
        self.connection = Connection(broker)
        for table in TABLES:
            create_topic(self.connection, f"{name}.public.{table}", FEED_PARTITIONS)
        self.postgres = postgres
        self.debezium = Debezium(broker, postgres, name, CONNECTOR)
        self._workers: list[WorkerProcess] = []
        self._expected: Counter[Event] = Counter()

    def worker(self) -> WorkerProcess:
        worker = WorkerProcess(self._path, self._broker, self._folder / "worker")
        self._workers.append(worker)
        return worker

    def messages(self, table: str = "tickets") -> list[Message]:
        return list(read_to_end(self.connection, f"{self.name}.public.{table}"))

    def count(self, operation: str, snapshot: str | None = None) -> int:
        """How many events of an operation there are; of those that a kind of snapshot read."""
        events = [orjson.loads(each.value)["payload"] for each in self.messages() if each.value]
        return sum(
            each["op"] == operation and snapshot in (None, each["source"]["snapshot"]) for each in events
        )

    def live(self) -> list[Escalation]:
        return escalations(self.connection, self.config)

    def expect(self, *events: Event) -> None:
        """Wait until these, too, have come; nothing else may, nor anything twice."""
        self._expected += Counter(events)

        def there() -> bool:
            for worker in self._workers:
                assert worker.running or worker.killed, worker.said()
            come: Counter[Event] = Counter(
                (int(each.record.split(":")[1]), each.path, each.event) for each in self.live()
            )
            assert come <= self._expected, come - self._expected
            return come == self._expected

        self.wait_for(there, f"the escalations {events}")

    def wait_for(self, true: Callable[[], bool], what: str) -> None:
        try:
            wait_until(true, SECONDS, what)
        except AssertionError as error:
            error.add_note(f"Debezium said: {self.debezium.said()[-2000:]}")
            raise

    def backtest(self, *topics: str) -> Counter[bytes]:
        """What a backtest of these topics decides."""
        out = self._folder / "out.jsonl"
        options = [word for topic in topics for word in ("--topic", f"{self.name}.{topic}")]
        options += ["--until", datetime.now(UTC).isoformat(), "--escalations", str(out)]
        done = command("backtest", *options, "--broker", self._broker, cwd=self._folder)
        assert done.code == 0, done.err
        return Counter(out.read_bytes().splitlines())

    def close(self) -> None:
        self.debezium.close()
        for worker in self._workers:
            if worker.running:
                worker.kill()


@pytest.fixture
def desk(tmp_path: Path, broker: Broker, topic_prefix: str, postgres: Postgres) -> Iterator[Desk]:
    try:
        desk = Desk(tmp_path, broker.address, postgres, topic_prefix.rstrip("."))
    except Unavailable as error:
        pytest.skip(str(error))
    yield desk
    desk.close()


def ticket(number: int, **columns: str) -> str:
    """An INSERT; the values are SQL."""
    columns = {"id": str(number), "description": "'lawsuit ' || repeat('x', 9000)", **columns}
    return f"INSERT INTO tickets ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"


def update(number: int, columns: str) -> str:
    return f"UPDATE tickets SET {columns} WHERE id = {number}"


def test_what_sql_changes_escalates_once(desk: Desk) -> None:
    sql = desk.postgres.sql
    sql(
        SCHEMA,
        "INSERT INTO users VALUES (1, 'ana', 2), (2, 'bo', NULL)",
        ticket(1, amount="500", created_at="now() - interval '20 d'", entered_at="now() - interval '10 d'"),
        ticket(2, amount="20000"),
        ticket(3, status="'solved'", entered_at="now() - interval '10 d'"),
    )
    desk.debezium.start()
    desk.wait_for(lambda: desk.count("r") == 3, "the first snapshot")
    worker = desk.worker()
    desk.expect((1, "stalled", "opened"))

    # By value, by stage age, by a deadline.
    sql(
        ticket(4, amount="100"),
        update(4, "amount = 12000"),
        ticket(5, entered_at="now() - interval '8 d' + interval '4 s'"),
        ticket(6, priority="'urgent'"),
        ticket(7, priority="'urgent'"),
        update(7, "status = 'solved'"),
    )
    desk.expect((4, "big", "opened"), (5, "stalled", "opened"), (6, "late", "opened"))
    sql(update(4, "amount = 100"), update(4, "amount = 15000"), "DELETE FROM tickets WHERE id = 5")
    desk.expect((4, "big", "resolved"), (4, "big", "opened"), (5, "stalled", "resolved"))

    # A worker is killed, and things go on.
    worker.kill()
    sql("UPDATE users SET active = false WHERE id = 1")
    sql(ticket(8, amount="30000"), update(6, "status = 'solved'"))
    desk.worker()
    desk.expect((8, "big", "opened"), (6, "late", "resolved"))

    # A key changes: PostgreSQL's log does not repeat the long text, so the new record has none.
    sql(update(8, "id = 80"), update(4, "id = 40, description = 'lawsuit'"))
    desk.expect((8, "big", "resolved"), (4, "big", "resolved"), (40, "big", "opened"))

    # Debezium is stopped.
    desk.debezium.stop()
    sql(ticket(9, amount="30000"), update(1, "status = 'waiting', entered_at = now()"))
    desk.debezium.start()
    desk.expect((9, "big", "opened"), (1, "stalled", "resolved"))

    # Debezium is killed, and sends again what it has sent since it last kept how far it was.
    sql(ticket(10, amount="30000"), update(10, "amount = 1"), ticket(11, amount="30000"))
    desk.expect((10, "big", "opened"), (10, "big", "resolved"), (11, "big", "opened"))
    sent = len(desk.messages())
    desk.debezium.stop(grace=0)
    sql(ticket(12, amount="30000"))
    desk.debezium.start()
    desk.expect((12, "big", "opened"))
    assert len(desk.messages()) > sent + 1, "nothing was sent again"

    # It begins anew, with a snapshot of every row; that has the long text of the new key.
    desk.debezium.stop()
    desk.debezium.forget()
    rows, read = int(sql("SELECT count(*) FROM tickets")), desk.count("r")
    desk.debezium.start()
    desk.wait_for(lambda: desk.count("r") == read + rows, "the second snapshot")
    sql(ticket(13, amount="30000"))
    desk.expect((80, "big", "opened"), (13, "big", "opened"))

    # A signal asks for another one, beside what goes on.
    signal = """'{"data-collections": ["public.tickets"], "type": "incremental"}'"""
    sql(f"INSERT INTO debezium_signal VALUES ('again', 'execute-snapshot', {signal})")
    sql(ticket(14, amount="30000"))
    desk.wait_for(lambda: desk.count("r", "incremental") > rows, "the incremental snapshot")
    desk.expect((14, "big", "opened"))

    sql("TRUNCATE tickets", ticket(15, amount="30000"))
    desk.expect((15, "big", "opened"))

    values = [each.value for each in desk.messages()]
    assert None in values, "there is no tombstone"
    assert any(value and UNAVAILABLE in value for value in values)
    assert desk.count("t") == 1
    assert not list(read_to_end(desk.connection, f"{desk.name}.dead-letters"))
    decided = Counter(map(encode, desk.live()))
    assert decided == desk.backtest("changes")
    assert decided == desk.backtest("public.tickets", "public.users")


def test_what_is_sent_again_of_a_deleted_record_is_no_news(desk: Desk) -> None:
    sql = desk.postgres.sql
    sql(SCHEMA, "INSERT INTO users VALUES (1, 'ana', NULL)")
    desk.debezium.start()
    desk.wait_for(lambda: len(desk.messages("users")) == 1, "the first snapshot")
    # In order, so that it keeps how far it is; otherwise it would begin anew with a snapshot.
    desk.debezium.stop()
    desk.debezium.start()
    desk.worker()
    sql(ticket(1, amount="30000"), "DELETE FROM tickets")
    desk.expect((1, "big", "opened"), (1, "big", "resolved"))
    desk.debezium.stop(grace=0)
    sql(ticket(2, amount="30000"))
    desk.debezium.start()
    desk.expect((2, "big", "opened"))
