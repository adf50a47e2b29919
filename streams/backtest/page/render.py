"""The report's page: every number on it is one of those that `--json` gives, or is worked out from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from streams.backtest.intervals import Share
from streams.backtest.page import plots
from streams.backtest.page.misses import COSTLIEST, Miss
from streams.backtest.page.observed import Observed, Sample
from streams.backtest.page.tuned import Rate, Tuned
from streams.backtest.report import numbers_of
from streams.backtest.scores import Scores
from streams.backtest.summary import ALWAYS, EVENTS, Summary
from streams.core.escalation import CALLS
from streams.core.rules import Rules
from streams.core.timestamps import SECOND, duration, rfc3339

_LONGEST = 600
"""Characters of a text that is shown."""

_WORDS = {"caught": "told in time", "for_nothing": "told for nothing", "only_after": "told too late"}


def render(
    rules: Rules,
    summary: Summary,
    scores: Scores | None,
    observed: Observed,
    misses: Sequence[Miss],
    tuned: Sequence[Tuned],
) -> str:
    """HTML in one piece. The same backtest gives the same text."""
    page = _Page(rules, summary, scores, observed, misses, tuned)
    environment = Environment(
        loader=PackageLoader("streams.backtest.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"span": _span, "moment": rfc3339, "brief": _brief}
    return environment.get_template("report.html").render(page=page, CALLS=CALLS, COSTLIEST=COSTLIEST)


class Examples(msgspec.Struct, frozen=True):
    """A few of those behind a number. section: where they stand; anchor: what links to them."""

    section: str
    anchor: str
    what: str
    sample: Sample


class _Page:
    def __init__(
        self,
        rules: Rules,
        summary: Summary,
        scores: Scores | None,
        observed: Observed,
        misses: Sequence[Miss],
        tuned: Sequence[Tuned],
    ) -> None:
        self.numbers = numbers_of(summary, scores)
        self.version = rules.version
        self.summary = summary
        self.shadows = {path.name for path in rules.paths if path.shadow}
        self.verdicts = {} if scores is None else {name: scores.verdicts(name) for name in scores.tallies}
        self.scored = [(name, outcome) for name, each in self.verdicts.items() for outcome in each]
        self.misses = {
            pair: [each for each in misses if (each.path, each.outcome) == pair] for pair in self.scored
        }
        self.tuned = tuned
        self.people_shown = plots.PEOPLE
        self._observed = observed
        self._anchors: dict[tuple[str, ...], str] = {}
        self.examples = self._examples()

    @property
    def events(self) -> list[str]:
        """As the summary on the terminal has them."""
        happened = {event for path in self.numbers["paths"].values() for event in path}
        return [event for event in EVENTS if event in happened or event in ALWAYS]

    @property
    def told(self) -> dict[str, int]:
        """By person, the week in which they are told most often, the worst of them first."""
        worst = {
            person: max(weeks, key=lambda week: (weeks[week], -week))
            for person, weeks in self.summary.told.items()
        }
        return dict(sorted(worst.items(), key=lambda each: (-self.summary.told[each[0]][each[1]], each[0])))

    @property
    def notices(self) -> int:
        return sum(weeks.total() for weeks in self.summary.told.values())

    @property
    def fired(self) -> bool:
        return bool(self._observed.days)

    @property
    def judged(self) -> bool:
        return bool(self._observed.firsts)

    @property
    def unscored(self) -> list[str]:
        """Paths of which nothing says what they were worth."""
        return [name for name in self.numbers["paths"] if not self.verdicts.get(name)]

    @property
    def early(self) -> list[tuple[str, str]]:
        """Paths and outcomes of which something was told in time."""
        return [(path, outcome) for path, outcome in self.scored if self.verdicts[path][outcome].lead]

    def calls(self, path: str) -> int:
        """How often it asks somebody to act."""
        counted = self.numbers["paths"][path]
        return sum(counted.get(event, 0) for event in CALLS)

    def per_week(self, path: str) -> float:
        weeks: int = self.numbers["weeks"]
        return self.calls(path) / weeks if weeks else 0.0

    def figure(self, *keys: str | int) -> Markup:
        """The number that `--json` has under `keys`; the page says which, for programs."""
        return self._data(keys, "{:,.12g}".format)

    def percent(self, *keys: str) -> Markup:
        return self._data(keys, "{:.1%}".format)

    def seconds(self, *keys: str) -> Markup:
        return self._data(keys, lambda value: duration(round(value * SECOND)))

    def _data(self, keys: Sequence[str | int], shown: Callable[[Any], str]) -> Markup:
        value: Any = self.numbers
        for key in keys:
            value = value[key]
        if value is None:
            return Markup("–")
        # RFC 6901, JSON Pointer.
        pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
        return Markup('<data value="{}" data-json="{}">{}</data>').format(value, pointer, shown(value))

    def linked(self, number: str, *sample: str) -> str:
        """`number` as a link to the examples behind it, if there are any."""
        anchor = self._anchors.get(sample)
        return number if anchor is None else Markup('<a href="#{}">{}</a>').format(anchor, number)

    def share(self, path: str, outcome: str, name: str) -> Markup:
        """A share with its interval, or that there are too few to say."""
        keys = ("scores", path, "outcomes", outcome, name)
        hits, of = self.figure(*keys, "hits"), self.figure(*keys, "of")
        share: Share = getattr(self.verdicts[path][outcome], name)
        if share.value is None:
            return Markup("none to say")
        if not share.enough:
            return Markup("too few to say <small>{} of {}</small>").format(hits, of)
        parts = (self.percent(*keys, each) for each in ("value", "low", "high"))
        return Markup("<b>{}</b> <small>{} to {}</small> <small>{} of {}</small>").format(*parts, hits, of)

    def _examples(self) -> list[Examples]:
        found: list[tuple[tuple[str, ...], str, Sample]] = []
        order = list(self.numbers["paths"])
        for (path, event), sample in _by_path(self._observed.events.items(), order):
            found.append((("event", path, event), f"{path}, {event}", sample))
        for (path, outcome, kind), sample in _by_path(self._observed.firsts.items(), order):
            found.append(((kind, path, outcome), f"{path}, {outcome}, {_WORDS[kind]}", sample))
        for person, week in self.told.items():
            what = f"{person} in the worst week, from {_monday(week)}"
            found.append((("person", person), what, self._observed.people[person].worst))
        self._anchors = {key: f"x{number}" for number, (key, *_) in enumerate(found)}
        return [Examples(key[0], self._anchors[key], what, sample) for key, what, sample in found]

    def time_line(self) -> Markup:
        return plots.time_line(self._observed.days, list(self.numbers["paths"]))

    def noise(self) -> Markup:
        per_week = {name: self.per_week(name) for name in self.numbers["paths"]}
        points = [point for pair in self.scored if (point := self._point(*pair)) is not None]
        return plots.noise(points) if points else plots.loudness(per_week)

    def _point(self, path: str, outcome: str) -> "plots.Point | None":
        verdict = self.verdicts[path][outcome]
        recall, lead = verdict.recall, verdict.quartiles()
        if recall.value is None or not recall.enough:
            return None
        low, high = recall.interval()
        spans = None if lead is None else (lead[0] / SECOND, lead[1] / SECOND, lead[2] / SECOND)
        name = f"{path}, {outcome}"
        return plots.Point(name, self.per_week(path), (low, recall.value, high), spans)

    def leads(self) -> Markup:
        return plots.leads(
            {f"{path}, {outcome}": self.verdicts[path][outcome].lead for path, outcome in self.early}
        )

    def load(self) -> Markup:
        worst = list(self.told)[: plots.PEOPLE]
        return plots.load({person: self.summary.told[person] for person in worst})

    def curves(self) -> Iterable[tuple[Tuned, Markup]]:
        for number, each in enumerate(self.tuned):
            yield each, plots.curve(number, each)

    @staticmethod
    def rate(share: Rate | None) -> str:
        return "–" if share is None or share.value is None else f"{share.value:.1%}"

    @staticmethod
    def monday(week: int) -> date:
        return _monday(week)

    @staticmethod
    def facts(reason: Mapping[str, Any]) -> list[str]:
        """The arithmetic of a clock, and who was chosen why."""
        clock = reason.get("clock") or {}
        arithmetic = "; ".join(
            f"{key.replace('_', ' ')}: {value}"
            for key, value in clock.items()
            if isinstance(value, str | int | float)
        )
        people = [
            f"{', '.join(each['found']) or 'nobody'}: {each['because']}" for each in reason.get("people", ())
        ]
        return [arithmetic, *people] if arithmetic else people


def _by_path(items: Iterable[tuple[Any, Sample]], order: Sequence[str]) -> list[tuple[Any, Sample]]:
    return sorted(items, key=lambda each: order.index(each[0][0]))


def _monday(week: int) -> date:
    return date.fromordinal(week * 7 + 1)


def _span(micros: float) -> str:
    return duration(round(micros))


def _brief(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
