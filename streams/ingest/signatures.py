"""Who sent a request: the ways in which senders of webhooks sign what they send.

Sources: HubSpot, "Validating requests" (v3 request signature); Zendesk, "Verifying webhooks";
Microsoft, "Use webhooks to create external handlers for server events" (authentication by HTTP
header). HMAC is that of RFC 2104 with SHA-256.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

Encoding = Literal["base64", "hex"]


class Received(NamedTuple):
    """A request as it came. `headers`: by their names in lower case; `body`: its very bytes."""

    method: str
    headers: Mapping[str, str]
    body: bytes


class Unverified(Exception):
    """Nothing shows that the request comes from its sender. The text holds nothing of the secret."""


class Signature(Protocol):
    def verify(self, request: Received, secret: bytes, now: float) -> None:
        """Returns if whoever knows `secret` has sent `request`; `now` in seconds since the epoch.

        Raises Unverified, and nothing else, whatever the request is.
        """
        ...


# The characters that HubSpot's table lists; all others stay encoded.
_DECODED = {f"%{ord(each):02X}": each for each in ":/?@!$'()*,;"}
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


@dataclass(frozen=True)
class HubSpot:
    """HubSpot's version 3. `url`: the public one that HubSpot posts to, which a proxy may have rewritten.

    window: how many seconds the time of the request may lie away from ours.
    """

    url: str
    window: float

    def verify(self, request: Received, secret: bytes, now: float) -> None:
        signature = _header(request, "x-hubspot-signature-v3")
        timestamp = _header(request, "x-hubspot-request-timestamp")
        url = _ENCODED.sub(lambda code: _DECODED[code[0].upper()], self.url)
        _compare(_base64(secret, request.method.encode(), url.encode(), request.body, timestamp), signature)
        if not re.fullmatch(rb"[0-9]{1,15}", timestamp):
            raise Unverified("x-hubspot-request-timestamp is no number of milliseconds")
        _check_age(int(timestamp) / 1000, now, self.window)


@dataclass(frozen=True)
class Zendesk:
    """Zendesk's. `window`: how many seconds the time of the request may lie away from ours."""

    window: float

    def verify(self, request: Received, secret: bytes, now: float) -> None:
        signature = _header(request, "x-zendesk-webhook-signature")
        timestamp = _header(request, "x-zendesk-webhook-signature-timestamp")
        _compare(_base64(secret, timestamp, request.body), signature)
        try:
            sent = datetime.fromisoformat(timestamp.decode("ascii"))
            # A time without an offset would be taken for one of this machine's zone.
            if sent.tzinfo is None:
                raise ValueError
            seconds = sent.timestamp()
        except (ValueError, OverflowError):
            raise Unverified("x-zendesk-webhook-signature-timestamp is no RFC 3339 time") from None
        _check_age(seconds, now, self.window)


@dataclass(frozen=True)
class HmacSha256:
    """Of the body alone, in `header` after `prefix`. It says nothing of when the request was sent."""

    header: str
    encoding: Encoding
    prefix: str

    def verify(self, request: Received, secret: bytes, now: float) -> None:
        signature = _header(request, self.header)
        prefix = self.prefix.encode()
        if not signature.startswith(prefix):
            raise Unverified(f"{self.header} does not begin with {self.prefix!r}")
        signature = signature.removeprefix(prefix)
        if self.encoding == "hex":
            digest = hmac.digest(secret, request.body, "sha256").hex().encode()
            _compare(digest, signature.lower())
        else:
            _compare(_base64(secret, request.body), signature)


@dataclass(frozen=True)
class Token:
    """The secret itself in `header`, for senders that cannot sign, such as Dataverse."""

    header: str

    def verify(self, request: Received, secret: bytes, now: float) -> None:
        _compare(secret, _header(request, self.header))


def _header(request: Received, name: str) -> bytes:
    value = request.headers.get(name)
    if not value:
        raise Unverified(f"there is no {name}")
    try:
        # HTTP libraries keep bytes that are no UTF-8 in this way.
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Unverified(f"{name} is no text") from None


def _base64(secret: bytes, *parts: bytes) -> bytes:
    return base64.b64encode(hmac.digest(secret, b"".join(parts), "sha256"))


def _compare(expected: bytes, given: bytes) -> None:
    if not hmac.compare_digest(expected, given):
        raise Unverified("the signature is not one of this secret and this request")


def _check_age(sent: float, now: float, window: float) -> None:
    if abs(now - sent) > window:
        raise Unverified(f"it was sent {now - sent:.0f} s ago; at most {window:g} s are accepted")
