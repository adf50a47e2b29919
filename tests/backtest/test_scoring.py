"""Outcomes, scores, tune and compare through the command, against counts made here from the files."""

import csv
import json
import re
from collections import Counter, defaultdict
from copy import deepcopy
from datetime import date, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from streams.backtest import jobs
from streams.log.connection import Connection
from streams.log.producer import PlainProducer
from tests.backtest.worlds import CONFIG, rows, write
from tests.brokers import Broker
from tests.command import STARTERS, Done, escalations
from tests.live import create_topic

UNTIL = "2026-04-20T00:00:00Z"


def run(command: str, folder: Path, *more: str) -> Done:
    return escalations(command, *more, "--feed", "tickets", "tickets.csv", "--until", UNTIL, cwd=folder)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def last_rows(folder: Path) -> dict[str, dict[str, str]]:
    latest: dict[str, dict[str, str]] = {}
    with (folder / "tickets.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            before = latest.get(row["id"])
            key = (at(row["changed"]), int(row["seq"]))
            if before is None or key >= (at(before["changed"]), int(before["seq"])):
                latest[row["id"]] = row
    return {f"ticket:{name}": row for name, row in latest.items()}


def first_calls(folder: Path) -> dict[str, datetime]:
    """By record, from what `--escalations` wrote."""
    calls: dict[str, list[datetime]] = defaultdict(list)
    for line in (folder / "out.jsonl").read_text().splitlines():
        each = json.loads(line)
        if each["event"] in ("warned", "opened", "advanced"):
            calls[each["record"]].append(at(each["at"]))
    return {record: min(moments) for record, moments in calls.items()}


def notices(folder: Path, records: set[str]) -> dict[str, Counter[int]]:
    """How often each person was told of these in each week that begins on a Monday."""
    told: dict[str, Counter[int]] = defaultdict(Counter)
    for line in (folder / "out.jsonl").read_text().splitlines():
        each = json.loads(line)
        if each["event"] in ("warned", "opened", "advanced") and each["record"] in records:
            for person in each["notify"]:
                told[person][(at(each["at"]).date() - date(2026, 1, 5)).days // 7] += 1
    return told


@pytest.mark.parametrize("seed", [1, 2])
def test_scores_are_those_counted_by_hand(seed: int, tmp_path: Path) -> None:
    write(tmp_path, rows(seed, 80))
    bounds = ("2026-03-05T00:00:00Z", "2026-03-15T00:00:00Z")
    period = ("--score-from", bounds[0], "--score-until", bounds[1])
    done = run("backtest", tmp_path, "--json", "--escalations", "out.jsonl", *period)
    assert done.code == 0, done.err
    scores = json.loads(done.out)["scores"]["slow"]
    last = last_rows(tmp_path)
    scored = {record for record, row in last.items() if at(bounds[0]) <= at(row["opened"]) < at(bounds[1])}
    assert 10 < len(scored) < 70
    first = {record: moment for record, moment in first_calls(tmp_path).items() if record in scored}
    bad = {record: at(last[record]["ended"]) for record in scored if last[record]["missed"] == "yes"}
    caught = {record for record, moment in first.items() if record in bad and moment < bad[record]}
    missed = sorted(bad.keys() - caught, key=lambda record: -int(last[record]["worth"]))
    outcome = scores["outcomes"]["missed"]
    assert scores["records"] == len(first)
    assert (outcome["precision"]["hits"], outcome["precision"]["of"]) == (len(caught), len(first))
    assert (outcome["recall"]["hits"], outcome["recall"]["of"]) == (len(caught), len(bad))
    assert outcome["only_after"] == len(first.keys() & set(missed)) > 0
    lead = [(bad[record] - first[record]).total_seconds() for record in caught]
    assert outcome["lead_seconds"]["median"] == pytest.approx(median(lead))
    assert [each["cost"] for each in outcome["missed"]] == [int(last[record]["worth"]) for record in missed]
    assert outcome["cost"]["caught"] == sum(int(last[record]["worth"]) for record in caught)
    assert outcome["cost"]["missed"] == sum(int(last[record]["worth"]) for record in missed)
    told = notices(tmp_path, scored)
    weeks = range(min(min(each) for each in told.values()), max(max(each) for each in told.values()) + 1)
    assert len(weeks) > 2
    assert scores["worst_week"] == max(max(each.values()) for each in told.values())
    assert scores["median_week"] == max(median(each[week] for week in weeks) for each in told.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_several_processes_score_byte_for_byte_as_one_does(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []

    class Counted(jobs.Jobs):
        def __init__(self, count: int, *more: Any) -> None:
            used.append(count)
            super().__init__(count, *more)

    monkeypatch.setattr(jobs, "Jobs", Counted)
    config = deepcopy(CONFIG)
    # What the customer does is no touch: some episodes end, by time alone, with nobody having acted.
    config["feeds"]["tickets"]["record"] |= {
        "stage": {"field": "status", "paused": ["waiting"], "closed": []},
        "by": {"field": "priority", "customer": ["low"]},
    }
    config["paths"]["again"] = {
        "about": "ticket",
        "where": {"stage": {"not": "closed"}},
        "when": {"in_stage": "6h"},
        "hold": "12h",
        "steps": [{"notify": "owner"}, {"after": "30h", "notify": "bert"}],
    }
    write(tmp_path, rows(seed, 120), config)
    period = ("--score-from", "2026-03-05T00:00:00Z", "--score-until", "2026-03-15T00:00:00Z")
    for more in ((), period):
        for form in ((), ("--json", "--escalations", "out.jsonl")):
            alone = run("backtest", tmp_path, *more, *form, "--jobs", "1")
            assert (alone.code, alone.err) == (0, "")
            assert run("backtest", tmp_path, *more, *form, "--jobs", "2") == alone
            assert run("backtest", tmp_path, *more, *form, "--jobs", "5") == alone
        scores = json.loads(alone.out)["scores"]
        assert all(0 < each["never_acted_on"] < each["episodes"] for each in scores.values())
        assert all(each["outcomes"]["missed"]["lead_seconds"] for each in scores.values())
    assert used == [2, 5] * 4
    done = run("backtest", tmp_path, "--jobs", "2", "--report", "report.html")
    assert (done.code, len(used)) == (0, 8)
    assert done.err == "One process: the report looks through the history again for what was missed.\n"


def test_what_begins_after_the_end_is_no_miss(tmp_path: Path) -> None:
    """Whoever counts: one process, two, or a sweep. The second ticket goes wrong as the first has."""
    history = []
    for day, ticket in enumerate(("first", "later"), 2):
        for seq, hour in enumerate((9, 20)):
            row = rows(1)[0] | {"id": ticket, "priority": "high", "status": ("open", "closed")[seq]}
            moments = {"opened": f"2026-03-0{day}T09:00:00Z", "changed": f"2026-03-0{day}T{hour:02}:00:00Z"}
            history.append(row | moments | {"seq": str(seq), "missed": "yes"})
    write(tmp_path, history)
    told = ("--feed", "tickets", "tickets.csv", "--until", "2026-03-03T00:00:00Z", "--json")
    for more in ((), ("--jobs", "2")):
        done = json.loads(escalations("backtest", *told, *more, cwd=tmp_path).out)
        outcome = done["scores"]["slow"]["outcomes"]["missed"]
        assert [each["record"] for each in outcome["missed"]] == ["ticket:first"]
    done = json.loads(escalations("tune", "--path", "slow", "--over", "else=1h,2h", *told, cwd=tmp_path).out)
    (period,) = done["periods"].values()
    assert [row["recall"]["of"] for row in period["rows"]] == [1, 1]


def test_who_acts_before_the_record_is_closed(tmp_path: Path) -> None:
    """Both are over the target after 60 hours; somebody touches the second before it is closed."""
    history = []
    for ticket, hours in (("closed", (0, 90)), ("touched", (0, 80, 90))):
        for seq, hour in enumerate(hours):
            row = rows(1)[0] | {"id": ticket, "priority": "high", "owner": "anna", "seq": str(seq)}
            row["status"] = "closed" if hour == 90 else "open"
            opened = datetime.fromisoformat("2026-03-02T09:00:00+00:00").timestamp()
            row["opened"] = "2026-03-02T09:00:00Z"
            row["changed"] = datetime.fromtimestamp(opened + hour * 3600).astimezone().isoformat()
            history.append(row)
    write(tmp_path, history)
    scores = json.loads(run("backtest", tmp_path, "--json").out)["scores"]["slow"]
    assert (scores["episodes"], scores["never_acted_on"]) == (2, 1)
    assert scores["late"] == {"episodes": 0, "median_seconds": None, "worst_seconds": None}


def test_an_outcome_can_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    config = deepcopy(CONFIG)
    config["outcomes"] = {
        "lost": {
            "about": "ticket",
            "file": "lost.csv",
            "id": "ticket",
            "at": "day",
            "time": {"format": "%d.%m.%Y", "zone": "UTC"},
            # A column may be called as a field that every record has.
            "bad": {"status": {"not": "kept"}},
        }
    }
    write(tmp_path, rows(1), config)
    (tmp_path / "lost.csv").write_text(
        "ticket,day,status\nT1,01.05.2026,gone\nT2,01.05.2026,kept\nT3,01.05.2026,gone\nT999,01.05.2026,gone\n"
    )
    outcome = json.loads(run("backtest", tmp_path, "--json").out)["scores"]["slow"]["outcomes"]["lost"]
    assert outcome["recall"]["of"] == 2
    (tmp_path / "lost.csv").write_text("ticket,day,status\nX1,01.05.2026,gone\n")
    done = run("backtest", tmp_path)
    assert done.code == 1
    assert "none of the 1 records of the outcome lost, such as ticket:X1, is in the history" in done.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feed": "ticket"}, "there is no feed 'ticket'"),
        ({"about": "deal"}, "brings no deal"),
        ({"bad": {}}, "everything would be bad"),
        ({"bad": {"missed": {"att_least": 3}}}, "'att_least' is no operator"),
        ({"paths": ["slw"]}, "Did you mean 'slow'?"),
        ({"file": "lost.csv"}, "does not say where it is read from"),
        ({"time": {"format": "iso"}}, "says this already"),
        ({"decides": "first"}, "'first' is not known here"),
        ({"cost": "worth"}, "'cost' is text"),
    ],
)
def test_an_outcome_is_checked_with_the_rest(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    config = deepcopy(CONFIG)
    config["outcomes"]["missed"].update(change)
    write(tmp_path, [], config)
    done = escalations("check", cwd=tmp_path)
    assert done.code == 1
    assert message in done.err
    assert re.search(r"--> escalations.yaml:\d+:\d+", done.err)


def test_an_outcome_of_a_feed_without_rows_is_refused(tmp_path: Path) -> None:
    text = (STARTERS / "hubspot.yaml").read_text()
    outcome = "outcomes:\n  lost: {about: deal, feed: crm, bad: {dealstage: closedlost}}\n"
    (tmp_path / "escalations.yaml").write_text(f"{text}\n{outcome}")
    done = escalations("check", cwd=tmp_path)
    assert done.code == 1
    assert "the feed 'crm' has `records` of several kinds" in done.err


@pytest.mark.broker
def test_a_topic_is_scored_like_a_file(tmp_path: Path, broker: Broker, topic_prefix: str) -> None:
    config = deepcopy(CONFIG)
    config["feeds"]["tickets"]["topic"] = topic = f"{topic_prefix}tickets"
    write(tmp_path, rows(1, 80), config)
    by_file = escalations("backtest", "--feed", "tickets", "tickets.csv", "--json", cwd=tmp_path)
    assert (by_file.code, by_file.err) == (0, "")
    connection = Connection(broker.address)
    create_topic(connection, topic, partitions=1)
    PlainProducer(connection).write(topic, ({"value": json.dumps(row).encode()} for row in rows(1, 80)))
    of_topic = ("--broker", broker.address, "--topic", topic)
    for count in ("1", "2"):
        assert escalations("backtest", *of_topic, "--json", "--jobs", count, cwd=tmp_path) == by_file
    scored = json.loads(by_file.out)["scores"]["slow"]["outcomes"]["missed"]
    assert scored["recall"]["of"] > 10


def test_what_an_outcome_reads_no_path_can_see(tmp_path: Path) -> None:
    write(tmp_path, rows(1))
    run("backtest", tmp_path, "--escalations", "out.jsonl")
    others = [row | {"missed": "no", "ended": row["opened"], "worth": "0"} for row in rows(1)]
    write(tmp_path, others)
    run("backtest", tmp_path, "--escalations", "others.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "others.jsonl").read_bytes()


def test_a_budget_fails_a_build(tmp_path: Path) -> None:
    write(tmp_path, rows(1, 80))
    assert run("backtest", tmp_path, "--max-per-recipient-week", "1000", "--min-recall", "0").code == 0
    done = run("backtest", tmp_path, "--max-per-recipient-week", "1", "--min-recall", "1")
    assert done.code == 1
    assert "in the worst week, more than 1" in done.err
    assert "of missed in time, less than 100.0%" in done.err


def test_tune_scores_each_value_as_a_backtest_with_it_does(tmp_path: Path) -> None:
    write(tmp_path, rows(3, 80))
    options = ("--path", "slow", "--over", "target.else=10h,40h,90h", "--min-recall", "0.5", "--json")
    done = run("tune", tmp_path, *options)
    assert done.code == 0, done.err
    swept = json.loads(done.out)
    found = swept["periods"]["fit"]["rows"]
    assert [row["values"] for row in found] == [["10h"], ["40h"], ["90h"]]
    config = deepcopy(CONFIG)
    for row in found:
        config["paths"]["slow"]["when"]["target"]["else"] = row["values"][0]
        write(tmp_path, rows(3, 80), config)
        alone = json.loads(run("backtest", tmp_path, "--json").out)["scores"]["slow"]
        for name in ("escalations", "episodes", "records", "worst_week"):
            assert row[name] == alone[name], name
        for name in ("precision", "recall", "lead_seconds", "only_after", "cost"):
            assert row[name] == alone["outcomes"]["missed"][name], name
    assert len({row["escalations"] for row in found}) == 3
    fitting = [row["values"] for row in found if row["recall"]["value"] >= 0.5]
    assert swept["with_recall"] == fitting[-1]


def test_tune_chooses_by_one_period_and_shows_the_other(tmp_path: Path) -> None:
    write(tmp_path, rows(4, 120))
    # 200 hours after the start of the history.
    split = "2026-03-10T17:00:00Z"
    what = ("--path", "slow", "--over", "target.else=10h..90h/9")
    asked = ("--fit-until", split, "--max-per-recipient-week", "20", "--json")
    done = run("tune", tmp_path, *what, *asked)
    swept = json.loads(done.out)
    fit, score = swept["periods"]["fit"]["rows"], swept["periods"]["score"]["rows"]
    assert (swept["periods"]["fit"]["until"], swept["periods"]["score"]["from"]) == (split, split)
    opened = [at(row["opened"]) for row in last_rows(tmp_path).values() if row["missed"] == "yes"]
    assert fit[0]["recall"]["of"] == sum(each < at(split) for each in opened)
    assert score[0]["recall"]["of"] == sum(each >= at(split) for each in opened)
    within = [row for row in fit if row["worst_week"] <= 20]
    if within:
        assert swept["within_budget"] == max(within, key=lambda row: row["escalations"])["values"]
    else:
        assert (done.code, swept["within_budget"]) == (1, None)


def test_tune_takes_two_thresholds(tmp_path: Path) -> None:
    write(tmp_path, rows(1))
    over = ("--over", "urgent=5h,20h", "--over", "else=30h..90h/3")
    found = json.loads(run("tune", tmp_path, "--path", "slow", *over, "--json").out)
    values = [row["values"] for row in found["periods"]["fit"]["rows"]]
    assert values == [[a, b] for a in ("5h", "20h") for b in ("30h", "60h", "90h")]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("target.esle=1d..2d", "Did you mean 'target.else'?"),
        ("target.else=1 working day..2h/3", "write both ends in one unit"),
        ("in_stage=1d..2d", "There are: clock, target.else, target.urgent"),
        ("target.else", "is no sweep"),
        ("target.else=9h..1h", "begins at or after its end"),
        ("target.else=1h..9h/1000", "is no range"),
        ("target.else=often,seldom", "'often' is not a span"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(over: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, rows(1))
    done = run("tune", tmp_path, "--path", "slow", "--over", over)
    assert done.code == 2
    assert message in " ".join(done.err.split())


TUNE = ("tune", "--path", "slow", "--over", "target.else=10h,60h")
COMPARE = ("compare", "-c", "escalations.yaml", "-c", "escalations.yaml")
BACKTEST = ("backtest",)
FEED = ("--feed", "tickets", "tickets.csv")


@pytest.mark.parametrize("command", [TUNE, COMPARE, BACKTEST], ids=lambda command: command[0])
def test_who_has_judged_nothing_does_not_say_that_all_is_well(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    def refused(*more: str) -> str:
        done = escalations(*command, *more, cwd=tmp_path)
        assert done.code == (1 if FEED[0] in more else 2), done
        return " ".join(done.err.split())

    history = rows(1, 60)
    write(tmp_path, history)
    assert "Give" in refused()
    assert "nothing of it had happened by --until" in refused(*FEED, "--until", "2020-01-01T00:00:00Z")
    period = ("--score-from", "2030-01-01T00:00:00Z")
    assert "no record of the history was created from 2030-01-01T00:00:00Z on" in refused(*FEED, *period)
    twice = escalations(*command, *FEED, "tickets.csv", cwd=tmp_path)
    assert (twice.code, "given twice" in twice.err) == (2, True)
    write(tmp_path, [{**row, "changed": "some day"} for row in history])
    assert "nothing could be read" in refused(*FEED)
    write(tmp_path, [])
    assert "there are no changes in it" in refused(*FEED)
    config = deepcopy(CONFIG)
    del config["outcomes"]
    write(tmp_path, history, config)
    scored = escalations(*command, *FEED, "--min-recall", "0.9", cwd=tmp_path)
    assert (scored.code, "--min-recall needs an outcome" in " ".join(scored.err.split())) == (2, True)


def test_a_new_configuration_may_be_the_first_with_outcomes(tmp_path: Path) -> None:
    write(tmp_path, rows(1, 60))
    old = {name: value for name, value in CONFIG.items() if name != "outcomes"}
    (tmp_path / "old.yaml").write_text(json.dumps(old))
    recall = ("--min-recall", "0.01")
    both = ("compare", "-c", "old.yaml", "-c", "escalations.yaml", *FEED, *recall)
    assert escalations(*both, cwd=tmp_path).code == 0
    assert (
        escalations("compare", "-c", "escalations.yaml", "-c", "old.yaml", *both[5:], cwd=tmp_path).code == 2
    )


@pytest.mark.parametrize("command", [TUNE, COMPARE], ids=lambda command: command[0])
def test_what_could_not_be_read_is_said(command: tuple[str, ...], tmp_path: Path) -> None:
    first, *others = rows(1, 60)
    write(tmp_path, [{**first, "changed": "some day"}, *others])
    done = escalations(*command, *FEED, cwd=tmp_path)
    assert done.code == 0
    assert "Left out: 1 message that cannot be read" in done.err


def test_one_of_a_unit_and_several_are_of_the_same(tmp_path: Path) -> None:
    config = deepcopy(CONFIG)
    config["calendars"] = {"desk": {"zone": "UTC", "open": {"mon-fri": "08:00-18:00"}}}
    config["paths"]["slow"]["when"] = {"in_stage": "1d", "calendar": "desk"}
    write(tmp_path, rows(1), config)
    for over, tried in (
        ("1 working day..3 working days/3", ["1 working days", "2 working days", "3 working days"]),
        ("1 week..3 weeks/3", ["1 weeks", "2 weeks", "3 weeks"]),
        ("30m..2h/4", ["30m", "60m", "90m", "120m"]),
    ):
        done = run("tune", tmp_path, "--path", "slow", "--over", f"in_stage={over}", "--json")
        (period,) = json.loads(done.out)["periods"].values()
        assert [row["values"] for row in period["rows"]] == [[each] for each in tried]


def test_of_too_few_no_value_has_a_recall(tmp_path: Path) -> None:
    write(tmp_path, rows(1, 12))
    done = escalations(*TUNE, *FEED, "--min-recall", "0.1", cwd=tmp_path)
    assert (done.code, "too few records went bad" in done.err) == (1, True)


def test_compare_tells_all_kinds_of_difference(tmp_path: Path) -> None:
    write(tmp_path, rows(1, 60))
    config = deepcopy(CONFIG)
    config["paths"]["slow"]["when"]["target"] = {"urgent": "10h", "else": "75h"}
    config["paths"]["slow"]["steps"][1] = {"after": "8h", "notify": "carla"}
    (tmp_path / "new.yaml").write_text(json.dumps(config))
    both = ("-c", "escalations.yaml", "-c", "new.yaml")
    done = run("compare", tmp_path, *both, "--json", "--escalations", "differences.jsonl")
    assert done.code == 0, done.err
    calls = []
    for name in ("escalations.yaml", "new.yaml"):
        run("backtest", tmp_path, "-c", name, "--escalations", "out.jsonl")
        events = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
        calls.append(
            {
                (each["record"], each["episode"], each["step"]): (at(each["at"]), sorted(each["notify"]))
                for each in events
                if each["event"] in ("opened", "advanced")
            }
        )
    old, new = calls
    both_there = [(old[key], new[key]) for key in old.keys() & new.keys()]
    expected = {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "earlier": sum(after[0] < before[0] for before, after in both_there),
        "later": sum(after[0] > before[0] for before, after in both_there),
        "other_recipient": sum(a[0] == b[0] and a[1] != b[1] for a, b in both_there),
    }
    summary = json.loads(done.out)
    assert summary["total"] == expected
    assert min(expected["added"], expected["removed"], expected["earlier"], expected["later"]) > 0
    written = [json.loads(line) for line in (tmp_path / "differences.jsonl").read_text().splitlines()]
    assert len(written) == sum(expected.values())
    assert all((each["before"] or each["after"])["because"] for each in written)
    done = run("compare", tmp_path, *both, "--max-added", "0")
    assert done.code == 1
    assert "escalations are added, more than 0" in done.err


def test_compare_of_the_same_finds_nothing(tmp_path: Path) -> None:
    write(tmp_path, rows(1))
    same = ("-c", "escalations.yaml", "-c", "escalations.yaml", "--max-added", "0")
    done = run("compare", tmp_path, *same)
    assert done == (0, "Both escalate the same.\n", "")
    assert run("compare", tmp_path, "-c", "escalations.yaml").code == 2
