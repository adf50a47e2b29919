"""A constant load for a while: does memory stay flat, and does lateness?

    python -m tests.benchmarks.soak [--minutes 20] [--rate 200] [--records 10000] [--chart OUT.svg]

One worker, `escalations run`, gets so many changes a second of as many deals, in real time, over and over.
Of a hundred deals so many are `moving`: each change moves them to another stage, and every tenth of them has
its amount cross a threshold, up or down. Nothing comes of the others, which stay in a stage nobody watches.
Two paths: `crossed` follows from a change and is due when that is; `stalled` is due a while after it,
where nothing else happens. So what both tell is late by

    crossed   from the commit in the CRM to the escalation, as a reader of committed messages has it
    stalled   from the deadline to the same

Both are sampled each ten seconds with the worker's resident memory. Exit code 1 where memory of the last
fifth is more than a tenth above that of the second fifth (the first fills the state), or nothing was told.
"""

import argparse
import logging
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, quantiles
from string import Template
from typing import Any

import orjson
from confluent_kafka import Message

from streams.core.escalation import decode
from streams.core.timestamps import SECOND, from_rfc3339, rfc3339
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from tests.benchmarks.history import PARTITIONS, debezium
from tests.benchmarks.peers import Watch, create_topics, running
from tests.brokers import start_broker

CONFIG = """
version: 1
feeds:
  deals:
    format: debezium
    topic: $name.public.deal
    record:
      kind: deal
      id: id
      owner: owner
      stage: stage
      value: {field: amount, currency: {always: EUR}}
people: {anna: {id: 1, manager: dora}, dora: }
fallback: dora
paths:
  crossed: {about: deal, when: {value: {crosses: 100_000 EUR}}, steps: [{notify: owner}]}
  stalled:
    about: deal
    where: {stage: {not: idle}}
    when: {in_stage: ${stalled}s}
    steps: [{notify: owner}]
live: {tick: 0.1s, prefix: $name., app: $name}
"""
SAMPLE_SECONDS = 10.0
ROUNDS_A_SECOND = 20
PATHS = ("crossed", "stalled")


@dataclass(frozen=True)
class Sample:
    """minute: since the start. megabytes: the worker's resident memory. lateness: by path, the median and the
    99th percentile, in milliseconds; None where nothing was told."""

    minute: float
    megabytes: float
    told: int
    lateness: dict[str, tuple[float, float] | None]


class Load(threading.Thread):
    """Writes the changes of each moment at that moment."""

    def __init__(self, connection: Connection, topic: str, rate: int, records: int, moving: int) -> None:
        super().__init__(daemon=True)
        self._producer = PlainProducer(connection)
        self._topic, self._rate, self._records, self._moving = topic, rate, records, moving
        self.stopped = threading.Event()

    def run(self) -> None:
        start, number = time.monotonic(), 0
        while not self.stopped.wait(1 / ROUNDS_A_SECOND):
            due = int(self._rate * (time.monotonic() - start))
            self._producer.write(self._topic, [self._change(each) for each in range(number, due)])
            number = due

    def _change(self, number: int) -> dict[str, Any]:
        turn, key = divmod(number, self._records)
        at = time.time_ns() // 1000
        moves = key % 100 < self._moving
        # Up in one turn and down in the next.
        big = moves and key // 100 % 10 == 0 and turn % 2 == 1
        row = {
            "id": key,
            "owner": 1,
            "stage": f"stage-{turn % 4}" if moves else "idle",
            "amount": 150_000 if big else 50_000,
            "updated_at": rfc3339(at),
        }
        event = debezium(number, row, at, new=turn == 0)
        return {"key": event.key, "value": event.value, "partition": key % PARTITIONS}


class Lateness(Watch):
    """What has been told since it was last asked, by path, in milliseconds after it was due."""

    def __init__(self, connection: Connection, topic: str) -> None:
        super().__init__(connection, topic)
        self._late: dict[str, list[float]] = defaultdict(list)

    def take(self, message: Message) -> None:
        escalation = decode(message.value())
        if escalation.event == "opened":
            late = time.time_ns() // 1000 - from_rfc3339(escalation.at)
            self._late[escalation.path].append(late * 1000 / SECOND)

    def since(self) -> dict[str, list[float]]:
        late, self._late = self._late, defaultdict(list)
        return late


def soak(
    connection: Connection, folder: Path, minutes: float, rate: int, records: int, moving: int
) -> Iterator[Sample]:
    name = f"soak-{uuid.uuid4().hex[:6]}"
    config = folder / "escalations.yaml"
    # Half of the time until a deal's next turn: each is late once in a turn.
    stalled = max(1, records // rate // 2)
    config.write_text(Template(CONFIG).substitute(name=name, stalled=stalled))
    create_topics(connection, f"{name}.public.deal", f"{name}.escalations")
    watch = Lateness(connection, f"{name}.escalations")
    load = Load(connection, f"{name}.public.deal", rate, records, moving)
    worker = [sys.executable, "-m", "streams", "run", "--broker", connection.address]
    with running([*worker, "-c", config, "--data", folder / "data"], folder / "worker.log") as process:
        load.start()
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < 60 * minutes:
            watch.listen(SAMPLE_SECONDS)
            if process.poll() is not None:
                raise SystemExit(f"the worker has ended with exit code {process.returncode}")
            if not load.is_alive():
                raise SystemExit("the load has ended")
            late = watch.since()
            yield Sample(
                round((now + SAMPLE_SECONDS) / 60, 2),
                round(process.memory_info().rss / 2**20, 1),
                sum(map(len, late.values())),
                {path: _percentiles(late.get(path, ())) for path in PATHS},
            )
        load.stopped.set()
        load.join()
    watch.close()


def _percentiles(values: Iterable[float]) -> tuple[float, float] | None:
    values = list(values)
    if len(values) < 2:
        return None
    cuts = quantiles(values, n=100)
    return round(cuts[49], 1), round(cuts[98], 1)


def is_flat(samples: list[Sample]) -> bool:
    fifth = len(samples) // 5
    early = fmean(each.megabytes for each in samples[fifth : 2 * fifth])
    late = fmean(each.megabytes for each in samples[-fifth:])
    return late <= 1.1 * early


def draw(samples: list[Sample], path: Path) -> None:
    """Memory and lateness over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    memory, lateness = figure.subplots(2, 1, sharex=True)
    minutes = [each.minute for each in samples]
    memory.plot(minutes, [each.megabytes for each in samples], color="tab:blue")
    memory.set(ylabel="resident memory, MB", ylim=(0, None))
    for name, color in zip(PATHS, ("tab:orange", "tab:green"), strict=True):
        for place, style, label in ((0, "-", "median"), (1, ":", "99th percentile")):
            known = [(each.minute, late[place]) for each in samples if (late := each.lateness[name])]
            lateness.plot(*zip(*known, strict=True), style, color=color, label=f"{name}, {label}")
    lateness.set(xlabel="minutes", ylabel="late by, ms", yscale="log")
    lateness.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory and lateness of a worker under a constant load.")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long [%(default)s]")
    parser.add_argument("--rate", type=int, default=200, help="changes a second [%(default)s]")
    parser.add_argument("--records", type=int, default=10_000, help="deals they are about [%(default)s]")
    parser.add_argument("--moving", type=int, default=100, help="of a hundred of them [%(default)s]")
    parser.add_argument("--chart", type=Path, help="draw both into this file (.svg or .png)")
    parser.add_argument("--json", action="store_true", help="each sample as a line of JSON")
    arguments = parser.parse_args()
    if 60 * arguments.minutes < 5 * SAMPLE_SECONDS:
        parser.error(f"it takes five samples: --minutes {5 * SAMPLE_SECONDS / 60:.2g} or more")
    logging.basicConfig(level=logging.ERROR)
    samples: list[Sample] = []
    broker = start_broker()
    try:
        with tempfile.TemporaryDirectory(prefix="escalations-soak-") as folder:
            options = arguments.minutes, arguments.rate, arguments.records, arguments.moving
            for sample in soak(Connection(broker.address), Path(folder), *options):
                samples.append(sample)
                if arguments.json:
                    print(orjson.dumps(asdict(sample)).decode(), flush=True)
                else:
                    print(_line(sample), flush=True)
    finally:
        broker.stop()
    if arguments.chart:
        draw(samples, arguments.chart)
    sys.exit(not (is_flat(samples) and any(each.told for each in samples)))


def _line(sample: Sample) -> str:
    late = "".join(
        f"  {path} {found[0]:8.1f} {found[1]:8.1f} ms" if (found := sample.lateness[path]) else ""
        for path in PATHS
    )
    return f"{sample.minute:6.2f} min  {sample.megabytes:7.1f} MB  {sample.told:6} told{late}"


if __name__ == "__main__":
    main()
