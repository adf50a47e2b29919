"""`escalations topics`: what is needed, what is there, what differs."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from tests.broker.test_worker import FEED_PARTITIONS, Site
from tests.brokers import Broker
from tests.command import Done, escalations
from tests.live import create_topic

pytestmark = pytest.mark.broker


@pytest.fixture
def site(tmp_path: Path, broker: Broker, topic_prefix: str) -> Site:
    site = Site(tmp_path, broker.address, topic_prefix)
    site.create_feeds()
    return site


def topics(site: Site, *arguments: str) -> Done:
    return escalations("topics", "--broker", site.connection.address, *arguments, cwd=site.data("."))


def as_json(site: Site, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = topics(site, "--json", *arguments)
    return done.code, {each["topic"]: each for each in map(json.loads, done.out.splitlines())}


def test_what_is_not_there_is_created_once(site: Site) -> None:
    names = {each.name for each in site.topics.all()}
    code, found = as_json(site)
    assert code == 1
    assert {name for name, each in found.items() if each["found"] is None} == names
    assert topics(site).out.count("missing") == len(names)
    code, found = as_json(site, "--create")
    assert code == 0
    assert found[site.topics.changes.name]["found"]["partitions"] == 2
    assert found[site.topics.changes.name]["found"]["config"]["retention.ms"] == "-1"
    assert found[site.topics.changelog.name]["found"]["config"]["cleanup.policy"] == "compact"
    assert found[site.config.feeds["tickets"].topic]["found"]["partitions"] == FEED_PARTITIONS
    assert topics(site, "--create").code == topics(site).code == 0


def test_a_worker_runs_on_what_was_created_beforehand(site: Site) -> None:
    assert topics(site, "--create").code == 0
    worker = site.worker()
    assert worker.stop(8) == 0
    assert "created" not in worker.said()


def test_a_feed_that_is_missing_is_not_created(tmp_path: Path, broker: Broker, topic_prefix: str) -> None:
    site = Site(tmp_path, broker.address, topic_prefix)
    code, found = as_json(site, "--create")
    assert code == 1
    assert found[site.config.feeds["tickets"].topic]["found"] is None
    assert found[site.topics.changes.name]["found"] is not None


def test_what_differs_is_told_with_what_to_do(site: Site) -> None:
    create_topic(
        site.connection, site.topics.changes.name, 3, **{"cleanup.policy": "delete", "retention.ms": "1"}
    )
    create_topic(site.connection, site.topics.changelog.name, 2, **{"cleanup.policy": "delete"})
    done = topics(site, "--create")
    assert done.code == 1
    assert "has 3 partitions, the configuration says 2" in done.out
    assert "another `prefix` and `app`" in done.out
    assert "--add-config retention.ms=-1" in done.out
    assert "--add-config cleanup.policy=compact" in done.out
    _, found = as_json(site)
    assert len(found[site.topics.changes.name]["differences"]) == 2


def test_acls_are_printed_without_a_broker(tmp_path: Path) -> None:
    Site(tmp_path, "127.0.0.1:1", "crm.")
    done = escalations("topics", "--broker", "kafka:9092", "--acls", "User:o'brien", cwd=tmp_path)
    assert done.code == 0
    parts = [line for line in done.out.splitlines() if line.startswith("#")]
    assert parts[0] == "# worker"
    assert {"# notifier", "# backtest"} <= set(parts)
    assert "kafka-acls --bootstrap-server kafka:9092 --add --allow-principal 'User:o'\"'\"'brien'" in done.out
    assert escalations("topics", "--acls", "User:x", "--create", cwd=tmp_path).code == 2
    bare = escalations("topics", "--acls", "bob", cwd=tmp_path)
    assert (bare.code, "User:bob" in bare.err) == (2, True)


def test_a_log_that_is_given_more_partitions_stops_its_workers(
    site: Site,
) -> None:
    worker = site.worker()
    admin = site.connection.admin()
    name = site.topics.changes.name
    for future in admin.create_partitions([NewPartitions(name, 3)]).values():
        future.result(15)
    assert worker.wait(60) == 2
    assert f"{name} has 3 partitions, the configuration says 2" in worker.said()
    assert "Traceback" not in worker.said()


def test_a_log_that_is_not_kept_for_good_is_warned_about(site: Site) -> None:
    assert topics(site, "--create").code == 0
    entry = ConfigEntry("retention.ms", "1000000", incremental_operation=AlterConfigOpType.SET)
    name = site.topics.changes.name
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    admin = site.connection.admin()
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(15)
    worker = site.worker()
    assert "retention.ms=1000000; it must be -1" in worker.said()
    assert worker.stop(8) == 0
