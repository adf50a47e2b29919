"""Who sent a request. What is expected was computed with `openssl dgst -sha256 -hmac SECRET -binary |
base64`, and HubSpot's also stands in the test suite of HubSpot's own Python client."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.ingest.signatures import (
    HmacSha256,
    HubSpot,
    Received,
    Signature,
    Token,
    Unverified,
    Zendesk,
)

WINDOW = 300.0

HUBSPOT = HubSpot("https://www.example.com/webhook_uri", WINDOW)
HUBSPOT_SECRET = b"yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
HUBSPOT_REQUEST = Received(
    "POST",
    {
        "x-hubspot-signature-v3": "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
        "x-hubspot-request-timestamp": "15000000",
    },
    b"{'example_field':'example_value'}",
)
HUBSPOT_SENT = 15_000.0

ZENDESK = Zendesk(WINDOW)
ZENDESK_SECRET = b"HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA="
ZENDESK_REQUEST = Received(
    "POST",
    {
        "x-zendesk-webhook-signature": "Rry/4TtIdFyawtXXp8QdI6tlAUUQ/5kL1OTp5qo/ZIk=",
        "x-zendesk-webhook-signature-timestamp": "2021-07-25T10:00:00Z",
    },
    b'{"say": "hello"}',
)
ZENDESK_SENT = datetime(2021, 7, 25, 10, tzinfo=UTC).timestamp()

# RFC 4231, test case 2.
HEX = HmacSha256("x-signature", "hex", "sha256=")
HEX_DIGEST = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
HEX_REQUEST = Received("POST", {"x-signature": f"sha256={HEX_DIGEST}"}, b"what do ya want for nothing?")

BASE64 = HmacSha256("x-signature", "base64", "")
BASE64_REQUEST = HEX_REQUEST._replace(headers={"x-signature": "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="})

TOKEN = Token("x-api-key")
TOKEN_REQUEST = Received("POST", {"x-api-key": "s3cret"}, b"{}")

CASES = [
    pytest.param(HUBSPOT, HUBSPOT_REQUEST, HUBSPOT_SECRET, HUBSPOT_SENT, id="hubspot"),
    pytest.param(ZENDESK, ZENDESK_REQUEST, ZENDESK_SECRET, ZENDESK_SENT, id="zendesk"),
    pytest.param(HEX, HEX_REQUEST, b"Jefe", 0.0, id="hex"),
    pytest.param(BASE64, BASE64_REQUEST, b"Jefe", 0.0, id="base64"),
    pytest.param(TOKEN, TOKEN_REQUEST, b"s3cret", 0.0, id="token"),
]
signed = pytest.mark.parametrize(("signature", "request_", "secret", "now"), CASES)
timed = pytest.mark.parametrize(("signature", "request_", "secret", "now"), CASES[:2])


def refused(signature: Signature, request: Received, secret: bytes, now: float) -> str:
    with pytest.raises(Unverified) as caught:
        signature.verify(request, secret, now)
    return str(caught.value)


@signed
def test_what_the_sender_has_signed_is_taken(
    signature: Signature, request_: Received, secret: bytes, now: float
) -> None:
    signature.verify(request_, secret, now)


@signed
def test_another_secret_is_refused_and_neither_is_named(
    signature: Signature, request_: Received, secret: bytes, now: float
) -> None:
    said = refused(signature, request_, secret + b"x", now)
    assert secret.decode() not in said
    refused(signature, request_, b"", now)


@signed
def test_each_header_is_needed(signature: Signature, request_: Received, secret: bytes, now: float) -> None:
    for name in request_.headers:
        without = {other: value for other, value in request_.headers.items() if other != name}
        assert refused(signature, request_._replace(headers=without), secret, now) == f"there is no {name}"
        refused(signature, request_._replace(headers={**request_.headers, name: ""}), secret, now)


@pytest.mark.parametrize(("signature", "request_", "secret", "now"), CASES[:-1])
def test_another_body_is_refused(signature: Signature, request_: Received, secret: bytes, now: float) -> None:
    refused(signature, request_._replace(body=request_.body + b" "), secret, now)
    refused(signature, request_._replace(body=b""), secret, now)


@timed
def test_a_request_from_long_ago_or_from_the_future_is_refused(
    signature: Signature, request_: Received, secret: bytes, now: float
) -> None:
    for off in (-WINDOW, WINDOW):
        signature.verify(request_, secret, now + off)
    for off in (-WINDOW - 1, WINDOW + 1, 1e9):
        assert "at most 300 s" in refused(signature, request_, secret, now + off)


def test_the_time_is_part_of_what_is_signed() -> None:
    later = {**HUBSPOT_REQUEST.headers, "x-hubspot-request-timestamp": "15000001"}
    refused(HUBSPOT, HUBSPOT_REQUEST._replace(headers=later), HUBSPOT_SECRET, HUBSPOT_SENT)
    later = {**ZENDESK_REQUEST.headers, "x-zendesk-webhook-signature-timestamp": "2021-07-25T10:00:01Z"}
    refused(ZENDESK, ZENDESK_REQUEST._replace(headers=later), ZENDESK_SECRET, ZENDESK_SENT)


def test_method_and_url_are_part_of_what_hubspot_signs() -> None:
    refused(HUBSPOT, HUBSPOT_REQUEST._replace(method="PUT"), HUBSPOT_SECRET, HUBSPOT_SENT)
    for url in ("http://www.example.com/webhook_uri", "https://www.example.com/webhook_uri/"):
        refused(HubSpot(url, WINDOW), HUBSPOT_REQUEST, HUBSPOT_SECRET, HUBSPOT_SENT)


def test_hubspot_signs_some_characters_of_the_url_decoded() -> None:
    # openssl, over POSThttps://h.example/a:b?c=d,e%20f%26{}1000
    headers = {
        "x-hubspot-signature-v3": "3b573lxM2QkqF8l3Ux8ohRPl5CN9+O18kQSspl6GVcY=",
        "x-hubspot-request-timestamp": "1000",
    }
    url = "https://h.example/a%3Ab?c=d%2ce%20f%26"
    HubSpot(url, WINDOW).verify(Received("POST", headers, b"{}"), b"key", 1.0)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "9" * 400, "１５", "15000000.0", " 1"])
def test_a_signed_time_that_is_none_is_refused_for_hubspot(text: str) -> None:
    parts = b"".join((b"POST", HUBSPOT.url.encode(), b"{}", text.encode()))
    made = base64.b64encode(hmac.new(b"key", parts, hashlib.sha256).digest()).decode()
    headers = {"x-hubspot-signature-v3": made, "x-hubspot-request-timestamp": text}
    refused(HUBSPOT, Received("POST", headers, b"{}"), b"key", 15_000.0)


@pytest.mark.parametrize("text", ["soon", "2021-07-25T10:00:00", "0001-01-01T00:00:00+23:59", "1627207200"])
def test_a_signed_time_that_is_none_is_refused_for_zendesk(text: str) -> None:
    made = base64.b64encode(hmac.new(b"key", text.encode() + b"{}", hashlib.sha256).digest()).decode()
    headers = {"x-zendesk-webhook-signature": made, "x-zendesk-webhook-signature-timestamp": text}
    refused(ZENDESK, Received("POST", headers, b"{}"), b"key", ZENDESK_SENT)


def test_a_digest_in_capitals_is_the_same_and_its_prefix_is_needed() -> None:
    shouted = {"x-signature": f"sha256={HEX_DIGEST.upper()}"}
    HEX.verify(HEX_REQUEST._replace(headers=shouted), b"Jefe", 0)
    said = refused(HEX, HEX_REQUEST._replace(headers={"x-signature": HEX_DIGEST}), b"Jefe", 0)
    assert said == "x-signature does not begin with 'sha256='"


@given(value=st.text(st.characters(min_codepoint=1), min_size=1), number=st.integers(0, len(CASES) - 1))
@example("\ud800", 0)
def test_whatever_a_header_holds_is_refused_in_order(value: str, number: int) -> None:
    signature, request, secret, now = CASES[number].values
    assert isinstance(request, Received)
    for name in request.headers:
        if value.strip() != request.headers[name]:
            with pytest.raises(Unverified):
                signature.verify(  # type: ignore[union-attr]
                    request._replace(headers={**request.headers, name: value}), secret, now
                )
