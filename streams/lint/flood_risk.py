"""flood-risk: nothing keeps the path from firing over and over, or for what is ordinary."""

from collections.abc import Iterator

from streams.core.rules import Path
from streams.core.timestamps import HOUR
from streams.core.triggers.health import Health, HealthUnusual
from streams.core.triggers.untouched import Untouched, UntouchedBy
from streams.core.triggers.value import ValueCrosses
from streams.lint.finding import Finding, Subject

_ORDINARY = 2.0
"""A modified z score that one in 44 ordinary scores is below (normal distribution)."""

_BACKTEST = "`escalations backtest` shows how often it would have fired"


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.paths:
        when = ("paths", path.name, "when")
        trigger = path.trigger
        if isinstance(trigger, Health | ValueCrosses) and not _is_damped(path):
            key = "health" if isinstance(trigger, Health) else "value"
            if subject.at(*when, key, "clear") is None:
                yield Finding(
                    # People set a value now and then; a score is computed again and again.
                    "warning" if key == "health" else "info",
                    (*when, key),
                    f"each time the {key} swings over the threshold and back, a new episode opens",
                    f"Add `clear` to it, or `hold`, `for` or `rearm` to the path; {_BACKTEST}",
                )
        if isinstance(trigger, HealthUnusual) and trigger.limit < _ORDINARY and trigger.least is None:
            yield Finding(
                "warning",
                (*when, "health", "unusual"),
                "of scores that are normally distributed, more than one in 44 is so far below",
                f"Write 3.5, which is usual for outliers, or add `least: 5 points`; {_BACKTEST}",
            )
        if isinstance(trigger, Untouched | UntouchedBy) and _is_hasty(path, trigger):
            yield Finding(
                "warning",
                (*when, "untouched"),
                f"nights and weekends count: whatever is left for {trigger.span.text} then fires",
                f"Name a `calendar` and write working hours, or wait longer; {_BACKTEST}",
            )


def _is_damped(path: Path) -> bool:
    return bool(path.hold or path.lasting or path.rearm)


def _is_hasty(path: Path, trigger: Untouched | UntouchedBy) -> bool:
    """Whether it fires within an hour, at any time of the day."""
    waits = (trigger.span, path.steps[0].after)
    return (
        not any(wait.working for wait in waits) and sum(wait.micros for wait in waits) + path.lasting < HOUR
    )
