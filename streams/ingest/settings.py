"""`ingest` of the configuration: who may post what to where.

    ingest:
      hubspot:
        path: /hooks/hubspot
        topic: hubspot.deals                  # one that a feed reads
        secret: env:HUBSPOT_CLIENT_SECRET     # or file:PATH; never the secret itself
        signature: {hubspot: v3, url: https://hooks.example.com/hooks/hubspot}

docs/ingest.md has every key.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from streams.core.document import Node, Problem, Problems, did_you_mean
from streams.core.spans import read_span
from streams.core.timestamps import SECOND
from streams.ingest.signatures import HmacSha256, HubSpot, Signature, Token, Zendesk
from streams.secret import Secret, read_secret

HEALTH = "/health"
"""The path that says how the endpoint is; no source can have it."""

LARGEST = 900_000
"""Bytes of a body that are taken by default: less than a broker takes by default."""
RATE = 100
"""Messages a second that are taken of one source by default."""
WINDOW_SECONDS = 300.0
"""HubSpot's own limit; Zendesk names none."""

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_KINDS = ("zendesk", "hubspot", "hmac-sha256", "token")
_REMEDY = "Write zendesk, {hubspot: v3, url: URL}, {hmac-sha256: HEADER} or {token: HEADER}"


@dataclass(frozen=True)
class Source:
    """One sender of webhooks.

    largest: bytes of a body. rate: messages a second.
    """

    name: str
    path: str
    topic: str
    secret: Secret
    signature: Signature
    largest: int = LARGEST
    rate: int = RATE


def read_ingest(node: Node, folder: Path, topics: Iterable[str], problems: Problems) -> Mapping[str, Source]:
    """The sources by name. `topics`: those that feeds read. Raises Problem, or collects it."""
    sources: dict[str, Source] = {}
    known = list(topics)
    taken: dict[str, str] = {}
    for name, each in node.items():
        with problems.collect():
            source = sources[name] = _read_source(name, each, folder, known)
            first = taken.setdefault(source.path, name)
            if first != name:
                raise Problem(
                    (*each.position, "path"),
                    f"the path {source.path} is that of {first!r} as well",
                    "Give each source its own path",
                )
    return sources


def _read_source(name: str, node: Node, folder: Path, topics: list[str]) -> Source:
    node.keys("largest", "rate", "window", required=("path", "topic", "secret", "signature"))
    path = node["path"].text(example="a path such as /hooks/hubspot")
    if not _PATH.fullmatch(path) or path == HEALTH:
        node["path"].fail(
            f"{path!r} cannot be the path of a source",
            f"Write one such as /hooks/{name}; {HEALTH} and a slash at the end are taken",
        )
    topic = node["topic"].text(example="the topic of a feed")
    if topic not in topics:
        remedy = f"{did_you_mean(topic, topics)}Topics of feeds: {', '.join(topics) or 'none'}"
        node["topic"].fail(f"no feed reads the topic {topic!r}", remedy)
    return Source(
        name,
        path,
        topic,
        read_secret(node["secret"], folder),
        _read_signature(node),
        largest=_read_count(node, "largest", "bytes", LARGEST),
        rate=_read_count(node, "rate", "messages a second", RATE),
    )


def _read_signature(source: Node) -> Signature:
    node = source["signature"]
    stated = isinstance(node.value, dict)
    kind = next((kind for kind in _KINDS if node.has(kind)), None) if stated else node.value
    if kind not in _KINDS or (kind == "zendesk") == stated:
        node.fail("this is no way to sign", _REMEDY)
    if kind in ("hmac-sha256", "token") and source.has("window"):
        source["window"].fail(
            f"{kind} says nothing of when a request was sent",
            "Leave `window` out; it is for hubspot and zendesk",
        )
    if kind == "zendesk":
        return Zendesk(_read_window(source))
    if kind == "hubspot":
        node.keys(required=("hubspot", "url"))
        node["hubspot"].choice("v3")
        return HubSpot(_read_url(node["url"]), _read_window(source))
    if kind == "token":
        node.keys(required=("token",))
        return Token(_read_header(node["token"]))
    node.keys("encoding", "prefix", required=("hmac-sha256",))
    encoding = node["encoding"].choice("base64", "hex") if node.has("encoding") else "hex"
    return HmacSha256(
        _read_header(node["hmac-sha256"]),
        "hex" if encoding == "hex" else "base64",
        node["prefix"].text(example='what stands before it, such as "sha256="') if node.has("prefix") else "",
    )


def _read_header(node: Node) -> str:
    header = node.text(example="the name of a header, such as x-signature")
    if not _HEADER.fullmatch(header):
        node.fail(f"{header!r} is no name of a header", "Write one such as x-signature")
    return header.lower()


def _read_url(node: Node) -> str:
    text = node.text(example="the URL that HubSpot posts to")
    try:
        url = urlsplit(text)
        whole = url.scheme in ("http", "https") and url.hostname is not None and not url.fragment
    except ValueError:
        whole = False
    if not whole:
        node.fail("this is no URL", "Write the target URL of the app's webhooks: https://HOST/PATH")
    return text


def _read_window(source: Node) -> float:
    if not source.has("window"):
        return WINDOW_SECONDS
    span = read_span(source["window"], None)
    if not span.micros:
        source["window"].fail(f"the span {span.text!r} is empty", "Write for example 5m")
    return span.micros / SECOND


def _read_count(node: Node, key: str, of: str, default: int) -> int:
    if not node.has(key):
        return default
    count = node[key].value
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        node[key].fail(f"{count!r} is no number of {of}", "Write a whole number from 1")
    return count
