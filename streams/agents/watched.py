"""Records, watched: what a worker commits is counted and timed."""

from pathlib import Path
from typing import Any

from streams.agents.metrics import Metrics, OpenEpisodes
from streams.agents.records import RecordsPartition
from streams.core.escalation import Escalation
from streams.log.connection import Connection
from streams.log.topics import Topics


class WatchedRecords(RecordsPartition):
    """A RecordsPartition that tells `metrics` what it has committed."""

    def __init__(
        self, connection: Connection, topics: Topics, partition: int, data: Path, metrics: Metrics
    ) -> None:
        super().__init__(connection, topics, partition, data)
        self._metrics = metrics
        self.open_episodes = OpenEpisodes()

    def open(self) -> None:
        super().open()
        for key, state in self._partition.records.encoded.items():
            self.open_episodes.now(key, state)

    def _commit(self, decisions: list[Escalation], letters: list[dict[str, Any]]) -> None:
        changed = list(self._partition.changed)
        super()._commit(decisions, letters)
        for key in changed:
            self.open_episodes.now(key, self._partition.records.encoded.get(key))
        self._metrics.escalated(decisions)
        self._metrics.put_aside(self._topics.changes.name, len(letters))
