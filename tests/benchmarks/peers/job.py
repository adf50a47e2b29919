"""The job that each engine is given, in plain Python: what must come out, and nothing about Kafka.

    python tests/benchmarks/peers/job.py < EVENTS > ESCALATIONS

EVENTS are Debezium's for the deals of a CRM, a line of JSON each, in the order of time. Escalations come
out as lines of JSON: `event` (opened or resolved), `path`, `record` and `at`, microseconds UTC.

| path | holds while the deal is open and |
|---|---|
| big | its amount is at least 100,000 |
| stalled | its amount is at least 50,000, and it has been in its stage for 28 days |
| overdue | it has been open, not paused, for 10, 20 or 30 days, by its present priority |

A path opens once when it comes to hold, and resolves when it no longer does. A pause does not end what
was overdue before it. Time is the feed's. What is due at the moment of a change, or before it, comes first.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypedDict

HOUR = 3_600_000_000
DAY = 24 * HOUR

BIG, STALLED, OVERDUE = "big", "stalled", "overdue"
STAGE_AGE = 28 * DAY
TARGETS = {1: 10 * DAY, 2: 20 * DAY, 3: 30 * DAY}
CLOSED = ("won", "lost")
PAUSED = ("on_hold",)
HEALTH_HISTORY = 32

ALREADY = 0
"""Holds, and has since some moment before the change that is being looked at."""


class Change(TypedDict):
    """What the job needs of an event. `at`: microseconds UTC, the commit of its transaction."""

    record: str
    region: str
    at: int
    stage: str
    priority: int
    amount: float
    contacts: int
    health: float


class State(TypedDict):
    """Of a record. Moments are microseconds UTC, JSON can hold all of it.

    touched: when it changed last. entered: its present stage. health: scores with their moments.
    used: for how long it has been open and not paused, up to `running`, which is None where it is not so now.
    holding: paths that have opened. due: when the next one opens if nothing changes.
    """

    record: str
    touched: int
    stage: str
    entered: int
    priority: int
    amount: float
    contacts: int
    health: list[tuple[int, float]]
    used: int
    running: int | None
    holding: list[str]
    due: int | None


class Escalation(TypedDict):
    event: str
    path: str
    record: str
    at: int


def read(envelope: dict[str, Any]) -> Change:
    row = envelope["after"]
    return {
        "record": f"deal:{row['id']}",
        "region": row["region"],
        "at": envelope["source"]["ts_us"],
        "stage": row["stage"],
        "priority": row["priority"],
        "amount": row["amount"],
        "contacts": row["contact_count"],
        "health": row["health_score"],
    }


def take(before: State | None, change: Change) -> tuple[State, list[Escalation]]:
    """The state after a change, and what was decided on the way there; `before` is used up."""
    at, stage = change["at"], change["stage"]
    if before is None:
        state, decided = _first(change), []
    else:
        state, decided = before, come_to(before, at)
        if state["running"] is not None:
            state["used"] += at - state["running"]
        if stage != state["stage"]:
            state["stage"], state["entered"] = stage, at
        state["touched"] = at
        state["priority"], state["amount"] = change["priority"], change["amount"]
        state["contacts"] = change["contacts"]
        if change["health"] != state["health"][-1][1]:
            state["health"] = [*state["health"], (at, change["health"])][-HEALTH_HISTORY:]
        state["running"] = None if stage in CLOSED + PAUSED else at
    for path, moment in _moments(state).items():
        holds = moment is not None and moment <= at
        if holds and path not in state["holding"]:
            state["holding"].append(path)
            decided.append(_escalation("opened", path, state, at))
        elif not holds and path in state["holding"]:
            state["holding"].remove(path)
            decided.append(_escalation("resolved", path, state, at))
    state["due"] = _next(state)
    return state, decided


def come_to(state: State, now: int) -> list[Escalation]:
    """What opens up to `now`, that moment included; noted in `state`."""
    decided = []
    while (due := state["due"]) is not None and due <= now:
        for path, moment in _moments(state).items():
            if moment == due and path not in state["holding"]:
                state["holding"].append(path)
                decided.append(_escalation("opened", path, state, due))
        state["due"] = _next(state)
    return decided


def _first(change: Change) -> State:
    at, stage = change["at"], change["stage"]
    return {
        "record": change["record"],
        "touched": at,
        "stage": stage,
        "entered": at,
        "priority": change["priority"],
        "amount": change["amount"],
        "contacts": change["contacts"],
        "health": [(at, change["health"])],
        "used": 0,
        "running": None if stage in CLOSED + PAUSED else at,
        "holding": [],
        "due": None,
    }


def _moments(state: State) -> dict[str, int | None]:
    """From when each path holds if nothing changes; None is never."""
    if state["stage"] in CLOSED:
        return {BIG: None, STALLED: None, OVERDUE: None}
    left = TARGETS[state["priority"]] - state["used"]
    overdue = ALREADY if left <= 0 else None
    return {
        BIG: ALREADY if state["amount"] >= 100_000 else None,
        STALLED: state["entered"] + STAGE_AGE if state["amount"] >= 50_000 else None,
        OVERDUE: overdue if state["running"] is None else state["running"] + left,
    }


def _next(state: State) -> int | None:
    moments = _moments(state).items()
    return min((at for path, at in moments if at is not None and path not in state["holding"]), default=None)


def _escalation(event: str, path: str, state: State, at: int) -> Escalation:
    return {"event": event, "path": path, "record": state["record"], "at": at}


def fold(events: Iterable[dict[str, Any]]) -> Iterator[Escalation]:
    """All that comes out of `events`, in the order of time as far as each record goes."""
    states: dict[str, State] = {}
    now = 0
    for event in events:
        change = read(event)
        now = change["at"]
        states[change["record"]], decided = take(states.get(change["record"]), change)
        yield from decided
    for state in states.values():
        yield from come_to(state, now)


if __name__ == "__main__":
    for escalation in fold(map(json.loads, sys.stdin)):
        print(json.dumps(escalation))
