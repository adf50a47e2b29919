"""`escalations test`: what a file of tests may say, what is wrong with one, and what fails.

The file tests/golden/ruletests/failing.tests.yaml shows each way to fail; what a user sees of it is
tests/golden/cli/test-failing.txt.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from streams.backtest.replay import replay
from streams.config import Config, load
from streams.core.document import Node, Problem
from streams.core.entries import Change
from streams.core.escalation import Escalation
from streams.core.timestamps import DAY, MINUTE, from_rfc3339, micros
from streams.diagnostics import ConfigError
from streams.ruletests.document import read_tests
from streams.ruletests.moments import Clock
from streams.ruletests.run import Outcome, run
from streams.yaml_source import read_yaml
from tests.command import REPOSITORY, STARTERS, escalations, golden

FAILING = REPOSITORY / "tests" / "golden" / "ruletests" / "failing.tests.yaml"
SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "schemas" / "tests.schema.json").read_text("utf-8")))
NAMES = sorted(path.stem for path in STARTERS.glob("*.yaml"))

CRM = """
version: 1
zone: Europe/Berlin
feeds:
  tickets:
    format: csv
    at: changed
    time: {format: iso}
    record:
      kind: ticket
      id: id
      owner: owner
      customer: customer
      stage: {field: stage, paused: pending, closed: [solved]}
      value: {field: value, currency: {always: EUR}}
      health: health
      merged: merged
      by: author
      said: {text: body, channel: via}
      fields: [tier]
  deals:
    format: debezium
    topic: crm.public.deal
    record: {kind: deal, id: id, owner: owner, stage: stage, value: {field: amount, currency: code}}
people:
  anna: {manager: bert}
  bert:
fallback: bert
paths:
  untouched:
    about: ticket
    where: {status: open}
    when: {untouched: 2d}
    steps: [{notify: owner}, {after: 1d, notify: owner.manager, severity: high}]
  big:
    about: ticket
    when: {value: {crosses: 1000 EUR}}
    steps: [{notify: bert}]
  angry:
    about: ticket
    when: {text: {phrases: standard}}
    steps: [{notify: owner, reassign: bert}]
  again:
    about: customer
    when: {contacts: 2, within: 1d}
    steps: [{notify: bert}]
  slow:
    about: deal
    when: {in_stage: 30d}
    steps: [{notify: owner}]
"""


@pytest.fixture
def crm(tmp_path: Path) -> Config:
    (tmp_path / "escalations.yaml").write_text(CRM)
    return load(tmp_path / "escalations.yaml")


def outcome(crm: Config, test: str) -> Outcome:
    """What becomes of a test of which `test` says all but the name, begun on Monday, 2 March 2026 at 9."""
    file = crm.path.parent / "a.tests.yaml"
    lines = "".join(f"    {line}\n" for line in test.strip().splitlines())
    file.write_text(f"tests:\n  - name: it\n    at: 2026-03-02 09:00\n{lines}")
    SCHEMA.validate(read_yaml(file, {}).data)
    read = read_tests(file, crm)
    return run(read.tests[0], read.rules)


def marks(outcome: Outcome) -> list[tuple[str, str, str]]:
    """What was met, missing, unexpected or different: event and path of each."""
    shown: list[tuple[str, str, str]] = []
    for row in outcome.rows:
        each = row.got or row.expected
        assert each is not None
        shown.append((row.mark, each.event, each.path))
    return shown


# --- what a test may say ---


PASSING = {
    "a record that comes and is left alone": """
given:
  - ticket:1: {owner: anna, stage: open}
expect:
  - {at: +2d, opened: untouched, record: ticket:1, notify: anna, severity: medium, episode: 1, step: 1}
  - {at: 2026-03-05 09:00, advanced: untouched, notify: [bert], reassign: null, because: [touched, bert]}
""",
    "without `at` a line is at the moment of the one before": """
given:
  - {at: +1d, ticket:1: {owner: anna, stage: open}}
  - ticket:2: {owner: anna, stage: open}
  - {at: +2d, ticket:1: touched}
  - {at: +2d, ticket:2: deleted}
expect:
  - {at: +4d, opened: untouched, record: ticket:1}
""",
    "the status follows from the stage": """
given:
  - ticket:1: {owner: anna, stage: open}
  - {at: +1d, ticket:1: {stage: pending}}
  - {at: +5d, ticket:1: {stage: open}}
  - {at: +8d, ticket:1: {stage: solved}}
expect:
  - {at: +7d, opened: untouched}
  - {at: +8d, resolved: untouched, notify: [bert, anna]}
  - {at: +8d, advanced: untouched}
""",
    "the currency is the one that the feed always has": """
given:
  - ticket:1: {owner: anna, stage: open, value: 500}
  - {at: +1d, ticket:1: {value: 1000}}
expect:
  - {at: +1d, opened: big}
""",
    "where the feed says neither, a test does": """
given:
  - deal:1: {owner: anna, stage: new, value: 5, currency: EUR}
expect:
  - {at: +30d, opened: slow}
""",
    "what the customer says": """
given:
  - ticket:1: {owner: anna, stage: open, customer: C9}
  - {at: +1h, ticket:1: touched, by: customer, said: I want to cancel my contract}
  - {at: +2h, ticket:1: touched, by: person, said: {text: "Let us see", channel: email}}
expect:
  - {at: +1h, opened: angry, notify: anna, reassign: bert}
  - {at: +2h, resolved: angry}
""",
    "contacts of a customer across records": """
given:
  - ticket:1: {owner: anna, stage: open, customer: C9}
  - ticket:2: {owner: anna, stage: open, customer: C9}
  - {at: +1h, ticket:1: touched, by: customer, said: where is it}
  - {at: +2h, ticket:2: touched, by: customer, said: {text: where is it, channel: chat}}
expect:
  - {at: +2h, opened: again, record: customer:C9, notify: bert}
only: again
""",
    "acknowledged until, and the chain goes on": """
given:
  - ticket:1: {owner: anna, stage: open}
  - {at: +2d 1h, acknowledge: ticket:1, by: anna, until: +5d}
expect:
  - {opened: untouched}
  - {at: +2d 1h, acknowledged: untouched}
  - {at: +5d, advanced: untouched}
""",
    "snoozed, reopened and dismissed": """
given:
  - ticket:1: {owner: anna, stage: open}
  - {at: +50h, snooze: ticket:1, by: anna, path: untouched, until: +9d}
  - {at: +51h, reopen: ticket:1, by: anna}
  - {at: +52h, noise: ticket:1, by: bert}
expect:
  - {opened: untouched}
  - {at: +50h, snoozed: untouched}
  - {at: +51h, reopened: untouched}
  - {at: +52h, noise: untouched}
until: +20d
""",
    "rows of a feed": """
given:
  - feed: tickets
    row: {changed: "2026-03-02T10:00:00Z", id: 1, stage: open, body: I want to cancel, author: customer}
  - {feed: tickets, row: {changed: "2026-03-03T10:00:00Z", id: 1, stage: solved, body: }}
expect:
  - {at: 2026-03-02 11:00, opened: angry, record: ticket:1}
  - {at: 2026-03-03 11:00, resolved: angry}
""",
    "a row and a line of the same record": """
given:
  - {feed: tickets, row: {changed: "2026-03-02T10:00:00Z", id: 1, stage: open, owner: anna}}
  - {at: +2h, ticket:1: {tier: gold}}
  - {feed: tickets, row: {changed: "2026-03-02T11:00:00Z", id: 1, stage: pending, owner: anna}}
expect: nothing
until: +9d
""",
    "a snapshot touches nothing": """
given:
  - ticket:1: {owner: anna, stage: open, created: 2026-03-01 09:00}
    snapshot: true
  - {at: +1h, ticket:1: {tier: gold}, snapshot: true}
expect:
  - {at: +1d, opened: untouched}
""",
    "nothing, of one path": """
given:
  - ticket:1: {owner: anna, stage: open}
expect: nothing
only: [big, angry]
until: +9d
""",
    "what only one expectation can be is left to it": """
given:
  - ticket:1: {owner: anna, stage: open}
  - ticket:2: {owner: bert, stage: open}
expect:
  - {opened: untouched}
  - {opened: untouched, notify: anna}
""",
    "offsets from UTC": """
given:
  - {at: "2026-03-02T09:00:00Z", ticket:1: {owner: anna, stage: open}}
expect:
  - {at: 2026-03-04 14:30+05:30, opened: untouched}
""",
}
NOT_YET = {
    "what only one expectation can be is left to it": "+2d",
    "acknowledged until, and the chain goes on": "",
}


@pytest.mark.parametrize("name", PASSING)
def test_what_a_test_may_say(crm: Config, name: str) -> None:
    test = PASSING[name]
    if until := NOT_YET.get(name):
        test += f"until: {until}\n"
    done = outcome(crm, test)
    assert done.passed, marks(done)


# --- what fails ---


FAILS: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "nothing was expected": ("expect: nothing\nuntil: +2d", [("unexpected", "opened", "untouched")]),
    "one more was expected": (
        "expect: [{opened: untouched}, {opened: untouched}]\nuntil: +2d",
        [("met", "opened", "untouched"), ("missing", "opened", "untouched")],
    ),
    "another person": (
        "expect: [{at: +2d, opened: untouched, notify: bert}]",
        [("different", "opened", "untouched")],
    ),
    "nobody": ("expect: [{at: +2d, opened: untouched, notify: []}]", [("different", "opened", "untouched")]),
    "one more person": (
        "expect: [{at: +2d, opened: untouched, notify: [anna, bert]}]",
        [("different", "opened", "untouched")],
    ),
    "another severity": (
        "expect: [{at: +2d, opened: untouched, severity: high}]",
        [("different", "opened", "untouched")],
    ),
    "given to somebody": (
        "expect: [{at: +2d, opened: untouched, reassign: bert}]",
        [("different", "opened", "untouched")],
    ),
    "another reason": (
        "expect: [{at: +2d, opened: untouched, because: on leave}]",
        [("different", "opened", "untouched")],
    ),
    "another moment": (
        "expect: [{at: +1d, opened: untouched, notify: anna}]\nuntil: +2d",
        [("different", "opened", "untouched")],
    ),
    "another moment and another person": (
        "expect: [{at: +1d, opened: untouched, notify: bert}]\nuntil: +2d",
        [("missing", "opened", "untouched"), ("unexpected", "opened", "untouched")],
    ),
    "another path": (
        "expect: [{at: +2d, opened: big}]",
        [("missing", "opened", "big"), ("unexpected", "opened", "untouched")],
    ),
    "another record": (
        "  - {at: +2d, ticket:2: {stage: solved}}\nexpect: [{at: +2d, opened: untouched, record: ticket:2}]",
        [("missing", "opened", "untouched"), ("unexpected", "opened", "untouched")],
    ),
    "nothing more is compared": (
        "expect: [{at: +2d, opened: big}]\nonly: big",
        [("missing", "opened", "big")],
    ),
}


@pytest.mark.parametrize("name", FAILS)
def test_what_fails(crm: Config, name: str) -> None:
    test, shown = FAILS[name]
    done = outcome(crm, f"given:\n  - ticket:1: {{owner: anna, stage: open}}\n{test}")
    assert not done.passed
    assert marks(done) == shown


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with the csv starter and no tests."""
    (tmp_path / "escalations.yaml").write_bytes((STARTERS / "csv.yaml").read_bytes())
    return tmp_path


def test_a_failure_shows_expected_and_got_why_and_why_not(sample: Path) -> None:
    (sample / "failing.tests.yaml").write_bytes(FAILING.read_bytes())
    done = escalations("test", cwd=sample)
    assert done.code == 1
    assert done.err == ""
    golden("test-failing.txt", done.out)


def test_programs_get_the_same(sample: Path) -> None:
    (sample / "failing.tests.yaml").write_bytes(FAILING.read_bytes())
    done = escalations("test", "--json", cwd=sample)
    assert done.code == 1
    result = json.loads(done.out)
    assert (result["passed"], result["failed"], result["untested"]) == (1, 3, ["ticket-waiting"])
    good, other, *_ = result["tests"]
    assert (good["name"], good["line"], good["passed"]) == ("nothing is wrong", 4, True)
    first = other["escalations"][0]
    assert (first["mark"], first["differing"]) == ("different", ["notify"])
    assert first["expected"]["at"] == first["got"]["at"] == "2026-03-18T08:00:00Z"
    assert first["got"]["reason"]["people"][0]["found"] == ["carla"]
    # Nothing in it depends on when or how fast it ran.
    assert escalations("test", "--json", cwd=sample).out == done.out


def test_the_file_of_failures_is_valid() -> None:
    SCHEMA.validate(read_yaml(FAILING, {}).data)


# --- files ---


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_comes_with_tests_that_pass_and_leave_no_path_out(tmp_path: Path, name: str) -> None:
    assert escalations("init", "--starter", name, cwd=tmp_path).code == 0
    done = escalations("test", cwd=tmp_path)
    assert done.code == 0, done.out
    assert "No test is about" not in done.out
    SCHEMA.validate(read_yaml(tmp_path / "escalations.tests.yaml", {}).data)


@pytest.mark.parametrize("path", ["ticket-untouched", "ticket-resolution", "ticket-waiting"])
def test_the_tests_of_a_starter_fail_when_a_path_is_broken(tmp_path: Path, path: str) -> None:
    assert escalations("init", "--starter", "csv", cwd=tmp_path).code == 0
    file = tmp_path / "escalations.yaml"
    before, _, after = file.read_text().partition(f"  {path}:\n")
    broken = after.replace("about: ticket", "about: ticket\n    for: 1h", 1)
    file.write_text(f"{before}  {path}:\n{broken}")
    assert escalations("test", cwd=tmp_path).code == 1


def test_every_file_beside_the_configuration_is_run(sample: Path) -> None:
    for name in ("b", "a"):
        test = "{name: it, at: 2026-03-02 09:00, given: [], expect: nothing, until: +1d}"
        (sample / f"{name}.tests.yaml").write_text(f"tests: [{test}]\n")
    done = escalations("test", "-c", sample / "escalations.yaml", cwd=sample.parent)
    assert done.code == 0
    assert [line.strip() for line in done.out.splitlines()] == [
        f"{sample}/a.tests.yaml",
        "ok      it",
        f"{sample}/b.tests.yaml",
        "ok      it",
        "2 tests: 2 ok, 0 failed",
        "No test is about: ticket-untouched, ticket-resolution, ticket-waiting",
    ]
    named = escalations("test", "b.tests.yaml", cwd=sample)
    assert "a.tests.yaml" not in named.out
    assert "1 test: 1 ok" in named.out


def test_a_filter_takes_some(sample: Path) -> None:
    (sample / "failing.tests.yaml").write_bytes(FAILING.read_bytes())
    done = escalations("test", "--filter", "Nothing is", cwd=sample)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "1 test: 1 ok, 0 failed"
    none = escalations("test", "--filter", "no such", cwd=sample)
    assert (none.code, none.out) == (2, "")
    assert "No test has 'no such' in its name" in none.err


def test_without_any_test_it_is_not_green(sample: Path) -> None:
    done = escalations("test", cwd=sample)
    assert (done.code, done.out) == (2, "")
    assert "There are no tests: no file *.tests.yaml" in done.err
    missing = escalations("test", "no.tests.yaml", cwd=sample)
    assert missing.code == 2
    assert "'no.tests.yaml' does not exist" in missing.err


def test_a_mistake_in_the_configuration_comes_first(sample: Path) -> None:
    (sample / "a.tests.yaml").write_text("nonsense")
    (sample / "escalations.yaml").write_text("version: 2")
    done = escalations("test", cwd=sample)
    assert done.code == 2
    assert "escalations.yaml:1:10" in done.err
    assert "tests.yaml" not in done.err


def test_the_documentation_shows_what_is_printed(sample: Path) -> None:
    text = (REPOSITORY / "docs" / "testing-rules.md").read_text("utf-8")
    shown = re.findall(
        r"^```yaml\n([^`]*)```\n\n```\n\$ escalations test\n(.*?)^```", text, re.MULTILINE | re.DOTALL
    )
    assert len(shown) == 2
    for file, out in shown:
        (sample / "escalations.tests.yaml").write_text(file)
        assert escalations("test", cwd=sample).out == out


# --- what is wrong with a file ---


HEAD = "tests:\n  - name: it\n    at: 2026-03-02 09:00\n"
TICKET = f"{HEAD}    given:\n      - ticket:1: {{owner: anna, stage: open}}\n"
NOTHING = "    expect: nothing\n    until: +1d\n"


def line(text: str) -> str:
    """A file in which a line of `given`, the sixth, is `text`."""
    return f"{TICKET}      - {text}\n{NOTHING}"


def expect(text: str) -> str:
    """A file in which a line of `expect`, the seventh, is `text`."""
    return f"{TICKET}    expect:\n      - {text}\n"


# By what is wrong: the file, the line and the characters meant, and parts of message and remedy.
WRONG: dict[str, tuple[str, int | None, str, str, str]] = {
    "no tests": ("zone: UTC\n", None, "", "'the file' lacks 'tests'", ""),
    "an empty list": ("tests: []\n", 1, "tests", "there are no tests", ""),
    "an unknown key": (
        f"{TICKET}{NOTHING}test: []\n",
        8,
        "test",
        "unknown key 'test'",
        "Did you mean 'tests'?",
    ),
    "a wrong zone": (f"{TICKET}{NOTHING}zone: Europe/Berln\n", 8, "Europe/Berln", "no time zone", "IANA"),
    "a wrong key": (f"{TICKET}{NOTHING}    onyl: big\n", 8, "onyl", "unknown key", "Did you mean 'only'?"),
    "no expectation": (TICKET, 2, "", "lacks 'expect'", ""),
    "an empty expectation": (f"{TICKET}    expect: []\n", 6, "[]", "`expect` is empty", "expect: nothing"),
    "no end": (f"{TICKET}    expect: nothing\n", 6, "expect", "up to when?", "until: +30d"),
    "a name twice": (f"{line('{}')}", 6, "{}", "nothing happens", "acknowledge: ticket:1"),
    "the beginning as an offset": (
        "tests: [{name: a, at: +1d, given: [], expect: nothing}]\n",
        1,
        "+1d",
        "'+1d' counts from nothing",
        "2026-03-04 09:00",
    ),
    "no such day": (
        line("{at: 2026-02-30 09:00, ticket:1: touched}"),
        6,
        "2026-02-30 09:00",
        "no moment",
        "",
    ),
    "no time of day": (line("{at: 2026-03-04, ticket:1: touched}"), 6, "2026-03-04", "no moment", "+2d 4h"),
    "a moment that never comes": (
        line("{at: 2026-03-29 02:30, ticket:1: touched}"),
        6,
        "2026-03-29 02:30",
        "never comes in Europe/Berlin",
        "before or after",
    ),
    "an offset without unit": (line("{at: +1, ticket:1: touched}"), 6, "+1", "1 is no moment", "+2d 4h"),
    "an offset that is none": (line("{at: +1x, ticket:1: touched}"), 6, "+1x", "'1x' is not a span", ""),
    "an offset in working time": (
        line("{at: +2 working days, ticket:1: touched}"),
        6,
        "+2 working days",
        "would need a calendar",
        "Write the moment itself",
    ),
    "before the beginning": (
        line("{at: 2026-03-02 08:00, ticket:1: touched}"),
        6,
        "2026-03-02 08:00",
        "time runs backwards: this is 2026-03-02 08:00, after 2026-03-02 09:00",
        "in the order",
    ),
    "before the line above": (
        line("{at: +2h, ticket:1: touched}\n      - {at: +1h, ticket:1: touched}"),
        7,
        "+1h",
        "time runs backwards",
        "in the order",
    ),
    "after the end": (
        line("{at: +2d, ticket:1: touched}"),
        8,
        "+1d",
        "time ends at 2026-03-03 09:00, before something happens at 2026-03-04 09:00",
        "later `until`",
    ),
    "expected after the end": (
        f"{expect('{at: +2d, opened: untouched}')}    until: +1d\n",
        8,
        "+1d",
        "before an escalation is expected at 2026-03-04 09:00",
        "later `until`",
    ),
    "expected before the beginning": (
        expect("{at: 2026-03-01 09:00, opened: untouched}"),
        7,
        "2026-03-01 09:00",
        "before the test begins",
        "2026-03-02 09:00",
    ),
    "an unknown kind": (line("{tickets:1: touched}"), 6, "tickets:1", "no feed brings records", "'ticket'?"),
    "an unknown field": (line("{ticket:1: {ownr: x}}"), 6, "ownr", "no feed brings a field", "'owner'?"),
    "no field": (line("{ticket:1: {}}"), 6, "{}", "no field is changed", "Write `touched`"),
    "a status beside a stage": (
        line("{ticket:1: {status: closed}}"),
        6,
        "status",
        "'status' follows from the stage",
        "Take it out",
    ),
    "a currency that is always the same": (
        line("{ticket:1: {currency: USD}}"),
        6,
        "currency",
        "'currency' follows from the value",
        "Take it out",
    ),
    "an amount as a value": (line("{ticket:1: {value: 10 EUR}}"), 6, "10 EUR", "is no number", "currency"),
    "no record": (line("{ticket:1: {merged: 2}}"), 6, "2", "names no record", "ticket:2"),
    "another word": (line("{ticket:1: touchd}"), 6, "touchd", "not known here", "Did you mean 'touched'?"),
    "two at once": (
        line("{ticket:1: touched, ticket:2: touched}"),
        6,
        "ticket:2",
        "'ticket:1' and 'ticket:2'",
        "a line for each",
    ),
    "a command misspelt": (
        line("{acknowlege: ticket:1, by: anna}"),
        6,
        "acknowlege",
        "unknown key",
        "Did you mean 'acknowledge'?",
    ),
    "a command by nobody": (line("{noise: ticket:1}"), 6, "{noise: ticket:1}", "lacks 'by'", ""),
    "a command to what is not there": (
        line("{noise: ticket:2, by: anna}"),
        6,
        "ticket:2",
        "nothing is known of 'ticket:2'",
        "Did you mean 'ticket:1'?",
    ),
    "a command to an unknown path": (
        line("{noise: ticket:1, by: anna, path: untuched}"),
        6,
        "untuched",
        "there is no path",
        "Did you mean 'untouched'?",
    ),
    "a snooze without end": (
        line("{snooze: ticket:1, by: anna}"),
        6,
        "{snooze: ticket:1, by: anna}",
        "needs a moment",
        "until",
    ),
    "noise that ends": (
        line("{noise: ticket:1, by: anna, until: +1d}"),
        6,
        "until",
        "does not end by itself",
        "Take `until` out",
    ),
    "an end before the beginning": (
        line("{at: +2h, snooze: ticket:1, by: anna, until: +1h}"),
        6,
        "+1h",
        "end before it begins",
        "counts from the test's `at`",
    ),
    "an unknown author": (line("{ticket:1: touched, by: anna}"), 6, "anna", "not known here", "customer"),
    "who did it, where no feed says it": (
        line("{deal:1: touched, by: person}"),
        6,
        "by",
        "no feed brings who has changed a deal",
        "the feed: deals",
    ),
    "a message, where no feed brings it": (
        line("{deal:1: touched, said: hi}"),
        6,
        "said",
        "no feed brings what is said about a deal",
        "the feed: deals",
    ),
    "a message of what is deleted": (
        line("{ticket:1: deleted, said: hi}"),
        6,
        "{ticket:1: deleted, said: hi}",
        "deleted",
        "a line for each",
    ),
    "too much anger": (
        line("{ticket:1: touched, said: {text: hi, negativity: 2}}"),
        6,
        "2",
        "2 is no negativity",
        "from -1",
    ),
    "an unknown feed": (line("{feed: ticket, row: {}}"), 6, "ticket", "there is no feed", "'tickets'?"),
    "rows of messages": (line("{feed: deals, row: {}}"), 6, "row", "are no rows", "with its fields"),
    "a row that cannot be read": (
        line("{feed: tickets, row: {id: 1, changed: today}}"),
        6,
        "row",
        "column 'changed'",
        "mapping",
    ),
    "a row before the beginning": (
        line('{feed: tickets, row: {id: 1, changed: "2026-03-01T00:00:00Z"}}'),
        6,
        "{id",
        "time runs backwards: this is 2026-03-01 01:00",
        "in the order",
    ),
    "no event": (expect("{at: +2d, path: untouched}"), 7, "path", "unknown key 'path'", ""),
    "an event misspelt": (expect("{openend: untouched}"), 7, "openend", "unknown key", "'opened'?"),
    "facts alone": (expect("{at: +2d}"), 7, "{at: +2d}", "does not say what comes", "`opened: untouched`"),
    "two events": (
        expect("{opened: untouched, resolved: big}"),
        7,
        "resolved",
        "opened and resolved",
        "a line for each",
    ),
    "an unknown path": (expect("{opened: untuched}"), 7, "untuched", "no path 'untuched'", "'untouched'?"),
    "an unknown record": (
        expect("{opened: untouched, record: ticket:2}"),
        7,
        "ticket:2",
        "nothing is known of 'ticket:2'",
        "Did you mean 'ticket:1'?",
    ),
    "a record of another kind": (
        expect("{opened: slow, record: ticket:1}"),
        7,
        "ticket:1",
        "about records of the kind 'deal'",
        "",
    ),
    "an unknown severity": (
        expect("{opened: untouched, severity: hihg}"),
        7,
        "hihg",
        "not known here",
        "Did you mean 'high'?",
    ),
    "a step that is no number": (expect("{opened: untouched, step: one}"), 7, "one", "no number", ""),
    "a path that is not compared": (
        f"{expect('{opened: untouched}')}    only: big\n",
        7,
        "untouched",
        "not among the paths that are compared",
        "`only`",
    ),
    "an unknown path to compare": (
        f"{expect('{opened: untouched}')}    only: untuched\n",
        8,
        "untuched",
        "there is no path",
        "'untouched'?",
    ),
    "an unknown person": (
        f"people: {{ana: {{}}}}\n{TICKET}{NOTHING}",
        1,
        "ana",
        "'ana' is not in `people`",
        "Did you mean 'anna'?",
    ),
    "a person's manager who is none": (
        f"people: {{anna: {{manager: brt}}}}\n{TICKET}{NOTHING}",
        1,
        "brt",
        "'brt' is not in `people`",
        "",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_shown_where_it_stands(crm: Config, name: str) -> None:
    text, number, meant, message, remedy = WRONG[name]
    file = crm.path.parent / "a.tests.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_tests(file, crm)
    (found,) = caught.value.diagnostics
    assert found.line == number
    if found.column is not None:
        assert text.splitlines()[found.line - 1 if found.line else 0][found.column - 1 :].startswith(meant)
    assert message in found.message
    assert remedy in found.remedy


def test_all_mistakes_of_all_files_are_shown_and_nothing_is_run(sample: Path) -> None:
    good = f"{TICKET}{NOTHING}"
    (sample / "a.tests.yaml").write_text(good.replace("owner", "ownr").replace("+1d", "+1x"))
    (sample / "b.tests.yaml").write_text(good.replace("expect", "expects"))
    (sample / "c.tests.yaml").write_text(good)
    done = escalations("test", cwd=sample)
    assert (done.code, done.out) == (2, "")
    for place in ("a.tests.yaml:5:20", "a.tests.yaml:7:12", "b.tests.yaml:6:5"):
        assert f"--> {place}\n" in done.err
    assert "^^^^" in done.err


def test_two_tests_of_one_name_are_a_mistake(crm: Config) -> None:
    file = crm.path.parent / "a.tests.yaml"
    test = "{name: it, at: 2026-03-02 09:00, given: [], expect: nothing, until: +1d}"
    file.write_text(f"tests:\n  - {test}\n  - {test}\n")
    with pytest.raises(ConfigError, match="two tests are called 'it'"):
        read_tests(file, crm)


@pytest.mark.parametrize(
    "name",
    [
        "no tests",
        "an empty list",
        "an unknown key",
        "a wrong key",
        "no expectation",
        "an empty expectation",
        "the beginning as an offset",
        "no time of day",
        "an offset without unit",
        "no field",
        "another word",
        "a command misspelt",
        "a command by nobody",
        "a snooze without end",
        "noise that ends",
        "an unknown author",
        "too much anger",
        "no event",
        "an event misspelt",
        "facts alone",
        "two events",
        "an unknown severity",
        "a step that is no number",
    ],
)
def test_what_is_wrong_in_form_is_invalid_by_the_schema(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tests.yaml").write_text(WRONG[name][0])
    with pytest.raises(ValidationError):
        SCHEMA.validate(read_yaml(tmp_path / "a.tests.yaml", {}).data)


# --- moments ---


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-04 09:00", "2026-03-04T08:00:00Z"),
        ("2026-03-04 9:00:05", "2026-03-04T08:00:05Z"),
        ("2026-07-04T09:00", "2026-07-04T07:00:00Z"),
        ("2026-03-04 09:00Z", "2026-03-04T09:00:00Z"),
        ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
        ("2026-10-25 02:30+01:00", "2026-10-25T01:30:00Z"),
        ("+1d", "2026-03-29T08:00:00Z"),
        ("+1w 2d 3h 4m 5s", "2026-04-06T11:04:05Z"),
    ],
)
def test_moments(text: str, utc: str) -> None:
    # The day before clocks go forward: an offset is elapsed time.
    clock = Clock(ZoneInfo("Europe/Berlin"), from_rfc3339("2026-03-28T08:00:00Z"))
    assert clock.read(Node(text)) == from_rfc3339(utc)


@given(st.datetimes(datetime(1902, 1, 1), datetime(2190, 1, 1)), st.sampled_from(["Europe/Berlin", "UTC"]))
@example(datetime(2026, 10, 25, 0, 30), "Europe/Berlin")
@example(datetime(2026, 10, 25, 1, 30), "Europe/Berlin")
@example(datetime(2026, 10, 25, 1, 30, 0, 5), "Europe/Berlin")
def test_a_moment_that_is_shown_can_be_written(naive: datetime, zone: str) -> None:
    at = micros(naive.replace(tzinfo=ZoneInfo("UTC")))
    clock = Clock(ZoneInfo(zone))
    assert clock.read(Node(clock.show(at))) == at


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01 09:00", "2026-03-04 24:30", "0026-03-04 09:00"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(Problem):
        Clock(ZoneInfo("UTC")).read(Node(text))


# --- the same core ---


_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from(["anna", "bert", "nobody", None]),
        "stage": st.sampled_from(["open", "pending", "solved"]),
        "value": st.sampled_from([10.0, 1000.0, 5000.0]),
        "tier": st.sampled_from(["gold", "true", "7"]),
        "customer": st.sampled_from(["C1", "C2"]),
    },
)
_LINES = st.lists(
    st.tuples(
        st.integers(0, 3 * DAY // MINUTE),
        st.sampled_from(["ticket:1", "ticket:2", "ticket:a b"]),
        st.one_of(_FIELDS, st.sampled_from(["touched", "deleted"])),
        st.sampled_from([None, "customer", "person"]),
        st.sampled_from([None, "I want to cancel", "thank you"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(lines=_LINES)
def test_what_a_backtest_decides_is_what_a_test_sees_and_its_lines_can_be_copied(
    crm: Config, lines: list[tuple[int, str, Any, str | None, str | None]]
) -> None:
    at, story = 0, []
    for later, record, fields, by, said in lines:
        at += later
        each: dict[str, Any] = {"at": f"+{at}m", record: fields or "touched"}
        if by is not None:
            each["by"] = by
        if said is not None and fields != "deleted":
            each["said"] = said
        story.append(each)
    test = {"name": "it", "at": "2026-03-02 09:00", "until": f"+{at + 9000}m", "given": story}
    folder = crm.path.parent
    nothing = folder / "nothing.tests.yaml"
    nothing.write_text(json.dumps({"tests": [{**test, "expect": "nothing"}]}))
    read = read_tests(nothing, crm)
    seen: list[Escalation | None] = [row.got for row in run(read.tests[0], read.rules).rows]
    changes = [entry for entry in read.tests[0].entries if isinstance(entry, Change)]
    assert seen == list(replay(crm.rules, changes, read.tests[0].until))

    done = escalations("test", nothing, cwd=folder)
    copied = [text.strip().removeprefix("+ ") for text in done.out.splitlines() if text.startswith("    + ")]
    assert len(copied) == len(seen)
    given_lines = "".join(f"      - {json.dumps(each)}\n" for each in story)
    expected = "".join(f"      - {each}\n" for each in copied)
    (folder / "copied.tests.yaml").write_text(
        f"{HEAD}    until: {test['until']}\n    given:\n{given_lines}"
        + (f"    expect:\n{expected}" if copied else "    expect: nothing\n")
    )
    assert escalations("test", "copied.tests.yaml", cwd=folder).code == 0


@pytest.mark.parametrize(
    "name", ["true", "NULL", "12", "1.5", "a, b", "x: y", "x:", "#x", "[a]", "- a", "it's", "Ö"]
)
def test_names_of_any_form_can_be_copied(tmp_path: Path, name: str) -> None:
    (tmp_path / "escalations.yaml").write_text(
        CRM.replace("\nfallback", f"\n  {json.dumps(name)}: {{}}\nfallback").replace(
            "  untouched:", f"  {json.dumps(name)}:"
        )
    )
    test = f"{TICKET.replace('anna', json.dumps(name))}    until: +2d\n"
    (tmp_path / "a.tests.yaml").write_text(f"{test}    expect: nothing\n")
    done = escalations("test", cwd=tmp_path)
    (copied,) = [text[6:] for text in done.out.splitlines() if text.startswith("    + ")]
    (tmp_path / "a.tests.yaml").write_text(f"{test}    expect:\n      - {copied}\n")
    assert escalations("test", cwd=tmp_path).code == 0
