"""The checks: each finds what it is about and shows it where it stands, and nothing else.

Each NAME.yaml in tests/golden/lint loads without a problem and is odd in the one way that the check of
that name looks for; NAME.txt is what a user sees of it. UPDATE_GOLDEN=1 writes the latter anew.
"""

import os
import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from streams.config import load_with_source
from streams.diagnostics import Diagnostic, counted, render
from streams.lint import CHECKS, lint
from streams.lint.ignoring import NAME as UNUSED_IGNORE
from tests.command import REPOSITORY, SERVICENOW, STARTERS

GOLDEN = REPOSITORY / "tests" / "golden" / "lint"
NAMES = [*CHECKS, UNUSED_IGNORE]
TODAY = date(2026, 6, 1)
HEAD = (GOLDEN / "same-fire.yaml").read_text(encoding="utf-8").partition("paths:\n")[0] + "paths:\n"


def found(path: Path, today: date = TODAY) -> list[Diagnostic]:
    return lint(*load_with_source(path), today)


def of(tmp_path: Path, paths: str, head: str = HEAD) -> list[Diagnostic]:
    """What is found in a configuration with these paths, without what is unused."""
    path = tmp_path / "escalations.yaml"
    path.write_text(head + paths, encoding="utf-8")
    return [each for each in found(path) if each.name != "unused"]


def path(
    where: str = "{}", when: str = "{untouched: 2d}", steps: str = "[{notify: owner}]", **more: Any
) -> str:
    options = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{about: ticket, where: {where}, when: {when}, steps: {steps}{options}}}\n"


def names(diagnostics: list[Diagnostic]) -> list[str]:
    return [each.name for each in diagnostics]


@pytest.mark.parametrize("name", NAMES)
def test_each_shows_what_it_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    diagnostics = [each for each in found(Path(f"{name}.yaml")) if each.name != "unused" or name == "unused"]
    assert set(names(diagnostics)) == {name}
    text = "\n\n".join([*map(render, diagnostics), counted(diagnostics)]) + "\n"
    file = Path(f"{name}.txt")
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_every_golden_file_is_of_a_check() -> None:
    assert {each.stem for each in GOLDEN.iterdir()} == set(NAMES)


def test_each_check_is_described() -> None:
    page = (REPOSITORY / "docs" / "checks.md").read_text(encoding="utf-8")
    described = re.findall(r"^### ([a-z-]+)\n\n(\w.+)", page, re.MULTILINE)
    assert [name for name, _ in described] == sorted(NAMES)


@pytest.mark.parametrize(
    "path",
    [*sorted(STARTERS.glob("*.yaml")), REPOSITORY / "streams" / "demo" / "escalations.yaml", SERVICENOW],
    ids=lambda path: path.stem,
)
def test_what_is_shipped_has_neither_errors_nor_warnings(path: Path) -> None:
    assert {each.weight for each in found(path)} <= {"info"}


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        (
            "unreachable-step",
            {
                "p": path(
                    when="{untouched: 2d, calendar: office}",
                    give_up="3 working days",
                    steps="[{notify: owner}, {after: 20h, notify: bert}]",
                )
            },
        ),
        (
            "unreachable-step",
            {
                "p": path(
                    when="{untouched: 2d, calendar: office}",
                    give_up="70h",
                    steps="[{notify: owner}, {after: 3 working days, notify: bert}]",
                )
            },
        ),
        ("acknowledgement-without-end", {"p": path(acknowledged_for="3d", give_up="3d")}),
        ("duplicate-step", {"p": path(steps="[{notify: owner}, {after: 1h, notify: owner}]")}),
        ("duplicate-step", {"p": path(steps="[{notify: owner}, {notify: bert}]")}),
        ("duplicate-step", {"p": path(steps="[{notify: owner}, {notify: owner, severity: high}]")}),
        ("duplicate-step", {"p": path(steps="[{notify: owner}, {notify: owner, reassign: bert}]")}),
        ("flood-risk", {"p": path(when="{health: {falls_below: 50, clear: 60}}")}),
        ("flood-risk", {"p": path(when="{health: {falls: 10 points, within: 7d}}", rearm="7d")}),
        ("flood-risk", {"p": path(when="{value: {crosses: 50 EUR}}", hold="1d")}),
        ("flood-risk", {"p": path(when="{untouched: 30 working minutes, calendar: office}")}),
        ("flood-risk", {"p": path(when="{untouched: 30m}", steps="[{after: 2h, notify: owner}]")}),
        (
            "missing-warning",
            {"p": path(when="{clock: resolution, target: {urgent: 2h, else: 8h}, warn: [2h, 75%]}")},
        ),
        ("never-fires", {"p": path("{status: [open, closed]}")}),
        ("never-fires", {"p": path("{stage: [solved, new]}")}),
        ("never-fires", {"p": path("{stage: {empty: true}}")}),
        ("never-fires", {"p": path("{touched: {empty: false}}")}),
        (
            "never-fires",
            {"p": path("{value: {below: 50 EUR}}", "{value: {crosses: 90 EUR, clear: 49.5 EUR}}")},
        ),
        ("never-fires", {"p": path("{value: {not: 5}}", "{value: {crosses: 90 EUR, clear: 80 EUR}}")}),
        ("never-fires", {"p": path("{currency: EUR}", "{value: {crosses: 90 EUR, clear: 80 EUR}}")}),
        ("never-fires", {"p": path("{health: {above: 59.9}}", "{health: {falls_below: 50, clear: 60}}")}),
        (
            "never-fires",
            {"p": path("{priority: {not: urgent}}", "{clock: resolution, target: {urgent: 1h, high: 2h}}")},
        ),
        (
            "never-fires",
            {"p": path("{priority: low}", "{clock: resolution, target: {urgent: 1h, else: 2h}}")},
        ),
        ("never-fires", {"p": path("{region: {starts_with: a}, not: {region: {starts_with: b}}}")}),
        ("never-fires", {"p": path("{all: [{tier: {at_least: 3}}, {tier: {at_most: 3}}]}")}),
        (
            "never-fires",
            {"p": path("{not: {any: [{stage: {above: 3}}, {stage: {at_most: 3}}, {stage: [null, '']}]}}")},
        ),
        ("never-fires", {"p": path("{tier: {is: gold, changed: {from: silver}}}")}),
        ("never-fires", {"p": path("{stage: {at_least: 1, at_most: 1}, not: {stage: [1, '1.0']}}")}),
        (
            "never-fires",
            {"p": path("{value: {below: 9 EUR}}", "{value: {falls_below: 50 EUR, clear: 60 EUR}}")},
        ),
        ("flood-risk", {"p": path(when="{health: {unusual: 1, clear: 0.5, least: 5 points}}")}),
        (
            "unreachable-step",
            {
                "p": path(
                    when="{untouched: 2d, calendar: office}",
                    give_up="20 working hours",
                    steps="[{after: 9 working hours, notify: owner},"
                    " {after: 20 working hours, notify: bert}]",
                )
            },
        ),
        ("same-fire", {"a": path("{region: a}"), "b": path("{region: b}", steps="[{notify: bert}]")}),
        ("same-fire", {"a": path(), "b": path(steps="[{after: 1d, notify: bert}]")}),
        ("same-fire", {"a": path(), "b": path(shadow="true")}),
        ("same-fire", {"a": path(), "b": path(**{"for": "1d"})}),
        ("same-fire", {"a": path(), "b": path(when="{untouched: 3d}")}),
        ("overlap", {"a": path(), "b": path("{region: a}", steps="[{notify: bert}]")}),
        ("overlap", {"a": path("{value: {above: 9 EUR}}"), "b": path("{value: {above: 9 USD}}")}),
        ("overlap", {"a": path("{tier: {above: 9}}"), "b": path("{tier: {at_least: 9}, region: a}")}),
        ("unknown-value", {"p": path("{stage: [new, unsolved]}")}),
        ("unknown-value", {"p": path("{priority: [urgent, null]}")}),
    ],
)
def test_each_keeps_still_where_nothing_can_be_shown(
    tmp_path: Path, name: str, paths: dict[str, str]
) -> None:
    text = "".join(f"  {key}: {each}" for key, each in paths.items())
    assert name not in names(of(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "weight", "paths"),
    [
        (
            "unreachable-step",
            "error",
            {
                "p": path(
                    when="{untouched: 2d, calendar: office}",
                    give_up="2 working days",
                    steps="[{notify: owner}, {after: 3 working days, notify: bert}]",
                )
            },
        ),
        (
            "unreachable-step",
            "error",
            {
                "p": path(
                    when="{untouched: 2d, calendar: office}",
                    give_up="69h",
                    steps="[{notify: owner}, {after: 3 working days, notify: bert}]",
                )
            },
        ),
        ("flood-risk", "info", {"p": path(when="{value: {falls_below: 50 EUR}}")}),
        ("flood-risk", "warning", {"p": path(when="{health: {falls: 10%, within: 7d}}")}),
        ("never-fires", "error", {"p": path("{not: {region: {not: a}}, all: [{region: b}]}")}),
        ("never-fires", "error", {"p": path("{stage: null}", "{in_stage: 2d}")}),
        ("never-fires", "error", {"p": path("{merged: 'ticket:1'}")}),
        ("never-fires", "error", {"p": path("{region: {contains: a}, not: {region: {contains: a}}}")}),
        (
            "never-fires",
            "error",
            {"p": path("{value: {at_least: 70 EUR}}", "{value: {falls_below: 50 EUR, clear: 60 EUR}}")},
        ),
        ("never-fires", "error", {"p": path("{currency: USD}", "{value: {crosses: 9 EUR, clear: 8 EUR}}")}),
        ("same-fire", "warning", {"a": path("{status: [open, paused]}"), "b": path()}),
        (
            "same-fire",
            "warning",
            {"a": path("{region: {contains: x}}"), "b": path("{not: {not: {region: {contains: x}}}}")},
        ),
        ("overlap", "warning", {"a": path("{tier: {above: 9}}"), "b": path("{tier: 12, region: a}")}),
        ("overlap", "warning", {"a": path("{any: [{region: a}, {region: b}]}"), "b": path("{region: b}")}),
        (
            "overlap",
            "warning",
            {"a": path("{region: {starts_with: no}}"), "b": path("{region: [north, northwest]}")},
        ),
        (
            "overlap",
            "warning",
            {"a": path("{region: {empty: false}}"), "b": path("{region: {ignoring_case: north}}")},
        ),
        ("unknown-value", "warning", {"p": path("{stage: {changed: {from: Solved}}}")}),
    ],
)
def test_each_finds_what_can_be_shown(tmp_path: Path, name: str, weight: str, paths: dict[str, str]) -> None:
    text = "".join(f"  {key}: {each}" for key, each in paths.items())
    assert (name, weight) in [(each.name, each.weight) for each in of(tmp_path, text)]


class TestIgnoring:
    SHADOW = "  p:{name}\n    about: ticket\n    when: {{untouched: 2d}}\n{before}    shadow: true{after}\n"
    STEPS = "    steps: [{notify: owner}]\n"

    @pytest.mark.parametrize(
        "places",
        [
            {"name": "  # check: ignore shadow-path"},
            {"name": " # check: ignore flood-risk,shadow-path until July"},
            {"after": "  #check:ignore shadow-path"},
            {"before": "    # check: ignore shadow-path\n"},
            {"before": "    # check: ignore shadow-path\n\n    # It is new.\n"},
        ],
    )
    def test_where_a_comment_holds(self, tmp_path: Path, places: dict[str, str]) -> None:
        text = self.SHADOW.format(**{"name": "", "before": "", "after": "", **places}) + self.STEPS
        assert "shadow-path" not in names(of(tmp_path, text))

    @pytest.mark.parametrize(
        "places",
        [
            {"name": "  # check: ignore overlap"},
            {"before": "    # check: ignore shadow-path\n    backlog: ignore\n"},
            {"after": "\n    # check: ignore shadow-path"},
            {"before": "    # check ignore shadow-path\n"},
        ],
    )
    def test_where_it_does_not(self, tmp_path: Path, places: dict[str, str]) -> None:
        text = self.SHADOW.format(**{"name": "", "before": "", "after": "", **places}) + self.STEPS
        assert "shadow-path" in names(of(tmp_path, text))

    def test_in_the_line_of_a_section_it_holds_for_all_in_it(self, tmp_path: Path) -> None:
        text = f"  a: {path(shadow='true')}  b: {path('{region: x}', shadow='true')}"
        head = HEAD.replace("paths:\n", "paths:  # check: ignore shadow-path, overlap\n")
        assert of(tmp_path, text, head) == []


def feed(name: str, record: str) -> str:
    """The head with one more feed."""
    more = f"  {name}: {{format: debezium, topic: {name}, record: {record}}}\n"
    return HEAD.replace("calendars:\n", f"{more}calendars:\n")


def test_a_stage_is_closed_only_where_each_feed_says_so(tmp_path: Path) -> None:
    solved = f"  p: {path('{stage: solved}')}"
    for closed, never in (("[solved]", True), ("[done]", False)):
        head = feed("chats", f"{{kind: ticket, id: id, stage: {{field: state, closed: {closed}}}}}")
        assert ("never-fires" in names(of(tmp_path, solved, head))) is never


def test_a_feed_that_tells_of_customers_serves_the_paths_about_them(tmp_path: Path) -> None:
    mails = "{kind: mail, id: id, customer: sender, by: side, said: {text: body}}"
    when = "{contacts: 3, within: 1d, unresolved: false}"
    customers = f"  c: {{about: customer, when: {when}, steps: [{{notify: bert}}]}}\n"
    tickets = f"  p: {path()}"
    assert "no-path" in names(of(tmp_path, tickets, feed("mails", mails)))
    assert "no-path" not in names(of(tmp_path, tickets + customers, feed("mails", mails)))


def test_what_waits_in_other_calendars_does_not_fire_at_the_same_moment(tmp_path: Path) -> None:
    head = HEAD.replace("people:\n", '  night: {open: {mon-sun: "20:00-24:00"}}\npeople:\n')
    text = "".join(
        f"  {calendar}: "
        + path(
            when=f"{{value: {{crosses: 9 EUR, clear: 8 EUR}}, calendar: {calendar}}}",
            steps="[{after: 2 working hours, notify: owner}]",
        )
        for calendar in ("office", "night")
    )
    assert of(tmp_path, text, head) == []


def test_findings_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = f"  a: {path(shadow='true', when='{untouched: 5m}')}  b: {path(when='{value: {crosses: 9 EUR}}')}"
    places = [(each.line, each.column) for each in of(tmp_path, text)]
    assert len(places) == 3
    assert places == sorted(places)


def test_two_hundred_paths_take_less_than_a_second(tmp_path: Path) -> None:
    paths = [
        f"  p{number}: "
        + path(
            f"{{region: r{number % 50}, value: {{at_least: {number * 100} EUR}}, priority: [urgent, high]}}",
            "{untouched: 2 working days, calendar: office}",
        )
        for number in range(200)
    ]
    file = tmp_path / "escalations.yaml"
    file.write_text(HEAD + "".join(paths), encoding="utf-8")
    config, document = load_with_source(file)
    begun = time.process_time()
    diagnostics = lint(config, document, TODAY)
    assert time.process_time() - begun < 1
    assert set(names(diagnostics)) == {"overlap"}
