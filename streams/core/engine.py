"""The step: what one entry does to one record, and what is decided by it.

*Due before done*: an entry with time t first lets happen what was due up to t, then applies
itself. So whether a tick came a second earlier or later changes nothing.
"""

import msgspec

from streams.core.disorder import insert, is_kept, is_overtaken
from streams.core.entries import Change, Command
from streams.core.episodes import ABSENT, drop, heed, judge, refusal, take
from streams.core.escalation import Escalation
from streams.core.record import COMMANDS, Record, apply, earliest, is_news
from streams.core.rules import Path, Rules
from streams.core.timestamps import micros
from streams.core.triggers.trigger import Now


def step(
    rules: Rules,
    record: Record | None,
    at: int | None = None,
    change: Change | None = None,
    command: Command | None = None,
    news: frozenset[str] = frozenset(),
) -> tuple[Record | None, list[Escalation]]:
    """`record` after time has come to `at`, and after the `change` or the `command`, if there is one.

    Pure: the same arguments give the same answer. Give `at` for time that passes; a change and a
    command happen at their own time. A change that is no news leaves everything as it is, as does a
    command that nothing open answers to. With time may come `news`: names of what paths read and no
    record holds, where that is another now.
    """
    if change is not None:
        if not (is_news(record, change) or is_overtaken(record, change)):
            return record, []
        at = micros(change.at)
    elif command is not None:
        at = micros(command.at)
    assert at is not None, "either time passes or something happens"
    decisions: list[Escalation] = []
    when = at
    before = record
    if record is not None:
        # A record's own time never runs back, whatever a feed's clock says.
        at = max(at, record.at)
        record = before = _catch_up(rules, record, at, decisions)
        if command is not None:
            record = _catch_up(rules, _obey(rules, record, command, at, decisions), at, decisions)
    changed = news
    if change is None:
        when = at
    else:
        fold = insert if is_kept(record, change) else apply
        record, changed = fold(record, change, at, when, rules.tracked)
        if before is not None and before.deleted != record.deleted:
            changed |= {"deleted"}
            if not record.deleted:
                # Made anew: nothing was before.
                before = None
        if before is None and change.op != "upsert":
            # A snapshot shows what had been so before.
            before = record
    if record is None:
        return None, decisions
    anew = record.rules != rules.version
    paths = rules.about(record.kind) if anew else rules.reading(record.kind, changed) if changed else ()
    if paths or anew:
        now = Now(at, when, changed, change.by if change is not None else None)
        judged = _judge(rules, record, before, paths, now, decisions)
        # News alters few of the many records that it may concern; the others need not be stored again.
        if not news or anew or judged.standings != record.standings:
            record = _catch_up(rules, judged, at, decisions)
    return record, decisions


def _catch_up(rules: Rules, record: Record, at: int, decisions: list[Escalation]) -> Record:
    """Let happen what is due up to `at`, earliest first, ties in the order of the paths."""
    while (due := record.due) is not None and due <= at:
        for path in rules.about(record.kind):
            standing = record.standings.get(path.name)
            if standing is not None and standing.due == due:
                standing = take(rules, path, record, standing, due, decisions)
                standings = {**record.standings, path.name: standing}
                record = msgspec.structs.replace(
                    record, at=max(record.at, due), due=earliest(standings), standings=standings
                )
                break
        else:
            raise AssertionError(f"{record.key} was judged by other rules than {rules.version}")
    return record


def _judge(
    rules: Rules,
    record: Record,
    before: Record | None,
    paths: tuple[Path, ...],
    now: Now,
    decisions: list[Escalation],
) -> Record:
    """Where `paths` stand with `record` now that the facts named in `now.changed` are others; where other
    rules judged it last, they are all there are."""
    anew = record.rules != rules.version
    standings = dict(record.standings)
    for path in paths:
        was = standings.pop(path.name, ABSENT)
        if anew and not (record.rules and rules.predecessor(path)):
            was = drop(rules, record, path.name, was, now.at, decisions)
        standing = judge(rules, path, record, before, was, now, decisions)
        if standing is not ABSENT and standing != ABSENT:
            standings[path.name] = standing
    if anew:
        for name in sorted(standings.keys() - {path.name for path in paths}):
            standing = drop(rules, record, name, standings.pop(name), now.at, decisions)
            if standing != ABSENT:
                standings[name] = standing
    return msgspec.structs.replace(record, rules=rules.version, due=earliest(standings), standings=standings)


def _obey(rules: Rules, record: Record, command: Command, at: int, decisions: list[Escalation]) -> Record:
    if command.id in record.heeded:
        return record
    standings = dict(record.standings)
    heeded = False
    for path in rules.about(record.kind):
        standing = standings.get(path.name)
        asked = command.path in (None, path.name)
        if asked and standing is not None and refusal(standing, command, at) is None:
            standings[path.name] = heed(rules, path, record, standing, command, at, decisions)
            heeded = True
    if not heeded:
        return record
    return msgspec.structs.replace(
        record,
        at=at,
        due=earliest(standings),
        standings=standings,
        heeded=(*record.heeded, command.id)[-COMMANDS:],
    )
