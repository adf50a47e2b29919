"""The job in Quix Streams: a StreamingDataFrame with state.

    python tests/benchmarks/peers/quix_job.py BROKER FEED OUTPUT NAME DATA [PROCESSES]

It has no timers, and a function sees the state of one message key only. So the feed is re-keyed by region,
and the state of a region has its records, and for each hour of the feed's time those that may be due in it.
The first change of an hour takes what was due in the hours before.
"""

import argparse
import multiprocessing
import signal
import sys
from typing import Any

import job
from quixstreams import Application, State  # type: ignore[import-not-found, unused-ignore]


def escalate(change: job.Change, state: State) -> list[job.Escalation]:
    """What is decided on a change; `state` is that of its region."""
    hour, record = change["at"] // job.HOUR, change["record"]
    latest = state.get("hour")
    decided = []
    if latest != hour:
        for past in range(hour if latest is None else latest, hour):
            decided += _sweep(past, state)
        state.set("hour", hour)
    before = state.get(record)
    was_due = None if before is None else before["due"]
    after, escalations = job.take(before, change)
    _put(after, was_due, state)
    return decided + escalations


def _sweep(hour: int, state: State) -> list[job.Escalation]:
    """What is due in an hour that is over."""
    decided = []
    for record in state.get(f"due:{hour}", []):
        found = state.get(record)
        was_due = found["due"]
        if was_due is not None and was_due // job.HOUR == hour:
            decided += job.come_to(found, (hour + 1) * job.HOUR - 1)
            _put(found, was_due, state)
    state.delete(f"due:{hour}")
    return decided


def _put(after: job.State, was_due: int | None, state: State) -> None:
    state.set(after["record"], after)
    due = after["due"]
    if due is not None and due != was_due:
        waiting = f"due:{due // job.HOUR}"
        state.set(waiting, [*state.get(waiting, []), after["record"]])


def run(broker: str, feed: str, output: str, name: str, data: str) -> None:
    app = Application(
        broker_address=broker,
        consumer_group=name,
        auto_offset_reset="earliest",
        state_dir=data,
        loglevel="WARNING",
        producer_extra_config={"compression.type": "lz4"},
    )
    envelopes = app.dataframe(app.topic(feed, key_deserializer="bytes"))
    changes: Any = envelopes.apply(job.read).group_by("region")
    escalations = changes.apply(escalate, stateful=True, expand=True)
    escalations.to_topic(app.topic(output, key_serializer="str"), key=lambda each: each["record"])
    app.run()


def run_many(count: int, data: str, **arguments: str) -> None:
    """So many processes, until this one is asked to end."""
    # On the way out those that are left are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    for number in range(count):
        settings = {**arguments, "data": f"{data}/{number}"}
        multiprocessing.get_context("spawn").Process(target=run, kwargs=settings, daemon=True).start()
    signal.pause()


def main() -> None:
    parser = argparse.ArgumentParser(description="The job of the live benchmark in Quix Streams.")
    for name in ("broker", "feed", "output", "name", "data"):
        parser.add_argument(name)
    parser.add_argument("processes", nargs="?", type=int, default=1)
    arguments = vars(parser.parse_args())
    processes = arguments.pop("processes")
    if processes > 1:
        run_many(processes, **arguments)
    run(**arguments)


if __name__ == "__main__":
    main()
