"""The backtest's speed and memory: `python -m tests.benchmarks.backtest [--times 1 10]`.

Three paths over the ServiceNow history (101,045 real updates, beside the repository), and over so many
copies of it, each with times later and ids of its own. Reading (rows to changes, in order) and
replaying are measured apart, in seconds of processor time of one process of its own, which also tells how
much memory it took at most. Time should grow as the history does, memory should not.
"""

import argparse
import csv
import gzip
import resource
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from streams.backtest.alone import Alone
from streams.config import load
from streams.feeds.files import read_messages

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "tests" / "histories" / "servicenow" / "escalations.yaml"
HISTORY = REPOSITORY.parent / "shared" / "data" / "tickets" / "servicenow_incidents.csv.gz"

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


def main() -> None:
    parser = argparse.ArgumentParser(description="Changes a second and core of a backtest, and its memory.")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10], help="how many copies [1 10]")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.file is not None:
        print(orjson.dumps(measure(arguments.file)).decode())
        return
    for times in arguments.times:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "copies.csv.gz"
            write_copies(times, path)
            command = [sys.executable, "-m", "tests.benchmarks.backtest", "--file", str(path)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=REPOSITORY)
            print(f"{times}x", done.stdout.decode(), end="", flush=True)


if __name__ == "__main__":
    main()
