"""The verifier: recomputes from what went in all that must have come out, and compares.

Three times, each with what the step before it has been held against:

1. each message of the feed's topic, decoded again, is a change in the log or a dead letter;
2. the log, folded again offline, decides what is on the escalations topic, byte for byte;
3. of records whose facts came in time and in order, a backtest of the feed's topic alone decides the
   same. (What comes late is decided on when it comes, and only the log knows when that was.)
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from streams.backtest.history import read_history
from streams.backtest.log import LogReplay
from streams.backtest.replay import replay
from streams.core import entries, escalation
from streams.core.entries import Change
from streams.core.escalation import Escalation
from streams.core.timestamps import from_rfc3339, micros
from streams.feeds import Message, Undecodable
from streams.log.reader import read_to_end
from tests.crash.site import LAG_SECONDS, Site


@dataclass
class Verdict:
    """How many `changes` and `escalations` there are, and by what they are known, those that are
    `missing`; `unknown`, since nothing that went in brings them about; `conflicting`, of two contents;
    and `repeated` to a reader of committed messages. `again`: changes that intake has repeated, which
    it may. `alone`: escalations that the feed's topic alone accounts for."""

    changes: int = 0
    again: int = 0
    escalations: int = 0
    alone: int = 0
    missing: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    conflicting: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)

    @property
    def wrong(self) -> set[str]:
        return self.missing | self.unknown | self.conflicting | self.repeated

    def compare(self, what: str, expected: dict[str, bytes], found: dict[str, bytes]) -> None:
        """Note in what `found` is not as `expected`."""
        for wrong, ids in (
            (self.missing, expected.keys() - found.keys()),
            (self.unknown, found.keys() - expected.keys()),
            (self.conflicting, {each for each in expected.keys() & found if expected[each] != found[each]}),
        ):
            wrong.update(f"{what} {each}" for each in ids)


def verify(site: Site, until: datetime) -> Verdict:
    """What has come of all that was in the feed's topic by `until`, and is due by then."""
    verdict = Verdict()
    feed = list(read_to_end(site.connection, site.feed.topic))
    log = list(read_to_end(site.connection, site.topics.changes.name))
    letters = list(read_to_end(site.connection, site.topics.dead_letters.name))
    said = list(read_to_end(site.connection, site.topics.escalations.name))
    _intake(site, verdict, feed, log, letters)

    end = micros(until)
    counts: Counter[str] = Counter()
    found: dict[str, bytes] = {}
    for message in said:
        each = escalation.decode(message.value or b"")
        if from_rfc3339(each.at) <= end:
            counts[each.id] += 1
            if found.setdefault(each.id, message.value or b"") != message.value:
                verdict.conflicting.add(f"escalation {each.id}")
    verdict.escalations = len(found)
    verdict.repeated |= {f"escalation {each}" for each, count in counts.items() if count > 1}

    folded = LogReplay(site.topics.partitions)
    folded.fold(log)
    verdict.unknown |= {f"entry {place}" for place in folded.unread.first}
    verdict.compare("escalation", _by_id(folded.decide(), end), found)

    in_time = _in_time(site, feed)
    alone = [change for change in read_history(site.feed, feed).changes if change.record in in_time]
    expected = _by_id(replay(site.config.rules, alone, end), end)
    verdict.alone = len(expected)
    theirs = {each: value for each, value in found.items() if escalation.decode(value).record in in_time}
    verdict.compare("escalation", expected, theirs)
    return verdict


def _by_id(escalations: Iterable[Escalation], end: int) -> dict[str, bytes]:
    return {each.id: escalation.encode(each) for each in escalations if from_rfc3339(each.at) <= end}


def _intake(
    site: Site, verdict: Verdict, feed: list[Message], log: list[Message], letters: list[Message]
) -> None:
    changes: dict[str, bytes] = {}
    poison: dict[str, bytes] = {}
    for message in feed:
        try:
            changes |= {_place(change): entries.encode(change) for change in _changes(site, message)}
        except Undecodable:
            poison[message.place] = message.value or b""
    logged: dict[str, bytes] = {}
    for message in log:
        if isinstance(change := entries.decode(message.value or b""), Change):
            verdict.again += _place(change) in logged
            if logged.setdefault(_place(change), message.value or b"") != message.value:
                verdict.conflicting.add(f"change {_place(change)}")
    verdict.changes = len(changes)
    verdict.compare("change", changes, logged)
    kept = {}
    for letter in letters:
        topic, partition, offset = (
            (dict(letter.headers)[f"escalations.{name}"] or b"").decode()
            for name in ("topic", "partition", "offset")
        )
        kept[f"{topic}-{partition}@{offset}"] = letter.value or b""
    verdict.compare("dead letter", poison, kept)


def _changes(site: Site, message: Message) -> list[Change]:
    changes = site.feed.decode(message)
    assert isinstance(changes, list)
    return changes


def _place(change: Change) -> str:
    source = change.source
    return f"{source.topic}-{source.partition}@{source.offset} {change.record}"


def _in_time(site: Site, feed: list[Message]) -> set[str]:
    """The records of which every fact came in order, and before the workers took that moment for read."""
    latest: dict[str, datetime] = {}
    late: set[str] = set()
    for message in feed:
        try:
            changes = _changes(site, message)
        except Undecodable:
            continue
        for change in changes:
            at = change.at
            # The broker's clock has milliseconds.
            arrived = datetime.fromtimestamp(((message.timestamp or 0) + 1) / 1000, at.tzinfo)
            before = latest.setdefault(change.record, at)
            if at < before or arrived - at > timedelta(seconds=LAG_SECONDS):
                late.add(change.record)
            latest[change.record] = max(at, before)
    return latest.keys() - late
