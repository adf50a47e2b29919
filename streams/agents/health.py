"""Health and metrics over HTTP, for whoever keeps the worker running."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@asynccontextmanager
async def served(
    place: tuple[str, int], registry: CollectorRegistry, alive: Callable[[], bool], ready: Callable[[], bool]
) -> AsyncIterator[None]:
    """Serve `/livez`, `/readyz` and `/metrics` at `place`, host and port. Raises OSError if that is taken.

    `/livez` answers 503 when the process is stuck and only a restart helps; `/readyz` while it is not
    working on all that is assigned to it, such as when the broker is away.
    """
    app = web.Application()
    app.add_routes(
        [
            web.get("/livez", lambda _: _answer(alive())),
            web.get("/readyz", lambda _: _answer(ready())),
            web.get("/metrics", lambda _: _metrics(registry)),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, *place).start()
        yield
    finally:
        await runner.cleanup()


async def _answer(good: bool) -> web.Response:
    return web.Response(text="ok\n" if good else "no\n", status=200 if good else 503)


async def _metrics(registry: CollectorRegistry) -> web.Response:
    return web.Response(body=generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})
