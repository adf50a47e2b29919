"""Health drop: the record's health score has fallen.

    when: {health: {falls: 20 points, within: 14d, clear: 10 points}}   # or falls: 30%
    when: {health: {falls_below: 50, clear: 60}}
    when: {health: {unusual: 3.5, least: 5 points}}

The scores are taken in the order of their own moments, whenever they became known. One that
has fallen brings the condition; it holds from that score's moment until a later score clears it:
time alone changes nothing, nor does a score that falls again. So a late or a restated score
gives the answer that it would have given in its place.

A record keeps its last `HEALTH_HISTORY` scores. With the scores before a fall the level it fell
from is forgotten, and the fall ends with the next score.
"""

import re
from statistics import median
from typing import Any, ClassVar

from streams.core.calendar import ALWAYS, Calendar
from streams.core.document import Node
from streams.core.record import HEALTH_HISTORY, Record
from streams.core.spans import Span, read_span
from streams.core.timestamps import rfc3339
from streams.core.triggers.trigger import Now, Trigger

Scores = tuple[tuple[int, float], ...]
"""Scores with their moments, oldest first, no two at one moment."""

MOST_SAMPLES = HEALTH_HISTORY // 2
"""With more, a fall would be forgotten almost as soon as it has been seen."""

UNUSUAL_SAMPLES = 5
"""How many earlier scores `unusual` asks for, where the path does not say."""

NORMAL = 0.6745
"""The median absolute deviation of a normal distribution, in standard deviations."""


class Health(Trigger, frozen=True):
    """`samples`: how many earlier scores there must be before one can count as a fall."""

    reads: ClassVar[frozenset[str]] = frozenset({"health"})
    remembers: ClassVar[bool] = True
    graded: ClassVar[bool] = True

    samples: int

    def falls(self, scores: Scores, at: int, score: float) -> bool:
        """Whether `score` is a fall from those of `scores` that were there before `at`."""
        raise NotImplementedError

    def lasts(self, scores: Scores, held: int, score: float) -> bool:
        """Whether the fall that came at `held` is still there at a later `score`."""
        raise NotImplementedError

    def why(self, scores: Scores, held: int | None) -> tuple[str, dict[str, Any]]:
        """What to say of the newest score, and of the fall that came at `held` (None: forgotten)."""
        raise NotImplementedError

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        scores = record.health
        if not scores:
            return None
        if now.changed and "health" not in now.changed:
            return held
        known = before.health if before is not None else ()
        if len(scores) > 1 and known and scores[-1][0] > known[-1][0]:
            return self._fold(scores, len(scores) - 1, held)
        # A score among the others may show that what was decided after it was wrong, and other rules
        # decide otherwise; only what began before all the scores there are must be believed.
        cut = len(scores) == HEALTH_HISTORY and held is not None and held < scores[0][0]
        return self._fold(scores, 0, held if cut else None)

    def _fold(self, scores: Scores, first: int, held: int | None) -> int | None:
        """From when it holds after `scores[first:]`, if before them it held from `held`."""
        for index in range(first, len(scores)):
            at, score = scores[index]
            if held is not None and not self.lasts(scores, held, score):
                held = None
            if held is None and index >= self.samples and self.falls(scores, at, score):
                held = at
        return held

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        scores = record.health
        held = self._fold(scores, 0, None)
        line, details = self.why(scores, held)
        moment, score = scores[-1]
        fell = {} if held is None else {"fell": rfc3339(held)}
        return line, {"score": score, "scored": rfc3339(moment), **fell, **details}

    def missing(self, record: Record, at: int) -> str:
        if not record.health:
            return "there is no score yet"
        moment, score = record.health[-1]
        _, facts = self.why(record.health, None)
        needed = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
        return f"the score is {score:g} since {rfc3339(moment)}; {needed}"

    def level(self, record: Record) -> float | None:
        return -record.health[-1][1] if record.health else None


class HealthFalls(Health, frozen=True):
    """By `fall` points, or percent, from the highest score in force `within` a span before; over when
    less than `clear` is missing to that.

    A score is in force until the next one: the span begins with the score before it.
    """

    fall: float
    clear: float
    percent: bool
    limit: str
    within: Span
    calendar: Calendar

    def falls(self, scores: Scores, at: int, score: float) -> bool:
        return self._fallen(scores, at, score) >= self.fall

    def lasts(self, scores: Scores, held: int, score: float) -> bool:
        return self._fallen(scores, held, score) >= self.clear

    def _fallen(self, scores: Scores, at: int, score: float) -> float:
        highest = self._highest(scores, at)
        if highest is None:
            return 0.0
        high = highest[1]
        if self.percent:
            # Of nothing, or less, there are no percent.
            return round(100 * (high - score) / high, 9) if high > 0 else 0.0
        # Decimal scores as floats: 64.1 - 44.1 must be 20.
        return round(high - score, 9)

    def _highest(self, scores: Scores, at: int) -> tuple[int, float] | None:
        highest = None
        for earlier in reversed(scores):
            if earlier[0] >= at:
                continue
            if highest is None or earlier[1] > highest[1]:
                highest = earlier
            if self.within.after(earlier[0], self.calendar) <= at:
                break
        return highest

    def why(self, scores: Scores, held: int | None) -> tuple[str, dict[str, Any]]:
        score = scores[-1][1]
        highest = self._highest(scores, held) if held is not None else None
        details: dict[str, Any] = {"limit": f"{self.limit} within {self.within.text}"}
        if held is None or highest is None:
            return f"health is {score:g}, after a fall from a score no longer kept", details
        fallen = self._fallen(scores, held, score)
        by = f"{fallen:.4g}%" if self.percent else f"{fallen:g} points"
        return f"health has fallen by {by}, from {highest[1]:g} to {score:g}", {
            "highest": highest[1],
            "highest_at": rfc3339(highest[0]),
            "fallen": fallen,
            **details,
        }


class HealthFallsBelow(Health, frozen=True):
    """From `threshold` or above to below it; over when it has come back to `clear`."""

    threshold: float
    clear: float

    def falls(self, scores: Scores, at: int, score: float) -> bool:
        if score >= self.threshold:
            return False
        last = next((each for moment, each in reversed(scores) if moment < at), None)
        return last is not None and last >= self.threshold

    def lasts(self, scores: Scores, held: int, score: float) -> bool:
        return score < self.clear

    def why(self, scores: Scores, held: int | None) -> tuple[str, dict[str, Any]]:
        score = scores[-1][1]
        line = f"health {score:g} has fallen below {self.threshold:g}"
        if score >= self.threshold:
            line = f"health {score:g}, fallen below {self.threshold:g}, is not back at {self.clear:g}"
        return line, {"threshold": self.threshold, "clear": self.clear}


class HealthUnusual(Health, frozen=True):
    """So far below the record's own earlier scores as is unusual for it, by the modified z score

        0.6745 * (score - median) / MAD

    of Boris Iglewicz and David Hoaglin, "How to Detect and Handle Outliers" (ASQC Quality Press,
    1993), who call values beyond 3.5 outliers. MAD is the median absolute deviation from the median.

    It falls at `-limit` and is over above `-clear`, against the scores before the fall; and never
    without being `least` points below their median. Where MAD is 0, more than half of the scores
    being the same, there is nothing to measure by: `least` decides alone, and without it nothing falls.
    """

    limit: float
    clear: float
    least: float | None

    def falls(self, scores: Scores, at: int, score: float) -> bool:
        return self._is_far(scores, at, score, self.limit)

    def lasts(self, scores: Scores, held: int, score: float) -> bool:
        return self._is_far(scores, held, score, self.clear)

    def _is_far(self, scores: Scores, at: int, score: float, limit: float) -> bool:
        usual = _usual(scores, at)
        if usual is None:
            return False
        middle, spread = usual
        below = round(middle - score, 9)
        if self.least is not None and below < self.least:
            return False
        return NORMAL * below >= limit * spread if spread else self.least is not None

    def why(self, scores: Scores, held: int | None) -> tuple[str, dict[str, Any]]:
        score = scores[-1][1]
        usual = _usual(scores, held) if held is not None else None
        details: dict[str, Any] = {"limit": -self.limit}
        if self.least is not None:
            details["least"] = self.least
        if usual is None:
            return f"health is {score:g}, after a fall from scores no longer kept", details
        middle, spread = usual
        z = round(NORMAL * (score - middle) / spread, 2) if spread else None
        how = f"modified z score {z:g}" if z is not None else "it hardly ever changes"
        line = f"health {score:g} is unusually low for this record: {middle:g} is usual, {how}"
        return line, {"median": middle, "mad": spread, "z": z, **details}


def _usual(scores: Scores, at: int) -> tuple[float, float] | None:
    """Median and median absolute deviation of the scores before `at`; None where there are none."""
    earlier = [score for moment, score in scores if moment < at]
    if not earlier:
        return None
    middle = median(earlier)
    return middle, median(abs(score - middle) for score in earlier)


_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(points?|%)")
_KINDS = ("falls", "falls_below", "unusual")


def read(when: Node, calendar: Calendar | None) -> Health:
    """The trigger that `when: {health: ...}` asks for. Raises Problem."""
    when.keys("calendar", required=("health",))
    health = when["health"]
    kinds = [kind for kind in _KINDS if health.has(kind)]
    if len(kinds) > 1:
        health.fail(f"this has {' and '.join(kinds)}", "Write one of them for each path")
    if kinds == ["falls"]:
        return _read_falls(health, calendar)
    if kinds == ["falls_below"]:
        return _read_falls_below(health)
    if kinds == ["unusual"]:
        return _read_unusual(health)
    health.keys(*_KINDS, "within", "clear", "least", "samples")
    health.fail("this does not say what counts as a fall", f"Write one of: {', '.join(_KINDS)}")


def _read_falls(node: Node, calendar: Calendar | None) -> HealthFalls:
    node.keys("clear", "samples", required=("falls", "within"))
    fall, unit = _read_fall(node["falls"])
    if unit == "%" and fall > 100:
        node["falls"].fail(f"{node['falls'].value!r} is more than there is", "Write at most 100%")
    clear = fall
    if each := node.get("clear"):
        clear, other = _read_fall(each)
        if other != unit:
            each.fail(f"{each.value!r} is not in {unit}, as `falls` is", f"Write it in {unit}, too")
        if clear > fall:
            each.fail(
                f"a fall of {node['falls'].value} would be over at once with {each.value!r}",
                f"It is over when less than `clear` is left of the fall: at most {node['falls'].value}",
            )
    within = read_span(node["within"], calendar)
    if not (within.micros or within.days):
        node["within"].fail("nothing falls within no time", "Write a span such as 14d")
    return HealthFalls(
        _read_samples(node, least=1, otherwise=1),
        fall,
        clear,
        unit == "%",
        node["falls"].text(),
        within,
        calendar or ALWAYS,
    )


def _read_falls_below(node: Node) -> HealthFallsBelow:
    node.keys("clear", "samples", required=("falls_below",))
    threshold = _read_number(node["falls_below"], "50")
    clear = threshold
    if each := node.get("clear"):
        clear = _read_number(each, "60")
        if clear < threshold:
            each.fail(
                f"{clear:g} is below {threshold:g}: it would be over while it holds",
                f"Write the score at which it is over, at least {threshold:g}",
            )
    return HealthFallsBelow(_read_samples(node, least=1, otherwise=1), threshold, clear)


def _read_unusual(node: Node) -> HealthUnusual:
    node.keys("clear", "least", "samples", required=("unusual",))
    limit = _read_number(node["unusual"], "3.5")
    if limit <= 0:
        node["unusual"].fail(f"{limit:g} is no limit", "Write how far below is unusual, such as 3.5")
    clear = limit
    if each := node.get("clear"):
        clear = _read_number(each, "2")
        if not 0 < clear <= limit:
            each.fail(f"{clear:g} is not between 0 and {limit:g}", "Write the z score at which it is over")
    least = None
    if each := node.get("least"):
        least, unit = _read_fall(each)
        if unit != "points":
            each.fail(f"{each.value!r} is not in points", "Write for example 5 points")
    # Of fewer scores than three the deviations say nothing.
    return HealthUnusual(_read_samples(node, least=3, otherwise=UNUSUAL_SAMPLES), limit, clear, least)


def _read_samples(node: Node, least: int, otherwise: int) -> int:
    """How many earlier scores there must be."""
    each = node.get("samples")
    if each is None:
        return otherwise
    if type(each.value) is not int or not least <= each.value <= MOST_SAMPLES:
        each.fail(
            f"{each.value!r} is no number of earlier scores",
            f"Write a whole number from {least} to {MOST_SAMPLES}",
        )
    return each.value


def _read_fall(node: Node) -> tuple[float, str]:
    """How much, and whether it is `points` or `%`."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        node.fail(f"the fall {node.value} has no unit", f"Write {node.value:g} points or {node.value:g}%")
    match = _AMOUNT.fullmatch(node.text(example="20 points or 30%"))
    if match is None or not float(match[1]):
        node.fail(f"{node.value!r} is no fall", "Write for example 20 points or 30%")
    return float(match[1]), "%" if match[2] == "%" else "points"


def _read_number(node: Node, example: str) -> float:
    if not isinstance(node.value, int | float) or isinstance(node.value, bool):
        node.fail(f"{node.value!r} is no number", f"Write for example {example}")
    return float(node.value)
