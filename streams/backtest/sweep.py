"""What to sweep: `KEY=VALUES`, where KEY is a place in a path's `when`.

in_stage=1d..60d/50               50 values in even steps, both ends among them
target.urgent=2h..48h             20 values
value.crosses=10000 EUR..500000 EUR/8
longer_than_similar=80%,90%,95%   these
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import product
from typing import Any

import msgspec

from streams.core.document import Node, Problems, did_you_mean
from streams.core.rules import Path, Rules, read_rules
from streams.core.spans import Span, read_span
from streams.core.timestamps import MINUTE
from streams.core.triggers.stage import LongerThanSimilar

MOST = 200
"""How many values, or pairs of them, one sweep may have."""
_USUAL = 20

_AMOUNT = re.compile(r"\s*(-?[0-9][0-9_]*(?:\.[0-9]+)?)(\s*)(.*?)\s*")
_RANGE = re.compile(r"(.+?)\.\.(.+?)(?:/([0-9]+))?")


class BadSweep(Exception):
    """It does not say what to sweep, or the path cannot have such a value; the text says why."""


class Sweep(msgspec.Struct, frozen=True):
    """`key`: a place below `when`. values: as they would be written there."""

    key: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        return ".".join(self.key)


class Variant(msgspec.Struct, frozen=True):
    """A path with other thresholds: the `values` of each sweep, in the order of the sweeps."""

    values: tuple[Any, ...]
    path: Path


def read_sweep(text: str, when: Mapping[str, Any]) -> Sweep:
    """The sweep that `text` asks for on a path with this `when`. Raises BadSweep."""
    name, equals, listed = text.partition("=")
    if not (equals and name.strip() and listed.strip()):
        raise BadSweep(f"{text!r} is no sweep; write one such as in_stage=1d..60d/50")
    key = _find(tuple(name.strip().split(".")), when)
    match = _RANGE.fullmatch(listed.strip())
    values = _between(match) if match else [_plain(each) for each in listed.split(",")]
    return Sweep(key, tuple(dict.fromkeys(values)))


def variants(rules: Rules, name: str, sweeps: list[Sweep]) -> list[Variant]:
    """The path with each value, or each combination of them. Raises BadSweep."""
    if len({sweep.key for sweep in sweeps}) < len(sweeps):
        raise BadSweep(f"{sweeps[0].name} is swept twice; name another place, or all values in one list")
    combined = list(product(*(sweep.values for sweep in sweeps)))
    if len(combined) > MOST:
        raise BadSweep(f"these are {len(combined):,} variants; at most {MOST} can be swept at once")
    return [Variant(values, _variant(rules, name, sweeps, values)) for values in combined]


def only_moves_deadline(sweeps: list[Sweep], tried: Sequence[Variant]) -> bool:
    """Whether all that the threshold of a path does is that a longer span makes a later deadline, which
    follows from a record as it is."""
    if len(sweeps) != 1:
        return False
    key = sweeps[0].key
    moves = key in (("in_stage",), ("untouched",), ("target",)) or (len(key) == 2 and key[0] == "target")
    return moves and in_order([each.path for each in tried])


def in_order(paths: Sequence[Path]) -> bool:
    """Whether of paths that differ in one span alone the one with the longer span has the later deadline,
    which follows from a record as it is."""
    if any(path.trigger.remembers or isinstance(path.trigger, LongerThanSimilar) for path in paths):
        return False
    # Two working days end before thirty hours, or after them: that depends on the day.
    return len({tuple((span.working, span.days > 0) for span in spans(path)) for path in paths}) == 1


def spans(path: Path) -> list[Span]:
    """The spans of a path that only waits for the end of one."""
    trigger: Any = path.trigger
    targets = getattr(trigger, "targets", None)
    return [trigger.span] if targets is None else targets.spans()


def _variant(rules: Rules, name: str, sweeps: list[Sweep], values: tuple[Any, ...]) -> Path:
    written = deepcopy(rules.document["paths"][name])
    for sweep, value in zip(sweeps, values, strict=True):
        place = written["when"]
        for key in sweep.key[:-1]:
            place = place[key]
        place[sweep.key[-1]] = value
    problems = Problems()
    compiled = read_rules({**rules.document, "paths": {name: written}}, problems)
    if problems:
        shown = ", ".join(f"{sweep.name}={value}" for sweep, value in zip(sweeps, values, strict=True))
        raise BadSweep(f"{shown}: {problems[0].message}. {problems[0].remedy}")
    return compiled.paths[0]


def _find(key: tuple[str, ...], when: Mapping[str, Any]) -> tuple[str, ...]:
    """`key` as it stands in `when`, or the one place further down that ends like it."""
    places = [place for place in _places(when) if place[-len(key) :] == key]
    if len(places) != 1:
        known = ", ".join(".".join(place) for place in _places(when))
        which = "is not in" if not places else "is in several places of"
        hint = did_you_mean(".".join(key), [".".join(place) for place in _places(when)])
        raise BadSweep(f"{'.'.join(key)!r} {which} `when` of the path. {hint}There are: {known}")
    return places[0]


def _places(value: Mapping[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    places = []
    for key, each in value.items():
        if isinstance(each, dict):
            places += _places(each, (*before, str(key)))
        else:
            places.append((*before, str(key)))
    return places


def _between(match: re.Match[str]) -> list[Any]:
    """Values in even steps from the first to the last."""
    count = int(match[3]) if match[3] else _USUAL
    ends = [_AMOUNT.fullmatch(match[1]), _AMOUNT.fullmatch(match[2])]
    first, last = ends
    if first is None or last is None or not 2 <= count <= MOST:
        raise BadSweep(
            f"{match[0]!r} is no range; write FIRST..LAST/COUNT with 2 to {MOST} values, such as 1d..60d/50"
        )
    low, high = (float(each[1].replace("_", "")) for each in (first, last))
    space, unit = last[2], last[3]
    # One of a unit is written otherwise than several.
    if first[3] and first[3].removesuffix("s") != unit.removesuffix("s"):
        if "working" in first[3] + unit:
            raise BadSweep(
                f"{match[0]!r}: write both ends in one unit, such as 1 working day..9 working days"
            )
        low, high = (_minutes(each[0]) for each in (first, last))
        space, unit = "", "m"
    if low >= high:
        raise BadSweep(f"{match[0]!r} begins at or after its end; write the lower end first")
    steps = [low + (high - low) * number / (count - 1) for number in range(count)]
    # Working days are whole, and nobody writes a threshold to more than three digits.
    whole = "working d" in unit or high - low >= 10 * count
    numbers = [round(step) if whole else round(step, 2) for step in steps]
    return [f"{each:.12g}{space}{unit}" if unit else _plain(f"{each:.12g}") for each in numbers]


def _minutes(text: str) -> float:
    problems = Problems()
    with problems.collect():
        return read_span(Node(text), None).micros / MINUTE
    raise BadSweep(f"{text!r}: {problems[0].message}. {problems[0].remedy}")


def _plain(text: str) -> Any:
    """A number where YAML would read one."""
    text = text.strip()
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
