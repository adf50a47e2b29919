"""How escalations read for people."""

from functools import partial
from typing import get_args

import msgspec

from streams.core.escalation import Event
from streams.notify.message import text
from tests.command import golden
from tests.notify.receiver import escalation


def test_each_kind_of_escalation() -> None:
    resolved = escalation(event="resolved")
    each = [
        *map(partial(escalation, 1), get_args(Event)),
        msgspec.structs.replace(resolved, notify=()),
        # Of another program that writes to the topic.
        msgspec.structs.replace(escalation(), reason={}),
        msgspec.structs.replace(escalation(), reason={}, digest=True),
    ]
    golden("messages.txt", "".join(f"{text(one)}\n" for one in each))
