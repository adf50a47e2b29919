"""What the exit of a command says to scripts."""

import signal

NO = 1
"""Exit code: the answer is no."""
WRONG_USE = 2
UNAVAILABLE = 69
"""Exit code: something outside did not answer, such as the broker. (sysexits.h EX_UNAVAILABLE)"""
REFUSED = 70
"""Exit code: a write was refused or state cannot be used; starting again alone will not help."""
INTERRUPTED = 128 + signal.SIGINT
