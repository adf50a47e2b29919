"""The rules: paths, calendars, people and teams, compiled from plain data.

The plain data is the part of `escalations.yaml` that decides. It also travels in the log, so
that a new version takes effect at one place in it and a replay decides by what held then.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal, get_args

import msgspec

from streams.core.baselines import Baselines, Basis
from streams.core.calendar import ALWAYS, Calendar
from streams.core.calendars import read_calendar, read_zone
from streams.core.conditions import Where, read_where, reads, tracked
from streams.core.document import Node, Problems, did_you_mean
from streams.core.escalation import SEVERITIES, Severity
from streams.core.routing import Directory, check_recipient, read_directory
from streams.core.spans import NO_SPAN, Span, read_span
from streams.core.tables import Tables
from streams.core.triggers import Trigger, read_trigger
from streams.core.triggers.stage import LongerThanSimilar

KEYS = ("zone", "calendars", "people", "teams", "roles", "rotas", "fallback", "paths")
"""The parts of a configuration that are rules."""


MOST_REPEATS = 20


class Step(msgspec.Struct, frozen=True):
    """One level of a chain: `after` the one before (or the start), whom to tell, who gets it."""

    after: Span
    notify: tuple[str, ...]
    reassign: str | None
    severity: Severity


class Rearm(msgspec.Struct, frozen=True):
    """When a path may open again for a record: `after` the last episode's end, or when its level is
    `worse` by so much than when that opened."""

    after: Span
    worse: float | None = None


Backlog = Literal["escalate", "digest", "ignore"]
BACKLOGS: tuple[Backlog, ...] = get_args(Backlog)


class Path(msgspec.Struct, frozen=True):
    """One escalation path.

    reads: facts of a record on which depends whether its condition holds.
    lasting: for how long the condition must have held before it counts; hold: how long an episode
        outlives it. Both in microseconds of elapsed time.
    expires: when an acknowledgement ends by itself. give_up: no step is taken so long after opening.
    backlog: what becomes of records that met the condition before the path first saw them.
    shadow: decides and marks, and tells nobody.
    """

    name: str
    about: str
    where: Where
    trigger: Trigger
    calendar: Calendar
    steps: tuple[Step, ...]
    reads: frozenset[str]
    lasting: int = 0
    hold: int = 0
    rearm: Rearm | None = None
    expires: Span | None = None
    give_up: Span | None = None
    backlog: Backlog = "digest"
    shadow: bool = False


class Rules:
    """All paths and whom they can reach. Immutable.

    `version` names the content: 12 hex digits of its hash. `feeds` are the names of the feeds
    whose reading makes time pass. `document` is the plain data these rules were read from. `tracked`:
    by kind of record, the facts whose value before the present one some condition asks for. `previous`:
    the paths of the rules in force before, by name. `bases`: by kind of record, how its paths compare
    records with similar ones.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        paths: tuple[Path, ...],
        directory: Directory,
        feeds: tuple[str, ...],
    ) -> None:
        self.document = document
        self.version = version_of(document)
        self.paths = paths
        self.directory = directory
        self.feeds = feeds
        self.previous: dict[str, Path] = {}
        self.tracked: dict[str, frozenset[str]] = {}
        self.bases: dict[str, tuple[Basis, ...]] = {}
        self._by_kind: dict[str, tuple[Path, ...]] = {}
        self._reading: dict[tuple[str, frozenset[str]], tuple[Path, ...]] = {}
        for path in paths:
            self._by_kind[path.about] = (*self._by_kind.get(path.about, ()), path)
            if facts := tracked(path.where):
                self.tracked[path.about] = self.tracked.get(path.about, frozenset()) | facts
            if (basis := _basis(path)) is not None:
                self.bases[path.about] = tuple(dict.fromkeys((*self.bases.get(path.about, ()), basis)))

    def about(self, kind: str) -> tuple[Path, ...]:
        """The paths about a kind of record, in the order of the configuration."""
        return self._by_kind.get(kind, ())

    def reading(self, kind: str, facts: frozenset[str]) -> tuple[Path, ...]:
        """Those of `about(kind)` whose condition depends on one of `facts`."""
        paths = self._reading.get((kind, facts))
        if paths is None:
            paths = tuple(path for path in self.about(kind) if not path.reads.isdisjoint(facts))
            # What one change alters comes in few combinations; a feed must not fill memory with them.
            if len(self._reading) < 1000:
                self._reading[kind, facts] = paths
        return paths

    def follow(self, previous: "Rules") -> None:
        """Note which rules were in force before."""
        self.previous = {path.name: path for path in previous.paths}

    def knowing(self, known: Mapping[Basis, Baselines]) -> "Rules":
        """The same rules, comparing by what is `known` of similar records."""
        if not self.bases:
            return self
        paths = []
        for path in self.paths:
            if isinstance(path.trigger, LongerThanSimilar):
                trigger = path.trigger.knowing(known.get(Basis(path.about, path.trigger.by)))
                path = msgspec.structs.replace(path, trigger=trigger)
            paths.append(path)
        rules = Rules(self.document, tuple(paths), self.directory, self.feeds)
        rules.previous = self.previous
        return rules

    def among(self, tables: Tables) -> "Rules":
        """The same rules, whose people are also those in `tables`, where these rules say so."""
        if self.directory.table is None:
            return self
        rules = Rules(self.document, self.paths, self.directory.among(tables), self.feeds)
        rules.previous = self.previous
        return rules

    def predecessor(self, path: Path) -> Path | None:
        """What `path` was in the rules before: one of the same name, about the same kind of record, told
        or in shadow as this one; None where it begins anew."""
        old = self.previous.get(path.name)
        same = old is not None and (old.about, old.shadow) == (path.about, path.shadow)
        return old if same else None


def _basis(path: Path) -> Basis | None:
    return Basis(path.about, path.trigger.by) if isinstance(path.trigger, LongerThanSimilar) else None


def version_of(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(document)).hexdigest()[:12]


def read_rules(document: Mapping[str, Any], problems: Problems) -> Rules:
    """Compiles `document`: the keys of `KEYS`, and `feeds`, a list of names.

    What is wrong is added to `problems`; with any there, the rules are not to be used.
    """
    root = Node(document)
    zone = "UTC"
    with problems.collect():
        if node := root.get("zone"):
            zone = read_zone(node)
    calendars: dict[str, Calendar] = {}
    with problems.collect():
        if node := root.get("calendars"):
            for name, each in node.items():
                # Stands in for one that cannot be read, so that it is not reported as missing too.
                calendars[name] = ALWAYS
                with problems.collect():
                    calendars[name] = read_calendar(each, zone)
    directory = read_directory(root, zone, problems)
    paths: list[Path] = []
    with problems.collect():
        if not root.has("paths"):
            root.fail("there are no `paths`", "Add at least one path under `paths:`", key=True)
        for name, each in root["paths"].items():
            with problems.collect(), suppress(_Unusable):
                paths.append(_read_path(name, each, calendars, directory, problems))
    return Rules(document, tuple(paths), directory, tuple(document.get("feeds", ())))


def _read_path(
    name: str, node: Node, calendars: Mapping[str, Calendar], directory: Directory, problems: Problems
) -> Path:
    node.keys(
        "where",
        "for",
        "hold",
        "rearm",
        "acknowledged_for",
        "give_up",
        "backlog",
        "shadow",
        required=("about", "when", "steps"),
    )
    before = len(problems)
    about = ""
    calendar = None
    trigger: Trigger | None = None
    where = read_where(None)
    steps: list[Step] = []
    with problems.collect():
        about = node["about"].text(example="ticket")
    with problems.collect():
        calendar = _read_named_calendar(node["when"], calendars)
        trigger = read_trigger(node["when"], calendar)
    with problems.collect():
        where = read_where(node.get("where"))
    with problems.collect():
        for each in node["steps"].list(what="a list of steps"):
            with problems.collect():
                steps.extend(_read_step(each, directory, calendar))
        if not steps and len(problems) == before:
            node["steps"].fail(f"the path {name!r} has no steps", "Add one: - notify: owner")
    options: dict[str, Any] = {}
    with problems.collect():
        options = dict(_read_options(node, trigger, calendar))
        if give_up := options.get("give_up"):
            _check_reached(node["give_up"], give_up, steps)
    if trigger is None or len(problems) > before:
        raise _Unusable
    facts = trigger.reads | reads(where) | {"status", "deleted", "merged"}
    return Path(name, about, where, trigger, calendar or ALWAYS, tuple(steps), facts, **options)


def _read_options(
    node: Node, trigger: Trigger | None, calendar: Calendar | None
) -> Iterator[tuple[str, Any]]:
    """What a path says beside its condition and its steps, by the fields of `Path`."""
    if each := node.get("for"):
        yield "lasting", _read_elapsed(each)
    if each := node.get("hold"):
        yield "hold", _read_elapsed(each)
    if each := node.get("rearm"):
        yield "rearm", _read_rearm(each, trigger, calendar)
    if each := node.get("acknowledged_for"):
        yield "expires", read_span(each, calendar)
    if each := node.get("give_up"):
        yield "give_up", read_span(each, calendar)
    if each := node.get("backlog"):
        chosen = each.choice(*BACKLOGS)
        yield "backlog", next(option for option in BACKLOGS if option == chosen)
    if each := node.get("shadow"):
        yield "shadow", each.flag()


def _read_elapsed(node: Node) -> int:
    if isinstance(node.value, str) and "working" in node.value:
        node.fail(f"{node.name!r} counts elapsed time, not working time", "Write a span such as 2h or 1d")
    return read_span(node, None).micros


def _check_reached(node: Node, give_up: Span, steps: list[Step]) -> None:
    """Refuse steps that would come only after the path has given up. Working time says nothing exact
    about elapsed time, so where there is any, nothing is compared."""
    spans = [give_up, *(step.after for step in steps[1:])]
    if not any(span.working for span in spans) and sum(span.micros for span in spans[1:]) > give_up.micros:
        node.fail(
            f"with `give_up: {give_up.text}` the last of the {len(steps)} steps is never taken",
            "Write a longer span, or shorter waits",
        )


_WORSE = re.compile(r"worse by ([0-9]+(?:\.[0-9]+)?)(?: [a-zA-Z%]+)?")


def _read_rearm(node: Node, trigger: Trigger | None, calendar: Calendar | None) -> Rearm:
    if isinstance(node.value, str):
        return Rearm(read_span(node, calendar))
    node.keys("or", required=("after",))
    worse = None
    if each := node.get("or"):
        match = _WORSE.fullmatch(each.text(example="worse by 10 points"))
        if match is None:
            each.fail(f"{each.value!r} is not understood here", "Write by how much: worse by 10 points")
        if trigger is not None and not trigger.graded:
            each.fail("this trigger knows no worse and no better", "Write `rearm: 30d` alone")
        worse = float(match[1])
        if not worse:
            each.fail("everything is worse by nothing", "Write by how much: worse by 10 points")
    return Rearm(read_span(node["after"], calendar), worse)


class _Unusable(Exception):
    """What is wrong with the path is among the problems already."""


def _read_named_calendar(when: Node, calendars: Mapping[str, Calendar]) -> Calendar | None:
    named = when.get("calendar")
    if named is None:
        return None
    name = named.text(example="the name of a calendar")
    if name not in calendars:
        known = f"{did_you_mean(name, calendars)}Known: {', '.join(calendars) or 'none yet'}"
        named.fail(f"there is no calendar {name!r}", known)
    return calendars[name]


def _read_step(node: Node, directory: Directory, calendar: Calendar | None) -> list[Step]:
    """The step, and one more for each time that it is repeated."""
    node.keys("after", "notify", "reassign", "severity", "repeat")
    after, notify, reassign, severity = (node.get(key) for key in ("after", "notify", "reassign", "severity"))
    if notify is None and reassign is None:
        node.fail("a step does nothing", "Add `notify: owner`, `reassign: team:NAME` or both")
    step = Step(
        after=read_span(after, calendar) if after else NO_SPAN,
        notify=tuple(check_recipient(each, directory) for each in notify.one_or_many()) if notify else (),
        reassign=check_recipient(reassign, directory) if reassign else None,
        severity=_read_severity(severity) if severity else "medium",
    )
    repeat = node.get("repeat")
    if repeat is None:
        return [step]
    repeat.keys(required=("every", "times"))
    every, times = read_span(repeat["every"], calendar), repeat["times"].value
    if type(times) is not int or not 1 <= times <= MOST_REPEATS:
        repeat["times"].fail(
            f"{times!r} is no number of times", f"Write a whole number from 1 to {MOST_REPEATS}"
        )
    if not (every.micros or every.days):
        repeat["every"].fail("a step repeated at once is told once", "Write a span such as 4h")
    return [step, *[msgspec.structs.replace(step, after=every, reassign=None)] * times]


def _read_severity(node: Node) -> Severity:
    name = node.choice(*SEVERITIES)
    return next(severity for severity in SEVERITIES if severity == name)
