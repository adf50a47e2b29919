"""`escalations run`."""

from pathlib import Path

import click

from streams.commands.options import BROKER, CONFIG, LOG_FORMAT, examples, log_to_stderr


@click.command(
    "run",
    epilog=examples(
        "escalations run",
        "escalations run --broker kafka:9092 -c /etc/escalations.yaml --data /var/lib/escalations",
    ),
)
@CONFIG
@BROKER
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
@LOG_FORMAT
def command(path: Path, broker: str, data: Path, instance: str | None, form: str) -> None:
    """Watch the feeds and write escalations.

    Runs until Ctrl-C or SIGTERM. Start as many workers as you like, each with a --data folder of
    its own: they share the work.
    """
    import asyncio
    import logging

    from streams.config import load
    from streams.log.connection import Connection

    log_to_stderr(form)
    config = load(path)
    # Faust takes a second to load; a mistake in the configuration is told before that.
    from streams.agents.worker import Worker

    worker = Worker(config, Connection(broker, config.kafka), data, instance)
    asyncio.run(worker.run(on_ready=lambda: logging.getLogger("escalations").info("ready")))
