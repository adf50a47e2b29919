"""What a check is given and what it finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

from streams.config import Config
from streams.core.document import Position
from streams.core.rules import Path, Step
from streams.diagnostics import Weight


class Finding(NamedTuple):
    """One thing that is odd about a configuration in which nothing is wrong.

    weight: an error is what cannot be meant; a warning can be shown to be so, but may be meant; an info
        is worth knowing.
    position, key, message, remedy: as `Problem` has them.
    """

    weight: Weight
    position: Position
    message: str
    remedy: str
    key: bool = False


@dataclass(frozen=True, eq=False)
class Subject:
    """A configuration to be looked at, the `data` of its file, and which day it is."""

    config: Config
    data: Mapping[str, Any]
    today: date

    @cached_property
    def steps(self) -> Mapping[str, tuple["Written", ...]]:
        """The steps of each path as they are written."""
        return {path.name: tuple(_written(path, self.at("paths", path.name))) for path in self.paths}

    @property
    def paths(self) -> tuple[Path, ...]:
        return self.config.rules.paths

    def at(self, *position: str | int) -> Any:
        """What stands there; None where nothing does."""
        value: Any = self.data
        for name in position:
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list) and isinstance(name, int) and name < len(value):
                value = value[name]
            else:
                return None
        return value


class Written(NamedTuple):
    """A step as it is written: where, and what it is compiled to, once more for each time it is repeated."""

    position: Position
    steps: tuple[Step, ...]


Check = Callable[[Subject], Iterator[Finding]]


def _written(path: Path, data: Mapping[str, Any]) -> Iterator[Written]:
    taken = 0
    for index, each in enumerate(data["steps"]):
        repeat = each.get("repeat")
        count = 1 if repeat is None else 1 + repeat["times"]
        yield Written(("paths", path.name, "steps", index), path.steps[taken : taken + count])
        taken += count
