"""The summary's arithmetic, on escalations made by hand."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.backtest.replay import Replay
from streams.backtest.report import show
from streams.backtest.summary import Summary
from streams.core.document import Problems
from streams.core.entries import Change, Source
from streams.core.escalation import Escalation, Event
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import from_rfc3339
from tests.command import golden


def rules(*paths: str) -> Rules:
    path = {"about": "deal", "when": {"untouched": "1d"}, "steps": [{"notify": "anna"}]}
    problems = Problems()
    compiled = read_rules(
        {
            "feeds": ["crm"],
            "people": {"anna": None},
            "fallback": "anna",
            "paths": dict.fromkeys(paths, path),
        },
        problems,
    )
    assert problems == []
    return compiled


def change(day: str) -> Change:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return Change(record=f"deal:{day}", op="upsert", at=at, feed="crm", source=Source("deals", 0, 1))


def escalation(
    at: str, *told: str, event: Event = "opened", path: str = "a", record: str = "deal:1"
) -> Escalation:
    return Escalation(
        id="0" * 32,
        event=event,
        record=record,
        path=path,
        version="0" * 12,
        episode=1,
        step=1,
        severity="medium",
        at=at,
        notify=told,
        summary="",
        reason={},
    )


def summary(days: list[str], escalations: Iterable[Escalation], until: str | None = None) -> Summary:
    compiled = rules("a", "b")
    end = None if until is None else from_rfc3339(until)
    replay = Replay(compiled)
    # What the rules themselves would say is not what is counted here.
    list(replay.run(map(change, days), end))
    made = Summary(compiled, replay, end)
    assert list(made.count(escalations)) == list(escalations)
    return made


def numbers(days: list[str], escalations: list[Escalation], until: str | None = None) -> dict[str, Any]:
    return summary(days, escalations, until).as_json()


def test_quiet_weeks_count_in_the_median() -> None:
    """Five weeks, from a Sunday to a Monday; anna is told in two of them, bert in one."""
    told = [escalation("2026-03-01T23:59:59Z", "anna"), escalation("2026-03-02T00:00:00Z", "anna", "bert")]
    counted = numbers(["2026-03-01", "2026-03-23"], [*told, escalation("2026-03-08T23:59:59Z", "anna")])
    assert counted["weeks"] == 5
    assert counted["recipients"] == {
        "anna": {"notices": 3, "median_week": 0, "worst_week": 2},
        "bert": {"notices": 1, "median_week": 0, "worst_week": 1},
    }
    shorter = numbers(["2026-03-01", "2026-03-08"], told)
    assert shorter["recipients"]["bert"]["median_week"] == 0.5


def test_weeks_are_those_of_iso_across_a_new_year() -> None:
    told = [escalation(f"{day}T09:00:00Z", "anna") for day in ("2025-12-29", "2026-01-04", "2026-01-05")]
    counted = numbers(["2025-12-29", "2026-01-05"], told)
    assert counted["weeks"] == 2
    assert counted["recipients"]["anna"] == {"notices": 3, "median_week": 1.5, "worst_week": 2}


def test_a_deadline_from_before_the_first_change_has_its_week() -> None:
    counted = numbers(["2026-03-10"], [escalation("2026-02-20T09:00:00Z", "anna")])
    assert counted["weeks"] == 4


def test_time_that_runs_on_counts_as_weeks() -> None:
    assert numbers(["2026-03-02"], [], "2026-03-15T23:00:00Z")["weeks"] == 2


def test_that_something_is_over_is_no_load() -> None:
    over = escalation("2026-03-02T09:00:00Z", "anna", event="resolved")
    counted = numbers(["2026-03-02"], [over])
    assert counted["recipients"] == {}
    assert counted["paths"]["a"] == {"records": 1, "opened": 0, "advanced": 0, "resolved": 1}


def test_a_record_counts_once_for_each_path() -> None:
    events = [
        escalation("2026-03-02T09:00:00Z", path=path, record=f"deal:{n}")
        for path, n in ("a1", "a1", "a2", "b1")
    ]
    paths = numbers(["2026-03-02"], events)["paths"]
    assert (paths["a"]["records"], paths["a"]["opened"]) == (2, 3)
    assert (paths["b"]["records"], paths["b"]["opened"]) == (1, 1)


def test_changes_after_until_do_not_count() -> None:
    counted = numbers(["2026-03-02", "2026-03-04", "2026-03-06"], [], "2026-03-04T00:00:00Z")
    assert (counted["changes"], counted["records"], counted["last"]) == (2, 2, "2026-03-04")


def test_large_numbers_and_what_looks_like_markup_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = summary(["2026-03-02"], [escalation("2026-03-02T09:00:00Z", "[red]anna[/]")])
    made.paths["a"].events["opened"] = 1_234_567
    show(made)
    golden("summary.txt", capsys.readouterr().out)
