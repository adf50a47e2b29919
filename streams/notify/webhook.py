"""Notices to a webhook: one POST an escalation, with its id as the idempotency key."""

import time
from collections.abc import Callable

import httpx

from streams.core.escalation import Escalation, encode
from streams.log.connection import log

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between an attempt and the next."""

LONGEST_WAIT = 60.0
"""Seconds for which a receiver may put us off (`retry-after`)."""

_TIMEOUT_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_TRY_AGAIN = (408, 425, 429)
# These say that the URL or what is secret in it is wrong, not that this one escalation is.
_WRONG_ADDRESS = (401, 403, 404, 405, 407, 410)


class Refused(Exception):
    """The receiver answered that it will not take this one, and asking again will not help."""


class Unreachable(Exception):
    """The receiver gave no usable answer, however often it was asked."""


class Stopped(Exception):
    """We were asked to end while the receiver was not there; it does not have this one."""


class Webhook:
    """A receiver at `url`, which is a secret and appears in no message.

    Raises ValueError when `url` is none. Once `stopped` says so, nothing is tried again.
    """

    def __init__(self, name: str, url: str, stopped: Callable[[], bool] = lambda: False) -> None:
        self._name = name
        self._stopped = stopped
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL:
            raise ValueError(f"{name}: its webhook holds no http or https URL") from None
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False)

    def send(self, escalation: Escalation) -> None:
        """Blocks until the receiver has it. Raises Refused, Unreachable or Stopped."""
        for wait in (*WAITS, None):
            why, put_off = self._try(escalation)
            if why is None:
                return
            if wait is None:
                break
            wait = max(wait, put_off)
            log.warning("%s: %s; trying again in %g s", self._name, why, wait)
            self._wait(wait)
        raise Unreachable(
            f"{self._name} cannot be reached ({why}); start again when it is back: nothing is lost"
        )

    def _try(self, escalation: Escalation) -> tuple[str | None, float]:
        """Why it did not work, None if it did; and for how many seconds the receiver puts us off."""
        try:
            response = self._client.post(
                self._url,
                content=encode(escalation),
                headers={"content-type": "application/json", "idempotency-key": escalation.id},
            )
        except httpx.HTTPError as error:
            return type(error).__name__, 0
        if response.is_success:
            return None, 0
        why = f"HTTP {response.status_code}"
        if response.is_redirect or response.status_code in _WRONG_ADDRESS:
            raise Unreachable(
                f"{self._name} answers {why}: look at its webhook's URL and start again; nothing is lost"
            )
        if response.status_code < 500 and response.status_code not in _TRY_AGAIN:
            raise Refused(f"{self._name} refuses it: {why}")
        seconds = response.headers.get("retry-after", "")
        return why, min(float(seconds), LONGEST_WAIT) if seconds.isdecimal() else 0

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._stopped():
                raise Stopped
            time.sleep(min(seconds, _LOOK_SECONDS))
