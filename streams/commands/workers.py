"""Several workers under one command: processes of their own, since one takes no more than one core."""

import asyncio
import logging
import os
import signal
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable, Sequence

from streams.commands.exit_codes import REFUSED

GRACE_SECONDS = 15.0
"""Longer than a worker takes to end that is able to."""


async def supervise(commands: Iterable[Sequence[str]]) -> int:
    """Run these, each of which calls `end_with_supervisor`, until SIGINT, SIGTERM or the end of one of
    them; then all end.

    Returns an exit code: 0 if that of all is, or else the first other one; REFUSED for a worker that was
    killed.
    """
    log = logging.getLogger("escalations")
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    codes: list[int] = []

    async def watch(number: int, worker: Process) -> None:
        code = await worker.wait()
        if ending.is_set() and code == -signal.SIGTERM:
            # It was still starting.
            code = 0
        if code < 0:
            log.error("worker %d was killed by signal %d (%s)", number, -code, signal.strsignal(-code))
        if not ending.is_set():
            log.error("worker %d has ended: the others are asked to", number)
        codes.append(REFUSED if code < 0 else code)
        ending.set()

    for order in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(order, ending.set)
    # In sessions of their own, so that Ctrl-C at the terminal reaches this process only.
    workers = [
        await asyncio.create_subprocess_exec(*command, stdin=PIPE, start_new_session=True)
        for command in commands
    ]
    watches = [asyncio.create_task(watch(number, worker)) for number, worker in enumerate(workers, 1)]
    await ending.wait()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    await asyncio.wait(watches, timeout=GRACE_SECONDS)
    for number, worker in enumerate(workers, 1):
        if worker.returncode is None:
            log.error("worker %d has not ended within %g s", number, GRACE_SECONDS)
            worker.kill()
    await asyncio.gather(*watches)
    return next(filter(None, codes), 0)


def end_with_supervisor() -> None:
    """Have this process asked to end as soon as its standard input, the supervisor's pipe, does: because the
    supervisor closes it, or because it is gone, however that ended."""

    def wait() -> None:
        # Nothing is ever written.
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
