"""Escalation paths on CRM change streams.

`streams.core` decides, and touches nothing outside itself. `streams.feeds` turns what a CRM
emits into changes. `streams.log` and `streams.agents` are the live edge on Kafka,
`streams.backtest` the offline one: both drive the same core.
"""

from importlib.metadata import version

__version__ = version("escalation-paths")
