"""Crash points: each gap between two writes, by name, for a process that is to die there.

The product knows nothing of them: in a process that a test has started, a method is wrapped.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from streams.agents.intake import IntakePartition
from streams.log.producer import TransactionalProducer
from streams.log.table import Table

PASSES = 2
"""The process dies when it comes by for the second time, so that there is something before it."""

_AT_IT_SECONDS = 0.002
"""So long after it has begun: about the time that a broker on this machine takes to answer."""


def _of_log(producer: TransactionalProducer) -> bool:
    return ".changes." in producer.transactional_id


def _of_feed(producer: TransactionalProducer) -> bool:
    return not _of_log(producer)


@dataclass(frozen=True)
class Point:
    """`when` a method is called on one that is `of` the right kind."""

    when: Literal["before", "during", "after"]
    owner: type
    method: str
    of: Callable[[Any], bool] = lambda _: True


POINTS = {
    "records-produced-not-committed": Point("before", TransactionalProducer, "_commit", _of_log),
    "records-commit-unanswered": Point("during", TransactionalProducer, "_commit", _of_log),
    "records-committed-not-stored": Point("before", Table, "keep"),
    "records-stored-not-acknowledged": Point("after", Table, "keep"),
    "recovery-fenced-not-read": Point("before", Table, "recover"),
    "recovery-read-not-stored": Point("before", Table, "_bring_forward"),
    "recovery-stored-not-open": Point("after", Table, "_bring_forward"),
    "intake-produced-not-committed": Point("before", TransactionalProducer, "_commit", _of_feed),
    "intake-commit-unanswered": Point("during", TransactionalProducer, "_commit", _of_feed),
    "intake-committed-not-acknowledged": Point("after", IntakePartition, "process"),
}


def arm(name: str) -> None:
    """Let this process die, as by a power cut, at the point of this name."""
    point = POINTS[name]
    method = getattr(point.owner, point.method)
    passes = count(1)

    def wrapped(self: Any, *arguments: Any) -> Any:
        if not point.of(self) or next(passes) != PASSES:
            return method(self, *arguments)
        if point.when == "before":
            _send(self)
            _die()
        if point.when == "during":
            threading.Timer(_AT_IT_SECONDS, _die).start()
        result = method(self, *arguments)
        _die()
        return result

    setattr(point.owner, point.method, wrapped)


def _send(owner: Any) -> None:
    """What is on its way is to be at the broker: else a commit that is missed would undo nothing."""
    if isinstance(owner, TransactionalProducer):
        owner._producer.flush(10)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
