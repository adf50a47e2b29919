"""The live edge on Faust: intake decodes and re-keys, records decides, the worker keeps them going."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from streams.core.escalation import Escalation

computing = threading.Lock()
"""Held while there is something to compute, and not while waiting for the broker: threads that
compute at once only fight for the interpreter, of which a process has one."""


class Done(NamedTuple):
    """What was committed of a batch: the escalations, and how many messages went to the dead letters."""

    escalations: Sequence[Escalation] = ()
    letters: int = 0
