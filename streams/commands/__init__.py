"""The commands, one in a file: each reads its arguments, calls, and prints.

What a command needs is imported where it is used, so that `--help` is there at once.
"""
