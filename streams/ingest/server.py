"""The endpoint that webhooks are posted to.

A request is answered with 204 once the broker has acknowledged the message, and not before: a sender
that hears anything else, or nothing, sends it again. What it sends twice is in the topic twice.
"""

import asyncio
import logging
import math
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from aiohttp import web

from streams.core.timestamps import SECOND, rfc3339
from streams.ingest.rate import Bucket
from streams.ingest.settings import HEALTH, Source
from streams.ingest.signatures import Received, Unverified
from streams.ingest.writer import Writer
from streams.log.connection import BrokerUnavailable
from streams.log.producer import TooLarge, WriteRefused

log = logging.getLogger("escalations")

BODY_SECONDS = 10.0
"""How long a sender may take for a body."""
AT_ONCE = 64
"""Requests that are worked on at once: with the largest body of each, how much memory they can take."""
AWAY_SECONDS = 10
"""When a sender may try again after the broker was away."""

_HEALTH_SECONDS = 2.0
_UNKNOWN = "application/octet-stream"


class Receiver:
    """Takes what `sources` post. `secrets`: by the names of the sources."""

    def __init__(self, sources: Mapping[str, Source], secrets: Mapping[str, bytes], writer: Writer) -> None:
        self._secrets = secrets
        self._writer = writer
        self._buckets = {name: Bucket(source.rate, time.monotonic()) for name, source in sources.items()}
        self._at_once = 0
        self._idle = asyncio.Event()
        self._stopping = False
        self._refused: Counter[str] = Counter()
        self._health = asyncio.Lock()
        self._healthy = (-math.inf, False)
        self.app = web.Application()
        self.app.router.add_get(HEALTH, self._answer_health)
        for source in sources.values():
            self.app.router.add_post(source.path, self._taking(source))

    def _taking(self, source: Source) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def take(request: web.Request) -> web.Response:
            if self._stopping:
                self._refuse(source, web.HTTPServiceUnavailable, "we are about to end", again=1)
            if self._at_once >= AT_ONCE:
                self._refuse(source, web.HTTPTooManyRequests, "too many requests at once", again=1)
            self._at_once += 1
            try:
                return await self._take(source, request)
            except web.HTTPException:
                raise
            except Exception as error:
                # A mistake in this program; the sender may come again after it has been put right.
                log.exception("%s: a request was not taken", source.name)
                raise web.HTTPInternalServerError from error
            finally:
                self._at_once -= 1
                if self._stopping and not self._at_once:
                    self._idle.set()

        return take

    async def finish(self) -> None:
        """Take nothing more, and return once nothing is under way."""
        self._stopping = True
        if self._at_once:
            await self._idle.wait()

    async def _take(self, source: Source, request: web.Request) -> web.Response:
        if request.headers.get("content-encoding", "identity") != "identity":
            # What was signed is then not what was read.
            self._refuse(source, web.HTTPUnsupportedMediaType, "the body has a content-encoding")
        body = await self._read(source, request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        now = time.time()
        try:
            source.signature.verify(Received(request.method, headers, body), self._secrets[source.name], now)
        except Unverified as error:
            self._refuse(source, web.HTTPUnauthorized, str(error))
        # Only now, so that nobody without the secret can use up what the sender may send.
        if wait := self._buckets[source.name].take(time.monotonic()):
            self._refuse(source, web.HTTPTooManyRequests, f"more than {source.rate} a second", again=wait)
        if not body:
            self._refuse(source, web.HTTPBadRequest, "the body is empty")
        kept = [
            # HTTP libraries keep bytes that are no UTF-8 in this way.
            ("content-type", headers.get("content-type", _UNKNOWN).encode("utf-8", "surrogateescape")),
            ("escalations.received-at", rfc3339(int(now * SECOND)).encode()),
        ]
        try:
            await self._writer.write(source.topic, body, kept)
        except TooLarge as error:
            self._refuse_large(source, str(error), len(body))
        except (BrokerUnavailable, WriteRefused) as error:
            self._refuse(source, web.HTTPServiceUnavailable, str(error), again=AWAY_SECONDS)
        return web.Response(status=204)

    async def _read(self, source: Source, request: web.Request) -> bytes:
        if (request.content_length or 0) > source.largest:
            self._refuse_large(source, "the body is too large", request.content_length or 0)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > source.largest:
                        self._refuse_large(source, "the body is too large", len(body))
        except TimeoutError:
            self._refuse(source, web.HTTPRequestTimeout, f"the body took longer than {BODY_SECONDS:g} s")
        except (ConnectionError, web.RequestPayloadError):
            self._refuse(source, web.HTTPBadRequest, "the sender broke off")
        return bytes(body)

    def _refuse_large(self, source: Source, why: str, size: int) -> NoReturn:
        self._count(source, why)
        raise web.HTTPRequestEntityTooLarge(source.largest, size)

    def _refuse(
        self, source: Source, status: type[web.HTTPError], why: str, again: float | None = None
    ) -> NoReturn:
        self._count(source, why)
        # Why a signature was refused is nothing for whoever sent it.
        raise status(headers=None if again is None else {"retry-after": str(math.ceil(again))})

    def _count(self, source: Source, why: str) -> None:
        self._refused[source.name] += 1
        count = self._refused[source.name]
        # The first says what is wrong, the thousandth that it goes on; one line each would hide all else.
        if str(count).strip("0") == "1":
            log.warning("%s: %d requests refused so far; the latest: %s", source.name, count, why)

    async def _answer_health(self, _: web.Request) -> web.Response:
        # Anybody may ask, however often; the broker is asked every now and then.
        async with self._health:
            at, healthy = self._healthy
            if time.monotonic() - at > _HEALTH_SECONDS:
                healthy = await self._writer.reachable()
                self._healthy = time.monotonic(), healthy
        if healthy:
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "the broker does not answer"}, status=503)


async def serve(
    receiver: Receiver,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Listen until `stop`, then finish what is under way. `on_ready` gets the address.

    Raises OSError when the address cannot be had.
    """
    # Here it reports what is no HTTP, with a traceback for each and with what it has read.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    runner = web.AppRunner(receiver.app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        bound = runner.addresses[0]
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        on_ready(f"{'https' if tls else 'http'}://{name}:{bound[1]}")
        await stop.wait()
        await site.stop()
        # The library's own end drops what is missing of bodies that are on their way.
        await receiver.finish()
    finally:
        await runner.cleanup()
