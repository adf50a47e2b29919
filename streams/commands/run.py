"""`escalations run`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.options import BROKER, CONFIG, LOG_FORMAT, examples, log_to_stderr

if TYPE_CHECKING:
    from streams.config import Live

_LAST_PORT = 65535


class _Count(click.ParamType):
    """A number of workers; None for as many as make sense."""

    name = "number"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "auto":
            return None
        try:
            count = int(value)
        except ValueError:
            count = 0
        if count < 1:
            self.fail(f"{value!r} is no number of workers; write a whole number from 1, or auto", param, ctx)
        return count


class _Place(click.ParamType):
    """Host and port, as `live.health` takes them."""

    name = "host:port"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        from streams.config import read_place
        from streams.core.document import Node, Problem

        try:
            return read_place(Node(value, ("health",)))
        except Problem as problem:
            self.fail(f"{problem.message}. {problem.remedy}", param, ctx)


@click.command(
    "run",
    epilog=examples(
        "escalations run",
        "escalations run --workers auto --health 127.0.0.1:9464",
        "escalations run --broker kafka:9092 -c /etc/escalations.yaml --data /var/lib/escalations",
    ),
)
@CONFIG
@BROKER
@click.option(
    "--workers",
    type=_Count(),
    metavar="N",
    default="1",
    show_default=True,
    help="How many processes, since one takes one core: a number up to that of the log's partitions, or "
    "auto for as many as there are cores. Several have the folders 1, 2, ... in that of --data, the names "
    "NAME-1, NAME-2, ... and, from that of --health on, a port each.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="escalations-data",
    show_default=True,
    help="Folder for the local stores; one for each worker.",
)
@click.option(
    "--instance",
    envvar="ESCALATIONS_INSTANCE",
    metavar="NAME",
    help="This worker's own name, which stays: it keeps its share of the work over a restart of a few "
    "seconds; also from ESCALATIONS_INSTANCE.",
)
@click.option(
    "--health",
    type=_Place(),
    metavar="HOST:PORT",
    help="Where health and metrics are served, in the place of `live.health`.",
)
@LOG_FORMAT
@click.option("--worker", "number", type=int, hidden=True, help="Which of several this one is.")
def command(
    path: Path,
    broker: str,
    workers: int | None,
    data: Path,
    instance: str | None,
    health: tuple[str, int] | None,
    form: str,
    number: int | None,
) -> None:
    """Watch the feeds and write escalations.

    Runs until Ctrl-C or SIGTERM. Start as many workers as you like, with --workers or one by one,
    here and elsewhere: they share the work. One by one, each needs a --data folder of its own.
    With --workers, when one ends, all do, and the exit code is that one's: whoever keeps the command
    running starts it again as a whole.
    """
    import asyncio
    import logging
    from dataclasses import replace

    from streams.commands.workers import end_with_supervisor, supervise
    from streams.config import load
    from streams.log.connection import Connection

    log_to_stderr(form, number)
    if number is not None:
        end_with_supervisor()
    config = load(path)
    if health is not None:
        config = replace(config, live=replace(config.live, health=health))
    count = _count(workers, config.live)
    if count > 1:
        same = ["-c", str(path), "--broker", broker, "--log-format", form]
        own = [_own(each, data, instance, config.live) for each in range(1, count + 1)]
        # Where no broker answers, each of them would say so.
        Connection(broker, config.kafka).admin()
        # -P: what lies in the folder where this was started is no part of the program.
        program = [sys.executable, "-P", "-m", "streams", "run"]
        sys.exit(asyncio.run(supervise([*program, *same, *each] for each in own)))
    # Faust takes a second to load; a mistake in the configuration is told before that.
    from streams.agents.worker import Worker

    worker = Worker(config, Connection(broker, config.kafka), data, instance)
    asyncio.run(worker.run(on_ready=lambda: logging.getLogger("escalations").info("ready")))


def _count(asked: int | None, live: "Live") -> int:
    """How many workers. Raises BadParameter for so many that some would have nothing to do."""
    if asked is None:
        # Of a machine's cores, a process may be allowed but some.
        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
        return min(cores, live.partitions)
    if asked > live.partitions:
        raise click.BadParameter(
            f"{asked} workers cannot share the {live.partitions} partitions of the log; write "
            f"{live.partitions} at most, or auto",
            param_hint="--workers",
        )
    return asked


def _own(number: int, data: Path, instance: str | None, live: "Live") -> list[str]:
    """What one of several workers has for itself. Raises BadParameter where there is no port left for it."""
    own = ["--worker", str(number), "--data", str(data / str(number))]
    if instance:
        own += ["--instance", f"{instance}-{number}"]
    if live.health is not None:
        host, first = live.health
        port = first + number - 1
        if port > _LAST_PORT:
            raise click.BadParameter(
                f"each worker has a port of its own, {first} and those that follow, and there is no {port}; "
                "write a lower one",
                param_hint="--health",
            )
        own += ["--health", f"{host}:{port}"]
    return own
