"""From a channel of the configuration to something that tells."""

from collections.abc import Callable

from streams.config import Channel
from streams.core.escalation import Escalation
from streams.notify.message import text
from streams.notify.webhook import Webhook


def sender(
    channel: Channel | None, stopped: Callable[[], bool] = lambda: False
) -> Callable[[Escalation], None]:
    """What hands an escalation to `channel`; None prints. Raises ValueError when its URL is not there.

    It raises Refused, Unreachable or (once `stopped` says so) Stopped, as `Webhook.send` does.
    """
    url = channel.url() if channel else None
    webhook = Webhook(channel.name, url, stopped) if channel and url else None
    prints = channel is None or channel.prints

    def send(escalation: Escalation) -> None:
        # First what can fail, so that a notice is not printed once more for each attempt.
        if webhook is not None:
            webhook.send(escalation)
        if prints:
            print(text(escalation), flush=True)

    return send
