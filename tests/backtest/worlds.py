"""An invented help desk: a configuration, and random histories of it as CSV."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml

COLUMNS = ("id", "status", "priority", "owner", "opened", "changed", "seq", "missed", "ended", "worth")
START = datetime(2026, 3, 2, 9, tzinfo=UTC)

CONFIG: dict[str, Any] = {
    "version": 1,
    "feeds": {
        "tickets": {
            "format": "csv",
            "at": "changed",
            "time": {"format": "iso"},
            "order": ["changed", "seq"],
            "withhold": ["missed", "ended", "worth"],
            "record": {
                "kind": "ticket",
                "id": "id",
                "owner": "owner",
                "stage": {"field": "status", "paused": ["waiting"], "closed": ["closed"]},
                "priority": "priority",
                "created": "opened",
            },
        }
    },
    "calendars": {"desk": {"zone": "Europe/Berlin", "open": {"mon-fri": "09:00-17:00"}}},
    "people": {
        "anna": {"manager": "bert", "leave": ["2026-03-09/2026-03-12"], "deputy": "carla"},
        "carla": {"manager": "bert"},
        "bert": None,
    },
    "teams": {"desk": ["anna", "carla"]},
    "fallback": "bert",
    "paths": {
        "slow": {
            "about": "ticket",
            "when": {"clock": "resolution", "target": {"urgent": "20h", "else": "60h"}},
            "steps": [{"notify": "owner"}, {"after": "8h", "notify": "team:desk"}],
        }
    },
    "outcomes": {
        "missed": {
            "about": "ticket",
            "feed": "tickets",
            "bad": {"missed": "yes"},
            "at": "ended",
            "cost": {"field": "worth"},
        }
    },
}


def moment(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def rows(seed: int, tickets: int = 40) -> list[dict[str, str]]:
    """By ticket, not by time. They change priority and owner, wait, are closed and open again; a few are
    heard of only 30 hours after they were opened."""
    random = Random(seed)
    made: list[dict[str, str]] = []
    for number in range(tickets):
        opened = random.uniform(0, 400)
        times = sorted(opened + random.expovariate(1 / 60) for _ in range(random.randint(2, 8)))
        created = moment(opened if random.random() < 0.9 else opened - 30)
        # What went bad may have done so long before anybody closed the ticket.
        ended = moment(random.choice(times))
        missed = random.random() < min(0.9, (times[-1] - opened) / 200)
        worth = str(random.randint(1, 900))
        row = {"priority": random.choice(["urgent", "high", "low"]), "owner": "anna", "status": "new"}
        for seq, at in enumerate([opened, *times]):
            last = seq == len(times)
            if random.random() < 0.4:
                row["priority"] = random.choice(["urgent", "high", "low"])
            if random.random() < 0.3:
                row["owner"] = random.choice(["anna", "carla", "bert", ""])
            row["status"] = "closed" if last else random.choice(["new", "open", "open", "waiting", "closed"])
            made.append(
                {
                    **row,
                    "id": f"T{number}",
                    "opened": created,
                    "changed": moment(at),
                    "seq": str(seq),
                    "missed": "yes" if missed and last else "no",
                    "ended": ended,
                    "worth": worth,
                }
            )
    return made


def write(folder: Path, history: list[dict[str, str]], config: dict[str, Any] | None = None) -> None:
    """`escalations.yaml` and `tickets.csv`."""
    (folder / "escalations.yaml").write_text(yaml.safe_dump(CONFIG if config is None else config))
    with (folder / "tickets.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(history)
