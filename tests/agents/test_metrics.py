"""What metrics are made of, without a worker."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.agents.metrics import Metrics, Present, lateness
from streams.core.escalation import Escalation, Event

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def escalated(event: Event = "opened", at: str = "2026-03-02T11:59:30Z", digest: Any = UNSET) -> Escalation:
    return Escalation(
        id="1", event=event, record="ticket:1", path="late", version="v", episode=1, step=1,
        severity="low", at=at, digest=digest, summary="", reason={},
    )  # fmt: skip


@pytest.mark.parametrize("event", ["opened", "advanced", "warned"])
def test_lateness_is_from_when_it_was_due(event: Event) -> None:
    assert list(lateness([escalated(event)], NOON)) == [("late", 30.0)]


def test_what_asks_nobody_to_act_and_the_backlog_are_not_late() -> None:
    assert not list(lateness([escalated("resolved"), escalated(digest=True)], NOON))


def test_a_clock_that_is_a_little_behind_makes_nothing_early() -> None:
    assert list(lateness([escalated(at="2026-03-02T12:00:01Z")], NOON)) == [("late", 0)]


def test_they_are_read_by_prometheus() -> None:
    now = datetime.now(UTC)
    present = Present({("tickets", 0): now - timedelta(seconds=90)}, {"late": 3}, ready=True)
    metrics = Metrics(lambda: present)
    metrics.done("crm.changes", 7, 0.5)
    metrics.put_aside("crm.changes", 2)
    metrics.escalated([escalated(at=(now - timedelta(seconds=20)).isoformat().replace("+00:00", "Z"))])
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    samples = {
        (each.name, *sorted(each.labels.values())): each.value
        for family in families
        for each in family.samples
    }
    assert samples["escalations_messages_total", "crm.changes"] == 7
    assert samples["escalations_dead_letters_total", "crm.changes"] == 2
    assert samples["escalations_batch_seconds_sum", "crm.changes"] == 0.5
    assert samples["escalations_lateness_seconds_bucket", "10.0", "late"] == 0
    assert samples["escalations_lateness_seconds_bucket", "30.0", "late"] == 1
    assert samples["escalations_feed_behind_seconds", "0", "tickets"] == pytest.approx(90, abs=5)
    assert samples["escalations_open_episodes", "late"] == 3
    assert samples["escalations_ready",] == 1
