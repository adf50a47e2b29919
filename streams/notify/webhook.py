"""Notices to a webhook: one POST an escalation, with its id as the idempotency key."""

import time

import httpx

from streams.core.escalation import Escalation, encode

ATTEMPTS = 6
"""With waits of 1, 2, 4, 8 and 16 seconds between them."""


class Refused(Exception):
    """The receiver answered that it will not take this one, and asking again will not help."""


class Unreachable(Exception):
    """The receiver gave no usable answer, however often it was asked."""


class Webhook:
    """A receiver at `url`, which is a secret and appears in no message."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._client = httpx.Client(timeout=10.0, follow_redirects=False)
        self._url = url

    def send(self, escalation: Escalation) -> None:
        """Blocks until the receiver has it. Raises Refused or Unreachable."""
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(2 ** (attempt - 1))
            try:
                response = self._client.post(
                    self._url,
                    content=encode(escalation),
                    headers={"content-type": "application/json", "idempotency-key": escalation.id},
                )
            except httpx.HTTPError as error:
                why = type(error).__name__
                continue
            if response.is_success:
                return
            why = f"HTTP {response.status_code}"
            if response.status_code < 500 and response.status_code not in (408, 425, 429):
                raise Refused(f"{self._name} refuses it: {why}")
        raise Unreachable(
            f"{self._name} cannot be reached ({why}); start again when it is back: nothing is lost"
        )

    def close(self) -> None:
        self._client.close()
