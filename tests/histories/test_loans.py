"""Loan applications that stay for long: thresholds held against which of them were cancelled in the end."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from tests.command import REPOSITORY, escalations, golden
from tests.histories.test_histories import DATA, HERE, LOANS, rows, utc, without_work

SINCE, UNTIL = datetime(2011, 11, 1, tzinfo=UTC), datetime(2012, 2, 1, tzinfo=UTC)
DOCUMENT = REPOSITORY / "docs" / "backtest.md"

Cells = dict[str, str]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tables of the backtest that comparison.yaml begins with, without the records that were missed."""
    path = DATA / f"{LOANS}.csv.gz"
    if not path.exists():
        pytest.skip(f"the history {path.name} is not beside the repository")
    folder = tmp_path_factory.mktemp("loans")
    period = ("--score-from", SINCE.isoformat(), "--score-until", UNTIL.isoformat())
    files = ("--feed", "applications", without_work(path, folder))
    done = escalations("backtest", "-c", HERE / "loans" / "comparison.yaml", *files, *period, cwd=folder)
    assert done[::2] == (0, "")
    return done.out.partition("missed by")[0]


def scores(text: str) -> dict[str, Cells]:
    """The cells of the two tables of scores, by path and column."""
    found: defaultdict[str, Cells] = defaultdict(dict)
    header: list[str] = []
    for line in text.splitlines():
        if line.startswith("┃"):
            header = [cell.strip() for cell in line.strip("┃").split("┃")]
        elif line.startswith("│") and {"never acted on", "recall"} & set(header):
            cells = [cell.strip() for cell in line.strip("│").split("│")]
            found[cells[0]] |= dict(zip(header, cells, strict=True))
    return dict(found)


def test_the_tables(printed: str) -> None:
    golden("loans-comparison.txt", printed)


def test_what_three_days_would_have_told_is_what_the_rows_say(printed: str) -> None:
    cases = defaultdict(list)
    for row in rows(LOANS):
        if not row["concept:name"].startswith("W_"):
            cases[row["case:concept:name"]].append((utc(row["time:timestamp"]), row))
    end = max(at for events in cases.values() for at, _ in events)
    bad: dict[str, datetime] = {}
    told: dict[str, datetime] = {}
    worth: dict[str, int] = {}
    episodes = 0
    for case, events in cases.items():
        events.sort(key=lambda event: event[0])
        if not SINCE <= utc(events[0][1]["case:REG_DATE"]) < UNTIL:
            continue
        worth[case] = int(events[0][1]["case:AMOUNT_REQ"])
        left = [at for at, _ in events[1:]] + [end]
        for (entered, row), over in zip(events, left, strict=True):
            due = entered + timedelta(days=3)
            if row["concept:name"] in ("A_PREACCEPTED", "O_SENT") and due <= over:
                episodes += 1
                told.setdefault(case, due)
            if row["concept:name"] == "A_CANCELLED":
                bad.setdefault(case, entered)
    caught = {case for case, at in told.items() if case in bad and at < bad[case]}
    found = scores(printed)["three-days"]
    assert len(caught) > 1000
    assert found["escalations"] == f"{episodes:,}"
    assert found["precision"].endswith(f"; {len(caught):,} of {len(told):,})")
    assert found["recall"].endswith(f"; {len(caught):,} of {len(bad):,})")
    assert found["missed"] == f"{len(bad) - len(caught):,}"
    assert found["cost told of"] == f"{sum(worth[case] for case in caught):,}"
    assert found["cost missed"] == f"{sum(worth[case] for case in bad.keys() - caught):,}"
    lead = median((bad[case] - told[case]).total_seconds() for case in caught)
    assert found["median lead"] == f"{int(lead // 86400)}d {int(lead % 86400 // 3600)}h"


def test_the_document_has_these_numbers(printed: str) -> None:
    said = DOCUMENT.read_text("utf-8")
    for path, cells in scores(printed).items():
        precision, recall = (cells[name].partition(" (")[0] for name in ("precision", "recall"))
        row = (
            path,
            f"{cells['median week']}, {cells['worst week']}",
            precision,
            recall,
            cells["median lead"],
            cells["quartiles"],
            cells["cost told of"],
            cells["cost missed"],
        )
        assert "".join(f"| {cell} " if cell else "| " for cell in row) + "|" in said
