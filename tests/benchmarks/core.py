"""Microseconds per change in the core, without Kafka, and bytes per open record.

    python -m tests.benchmarks.core [--events N] [--json]

A history of deals, ten changes each, is folded by one partition: what the log holds is decoded,
folded (time comes to the change's moment, then the change is applied; the record's state is decoded
before and encoded after it, as for the changelog). Once with one path, once with five, once with fifty
of which five apply: the others are about deals too, with a condition on the region that never holds.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import orjson

from streams.config import load
from streams.core import entries
from streams.core.document import Problems
from streams.core.entries import Change
from streams.core.partition import Partition
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import micros
from tests.benchmarks.history import make_history, write_config

T = TypeVar("T")

EVENTS_PER_RECORD = 10
ROUNDS = 3
"""Each is measured so often, and the fastest counts: what else the machine does only slows down."""

_PEOPLE = {"people": {"anna": {"id": 1, "manager": "dora"}, "dora": None}, "fallback": "dora"}
_OFFICE = {"zone": "Europe/Berlin", "open": {"mon-fri": "09:00-17:00"}}
_WHEN: tuple[dict[str, Any], ...] = (
    {"in_stage": "4 weeks"},
    {"value": {"crosses": "100000 EUR"}},
    {"clock": "resolution", "target": {"urgent": "20 working days", "else": "60d"}, "calendar": "office"},
    {"untouched": "15 working days", "calendar": "office"},
    {"in_stage": "20 working days", "calendar": "office"},
)


@dataclass(frozen=True)
class Cost:
    """With so many `paths`: microseconds per change, and bytes of memory and of state per open record."""

    paths: int
    decode: float
    fold: float
    escalations: float
    memory: int
    encoded: int

    @property
    def total(self) -> float:
        return self.decode + self.fold


def make_rules(count: int) -> Rules:
    """The five paths of `_WHEN`, as far as `count` goes, and beyond them such as never apply."""
    paths: dict[str, Any] = {}
    for number in range(count):
        path = {"about": "deal", "when": _WHEN[number % len(_WHEN)], "steps": [{"notify": "owner"}]}
        if number >= len(_WHEN):
            path["where"] = {"region": f"overseas-{number}"}
        paths[f"path-{number}"] = path
    problems = Problems()
    rules = read_rules(
        {"feeds": ["deals"], **_PEOPLE, "calendars": {"office": _OFFICE}, "paths": paths}, problems
    )
    assert not problems, "\n".join(map(str, problems))
    return rules


def read_log(events: int) -> list[bytes]:
    """The changes of the history as the log holds them."""
    with TemporaryDirectory() as folder:
        (feed,) = load(write_config(Path(folder), "core")).feeds.values()
    history = make_history(events, events // EVENTS_PER_RECORD)
    return [entries.encode(change) for change in history.changes(feed)]


def measure(paths: int, log: list[bytes]) -> Cost:
    rules = make_rules(paths)
    memory = _memory(rules, log)
    decoding, changes = _fastest(lambda: [read_change(each) for each in log])
    folding, (partition, escalations) = _fastest(lambda: fold(rules, changes))
    encoded = partition.records.encoded.values()
    count = len(changes)
    return Cost(
        paths,
        decode=1e6 * decoding / count,
        fold=1e6 * folding / count,
        escalations=escalations / count,
        memory=memory,
        encoded=sum(map(len, encoded)) // len(encoded),
    )


def read_change(value: bytes) -> Change:
    entry = entries.decode(value)
    assert isinstance(entry, Change)
    return entry


def fold(rules: Rules, changes: list[Change]) -> tuple[Partition, int]:
    """The partition after all `changes`, and how many escalations they led to."""
    partition = Partition([(0, rules)])
    escalations = 0
    for change in changes:
        escalations += len(partition.advance(micros(change.at)))
        escalations += len(partition.fold(change))
        partition.changed.clear()
    return partition, escalations


def _memory(rules: Rules, log: list[bytes]) -> int:
    """Bytes that each record, with its deadline in the queue, takes in memory."""
    gc.collect()
    tracemalloc.start()
    partition = Partition([(0, rules)])
    for value in log:
        change = read_change(value)
        partition.advance(micros(change.at))
        partition.fold(change)
    partition.changed.clear()
    del value, change
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used // len(partition.records)


def _fastest(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of processor time of the fastest round, and what it gave."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


def _show(costs: list[Cost]) -> None:
    print("microseconds per change                       bytes per open record")
    print("paths   decode    fold   total  escalations   memory   encoded")
    for cost in costs:
        print(
            f"{cost.paths:5}{cost.decode:9.1f}{cost.fold:8.1f}{cost.total:8.1f}"
            f"{cost.escalations:13.3f}{cost.memory:9,}{cost.encoded:10,}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Microseconds per change in the core.")
    parser.add_argument("--events", type=int, default=10_000, help="changes to fold [%(default)s]")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    log = read_log(arguments.events)
    costs = [measure(paths, log) for paths in (1, 5, 50)]
    if arguments.json:
        print(orjson.dumps([{**asdict(cost), "total": cost.total} for cost in costs]).decode())
    else:
        _show(costs)


if __name__ == "__main__":
    main()
