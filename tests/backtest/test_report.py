"""The report as a file: its numbers are those of `--json`, its examples those of `--escalations`."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from streams.backtest.page.observed import EXAMPLES, Load, Sample
from streams.core.escalation import Escalation, escalation_id
from tests.backtest.worlds import CONFIG, rows, write
from tests.command import escalations

UNTIL = "2026-04-20T00:00:00Z"
FEED = ("--feed", "tickets", "tickets.csv", "--until", UNTIL)
COSTLIEST = 10


def run(folder: Path, *more: str) -> tuple[LexborHTMLParser, Any]:
    """The report, and the JSON of the same run."""
    done = escalations("backtest", *FEED, "--json", "--report", "report.html", *more, cwd=folder)
    assert (done.code, done.err) == (0, "")
    return parsed(folder), json.loads(done.out)


def parsed(folder: Path) -> LexborHTMLParser:
    return LexborHTMLParser((folder / "report.html").read_text("utf-8"))


def found(page: LexborHTMLParser | LexborNode, selector: str) -> LexborNode:
    node = page.css_first(selector)
    assert node is not None, selector
    return node


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    else:
        yield pointer, value


def with_two_paths() -> dict[str, Any]:
    """One of them in the shadow, with a name that a JSON Pointer and HTML must escape."""
    config = deepcopy(CONFIG)
    config["paths"]["a/b~c <i>$x$"] = {
        "about": "ticket",
        "where": {"priority": "urgent"},
        "when": {"untouched": "30h"},
        "steps": [{"notify": "role:<b>owner"}],
        "shadow": True,
    }
    config["roles"] = {"<b>owner": "carla"}
    return config


class Run(NamedTuple):
    """One report, with the JSON and the escalations of the same run, and the history."""

    folder: Path
    page: LexborHTMLParser
    numbers: Any
    escalations: list[Any]
    history: list[dict[str, str]]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("report")
    history = rows(1, 80)
    write(folder, history, with_two_paths())
    page, numbers = run(folder, "--escalations", "out.jsonl")
    written = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    return Run(folder, page, numbers, written, history)


def test_every_number_is_that_of_the_json(report: Run) -> None:
    page, numbers = report.page, report.numbers
    given = {
        pointer: value
        for pointer, value in leaves(numbers)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    shown: dict[str, float] = {}
    for node in page.css("data"):
        pointer, value = node.attributes["data-json"], node.attributes["value"]
        assert pointer is not None
        assert value is not None
        shown[pointer] = float(value)
        text = node.text().replace(",", "")
        if re.fullmatch(r"-?[\d.]+%", text):
            assert float(text[:-1]) == pytest.approx(100 * float(value), abs=0.051)
        elif re.fullmatch(r"-?[\d.]+", text):
            assert float(text) == float(value)
        else:
            assert re.fullmatch(r"(\d+[dhms] ?)+", text), text
    assert shown == {pointer: given[pointer] for pointer in shown}
    left_out = given.keys() - shown.keys()
    # What nobody can see at a glance: that there were none that could not be read; more than ten misses.
    late = {"/undecodable"} | {
        pointer
        for pointer in left_out
        if (match := re.search(r"/missed/(\d+)/cost$", pointer)) and int(match[1]) >= COSTLIEST
    }
    assert left_out == late
    assert len(shown) > 50


def test_examples_are_escalations_of_the_same_run(report: Run) -> None:
    page = report.page
    links = page.css("td a[href^='#x']")
    assert len(links) > 5
    for link in links:
        href = link.attributes["href"]
        assert href is not None
        items = found(page, href).css("li > b")
        texts = [item.text() for item in items]
        assert len(texts) == min(EXAMPLES, int(link.text().replace(",", ""))), link.text()
        assert set(texts) <= {each["summary"] for each in report.escalations}
    data = found(page, "data[data-json='/paths/slow/advanced']")
    parent = data.parent
    assert parent is not None
    behind = found(page, parent.attributes["href"] or "")
    assert all(", advanced, slow, " in item.text() for item in behind.css("b + br + small"))


def test_told_for_nothing_did_not_go_bad(report: Run) -> None:
    outcome = report.numbers["scores"]["slow"]["outcomes"]["missed"]
    ended: dict[str, str] = {}
    for row in sorted(report.history, key=lambda row: int(row["seq"])):
        ended[row["id"]] = row["missed"]
    kinds = {"told in time": "yes", "told for nothing": "no"}
    seen = 0
    for details in report.page.css("details details"):
        words = found(details, "summary").text()
        if not words.startswith("slow"):
            continue
        for kind, missed in kinds.items():
            if kind in words:
                for text in (item.text() for item in details.css("li > b")):
                    record = re.match(r"ticket:(\w+)", text)
                    assert record is not None
                    assert ended[record[1]] == missed
                    seen += 1
    assert seen == 2 * EXAMPLES
    assert outcome["precision"]["of"] > outcome["precision"]["hits"] > EXAMPLES


def test_each_miss_says_what_explain_says_of_the_moment_before(report: Run) -> None:
    missed = report.numbers["scores"]["slow"]["outcomes"]["missed"]["missed"]
    section, shown = "", []
    for node in report.page.css("#misses ~ h3, #misses ~ details"):
        section = node.text() if node.tag == "h3" else section
        if node.tag == "details" and section.startswith("slow, missed: "):
            shown.append(node)
    assert len(shown) == min(COSTLIEST, len(missed)) > 3
    for details, miss in zip(shown, missed, strict=False):
        summary = found(details, "summary").text()
        assert summary.startswith(miss["record"])
        assert f"worth {miss['cost']:g}" in summary
        before = (datetime.fromisoformat(miss["at"]) - timedelta(microseconds=1)).isoformat()
        asked = ("--path", "slow", "--at", before, "--json", *FEED[:3])
        done = escalations("explain", miss["record"], *asked, cwd=report.folder)
        expected = json.loads(done.out)
        assert expected["summary"] in details.text()
        assert expected["at"] in details.text()


def test_what_customers_wrote_stays_text(tmp_path: Path) -> None:
    history = rows(1, 30)
    for row in history:
        row["id"] += "<script>alert(1)</script>\"'&amp;"
    config = with_two_paths()
    evil = "<img src=x onerror=alert(1)>"
    config["people"][evil] = None
    config["paths"]["slow"]["steps"].append({"after": "1h", "notify": evil})
    write(tmp_path, history, config)
    page, _ = run(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert not page.css("script, img, iframe, link, object, embed, form, body b > i, [onerror]")
    assert "<script" not in text
    assert "<img" not in text
    shown = page.body.text() if page.body else ""
    assert "<script>alert(1)</script>\"'&amp;" in shown
    assert evil in shown


def test_nothing_is_fetched(report: Run) -> None:
    page, text = report.page, (report.folder / "report.html").read_text()
    places = set(re.findall(r"(?:https?:)?//[\w.]+", text))
    # These name a vocabulary, and are not fetched.
    assert places == {"http://www.w3.org"}
    assert all(place.startswith("#") for place in re.findall(r"url\(([^)]*)\)", text))
    references = [
        node.attributes.get(name) for node in page.css("*") for name in ("href", "src", "xlink:href")
    ]
    assert all(each.startswith("#") for each in references if each is not None)
    ids = [node.attributes["id"] for node in page.css("[id]")]
    assert len(ids) == len(set(ids))
    assert {each[1:] for each in references if each is not None} <= set(ids)


def test_the_same_run_makes_the_same_file_and_changes_no_number(tmp_path: Path) -> None:
    write(tmp_path, rows(1))
    _, numbers = run(tmp_path)
    first = (tmp_path / "report.html").read_bytes()
    run(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first
    plain = escalations("backtest", *FEED, "--json", cwd=tmp_path)
    assert json.loads(plain.out) == numbers


def test_a_history_without_outcomes_says_so(tmp_path: Path) -> None:
    config = deepcopy(CONFIG)
    del config["outcomes"]
    write(tmp_path, rows(1), config)
    page, numbers = run(tmp_path, "--jobs", "2")
    assert "scores" not in numbers
    assert "Whether it would have helped, nothing here says" in found(page, "main").text()
    assert found(page, "svg title").text() == "Escalations by day"


def test_a_history_in_which_nothing_fires(tmp_path: Path) -> None:
    config = deepcopy(CONFIG)
    del config["outcomes"]
    write(tmp_path, [], config)
    page, numbers = run(tmp_path)
    assert numbers["changes"] == 0
    assert "Nothing would have fired." in found(page, "main").text()
    assert not page.css("svg")


def test_the_curves_of_tune(tmp_path: Path) -> None:
    write(tmp_path, rows(3, 80))
    over = ("--path", "slow", "--over", "target.else=10h,40h,90h", "--fit-until", "2026-03-12T00:00:00Z")
    tuned = escalations("tune", *over, *FEED, "--json", cwd=tmp_path)
    (tmp_path / "tune.json").write_text(tuned.out)
    page, _ = run(tmp_path, "--tuned", "tune.json")
    for name, period in json.loads(tuned.out)["periods"].items():
        table = next(each for each in page.css("table") if each.text().strip().startswith(f"slow: {name}"))
        cells = [[cell.text() for cell in row.css("th, td")][:4] for row in table.css("tbody tr")]
        assert cells == [
            [*each["values"], *(f"{each[key]:,}" for key in ("escalations", "records", "worst_week"))]
            for each in period["rows"]
        ]
    assert any(title.text() == "Thresholds of slow" for title in page.css("svg title"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--tuned", "tune.json"), "--tuned goes with --report"),
        (("--tuned", "tickets.csv", "--report", "r.html"), "is not what `escalations tune --json` writes"),
        (("--tuned", "no.json", "--report", "r.html"), "no.json: No such file"),
        (("--report", "tickets.csv"), "is read as well"),
        (("--report", "no/r.html"), "No such file"),
    ],
)
def test_what_cannot_be_reported(more: tuple[str, ...], message: str, tmp_path: Path) -> None:
    write(tmp_path, rows(1))
    done = escalations("backtest", *FEED, *more, cwd=tmp_path)
    assert done.code == 2
    assert message in " ".join(done.err.split())


def escalation(number: int, at: str = "2026-03-02T09:00:00Z") -> Escalation:
    return Escalation(
        id=escalation_id("p", f"ticket:{number}", 1, 1, "opened"),
        event="opened",
        record=f"ticket:{number}",
        path="p",
        version="0" * 12,
        episode=1,
        step=1,
        severity="medium",
        at=at,
        summary="",
        reason={},
    )


def test_a_sample_is_small_and_goes_by_no_order() -> None:
    many = [escalation(number) for number in range(2_000)]
    kept = []
    for seed in (1, 2):
        sample = Sample()
        Random(seed).shuffle(many)
        for each in many:
            sample.offer(each)
        assert sample.count == 2_000
        kept.append([each.record for each in sample.in_order()])
    assert kept[0] == kept[1]
    assert len(set(kept[0])) == EXAMPLES


def test_a_load_keeps_the_worst_week() -> None:
    load = Load()
    number = 0
    for week, notices in ((1, 2), (2, 7), (4, 7), (5, 3)):
        for _ in range(notices):
            number += 1
            load.tell(week, escalation(number))
    assert load.worst.count == 7
    assert all(2 < int(each.record.partition(":")[2]) <= 9 for each in load.worst.in_order())
