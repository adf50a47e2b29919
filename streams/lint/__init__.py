"""What is odd about a configuration in which nothing is wrong. Each check is one file; `docs/checks.md`
says of each what it finds and why.

A check tells what can be shown from the file alone. Those that others make already, on loading,
are not repeated: a threshold on the wrong side of `clear`, a warning after the breach, a path about a kind
of record without a feed, a recipient in a field that no feed brings.
"""

from dataclasses import replace
from datetime import date

from streams.config import Config
from streams.core.document import Problem
from streams.diagnostics import Diagnostic
from streams.lint import (
    acknowledgement_without_end,
    calendar_without_hours,
    duplicate_step,
    flood_risk,
    inactive_fallback,
    long_leave,
    missing_warning,
    never_fires,
    no_path,
    overlap,
    past_leave,
    same_fire,
    shadow_path,
    unknown_value,
    unreachable_step,
    unreached_person,
    unused,
)
from streams.lint.finding import Check, Subject
from streams.lint.ignoring import ignored, lines
from streams.lint.ignoring import unused as unused_ignores
from streams.yaml_source import YamlDocument

CHECKS: dict[str, Check] = {
    "acknowledgement-without-end": acknowledgement_without_end.check,
    "calendar-without-hours": calendar_without_hours.check,
    "duplicate-step": duplicate_step.check,
    "flood-risk": flood_risk.check,
    "inactive-fallback": inactive_fallback.check,
    "long-leave": long_leave.check,
    "missing-warning": missing_warning.check,
    "never-fires": never_fires.check,
    "no-path": no_path.check,
    "overlap": overlap.check,
    "past-leave": past_leave.check,
    "same-fire": same_fire.check,
    "shadow-path": shadow_path.check,
    "unknown-value": unknown_value.check,
    "unreachable-step": unreachable_step.check,
    "unreached-person": unreached_person.check,
    "unused": unused.check,
}
"""By name. `unused-ignore` is besides: it looks at what the others found."""


def lint(config: Config, document: YamlDocument, today: date) -> list[Diagnostic]:
    """What the checks find in `config`, which was read from `document`, in the order of the file."""
    subject = Subject(config, document.data, today)
    switches = ignored(document.text)
    used: set[int] = set()
    found: list[Diagnostic] = []
    for name, check in CHECKS.items():
        for weight, position, message, remedy, key in check(subject):
            places = lines(document, position)
            hits = [i for i, each in enumerate(switches) if each.name == name and each.line in places]
            used.update(hits)
            if not hits:
                diagnostic = document.diagnose(Problem(position, message, remedy, key=key))
                found.append(replace(diagnostic, weight=weight, name=name))
    idle = [each for number, each in enumerate(switches) if number not in used]
    found += unused_ignores(document, idle, CHECKS)
    return sorted(found, key=lambda each: (each.line or 0, each.column or 0, each.name, each.message))
