"""From a channel of the configuration to something that tells."""

from collections.abc import Callable

from streams.config import Channel
from streams.core.escalation import Escalation
from streams.notify.message import text
from streams.notify.webhook import Webhook


def sender(channel: Channel | None) -> Callable[[Escalation], None]:
    """What hands an escalation to `channel`; None prints. Raises ValueError when its URL is not there."""
    url = channel.url() if channel else None
    webhook = Webhook(channel.name, url) if channel and url else None
    prints = channel is None or channel.prints

    def send(escalation: Escalation) -> None:
        if prints:
            print(text(escalation), flush=True)
        if webhook is not None:
            webhook.send(escalation)

    return send
