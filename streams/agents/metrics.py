"""What a worker can be watched by, as Prometheus metrics."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.core.escalation import CALLS, Escalation
from streams.core.timestamps import SECOND, from_rfc3339, micros

_LATE_SECONDS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)
_BATCH_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


def lateness(escalations: Iterable[Escalation], now: datetime) -> Iterator[tuple[str, float]]:
    """By path, how many seconds after they were due those escalations came that ask somebody to act.

    What was due before anybody watched (the backlog) is not late.
    """
    at = micros(now)
    for each in escalations:
        if each.event in CALLS and each.digest is not True:
            yield each.path, max(0, at - from_rfc3339(each.at)) / SECOND


@dataclass(frozen=True)
class Present:
    """What holds at this moment. `watermarks`: by feed and partition, up to when it has been read.

    `open`: episodes by path. `ready`: whether all that is assigned is being worked on.
    """

    watermarks: Mapping[tuple[str, int], datetime]
    open: Mapping[str, int]
    ready: bool


class Metrics(Collector):
    """`present` is asked at each look. Methods may be called from any thread."""

    def __init__(self, present: Callable[[], Present]) -> None:
        self._present = present
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)
        self._lateness = Histogram(
            "escalations_lateness_seconds",
            "From when a warning or a step was due until it was written.",
            ["path"],
            buckets=_LATE_SECONDS,
            registry=self.registry,
        )
        self._messages = Counter(
            "escalations_messages", "Messages dealt with.", ["topic"], registry=self.registry
        )
        self._batches = Histogram(
            "escalations_batch_seconds",
            "How long a batch took, its commit included.",
            ["topic"],
            buckets=_BATCH_SECONDS,
            registry=self.registry,
        )
        self._letters = Counter(
            "escalations_dead_letters", "Messages put aside.", ["topic"], registry=self.registry
        )

    def done(self, topic: str, messages: int, seconds: float) -> None:
        """A batch has been dealt with."""
        self._messages.labels(topic).inc(messages)
        self._batches.labels(topic).observe(seconds)

    def put_aside(self, topic: str, letters: int) -> None:
        """So many messages of `topic` went to the dead letters."""
        if letters:
            self._letters.labels(topic).inc(letters)

    def escalated(self, escalations: Iterable[Escalation]) -> None:
        """These have been committed."""
        # Finding the label again costs more than counting.
        labelled = cache(self._lateness.labels)
        for path, seconds in lateness(escalations, datetime.now(UTC)):
            labelled(path).observe(seconds)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        present = self._present()
        now = datetime.now(UTC)
        ready = GaugeMetricFamily("escalations_ready", "1 while all that is assigned is being worked on.")
        ready.add_metric([], float(present.ready))
        yield ready
        names = ["feed", "partition"]
        mark = GaugeMetricFamily(
            "escalations_feed_watermark_timestamp_seconds",
            "Up to when a partition of a feed has been read, in Unix time.",
            labels=names,
        )
        behind = GaugeMetricFamily("escalations_feed_behind_seconds", "How long ago that is.", labels=names)
        for (feed, partition), at in sorted(present.watermarks.items()):
            mark.add_metric([feed, str(partition)], at.timestamp())
            behind.add_metric([feed, str(partition)], (now - at).total_seconds())
        yield mark
        yield behind
        episodes = GaugeMetricFamily("escalations_open_episodes", "Open episodes.", labels=["path"])
        for path, count in sorted(present.open.items()):
            episodes.add_metric([path], count)
        yield episodes
