"""The live engines: how each is had and started. README.md says what each is given.

A peer is a program in `peers/`, started with BROKER FEED OUTPUT NAME DATA: the two topics, the name of its
group, and a folder for its files; some take a number of processes or threads after that. What is not
installed with this package is fetched the first time, into the user's cache.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tests.benchmarks.history import PARTITIONS, write_config
from tests.brokers import Unavailable, jars, java, run

PEERS = Path(__file__).with_name("peers")
QUIX = "quixstreams==3.28.1"

INSTALL_SECONDS = 300

CORES = min(len(os.sched_getaffinity(0)), PARTITIONS)
"""More than partitions have nothing to do."""


@dataclass(frozen=True)
class Place:
    """Where an engine works: its `name` on the `broker`, and a `folder` for its files."""

    broker: str
    name: str
    folder: Path

    @property
    def feed(self) -> str:
        return f"{self.name}.public.deal"

    @property
    def output(self) -> str:
        return f"{self.name}.escalations"


Engine = Callable[[Place], list[str | Path]]
"""The command that starts it. Raises Unavailable where this machine cannot have it."""


def ours(place: Place) -> list[str | Path]:
    return [*ours_one(place), "--workers", str(CORES)]


def ours_one(place: Place) -> list[str | Path]:
    config = write_config(place.folder, place.name)
    worker = [sys.executable, "-m", "streams", "run", "--broker", place.broker]
    return [*worker, "-c", config, "--data", place.folder / "data"]


def faust(place: Place) -> list[str | Path]:
    return [sys.executable, PEERS / "faust_job.py", *_arguments(place)]


def quix(place: Place) -> list[str | Path]:
    return [_quix_python(), PEERS / "quix_job.py", *_arguments(place)]


def quix_per_core(place: Place) -> list[str | Path]:
    return [*quix(place), str(CORES)]


def kafka_streams(place: Place) -> list[str | Path]:
    # A source file is compiled as it is started, where there is a compiler.
    if shutil.which("javac") is None:
        raise Unavailable("javac is not installed: a JDK of version 17 has it, a JRE has not")
    classes = f"{jars('kafka-streams', PEERS / 'pom.xml')}/*"
    return [java(), "-cp", classes, PEERS / "StreamsJob.java", *_arguments(place)]


def kafka_streams_per_core(place: Place) -> list[str | Path]:
    return [*kafka_streams(place), str(CORES)]


ENGINES: tuple[Engine, ...] = (
    ours,
    ours_one,
    faust,
    quix,
    quix_per_core,
    kafka_streams,
    kafka_streams_per_core,
)


def _arguments(place: Place) -> list[str | Path]:
    return [place.broker, place.feed, place.output, place.name, place.folder / "data"]


def _quix_python() -> Path:
    """Of an environment of its own: it wants an older client library than the worker may have."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "escalation-paths" / QUIX.replace("==", "-")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            # Renamed when it is whole; it is only ever started by its python.
            with tempfile.TemporaryDirectory(dir=folder.parent) as part:
                made = Path(part, "environment")
                run([sys.executable, "-m", "venv", str(made)], INSTALL_SECONDS)
                run([str(made / "bin/python"), "-m", "pip", "install", "--quiet", QUIX], INSTALL_SECONDS)
                made.rename(folder)
    return folder / "bin/python"
