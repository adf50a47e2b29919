"""Tuning: what each of many thresholds of one path would have meant, and which of them to take.

Three answers, each for another question:

- the *knee*: where less noise begins to cost much more of what is found. Of the curve of escalations
  against recall, both from 0 to 1, it is the point farthest above the chord between its ends: the
  discrete form of Kneedle (Satopää, Albrecht, Irwin and Raghavan, "Finding a 'Kneedle' in a Haystack",
  ICDCS Workshops 2011, 166-171) for a curve that is known at few points and needs no smoothing. Without an
  outcome there is no knee.
- the most sensitive threshold that keeps to a budget of notices per person and week.
- the least sensitive one that still has a recall.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from streams.backtest.ladder import Call, Ladder, numbered, with_number
from streams.backtest.outcomes import Bad
from streams.backtest.plain_ladder import PlainLadder, is_plain
from streams.backtest.replay import replay, up_to
from streams.backtest.scores import Births, Period, Tally, Verdict, verdict
from streams.backtest.sweep import Variant, spans
from streams.core.entries import Change, Happened
from streams.core.escalation import CALLS
from streams.core.rules import Path, Rules
from streams.core.triggers.stage import LongerThanSimilar


class Row(msgspec.Struct, frozen=True):
    """What one variant did to the records of one period. `verdict`: None without an outcome."""

    values: tuple[Any, ...]
    tally: Tally
    verdict: Verdict | None

    def as_json(self) -> dict[str, Any]:
        scored = self.verdict.as_json() if self.verdict is not None else {}
        return {
            "values": list(self.values),
            "escalations": self.tally.escalations,
            "episodes": self.tally.episodes,
            "records": len(self.tally.first),
            "worst_week": self.tally.worst_week,
            **{key: value for key, value in scored.items() if key != "missed"},
        }


def sweep(
    rules: Rules,
    variants: Sequence[Variant],
    changes: Iterable[Happened],
    periods: Sequence[Period],
    bad: Mapping[str, Bad] | None,
    births: Births,
    *,
    until: int | None = None,
    sleeping: bool = False,
) -> list[list[Row]]:
    """For each of the periods, a row for each of the variants: in one pass over the history, which ends
    where `replay` would let it end. It leaves in `births` when each record was created.

    sleeping: whether all that the thresholds do is move a deadline (`only_moves_deadline`).
    """
    tallies = [[Tally() for _ in variants] for _ in periods]
    order = list(range(len(variants)))
    if sleeping:
        order.sort(key=lambda number: _length(variants[number].path))
    paths = [variants[number].path for number in order]
    ordered = [[of_period[number] for number in order] for of_period in tallies]
    for calls in decided(rules, paths, _born(up_to(until, changes), births), until, sleeping=sleeping):
        if not calls:
            continue
        created = births.created[calls[0].record]
        for period, of_period in zip(periods, ordered, strict=True):
            if created in period:
                for call in calls:
                    opens = call.event == "opened"
                    for tally in of_period[call.numbers.start : call.numbers.stop]:
                        tally.call(call.record, call.at, call.notify, opens=opens)
    rows = []
    for period, of_period in zip(periods, tallies, strict=True):
        known = None if bad is None else births.only(bad, period)
        rows.append(
            [
                Row(variant.values, tally, None if known is None else verdict(tally.first, known))
                for variant, tally in zip(variants, of_period, strict=True)
            ]
        )
    return rows


def _born(changes: Iterable[Happened], births: Births) -> Iterator[Happened]:
    for change in changes:
        if isinstance(change, Change):
            births.watch(change)
        yield change


def decided(
    rules: Rules,
    paths: list[Path],
    changes: Iterable[Happened],
    until: int | None,
    *,
    sleeping: bool,
) -> Iterator[list[Call]]:
    """What each of `paths`, variants of one, decides, so much at a time as is about one record."""
    if sleeping and is_plain(paths[0]):
        yield from PlainLadder(rules, paths).replay(changes, until)
        return
    if not isinstance(paths[0].trigger, LongerThanSimilar):
        yield from Ladder(rules, paths, sleeping=sleeping).replay(changes, until)
        return
    # What is known of similar records is known to all of them: this takes the log's own time.
    named = tuple(with_number(path, number) for number, path in enumerate(paths))
    together = Rules(rules.document, named, rules.directory, rules.feeds)
    for each in replay(together, changes, until):
        if each.event in CALLS:
            yield [Call.of(numbered(each), each)]


def _length(path: Path) -> tuple[int, int]:
    """By which paths that differ in one span alone are in the order of their deadlines."""
    found = spans(path)
    return sum(span.micros for span in found), sum(span.days for span in found)


class Answers(msgspec.Struct, frozen=True):
    """Numbers of rows; None where there is none. missing: what no row keeps to, a sentence each."""

    knee: int | None
    budget: int | None
    recall: int | None
    missing: tuple[str, ...]


def answers(rows: Sequence[Row], most: int | None, recall: float | None) -> Answers:
    """By the rules above, on one period. Without `most` or `recall` there is no answer to that question."""
    budget = None if most is None else _within(rows, most)
    finding = None if recall is None else _finding(rows, recall)
    missing = []
    if most is not None and budget is None:
        missing.append(f"with every value somebody would be told more than {most:,} times in the worst week")
    if recall is not None and finding is None:
        if any(row.verdict is not None and row.verdict.recall.enough for row in rows):
            missing.append(f"no value has a recall of {recall:.1%}")
        else:
            missing.append("too few records went bad to say what the recall is")
    return Answers(knee(rows), budget, finding, tuple(missing))


def knee(rows: Sequence[Row]) -> int | None:
    """The number of the row at the knee, by the method above; None where there is none to see."""
    points = [
        (row.tally.escalations, row.verdict.recall.value)
        for row in rows
        if row.verdict is not None and row.verdict.recall.value is not None
    ]
    if len(points) < max(3, len(rows)):
        return None
    noise, found = zip(*points, strict=True)
    if min(noise) == max(noise) or min(found) == max(found):
        return None
    above = [
        (y - min(found)) / (max(found) - min(found)) - (x - min(noise)) / (max(noise) - min(noise))
        for x, y in points
    ]
    best = max(range(len(above)), key=above.__getitem__)
    return best if above[best] > 0 else None


def _within(rows: Sequence[Row], most: int) -> int | None:
    """The number of the most sensitive row in which nobody is told more often than `most` times a week."""
    fitting = [number for number, row in enumerate(rows) if row.tally.worst_week <= most]
    return max(fitting, key=lambda number: rows[number].tally.escalations, default=None)


def _finding(rows: Sequence[Row], recall: float) -> int | None:
    """The number of the least sensitive row that has this recall."""
    fitting = [
        number
        for number, row in enumerate(rows)
        if row.verdict is not None
        and row.verdict.recall.enough
        and (row.verdict.recall.value or 0.0) >= recall
    ]
    return min(fitting, key=lambda number: rows[number].tally.escalations, default=None)
