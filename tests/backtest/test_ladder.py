"""A sweep in one pass decides what a replay of each value alone decides."""

from collections import Counter
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from streams.backtest.history import read_history
from streams.backtest.ladder import Call
from streams.backtest.plain_ladder import is_plain
from streams.backtest.replay import replay
from streams.backtest.sweep import only_moves_deadline, read_sweep, variants
from streams.backtest.tune import decided
from streams.config import load
from streams.core.escalation import CALLS, Escalation
from streams.core.timestamps import from_rfc3339, rfc3339
from streams.feeds.files import read_messages
from tests.backtest.worlds import CONFIG, rows, write

CLOCK = {"clock": "resolution", "target": {"urgent": "20h", "else": "60h"}}
IN_STAGE = {"in_stage": "2h"}
WAITING = [
    {"after": "6h", "notify": "field:owner"},
    {"after": "9h", "notify": "anna", "reassign": "team:desk"},
]
CHAIN = [
    {"after": "6h", "notify": "field:owner"},
    {"after": "9h", "notify": ["anna", "owner.manager"], "severity": "high"},
    {"after": "3 working hours", "notify": "team:desk", "repeat": {"every": "1d", "times": 2}},
]
PATHS: dict[str, tuple[dict[str, Any], str]] = {
    "one target of several": ({"when": CLOCK}, "target.urgent=1h..90h/25"),
    "the other target": ({"when": CLOCK}, "else=1h..200h/25"),
    "clock that does not pause": (
        {"when": {**CLOCK, "target": "20h", "pauses": False, "warn": ["50%", "10m"]}},
        "target=1h..90h/25",
    ),
    "working days": (
        {"when": {"untouched": "1 working days", "calendar": "desk"}},
        "untouched=1 working days..9 working days/9",
    ),
    "working hours": (
        {"when": {"in_stage": "2h", "calendar": "desk"}},
        "in_stage=2 working hours..50 working hours/20",
    ),
    "for and hold": ({"when": IN_STAGE, "for": "3h", "hold": "5h"}, "in_stage=1h..4d/20"),
    "rearm and where": (
        {"when": IN_STAGE, "rearm": "2d", "where": {"priority": {"not": "low"}}},
        "in_stage=1h..4d/20",
    ),
    "a long chain, and other clauses": (
        {
            "when": {"untouched": "2h", "calendar": "desk"},
            "where": {"priority": {"not": "low"}, "stage": ["new", "open", "waiting"]},
            "steps": CHAIN,
        },
        "untouched=1h..4d/20",
    ),
    "what was before": (
        {
            "when": {**IN_STAGE, "calendar": "desk"},
            "where": {"priority": {"changed": {"from": "low"}}},
            "steps": CHAIN,
        },
        "in_stage=1h..4d/20",
    ),
    "a long chain, and pauses": ({"when": {**CLOCK, "calendar": "desk"}, "steps": CHAIN}, "else=1h..30h/25"),
    "working and elapsed": (
        {"when": {"untouched": "2h", "calendar": "desk"}},
        "untouched=1d,2 working days,20h,8 working hours,3d,3 working days",
    ),
    "first step waits": (
        {"when": {"untouched": "2h"}, "steps": WAITING, "give_up": "2d"},
        "untouched=1h..4d/20",
    ),
    "ignored backlog": ({"when": IN_STAGE, "backlog": "ignore"}, "in_stage=1h..4d/20"),
    "it remembers": (
        {"when": {"untouched": {"for": "2h", "fields": ["priority"]}}},
        "untouched.for=1h..4d/10",
    ),
    "similar": (
        {"when": {"in_stage": {"longer_than_similar": "90%", "sample": 5, "otherwise": "30h"}}},
        "longer_than_similar=50%,70%,90%",
    ),
}


LINGERING = {
    "clock that does not pause",
    "for and hold",
    "rearm and where",
    "first step waits",
    "ignored backlog",
}


def happened(each: Call | Escalation) -> tuple[Any, ...]:
    """All that a sweep has to get right."""
    at = rfc3339(each.at) if isinstance(each, Call) else each.at
    return each.event, each.record, each.episode, each.step, at, each.notify, each.severity


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("seed", [1, 2])
def test_each_variant_decides_what_it_decides_alone(name: str, seed: int, tmp_path: Path) -> None:
    more, over = PATHS[name]
    config = deepcopy(CONFIG)
    config["paths"]["slow"].update(more)
    history = rows(seed)
    if seed == 2:
        # Much happens at the very moment at which something is due.
        history = [
            {**row, **{name: f"{row[name][:13]}:00:00Z" for name in ("opened", "changed")}} for row in history
        ]
    write(tmp_path, history, config)
    loaded = load(tmp_path / "escalations.yaml")
    feed = loaded.feeds["tickets"]
    changes = list(read_history(feed, read_messages(feed, tmp_path / "tickets.csv")).changes)
    rules = loaded.rules
    sweeps = [read_sweep(over, rules.document["paths"]["slow"]["when"])]
    tried = variants(rules, "slow", sweeps)
    until = from_rfc3339("2026-04-20T00:00:00Z")
    sleeping = only_moves_deadline(sweeps, tried)
    assert sleeping == (name not in ("it remembers", "similar", "working and elapsed"))
    assert is_plain(tried[0].path) == (name not in LINGERING)
    swept = decided(rules, [each.path for each in tried], changes, until, sleeping=sleeping)
    got = [Counter[tuple[Any, ...]]() for _ in tried]
    for each in chain.from_iterable(swept):
        for number in each.numbers:
            got[number][happened(each)] += 1
    alone = deepcopy(config)
    fired = set()
    for number, variant in enumerate(tried):
        alone["paths"]["slow"]["when"] = _with(config, sweeps[0].key, variant.values[0])
        write(tmp_path, history, alone)
        decisions = replay(load(tmp_path / "escalations.yaml").rules, changes, until)
        expected = Counter(happened(each) for each in decisions if each.event in CALLS)
        assert got[number] == expected, variant.values
        fired.add(expected.total())
    assert len(fired) > 1, "the values make no difference: this proves nothing"


def _with(config: dict[str, Any], key: tuple[str, ...], value: Any) -> Any:
    when = deepcopy(config["paths"]["slow"]["when"])
    place = when
    for each in key[:-1]:
        place = place[each]
    place[key[-1]] = value
    return when
