"""Stage age: the record has been in its present stage for too long.

    when: {in_stage: 6 weeks}

or longer than nine of ten similar records stay there:

    when:
      in_stage: {longer_than_similar: 90%, by: [stage, segment], sample: 30, otherwise: 30d}

Similar are the records of its kind that agree in the facts `by`, the stage always among them. Where
fewer than `sample` of them have left the stage, the last fact is dropped, then the one before, down
to the stage alone; where that is not enough either, the limit is `otherwise`. `streams.core.baselines`
says what counts as a stay, `docs/stage-age.md` the rest.

Stays are elapsed time, pauses included. `calendar` is for spans of working time.
"""

import re
from typing import Any, ClassVar

import msgspec

from streams.core.baselines import Baselines, Found, group_of
from streams.core.calendar import ALWAYS, Calendar
from streams.core.document import Node
from streams.core.record import MOMENTS, Record
from streams.core.spans import Span, read_span
from streams.core.timestamps import duration, rfc3339
from streams.core.triggers.trigger import Now, Trigger

SIMILAR = "similar records"
"""What is known of them, as a name among the facts that a trigger reads."""

LEAST, MOST = 50, 99
LEAST_SAMPLE = 5
SAMPLE = 30


class InStage(Trigger, frozen=True):
    reads: ClassVar[frozenset[str]] = frozenset({"stage", "entered"})

    span: Span
    calendar: Calendar

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        return None if record.stage is None else self.span.after(record.entered, self.calendar)

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        return f"in stage {record.stage} for {duration(at - record.entered)}", {
            "stage": record.stage,
            "entered": rfc3339(record.entered),
            "limit": self.span.text,
            "due": rfc3339(self.span.after(record.entered, self.calendar)),
        }


class LongerThanSimilar(Trigger, frozen=True, kw_only=True):
    """`share` (0 to 1) of the stays of similar records are over within the limit.

    by: facts in which similar records agree, the stage first. sample: stays that must be over for that
    to be said. otherwise: the limit where it cannot be. baselines: what is known so far, if anything is.
    """

    reads: frozenset[str]  # type: ignore[misc]  # it depends on the facts that records are grouped by
    share: float
    by: tuple[str, ...]
    sample: int
    otherwise: Span
    calendar: Calendar
    baselines: Baselines | None = None

    def knowing(self, baselines: Baselines | None) -> "LongerThanSimilar":
        return msgspec.structs.replace(self, baselines=baselines)

    def needs(self) -> frozenset[str]:
        return self.reads - {SIMILAR}

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        if record.stage is None:
            return None
        since = self._over(record, self._find(record))
        # The limit moves a little every day. A stay that was too long once stays so, unless it is
        # another one, or it is compared with others now, or the rules are new.
        kept = held is not None and held <= now.at < since and bool(now.changed)
        return held if kept and self.needs().isdisjoint(now.changed) else since

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        found = self._find(record)
        noun = f"{record.kind}s"
        arithmetic: dict[str, Any] = {"stage": record.stage, "entered": rfc3339(record.entered)}
        if found is None or found.limit is None:
            limit = self.otherwise.text
            known = found.text(noun) if found is not None else f"nothing known of similar {noun} yet"
            why = f"the limit is {limit}, with {known}"
        else:
            limit = duration(found.limit)
            why = found.text(noun)
        arithmetic |= {"limit": limit, "due": rfc3339(self._over(record, found))}
        if self.baselines is not None and found is not None:
            arithmetic["similar"] = {
                "as_of": rfc3339(self.baselines.at),
                "share": self.share,
                "sample": self.sample,
                "group": dict(found.group) if found.limit is not None else None,
                "left": found.completed,
                "there": found.ongoing,
                "skipped": [
                    {"group": dict(each.group), "left": each.completed, "there": each.ongoing}
                    for each in found.skipped
                ],
            }
        return f"in stage {record.stage} for {duration(at - record.entered)}; {why}", arithmetic

    def _find(self, record: Record) -> Found | None:
        if self.baselines is None:
            return None
        return self.baselines.look_up(group_of(record, self.by), self.share, self.sample, keep=1)

    def _over(self, record: Record, found: Found | None) -> int:
        """When the present stay is too long."""
        if found is None or found.limit is None:
            return self.otherwise.after(record.entered, self.calendar)
        return record.entered + found.limit


def read(when: Node, calendar: Calendar | None) -> Trigger:
    when.keys("calendar", required=("in_stage",))
    node = when["in_stage"]
    if isinstance(node.value, dict):
        return _read_similar(node, calendar)
    return InStage(read_span(node, calendar), calendar or ALWAYS)


_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%")

_ALWAYS_OTHERS = frozenset({*MOMENTS, "value", "health", "contacts"})
"""Facts in which hardly two records agree."""


def _read_similar(node: Node, calendar: Calendar | None) -> LongerThanSimilar:
    node.keys("by", "sample", required=("longer_than_similar", "otherwise"))
    by = ["stage"]
    if each := node.get("by"):
        for fact in each.one_or_many():
            name = fact.text(example="the name of a field: segment")
            if name in _ALWAYS_OTHERS:
                fact.fail(
                    f"hardly two records have the same {name!r}", "Name what many have in common: segment"
                )
            by.append(name)
    names = tuple(dict.fromkeys(by))
    return LongerThanSimilar(
        reads=frozenset({"stage", "entered", SIMILAR, *names}),
        share=_read_share(node["longer_than_similar"]),
        by=names,
        sample=_read_sample(each) if (each := node.get("sample")) else SAMPLE,
        otherwise=read_span(node["otherwise"], calendar),
        calendar=calendar or ALWAYS,
    )


def _read_share(node: Node) -> float:
    match = _PERCENT.fullmatch(node.text(example="a share such as 90%"))
    if match is None:
        node.fail(f"{node.value!r} is no share of the similar records", "Write a percentage: 90%")
    percent = float(match[1])
    if not LEAST <= percent <= MOST:
        node.fail(
            f"longer than {percent:g}% of the similar records is no sign that something is wrong"
            if percent < LEAST
            else f"longer than {percent:g}% of the similar records says nothing that a sample could",
            f"Write a share from {LEAST}% to {MOST}%",
        )
    return percent / 100


def _read_sample(node: Node) -> int:
    sample = node.value
    if type(sample) is not int or sample < LEAST_SAMPLE:
        node.fail(
            f"{sample!r} is no number of records to judge by", f"Write a whole number from {LEAST_SAMPLE}"
        )
    return sample
