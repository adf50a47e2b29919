"""A test, played: its entries through the core with a simulated clock, and what came against what
was expected.

Expectations are matched with escalations so that as many as possible are met. Of what is left, those
of one path and event that came at the right moment, or are right but for the moment, are taken for each
other; the rest is missing or unexpected.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from streams.backtest.replay import replay
from streams.core.escalation import Escalation
from streams.core.explain import explain
from streams.core.partition import Partition
from streams.core.rules import Rules
from streams.core.timestamps import from_rfc3339
from streams.ruletests.document import Expected, Test

Mark = Literal["met", "missing", "unexpected", "different"]


class Row(msgspec.Struct, frozen=True):
    """Something that was expected, or came, or both. why_not: how it stood when what is
    missing, or has come later, was expected."""

    mark: Mark
    expected: Expected | None = None
    got: Escalation | None = None
    why_not: tuple[str, ...] = ()

    @property
    def differing(self) -> list[tuple[str, Any, Any]]:
        """The facts that are others: name, expected, got. Of `because`, the parts that are not there."""
        if self.expected is None or self.got is None:
            return []
        return _differing(self.expected, self.got)


class Outcome(msgspec.Struct, frozen=True):
    """What became of a test. rows: in the order of time."""

    test: Test
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        return all(row.mark == "met" for row in self.rows)


def run(test: Test, rules: Rules) -> Outcome:
    got = [each for each in play(test, rules, test.until)[1] if test.only is None or each.path in test.only]
    rows = [_with_why_not(row, test, rules) for row in _compare(test.expected, got)]
    return Outcome(test, tuple(sorted(rows, key=lambda row: _at(row, test.until))))


def play(test: Test, rules: Rules, until: int) -> tuple[Partition, list[Escalation]]:
    """The partition as it is at `until` (microseconds), and what it has decided: as a replay does it."""
    partition = Partition([(0, rules)])
    return partition, list(replay(rules, test.entries, until, partition))


def reasons(escalation: Escalation) -> list[str]:
    """Why it came, and why to these people, each a line."""
    people = escalation.reason.get("people", ())
    return list(dict.fromkeys([escalation.reason["because"], *(each["because"] for each in people)]))


def _at(row: Row, otherwise: int) -> int:
    if row.got is not None:
        return from_rfc3339(row.got.at)
    at: int = row.expected.facts.get("at", otherwise) if row.expected is not None else otherwise
    return at


def _fact(got: Escalation, name: str) -> Any:
    match name:
        case "at":
            return from_rfc3339(got.at)
        case "notify":
            return tuple(sorted(got.notify))
        case "shadow" | "digest":
            return getattr(got, name) is True
        case "because":
            return "; ".join(reasons(got))
    return getattr(got, name)


def _differing(expected: Expected, got: Escalation) -> list[tuple[str, Any, Any]]:
    differing = []
    for name, wanted in expected.facts.items():
        came = _fact(got, name)
        if name == "because":
            lacking = tuple(part for part in wanted if part not in came)
            differing += [(name, lacking, came)] if lacking else []
        elif came != wanted:
            differing.append((name, wanted, came))
    return differing


def _compare(expected: tuple[Expected, ...], got: list[Escalation]) -> Iterator[Row]:
    differences = {
        (i, j): _differing(wanted, each)
        for i, wanted in enumerate(expected)
        for j, each in enumerate(got)
        if (wanted.path, wanted.event) == (each.path, each.event)
    }
    met = _matching({pair for pair, differing in differences.items() if not differing}, len(expected))
    others = sorted(
        (_distance(expected[i], got[j]), len(differing), i, j)
        for (i, j), differing in differences.items()
        if differing and _is_near({name for name, _, _ in differing})
    )
    pairs = dict(met)
    for *_, i, j in others:
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    for i, wanted in enumerate(expected):
        if i in pairs:
            yield Row("met" if i in met else "different", wanted, got[pairs[i]])
        else:
            yield Row("missing", wanted)
    for j, each in enumerate(got):
        if j not in pairs.values():
            yield Row("unexpected", None, each)


def _is_near(differing: set[str]) -> bool:
    return "record" not in differing and ("at" not in differing or len(differing) == 1)


def _distance(expected: Expected, got: Escalation) -> int:
    at = from_rfc3339(got.at)
    distance: int = abs(at - expected.facts.get("at", at))
    return distance


def _matching(edges: set[tuple[int, int]], size: int) -> dict[int, int]:
    """A largest matching of the left ends 0 to `size` with right ends: augmenting paths (Kuhn 1955)."""
    takers: dict[int, int] = {}

    def find(left: int, seen: set[int]) -> bool:
        for right in sorted(right for one, right in edges if one == left):
            if right not in seen:
                seen.add(right)
                if right not in takers or find(takers[right], seen):
                    takers[right] = left
                    return True
        return False

    for left in range(size):
        find(left, set())
    return {left: right for right, left in takers.items()}


def _with_why_not(row: Row, test: Test, rules: Rules) -> Row:
    expected = row.expected
    if expected is None:
        return row
    at = expected.facts.get("at", test.until)
    if row.mark != "missing" and (row.got is None or from_rfc3339(row.got.at) <= at):
        return row
    return msgspec.structs.replace(row, why_not=tuple(_why_not(test, rules, expected, at)))


def _why_not(test: Test, rules: Rules, expected: Expected, at: int) -> Iterator[str]:
    """How the path stood `at` that moment with the records that the expectation may be about."""
    partition, _ = play(test, rules, at)
    about = next(path.about for path in rules.paths if path.name == expected.path)
    records = [
        record
        for key, record in partition.records.items()
        if record.kind == about and key == expected.facts.get("record", key)
    ]
    if not records:
        yield f"no {about} was there"
    for record in records:
        for each in explain(rules, record, at):
            if each.path == expected.path:
                yield f"{record.key}: {each.summary}"
