"""The job in stock Faust: agents and a table.

    python tests/benchmarks/peers/faust_job.py BROKER FEED OUTPUT NAME DATA

One agent re-keys the feed by record, the other folds. Topics and table are JSON by Faust's own codec; the
table is in RocksDB, with its changelog topic. All other settings are Faust's defaults.

A timer of Faust's cannot write a table, only an agent can, and only keys of the partition whose event it
has in hand. So what is due waits in a heap for each partition, and each event first takes what is due by its
time. A table cannot be read in an order, so the heap is in memory; it is not built again after a restart.
"""

import argparse
import heapq
from collections import defaultdict
from typing import Any

import faust
import job
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4


def make_app(broker: str, feed: str, output: str, name: str, data: str) -> Any:
    app = faust.App(
        name,
        broker=f"kafka://{broker}",
        datadir=data,
        store="rocksdb://",
        topic_partitions=PARTITIONS,
        web_enabled=False,
    )
    envelopes = app.topic(feed, key_type=bytes)
    changes = app.topic(_created(broker, f"{name}-changes"), key_type=str)
    escalations = app.topic(output, key_type=str)
    states = app.Table("states", key_type=str, options={"driver": "rocksdict"})
    waiting: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)

    async def rekey(stream: Any) -> None:
        async for envelope in stream:
            change = job.read(envelope)
            await changes.send(key=change["record"], value=change)

    async def escalate(stream: Any) -> None:
        async for event in stream.events():
            change, due = event.value, waiting[event.message.partition]
            while due and due[0][0] <= change["at"]:
                moment, record = heapq.heappop(due)
                state = states[record]
                if state["due"] == moment:
                    await put(state, job.come_to(state, moment), moment, due)
            before = states.get(change["record"])
            was_due = None if before is None else before["due"]
            await put(*job.take(before, change), was_due, due)

    async def put(
        state: job.State,
        decided: list[job.Escalation],
        was_due: int | None,
        due: list[tuple[int, str]],
    ) -> None:
        record = state["record"]
        states[record] = state
        if state["due"] is not None and state["due"] != was_due:
            heapq.heappush(due, (state["due"], record))
        for escalation in decided:
            await escalations.send(key=record, value=escalation)

    app.agent(envelopes)(rekey)
    app.agent(changes)(escalate)
    return app


def _created(broker: str, topic: str) -> str:
    # Faust would create it and, on a busy machine, subscribe before the broker tells of it.
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    return topic


def main() -> None:
    parser = argparse.ArgumentParser(description="The job of the live benchmark in stock Faust.")
    for name in ("broker", "feed", "output", "name", "data"):
        parser.add_argument(name)
    make_app(**vars(parser.parse_args())).Worker(loglevel="warn").execute_from_commandline()


if __name__ == "__main__":
    main()
