"""The starters of CRMs' own feeds: published samples, invented ones, and what a mapping gets by default."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from streams.config import load
from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Undecodable
from tests.command import STARTERS, escalations, golden
from tests.test_schemas import CHANGE, CONFIGURATION

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared/feeds"
MESSAGES = Path(__file__).parents[1] / "golden/feeds"
FORMATS = ("salesforce", "hubspot", "dataverse")

there = pytest.mark.skipif(not SAMPLES.exists(), reason="the published samples are not beside the repository")


def starter(name: str, folder: Path, records: dict[str, Any]) -> Path:
    """The starter with more objects."""
    document = yaml.safe_load((STARTERS / f"{name}.yaml").read_text())
    document["feeds"]["crm"]["records"] |= records
    path = folder / "escalations.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


# What becomes of each published sample: the record and operation of each change, or a part of the reason.
EXPECTED: dict[str, list[tuple[str, str]] | str] = {
    "salesforce-cdc/cometd_case_update": [("ticket:50025000009vJE9AAM", "upsert")],
    "salesforce-cdc/cometd_create_custom_object": [("employee:a00B000000AVWaZIAX", "upsert")],
    "salesforce-cdc/eventbridge_appflow_update": [("account:0016g00000MLhLeAAL", "upsert")],
    "salesforce-cdc/gap_create": [("account:001ZM000001n4n5YAA", "gap")],
    "salesforce-cdc/gap_overflow": "GAP_OVERFLOW",
    "salesforce-cdc/kafka_connect_confluent_contact_create": [("contact:0032X00002QU10JQAT", "upsert")],
    "salesforce-cdc/pubsub_create_account": [("account:0015f00002J9YYEAA3", "upsert")],
    "salesforce-cdc/pubsub_update_compound_decoded": [("account:0014H00002LbR7QQAV", "upsert")],
    "salesforce-cdc/pubsub_update_merged_bitmap": [
        ("account:0015f00002JUZPDAA5", "upsert"),
        ("account:0015f00002JUZPXAA5", "upsert"),
        ("account:0015f00002JUZPcAAP", "upsert"),
    ],
    "hubspot/DERIVED_generic_object_propertyChange": [("ticket:318514647758", "upsert")],
    "hubspot/batch_deal": [("deal:332507367156", "upsert")] * 3,
    "hubspot/batch_ticket_lifecycle": [
        ("ticket:318514647758", "upsert"),
        ("ticket:318514647758", "upsert"),
        ("ticket:318514647758", "delete"),
    ],
    "hubspot/single_dealstage_crm_ui_2019": [("deal:697680835", "upsert")],
    "dataverse/DERIVED_delete_contact": [("contact:6d81597f-0f9f-e711-8122-000d3aa2331c", "delete")],
    "dataverse/DERIVED_update_over_256KB": [("contact:6d81597f-0f9f-e711-8122-000d3aa2331c", "gap")],
    "dataverse/update_contact_docs": [("contact:6d81597f-0f9f-e711-8122-000d3aa2331c", "upsert")],
    "dataverse/update_minimal_statuscode": [("project:3f2504e0-4f89-41d3-9a0c-0305e82c3301", "upsert")],
}
MORE: dict[str, dict[str, Any]] = {
    "salesforce": {"Contact": {"kind": "contact"}, "Employee__c": {"kind": "employee"}},
    "hubspot": {},
    "dataverse": {"contact": {"kind": "contact"}, "pmo_project": {"kind": "project"}},
}


@there
@pytest.mark.parametrize("bare", [False, True], ids=["more objects", "as it is"])
@pytest.mark.parametrize(
    "path",
    [
        path
        for name in ("salesforce-cdc", "hubspot", "dataverse")
        for path in sorted((SAMPLES / name).glob("*"))
    ],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_every_published_sample_is_read(tmp_path: Path, path: Path, bare: bool) -> None:
    name = path.parent.name.removesuffix("-cdc")
    feed = load(starter(name, tmp_path, {} if bare else MORE[name])).feeds["crm"]
    value = json.loads(path.read_bytes())
    headers: tuple[tuple[str, bytes | None], ...] = ()
    if "headers" in value:
        headers = tuple((key, each.encode()) for key, each in value["headers"].items())
        value = value["body"]
    told = feed.decode(Message("t", 0, 1, None, orjson.dumps(value), headers=headers))
    expected = EXPECTED[f"{path.parent.name}/{path.stem}"]
    if isinstance(told, PassedOver):
        assert (
            (expected in told.reason) if isinstance(expected, str) else (bare and "not name" in told.reason)
        )
        return
    assert [(each.record, each.op) for each in told if isinstance(each, Change)] == expected


@there
def test_what_the_published_samples_say_is_what_their_publishers_say(tmp_path: Path) -> None:
    def fields(name: str, path: str) -> list[dict[str, Any]]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        feed = load(starter(name, folder, MORE[name])).feeds["crm"]
        told = feed.decode(Message("t", 0, 1, None, (SAMPLES / path).read_bytes()))
        assert isinstance(told, list)
        return [each.fields for each in told]

    # "Case: AccountId changed"; the record has no such field, and its owner did not change.
    assert fields("salesforce", "salesforce-cdc/cometd_case_update.json") == [{}]
    # Three accounts, "Industry set to Apparel".
    assert (
        fields("salesforce", "salesforce-cdc/pubsub_update_merged_bitmap.json")
        == [{"industry": "Apparel"}] * 3
    )
    (created,) = fields("salesforce", "salesforce-cdc/kafka_connect_confluent_contact_create.json")
    assert created == {"owner": "0052X00000AJGNCQA5", "created": "2020-07-30T13:33:45Z"}
    assert fields("hubspot", "hubspot/batch_deal.json")[1:] == [
        {"value": 2000.0, "currency": "EUR"},
        {"stage": "qualifiedtobuy", "status": "open"},
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_invented_messages_give_what_they_gave(tmp_path: Path, name: str) -> None:
    config = starter(name, tmp_path, {})
    done = escalations("decode", "-c", config, "--feed", "crm", MESSAGES / f"{name}.jsonl", cwd=tmp_path)
    assert done.code == 0
    for line in done.out.splitlines():
        CHANGE.validate(json.loads(line))
    golden(f"decode-{name}.txt", done.out + done.err)


@pytest.mark.parametrize("name", FORMATS)
def test_a_starter_is_without_findings(name: str, tmp_path: Path) -> None:
    assert escalations("init", "--starter", name, cwd=tmp_path).code == 0
    done = escalations("check", "--strict", cwd=tmp_path)
    assert (done.code, done.err) == (0, ""), done.out


def test_what_a_default_says_of_stages_is_known_to_checks_and_to_tests_of_paths(tmp_path: Path) -> None:
    assert escalations("init", "--starter", "salesforce", cwd=tmp_path).code == 0
    config = tmp_path / "escalations.yaml"
    config.write_text(
        config.read_text().replace("where: {value: {at_least: 10_000 EUR}}", "where: {stage: Closed Wom}", 1)
    )
    found = escalations("check", cwd=tmp_path)
    assert "Did you mean 'Closed Won'?" in found.out + found.err
    (tmp_path / "escalations.tests.yaml").write_text(
        "tests: [{name: it, at: 2026-03-02 09:00, given: [{ticket:1: {stage: Closed}}], "
        "expect: nothing, until: +90d}]"
    )
    assert escalations("test", cwd=tmp_path).code == 0


def test_a_key_of_ones_own_goes_before_the_default(tmp_path: Path) -> None:
    records = {"Case": {"kind": "ticket", "stage": {"field": "Status", "closed": ["Zu"]}, "owner": "Rep__c"}}
    path = starter("salesforce", tmp_path, records)
    CONFIGURATION.validate(yaml.safe_load(path.read_text()))
    header = {
        "entityName": "Case",
        "recordIds": ["500000000000001"],
        "changeType": "CREATE",
        "commitTimestamp": 1772442000000,
    }
    value = {"ChangeEventHeader": header, "Status": "Zu", "Rep__c": "r", "OwnerId": "o", "Priority": "High"}
    told = load(path).feeds["crm"].decode(Message("t", 0, 1, None, orjson.dumps(value)))
    assert isinstance(told, list)
    assert told[0].fields == {"owner": "r", "stage": "Zu", "status": "closed", "priority": "High"}


def test_two_objects_may_tell_of_one_kind_of_record(tmp_path: Path) -> None:
    comment = {"kind": "ticket", "id": "ParentId", "by": "commitUser", "said": {"text": "CommentBody"}}
    feed = load(starter("salesforce", tmp_path, {"CaseComment": comment})).feeds["crm"]
    assert feed.kinds["ticket"].facts >= {"by", "heard", "stage", "priority", "owner"}
    assert escalations("check", cwd=tmp_path).code == 0


def test_one_bad_event_makes_a_dead_letter_of_its_message() -> None:
    feed = load(STARTERS / "hubspot.yaml").feeds["crm"]
    good: dict[str, Any] = {"subscriptionType": "deal.deletion", "occurredAt": 1772442000000, "objectId": 1}
    message = Message("t", 0, 1, None, orjson.dumps([good, {**good, "occurredAt": None}]))
    with pytest.raises(Undecodable, match="event 2 of 2"):
        feed.decode(message)
    told = feed.decode(Message("t", 0, 1, None, orjson.dumps([good])))
    assert isinstance(told, list)
    assert all(isinstance(each, Change) for each in told)
