"""What a webhook's receiver gets, and what happens when it does not take it."""

import logging
import socket
import time
from collections.abc import Iterator

import pytest

from streams.core.escalation import encode
from streams.notify import webhook
from streams.notify.webhook import Refused, Stopped, Unreachable, Webhook
from tests.notify.receiver import Receiver, escalation, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def nearly_no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WAITS", (0.01, 0.02))


def test_it_gets_the_escalation_with_its_id_as_the_idempotency_key(receiver: Receiver) -> None:
    Webhook("desk", receiver.url).send(escalation())
    (post,) = receiver.posts
    assert post.path == "/hook/s3cret?token=t0ken"
    assert post.body == encode(escalation())
    assert post.headers["content-type"] == "application/json"
    assert post.headers["idempotency-key"] == escalation().id


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_passes_is_tried_again_with_the_same_key(receiver: Receiver, status: int) -> None:
    receiver.answers = [status, status]
    Webhook("desk", receiver.url).send(escalation())
    assert receiver.ids() == [escalation().id] * 3


def test_a_receiver_that_never_gets_well_is_unreachable(receiver: Receiver) -> None:
    receiver.answers = [503] * 10
    with pytest.raises(Unreachable, match=r"desk cannot be reached \(HTTP 503\).*nothing is lost"):
        Webhook("desk", receiver.url).send(escalation())
    assert len(receiver.posts) == 3


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/s3cret"
    with pytest.raises(Unreachable, match=r"desk cannot be reached \(ConnectError\)"):
        Webhook("desk", url).send(escalation())


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_one_that_it_will_not_take_is_refused_at_once(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(Refused, match=f"desk refuses it: HTTP {status}"):
        Webhook("desk", receiver.url).send(escalation())
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 410])
def test_a_wrong_address_is_no_matter_of_this_escalation(receiver: Receiver, status: int) -> None:
    """Else a revoked secret would send everything to the dead letters."""
    receiver.answers = [status]
    with pytest.raises(Unreachable, match=f"desk answers HTTP {status}: look at its webhook's URL"):
        Webhook("desk", receiver.url).send(escalation())
    assert len(receiver.posts) == 1


@pytest.mark.parametrize(("said", "waits"), [("1", 1.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("-5", 0.0)])
def test_a_receiver_may_put_us_off(receiver: Receiver, said: str, waits: float) -> None:
    receiver.answers, receiver.retry_after = [429], said
    begin = time.monotonic()
    Webhook("desk", receiver.url).send(escalation())
    assert waits <= time.monotonic() - begin < waits + 1


def test_it_stops_waiting_when_asked_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WAITS", (30.0,))
    receiver.answers = [500]
    begin = time.monotonic()
    with pytest.raises(Stopped):
        Webhook("desk", receiver.url, lambda: time.monotonic() > begin + 0.3).send(escalation())
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("status", [400, 404, 500])
def test_the_url_is_in_no_message_of_ours(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [status] * 10
    with caplog.at_level(logging.DEBUG, "escalations"), pytest.raises((Refused, Unreachable)) as raised:
        Webhook("desk", receiver.url).send(escalation())
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("escalations")]
    for text in (str(raised.value), *ours):
        assert "s3cret" not in text
        assert "t0ken" not in text


def test_what_is_no_url_is_not_named() -> None:
    with pytest.raises(ValueError, match=r"^desk: its webhook holds no http or https URL$"):
        Webhook("desk", "https://host/s3cret\x01")
