"""Whatever the bytes are, decoding what a CRM writes gives changes, a reason to pass over, or Undecodable."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.document import Node
from streams.feeds import Feed, Message
from streams.feeds.customers import WithCustomers
from streams.feeds.formats import read_feed
from tests.feeds.fuzz import check, mutated, odd, places, replaced, spliced

GOLDEN = Path(__file__).parents[1] / "golden/feeds"
SHARED = Path(__file__).resolve().parents[2].parent / "shared/feeds"


def feed(name: str, records: dict[str, Any], **common: Any) -> Feed:
    mapped = {each: {**common, **record} for each, record in records.items()}
    return WithCustomers(read_feed("crm", Node({"format": name, "topic": "t", "records": mapped})))


FEEDS: dict[str, Feed] = {
    "salesforce": feed(
        "salesforce",
        {
            "Opportunity": {"kind": "deal", "planned": {"field": "CloseDate", "unit": "days", "zone": "UTC"}},
            "Account": {"kind": "account", "fields": ["BillingAddress", "BillingAddress.City", "Industry"]},
            "Case": {"kind": "ticket", "said": {"text": "Status"}},
            "Contact": {"kind": "contact", "id": "AccountId"},
        },
        by={"field": "commitUser"},
    ),
    "hubspot": feed(
        "hubspot",
        {
            "deal": {"kind": "deal", "customer": "hs_note", "contacts": "amount"},
            "ticket": {"kind": "ticket", "said": {"text": "content", "negativity": "hs_pipeline_stage"}},
            "contact": {"kind": "contact", "id": ["portalId", "objectId"]},
        },
        by={"field": "changeSource", "person": ["CRM_UI"]},
    ),
    "dataverse": feed(
        "dataverse",
        {
            "incident": {"kind": "ticket", "health": "prioritycode"},
            "opportunity": {"kind": "deal", "fields": ["ownerid", "customerid"]},
            "contact": {"kind": "contact", "touched": "modifiedon", "said": {"text": "firstname"}},
        },
        by={"field": "UserId"},
    ),
}


def samples(name: str) -> list[Any]:
    found = [json.loads(line)["value"] for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]
    folder = "salesforce-cdc" if name == "salesforce" else name
    return found + [json.loads(path.read_bytes()) for path in sorted((SHARED / folder).glob("*.json"))]


SAMPLES = {name: samples(name) for name in FEEDS}
_WORDS = """
ChangeEventHeader payload data detail changedFields BillingAddress BillingAddress.City 0x4008 4-0x01 001*
GAP_CREATE GAP_OVERFLOW UPDATE CREATE DELETE 00600000000000é CRM_UI deal.merge deal.restore deal. . object.
object.creation 0-1 Value Id LogicalName Target Attributes key value Create Update /Date(1)/ ² -1 1e400 NaN
/Date(-62135596800000)/ /Date(999999999999999999+9999)/ 9999-12-31T23:59:59Z 1772442000000
"""
anything = odd(_WORDS.split())


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """And whose sample it is."""
    name = draw(st.sampled_from(sorted(SAMPLES)))
    encoded = mutated(draw, SAMPLES[name], anything)
    return name, encoded if draw(st.integers(0, 3)) else spliced(draw, encoded)


def attempt(name: str, value: bytes | None) -> None:
    for change in check(FEEDS[name], Message("t", 0, 1, None, value)):
        assert not (change.op in ("gap", "delete") and set(change.fields) - {"issue", "issue_status"})


@settings(max_examples=300)
@given(st.sampled_from(sorted(FEEDS)), st.none() | st.binary(max_size=200))
def test_random_bytes(name: str, value: bytes | None) -> None:
    attempt(name, value)


@settings(max_examples=1500)
@given(mutations())
def test_mutated_samples(sample: tuple[str, bytes]) -> None:
    attempt(*sample)


@pytest.mark.parametrize("name", sorted(FEEDS))
def test_deep_nesting_wherever_it_is(name: str) -> None:
    for depth in (100, 300, 1000, 5000, 100_000):
        for opening, closing in (("[", "]"), ('{"Value":', "}"), ('{"payload":', "}")):
            deep = opening * depth + "1" + closing * depth
            attempt(name, deep.encode())
            for sample in SAMPLES[name] if depth in (300, 1000) else ():
                for place in places(sample):
                    encoded = orjson.dumps(replaced(sample, place, "HERE")).decode()
                    attempt(name, encoded.replace('"HERE"', deep).encode())
