"""What the paths that there are look at: the kinds, stages and segments of records that none does."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from streams.backtest.summary import PathLoad
from streams.core.conditions import holds
from streams.core.customers import KIND
from streams.core.record import Record
from streams.core.rules import Rules

K = TypeVar("K")

ALWAYS_SHARE = 0.9
"""A path that fires for so many of the records it looks at tells nothing of the one from the other."""

ALWAYS_RECORDS = 10
"""Of how many records that is said at least."""


class Coverage:
    """Takes every state of every record. A record is looked at by a path about its kind while that path's
    `where` holds; a stage or a segment is left alone when no record was looked at while it was in it.

    by: the facts that make segments.
    """

    def __init__(self, rules: Rules, by: Sequence[str]) -> None:
        self._rules = rules
        self._facts = tuple(dict.fromkeys(("stage", "priority", *by)))
        self._kinds: defaultdict[str, set[str]] = defaultdict(set)
        self._seen: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._covered: set[tuple[str, str, str]] = set()
        self._looked: defaultdict[str, set[str]] = defaultdict(set)

    def saw(self, record: Record) -> None:
        kind = record.kind
        self._kinds[kind].add(record.key)
        if not record.alive:
            return
        looking = [path.name for path in self._rules.about(kind) if holds(path.where, record)]
        for name in looking:
            self._looked[name].add(record.key)
        for fact in self._facts:
            value = record.fact(fact)
            if isinstance(value, str):
                segment = (kind, fact, value)
                self._seen[segment].add(record.key)
                if looking:
                    self._covered.add(segment)

    def as_json(self, loads: Mapping[str, PathLoad]) -> dict[str, Any]:
        """What no path looks at, each with how many records, the most first; and the paths that never fired,
        and those that nearly always did, by `loads`, what a backtest found of each.

        Where no path is about a kind, its stages and segments are not listed besides. Customers are a kind
        that follows from others, and need none.
        """
        about = {path.about for path in self._rules.paths}
        return {
            "kinds": [
                {"kind": kind, "records": len(keys)}
                for kind, keys in _most(self._kinds)
                if kind not in about and kind != KIND
            ],
            "segments": [
                {"kind": kind, "field": fact, "value": value, "records": len(keys)}
                for (kind, fact, value), keys in _most(self._seen)
                if kind in about and (kind, fact, value) not in self._covered
            ],
            "never_fire": [path.name for path in self._rules.paths if not loads[path.name].events["opened"]],
            "always_fire": [
                {"path": path.name, "records": len(loads[path.name].records), "of": len(looked)}
                for path in self._rules.paths
                if len(looked := self._looked[path.name]) >= ALWAYS_RECORDS
                and len(loads[path.name].records) >= ALWAYS_SHARE * len(looked)
            ],
        }


def _most(sets: Mapping[K, set[str]]) -> list[tuple[K, set[str]]]:
    return sorted(sets.items(), key=lambda each: (-len(each[1]), str(each[0])))
