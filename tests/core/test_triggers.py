"""Reading a trigger: what is said of one that cannot be read."""

import pytest

from streams.core.document import Problems
from streams.core.rules import read_rules


@pytest.mark.parametrize(
    ("when", "message", "remedy"),
    [
        ({"in_stagee": "6 weeks"}, "unknown key 'in_stagee'", "Did you mean 'in_stage'?"),
        ({"untouched": "2 working days"}, "needs a calendar", "calendar: NAME"),
        ({"clock": "resolution"}, "'when' lacks 'target'", "target: ..."),
        ({}, "`when` names no trigger", "untouched"),
        ({"in_stage": "1d", "untouched": "1d"}, "this has untouched and in_stage", "one trigger"),
    ],
)
def test_a_trigger_that_cannot_be_read_says_what_to_write(
    when: dict[str, object], message: str, remedy: str
) -> None:
    problems = Problems()
    read_rules(
        {
            "people": {"anna": None},
            "fallback": "anna",
            "paths": {"p": {"about": "ticket", "when": when, "steps": [{"notify": "anna"}]}},
        },
        problems,
    )
    assert len(problems) == 1
    assert message in problems[0].message
    assert remedy in problems[0].remedy
    assert problems[0].position[:3] == ("paths", "p", "when")
