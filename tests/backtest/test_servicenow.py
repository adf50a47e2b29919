"""A real history: SLA misses told before incidents are closed. The targets were chosen on what was opened
before April 2016 and are scored on what was opened in April."""

import csv
import gzip
import json
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.command import INCIDENTS, SERVICENOW, escalations

pytestmark = pytest.mark.skipif(
    not INCIDENTS.exists(), reason=f"the history {INCIDENTS.name} is not beside the repository"
)
FILE = ("--feed", "incidents", INCIDENTS)
APRIL = ("2016-04-01T00:00:00Z", "2016-05-01T00:00:00Z")
HOURS = {"1 - Critical": 71, "2 - High": 34, "3 - Moderate": 220, "4 - Low": 456}


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y %H:%M")


def april() -> dict[str, list[dict[str, str]]]:
    """The rows of each incident opened in April, in the order of time."""
    incidents = defaultdict(list)
    with gzip.open(INCIDENTS, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if moment(row["opened_at"]).strftime("%Y-%m") == "2016-04":
                incidents[row["number"]].append(row)
    for rows in incidents.values():
        rows.sort(key=lambda row: (moment(row["sys_updated_at"]), int(row["sys_mod_count"])))
    return incidents


def escalates(rows: list[dict[str, str]]) -> bool:
    """Whether at some moment before it is closed the incident is older than its priority allows then."""
    opened = moment(rows[0]["opened_at"])
    for row, following in pairwise(rows):
        if row["incident_state"] != "Closed":
            age = (moment(following["sys_updated_at"]) - opened).total_seconds() / 3600
            if age >= HOURS[row["priority"]] and moment(row["sys_updated_at"]) < moment(
                following["sys_updated_at"]
            ):
                return True
    return False


def scored(tmp_path: Path, *more: str) -> Any:
    period = ("--score-from", APRIL[0], "--score-until", APRIL[1])
    done = escalations("backtest", "-c", SERVICENOW, *FILE, *period, *more, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    return json.loads(done.out)["scores"]["resolution-sla"]["outcomes"]["breached"]


def test_april_is_told_with_recall_95_at_precision_90(tmp_path: Path) -> None:
    outcome = scored(tmp_path, "--min-recall", "0.95")
    assert outcome["recall"]["value"] >= 0.95
    assert outcome["precision"]["value"] >= 0.90
    assert outcome["lead_seconds"]["median"] > 7 * 86_400
    incidents = april()
    bad = {number for number, rows in incidents.items() if rows[-1]["made_sla"] == "false"}
    told = {number for number, rows in incidents.items() if escalates(rows)}
    assert (outcome["recall"]["hits"], outcome["recall"]["of"]) == (len(bad & told), len(bad))
    assert (outcome["precision"]["hits"], outcome["precision"]["of"]) == (len(bad & told), len(told))
    missed = {each["record"] for each in outcome["missed"]}
    assert missed == {f"ticket:{number}" for number in bad - told}


def test_tune_chooses_that_target_by_the_months_before(tmp_path: Path) -> None:
    """The least sensitive with a recall of 98 %: five values, for the time that it takes."""
    over = ("--path", "resolution-sla", "--over", "target.moderate=212h..228h/5")
    fit = ("--fit-until", APRIL[0], "--score-until", APRIL[1], "--min-recall", "0.98")
    done = escalations("tune", "-c", SERVICENOW, *over, *FILE, *fit, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    swept = json.loads(done.out)
    assert swept["with_recall"] == ["220h"]
    (chosen,) = (row for row in swept["periods"]["score"]["rows"] if row["values"] == ["220h"])
    outcome = scored(tmp_path)
    assert chosen["recall"] == outcome["recall"]
    assert chosen["precision"] == outcome["precision"]
