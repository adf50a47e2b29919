"""How to reach the broker."""

import logging
import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams.log.security import Security

log = logging.getLogger("escalations")
_client_log = logging.getLogger("escalations.kafka")
# It reports each attempt to reach a broker; without any handler that would go to standard error.
_client_log.addHandler(logging.NullHandler())

_LOOK_SECONDS = 0.2
_DENIED = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError._SSL,
)
_SILENCE = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)
FORBIDDEN = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
"""What a broker answers to those who have no ACL for what they want."""
_REMEDY = "Look at `kafka` in the configuration and at what it names."
_ASIDES = re.compile(r"^[^ ]*/bootstrap: | \(after \d+ms in state \w+.*\)$|error:\w+:SSL routines::")
# How a broker turns down a certificate, or that there is none; the client library sees a lost connection.
_ALERT = "ssl/tls alert"


class BrokerUnavailable(Exception):
    """No broker answered at the address in time."""


class Denied(Exception):
    """The broker, or we, will have nothing to do with the other: trying again will not change that."""


@dataclass(frozen=True)
class Connection:
    """The broker's `address`: `host:port`, several separated by commas; and what protects the way there."""

    address: str
    security: Security = field(default_factory=Security)

    def settings(self, **more: Any) -> dict[str, Any]:
        """For a confluent-kafka client. What the client library has to say goes to our log.

        There may be a password in it. Raises SecurityProblem.
        """
        return {
            "bootstrap.servers": self.address,
            "logger": _client_log,
            **self.security.for_confluent(),
            **more,
        }

    @cached_property
    def _admin(self) -> tuple[AdminClient, list[KafkaError]]:
        """The client, and what it complains of when it is polled.

        It is kept: the exception of a failed future leads to whoever asked, and a client that is thrown
        away with it by one of its own threads ends the process.
        """
        said: list[KafkaError] = []
        return AdminClient(self.settings(error_cb=said.append)), said

    def admin(self, timeout: float = 5.0) -> AdminClient:
        """A client that has reached the broker; the same one each time.

        Raises Denied as soon as that is clear, BrokerUnavailable after `timeout` seconds, or
        SecurityProblem.
        """
        client, said = self._admin
        client.poll(0)
        said.clear()
        deadline = time.monotonic() + timeout
        patience = _LOOK_SECONDS
        while True:
            try:
                client.list_topics(timeout=patience)
                return client
            except KafkaException as error:
                # Only here is `error_cb` called.
                client.poll(0)
                said.append(error.args[0])
            for each in said:
                if each.code() in _DENIED or _ALERT in each.str():
                    raise Denied(f"{self.address}: {_cause(each)}. {_REMEDY}")
            if time.monotonic() > deadline:
                # That all brokers are down says least.
                telling = min(said, key=lambda each: each.code() == KafkaError._ALL_BROKERS_DOWN)
                raise BrokerUnavailable(
                    f"no Kafka broker answers at {self.address} ({_cause(telling)}). "
                    "Start it, or name another with --broker or ESCALATIONS_BROKER; or, if it does not "
                    f"speak {self.security.protocol}, say so under `kafka` in the configuration."
                )
            # One that is far away needs more time for an answer.
            patience = min(2 * patience, max(deadline - time.monotonic(), _LOOK_SECONDS))


def is_silence(error: KafkaError) -> bool:
    """Whether the broker was not there, or asks for patience: what failed may work later."""
    return bool(error.retriable()) or error.code() in _SILENCE


def in_words(error: KafkaError) -> str:
    """What Kafka says; and what helps, where we may not do what we want to."""
    text = str(error.str())
    if error.code() not in FORBIDDEN:
        return text
    return f"{text.rstrip('.')}. `escalations topics --acls PRINCIPAL` prints what must be allowed."


def _cause(error: KafkaError) -> str:
    """What the client library says, without the address, the state it was in, and where in OpenSSL."""
    return _ASIDES.sub("", error.str())
