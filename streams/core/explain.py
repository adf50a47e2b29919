"""Why a path has escalated a record, and why not: for any record, path and moment."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from streams.core import conditions
from streams.core.engine import step
from streams.core.episodes import ABSENT, choose, names, people, why_ended
from streams.core.record import Record, Standing
from streams.core.rules import Path, Rules
from streams.core.timestamps import rfc3339

Verdict = Literal[
    "open", "acknowledged", "snoozed", "ending", "dismissed", "waiting", "warned", "resting", "silent"
]


class Next(msgspec.Struct, frozen=True):
    """What comes if nothing changes: when (RFC 3339), what, who is told then and why them."""

    at: str
    what: str
    notify: tuple[str, ...] = ()
    people: list[dict[str, Any]] = []


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one record, path and moment. Moments are RFC 3339.

    verdict: where it stands. open, acknowledged, snoozed, ending (it holds no more, the hold time
        runs): an episode is open. dismissed: called noise, or part of a backlog that is ignored.
        waiting, warned: it will open if nothing changes. resting: the cooldown of the last episode
        runs. silent: it will not, as things are.
    summary: the same as a line for people. missing: what would have to be otherwise for it to hold.
    clauses: each condition with its value and verdict. clock: the trigger's arithmetic, where it has any.
    episode, step: of the latest episode. next: what comes if nothing changes.
    uncertain: present where the feed could not tell the record's latest change.
    """

    record: str
    path: str
    version: str
    at: str
    verdict: Verdict
    summary: str
    missing: list[str]
    clauses: list[dict[str, Any]]
    because: str | None
    clock: dict[str, Any]
    episode: int
    step: int
    next: Next | None
    uncertain: bool | UnsetType = UNSET


def explain(rules: Rules, record: Record, at: int) -> list[Explanation]:
    """Every path about `record`, whose state is from `at` (microseconds UTC) or before."""
    # Whatever was due by then has happened.
    now, _ = step(rules, record, at)
    assert now is not None
    return [_explain(rules, path, now, at) for path in rules.about(now.kind)]


def _explain(rules: Rules, path: Path, record: Record, at: int) -> Explanation:
    standing = record.standings.get(path.name, ABSENT)
    verdict = _verdict(standing, at)
    coming = _next(rules, path, record, standing)
    missing = _missing(path, record, standing, at)
    because: str | None = None
    clock: dict[str, Any] = {}
    if standing.since is not None:
        because, clock = path.trigger.because(record, at)
    return Explanation(
        record=record.key,
        path=path.name,
        version=rules.version,
        at=rfc3339(at),
        verdict=verdict,
        summary=_summary(verdict, standing, coming, missing),
        missing=missing,
        clauses=conditions.explain(path.where, record),
        because=because if standing.since is not None and standing.since <= at else None,
        clock=clock,
        episode=standing.episode,
        step=standing.step,
        next=coming,
        uncertain=record.uncertain or UNSET,
    )


def _verdict(standing: Standing, at: int) -> Verdict:
    if standing.step:
        if standing.ending is not None:
            return "ending"
        if standing.pause is not None:
            return "snoozed" if standing.pause.kind == "snoozed" else "acknowledged"
        return "open"
    if standing.pause is not None and standing.pause.kind == "noise":
        return "dismissed"
    if standing.start is None:
        return "silent"
    if standing.rested is not None and standing.start <= at:
        return "resting"
    return "warned" if standing.warned else "waiting"


def _missing(path: Path, record: Record, standing: Standing, at: int) -> list[str]:
    if standing.start is not None:
        return []
    if not record.alive:
        return [f"the record is {why_ended(record)}"]
    missing = [_in_words(part) for part in conditions.explain(path.where, record) if not part["holds"]]
    return missing or [path.trigger.missing(record, at)]


def _in_words(part: dict[str, Any]) -> str:
    """A condition that does not hold, as `conditions.explain` has it."""
    if "field" in part:
        return f"{part['field']} is {part['is']!r}, wanted: {part['wanted']}"
    (word,) = part.keys() - {"holds"}
    return f"wanted: {word} of ({'; '.join(map(_in_words, part[word]))})"


def _next(rules: Rules, path: Path, record: Record, standing: Standing) -> Next | None:
    due = standing.due
    if due is None:
        return None
    if standing.ending is not None:
        back = standing.since is not None and standing.since <= due
        return Next(rfc3339(due), "goes on" if back else "resolves", standing.told)
    warns = not standing.step and standing.start is not None and due < standing.start
    number = 0 if warns else min(standing.step, len(path.steps) - 1)
    choices, taker = choose(rules, path, record, number, due)
    what = "warns" if warns else "opens" if not standing.step else f"takes step {standing.step + 1}"
    return Next(rfc3339(due), what, names(choices), people(choices, taker))


def _summary(verdict: Verdict, standing: Standing, coming: Next | None, missing: list[str]) -> str:
    if verdict == "silent":
        return "; ".join(missing)
    if verdict == "dismissed":
        by = standing.pause.by if standing.pause is not None else ""
        return "part of a backlog that is ignored" if by == "backlog" else f"called noise by {by}"
    then = "nothing more comes" if coming is None else f"{coming.what} at {coming.at} if nothing changes"
    if standing.step:
        return f"{verdict}, episode {standing.episode}, step {standing.step}; {then}"
    return then
