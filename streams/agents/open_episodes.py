"""What is open now, read from the workers' changelog."""

from typing import Any

from rich.table import Table

from streams.agents.states import states
from streams.console import console
from streams.core.timestamps import rfc3339
from streams.log.connection import Connection
from streams.log.topics import Topics


def open_episodes(connection: Connection, topics: Topics) -> list[dict[str, Any]]:
    """Episodes that have escalated and not resolved, the longest open first.

    Each: `record`, `path`, `episode`, `since`, `step`, `told`, `next` (when the next step is due,
    or None). Raises BrokerUnavailable, NoSuchTopic.
    """
    episodes = [
        {
            "record": state.key,
            "path": path,
            "episode": standing.episode,
            "since": rfc3339(standing.opened or state.at),
            "step": standing.step,
            "told": list(standing.told),
            "next": None if standing.due is None else rfc3339(standing.due),
        }
        for state in states(connection, topics)
        for path, standing in state.standings.items()
        if standing.step
    ]
    return sorted(episodes, key=lambda each: (each["since"], each["record"], each["path"]))


def show(episodes: list[dict[str, Any]]) -> None:
    """The episodes as a table on standard output."""
    table = Table("record", "path", "since", "step", "told", "next step")
    for each in episodes:
        told = ", ".join(each["told"])
        next_step = "none" if each["next"] is None else _to_seconds(each["next"])
        table.add_row(
            each["record"], each["path"], _to_seconds(each["since"]), str(each["step"]), told, next_step
        )
    console().print(table)


def _to_seconds(moment: str) -> str:
    return moment[:19] + "Z"
