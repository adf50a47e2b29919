"""duplicate-step: a step tells the same people the same as the one before, at the same moment."""

from collections.abc import Iterator
from itertools import pairwise

from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.paths:
        written = subject.steps[path.name]
        for (_, before), (position, steps) in pairwise(written):
            last, step = before[-1], steps[0]
            at_once = not (step.after.micros or step.after.days)
            same = (last.notify, last.severity) == (step.notify, step.severity)
            if at_once and same and step.notify and step.reassign in (None, last.reassign):
                yield Finding(
                    "warning",
                    (*position, "notify"),
                    f"the step before tells {' and '.join(step.notify)} at the same moment",
                    "Let this step wait, `after: 4h`, tell somebody else, or take it out",
                )
