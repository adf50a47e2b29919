"""What happened in the invented CRM, as Debezium would have written it."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

TICKETS = "crm.public.ticket"
DEALS = "crm.public.deal"


class Row(NamedTuple):
    """A row of a table as it was from `at` on."""

    topic: str
    at: datetime
    columns: dict[str, Any]


def debezium(row: Row, lsn: int) -> dict[str, Any]:
    """The message for a row that was written, as the arguments of a producer."""
    micros = (row.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    source = {"connector": "postgresql", "snapshot": "false", "ts_us": micros, "lsn": lsn}
    value = {"before": None, "after": row.columns, "source": source, "op": "u"}
    return {"key": orjson.dumps({"id": row.columns["id"]}), "value": orjson.dumps(value)}


def _berlin_winter(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+01:00")


def _ticket(at: str, status: str, **more: Any) -> Row:
    opened = _berlin_winter("2026-03-02T09:12").isoformat()
    columns = {"id": 4711, "assignee": "anna", "priority": "high", "created_at": opened, "status": status}
    return Row(TICKETS, _berlin_winter(at), {**columns, **more})


def _deal(at: str, stage: str) -> Row:
    columns = {"id": 88, "owner": "dave", "amount": 48000, "currency": "EUR", "stage": stage}
    return Row(DEALS, _berlin_winter(at), columns)


STORIES = (
    # Six weeks in one stage, and nobody told the manager.
    _deal("2026-01-05T10:00", "proposal"),
    _deal("2026-01-12T15:30", "negotiation"),
    _deal("2026-03-16T11:00", "won"),
    # Assigned on the first day of its owner's leave, found eight days later.
    _ticket("2026-03-02T09:12", "open"),
    _ticket("2026-03-10T10:40", "solved"),
)


def live_ticket(status: str) -> Row:
    """A ticket of this very moment, whose clock has seconds."""
    now = datetime.now(UTC)
    columns = {"id": 4712, "assignee": "carla", "priority": "now", "status": status}
    return Row(TICKETS, now, columns if status == "solved" else {**columns, "created_at": now.isoformat()})
