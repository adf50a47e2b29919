"""The step: what one entry does to one record, and what is decided by it.

*Due before done*: an entry with time t first lets happen what was due up to t, then applies
itself. So whether a tick came a second earlier or later changes nothing.
"""

from typing import Any

import msgspec

from streams.core.conditions import explain, holds
from streams.core.entries import Change
from streams.core.escalation import Escalation, Event, Severity, escalation_id
from streams.core.record import Record, Standing, apply, earliest, is_news
from streams.core.routing import Choice
from streams.core.rules import Path, Rules
from streams.core.timestamps import micros, rfc3339

_ABSENT = Standing()


def step(
    rules: Rules, record: Record | None, at: int | None = None, change: Change | None = None
) -> tuple[Record | None, list[Escalation]]:
    """`record` after time has come to `at` and `change`, if any, has been applied.

    Pure: the same arguments give the same answer. Give `at` for time that passes, or a `change`,
    which happens at its own time. A change that is no news leaves everything as it is.
    """
    if change is not None:
        if not is_news(record, change):
            return record, []
        at = micros(change.at)
    assert at is not None, "either time passes or something changes"
    decisions: list[Escalation] = []
    before = record
    if record is not None:
        # A record's own time never runs back, whatever a feed's clock says.
        at = max(at, record.at)
        record = before = _catch_up(rules, record, at, decisions)
    changed: frozenset[str] = frozenset()
    if change is not None:
        record, changed = apply(record, change, at)
        if before is None and change.op != "upsert":
            # A snapshot shows what had been so before.
            before = record
    if record is None:
        return None, decisions
    if changed or record.rules != rules.version:
        record = _judge(rules, record, before, changed, at, decisions)
        record = _catch_up(rules, record, at, decisions)
    return record, decisions


def _catch_up(rules: Rules, record: Record, at: int, decisions: list[Escalation]) -> Record:
    """Take every step that is due up to `at`, earliest first, ties in the order of the paths."""
    while (due := record.due) is not None and due <= at:
        for path in rules.about(record.kind):
            standing = record.standings.get(path.name)
            if standing is not None and standing.due == due:
                record = _take_step(rules, record, path, standing, due, decisions)
                break
        else:
            raise AssertionError(f"{record.key} was judged by other rules than {rules.version}")
    return record


def _take_step(
    rules: Rules, record: Record, path: Path, standing: Standing, at: int, decisions: list[Escalation]
) -> Record:
    step = path.steps[standing.step]
    number = standing.step + 1
    episode = standing.episode + (number == 1)
    choices = [rules.directory.notify(asked, record, at) for asked in step.notify]
    notify = tuple(dict.fromkeys(name for choice in choices for name in choice.found))
    taker = rules.directory.reassign(step.reassign, record, at) if step.reassign else None
    because, clock = path.trigger.because(record, at)
    decisions.append(
        _escalation(
            rules,
            record,
            path.name,
            event="opened" if number == 1 else "advanced",
            episode=episode,
            step=number,
            severity=step.severity,
            at=at,
            notify=notify,
            reassign=taker.found[0] if taker else None,
            because=because,
            details={
                "clauses": explain(path.where, record),
                "clock": clock,
                "people": _people(choices, taker),
            },
        )
    )
    standing = msgspec.structs.replace(
        standing,
        episode=episode,
        step=number,
        due=_next_due(path, number, at),
        told=tuple(dict.fromkeys((*standing.told, *notify))),
    )
    standings = {**record.standings, path.name: standing}
    return msgspec.structs.replace(
        record, at=max(record.at, at), due=earliest(standings), standings=standings
    )


def _next_due(path: Path, taken: int, at: int) -> int | None:
    """When the step after `taken` steps is due, the last of them taken (or the start) at `at`."""
    return path.steps[taken].after.after(at, path.calendar) if taken < len(path.steps) else None


def _judge(
    rules: Rules,
    record: Record,
    before: Record | None,
    changed: frozenset[str],
    at: int,
    decisions: list[Escalation],
) -> Record:
    """Where the paths stand with `record` now that the facts named in `changed` are others."""
    anew = record.rules != rules.version
    paths = rules.about(record.kind) if anew else rules.reading(record.kind, changed)
    if not (paths or anew):
        return record
    standings = dict(record.standings)
    for path in paths:
        was = standings.pop(path.name, _ABSENT)
        now = _stand(path, record, before, was, at)
        if was.step and not now.step:
            decisions.append(_resolved(rules, record, path.name, was, at, _why_resolved(record)))
        if now != _ABSENT:
            standings[path.name] = now
    if anew:
        for name in sorted(standings.keys() - {path.name for path in paths}):
            was = standings[name]
            # The number stays: a path that comes back must not use an id a second time.
            standings[name] = Standing(episode=was.episode)
            if was.step:
                why = "the path is no longer in the configuration"
                decisions.append(_resolved(rules, record, name, was, at, why))
    return msgspec.structs.replace(record, rules=rules.version, due=earliest(standings), standings=standings)


def _stand(path: Path, record: Record, before: Record | None, was: Standing, at: int) -> Standing:
    here = not record.deleted and record.status != "closed" and holds(path.where, record)
    if not (here or path.trigger.remembers):
        return Standing(episode=was.episode)
    since = path.trigger.since(record, before, was.since, at)
    if since is None or not here:
        return Standing(since=since, episode=was.episode)
    if since > at:
        start = since
    elif was.start is not None and was.start <= at:
        start = was.start
    else:
        # The trigger has held for longer, but another clause made the whole true just now.
        start = at
    if start > at or not was.step:
        return Standing(since=since, start=start, due=_next_due(path, 0, start), episode=was.episode)
    due = was.due
    if due is None or was.step >= len(path.steps):
        # A new version of the path may have more steps, or fewer.
        due = _next_due(path, was.step, at)
    return msgspec.structs.replace(was, since=since, start=start, due=due)


def _why_resolved(record: Record) -> str:
    if record.deleted:
        return "deleted"
    return f"closed in stage {record.stage}" if record.status == "closed" else "the condition no longer holds"


def _resolved(rules: Rules, record: Record, path: str, was: Standing, at: int, because: str) -> Escalation:
    return _escalation(
        rules,
        record,
        path,
        event="resolved",
        episode=was.episode,
        step=was.step,
        severity="low",
        at=at,
        notify=was.told,
        reassign=None,
        because=because,
        details={},
    )


def _escalation(
    rules: Rules,
    record: Record,
    path: str,
    *,
    event: Event,
    episode: int,
    step: int,
    severity: Severity,
    at: int,
    notify: tuple[str, ...],
    reassign: str | None,
    because: str,
    details: dict[str, Any],
) -> Escalation:
    return Escalation(
        id=escalation_id(path, record.key, episode, step, event),
        event=event,
        record=record.key,
        path=path,
        version=rules.version,
        episode=episode,
        step=step,
        severity=severity,
        at=rfc3339(at),
        notify=notify,
        reassign=reassign,
        summary=f"{record.key}: {because}",
        reason={"because": because, **details},
    )


def _people(choices: list[Choice], taker: Choice | None) -> list[dict[str, Any]]:
    named = [("notify", choice) for choice in choices] + ([("reassign", taker)] if taker else [])
    return [
        {"for": action, "asked": choice.asked, "found": list(choice.found), "because": choice.because}
        for action, choice in named
    ]
