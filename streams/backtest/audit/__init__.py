"""Audit: which failures a history holds that nobody would have caught, what they cost, and one path to
start with.

Each failure has the moment at which it could have been noticed by what was known then: nothing here looks
ahead of that. docs/audit.md says what counts as a failure.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from streams.backtest.audit.bearable import Bearable, bearable
from streams.backtest.audit.coverage import Coverage
from streams.backtest.audit.finding import Finding
from streams.backtest.audit.look import Found, Look
from streams.backtest.audit.start import propose
from streams.backtest.history import History
from streams.backtest.replay import replay
from streams.backtest.summary import Summary
from streams.core import customers
from streams.core.entries import Change, Happened
from streams.core.rules import Rules
from streams.core.timestamps import DAY, rfc3339
from streams.feeds import Feed
from streams.feeds.customers import WithCustomers

WORST = 5
"""How many of the failures of a kind are told one by one."""


@dataclass(frozen=True)
class Audit:
    """`found`: the costliest kind of failure first. `end`: of the history, microseconds. `coverage`: None
    where the configuration has no paths. `most`: how often a path to start with may tell somebody in a week.
    `tried`: a path for each of `found`. `start`: the one of them that is proposed. `load`: what that alone
    would have come to."""

    summary: Summary
    found: Sequence[Found]
    end: int
    coverage: Mapping[str, Any] | None
    most: int
    tried: Sequence[Bearable]
    start: Bearable | None
    load: Summary

    def as_json(self) -> dict[str, Any]:
        """The numbers for programs; spans are days, moments RFC 3339.

        `failures`: each kind with how many `records` it befell, how many `days` in all it went
        unnoticed, the median and the worst of that, what the records were worth by currency, and the
        worst of them. `coverage`: as `Coverage` has it. `start_with`: the proposal and what it would have
        come to on this history, None where none keeps to `max_per_recipient_week`; then `least_worst_week`
        is what the one that tells least comes to, None where none would have told anybody in time.
        """
        numbers = self.summary.as_json()
        return {
            **{name: numbers[name] for name in ("changes", "records", "first", "last", "weeks")},
            "failures": [self._failure(each) for each in self.found],
            "coverage": self.coverage,
            "start_with": self._start(),
            "max_per_recipient_week": self.most,
            "least_worst_week": self._least(),
            **{name: numbers[name] for name in ("undecodable", "problem")},
        }

    def _failure(self, found: Found) -> dict[str, Any]:
        spans = [each.unnoticed(self.end) for each in found.findings.values()]
        return {
            "failure": found.failure.title,
            "about": found.about,
            "records": len(spans),
            "days": _days(sum(spans)),
            "median_days": _days(median(spans)),
            "worst_days": _days(max(spans)),
            "value": {currency or "": round(value, 2) for currency, value in found.worth().items()},
            "worst": [self._finding(each) for each in found.worst(self.end)[:WORST]],
        }

    def _finding(self, finding: Finding) -> dict[str, Any]:
        return {
            "record": finding.record.key,
            "began": rfc3339(finding.began),
            "noticeable": rfc3339(finding.noticeable),
            "over": None if finding.over is None else rfc3339(finding.over),
            "days": _days(finding.unnoticed(self.end)),
            "value": finding.record.value,
            "currency": finding.record.currency,
            "what": finding.what,
        }

    def _least(self) -> int | None:
        worst = [each.least for each in self.tried if each.least is not None]
        return min(worst, default=None) if self.start is None else None

    def _start(self) -> dict[str, Any] | None:
        if self.start is None or self.start.proposal is None:
            return None
        proposal, load = self.start.proposal, self.load.as_json()
        path = load["paths"][proposal.name]
        return {
            "path": proposal.name,
            "yaml": proposal.yaml(inside=self.coverage is not None),
            "under": "paths" if self.coverage is not None else None,
            "records": path["records"],
            "episodes": path["opened"],
            "episodes_a_week": round(path["opened"] / max(1, load["weeks"]), 1),
            "recipients": load["recipients"],
            "usual_worst_week": self.start.usual,
        }


def audit(
    history: History,
    rules: Rules,
    facts: Mapping[str, frozenset[str]],
    most: int,
    until: int | None = None,
    by: Sequence[str] = (),
    missing: Mapping[str, Any] | None = None,
    watched: Callable[[Iterable[Happened]], Iterable[Happened]] = iter,
) -> Audit:
    """The audit of `history`, in which time runs on to `until` (microseconds), by default to its last change.

    facts: what the feeds bring, by kind of record. most: how often the proposal may tell somebody in a week.
    by: in what similar records agree besides their stage. missing: what the file needs besides a path to be
    complete. watched: passes the changes on, for whoever shows how far it has come.
    """
    # A feed does not derive what it says about customers while no path is about them.
    derive = "visits" in facts.get(customers.KIND, ()) and not rules.about(customers.KIND)
    coverage = Coverage(rules, by)
    look = Look(watched(history.changes), facts, coverage, until, by, derive=derive)
    usual = _usual_currency(look.found)
    found = _distinct(_ranked(look.found, look.end, usual))

    def changes_for(rules: Rules) -> Iterable[Happened]:
        with_customers = derive and rules.about(customers.KIND)
        return watched(_with_customers(history.changes) if with_customers else history.changes)

    tried, start, best = list[Bearable](), None, None
    for each in found:
        remedy = each.remedy(look.end)
        proposals = propose(each.about, remedy, rules, missing or {})
        with_it = partial(changes_for, proposals[0].rules(rules))
        tried.append(bearable(proposals, rules, with_it, until, most))
        told = _told(remedy.findings, tried[-1].first, look.end, usual)
        if told is not None and (best is None or told > best):
            start, best = tried[-1], told
    proposal = None if start is None else start.proposal
    proposed = rules if proposal is None else proposal.rules(rules)
    summary = Summary(proposed, look, until, history.unread, history.problem)
    load = Summary(proposed, look, until)
    if proposed.paths:
        name = None if proposal is None else proposal.name
        events = summary.count(replay(proposed, changes_for(proposed), until))
        for _ in load.count(each for each in events if each.path == name):
            pass
    covered = coverage.as_json(summary.paths) if rules.paths else None
    return Audit(summary, found, look.end, covered, most, tried, start, load)


def facts(feeds: Iterable[Feed]) -> dict[str, frozenset[str]]:
    """What the feeds bring, by kind of record, customers among them."""
    brought: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    for feed in feeds:
        for kind, brings in WithCustomers(feed).kinds.items():
            brought[kind] |= brings.facts
    return dict(brought)


def _usual_currency(found: Iterable[Found]) -> str | None:
    """The one that most of the failures are in, if their values have any."""
    currencies = Counter(
        finding.record.currency
        for each in found
        for finding in each.findings.values()
        if finding.record.value is not None
    )
    return currencies.most_common(1)[0][0] if currencies else None


def _ranked(found: Iterable[Found], end: int, usual: str | None) -> list[Found]:
    """By what was at stake in the `usual` currency, then by days."""

    def cost(each: Found) -> tuple[float, int]:
        days = sum(finding.unnoticed(end) for finding in each.findings.values())
        return each.worth().get(usual, 0.0), days

    return sorted(found, key=cost, reverse=True)


def _told(
    findings: Iterable[Finding], first: Mapping[str, int], end: int, usual: str | None
) -> tuple[float, int] | None:
    """Of the failures that a path would have told of before they were over, by when it would `first` have
    told of each record: what was at stake in the `usual` currency, and the time that was left. None where it
    would have told of none."""
    value, left = 0.0, list[int]()
    for each in findings:
        at = first.get(each.record.key)
        if at is not None and (each.over is None or at < each.over):
            left.append((end if each.over is None else each.over) - max(at, each.noticeable))
            if each.record.currency == usual:
                value += each.record.value or 0.0
    return (value, sum(left)) if left else None


def _distinct(found: Iterable[Found]) -> list[Found]:
    """Without those that are another one once more: where nothing happens to a record between its beginning
    and its end, it is untouched for as long as it is open."""
    distinct: dict[frozenset[tuple[str, int, int | None]], Found] = {}
    for each in found:
        same = frozenset((key, one.noticeable, one.over) for key, one in each.findings.items())
        distinct.setdefault(same, each)
    return list(distinct.values())


def _with_customers(changes: Iterable[Happened]) -> Iterator[Happened]:
    """The changes, each followed by the one of the customer's record, if any."""
    for change in changes:
        yield change
        if isinstance(change, Change) and (derived := customers.of(change)) is not None:
            yield derived


def _days(span: float) -> float:
    return round(span / DAY, 2)
