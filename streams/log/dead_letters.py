"""Dead letters: what could not be read keeps its bytes, and says where it came from and why."""

from typing import Any

from streams.feeds import Message

LARGEST = 900_000
"""Bytes of a value that are kept: less than a broker takes, and room for the headers."""


def dead_letter(message: Message, reason: str) -> dict[str, Any]:
    """Arguments for `produce`: the original key, value and headers, and headers that say more.

    A value that the topic could not take is cut, and the header `escalations.cut-from` says how
    many bytes it had.
    """
    headers = [
        *message.headers,
        ("escalations.reason", reason.encode()),
        ("escalations.topic", message.topic.encode()),
        ("escalations.partition", str(message.partition).encode()),
        ("escalations.offset", str(message.offset).encode()),
    ]
    value = message.value
    if value is not None and len(value) > LARGEST:
        headers.append(("escalations.cut-from", str(len(value)).encode()))
        value = value[:LARGEST]
    return {"key": message.key, "value": value, "headers": headers}
