"""A webhook's receiver that answers as it is told, and escalations to hand over."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from streams.core.escalation import Escalation, Event, escalation_id


class Post(NamedTuple):
    """What came in: header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`answers`: the statuses of the next answers; 200 once they are used up. `retry_after`: seconds."""

    url: str
    answers: list[int] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    retry_after: str | None = None

    def ids(self) -> list[str]:
        return [post.headers["idempotency-key"] for post in self.posts]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on this machine, as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            receiver.posts.append(Post(self.path, headers, body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            if receiver.retry_after is not None:
                self.send_header("retry-after", receiver.retry_after)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook/s3cret?token=t0ken")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def escalation(number: int = 1, event: Event = "opened") -> Escalation:
    """One that differs from the others by its record."""
    record = f"ticket:T-{number}"
    people = [
        {
            "for": "notify",
            "asked": "owner",
            "found": ["carla"],
            "because": "anna is away; carla is her deputy",
        },
        {"for": "reassign", "asked": "team:triage", "found": ["team:triage"], "because": "it is a queue"},
    ]
    return Escalation(
        id=escalation_id("untouched", record, 1, 1, event),
        event=event,
        record=record,
        path="untouched",
        version="0123456789ab",
        episode=1,
        step=1,
        severity="high",
        at="2026-03-04T08:40:00Z",
        notify=("carla",),
        reassign="team:triage",
        summary=f"{record}: untouched for 2d",
        reason={"people": people},
    )
