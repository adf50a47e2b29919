"""The live edge on Faust: intake decodes and re-keys, records decides, the worker keeps them going."""

import threading

computing = threading.Lock()
"""Held while there is something to compute, and not while waiting for the broker: threads that
compute at once only fight for the interpreter, of which a process has one."""
