"""A history into a topic, in the order in which it happened, and as fast as it happened or faster."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from streams.core.entries import Fact
from streams.core.timestamps import SECOND, micros
from streams.feeds import Message
from streams.log.producer import PlainProducer, TooLarge, WriteRefused

BATCH = 1000
"""Messages between two acknowledgements."""

_LOOK_SECONDS = 0.1

Told = tuple[Fact, Message]
"""A message, and the (first) fact that it tells."""


def play(
    producer: PlainProducer,
    topic: str,
    partitions: int,
    history: Sequence[Told],
    *,
    keyed: bool,
    speed: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Told]:
    """Write `history`, which is in order, and yield each of it once the broker has it; until `stopped`.

    What is written has the message's own key, headers and timestamp. With `keyed`, one without a key
    gets its record's; else it goes into the partition that it came from. speed: seconds of the history
    in each second; None does not wait. Raises WriteRefused or BrokerUnavailable.
    """
    begun = time.monotonic()
    done = 0
    while done < len(history) and not stopped():
        end = min(done + BATCH, len(history))
        if speed is not None:
            reached = _at(history[0]) + (time.monotonic() - begun) * speed * SECOND
            end = bisect_right(history, reached, done, end, key=_at)
            if end == done:
                wait = (_at(history[done]) - reached) / SECOND / speed
                time.sleep(min(wait, _LOOK_SECONDS))
                continue
        batch = history[done:end]
        try:
            producer.write(topic, (_written(change, each, keyed, partitions) for change, each in batch))
        except TooLarge as error:
            raise WriteRefused(str(error)) from None
        if not done:
            # To reach the broker took a while, and what came right after the first is not due yet.
            begun = time.monotonic()
        done = end
        yield from batch


def _at(told: Told) -> int:
    return micros(told[0].at)


def _written(fact: Fact, message: Message, keyed: bool, partitions: int) -> dict[str, Any]:
    """Arguments for `produce`."""
    written: dict[str, Any] = {
        "key": message.key,
        "value": message.value,
        "headers": list(message.headers),
    }
    if message.timestamp is not None:
        written["timestamp"] = message.timestamp
    if message.key is None:
        if keyed:
            written["key"] = fact.record.encode()
        else:
            # Anywhere else they would overtake each other.
            written["partition"] = message.partition % partitions
    return written
