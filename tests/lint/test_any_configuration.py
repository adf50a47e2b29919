"""A configuration that loads is looked at without an error, whatever is in it."""

import random
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from streams.config import ConfigError, load_with_source
from streams.diagnostics import render
from streams.lint import CHECKS, lint
from streams.lint.ignoring import NAME as UNUSED_IGNORE
from tests.command import REPOSITORY
from tests.lint.test_checks import GOLDEN
from tests.lint.test_logic import CONDITION

BASE: dict[str, Any] = yaml.safe_load((GOLDEN / "same-fire.yaml").read_text(encoding="utf-8"))
BASE["feeds"]["tickets"]["record"] |= {
    "planned": "planned_at",
    "by": "author",
    "customer": "requester",
    "contacts": "contact_count",
    "said": {"text": "body"},
}
CUSTOMERS = {"about": "customer", "when": {"contacts": 3, "within": "24h"}, "steps": [{"notify": "owner"}]}

ELAPSED = st.sampled_from(["5m", "2h", "3d", "6 weeks"])
SPANS = ELAPSED | st.sampled_from(["1 working day", "20 working hours", "10 working days"])
WHEN = st.one_of(
    st.builds(lambda span: {"untouched": span}, SPANS),
    st.builds(
        lambda span, by: {"untouched": {"for": span, "by": by}},
        SPANS,
        st.sampled_from(["person", "customer"]),
    ),
    st.builds(lambda span: {"in_stage": span}, SPANS),
    st.builds(
        lambda target, warn, pauses: {
            "clock": "resolution",
            "target": target,
            "warn": warn,
            "pauses": pauses,
        },
        SPANS | st.dictionaries(st.sampled_from(["urgent", "low", "x", "else"]), SPANS, min_size=1),
        st.lists(SPANS | st.just("75%"), min_size=1, max_size=2),
        st.booleans(),
    ),
    st.builds(
        lambda key, at, clear: {"value": {key: at, **clear}},
        st.sampled_from(["crosses", "falls_below"]),
        st.sampled_from(["5 EUR", "7 USD"]),
        st.sampled_from([{}, {"clear": "5 EUR"}, {"clear": "4 EUR"}]),
    ),
    st.sampled_from(
        [
            {"health": {"falls": "20 points", "within": "14d"}},
            {"health": {"falls_below": 50, "clear": 60}},
            {"health": {"unusual": 1.5}},
            {"in_stage": {"longer_than_similar": "90%", "otherwise": "30d"}},
            {"text": {"phrases": "standard", "sentiment": "negative"}},
        ]
    ),
)
RECIPIENT = st.sampled_from(
    ["owner", "anna", "bert", "owner.manager", "field:tier", "team:triage", "oncall:night"]
)
STEP = st.fixed_dictionaries(
    {"notify": RECIPIENT | st.lists(RECIPIENT, min_size=1, max_size=2)},
    optional={
        "after": SPANS,
        "reassign": RECIPIENT,
        "severity": st.sampled_from(["low", "high"]),
        "repeat": st.builds(lambda every, times: {"every": every, "times": times}, SPANS, st.integers(1, 4)),
    },
)
PATH = st.fixed_dictionaries(
    {
        "about": st.just("ticket"),
        "when": WHEN.map(lambda when: {**when, "calendar": "office"}),
        "steps": st.lists(STEP, min_size=1, max_size=3),
    },
    optional={
        "where": CONDITION,
        "for": ELAPSED,
        "hold": ELAPSED,
        "rearm": SPANS,
        "acknowledged_for": SPANS,
        "give_up": SPANS,
        "backlog": st.sampled_from(["escalate", "ignore"]),
        "shadow": st.booleans(),
    },
)
PERSON = st.fixed_dictionaries(
    {},
    optional={
        "active": st.booleans(),
        "leave": st.sampled_from(["2026-01-01/2026-03-03", ["2026-05-01", "2026-06-01/2026-12-31"]]),
    },
)


def look(path: Path) -> None:
    config, document = load_with_source(path)
    found = lint(config, document, date(2026, 6, 1))
    assert {each.name for each in found} <= {*CHECKS, UNUSED_IGNORE}
    assert all(each.line and each.column and render(each) for each in found)
    assert found == lint(config, document, date(2026, 6, 1))


def test_every_configuration_here() -> None:
    looked_at = 0
    for folder in ("streams", "tests"):
        for path in sorted((REPOSITORY / folder).rglob("*.yaml")):
            with suppress(ConfigError):
                look(path)
                looked_at += 1
    assert looked_at > len(CHECKS)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    paths=st.lists(PATH, min_size=1, max_size=4),
    bert=PERSON,
    comment=st.sampled_from(["", "never-fires", "no-such-check", "overlap,flood-risk"]),
    seed=st.integers(0, 9),
)
def test_any_paths(
    tmp_path: Path, paths: list[dict[str, Any]], bert: dict[str, Any], comment: str, seed: int
) -> None:
    data = {
        **BASE,
        "people": {**BASE["people"], "bert": bert},
        "teams": {"triage": ["anna"]},
        "rotas": {"night": {"people": "bert"}},
        "paths": {"customers": CUSTOMERS, **{f"p{number}": each for number, each in enumerate(paths)}},
    }
    lines = yaml.safe_dump(data, sort_keys=False).splitlines()
    if comment:
        lines.insert(random.Random(seed).randrange(len(lines)), f"# check: ignore {comment}")
    path = tmp_path / "escalations.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with suppress(ConfigError):
        look(path)
        event("loads")
