"""One partition of the log, folded: its records, its time, its rules.

Live worker, backtest and tests all drive this. It does no I/O: whoever drives it stores what
`changed` and sends what was decided.
"""

import heapq
from collections.abc import Iterable

import msgspec

from streams.core.document import Problems
from streams.core.engine import step
from streams.core.entries import Change, Entry, Mark, NewRules, Tick
from streams.core.escalation import Escalation
from streams.core.record import Record
from streams.core.rules import Rules, read_rules, version_of
from streams.core.timestamps import micros


class NoRules(Exception):
    """The log brings a change before any rules."""


class FeedMarks(msgspec.Struct):
    """How far a feed has been read: microseconds by partition, of so many `of`."""

    of: int
    marks: dict[int, int]


class Partition:
    """The state of one log partition. Mutable; the records in it are not.

    `rules`: those in force, oldest first, each with the moment from which they hold; more than
    one only while a newer version waits for its moment. `changed`: keys of the records that the
    last folds altered; whoever stores them clears it.
    """

    def __init__(
        self,
        rules: Iterable[tuple[int, Rules]] = (),
        records: dict[str, Record] | None = None,
        feeds: dict[str, FeedMarks] | None = None,
    ) -> None:
        self.rules = list(rules)
        self.records = {} if records is None else records
        self.feeds = {} if feeds is None else feeds
        self.changed: set[str] = set()
        # At most one entry a record, not later than its deadline: a deadline that moves out, as
        # one does with every touch, costs nothing until the old moment comes up.
        self._queue: list[tuple[int, str]] = []
        self._queued: dict[str, int] = {}
        for record in self.records.values():
            self._enqueue(record)

    @property
    def time(self) -> int | None:
        """The moment up to which every feed has been read; None while one has not been read at all."""
        times = []
        for name in self.rules[-1][1].feeds if self.rules else ():
            feed = self.feeds.get(name)
            if feed is None or len(feed.marks) < feed.of:
                return None
            times.append(min(feed.marks.values()))
        return min(times, default=None)

    def fold(self, entry: Entry) -> list[Escalation]:
        """Take one entry of the log; what was decided by it, in the order in which it was due.

        Raises ValueError when the log brings rules that this version of the software cannot read,
        NoRules when it brings a change before any.
        """
        if isinstance(entry, Change):
            return self._change(entry)
        if isinstance(entry, Tick):
            for mark in entry.marks:
                self._mark(mark)
            time = self.time
            return [] if time is None else self.advance(time)
        self._adopt(entry)
        return []

    def advance(self, to: int) -> list[Escalation]:
        """Let time come to `to`: every step due by then is taken, earliest first, then by key."""
        decisions: list[Escalation] = []
        while len(self.rules) > 1 and self.rules[1][0] <= to:
            since, newer = self.rules[1]
            decisions += self._run(since)
            for key in sorted(self.records):
                if not self._judged_by(key):
                    decisions += self._step(newer, key, since)
            del self.rules[0]
        return decisions + self._run(to)

    def _change(self, change: Change) -> list[Escalation]:
        if not self.rules:
            raise NoRules(f"the log brings {change.record} before any rules")
        key, before = change.record, self.records.get(change.record)
        decisions: list[Escalation] = []
        try:
            # Nothing brings a record back to rules that newer ones have taken over from.
            index = self._judged_by(key) if before is not None and len(self.rules) > 1 else 0
            for since, newer in self.rules[index + 1 :]:
                if since > micros(change.at):
                    break
                if before is not None:
                    decisions += self._step(self.rules[index][1], key, since)
                    decisions += self._step(newer, key, since)
                index += 1
            return decisions + self._step(self.rules[index][1], key, change=change)
        except Exception:
            # Whoever goes on without this change must find the record as it was before it.
            if before is not None:
                self.records[key] = before
                self._enqueue(before)
            raise

    def _judged_by(self, key: str) -> int:
        """Which of the rules judged the record last, counted from the oldest."""
        version = self.records[key].rules
        return max(index for index, (_, rules) in enumerate(self.rules) if rules.version == version)

    def _mark(self, mark: Mark) -> None:
        feed = self.feeds.setdefault(mark.feed, FeedMarks(mark.of, {}))
        if any(partition >= mark.of for partition in feed.marks):
            # The topic was made anew with fewer: partitions that are gone must not hold time back.
            feed.marks = {partition: at for partition, at in feed.marks.items() if partition < mark.of}
            feed.of = mark.of
        # One that has grown waits for what is new, though a worker may not know of that yet.
        feed.of = max(feed.of, mark.of)
        at = micros(mark.at)
        # A worker that starts over may say less than is known already.
        feed.marks[mark.partition] = max(at, feed.marks.get(mark.partition, at))

    def _adopt(self, entry: NewRules) -> None:
        if self.rules and self.rules[-1][1].version == version_of(entry.document):
            return
        problems = Problems()
        rules = read_rules(entry.document, problems)
        if problems:
            raise ValueError(f"the log brings rules that cannot be read: {problems[0]}")
        since = micros(entry.since)
        self.rules.append((max(since, self.rules[-1][0]) if self.rules else since, rules))

    def _run(self, to: int) -> list[Escalation]:
        decisions: list[Escalation] = []
        while self._queue and self._queue[0][0] <= to:
            at, key = heapq.heappop(self._queue)
            if self._queued.get(key) != at:
                continue
            del self._queued[key]
            record = self.records[key]
            if record.due == at:
                rules = next(rules for _, rules in self.rules if rules.version == record.rules)
                decisions += self._step(rules, key, at)
            else:
                self._enqueue(record)
        return decisions

    def _step(
        self, rules: Rules, key: str, at: int | None = None, change: Change | None = None
    ) -> list[Escalation]:
        before = self.records.get(key)
        record, decisions = step(rules, before, at, change)
        if record is not None and record is not before:
            self.records[key] = record
            self.changed.add(key)
            self._enqueue(record)
        return decisions

    def _enqueue(self, record: Record) -> None:
        deadline = record.due
        if deadline is None:
            return
        queued = self._queued.get(record.key)
        if queued is None or deadline < queued:
            self._queued[record.key] = deadline
            heapq.heappush(self._queue, (deadline, record.key))
