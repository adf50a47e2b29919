"""What the exit of a command says to scripts."""

import signal

NO = 1
"""Exit code: the answer is no."""
WRONG_USE = 2
UNAVAILABLE = 69
"""Exit code: something outside did not answer, such as the broker. (sysexits.h EX_UNAVAILABLE)"""
REFUSED = 70
"""Exit code: a write was refused or state cannot be used; starting again alone will not help."""
IN_USE = 75
"""Exit code: another worker has the data folder; it works once that one has ended. (EX_TEMPFAIL)"""
DENIED = 77
"""Exit code: the broker refuses who we are or what we want, or we its certificate. (EX_NOPERM)"""
INTERRUPTED = 128 + signal.SIGINT
