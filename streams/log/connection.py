"""How to reach the broker."""

import logging
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

log = logging.getLogger("escalations")


class BrokerUnavailable(Exception):
    """No broker answered at the address in time."""


@dataclass(frozen=True)
class Connection:
    """The broker's `address`: `host:port`, several separated by commas."""

    address: str

    def settings(self, **more: Any) -> dict[str, Any]:
        """For a confluent-kafka client. What the client library has to say goes to our log."""
        return {
            "bootstrap.servers": self.address,
            "logger": logging.getLogger("escalations.kafka"),
            **more,
        }

    def admin(self, timeout: float = 5.0) -> AdminClient:
        """A client that has reached the broker. Raises BrokerUnavailable after `timeout` seconds."""
        client = AdminClient(self.settings())
        try:
            client.list_topics(timeout=timeout)
        except KafkaException as error:
            raise BrokerUnavailable(
                f"no Kafka broker answers at {self.address} ({error.args[0].str()}). "
                "Start it, or name another with --broker or ESCALATIONS_BROKER."
            ) from None
        return client
