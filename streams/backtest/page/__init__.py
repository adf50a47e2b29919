"""The report of a backtest: one HTML file that needs no network and no script."""

import logging

# Where matplotlib must build its list of fonts first, it would say so as a warning.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
