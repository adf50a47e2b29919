"""The command `audit`: what it finds in small histories, when that could have been noticed, and that what it
proposes can be pasted and does what it says."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.backtest.audit import facts
from streams.backtest.audit.coverage import Coverage
from streams.backtest.audit.look import Look
from streams.backtest.history import History
from streams.config import load_bare
from streams.feeds.files import read_messages
from tests.command import STARTERS, Done, escalations, golden

START = datetime(2026, 1, 5, 9, tzinfo=UTC)

FEEDS = """version: 1
feeds:
  tickets:
    format: csv
    at: at
    time: {format: iso}
    record:
      kind: ticket
      id: id
      created: opened
      stage: {field: stage, paused: [waiting], closed: [closed]}
      priority: priority
      owner: owner
      value: {field: value, currency: {always: EUR}}
      health: health
      customer: customer
      by: who
      said: {text: text}
      fields: [product]
"""
COLUMNS = (
    "at", "opened", "id", "stage", "priority", "owner", "value", "health", "customer", "who", "text",
    "product",
)  # fmt: skip

Rows = list[dict[str, str]]


def row(days: float, ticket: str, **cells: str) -> dict[str, str]:
    return {"at": (START + timedelta(days=days)).isoformat(), "id": ticket, **cells}


def opened(days: float, ticket: str, **cells: str) -> dict[str, str]:
    """The first row of a ticket."""
    first = row(days, ticket, stage="open", **cells)
    return {**first, "opened": first["at"]}


def ticket(number: int, began: float, lasted: float, **cells: str) -> Rows:
    """One that is open for so many days, and then closed; somebody touches it soon after it was opened."""
    name = f"T{number}"
    return [
        opened(began, name, **cells),
        row(began + 0.25, name, stage="open", text="taken", **cells),
        row(began + lasted, name, stage="closed", **cells),
    ]


def usual(count: int = 60, **cells: str) -> Rows:
    """One ticket a day, nearly all of them closed within two."""
    return [each for number in range(count) for each in ticket(number, number, 1 + number % 3 / 2, **cells)]


def write(folder: Path, rows: Iterable[dict[str, str]], configuration: str = FEEDS) -> None:
    (folder / "escalations.yaml").write_text(configuration)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "tickets.csv").write_text(text.getvalue())


def audit(folder: Path, *more: str) -> dict[str, Any]:
    done = escalations("audit", "--feed", "tickets", "tickets.csv", *more, "--json", cwd=folder)
    assert done[::2] == (0, "")
    numbers: dict[str, Any] = json.loads(done.out)
    return numbers


def failure(numbers: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in numbers["failures"] if each["failure"] == name)
    return found


def found(numbers: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["about"], each["failure"]) for each in numbers["failures"]}


def days_after(moment: str, began: float) -> float:
    return (datetime.fromisoformat(moment) - START) / timedelta(days=1) - began


def test_a_ticket_that_is_left_alone_is_found_with_the_moment_when_it_showed(tmp_path: Path) -> None:
    late = ticket(900, 50, 20, value="500", priority="high")
    write(tmp_path, [*usual(), *late])
    numbers = audit(tmp_path)
    (worst, *_) = failure(numbers, "stuck in a stage")["worst"]
    assert worst["record"] == "ticket:T900"
    assert days_after(worst["began"], 50) == 0
    # Nine of ten are closed within two days, and the limit is a little above that.
    assert 2 < days_after(worst["noticeable"], 50) < 2.1
    assert days_after(worst["over"], 70) == 0
    assert worst["days"] == pytest.approx(18, abs=0.1)
    assert (worst["value"], worst["currency"]) == (500, "EUR")
    assert failure(numbers, "stuck in a stage")["value"] == {"EUR": 500}
    assert numbers["changes"] == 183
    assert numbers["records"] == 61


def test_what_could_be_noticed_depends_on_nothing_that_came_later(tmp_path: Path) -> None:
    """The beginning of a history, up to when something could be noticed, says so as the whole does."""
    # Tickets become slower, so that whoever looked ahead would notice later.
    write(tmp_path, [each for number in range(80) for each in ticket(number, number, 1 + number / 10)])
    whole = noticed(tmp_path)
    assert {name for name, _ in whole} == {"stuck in a stage", "untouched", "open too long"}
    for (name, record), moment in sorted(whole.items())[::5]:
        assert noticed(tmp_path, moment + 1)[name, record] == moment
        assert (name, record) not in noticed(tmp_path, moment)


def test_who_comes_among_faster_ones_is_late_from_then_on(tmp_path: Path) -> None:
    late = ticket(900, 50, 12, priority="low")
    late[2:2] = [row(57, "T900", priority="high", stage="open")]
    write(tmp_path, [*slow(priority="low"), *usual(priority="high"), *late])
    began = {"ticket:T900": 50}
    (worst,) = [
        each for each in failure(audit(tmp_path), "open too long")["worst"] if each["record"] in began
    ]
    assert days_after(worst["noticeable"], 50) == 7


def noticed(folder: Path, until: int | None = None) -> dict[tuple[str, str], int]:
    """When each failure could have been noticed, in microseconds, of a history that ends at `until`."""
    config, _ = load_bare(folder / "escalations.yaml")
    (feed,) = config.feeds.values()
    history = History()
    history.read(feed, read_messages(feed, folder / "tickets.csv"))
    look = Look(history.changes, facts([feed]), Coverage(config.rules, ()), until)
    return {
        (each.failure.title, record): finding.noticeable
        for each in look.found
        for record, finding in each.findings.items()
    }


def test_too_few_to_know_what_is_usual_are_no_failure(tmp_path: Path) -> None:
    write(tmp_path, [*usual(14), *ticket(900, 1, 100)])
    assert audit(tmp_path)["failures"] == []
    write(tmp_path, [*usual(30), *ticket(900, 1, 100)])
    assert audit(tmp_path)["failures"]


def test_what_lasts_less_than_a_day_is_no_failure(tmp_path: Path) -> None:
    rows = []
    for number in range(200):
        lasted = 0.95 if number % 20 == 7 else 0.01
        name = f"T{number}"
        rows += [opened(number / 4, name), row(number / 4 + lasted, name, stage="closed")]
    write(tmp_path, rows)
    assert audit(tmp_path)["failures"] == []


def test_where_less_than_half_end_nothing_is_too_late(tmp_path: Path) -> None:
    endless = [opened(number / 4, f"A{number}") for number in range(240)]
    write(tmp_path, [*usual(), *endless])
    assert audit(tmp_path)["failures"] == []


def test_where_many_never_end_the_longest_that_did_is_the_limit(tmp_path: Path) -> None:
    endless = [opened(3 * number, f"A{number}") for number in range(20)]
    write(tmp_path, [*usual(), *endless])
    stuck = failure(audit(tmp_path), "stuck in a stage")
    assert stuck["worst"][0]["over"] is None
    # The first of the twenty began when nobody knew yet; later ones are noticed after two days.
    late = [each for each in stuck["worst"] if days_after(each["began"], 0) > 31]
    assert all(days_after(each["noticeable"], days_after(each["began"], 0)) < 2.1 for each in late)


def slow(**cells: str) -> Rows:
    """As many tickets that are open for ten days; they begin forty days sooner."""
    return [each for number in range(100, 160) for each in ticket(number, number - 140, 10, **cells)]


def test_similar_are_those_of_one_priority(tmp_path: Path) -> None:
    late = [*ticket(900, 50, 9, priority="high"), *ticket(901, 50, 9, priority="low")]
    write(tmp_path, [*slow(priority="low"), *usual(priority="high"), *late])
    untouched = failure(audit(tmp_path), "untouched")
    assert [each["record"] for each in untouched["worst"]] == ["ticket:T900"]


def test_similar_agree_in_what_by_names(tmp_path: Path) -> None:
    write(tmp_path, [*slow(product="crane"), *usual(product="nail"), *ticket(900, 50, 9, product="nail")])
    assert ("ticket", "stuck in a stage") not in found(audit(tmp_path))
    numbers = audit(tmp_path, "--by", "product")
    assert [each["record"] for each in failure(numbers, "stuck in a stage")["worst"]] == ["ticket:T900"]
    done = escalations("audit", "--feed", "tickets", "tickets.csv", "--by", "colour", cwd=tmp_path)
    assert done[:2] == (2, "")
    assert "the feed brings no field 'colour'; known:" in done.err


def test_a_pause_is_waiting_but_not_untouched(tmp_path: Path) -> None:
    paused = [
        opened(50, "T900"),
        row(50.5, "T900", stage="waiting"),
        row(70, "T900", stage="open"),
        row(70.5, "T900", stage="closed"),
    ]
    worked = [row(50 + number, "T901", stage="open", text=str(number)) for number in range(20)]
    write(tmp_path, [*usual(), *paused, *worked, row(70, "T901", stage="closed")])
    numbers = audit(tmp_path)
    late = {each["record"] for each in failure(numbers, "open too long")["worst"]}
    assert {"ticket:T900", "ticket:T901"} <= late
    for kind in numbers["failures"]:
        if kind["failure"] == "untouched":
            assert not {"ticket:T900", "ticket:T901"} & {each["record"] for each in kind["worst"]}


def test_a_high_value_is_one_of_the_highest_known_by_then(tmp_path: Path) -> None:
    rows = [
        each
        for number in range(60)
        for each in ticket(number, number, 1 + number % 3 / 2, value=str(100 + number % 10))
    ]
    rows += [*ticket(900, 50, 6, value="5000"), *ticket(901, 51, 6, value="101")]
    rows += [each for number in range(200, 260) for each in ticket(number, number - 140, 1, value="90000")]
    write(tmp_path, rows)
    high = failure(audit(tmp_path), "high values untouched")
    assert {each["record"] for each in high["worst"]} == {"ticket:T900"}
    assert high["value"] == {"EUR": 5000}


def test_a_customer_who_writes_again_and_again(tmp_path: Path) -> None:
    def write_in(days: float, name: str, customer: str, stage: str = "open") -> dict[str, str]:
        return row(days, name, customer=customer, who="customer", text="Hello?", stage=stage)

    rows = [write_in(0, "T1", "ann"), write_in(0.5, "T2", "ann"), write_in(0.75, "T1", "ann")]
    rows += [row(4, "T1", customer="ann", stage="closed"), row(4, "T2", customer="ann", stage="closed")]
    rows += [write_in(number, f"B{number}", "bob") for number in range(5)]
    rows += [write_in(6 + number / 10, "C1", "cid") for number in range(4)]
    write(tmp_path, rows)
    again = failure(audit(tmp_path), "customers who write again and again")
    worst = {each["record"]: each for each in again["worst"]}
    assert set(worst) == {"customer:ann", "customer:cid"}
    assert days_after(worst["customer:ann"]["noticeable"], 0.75) == pytest.approx(0, abs=1e-6)
    assert days_after(worst["customer:ann"]["over"], 4) == pytest.approx(0, abs=1e-6)
    assert worst["customer:cid"]["over"] is None


def test_a_fall_in_health_is_measured_by_the_past_of_the_record_alone(tmp_path: Path) -> None:
    scores = [80, 82, 79, 81, 80, 40, 42, 80]
    rows = [row(7 * week, "A1", health=str(score)) for week, score in enumerate(scores)]
    rows += [row(7 * week, "A2", health=str(40 + week)) for week in range(8)]
    write(tmp_path, rows)
    (worst,) = failure(audit(tmp_path), "falls in health")["worst"]
    assert worst["record"] == "ticket:A1"
    assert days_after(worst["noticeable"], 35) == 0
    assert days_after(worst["over"], 49) == 0


def test_the_costliest_come_first_by_value_and_else_by_days(tmp_path: Path) -> None:
    write(tmp_path, [*usual(), *ticket(900, 50, 20), *ticket(901, 52, 9)])
    totals = [each["days"] for each in audit(tmp_path)["failures"]]
    assert totals == sorted(totals, reverse=True)
    write(tmp_path, [*usual(value="10"), *ticket(900, 50, 20, value="70"), *ticket(901, 52, 9, value="9")])
    worth = [each["value"].get("EUR", 0) for each in audit(tmp_path)["failures"]]
    assert worth == sorted(worth, reverse=True)


PEOPLE = """people:
  anna: {manager: bert}
  bert:
fallback: bert
"""


@pytest.mark.parametrize(
    "configuration",
    [
        FEEDS,
        FEEDS + "paths:\n",
        FEEDS + PEOPLE,
        FEEDS
        + PEOPLE
        + "paths:\n  other:\n    about: ticket\n    when: {untouched: 90d}\n    steps: [{notify: bert}]\n",
    ],
)
def test_the_proposal_can_be_pasted_and_does_what_it_says(configuration: str, tmp_path: Path) -> None:
    write(tmp_path, [*usual(owner="anna"), *ticket(900, 50, 20, owner="anna")], configuration)
    start = audit(tmp_path)["start_with"]
    assert (start["under"] == "paths") == ("other" in configuration)
    pasted = configuration.removesuffix("paths:\n") + start["yaml"]
    (tmp_path / "escalations.yaml").write_text(pasted)
    checked = escalations("check", cwd=tmp_path)
    assert checked.code == 0, checked.err
    done = escalations("backtest", "--feed", "tickets", "tickets.csv", "--json", cwd=tmp_path)
    numbers = json.loads(done.out)
    path = numbers["paths"][start["path"]]
    assert start["episodes"] == path["opened"] > 0
    assert start["records"] == path["records"]
    assert start["episodes_a_week"] == round(path["opened"] / numbers["weeks"], 1)
    assert start["recipients"] == numbers["recipients"]
    assert set(numbers["recipients"]) <= ({"anna", "bert"} if "anna" in configuration else {"manager"})


def test_the_limit_rises_until_what_a_backtest_comes_to_is_bearable(tmp_path: Path) -> None:
    """One week's tickets wait for longer than the others, each of them for longer than the one before."""
    rows = usual(200, owner="anna")
    for number in range(12):
        rows += ticket(900 + number, 150 + number / 4, 3 + number, owner="anna")
    write(tmp_path, rows, FEEDS + PEOPLE)
    usual_one = audit(tmp_path, "--max-per-recipient-week", "1000")["start_with"]
    bearable = audit(tmp_path, "--max-per-recipient-week", "4")["start_with"]
    assert usual_one["yaml"] != bearable["yaml"]

    def worst_week(start: dict[str, Any], code: int) -> int:
        (tmp_path / "escalations.yaml").write_text(FEEDS + PEOPLE + start["yaml"])
        budget = ("--max-per-recipient-week", "4")
        done = escalations("backtest", "--feed", "tickets", "tickets.csv", "--json", *budget, cwd=tmp_path)
        assert done.code == code
        recipients: dict[str, dict[str, int]] = json.loads(done.out)["recipients"]
        assert recipients == start["recipients"]
        return max(each["worst_week"] for each in recipients.values())

    assert 0 < worst_week(bearable, 0) <= 4
    assert worst_week(usual_one, 1) == bearable["usual_worst_week"] > 4


def test_what_is_worth_less_than_nothing_is_a_failure_all_the_same(tmp_path: Path) -> None:
    """A refund, say."""
    write(tmp_path, [*usual(value="10"), *ticket(900, 50, 20, value="-500")])
    assert audit(tmp_path)["start_with"] is not None


def test_where_no_limit_is_bearable_it_says_so(tmp_path: Path) -> None:
    """However often they ask for it, all of them have written more often."""
    rows = [
        row(minute / 1440 + customer / 100, f"C{customer}", customer=f"c{customer}", who="customer", text="?")
        for customer in range(5)
        for minute in range(30)
    ]
    write(tmp_path, rows)
    numbers = audit(tmp_path, "--max-per-recipient-week", "4")
    assert (numbers["start_with"], numbers["least_worst_week"]) == (None, 5)
    done = escalations(
        "audit", "--feed", "tickets", "tickets.csv", "--max-per-recipient-week", "4", cwd=tmp_path
    )
    assert "somebody would be told more than 4 times in the worst week, 5 times at the least" in done.out
    start = audit(tmp_path, "--max-per-recipient-week", "5")["start_with"]
    assert max(each["worst_week"] for each in start["recipients"].values()) == 5


def test_each_kind_of_proposal_can_be_pasted(tmp_path: Path) -> None:
    """One history for each kind of failure, in which there is no other."""
    visits = [
        row(number / 10, "C1", customer="cid", who="customer", text="Hello?", stage="open")
        for number in range(4)
    ]
    falls = [row(7 * week, "A1", health=str(score)) for week, score in enumerate([80, 82, 79, 81, 80, 40])]
    worth = [
        each
        for number in range(60)
        for each in ticket(number, number, 1, value="7000.5" if number > 50 else "10", priority="high")
    ]
    proposed = set()
    for rows in (visits, falls, [*worth, *ticket(900, 55, 9, value="8000", priority="no: low")]):
        write(tmp_path, rows)
        start = audit(tmp_path)["start_with"]
        (tmp_path / "escalations.yaml").write_text(FEEDS + start["yaml"])
        checked = escalations("check", cwd=tmp_path)
        assert checked.code == 0, checked.err
        proposed.add(start["path"])
    assert len(proposed) == 3


PATHS = """paths:
  urgent-only:
    about: ticket
    where: {priority: urgent}
    when: {untouched: 12h}
    steps: [{notify: anna}]
  never:
    about: ticket
    where: {stage: open}
    when: {untouched: 300d}
    steps: [{notify: anna}]
"""


def test_of_a_configuration_with_paths_what_they_leave_out(tmp_path: Path) -> None:
    late = ticket(900, 50, 20)
    rows = [*usual(priority="urgent"), *late, row(50, "W1", stage="waiting", priority="low")]
    write(tmp_path, rows, FEEDS + PEOPLE + PATHS)
    coverage = audit(tmp_path)["coverage"]
    assert coverage["segments"] == [
        {"kind": "ticket", "field": "priority", "value": "low", "records": 1},
        {"kind": "ticket", "field": "stage", "value": "waiting", "records": 1},
    ]
    assert coverage["never_fire"] == ["never"]
    assert coverage["always_fire"] == [{"path": "urgent-only", "records": 60, "of": 60}]
    assert coverage["kinds"] == []

    write(tmp_path, rows, FEEDS + PEOPLE)
    assert audit(tmp_path)["coverage"] is None


def test_nobody_is_about_a_kind(tmp_path: Path) -> None:
    other = (FEEDS + PEOPLE + PATHS).replace(
        "people:",
        "  deals:\n"
        "    {format: csv, at: at, time: {format: iso}, record: {kind: deal, id: id, value: value}}\n"
        "people:",
    )
    write(tmp_path, usual(), other)
    done = escalations(
        "audit", "--feed", "tickets=tickets.csv", "--feed", "deals=tickets.csv", "--json", cwd=tmp_path
    )
    assert json.loads(done.out)["coverage"]["kinds"] == [{"kind": "deal", "records": 60}]


def report(folder: Path) -> Done:
    return escalations("audit", "--feed", "tickets", "tickets.csv", cwd=folder)


def test_the_report_on_the_terminal(tmp_path: Path) -> None:
    rows = [*usual(owner="anna", value="90"), *ticket(900, 50, 20, value="700", owner="anna")]
    write(tmp_path, rows, FEEDS + PEOPLE + PATHS)
    done = report(tmp_path)
    assert done[::2] == (0, "")
    golden("audit.txt", done.out)


def test_a_history_without_failures_and_one_without_anything(tmp_path: Path) -> None:
    write(tmp_path, usual(20))
    done = report(tmp_path)
    assert done.code == 0
    assert "Nothing in it that an audit would call a failure." in done.out
    assert audit(tmp_path)["start_with"] is None
    write(tmp_path, [])
    assert report(tmp_path).out == "No changes.\n"


def test_the_starter_is_too_small_to_say_what_is_usual(tmp_path: Path) -> None:
    done = escalations(
        "audit", "-c", STARTERS / "csv.yaml", "--feed", "tickets", STARTERS / "tickets.csv", cwd=tmp_path
    )
    assert done.code == 0
    assert "29 changes of 8 records" in done.out


def test_mistakes_in_what_there_is_are_still_mistakes(tmp_path: Path) -> None:
    write(tmp_path, [], FEEDS + "paths: {p: {about: ticket}}\n")
    done = report(tmp_path)
    assert done[:2] == (2, "")
    assert "lacks 'when'" in done.err
    write(tmp_path, [], FEEDS + "people: {anna: }\n")
    assert "there is no `fallback`" in report(tmp_path).err
    write(tmp_path, [], FEEDS)
    assert "there are no `paths`" in escalations("check", cwd=tmp_path).err
    nothing = escalations("audit", cwd=tmp_path)
    assert nothing[:2] == (2, "")
