"""Unit tests of paths: a story of changes with its moments, and the escalations it must lead to.

A file of tests is read into values (`document`), each test is played through the core with a
simulated clock (`run`), and what differs is shown (`report`). docs/testing-rules.md describes
the file.
"""
