"""The rules: paths, calendars, people and teams, compiled from plain data.

The plain data is the part of `escalations.yaml` that decides. It also travels in the log, so
that a new version takes effect at one place in it and a replay decides by what held then.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from streams.core.calendar import ALWAYS, Calendar
from streams.core.calendars import read_calendar, read_zone
from streams.core.conditions import Where, read_where, reads
from streams.core.document import Node, Problems, did_you_mean
from streams.core.escalation import SEVERITIES, Severity
from streams.core.routing import Directory, check_recipient, read_directory
from streams.core.spans import NO_SPAN, Span, read_span
from streams.core.triggers import Trigger, read_trigger

KEYS = ("zone", "calendars", "people", "teams", "fallback", "paths")
"""The parts of a configuration that are rules."""


class Step(msgspec.Struct, frozen=True):
    """One level of a chain: `after` the one before (or the start), whom to tell, who gets it."""

    after: Span
    notify: tuple[str, ...]
    reassign: str | None
    severity: Severity


class Path(msgspec.Struct, frozen=True):
    """One escalation path. `reads`: facts of a record on which depends whether its condition holds."""

    name: str
    about: str
    where: Where
    trigger: Trigger
    calendar: Calendar
    steps: tuple[Step, ...]
    reads: frozenset[str]


class Rules:
    """All paths and whom they can reach. Immutable.

    `version` names the content: 12 hex digits of its hash. `feeds` are the names of the feeds
    whose reading makes time pass. `document` is the plain data these rules were read from.
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
        self._by_kind: dict[str, tuple[Path, ...]] = {}
        self._reading: dict[tuple[str, frozenset[str]], tuple[Path, ...]] = {}
        for path in paths:
            self._by_kind[path.about] = (*self._by_kind.get(path.about, ()), path)

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
    node.keys("where", required=("about", "when", "steps"))
    before = len(problems)
    about = ""
    calendar = None
    trigger: Trigger | None = None
    where: Where = ()
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
                steps.append(_read_step(each, directory, calendar))
        if not steps and len(problems) == before:
            node["steps"].fail(f"the path {name!r} has no steps", "Add one: - notify: owner")
    if trigger is None or len(problems) > before:
        raise _Unusable
    facts = trigger.reads | reads(where) | {"status", "deleted"}
    return Path(name, about, where, trigger, calendar or ALWAYS, tuple(steps), facts)


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


def _read_step(node: Node, directory: Directory, calendar: Calendar | None) -> Step:
    node.keys("after", "notify", "reassign", "severity")
    after, notify, reassign, severity = (node.get(key) for key in ("after", "notify", "reassign", "severity"))
    if notify is None and reassign is None:
        node.fail("a step does nothing", "Add `notify: owner`, `reassign: team:NAME` or both")
    return Step(
        after=read_span(after, calendar) if after else NO_SPAN,
        notify=tuple(check_recipient(each, directory) for each in notify.one_or_many()) if notify else (),
        reassign=check_recipient(reassign, directory) if reassign else None,
        severity=_read_severity(severity) if severity else "medium",
    )


def _read_severity(node: Node) -> Severity:
    name = node.choice(*SEVERITIES)
    return next(severity for severity in SEVERITIES if severity == name)
