"""The pass over a history: every change once, through the states of the records, past all that looks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.backtest.audit.contacts import WritesAgain
from streams.backtest.audit.coverage import Coverage
from streams.backtest.audit.fallen import Fallen
from streams.backtest.audit.finding import Failure, Finding, Remedy
from streams.backtest.audit.high_value import HighValue
from streams.backtest.audit.overdue import Overdue
from streams.backtest.audit.stalled import Stalled
from streams.backtest.audit.untouched import Untouched
from streams.core import customers
from streams.core.entries import Change, Command, Happened, Reference
from streams.core.record import Record, apply, is_news
from streams.core.tables import Tables
from streams.core.timestamps import DAY, micros


@dataclass
class Found:
    """What one kind of failure came to among the records of one kind: of each record the failure that went
    unnoticed for longest, until the `end` of the history at most."""

    about: str
    failure: Failure
    findings: dict[str, Finding] = field(default_factory=dict)

    def add(self, finding: Finding, end: int) -> None:
        key = finding.record.key
        there = self.findings.get(key)
        if there is None or finding.unnoticed(end) > there.unnoticed(end):
            self.findings[key] = finding

    def worst(self, end: int) -> list[Finding]:
        """All of them, the worst first: value by time, then time alone."""

        def badness(finding: Finding) -> tuple[float, int, str]:
            unnoticed = finding.unnoticed(end)
            return -(finding.record.value or 0) * unnoticed, -unnoticed, finding.record.key

        return sorted(self.findings.values(), key=badness)

    def remedy(self, end: int) -> Remedy:
        return self.failure.remedy(self.worst(end))

    def worth(self) -> dict[str | None, float]:
        """What the records were worth, by currency."""
        sums: defaultdict[str | None, float] = defaultdict(float)
        for finding in self.findings.values():
            if finding.record.value is not None:
                sums[finding.record.currency] += finding.record.value
        return dict(sums)


class Look:
    """One pass over `changes`, which come in the order of time; commands are passed over.

    facts: what the feeds bring, by kind of record; by: in what similar records agree besides their stage.
    derive: whether what changes say about customers is still to be derived from them. Each state goes by
    `coverage`, too. Time runs on to `until` (microseconds), by default to the last change.

    found: the failures. changes, records: how many there were, without what was derived. first, last: the
    moments of the first and the last change, None where there was none. end: where time ended.
    """

    def __init__(
        self,
        changes: Iterable[Happened],
        facts: Mapping[str, frozenset[str]],
        coverage: Coverage,
        until: int | None = None,
        by: Sequence[str] = (),
        *,
        derive: bool = False,
    ) -> None:
        self.changes = 0
        self.first: int | None = None
        self.last: int | None = None
        self._coverage = coverage
        self._records: dict[str, Record] = {}
        self._found = {
            kind: [Found(kind, failure) for failure in _failures(kind, known, by)]
            for kind, known in facts.items()
        }
        self._midnight = 0
        tables = Tables()
        for change in changes:
            if isinstance(change, Reference):
                tables.put(change, None)
                continue
            at = micros(change.at)
            if until is not None and at > until:
                break
            if isinstance(change, Command):
                continue
            if self.first is None:
                self.first, self._midnight = at, (at // DAY + 1) * DAY
            self._come_to(at)
            self.changes, self.last = self.changes + 1, at
            self._take(tables.resolved(change), at)
            if derive and (derived := customers.of(change)) is not None:
                self._take(derived, at)
        self.records = len(self._records)
        if derive:
            self.records -= sum(record.kind == customers.KIND for record in self._records.values())
        self.end = until if until is not None else self.last or 0
        if self.first is not None:
            self._come_to(self.end)
        for each in self._everything():
            for finding in each.failure.lasting(self._records, self.end):
                each.add(finding, self.end)
        self.found = [each for each in self._everything() if each.findings]

    def _take(self, change: Change, at: int) -> None:
        before = self._records.get(change.record)
        if not is_news(before, change):
            return
        after, _ = apply(before, change, at if before is None else max(at, before.at), at)
        self._records[change.record] = after
        self._coverage.saw(after)
        for each in self._found.get(after.kind, ()):
            if finding := each.failure.saw(before, after):
                each.add(finding, at)

    def _come_to(self, at: int) -> None:
        """Let every midnight up to `at` pass."""
        while self._midnight <= at:
            for each in self._everything():
                each.failure.midnight(self._midnight)
            self._midnight += DAY

    def _everything(self) -> list[Found]:
        return [each for several in self._found.values() for each in several]


def _failures(kind: str, facts: frozenset[str], by: Sequence[str]) -> Iterable[Failure]:
    """What can be looked for with these facts."""
    if kind == customers.KIND:
        if "visits" in facts:
            yield WritesAgain(closes="issues" in facts)
        return
    if "stage" in facts:
        yield Stalled(tuple(each for each in by if each in facts))
    # Where nothing is ever closed, nothing waits for anybody.
    if "status" in facts:
        priority = ("priority",) if "priority" in facts else ()
        yield Untouched(priority)
        yield Overdue(priority)
        if "value" in facts:
            yield HighValue()
    if "health" in facts:
        yield Fallen()
