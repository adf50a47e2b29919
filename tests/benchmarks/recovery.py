"""How long a worker takes until it goes on where it was, and in how much memory it has its records then.

    python -m tests.benchmarks.recovery [--records 1000000] [--json]

The partitions of a log have so many open deals, each with the state that ten changes under one path leave.
They are opened one after the other by a process of its own: once without the local store, so that all is
read from the changelog topic and the store is written, then with it. Seconds by the clock; megabytes are the
memory that the process has resident at the end.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path

import msgspec
import orjson
import psutil  # type: ignore[import-untyped, unused-ignore]

from streams.agents.records import POSITION, RULES, Position, RecordsPartition
from streams.core.record import encode
from streams.log.connection import Connection
from streams.log.producer import TransactionalProducer
from streams.log.table import Table
from streams.log.topics import Topics, ensure
from tests.benchmarks.core import fold, make_rules, read_change, read_log
from tests.benchmarks.history import PARTITIONS
from tests.brokers import start_broker

PATTERNS = 10_000
"""So many changes are folded; the states that they leave are those of all records, in turn."""
AT_ONCE = 10_000


def topics_of(name: str) -> Topics:
    return Topics(f"{name}.", name, PARTITIONS)


def states() -> Iterator[tuple[bytes, bytes]]:
    """Of ever more records: key and state, as the table has them."""
    partition, _ = fold(make_rules(1), [read_change(value) for value in read_log(PATTERNS)])
    for number, record in zip(count(), cycle(list(partition.records.values())), strict=False):
        key = f"deal:{number}"
        yield key.encode(), encode(msgspec.structs.replace(record, key=key))


def fill(connection: Connection, name: str, records: int) -> None:
    """Write the tables of all partitions."""
    topics, rules = topics_of(name), make_rules(1)
    ensure(connection.admin(), topics, [], replication=1)
    many = states()
    for number in range(PARTITIONS):
        with tempfile.TemporaryDirectory() as folder:
            table = Table(connection, topics.changelog.name, number, Path(folder))
            producer = TransactionalProducer(connection, f"{name}-{number}")
            producer.fence()
            table.recover()
            left = records // PARTITIONS
            values = {
                POSITION: msgspec.json.encode(Position(0, {})),
                RULES: msgspec.json.encode([(0, rules.document)]),
            }
            while values:
                with producer.transaction():
                    table.produce(producer, values)
                values = dict(islice(many, min(AT_ONCE, left)))
                left -= len(values)
            producer.close()
            table.close()


def open_all(connection: Connection, name: str, data: Path) -> dict[str, float]:
    """In this process."""
    topics = topics_of(name)
    start = time.monotonic()
    partitions = [RecordsPartition(connection, topics, number, data) for number in range(PARTITIONS)]
    for each in partitions:
        each.open()
    seconds = time.monotonic() - start
    megabytes = psutil.Process().memory_info().rss / 2**20
    for each in partitions:
        each.close()
    return {"seconds": round(seconds, 2), "megabytes": round(megabytes)}


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a worker takes to recover, and its memory.")
    parser.add_argument("--records", type=int, default=1_000_000, help="that are open [%(default)s]")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--open", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    if arguments.open:
        address, name, data = arguments.open
        print(orjson.dumps(open_all(Connection(address), name, Path(data))).decode())
        return
    name = f"recovery-{uuid.uuid4().hex[:6]}"
    broker = start_broker()
    found = {}
    try:
        fill(Connection(broker.address), name, arguments.records)
        with tempfile.TemporaryDirectory(prefix="escalations-recovery-") as data:
            command = [
                sys.executable,
                "-m",
                "tests.benchmarks.recovery",
                "--open",
                broker.address,
                name,
                data,
            ]
            for source in ("changelog", "store"):
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                found[source] = orjson.loads(done.stdout)
    finally:
        broker.stop()
    if arguments.json:
        print(orjson.dumps({"records": arguments.records, **found}).decode())
        return
    for source, numbers in found.items():
        print(f"from the {source:10}{numbers['seconds']:8.2f} s{numbers['megabytes']:8.0f} MB")


if __name__ == "__main__":
    main()
