"""What became of tests, for people and for programs."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import orjson
from rich.text import Text

from streams.console import console
from streams.core.escalation import CALLS, Escalation
from streams.core.timestamps import rfc3339
from streams.ruletests.document import Expected, TestFile
from streams.ruletests.moments import Clock
from streams.ruletests.run import Outcome, Row, reasons

_PLAIN = re.compile(r"(?!(?i:true|false|null)$)[^\W\d](?:[\w ./:@+-]*[\w./@+-])?")
_MARKS = {"met": " ", "missing": "-", "unexpected": "+", "different": "~"}
_STYLES = {"met": "", "missing": "red", "unexpected": "yellow", "different": "magenta"}


def show(file: TestFile, outcomes: Iterable[Outcome]) -> None:
    """A line for each test, and for those that failed each escalation: met, missing (-), unexpected (+)
    or different (~), in the form in which the file has them."""
    out = console()

    def say(line: str, style: str = "") -> None:
        out.print(Text(line, style), soft_wrap=True)

    say(str(file.path))
    for outcome in outcomes:
        name = outcome.test.name
        if outcome.passed:
            say(f"  ok      {name}")
            continue
        say(f"  FAILED  {name} ({file.path}:{outcome.test.line})", "bold red")
        for row in outcome.rows:
            for number, line in enumerate(_lines(row, file.clock)):
                say(f"    {'  ' if number else _MARKS[row.mark] + ' '}{line}", _STYLES[row.mark])


def show_summary(outcomes: list[Outcome], untested: list[str]) -> None:
    failed = sum(not each.passed for each in outcomes)
    count = f"{len(outcomes)} test{'s' * (len(outcomes) != 1)}"
    print_to = console().print
    print_to(Text(f"{count}: {len(outcomes) - failed} ok, {failed} failed"))
    if untested:
        print_to(Text(f"No test is about: {', '.join(untested)}"), soft_wrap=True)


def show_json(outcomes: list[Outcome], untested: list[str]) -> None:
    """One JSON object on standard output; moments are RFC 3339."""
    failed = sum(not each.passed for each in outcomes)
    result = {
        "tests": [_as_json(each) for each in outcomes],
        "passed": len(outcomes) - failed,
        "failed": failed,
        "untested": untested,
    }
    print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())


def _as_json(outcome: Outcome) -> dict[str, Any]:
    test = outcome.test
    return {
        "file": str(test.file),
        "line": test.line,
        "name": test.name,
        "passed": outcome.passed,
        "escalations": [
            {
                "mark": row.mark,
                "expected": _expected_as_json(row.expected) if row.expected else None,
                "got": msgspec.to_builtins(row.got),
                "differing": [name for name, _, _ in row.differing],
                "why_not": list(row.why_not),
            }
            for row in outcome.rows
        ],
    }


def _expected_as_json(expected: Expected) -> dict[str, Any]:
    facts = {**expected.facts}
    if "at" in facts:
        facts["at"] = rfc3339(facts["at"])
    return {"event": expected.event, "path": expected.path, **facts}


def _lines(row: Row, clock: Clock) -> Iterator[str]:
    if row.got is not None:
        yield _written(_facts(row.got), row.got.event, row.got.path, clock)
    elif row.expected is not None:
        yield _written(row.expected.facts, row.expected.event, row.expected.path, clock)
    for name, wanted, got in row.differing:
        expected = _value(name, wanted, clock)
        got = "a reason without that" if name == "because" else _value(name, got, clock)
        yield f"  {name}: expected {expected}, got {got}"
    for line in row.why_not:
        yield f"  why not: {clock.localised(line)}"
    if row.got is not None and row.mark != "met":
        for line in reasons(row.got):
            yield f"  reason: {clock.localised(line)}"


def _facts(got: Escalation) -> dict[str, Any]:
    """What a test would say of it."""
    facts: dict[str, Any] = {"at": got.at, "record": got.record, "notify": got.notify}
    if got.reassign is not None:
        facts["reassign"] = got.reassign
    if got.event in CALLS:
        facts["severity"] = got.severity
    return facts | {name: True for name in ("shadow", "digest") if getattr(got, name) is True}


def _written(facts: dict[str, Any], event: str, path: str, clock: Clock) -> str:
    parts = {name: _value(name, value, clock) for name, value in facts.items()}
    at = {"at": parts.pop("at")} if "at" in parts else {}
    line = {**at, event: _quoted(path), **parts}
    return "{" + ", ".join(f"{name}: {value}" for name, value in line.items()) + "}"


def _value(name: str, value: Any, clock: Clock) -> str:
    if name == "at":
        return clock.localised(value) if isinstance(value, str) else clock.show(value)
    if isinstance(value, tuple):
        listed = ", ".join(map(_quoted, value))
        return listed if len(value) == 1 else f"[{listed}]"
    if isinstance(value, str):
        return _quoted(value)
    return orjson.dumps(value).decode()


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and ": " not in text else orjson.dumps(text).decode()
