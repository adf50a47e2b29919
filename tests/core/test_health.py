"""Health drop: what is a fall, how long it lasts, and that late scores change nothing but the past."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streams.core.document import Problems
from streams.core.entries import Change, NewRules, Source
from streams.core.record import HEALTH_HISTORY
from streams.core.rules import Rules, read_rules
from streams.core.timestamps import DAY, from_rfc3339, micros, moment, rfc3339
from tests.core.worlds import World, brief

FALLS = {"falls": "20 points", "within": "14d"}
FALLS_CLEAR = {**FALLS, "clear": "10 points"}
PERCENT = {"falls": "30%", "within": "14d"}
BELOW = {"falls_below": 50}
BELOW_CLEAR = {"falls_below": 50, "clear": 60}
UNUSUAL = {"unusual": 3.5}


def document(health: Any, **path: Any) -> dict[str, Any]:
    when = {"health": health, **path.pop("when", {})}
    return {
        "feeds": ["crm"],
        "people": {"anna": None},
        "fallback": "anna",
        "calendars": {"office": {"open": {"mon-fri": "09:00-17:00"}}},
        "paths": {"p": {"about": "account", "when": when, "steps": [{"notify": "anna"}], **path}},
    }


def compiled(health: Any, **path: Any) -> Rules:
    problems = Problems()
    rules = read_rules(document(health, **path), problems)
    assert not problems, "\n".join(map(str, problems))
    return rules


def world(health: Any, **path: Any) -> World:
    return World(compiled(health, **path))


def at(day: int) -> str:
    """Day 1 is 2026-01-01."""
    return rfc3339(from_rfc3339("2026-01-01T00:00:00Z") + (day - 1) * DAY)


class Scores:
    """An account whose scores become known one after the other, each on its own day or later."""

    def __init__(self, rules: Rules, known_from: int = 1) -> None:
        self.world = World(rules)
        self.known = known_from

    def take(self, day: int, score: float, known: int | None = None) -> list[str]:
        """The score of a `day`; `known` is the day of the change that brings it. What it led to."""
        self.known = max(self.known, day if known is None else known)
        self.world.offset += 1
        change = Change(
            record="account:1",
            op="upsert",
            at=moment(from_rfc3339(at(self.known))),
            feed="crm",
            source=Source("crm", 0, self.world.offset),
            order=(self.world.offset,),
            fields={"health": score, "scored": at(day)},
        )
        return [each.event for each in self.world.take(change)]

    @property
    def holds(self) -> bool:
        """Whether an episode is open."""
        seen = self.world.seen
        return bool(seen) and seen[-1].event == "opened"

    @property
    def history(self) -> tuple[tuple[int, float], ...]:
        return self.world.partition.records["account:1"].health


def played(health: Any, scores: list[tuple[int, float]], **path: Any) -> list[tuple[int, str]]:
    """The events, each with the day of the score that led to it."""
    account = Scores(compiled(health, **path))
    return [(day, event) for day, score in scores for event in account.take(day, score)]


def daily(*scores: float) -> list[tuple[int, float]]:
    return list(enumerate(scores, 1))


@pytest.mark.parametrize(
    ("health", "scores", "events"),
    [
        # By points: from the highest in the span, not from the one before.
        (FALLS, daily(80, 60), [(2, "opened")]),
        (FALLS, daily(80, 60.1), []),
        (FALLS, daily(80, 75, 70, 65, 60), [(5, "opened")]),
        (FALLS, daily(70, 80, 60), [(3, "opened")]),
        (FALLS, daily(60, 80), []),
        (FALLS, daily(40), []),
        (FALLS, daily(64.1, 44.1), [(2, "opened")]),
        # The span reaches back to the score that was in force when it began.
        (FALLS, [(1, 80), (60, 60)], [(60, "opened")]),
        (FALLS, [(1, 80), (2, 70), (16, 60)], []),
        (FALLS, [(1, 80), (2, 70), (15, 60)], [(15, "opened")]),
        (FALLS, [(1, 80), (3, 70), (16, 60)], [(16, "opened")]),
        # By percent of the highest.
        (PERCENT, daily(10, 7), [(2, "opened")]),
        (PERCENT, daily(10, 7.01), []),
        (PERCENT, daily(90, 65), []),
        (PERCENT, daily(0, -50), []),
        (PERCENT, daily(-10, -50), []),
        # A change of band.
        (BELOW, daily(50, 49.9), [(2, "opened")]),
        (BELOW, daily(60, 50), []),
        (BELOW, daily(40), []),
        (BELOW, daily(40, 30), []),
        (BELOW, daily(40, 50, 40), [(3, "opened")]),
        # Unusual: median 80, MAD 1, so it is 3.5 from 74.81 on.
        (UNUSUAL, daily(79, 81, 80, 80, 82, 78, 74.9), []),
        (UNUSUAL, daily(79, 81, 80, 80, 82, 78, 74.8), [(7, "opened")]),
        (UNUSUAL, daily(79, 81, 80, 80, 82, 78, 99), []),
        (UNUSUAL, daily(40, 60, 50, 70, 30, 50, 35), []),
        # With five earlier ones by default.
        (UNUSUAL, daily(79, 81, 80, 82, 10), []),
        (UNUSUAL, daily(79, 81, 80, 82, 78, 10), [(6, "opened")]),
        ({**UNUSUAL, "samples": 3}, daily(79, 81, 80, 10), [(4, "opened")]),
        ({**UNUSUAL, "samples": 7}, daily(79, 81, 80, 82, 78, 10), []),
        ({**FALLS, "samples": 3}, daily(80, 50, 40), []),
        ({**FALLS, "samples": 3}, daily(80, 50, 40, 30), [(4, "opened")]),
        ({**BELOW, "samples": 3}, daily(60, 55, 40), []),
        # At least so many points below the median.
        ({**UNUSUAL, "least": "10 points"}, daily(79, 81, 80, 80, 82, 78, 70.1), []),
        ({**UNUSUAL, "least": "10 points"}, daily(79, 81, 80, 80, 82, 78, 70), [(7, "opened")]),
        # MAD 0: most of the earlier scores are the same.
        (UNUSUAL, daily(80, 80, 80, 80, 80, 10), []),
        (UNUSUAL, daily(80, 80, 80, 80, 75, 10), []),
        ({**UNUSUAL, "least": "5 points"}, daily(80, 80, 80, 80, 75, 75), [(6, "opened")]),
        ({**UNUSUAL, "least": "5 points"}, daily(80, 80, 80, 80, 75, 75.1), []),
        ({**UNUSUAL, "least": "1 point"}, daily(0.1, 0.3, 0.2, 0.4, 0.3, 0.1), []),
    ],
)
def test_what_is_a_fall(health: Any, scores: list[tuple[int, float]], events: list[tuple[int, str]]) -> None:
    assert played(health, scores) == events


@pytest.mark.parametrize(
    ("health", "scores", "events"),
    [
        # By default over when what is left is less than what it takes.
        (FALLS, daily(80, 55, 60, 60.1), [(2, "opened"), (4, "resolved")]),
        (FALLS_CLEAR, daily(80, 55, 65, 70, 55, 70.1), [(2, "opened"), (6, "resolved")]),
        # The level it fell from stays, though it has left the span, until it is reached again.
        (FALLS, [(1, 80), (2, 55), (40, 55), (80, 56), (81, 61)], [(2, "opened"), (81, "resolved")]),
        # After that it can fall again, from where it then is.
        (FALLS, daily(80, 55, 61, 45), [(2, "opened"), (3, "resolved"), (4, "opened")]),
        ({**PERCENT, "clear": "10%"}, daily(10, 7, 9, 9.1), [(2, "opened"), (4, "resolved")]),
        (BELOW, daily(60, 49, 50), [(2, "opened"), (3, "resolved")]),
        (BELOW_CLEAR, daily(60, 49, 59.9, 49, 60), [(2, "opened"), (5, "resolved")]),
        (BELOW_CLEAR, daily(60, 49, 60, 55), [(2, "opened"), (3, "resolved")]),
        # Against the scores before the fall: getting used to it does not end it.
        (
            {**UNUSUAL, "samples": 4},
            daily(79, 81, 80, 82, 50, 50, 50, 50, 50, 50, 50, 50, 80),
            [(5, "opened"), (13, "resolved")],
        ),
        (
            {**UNUSUAL, "clear": 2},
            daily(79, 81, 80, 80, 82, 78, 74, 76, 77, 77.1),
            [(7, "opened"), (10, "resolved")],
        ),
    ],
)
def test_hysteresis_a_fall_lasts_until_a_score_clears_it(
    health: Any, scores: list[tuple[int, float]], events: list[tuple[int, str]]
) -> None:
    assert played(health, scores) == events


def test_a_score_alerts_on_the_transition_and_not_on_each_recalculation() -> None:
    scores = daily(80, 55, *[55 + day % 3 for day in range(40)])
    assert played(BELOW, [(day, score - 8) for day, score in scores]) == [(2, "opened")]
    assert played(FALLS, scores[:HEALTH_HISTORY]) == [(2, "opened")]


def test_tiny_dips_are_noise() -> None:
    scores = daily(*[80 - day % 2 / 10 for day in range(12)], 79.5)
    for health in (FALLS, PERCENT, BELOW, {**UNUSUAL, "least": "5 points"}):
        assert played(health, scores) == []


def test_a_score_drop_is_a_difference_over_a_span_a_change_of_band_or_unusual_for_this_account() -> None:
    scores = daily(79, 81, 80, 80, 82, 78, 45)
    for health in (FALLS, PERCENT, BELOW, UNUSUAL):
        assert played(health, scores) == [(7, "opened")]


def test_time_alone_ends_no_fall_and_brings_none() -> None:
    account = Scores(compiled(FALLS))
    account.take(1, 80)
    account.take(2, 55)
    account.world.until("12-31T00:00")
    assert account.holds


def test_a_fall_ends_when_the_scores_that_show_it_are_forgotten() -> None:
    account = Scores(compiled(FALLS))
    events = [account.take(day, score) for day, score in daily(80, *[55] * HEALTH_HISTORY)]
    assert events == [[], ["opened"], *[[]] * (HEALTH_HISTORY - 2), ["resolved"]]
    # A band needs no memory.
    account = Scores(compiled(BELOW_CLEAR))
    events = [account.take(day, score) for day, score in daily(80, 40, *[55] * 100, 60)]
    assert events == [[], ["opened"], *[[]] * 100, ["resolved"]]


def test_the_condition_is_followed_while_another_clause_does_not_hold() -> None:
    account = Scores(compiled(FALLS, where={"owner": "eve"}))
    account.take(1, 80)
    account.take(2, 55)
    account.take(3, 57)
    world = account.world
    assert brief(world.change("02-01T00:00", "account:1", owner="eve")) == [
        ("02-01T00:00", "opened", ("anna",))
    ]
    assert [each.event for each in world.change("02-02T00:00", "account:1", owner="bob")] == ["resolved"]
    assert account.take(40, 70) == []
    assert world.change("02-12T00:00", "account:1", owner="eve") == []


@pytest.mark.parametrize(
    ("scores", "again"),
    [((80.0, 55.0, 45.1), False), ((80.0, 55.0, 45.0), True), ((80.0, 55.0, 59.0), False)],
)
def test_it_opens_anew_when_it_is_worse_by_so_many_points(scores: tuple[float, ...], again: bool) -> None:
    events = played(FALLS, daily(*scores), rearm={"after": "30d", "or": "worse by 10 points"})
    assert events == [(2, "opened"), *[(3, "resolved"), (3, "opened")] * again]


def test_a_path_of_a_new_version_judges_the_scores_there_are() -> None:
    account = Scores(compiled(FALLS))
    account.take(1, 80)
    account.take(2, 55)
    for fall, events in (("30 points", ["resolved"]), ("25 points", ["opened"]), ("24 points", [])):
        now = moment(account.world.partition.records["account:1"].at + DAY)
        account.world.partition.fold(NewRules(now, document({"falls": fall, "within": "14d"})))
        assert [each.event for each in account.world.partition.advance(micros(now))] == events


def test_the_span_can_be_working_time() -> None:
    health = {"falls": "20 points", "within": "2 working days"}
    path = {"when": {"calendar": "office"}}
    # 2026-01-02 is a Friday, the 6th a Tuesday.
    assert played(health, [(1, 90), (2, 80), (6, 60)], **path) == [(6, "opened")]
    assert played(health, [(1, 90), (2, 79), (6, 60)], **path) == []


@pytest.mark.parametrize(
    ("health", "scores", "because", "clock"),
    [
        (
            FALLS,
            daily(70, 80, 55),
            "health has fallen by 25 points, from 80 to 55",
            {
                "score": 55,
                "scored": at(3),
                "fell": at(3),
                "highest": 80,
                "highest_at": at(2),
                "fallen": 25,
                "limit": "20 points within 14d",
            },
        ),
        (PERCENT, daily(90, 60), "health has fallen by 33.33%, from 90 to 60", {"limit": "30% within 14d"}),
        (BELOW, daily(60, 40), "health 40 has fallen below 50", {"threshold": 50, "clear": 50}),
        (
            UNUSUAL,
            daily(79, 81, 80, 80, 82, 78, 70),
            "health 70 is unusually low for this record: 80 is usual, modified z score -6.75",
            {"median": 80, "mad": 1, "z": -6.75, "limit": -3.5},
        ),
        (
            {**UNUSUAL, "least": "5 points"},
            daily(80, 80, 80, 80, 80, 70),
            "health 70 is unusually low for this record: 80 is usual, it hardly ever changes",
            {"mad": 0, "z": None, "least": 5},
        ),
    ],
)
def test_the_reason_says_from_where_it_fell(
    health: Any, scores: list[tuple[int, float]], because: str, clock: dict[str, Any]
) -> None:
    account = Scores(compiled(health))
    for day, score in scores:
        account.take(day, score)
    reason = account.world.seen[0].reason
    assert reason["because"] == because
    assert reason["clock"].items() >= clock.items()


def test_the_reason_of_a_later_step_names_the_score_of_then() -> None:
    steps = [{"notify": "anna"}, {"after": "5d", "notify": "anna"}]
    account = Scores(compiled(BELOW_CLEAR, steps=steps))
    for day, score in daily(80, 40, 55):
        account.take(day, score)
    account.world.until("01-10T00:00")
    assert [each.reason["because"] for each in account.world.seen] == [
        "health 40 has fallen below 50",
        "health 55, fallen below 50, is not back at 60",
    ]


# Late and restated scores


def test_a_late_score_that_shows_a_fall_brings_it() -> None:
    account = Scores(compiled(FALLS))
    assert account.take(1, 60) == []
    assert account.take(5, 55) == []
    assert account.take(3, 80, known=7) == ["opened"]
    assert account.world.seen[0].at == at(7)
    assert account.world.seen[0].reason["clock"]["fell"] == at(5)


def test_a_late_score_that_shows_that_the_fall_is_over_ends_it() -> None:
    account = Scores(compiled(FALLS_CLEAR))
    for day, score in ((1, 80), (3, 55), (8, 65)):
        account.take(day, score)
    assert account.holds
    assert account.take(5, 75, known=9) == ["resolved"]


def test_a_restated_score_from_which_nothing_fell_ends_the_fall() -> None:
    account = Scores(compiled(FALLS))
    account.take(1, 80)
    account.take(3, 55)
    assert account.take(1, 60, known=4) == ["resolved"]
    assert [score for _, score in account.history] == [60, 55]


def test_a_restated_newest_score_is_judged_again() -> None:
    account = Scores(compiled(FALLS))
    account.take(1, 80)
    assert account.take(3, 55) == ["opened"]
    assert account.take(3, 75, known=3) == ["resolved"]
    assert account.take(3, 50, known=3) == ["opened"]


def test_a_fall_that_never_was_is_withdrawn_when_a_change_from_before_it_says_so() -> None:
    account = world(FALLS)
    account.change("01-05T00:00", "account:1", health=80)
    account.change("01-08T00:00", "account:1", health=55)
    late = account.make("01-05T00:00", "account:1", health=60)
    (withdrawn,) = account.partition.fold(late)
    assert (withdrawn.event, withdrawn.at) == ("withdrawn", "2026-01-08T00:00:00Z")


def test_a_late_score_beyond_what_is_kept_changes_nothing() -> None:
    account = Scores(compiled(FALLS))
    for day in range(10, 10 + HEALTH_HISTORY):
        account.take(day, 60)
    before = account.history
    assert account.take(1, 100, known=60) == []
    assert account.history == before


def test_a_late_score_does_not_end_what_began_before_all_the_scores_that_are_kept() -> None:
    account = Scores(compiled(BELOW_CLEAR))
    for day, score in daily(80, 40, *[55] * 60):
        account.take(day, score)
    assert account.take(62, 56, known=63) == []
    assert account.holds
    assert account.take(61, 60, known=64) == ["resolved"]


def test_another_fact_leaves_the_verdict_on_the_scores_as_it_is() -> None:
    account = Scores(compiled({**FALLS, "within": "3d", "samples": 16}, where={"owner": {"not": "eve"}}))
    for day, score in daily(*[80] * 30, *[55] * 25):
        account.take(day, score)
    assert account.world.change("03-10T00:00", "account:1", owner="bob") == []
    assert account.holds


def test_a_score_that_whole_rows_repeat_counts_once() -> None:
    account = world({**FALLS, "samples": 2})
    for day in (1, 2, 3):
        account.change(f"01-0{day}T00:00", "account:1", health=80, owner=str(day))
    assert account.change("01-09T00:00", "account:1", health=55) == []
    assert [score for _, score in account.partition.records["account:1"].health] == [80, 55]


def test_a_first_snapshot_shows_no_fall_and_later_scores_are_measured_from_it() -> None:
    for health in (FALLS, BELOW):
        account = world(health)
        account.change("01-01T00:00", "account:1", op="refresh", health=60, scored="2025-11-01T00:00:00Z")
        account.change("01-02T00:00", "account:1", health=40)
        assert [each.event for each in account.seen] == ["opened"]


def test_an_account_made_anew_has_no_fall_of_its_former_life() -> None:
    account = world(BELOW)
    account.change("01-01T00:00", "account:1", health=80)
    account.change("01-02T00:00", "account:1", health=40)
    account.change("01-03T00:00", "account:1", op="delete")
    account.change("01-04T00:00", "account:1", health=45)
    account.change("01-05T00:00", "account:1", health=44)
    assert [each.event for each in account.seen] == ["opened", "resolved"]


# Against what is obvious

HISTORIES = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 12).map(lambda fives: fives * 5)),
    min_size=1,
    max_size=HEALTH_HISTORY,
    unique_by=lambda each: each[0],
)
HEALTHS = st.one_of(
    st.builds(
        lambda fall, left, within, samples: {
            "falls": f"{fall} points",
            "clear": f"{min(fall, left)} points",
            "within": f"{within}d",
            "samples": samples,
        },
        st.integers(5, 40),
        st.integers(5, 40),
        st.integers(1, 30),
        st.integers(1, 6),
    ),
    st.builds(
        lambda below, more, samples: {"falls_below": below, "clear": below + more, "samples": samples},
        st.integers(10, 50),
        st.integers(0, 20),
        st.integers(1, 6),
    ),
    st.builds(
        lambda limit, left, least, samples: {
            "unusual": limit,
            "clear": min(limit, left),
            "samples": samples,
            **({"least": f"{least} points"} if least else {}),
        },
        st.sampled_from([1, 2, 3.5]),
        st.sampled_from([0.5, 1, 3.5]),
        st.sampled_from([None, 5, 20]),
        st.integers(3, 8),
    ),
)


def number(health: dict[str, Any], key: str) -> float:
    return float(str(health[key]).split()[0].rstrip("d"))


def is_down(
    health: dict[str, Any], earlier: list[tuple[int, float]], day: int, score: float, key: str
) -> bool:
    """Whether `score` is down by `health[key]` from what there was `earlier` than `day`."""
    if "falls" in health:
        start = day - number(health, "within")
        in_force = [each for before, each in earlier if before <= start][-1:]
        highest = max([*in_force, *[each for before, each in earlier if before > start]], default=score)
        return highest - score >= number(health, key)
    if "falls_below" in health:
        return score < number(health, key)
    middle = median(each for _, each in earlier)
    mad = median(abs(each - middle) for _, each in earlier)
    down = middle - score
    if down <= 0 or ("least" in health and down < number(health, "least")):
        return False
    return 0.6745 * down / mad >= number(health, key) if mad else "least" in health


def oracle(health: dict[str, Any], history: list[tuple[int, float]]) -> bool:
    """The verdict on a whole history, by its definition."""
    (kind,) = health.keys() & {"falls", "falls_below", "unusual"}
    fell = None
    for index, (day, score) in enumerate(history):
        if fell is not None and not is_down(health, history[:fell], history[fell][0], score, "clear"):
            fell = None
        if fell is None and index >= health["samples"] and is_down(health, history[:index], day, score, kind):
            from_above = kind != "falls_below" or history[index - 1][1] >= health[kind]
            fell = index if from_above else None
    return fell is not None


@settings(max_examples=200)
@given(HEALTHS, HISTORIES)
def test_in_order_it_is_what_the_definition_says_after_every_score(
    health: dict[str, Any], history: list[tuple[int, float]]
) -> None:
    account = Scores(compiled(health))
    history.sort()
    for index, (day, score) in enumerate(history, 1):
        account.take(day, score)
        assert account.holds == oracle(health, history[:index])
        if index <= health["samples"]:
            assert not account.world.seen


@settings(max_examples=200)
@given(HEALTHS, HISTORIES, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=5))
def test_in_any_order_and_with_restatements_the_verdict_is_that_of_the_final_history(
    health: dict[str, Any], arrival: list[tuple[int, float]], restated: list[tuple[int, int]]
) -> None:
    account = Scores(compiled(health), known_from=100)
    final: dict[int, float] = {}
    changed = [(arrival[each % len(arrival)][0], float(score)) for each, score in restated]
    for day, score in (*arrival, *changed):
        account.take(day, score, known=100)
        final[day] = score
        assert account.holds == oracle(health, sorted(final.items()))


@settings(max_examples=100)
@given(HEALTHS, st.lists(st.integers(0, 100), min_size=HEALTH_HISTORY, max_size=3 * HEALTH_HISTORY))
def test_forgetting_old_scores_ends_falls_and_never_brings_one(
    health: dict[str, Any], scores: list[int]
) -> None:
    if "unusual" in health:
        return
    account = Scores(compiled(health))
    history = [(day, float(score)) for day, score in daily(*scores)]
    for index, (day, score) in enumerate(history, 1):
        account.take(day, score)
        expected = oracle(health, history[:index])
        assert account.holds == expected if "falls_below" in health else account.holds <= expected


# Reading


def problems(health: Any) -> list[str]:
    found = Problems()
    read_rules(document(health), found)
    assert all(each.position[:4] == ("paths", "p", "when", "health") for each in found)
    return [f"{each.message}. {each.remedy}" for each in found]


DEFINITIONS = json.loads(
    (Path(__file__).parents[2] / "schemas" / "escalations.schema.json").read_text("utf-8")
)["$defs"]
SCHEMA = Draft202012Validator({"$ref": "#/$defs/when", "$defs": DEFINITIONS})


@pytest.mark.parametrize(
    "health",
    [
        FALLS,
        FALLS_CLEAR,
        PERCENT,
        BELOW,
        BELOW_CLEAR,
        UNUSUAL,
        {"falls": "1 point", "within": "36h", "samples": 16},
        {"falls": "7.5%", "within": "2w", "clear": "7.5%"},
        {"falls_below": -0.5, "clear": 0},
        {"unusual": 3.5, "clear": 2, "least": "5 points", "samples": 3},
    ],
)
def test_what_is_right_is_read_and_fits_the_schema(health: Any) -> None:
    assert problems(health) == []
    assert SCHEMA.is_valid({"health": health})


@pytest.mark.parametrize(
    ("health", "message", "remedy"),
    [
        ({"falls": 20, "within": "14d"}, "the fall 20 has no unit", "20 points or 20%"),
        ({"falls": "20", "within": "14d"}, "'20' is no fall", "20 points or 30%"),
        ({"falls": "20 points"}, "'health' lacks 'within'", "within: ..."),
        ({"falls": "20 points", "within": 14}, "the span 14 has no unit", "8d"),
        ({**FALLS, "clear": 10}, "the fall 10 has no unit", "10 points"),
        ({**FALLS, "unusual": 3.5}, "this has falls and unusual", "one of them"),
        ({**FALLS, "sample": 3}, "unknown key 'sample'", "Did you mean 'samples'?"),
        ({**FALLS, "samples": 17}, "17 is no number of earlier scores", "from 1 to 16"),
        ({**FALLS, "samples": 0}, "0 is no number of earlier scores", "from 1 to 16"),
        ({**UNUSUAL, "samples": 2}, "2 is no number of earlier scores", "from 3 to 16"),
        ({"falls_below": "50 points"}, "'50 points' is no number", "50"),
        ({**BELOW, "within": "14d"}, "unknown key 'within'", "falls_below, clear, samples"),
        ({"fals": "20 points", "within": "14d"}, "unknown key 'fals'", "Did you mean 'falls'?"),
        ({"within": "14d"}, "does not say what counts as a fall", "falls, falls_below, unusual"),
        ({}, "does not say what counts as a fall", "falls, falls_below, unusual"),
        (50, "'health' is the number 50", "key: value"),
        ({"unusual": 0}, "0 is no limit", "3.5"),
        ({**UNUSUAL, "least": "5%"}, "'5%' is not in points", "5 points"),
    ],
)
def test_what_is_wrong_in_form_is_a_problem_and_against_the_schema(
    health: Any, message: str, remedy: str
) -> None:
    (problem,) = problems(health)
    assert message in problem
    assert remedy in problem
    assert not SCHEMA.is_valid({"health": health})


@pytest.mark.parametrize(
    ("health", "message", "remedy"),
    [
        ({**FALLS, "clear": "21 points"}, "would be over at once with '21 points'", "at most 20 points"),
        ({**FALLS, "clear": "10%"}, "'10%' is not in points", "in points, too"),
        ({"falls": "101%", "within": "14d"}, "'101%' is more than there is", "100%"),
        ({"falls": "0 points", "within": "14d"}, "'0 points' is no fall", "20 points"),
        ({"falls": "20 points", "within": "0d"}, "nothing falls within no time", "14d"),
        ({**BELOW, "clear": 49}, "49 is below 50: it would be over while it holds", "at least 50"),
        ({**UNUSUAL, "clear": 4}, "4 is not between 0 and 3.5", "z score"),
    ],
)
def test_what_contradicts_itself_is_a_problem(health: Any, message: str, remedy: str) -> None:
    (problem,) = problems(health)
    assert message in problem
    assert remedy in problem
