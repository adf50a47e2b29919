"""Where the worker's time goes: `python -m tests.benchmarks.hotspots [--events N]`.

The two halves of the worker, intake and records, each in this process under cProfile, with batches out of
memory and a real producer. Reading the topics and Faust are not in it.
"""

import argparse
import cProfile
import pstats
import tempfile
import uuid
from pathlib import Path
from typing import Any

from streams.agents.intake import IntakePartition
from streams.agents.records import RecordsPartition
from streams.config import load
from streams.core.entries import NewRules, encode
from streams.core.timestamps import moment
from streams.log.connection import Connection
from streams.log.producer import PlainProducer, TransactionalProducer
from streams.log.reader import read_to_end
from streams.log.topics import Topics, ensure
from tests.benchmarks.history import BEGINNING, PARTITIONS, History, make_history, write_config
from tests.benchmarks.peers import EVENTS_PER_RECORD, create_topics, write
from tests.brokers import start_broker


def profile(connection: Connection, folder: Path, history: History) -> None:
    config = load(write_config(folder, f"{uuid.uuid4().hex[:6]}-profile"))
    (feed,) = config.feeds.values()
    topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
    create_topics(connection, feed.topic)
    ensure(connection.admin(), topics, [], replication=1)
    writer = TransactionalProducer(connection, f"{config.live.app}-writer")
    writer.fence()
    write(writer, feed.topic, [*history.opening, *history.events])
    rules = encode(NewRules(moment(BEGINNING), dict(config.rules.document)))
    PlainProducer(connection).write(
        topics.changes.name, [{"value": rules, "partition": number} for number in range(PARTITIONS)]
    )
    for name, topic, make in (
        ("intake", feed.topic, lambda n: IntakePartition(connection, topics, feed, n, PARTITIONS)),
        ("records", topics.changes.name, lambda n: RecordsPartition(connection, topics, n, folder / "data")),
    ):
        partitions: dict[int, list[Any]] = {}
        for message in read_to_end(connection, topic):
            partitions.setdefault(message.partition, []).append(message)
        profiler = cProfile.Profile()
        for number, messages in partitions.items():
            owner = make(number)
            owner.open()
            for start in range(0, len(messages), config.live.batch):
                profiler.runcall(owner.process, messages[start : start + config.live.batch])
            owner.close()
        print(f"\n{name}: {sum(map(len, partitions.values()))} messages")
        pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the live worker's time goes.")
    parser.add_argument("--events", type=int, default=200_000, help="of the feed [%(default)s]")
    arguments = parser.parse_args()
    history = make_history(arguments.events, arguments.events // EVENTS_PER_RECORD)
    broker = start_broker()
    try:
        with tempfile.TemporaryDirectory(prefix="escalations-benchmark-") as name:
            profile(Connection(broker.address), Path(name), history)
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
