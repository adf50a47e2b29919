"""A stand-in for a schema registry: what it answers over HTTP, and messages in its wire format."""

import base64
import io
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro


class Registry:
    """On a port of loopback of its own, which stays the same when it is stopped and started again.

    `schemas`: what it knows, by `ids/NUMBER` or `guids/GUID`: the answer's JSON. `asked`: the paths of all
    requests. With `login`, a name and a password, it refuses whoever has others.
    """

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self._login = login
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def add(self, number: int, schema: Any, **more: Any) -> None:
        self.schemas[f"ids/{number}"] = {"schema": json.dumps(schema), **more}

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if self._login is not None:
            known = base64.b64encode(":".join(self._login).encode()).decode()
            if authorization != f"Basic {known}":
                return 401, {"error_code": 401, "message": "Unauthorized"}
        found = self.schemas.get(path.removeprefix("/schemas/"))
        return (200, found) if found is not None else (404, {"error_code": 40403, "message": "not found"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, answer = registry.answer(self.path, self.headers.get("Authorization"))
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def avro(schema: Any, value: Any) -> bytes:
    """`value` without its schema, as any library writes it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def framed(number: int, body: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + body


def guid_header(part: str, guid: uuid.UUID) -> tuple[str, bytes]:
    return f"__{part}_schema_id", b"\1" + guid.bytes
