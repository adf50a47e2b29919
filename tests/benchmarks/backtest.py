"""The backtest's speed and memory: `python -m tests.benchmarks.backtest [--times 1 10] [--sweeps]`.

Three paths over the ServiceNow history (101,045 real updates, beside the repository), and over so many
copies of it, each with times later and ids of its own. Reading (rows to changes, in order) and
replaying are measured apart, in seconds of processor time of one process of its own, which also tells how
much memory it took at most. Time should grow as the history does, memory should not.

`--sweeps` measures instead what trying fifty thresholds of a path costs, in replays with that path alone.
"""

import argparse
import csv
import gzip
import resource
import subprocess
import sys
import time
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from streams.backtest.alone import Alone
from streams.backtest.history import read_history
from streams.backtest.replay import replay
from streams.backtest.scores import Births, Period
from streams.backtest.sweep import only_moves_deadline, read_sweep, variants
from streams.backtest.tune import sweep
from streams.config import load
from streams.core.rules import Rules
from streams.feeds.files import read_messages

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "tests" / "histories" / "servicenow" / "escalations.yaml"
HISTORY = REPOSITORY.parent / "shared" / "data" / "tickets" / "servicenow_incidents.csv.gz"

SWEEPS = {
    "resolution-sla": "target.moderate=10h..500h/50",
    "untouched": "untouched=1 working days..60 working days/50",
    "stuck-in-stage": "in_stage=1d..30d/50",
}

_FORMAT = "%d/%m/%Y %H:%M"
_MOMENTS = ("sys_updated_at", "opened_at")
# The history spans a year: the copies follow each other at half of that, so that some is open in two.
_SHIFT = timedelta(weeks=26)


def write_copies(times: int, to: Path) -> None:
    with gzip.open(HISTORY, "rt", encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with gzip.open(to, "wt", encoding="utf-8", newline="", compresslevel=1) as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        for copy in range(times):
            for row in rows:
                # Years far ahead would be outside of any calendar: copies of other customers share some.
                shifted = {name: _later(row[name], copy % 40) for name in _MOMENTS}
                writer.writerow(row | shifted | {"number": f"{row['number']}-{copy}"})


_known: dict[tuple[str, int], str] = {}


def _later(text: str, copies: int) -> str:
    if text in ("?", ""):
        return text
    found = _known.get((text, copies))
    if found is None:
        found = f"{datetime.strptime(text, _FORMAT) + copies * _SHIFT:{_FORMAT}}"
        _known[text, copies] = found
    return found


def measure(path: Path) -> dict[str, Any]:
    """In this process."""
    config = load(CONFIG)
    (feed,) = config.feeds.values()
    backtest = Alone(config.rules)
    started = time.process_time()
    backtest.read(feed, read_messages(feed, path))
    read = time.process_time()
    escalations = sum(1 for _ in backtest.decide())
    ended = time.process_time()
    count = backtest.total
    return {
        "changes": count,
        "records": backtest.replayed.records,
        "escalations": escalations,
        "read_per_second": round(count / (read - started)),
        "replayed_per_second": round(count / (ended - read)),
        "both_per_second": round(count / (ended - started)),
        "seconds": round(ended - started, 1),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def measure_sweep(name: str, over: str) -> dict[str, Any]:
    config = load(CONFIG)
    (feed,) = config.feeds.values()
    changes = list(read_history(feed, read_messages(feed, HISTORY)).changes)
    rules = config.rules
    path = next(each for each in rules.paths if each.name == name)
    alone = Rules(rules.document, (path,), rules.directory, rules.feeds)
    sweeps = [read_sweep(over, rules.document["paths"][name]["when"])]
    tried = variants(rules, name, sweeps)
    started = time.process_time()
    escalations = sum(1 for _ in replay(alone, changes))
    replayed = time.process_time()
    sleeping = only_moves_deadline(sweeps, tried)
    sweep(rules, tried, changes, [Period(None, None)], None, Births(), sleeping=sleeping)
    ended = time.process_time()
    return {
        "path": name,
        "values": len(tried),
        "escalations": escalations,
        "replay_seconds": round(replayed - started, 2),
        "sweep_seconds": round(ended - replayed, 2),
        "replays": round((ended - replayed) / (replayed - started), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Changes a second and core of a backtest, and its memory.")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10], help="how many copies [1 10]")
    parser.add_argument("--sweeps", action="store_true", help="what trying fifty thresholds costs")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.file is not None:
        print(orjson.dumps(measure(arguments.file)).decode())
        return
    if arguments.sweeps:
        for name, over in SWEEPS.items():
            print(orjson.dumps(measure_sweep(name, over)).decode(), flush=True)
        return
    for times in arguments.times:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "copies.csv.gz"
            # A program starts with the peak of the one that starts it: this one must stay small.
            writer = get_context("spawn").Process(target=write_copies, args=(times, path))
            writer.start()
            writer.join()
            command = [sys.executable, "-m", "tests.benchmarks.backtest", "--file", str(path)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=REPOSITORY)
            print(f"{times}x", done.stdout.decode(), end="", flush=True)


if __name__ == "__main__":
    main()
