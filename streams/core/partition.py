"""One partition of the log, folded: its records, its tables, its time, its rules.

Live worker, backtest and tests all drive this. It does no I/O: whoever drives it stores what
`changed` and sends what was decided.
"""

import heapq
from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from streams.core.baselines import Similar
from streams.core.document import Problems
from streams.core.engine import step
from streams.core.entries import Change, Command, Entry, Lookup, Mark, NewRules, Reference, Tallied, Tick
from streams.core.escalation import Escalation
from streams.core.records import Records
from streams.core.rules import Rules, read_rules, version_of
from streams.core.tables import Tables, told_of
from streams.core.timestamps import YEARS, micros
from streams.core.triggers.stage import SIMILAR


class NoRules(Exception):
    """The log brings a change before any rules."""


class FeedMarks(msgspec.Struct):
    """How far a feed has been read: microseconds by partition, of so many `of`."""

    of: int
    marks: dict[int, int]


class Partition:
    """The state of one log partition. Mutable; the records in it, given as bytes, are not.

    `rules`: those in force, oldest first, each with the moment from which they hold; more than
    one only while a newer version, or the same one with more known of similar records, waits for its
    moment. `changed`: keys of the records that the last folds altered; whoever stores them clears it,
    `troubles` (records that could not go on when time passed, with what was raised),
    and `tables` and `similar` with it, whose outbox is to be written to every partition of the log. `now`:
    the moment to which time has come; None before it first did.
    """

    def __init__(
        self,
        rules: Iterable[tuple[int, Rules]] = (),
        records: dict[str, bytes] | None = None,
        feeds: dict[str, FeedMarks] | None = None,
        similar: Similar | None = None,
        now: int | None = None,
        tables: Tables | None = None,
    ) -> None:
        self.tables = Tables() if tables is None else tables
        self.rules = [(since, each.among(self.tables)) for since, each in rules]
        for (_, previous), (_, newer) in pairwise(self.rules):
            newer.follow(previous)
        self.similar = Similar() if similar is None else similar
        self.now = now
        # Which of the waiting `rules` know already what will be known of similar records.
        self._knowing: set[tuple[int, str]] = set()
        self._begun = False
        if self.rules:
            self._compare()
        self.records = Records(records)
        self.feeds = {} if feeds is None else feeds
        self.changed: set[str] = set()
        self.troubles: list[tuple[str, Exception]] = []
        # At most one entry a record, not later than its deadline: a deadline that moves out, as
        # one does with every touch, costs nothing until the old moment comes up.
        self._queue: list[tuple[int, str]] = []
        self._queued: dict[str, int] = {}
        # Records whose keys no row has yet, by table and key.
        self._waiting: dict[tuple[str, str], set[str]] = {}
        for key, awaited in self.records.awaited():
            self._enqueue(key, awaited.due)
            self._await_rows(key, awaited.lookups)

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
        if isinstance(entry, Command):
            return self._command(entry)
        if isinstance(entry, Reference):
            return self._refer(entry)
        if isinstance(entry, Tick):
            for mark in entry.marks:
                self._mark(mark)
            time = self.time
            return [] if time is None else self.advance(time)
        if isinstance(entry, Tallied):
            return self._hear(entry)
        self._adopt(entry)
        return []

    def advance(self, to: int) -> list[Escalation]:
        """Let time come to `to`: every step due by then is taken, earliest first, then by key."""
        decisions: list[Escalation] = []
        while len(self.rules) > 1 and self.rules[1][0] <= to:
            since, newer = self.rules[1][0], self._rules_at(1)
            decisions += self._run(since)
            news = _news(self.rules[0][1], newer)
            for key in self._compared(newer) if news else sorted(self.records):
                place = self._judged_by(key)
                # Its latest deadline may have been at that very moment.
                if place == 0 or (news and place == 1):
                    decisions += self._pass(newer, key, since, news)
            del self.rules[0]
            self._knowing.discard((since, newer.version))
            self.similar.reached(since)
        if not self._begun:
            self._begun = bool(self.rules)
            for _, rules in self.rules:
                for bases in rules.bases.values():
                    self.similar.begin(bases, to)
        if self.similar.due is not None and self.similar.due <= to:
            self.similar.tell(to, self.records.values())
        self.now = to if self.now is None else max(self.now, to)
        return decisions + self._run(to)

    def _change(self, change: Change) -> list[Escalation]:
        if not self.rules:
            raise NoRules(f"the log brings {change.record} before any rules")
        change = self.tables.resolved(change)
        key = change.record
        before = self.records.encoded.get(key)
        try:
            rules, decisions = self._come_to(key, change)
            return decisions + self._step(rules, key, change=change)
        except Exception:
            # Whoever goes on without this change must find the record as it was before it.
            if before is not None:
                self._put_back(key, before)
            raise

    def _refer(self, reference: Reference) -> list[Escalation]:
        """Take a row, and let the records that wait for it know."""
        if not self.tables.put(reference, self.now):
            return []
        decisions: list[Escalation] = []
        for key in sorted(self._waiting.pop((reference.table, reference.key), ())):
            try:
                if (told := told_of(self.records[key], reference)) is not None:
                    decisions += self._change(told)
            except Exception as error:
                self.troubles.append((key, error))
        return decisions

    def _await_rows(self, key: str, lookups: Mapping[str, Lookup]) -> None:
        for lookup in lookups.values():
            if not self.tables.has(lookup.table, lookup.key):
                self._waiting.setdefault((lookup.table, lookup.key), set()).add(key)

    def _command(self, command: Command) -> list[Escalation]:
        if command.record not in self.records:
            return []
        for moment in (command.at, command.until):
            if moment is not None and moment.year not in YEARS:
                raise ValueError(f"the moment {moment.isoformat()} is outside the years of any calendar")
        before = self.records.encoded[command.record]
        try:
            rules, decisions = self._come_to(command.record, command)
            return decisions + self._step(rules, command.record, command=command)
        except Exception:
            self._put_back(command.record, before)
            raise

    def _put_back(self, key: str, before: bytes) -> None:
        self.records.encoded[key] = before
        self._enqueue(key, self.records[key].due)

    def _come_to(self, key: str, entry: Change | Command) -> tuple[Rules, list[Escalation]]:
        """The rules in force for a record when `entry` happens, and what each of them decides up to then."""
        decisions: list[Escalation] = []
        if len(self.rules) == 1:
            return self.rules[0][1], decisions
        at, known = micros(entry.at), key in self.records
        # Nothing brings a record back to rules that newer ones have taken over from.
        index = self._judged_by(key) if known else 0
        while index + 1 < len(self.rules) and self.rules[index + 1][0] <= at:
            older, newer = self._rules_at(index), self._rules_at(index + 1)
            index += 1
            if known:
                since = self.rules[index][0]
                decisions += self._step(older, key, since)
                decisions += self._step(newer, key, since, news=_news(older, newer))
        return self._rules_at(index), decisions

    def _judged_by(self, key: str) -> int:
        """Which of the rules judged the record last, counted from the oldest."""
        record = self.records[key]
        found, last = None, None
        for index, (since, rules) in enumerate(self.rules):
            # Of one version those that know more judged it if it has come to their moment.
            if rules.version == record.rules and (rules.version != last or since <= record.at):
                found = index
            last = rules.version
        assert found is not None, f"{key} was judged by rules that nobody knows"
        return found

    def _rules_at(self, index: int) -> Rules:
        """One of the rules, with what is known of similar records by its moment."""
        since, rules = self.rules[index]
        if index and rules.bases and (since, rules.version) not in self._knowing:
            rules = rules.knowing(self.similar.baselines(since))
            self.rules[index] = (since, rules)
            self._knowing.add((since, rules.version))
        return rules

    def _compare(self) -> None:
        """Let the first rules know what is known of similar records by now, and the others wait for more."""
        if self.now is not None:
            since, oldest = self.rules[0]
            self.rules[0] = (since, oldest.knowing(self.similar.baselines(self.now)))
            self.similar.reached(self.now)
        for moment in self.similar.waiting(self.now):
            self._await(moment)

    def _compared(self, rules: Rules, since: int | None = None) -> list[str]:
        """The keys of the records that are compared with similar ones and can be at risk: all of them, or
        those that have come to the moment `since`."""
        kinds = rules.bases.keys()
        return sorted(
            key
            for key, each in self.records.items()
            if (since is None or each.at >= since) and each.kind in kinds and each.alive
        )

    def _hear(self, entry: Tallied) -> list[Escalation]:
        moment = self.similar.hear(entry, self.now)
        if moment is None or not self.rules:
            return []
        self._knowing = {each for each in self._knowing if each[0] < moment}
        self._await(moment)
        index = next(index for index, (since, _) in enumerate(self.rules) if index and since == moment)
        decisions: list[Escalation] = []
        # Records whose feed is ahead of the others have come to that moment already.
        version = self.rules[index][1].version
        for key in self._compared(self.rules[index][1], moment):
            record = self.records[key]
            if record.rules == version:
                decisions += self._step(self._rules_at(index), key, record.at, news=_NEWS)
        return decisions

    def _await(self, moment: int) -> None:
        """From `moment` on more is known of similar records."""
        moments = [since for since, _ in self.rules[1:]]
        if moment not in moments:
            index = 1 + sum(since < moment for since in moments)
            self.rules.insert(index, (moment, self.rules[index - 1][1]))

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
        rules = read_rules(entry.document, problems).among(self.tables)
        if problems:
            raise ValueError(f"the log brings rules that cannot be read: {problems[0]}")
        if self.rules:
            rules.follow(self.rules[-1][1])
        since = micros(entry.since)
        if not self.rules:
            self.rules.append((since, rules))
            self._compare()
            return
        last = len(self.rules) - 1
        while last and self.rules[last - 1][1].version == self.rules[last][1].version:
            last -= 1
        since = max(since, self.rules[last][0])
        # What waits to be known of similar records later than that is known to these.
        later = {moment for moment, _ in self.rules[last + 1 :] if moment > since}
        self.rules = [
            *(each for index, each in enumerate(self.rules) if index <= last or each[0] < since),
            (since, rules),
            *((moment, rules) for moment in sorted(later)),
        ]
        self._knowing = {each for each in self._knowing if each[0] < since}
        self._begun = False

    def _run(self, to: int) -> list[Escalation]:
        decisions: list[Escalation] = []
        while self._queue and self._queue[0][0] <= to:
            at, key = heapq.heappop(self._queue)
            if self._queued.get(key) != at:
                continue
            del self._queued[key]
            record = self.records[key]
            if record.due == at:
                rules = self._rules_at(self._judged_by(key) if len(self.rules) > 1 else 0)
                decisions += self._pass(rules, key, at)
            else:
                self._enqueue(key, record.due)
        return decisions

    def _pass(self, rules: Rules, key: str, at: int, news: frozenset[str] = frozenset()) -> list[Escalation]:
        """Let time come to `at` for one record. One that cannot go on stands still until it changes, so that
        it does not hold up the others."""
        try:
            return self._step(rules, key, at, news=news)
        except Exception as error:
            self.troubles.append((key, error))
            self.records[key] = msgspec.structs.replace(self.records[key], due=None, rules=rules.version)
            self.changed.add(key)
            return []

    def _step(
        self,
        rules: Rules,
        key: str,
        at: int | None = None,
        change: Change | None = None,
        command: Command | None = None,
        news: frozenset[str] = frozenset(),
    ) -> list[Escalation]:
        before = self.records[key] if key in self.records.encoded else None
        record, decisions = step(rules, before, at, change, command, news)
        if record is not None and record is not before:
            if change is not None and rules.bases:
                for basis in rules.bases.get(record.kind, ()):
                    self.similar.saw(basis, before, record)
            self.records[key] = record
            self.changed.add(key)
            self._enqueue(key, record.due)
            if change is not None:
                self._await_rows(key, record.lookups)
        return decisions

    def _enqueue(self, key: str, deadline: int | None) -> None:
        if deadline is None:
            return
        queued = self._queued.get(key)
        if queued is None or deadline < queued:
            self._queued[key] = deadline
            heapq.heappush(self._queue, (deadline, key))


_NEWS = frozenset({SIMILAR})


def _news(older: Rules, newer: Rules) -> frozenset[str]:
    """What is another for `newer` rules of the same version. Another version judges everything anew."""
    return _NEWS if older.version == newer.version else frozenset()
