"""A Confluent schema registry, which keeps the schemas that messages name by number.

    registry: http://registry:8081
    registry: {url: https://registry.example.com, username: env:USERNAME, password: file:/run/secret}

A schema never changes, so each is asked for once. Also Apicurio Registry and Karapace, by the same interface.
https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

import time
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import msgspec

from streams.core.document import Node
from streams.feeds import Unavailable
from streams.secret import Secret, SecurityProblem, read_secret

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 3.0
_UNKNOWN_SECONDS = 60.0
"""A registry that copies another may learn of a schema later than the broker has its messages."""

_MOST_UNKNOWN = 10_000
"""Whoever writes into a topic can name any number of schemas."""

_NO_SUCH_SCHEMA = 40403
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Schema(msgspec.Struct, frozen=True, rename={"kind": "schemaType", "text": "schema"}):
    """kind: AVRO, JSON or PROTOBUF. text: the schema itself."""

    text: str
    kind: str = "AVRO"


class _Error(msgspec.Struct):
    error_code: int = 0


class SchemaRegistry:
    """The registry at `url`. `credentials`: a name and a password, read anew for each request."""

    def __init__(self, url: str, credentials: tuple[Secret, Secret] | None = None) -> None:
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._known: dict[str, Schema] = {}
        self._unknown: dict[str, float] = {}

    def schema(self, place: str) -> Schema | None:
        """The schema at `ids/NUMBER` or `guids/GUID`; None where the registry knows none.

        Raises Unavailable where it gives no usable answer.
        """
        if place in self._known:
            return self._known[place]
        if self._unknown.get(place, 0.0) < time.monotonic():
            self._ask(place)
        return self._known.get(place)

    @cached_property
    def _client(self) -> "httpx.Client":
        # It takes longer to load than many a command to run.
        import httpx

        return httpx.Client(base_url=self._url, timeout=_TIMEOUT_SECONDS)

    def _ask(self, place: str) -> None:
        import httpx

        try:
            auth = None
            if self._credentials is not None:
                username, password = self._credentials
                auth = username.read(), password.read()
            answer = self._client.get(f"/schemas/{place}", auth=auth)
        except httpx.HTTPError as error:
            raise self._unavailable(place, type(error).__name__) from None
        except SecurityProblem as error:
            raise self._unavailable(place, str(error)) from None
        try:
            if answer.is_success:
                self._known[place] = msgspec.json.decode(answer.content, type=Schema)
                return
            if msgspec.json.decode(answer.content, type=_Error).error_code == _NO_SUCH_SCHEMA:
                if len(self._unknown) >= _MOST_UNKNOWN:
                    self._unknown.clear()
                self._unknown[place] = time.monotonic() + _UNKNOWN_SECONDS
                return
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        raise self._unavailable(place, f"HTTP {answer.status_code}, and not as a schema registry does")

    def _unavailable(self, place: str, why: str) -> Unavailable:
        return Unavailable(
            f"the schema registry at {self._url} does not answer: {why}", partial(self._ask, place)
        )


def read_registry(node: Node) -> SchemaRegistry:
    """Compiles `registry`: its URL, or that and where its credentials are. Raises Problem."""
    if not isinstance(node.value, dict):
        return SchemaRegistry(_read_url(node)[0])
    node.keys("username", "password", required=("url",))
    text, url = _read_url(node["url"])
    if not (node.has("username") or node.has("password")):
        return SchemaRegistry(text)
    node.keys("url", required=("username", "password"))
    if url.scheme != "https" and url.hostname not in _LOOPBACK:
        node["url"].fail(
            "the password would travel in the clear", "Write https://; http is for this machine only"
        )
    return SchemaRegistry(text, (_read_secret(node["username"]), _read_secret(node["password"])))


def _read_url(node: Node) -> tuple[str, SplitResult]:
    # No message names the value: it may hold a secret, and messages end in build logs.
    text = node.text(example="the URL of the registry, such as http://registry:8081")
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        node.fail("the registry's address is no URL", "Write for example http://registry:8081")
    if "@" in url.netloc or url.query or url.fragment:
        node.fail(
            "the registry's URL carries a password or a token",
            "Keep secrets out of this file: registry: {url: https://HOST, username: env:NAME, "
            "password: env:NAME}",
        )
    return text, url


def _read_secret(node: Node) -> Secret:
    secret = read_secret(node, Path())
    if secret.path is not None and not secret.path.is_absolute():
        node.fail(
            f"the path {str(secret.path)!r} is relative", "Write it from the root: file:/run/secrets/..."
        )
    return secret
