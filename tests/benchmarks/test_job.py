"""The peers' job is the one that `escalations.yaml` describes: else their output could never be the same."""

from collections import Counter
from pathlib import Path

from streams.backtest.replay import replay
from streams.config import load
from streams.core.timestamps import from_rfc3339
from tests.benchmarks.history import make_history, write_config
from tests.benchmarks.peers import expect


def test_the_configuration_and_the_plain_program_decide_the_same(tmp_path: Path) -> None:
    config = load(write_config(tmp_path, "job"))
    (feed,) = config.feeds.values()
    history = make_history(5_000, 500, warm_up=500)
    decided = Counter(
        (each.event, each.path, each.record, from_rfc3339(each.at))
        for each in replay(config.rules, history.changes(feed))
    )
    expected = Counter(expect(history).all)
    assert decided == expected
    assert {told[:2] for told in expected} == {
        (event, path) for event in ("opened", "resolved") for path in ("big", "stalled", "overdue")
    }
