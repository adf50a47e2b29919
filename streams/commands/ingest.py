"""`escalations ingest`."""

import asyncio
import signal
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.options import BROKER, CONFIG, examples, log_to_stderr, reason

if TYPE_CHECKING:
    from streams.ingest.settings import Source
    from streams.log.connection import Connection

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(
    "ingest",
    epilog=examples(
        "escalations ingest",
        "HUBSPOT_CLIENT_SECRET=... escalations ingest --port 8443 --tls-cert tls.crt --tls-key tls.key",
    ),
)
@CONFIG
@BROKER
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="The port; 0 for any."
)
@click.option("--tls-cert", "certificate", type=_FILE, help="Certificate chain, PEM: listen with TLS.")
@click.option("--tls-key", "key", type=_FILE, help="Its private key, PEM.")
def command(
    path: Path, broker: str, host: str, port: int, certificate: Path | None, key: Path | None
) -> None:
    """Receive webhooks and write them to feeds' topics.

    The configuration says under `ingest` who may post what to where; docs/ingest.md has every key. A
    request is answered with 204 once the broker has it. GET /health says whether the broker answers.
    Runs until Ctrl-C or SIGTERM, and finishes what is under way.

    Listens on this machine only unless told otherwise. Put a proxy with TLS in front of it, or give
    it a certificate.
    """
    from streams.config import load
    from streams.log.connection import Connection
    from streams.log.reader import NoSuchTopic
    from streams.secret import SecurityProblem

    log_to_stderr()
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together: give both or neither.")
    config = load(path)
    if not config.ingest:
        raise click.UsageError(f"{path} has no `ingest`: docs/ingest.md shows how it is written.")
    secrets: dict[str, bytes] = {}
    for name, source in config.ingest.items():
        try:
            secrets[name] = source.secret.read().encode()
        except SecurityProblem as error:
            raise click.UsageError(f"The secret of {name}: {error}.") from None
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without a password given here, the library would ask for one at the terminal.
            tls.load_cert_chain(certificate, key, password="")
        except OSError as error:
            raise click.BadParameter(f"{certificate}: {reason(error)}", param_hint="--tls-cert") from None
    connection = Connection(broker, config.kafka)
    present = connection.admin().list_topics().topics
    for source in config.ingest.values():
        if source.topic not in present:
            raise NoSuchTopic(
                f"there is no topic {source.topic}, which {source.name} is for. Create it first."
            )
    asyncio.run(_run(config.ingest, secrets, connection, host, port, tls))


async def _run(
    sources: "Mapping[str, Source]",
    secrets: Mapping[str, bytes],
    connection: "Connection",
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
) -> None:
    import logging

    from streams.ingest.server import Receiver, serve
    from streams.ingest.writer import Writer

    log = logging.getLogger("escalations")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Writer(connection) as writer:
        receiver = Receiver(sources, secrets, writer)
        await serve(receiver, host, port, tls, lambda url: log.info("listening on %s", url), stop)
