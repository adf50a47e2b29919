"""The peer: the same job as a stock Faust agent with a table, written as Faust's manual does it.

    python -m tests.benchmarks.peer CONFIG BROKER TOPIC DATA

It decodes and decides with the same functions as `escalations run`; what differs is how events
come in, where states are kept and how escalations go out. Settings are Faust's own defaults but
for raw bytes (no codec in the way), no web server and one folder for its files. The table is in
RocksDB, as ours is, with its changelog topic. Deadlines lie in a heap for each partition and are fired by the
feed's time: each event first sweeps what is due by then. The heap is not rebuilt after a restart.
"""

import argparse
import heapq
from collections import defaultdict
from pathlib import Path
from typing import Any

import faust

from streams.config import Config, load
from streams.core import escalation, record
from streams.core.engine import step
from streams.core.entries import Change
from streams.core.timestamps import micros
from streams.feeds import Message, PassedOver


def make_app(config: Config, broker: str, output: str, data: Path) -> Any:
    """The Faust app that reads the feed of `config` and sends escalations to the topic `output`."""
    (feed,) = config.feeds.values()
    app = faust.App(
        config.live.app,
        broker=f"kafka://{broker}",
        datadir=str(data),
        store="rocksdb://",
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=config.live.partitions,
        web_enabled=False,
    )
    source = app.topic(feed.topic, key_type=bytes, value_type=bytes)
    escalations = app.topic(output, key_type=bytes, value_type=bytes)
    states = app.Table("states", key_type=bytes, value_type=bytes, options={"driver": "rocksdict"})
    deadlines: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)

    async def advance(
        key: bytes, partition: int, at: int | None = None, change: Change | None = None
    ) -> None:
        stored = states.get(key)
        before = None if stored is None else record.decode(stored)
        after, decisions = step(config.rules, before, at, change)
        if after is not None and after is not before:
            states[key] = record.encode(after)
            deadline = after.due
            if deadline is not None and (before is None or deadline != before.due):
                heapq.heappush(deadlines[partition], (deadline, key))
        for decision in decisions:
            await escalations.send(key=key, value=escalation.encode(decision))

    async def sweep(partition: int, now: int) -> None:
        due = deadlines[partition]
        while due and due[0][0] <= now:
            at, key = heapq.heappop(due)
            if record.decode(states[key]).due == at:
                await advance(key, partition, at)

    async def escalate(stream: Any) -> None:
        async for event in stream.events():
            partition = event.message.partition
            decoded = feed.decode(
                Message(feed.topic, partition, event.message.offset, event.message.key, event.message.value)
            )
            if isinstance(decoded, PassedOver):
                continue
            for change in decoded:
                assert isinstance(change, Change)
                await sweep(partition, micros(change.at))
                await advance(change.record.encode(), partition, change=change)

    app.agent(source)(escalate)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="The job of the live benchmark in stock Faust.")
    parser.add_argument("config", type=Path)
    parser.add_argument("broker", help="HOST:PORT")
    parser.add_argument("topic", help="where escalations go")
    parser.add_argument("data", type=Path, help="a folder for Faust's files")
    arguments = parser.parse_args()
    app = make_app(load(arguments.config), arguments.broker, arguments.topic, arguments.data)
    app.Worker(loglevel="warn").execute_from_commandline()


if __name__ == "__main__":
    main()
