"""A file of tests, read.

zone: Europe/Berlin                        # of the moments below; that of the configuration otherwise
people:                                    # as they are in these tests, whatever the configuration says
  anna: {manager: bert, deputy: carla, leave: [2026-03-03/2026-03-11]}
tests:
  - name: the manager hears of it four hours after the owner
    at: 2026-03-02 09:00                   # when it begins
    given:
      - ticket:1: {owner: anna, stage: open}
    expect:                                # or: nothing
      - {at: 2026-03-04 09:00, opened: ticket-untouched, notify: anna}
      - {at: 2026-03-04 13:00, advanced: ticket-untouched, notify: bert, severity: high}
    only: ticket-untouched                 # other paths may do what they like
    until: +3d                             # by default the last moment that is named
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec

from streams.config import Config
from streams.core.calendars import read_zone
from streams.core.document import Node, Problem, Problems, did_you_mean
from streams.core.escalation import SEVERITIES, Event
from streams.core.rules import Rules, read_rules
from streams.diagnostics import ConfigError
from streams.ruletests.given import Entries, Given, read_path
from streams.ruletests.kinds import Kind, read_kinds
from streams.ruletests.moments import Clock
from streams.yaml_source import YamlDocument, read_yaml

EVENTS: tuple[Event, ...] = get_args(Event)
_FACTS = (
    "at",
    "record",
    "notify",
    "reassign",
    "severity",
    "episode",
    "step",
    "shadow",
    "digest",
    "because",
)


class Expected(msgspec.Struct, frozen=True):
    """An escalation that must come. facts: what is said of it, by the names of `_FACTS`; what is absent
    is not compared. `at` is in microseconds, `notify` sorted, `because` what the reason must have in it.
    """

    event: Event
    path: str
    facts: dict[str, Any]


class Test(msgspec.Struct, frozen=True):
    """One test. line: where it stands in its file, from 1. start, until: from when and up to when time
    runs, in microseconds. only: the paths that are compared; None for all."""

    name: str
    file: Path
    line: int
    start: int
    until: int
    entries: Entries
    expected: tuple[Expected, ...]
    only: frozenset[str] | None = None

    @property
    def paths(self) -> frozenset[str]:
        """Those that it says something about."""
        return (self.only or frozenset()) | {each.path for each in self.expected}


class TestFile(msgspec.Struct, frozen=True):
    """The tests of a file. rules: by which they are played."""

    path: Path
    clock: Clock
    rules: Rules
    tests: tuple[Test, ...]


def read_tests(path: Path, config: Config) -> TestFile:
    """The tests in the file at `path`. Raises ConfigError with everything that is wrong with it."""
    document = read_yaml(path, {})
    problems = Problems()
    read = _read(path, document, config, problems)
    found = [*document.duplicates, *map(document.diagnose, problems)]
    if found:
        raise ConfigError(found)
    return read


def _read(path: Path, document: YamlDocument, config: Config, problems: Problems) -> TestFile:
    root = Node(document.data)
    with problems.collect():
        root.keys("zone", "people", required=("tests",))
    zone = config.rules.document.get("zone", "UTC")
    with problems.collect():
        if named := root.get("zone"):
            zone = read_zone(named)
    rules = config.rules
    with problems.collect():
        if people := root.get("people"):
            rules = _with_people(rules, people, problems)
    kinds = read_kinds(config)
    tests: list[Test] = []
    names: set[str] = set()
    with problems.collect():
        for each in root["tests"].list(what="a list of tests") if root.has("tests") else ():
            line = document.diagnose(Problem(each.position, "", "")).line or 1
            with problems.collect():
                test = _read_test(each, (path, line), config, kinds, ZoneInfo(zone), problems)
                if test.name in names:
                    each["name"].fail(
                        f"two tests are called {test.name!r}", "Say what is different about this"
                    )
                names.add(test.name)
                tests.append(test)
        if root.has("tests") and not root.value["tests"]:
            root["tests"].fail(
                "there are no tests", "Write one: a `name`, `at`, `given` and `expect`", key=True
            )
    return TestFile(path, Clock(ZoneInfo(zone)), rules, tuple(tests))


def _with_people(rules: Rules, people: Node, problems: Problems) -> Rules:
    """`rules`, with these people as they are here and the others as they are."""
    given = {name: each.value for name, each in people.items()}
    known = rules.document.get("people") or {}
    for name, each in people.items():
        if name not in known:
            remedy = f"{did_you_mean(name, known)}Known: {', '.join(known)}"
            with problems.collect():
                each.fail(f"{name!r} is not in `people` of the configuration", remedy, key=True)
    return read_rules({**rules.document, "people": {**known, **given}}, problems)


def _read_test(
    node: Node,
    place: tuple[Path, int],
    config: Config,
    kinds: Mapping[str, Kind],
    zone: ZoneInfo,
    problems: Problems,
) -> Test:
    node.keys("until", "only", required=("name", "at", "given", "expect"))
    name = node["name"].text(example="what this test shows")
    start = Clock(zone).read(node["at"])
    clock = Clock(zone, start)
    paths = {path.name: path.about for path in config.rules.paths}
    given = Given(config, kinds, clock)
    before = len(problems)
    for each in node["given"].list(what="a list of what happens"):
        with problems.collect():
            given.read(each)
    usable = len(problems) == before
    only = None
    with problems.collect():
        if compared := node.get("only"):
            only = frozenset(read_path(each, list(paths)) for each in compared.one_or_many())
    expected: list[Expected] = []
    # A line that cannot be read would have brought records that are missed below.
    if usable:
        expected = list(_read_expected(node["expect"], paths, given, clock, only, problems))
    moments = [each.facts["at"] for each in expected if "at" in each.facts]
    until = max((start, given.at, *moments))
    if ends := node.get("until"):
        until = clock.read(ends)
        _check_until(ends, until, given.at, moments, clock)
    elif not expected and len(problems) == before:
        node["expect"].fail(
            "nothing is expected, but up to when?", "Add `until: +30d`, so that time runs on", key=True
        )
    return Test(name, *place, start, until, given.entries, tuple(expected), only)


def _check_until(node: Node, until: int, given: int, expected: Iterable[int], clock: Clock) -> None:
    for at, what in ((given, "something happens"), *((at, "an escalation is expected") for at in expected)):
        if at > until:
            node.fail(
                f"time ends at {clock.show(until)}, before {what} at {clock.show(at)}",
                "Write a later `until`, or take it out",
            )


def _read_expected(
    node: Node,
    paths: Mapping[str, str],
    given: Given,
    clock: Clock,
    only: frozenset[str] | None,
    problems: Problems,
) -> Iterable[Expected]:
    if node.value == "nothing":
        return
    if not node.value:
        node.fail("`expect` is empty", "Write `expect: nothing` where nothing may come")
    for each in node.list(what="`nothing`, or a list of escalations"):
        with problems.collect():
            expected = _read_escalation(each, paths, given, clock)
            if only is not None and expected.path not in only:
                each[expected.event].fail(
                    f"{expected.path!r} is not among the paths that are compared", "Name it in `only`, too"
                )
            yield expected


def _read_escalation(node: Node, paths: Mapping[str, str], given: Given, clock: Clock) -> Expected:
    node.keys(*EVENTS, *_FACTS)
    events = [event for event in EVENTS if node.has(event)]
    if not events:
        node.fail(
            "this does not say what comes", f"Write an event and its path: `opened: {next(iter(paths))}`"
        )
    if len(events) > 1:
        node[events[1]].fail(f"this has {' and '.join(events)}", "Write a line for each", key=True)
    (event,) = events
    path = read_path(node[event], list(paths))
    facts = {name: _read_fact(name, node[name], given, clock) for name in _FACTS if node.has(name)}
    record = facts.get("record")
    if record is not None and record.partition(":")[0] != paths[path]:
        node["record"].fail(
            f"the path {path!r} is about records of the kind {paths[path]!r}", "Name one of these"
        )
    if "at" in facts and clock.start is not None and facts["at"] < clock.start:
        node["at"].fail("this is before the test begins", f"It begins at {clock.show(clock.start)}")
    return Expected(event, path, facts)


def _read_fact(name: str, node: Node, given: Given, clock: Clock) -> Any:
    match name:
        case "at":
            return clock.read(node)
        case "record":
            return given.known(node)
        case "notify":
            return tuple(sorted(each.text(example="a person") for each in node.one_or_many()))
        case "because":
            return tuple(each.text(example="a part of the reason") for each in node.one_or_many())
        case "reassign":
            return None if node.value is None else node.text(example="a person or team:NAME")
        case "severity":
            return node.choice(*SEVERITIES)
        case "shadow" | "digest":
            return node.flag()
    if type(node.value) is not int:
        node.fail(f"{node.value!r} is no number", "Write a whole number from 1")
    return node.value
