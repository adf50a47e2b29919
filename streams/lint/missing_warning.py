"""missing-warning: a target of a clock has none of the path's warnings, since it is too short for them."""

from collections.abc import Iterator

from streams.core.clocks.warning import Warn
from streams.core.spans import Span
from streams.core.triggers.sla import Clock
from streams.lint.finding import Finding, Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.paths:
        clock = path.trigger
        if not isinstance(clock, Clock) or not clock.warn:
            continue
        targets = [*clock.targets.by_value.values(), *([clock.targets.other] if clock.targets.other else [])]
        for target in targets:
            if all(_is_too_early(warn, target.span) for warn in clock.warn):
                warned = " and ".join(warn.text for warn in clock.warn)
                yield Finding(
                    "warning",
                    ("paths", path.name, "when", "target", target.value or "else"),
                    f"this target of {target.span.text} gets no warning: {warned} before it is too early",
                    "Add a share of the target: warn: [75%, ...]",
                )


def _is_too_early(warn: Warn, target: Span) -> bool:
    """Whether it would come before any of the target has been used."""
    if warn.span.days:
        return 0 < target.days <= warn.span.days
    mark = warn.mark(target)
    return mark is not None and mark <= 0
