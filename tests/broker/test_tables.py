"""Rows that records refer to, live: every partition of the log has them, and workers decide as a backtest."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.agents.states import state_of
from streams.backtest.history import History
from streams.backtest.replay import replay
from streams.config import load
from streams.core.entries import Reference, decode
from streams.core.escalation import encode
from streams.feeds import Message
from streams.log.connection import Connection
from streams.log.producer import PlainProducer, TransactionalProducer
from streams.log.reader import read_to_end
from streams.log.topics import Topics
from tests.brokers import Broker
from tests.live import WorkerProcess, create_topic, escalations, wait_until

CONFIG = """\
version: 1
feeds:
  deals:
    format: json
    topic: {name}-deals
    at: at
    record:
      kind: deal
      id: id
      owner: owner_id
      stage: {{field: stage_id, lookup: stages.label, closed: [Won]}}
  stages:
    format: json
    topic: {name}-stages
    at: at
    record: {{table: stages, key: id, columns: {{label: name}}}}
  users:
    format: json
    topic: {name}-users
    at: at
    record:
      table: users
      key: id
      columns: {{name: name, manager: manager_id, active: active, away_from: from, away_until: until}}
people:
  from: users
  dora:
fallback: dora
paths:
  stalled: {{about: deal, when: {{in_stage: 8d}}, steps: [{{notify: owner, reassign: owner}}]}}
live: {{app: {name}, prefix: "{name}.", partitions: 3, tick: 0.2s}}
"""

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)


def day(number: float) -> str:
    return (BEGIN + timedelta(days=number)).isoformat()


ROWS: dict[str, list[dict[str, Any]]] = {
    "users": [
        {"id": 7, "name": "Ida", "manager_id": 8, "active": True, "at": day(0)},
        {"id": 8, "name": "Max", "manager_id": 7, "active": True, "at": day(0)},
        {"id": 7, "from": day(9), "until": day(14), "at": day(5)},
        {"id": 8, "name": "Max the Second", "at": day(20)},
    ],
    "stages": [
        {"id": 1, "name": "Offer", "at": day(0)},
        {"id": 2, "name": "Won", "at": day(0)},
    ],
    "deals": [
        # On the eighth day Ida is there, on the tenth on leave, on the twentieth back again.
        *({"id": number, "owner_id": 7, "stage_id": 1, "at": day(0)} for number in range(10)),
        *({"id": number, "owner_id": 7, "stage_id": 1, "at": day(2)} for number in range(10, 20)),
        *({"id": number, "owner_id": 7, "stage_id": 2, "at": day(3)} for number in range(20, 25)),
    ],
}
LATER: dict[str, list[dict[str, Any]]] = {
    "stages": [{"id": 1, "name": "Renamed", "at": day(15)}],
    "deals": [{"id": number, "owner_id": 8, "stage_id": 1, "at": day(16)} for number in range(30, 35)],
}


@pytest.fixture
def workers() -> Iterator[list[WorkerProcess]]:
    workers: list[WorkerProcess] = []
    yield workers
    for worker in workers:
        if worker.running:
            worker.kill()


def test_an_owner_is_a_person_of_the_table_live_as_in_a_backtest(
    tmp_path: Path, broker: Broker, topic_prefix: str, workers: list[WorkerProcess]
) -> None:
    name = topic_prefix.rstrip(".")
    path = tmp_path / "escalations.yaml"
    path.write_text(CONFIG.format(name=name))
    config = load(path)
    connection = Connection(broker.address)
    topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
    history = History()
    for rank, (feed, reader) in enumerate(config.feeds.items()):
        rows = enumerate(map(orjson.dumps, [*ROWS[feed], *LATER.get(feed, [])]))
        history.read(reader, (Message(feed, 0, number, None, row) for number, row in rows), rank)
        create_topic(connection, reader.topic, 1)
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    expected = list(replay(config.rules, history.changes, now))
    assert {each.notify for each in expected} == {("Ida",), ("Max",), ("Max the Second",)}

    def write(feed: str, rows: list[dict[str, Any]]) -> None:
        messages = ({"value": orjson.dumps(row)} for row in rows)
        PlainProducer(connection).write(config.feeds[feed].topic, messages)

    def worker(data: str) -> WorkerProcess:
        workers.append(WorkerProcess(path, broker.address, tmp_path / data))
        return workers[-1]

    def referred() -> Counter[int]:
        """By partition of the log, how many rows it has been told."""
        return Counter(
            message.partition
            for message in read_to_end(connection, topics.changes.name)
            if isinstance(decode(message.value or b""), Reference)
        )

    for feed in ROWS:
        write(feed, ROWS[feed])
    first = worker("data")
    wait_until(lambda: len(escalations(connection, config)) >= 20, 120, first.said())
    write("stages", LATER["stages"])
    everywhere = dict.fromkeys(range(3), len(ROWS["users"]) + len(ROWS["stages"]) + 1)
    wait_until(lambda: referred() == everywhere, 60, first.said())
    write("deals", LATER["deals"])
    wait_until(lambda: len(escalations(connection, config)) >= len(expected), 120, first.said())
    assert Counter(map(encode, escalations(connection, config))) == Counter(map(encode, expected))

    # What is stored is what others ask for, and what another worker begins with.
    assert first.stop() == 0
    known = state_of(connection, topics, "deal:30")
    assert known is not None
    assert known[1].stage == "Renamed"
    assert known[0].directory.notify("owner.manager", known[1], now).found == ("Ida",)
    last = [{"id": 40 + stage, "owner_id": 8, "stage_id": stage, "at": day(29)} for stage in (1, 2)]
    write("deals", last)
    second = worker("elsewhere")

    def stage(key: str) -> str | None:
        found = state_of(connection, topics, key)
        return None if found is None else found[1].stage

    wait_until(lambda: (stage("deal:41"), stage("deal:42")) == ("Renamed", "Won"), 60, second.said())


def test_rows_that_are_there_come_before_the_records_that_refer_to_them(
    tmp_path: Path, broker: Broker, topic_prefix: str, workers: list[WorkerProcess]
) -> None:
    """Without a wait for the table, the few deals would be read before the many users."""
    name = topic_prefix.rstrip(".")
    path = tmp_path / "escalations.yaml"
    path.write_text(
        CONFIG.format(name=name)
        .replace("in_stage: 8d", "value: {crosses: 10 EUR}")
        .replace("tick: 0.2s", "tick: 0.2s, batch: 100")
        .replace("kind: deal", "kind: deal\n      value: {field: value, currency: {always: EUR}}")
    )
    config = load(path)
    connection = Connection(broker.address)
    users = [{"id": number, "name": f"user {number}", "at": day(0)} for number in range(5_000)]
    deals = [{"id": number, "owner_id": 4_999 - number, "value": 20, "at": day(1)} for number in range(10)]
    for feed, partitions in (("stages", 1), ("users", 2), ("deals", 2)):
        create_topic(connection, config.feeds[feed].topic, partitions)
    rows = TransactionalProducer(connection, f"{name}-rows")
    rows.fence()
    # After these the topic ends with the mark of a transaction, which is no message.
    with rows.transaction():
        for number, user in enumerate(users):
            rows.produce(config.feeds["users"].topic, orjson.dumps(user), partition=number % 2)
    rows.close()
    PlainProducer(connection).write(
        config.feeds["deals"].topic,
        ({"value": orjson.dumps(deal), "partition": number % 2} for number, deal in enumerate(deals)),
    )

    # Of two, one may have the users and the other the deals. The embedded broker gives up none that ends.
    names = ["one"] if broker.kind == "embedded" else ["one", "two"]
    workers += [WorkerProcess(path, broker.address, tmp_path / name) for name in names]
    wait_until(lambda: len(escalations(connection, config)) >= len(deals), 60, workers[0].said())
    told = {each.record: each.notify for each in escalations(connection, config)}
    assert told == {f"deal:{deal['id']}": (f"user {deal['owner_id']}",) for deal in deals}
