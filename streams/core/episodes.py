"""Episodes: what becomes of one path and one record, from the first warning to the end.

An episode opens when the path's condition has held for long enough, goes up its chain of steps
while it holds and nobody has said a word, and resolves when it holds no more. Three things move
it: facts (`judge`), time (`take`) and people (`heed`). Each answers with the new `Standing` and
adds what it decides to a list. Moments are microseconds UTC.

An episode that is ended by a fact from before it opened, one that came late, is *withdrawn*: it
should never have been. Whoever was told is told that.
"""

from typing import Any

import msgspec
from msgspec import UNSET

from streams.core.conditions import explain, holds
from streams.core.entries import Command
from streams.core.escalation import Escalation, Event, Severity, escalation_id
from streams.core.record import Pause, Record, Standing
from streams.core.routing import Choice
from streams.core.rules import Path, Rules
from streams.core.timestamps import duration, micros, rfc3339
from streams.core.triggers.trigger import Now

ABSENT = Standing()

_PAUSES: dict[str, Any] = {"acknowledge": "acknowledged", "snooze": "snoozed", "noise": "noise"}
EVENTS: dict[str, Event] = {**_PAUSES, "reopen": "reopened"}
"""What an episode that heeds a command says, by what the command does."""


def judge(
    rules: Rules,
    path: Path,
    record: Record,
    before: Record | None,
    was: Standing,
    now: Now,
    decisions: list[Escalation],
) -> Standing:
    """Where `path` stands with `record`, some of whose facts are others than in `before`."""
    here = record.alive and holds(path.where, record)
    if not here and was is ABSENT and not path.trigger.remembers:
        # Most paths, most of the time.
        return ABSENT
    anew = record.rules != rules.version
    # For a record that nobody has judged, no path was there before.
    old = (rules.predecessor(path) if record.rules else None) if anew else path
    since = None
    if here or (path.trigger.remembers and not record.deleted):
        # What another kind of trigger answered means nothing to this one.
        kept = old is not None and type(old.trigger) is type(path.trigger)
        since = path.trigger.since(record, before, was.since if kept else None, now)
    start = _start(path, old, was, since, now.at) if here else None
    if start is None or since is None or since > now.at:
        if was.step:
            return _cease(rules, path, record, was, since, start, now, decisions)
        return _wait(path, record, was, since, start, now.at)
    if was.step:
        return _go_on(rules, path, record, was, since, start, now, decisions)
    if was.pause is not None and was.pause.kind == "noise":
        return msgspec.structs.replace(was, since=since, start=start, due=None)
    if start > now.at:
        return _wait(path, record, was, since, start, now.at)
    if path.backlog != "escalate" and old is None and since < now.when:
        if path.backlog == "ignore":
            return msgspec.structs.replace(was, since=since, start=start, pause=Pause("noise", "backlog"))
        was = msgspec.structs.replace(was, pause=Pause("backlog", "backlog"))
    return _ready(path, record, was, since, start, now.at)


def take(
    rules: Rules, path: Path, record: Record, standing: Standing, at: int, decisions: list[Escalation]
) -> Standing:
    """What happens at `at`, which is when `standing` is due."""
    if standing.step == 0:
        if standing.start is not None and standing.start > at:
            return _warn(rules, path, record, standing, at, decisions)
        return _step(rules, path, record, standing, at, decisions)
    if standing.ending is not None:
        if standing.start is not None and standing.since is not None and standing.since <= at:
            standing = msgspec.structs.replace(standing, start=min(standing.start, at), ending=None)
            return msgspec.structs.replace(standing, due=_due(path, standing, at))
        why = f"{why_ended(record)}, for {duration(path.hold)}"
        decisions.append(_over(rules, record, path.name, standing, at, "resolved", why, path.shadow))
        return _wait(path, record, _ended(path, standing, at), standing.since, standing.start, at)
    if standing.pause is not None:
        # An acknowledgement or a snooze has expired, and it still holds.
        standing = msgspec.structs.replace(standing, pause=None)
    return _step(rules, path, record, standing, at, decisions)


def refusal(standing: Standing, command: Command, at: int) -> str | None:
    """Why an episode does not answer to `command` when the record's time is `at`; None if it does."""
    if not standing.step:
        # A backlog that is ignored is as silent as noise, but was never open.
        noise = standing.pause is not None and standing.pause.kind == "noise"
        dismissed = noise and standing.opened is not None
        return None if dismissed and command.do == "reopen" else "no episode is open"
    if standing.opened is not None and micros(command.at) < standing.opened:
        return "it was said before this episode opened"
    if command.do == "reopen":
        return None if standing.pause is not None else "nothing to take back"
    if command.do == "noise":
        return None
    if command.do == "snooze" and command.until is None:
        return "a snooze needs a moment at which it ends"
    if command.until is not None and micros(command.until) <= at:
        return "it would end before it begins"
    if standing.pause is not None and standing.pause.kind == _PAUSES[command.do]:
        if command.do == "acknowledge":
            return f"{standing.pause.by} has acknowledged it"
        if command.until is not None and standing.pause.until == micros(command.until):
            return f"{standing.pause.by} has snoozed it until then"
    return None


def heed(
    rules: Rules,
    path: Path,
    record: Record,
    standing: Standing,
    command: Command,
    at: int,
    decisions: list[Escalation],
) -> Standing:
    """After a `command` that nothing speaks against (`refusal`)."""
    until = None
    if command.do == "reopen":
        event: Event = "reopened"
        because = f"{command.by} takes back that it was {_said(standing.pause)}"
        if standing.step:
            after = msgspec.structs.replace(standing, pause=None, taken=at)
            after = msgspec.structs.replace(after, due=_due(path, after, at))
        else:
            after = msgspec.structs.replace(standing, pause=None, rested=None)
            after = _ready(path, record, after, standing.since, at, at)
    elif command.do == "noise":
        event = "noise"
        pause = Pause("noise", command.by)
        because = f"{command.by}: {_said(pause)}"
        after = _ended(path, standing, at)
        if standing.ending is None:
            # Until the condition has cleared nothing opens.
            after = msgspec.structs.replace(
                after, since=standing.since, start=standing.start, opened=standing.opened, pause=pause
            )
        else:
            after = _wait(path, record, after, standing.since, standing.start, at)
    else:
        event = kind = _PAUSES[command.do]
        if command.until is not None:
            until = micros(command.until)
        elif path.expires is not None:
            until = path.expires.after(at, path.calendar)
        pause = Pause(kind, command.by, until)
        because = f"{command.by}: {_said(pause)}"
        after = msgspec.structs.replace(standing, pause=pause)
        after = msgspec.structs.replace(after, due=_due(path, after, at))
    decisions.append(
        _escalation(
            rules,
            record,
            path.name,
            event=event,
            episode=standing.episode,
            step=standing.step,
            severity="low",
            at=at,
            notify=standing.told,
            because=because,
            details={"by": command.by, **({} if until is None else {"until": rfc3339(until)})},
            cause=command.id,
            shadow=path.shadow,
        )
    )
    return after


def drop(
    rules: Rules, record: Record, path: str, was: Standing, at: int, decisions: list[Escalation]
) -> Standing:
    """After a version of the rules that knows the path no more, or only as another one."""
    if was.step:
        there = any(each.name == path for each in rules.about(record.kind))
        why = "begins anew" if there else "is no longer in the configuration"
        shadow = rules.previous[path].shadow
        decisions.append(_over(rules, record, path, was, at, "resolved", f"the path {why}", shadow))
    # The number stays: a path that comes back must not use an id a second time.
    return Standing(episode=was.episode)


def why_ended(record: Record) -> str:
    """Why nothing holds for `record` any more."""
    if record.deleted:
        return "deleted"
    if record.merged is not None:
        return f"merged into {record.merged}"
    return f"closed in stage {record.stage}" if record.status == "closed" else "the condition no longer holds"


def _start(path: Path, old: Path | None, was: Standing, since: int | None, at: int) -> int | None:
    """From when the whole condition counts, if nothing changes. `old` is the path that left `was`: the
    one of the rules before where new ones begin, None where none of them has seen the record."""
    if since is None:
        return None
    if since > at:
        return since + path.lasting
    if old is None:
        return max(since + path.lasting, at)
    # The trigger may have held for longer, and another clause have made the whole true just now.
    begun = was.start - old.lasting if was.start is not None else at
    return min(begun, at) + path.lasting


def _wait(
    path: Path, record: Record, was: Standing, since: int | None, start: int | None, at: int
) -> Standing:
    """Nothing is open, and the condition does not hold (yet)."""
    warned = was.warned
    due = None
    if start is not None:
        due = _rest(path, record, was, _next(path, 0, start))
        warnings = path.trigger.warnings(record)
        if warned and (not warnings or warnings[0] > at):
            # The deadline has moved out: there is time again to be warned of.
            warned = 0
        if warned < len(warnings):
            warning = _rest(path, record, was, max(warnings[warned], at))
            due = min(due, warning) if warning < start else due
    return Standing(
        since=since,
        start=start,
        due=due,
        episode=was.episode,
        warned=warned,
        told=was.told if warned else (),
        rested=was.rested,
        level=was.level,
    )


def _ready(path: Path, record: Record, was: Standing, since: int | None, start: int, at: int) -> Standing:
    """Nothing is open, and the condition holds: it opens when the wait of the first step is over."""
    due = max(_rest(path, record, was, _next(path, 0, start)), at)
    return msgspec.structs.replace(was, since=since, start=start, due=due)


def _rest(path: Path, record: Record, was: Standing, due: int) -> int:
    """`due`, or when the rest after the latest episode is over, unless it is worse than that was."""
    if was.rested is None or was.rested <= due or _is_worse(path, record, was):
        return due
    return was.rested


def _is_worse(path: Path, record: Record, was: Standing) -> bool:
    """Whether it is worse than when the latest episode opened, by what the path asks for."""
    if path.rearm is None or path.rearm.worse is None or was.level is None:
        return False
    level = path.trigger.level(record)
    # Scores and amounts are decimals: 64.1 to 44.1 is worse by 20, whatever binary fractions say.
    return level is not None and round(level - was.level, 9) >= path.rearm.worse


def _go_on(
    rules: Rules,
    path: Path,
    record: Record,
    was: Standing,
    since: int | None,
    start: int,
    now: Now,
    decisions: list[Escalation],
) -> Standing:
    """An episode is open, and its condition holds (again)."""
    if _is_worse(path, record, was):
        level = path.trigger.level(record)
        why = f"it has become worse ({was.level:g} to {level:g}): a new episode follows"
        decisions.append(_over(rules, record, path.name, was, now.at, "resolved", why, path.shadow))
        return _ready(path, record, _ended(path, was, now.at), since, now.at, now.at)
    standing = msgspec.structs.replace(was, since=since, start=min(start, now.at), ending=None)
    if was.due is None and was.pause is None and record.rules != rules.version:
        # The chain had come to its end. The wait for a step that a new version adds begins now.
        standing = msgspec.structs.replace(standing, taken=now.at)
    return msgspec.structs.replace(standing, due=_due(path, standing, now.at))


def _cease(
    rules: Rules,
    path: Path,
    record: Record,
    was: Standing,
    since: int | None,
    start: int | None,
    now: Now,
    decisions: list[Escalation],
) -> Standing:
    """An episode is open, and its condition does not hold any more."""
    late = was.opened is not None and now.when < was.opened
    if path.hold and record.alive and not late:
        ending = was.ending if was.ending is not None else now.at + path.hold
        standing = msgspec.structs.replace(was, since=since, start=start, ending=ending)
        return msgspec.structs.replace(standing, due=_due(path, standing, now.at))
    if late:
        why = f"{why_ended(record)}, since {rfc3339(now.when)}: known only after it had opened"
        decisions.append(_over(rules, record, path.name, was, now.at, "withdrawn", why, path.shadow))
        # What should never have been is nothing to rest from.
        ended = Standing(episode=was.episode)
    else:
        why = why_ended(record)
        decisions.append(_over(rules, record, path.name, was, now.at, "resolved", why, path.shadow))
        ended = _ended(path, was, now.at)
    return _wait(path, record, ended, since, start, now.at)


def _ended(path: Path, was: Standing, at: int) -> Standing:
    """What is left of a standing when its episode is over."""
    if path.rearm is None:
        return Standing(episode=was.episode)
    rested = path.rearm.after.after(at, path.calendar)
    return Standing(episode=was.episode, rested=rested, level=was.level)


def _next(path: Path, taken: int, at: int) -> int:
    """When the step after `taken` steps is due, the last of them taken (or the start) at `at`."""
    return path.steps[taken].after.after(at, path.calendar)


def _due(path: Path, standing: Standing, at: int) -> int | None:
    """When an open episode goes on by itself, at the earliest `at`; None if it does not."""
    if standing.ending is not None:
        back = standing.since if standing.start is not None else None
        return standing.ending if back is None else min(standing.ending, back)
    due = None
    if standing.pause is not None:
        due = standing.pause.until
    elif standing.step < len(path.steps) and standing.taken is not None:
        due = _next(path, standing.step, standing.taken)
    if due is None:
        return None
    due = max(due, at)
    if path.give_up is not None and standing.opened is not None:
        return due if due <= path.give_up.after(standing.opened, path.calendar) else None
    return due


def _warn(
    rules: Rules, path: Path, record: Record, standing: Standing, at: int, decisions: list[Escalation]
) -> Standing:
    warnings = path.trigger.warnings(record)
    number = standing.warned
    while number + 1 < len(warnings) and warnings[number + 1] <= at:
        # Of several that are due by now, the nearest to the breach says it all.
        number += 1
    # The first that is given begins the episode, whichever it is.
    episode = standing.episode + (not standing.warned)
    choices, _ = choose(rules, path, record, 0, at)
    notify = names(choices)
    because, clock = path.trigger.warning(record, number, at)
    details = _details(path, record, clock, choices, None)
    decisions.append(
        _escalation(
            rules,
            record,
            path.name,
            event="warned",
            episode=episode,
            step=number + 1,
            severity="low",
            at=at,
            notify=notify,
            because=because,
            details=details,
            shadow=path.shadow,
        )
    )
    told = tuple(dict.fromkeys((*standing.told, *notify)))
    standing = msgspec.structs.replace(standing, warned=number + 1, episode=episode, told=told)
    return _wait(path, record, standing, standing.since, standing.start, at)


def _step(
    rules: Rules, path: Path, record: Record, standing: Standing, at: int, decisions: list[Escalation]
) -> Standing:
    """Take the next step; after the last one, when a pause has ended, that one again."""
    number = standing.step + 1
    step = path.steps[min(standing.step, len(path.steps) - 1)]
    opens = number == 1
    choices, taker = choose(rules, path, record, min(standing.step, len(path.steps) - 1), at)
    notify = names(choices)
    because, clock = path.trigger.because(record, at)
    # Warnings have begun the episode already.
    episode = standing.episode + (opens and not standing.warned)
    details = _details(path, record, clock, choices, taker)
    decisions.append(
        _escalation(
            rules,
            record,
            path.name,
            event="opened" if opens else "advanced",
            episode=episode,
            step=number,
            severity=step.severity,
            at=at,
            notify=notify,
            reassign=taker.found[0] if taker and taker.found else None,
            because=because,
            details=details,
            shadow=path.shadow,
            digest=standing.pause is not None,
        )
    )
    standing = msgspec.structs.replace(
        standing,
        episode=episode,
        step=number,
        told=tuple(dict.fromkeys((*standing.told, *notify))),
        taken=at,
        opened=at if opens else standing.opened,
        level=path.trigger.level(record) if opens and path.rearm else standing.level,
        rested=None,
        pause=None,
    )
    return msgspec.structs.replace(standing, due=_due(path, standing, at))


def choose(
    rules: Rules, path: Path, record: Record, number: int, at: int
) -> tuple[list[Choice], Choice | None]:
    """Whom step `number`, from 0, tells, and who gets the record: decided when it is due."""
    step = path.steps[number]
    choices = [rules.directory.notify(asked, record, at) for asked in step.notify]
    taker = rules.directory.reassign(step.reassign, record, at) if step.reassign else None
    return choices, taker


def names(choices: list[Choice]) -> tuple[str, ...]:
    """Everybody who was chosen, once."""
    return tuple(dict.fromkeys(name for choice in choices for name in choice.found))


def people(choices: list[Choice], taker: Choice | None) -> list[dict[str, Any]]:
    """Who was chosen for what, and why, as in the reason of an escalation."""
    named = [("notify", choice) for choice in choices] + ([("reassign", taker)] if taker else [])
    return [
        {
            "for": action,
            "asked": choice.asked,
            "found": list(choice.found),
            "because": choice.because,
            # To be counted: where nobody was found, the paths or the people need a look.
            **({"fallback": True} if choice.fallback else {}),
        }
        for action, choice in named
    ]


def _details(
    path: Path, record: Record, clock: dict[str, Any], choices: list[Choice], taker: Choice | None
) -> dict[str, Any]:
    """What the reason has beside `because` where somebody is to act."""
    details = {"clauses": explain(path.where, record), "clock": clock, "people": people(choices, taker)}
    return {**details, "uncertain": True} if record.uncertain else details


def _said(pause: Pause | None) -> str:
    if pause is None:
        return "nothing"
    kind = "dismissed as noise" if pause.kind == "noise" else pause.kind
    return kind if pause.until is None else f"{kind} until {rfc3339(pause.until)}"


def _over(
    rules: Rules,
    record: Record,
    path: str,
    was: Standing,
    at: int,
    event: Event,
    because: str,
    shadow: bool = False,
) -> Escalation:
    """The event that ends an episode; everyone is told who was told."""
    return _escalation(
        rules,
        record,
        path,
        event=event,
        episode=was.episode,
        step=was.step,
        severity="low",
        at=at,
        notify=was.told,
        because=because,
        details={},
        shadow=shadow,
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
    reassign: str | None = None,
    because: str,
    details: dict[str, Any],
    cause: str = "",
    shadow: bool = False,
    digest: bool = False,
) -> Escalation:
    return Escalation(
        id=escalation_id(path, record.key, episode, step, event, cause),
        event=event,
        record=record.key,
        path=path,
        version=rules.version,
        episode=episode,
        step=step,
        severity=severity,
        at=rfc3339(at),
        shadow=shadow or UNSET,
        digest=digest or UNSET,
        notify=notify,
        reassign=reassign,
        summary=f"{record.key}: {because}",
        reason={"because": because, **details},
    )
