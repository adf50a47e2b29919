"""How escalations read for people."""

import msgspec

from streams.notify.message import text
from tests.command import golden
from tests.notify.receiver import escalation


def test_each_kind_of_escalation() -> None:
    resolved = escalation(event="resolved")
    each = [
        escalation(),
        escalation(event="advanced"),
        resolved,
        msgspec.structs.replace(resolved, notify=()),
        # Of another program that writes to the topic.
        msgspec.structs.replace(escalation(), reason={}),
    ]
    golden("messages.txt", "".join(f"{text(one)}\n" for one in each))
