"""Whether conditions can hold at all, and whether some hold wherever others do.

Each field has endless values, but clauses tell only few kinds of them apart. So it is enough to try,
for each field, the values that are named, one beyond and between any two numbers, and one that is none
of them; what a clause says of these is asked of the clause itself. What a named value does not settle (a
part of a text, a change, a moment) is taken to be possible either way. Values of different fields are
taken to be independent.

So more is held possible than is, and nothing is shown that is not so. Where there would be too much to
try, nothing is shown.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise, product
from math import isfinite, prod
from typing import Any, NamedTuple

import msgspec

from streams.core.conditions import Amount, Clause, Group, Where, holds, read_amount, tracked
from streams.core.document import Node
from streams.core.record import FACTS, MOMENTS, Record
from streams.lint.finding import Subject

_MOST = 5_000
"""Combinations that are tried."""
_MOST_FREE = 6
"""Clauses about one field that a value does not settle."""

# What these say of a value they say of every other in its place: of any other number between the same
# bounds, of any other text that is not named.
_SETTLED = frozenset({"is", "is not", "is at least", "is at most", "is above", "is below"})
_COMPARED = ("at_least", "at_most", "above", "below")
_EMPTY = Record(key="x:1", at=0, created=0, touched=0, entered=0)
_OTHER_CURRENCY = "XXX"  # ISO 4217: no currency

Verdict = Callable[[Mapping[int, bool]], bool]
"""From what each clause, by its `id`, says."""


class Limits(NamedTuple):
    """What is known of a record beside its conditions: `allows` says of a field, and a record in which
    nothing else is set, whether that may be. `named`: by field, the values that this depends on."""

    allows: Callable[[str, Record], bool]
    named: Mapping[str, Sequence[Any]] = {}


def alive(field: str, record: Record) -> bool:
    """Only of such a record can a condition hold."""
    return record.merged is None if field == "merged" else record.status != "closed"


ALIVE = Limits(alive)


class Conditions:
    """Where paths ask for something, with the values that they name."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._operands: dict[int, _Operands] = {}

    def never_hold(self, where: Where, limits: Limits = ALIVE) -> bool:
        """Whether there is certainly no record for which `where` holds within `limits`."""
        return self._is_impossible(
            [where], lambda truth: all(_truth(each, truth) for each in where.parts), limits
        )

    def imply(self, narrow: Where, wide: Where, limits: Limits = ALIVE) -> bool:
        """Whether certainly `wide` holds for every record for which `narrow` does."""

        def differ(truth: Mapping[int, bool]) -> bool:
            return all(_truth(each, truth) for each in narrow.parts) and not all(
                _truth(each, truth) for each in wide.parts
            )

        return self._is_impossible([narrow, wide], differ, limits)

    def example(self, where: Where) -> Record | None:
        """A record for which `where` holds, if one is easily found."""
        fields = list({clause.field: None for clause in where})
        choices = [list(self._candidates(field, _about(field, [where]), ALIVE)) for field in fields]
        if prod(map(len, choices)) > _MOST:
            return None
        return next((each for each in map(_record, product(*choices)) if holds(where, each)), None)

    def _is_impossible(self, wheres: Sequence[Where], verdict: Verdict, limits: Limits) -> bool:
        choices: list[list[dict[int, bool]]] = []
        for field in {clause.field: None for where in wheres for clause in where}:
            answers = self._answers(field, _about(field, wheres), _changing(field, wheres), limits)
            if answers is None:
                return False
            choices.append(answers)
        if prod(map(len, choices)) > _MOST:
            return False
        return not any(verdict(_joined(each)) for each in product(*choices))

    def _answers(
        self, field: str, clauses: Sequence[Clause], changing: bool, limits: Limits
    ) -> list[dict[int, bool]] | None:
        """What `clauses` may say together; None for too much."""
        unsettled = {
            id(clause): (clause.operator, clause.wanted, repr(self._subject.at(*clause.position)))
            for clause in clauses
            if field in MOMENTS or clause.operator not in _SETTLED
        }
        # What is written alike says the same.
        different = list(dict.fromkeys(unsettled.values()))
        if len(different) > _MOST_FREE:
            return None
        answers: dict[tuple[bool, ...], None] = {}
        for candidate in self._candidates(field, clauses, limits):
            free = different if changing or not candidate.exact else []
            for flags in product((True, False), repeat=len(free)):
                given = dict(zip(free, flags, strict=True))
                answer = (
                    given[unsettled[id(clause)]]
                    if free and id(clause) in unsettled
                    else clause.holds(candidate.record)
                    for clause in clauses
                )
                answers[tuple(answer)] = None
        keys = [id(clause) for clause in clauses]
        return [dict(zip(keys, answer, strict=True)) for answer in answers]

    def _candidates(self, field: str, clauses: Sequence[Clause], limits: Limits) -> Iterator["_Candidate"]:
        operands = _Operands((), (), ())
        for clause in clauses:
            operands = operands.joined(self._named(clause))
        operands = operands.joined(_named_values(field, limits.named.get(field, ())))
        return (each for each in _values(field, operands) if limits.allows(field, each.record))

    def _named(self, clause: Clause) -> "_Operands":
        named = self._operands.get(id(clause))
        if named is None:
            named = _operands(clause.field, self._subject.at(*clause.position))
            self._operands[id(clause)] = named
        return named


class _Candidate(NamedTuple):
    """A record with a value of one field: what is set in it, and whether it stands for this value alone."""

    changes: dict[str, Any]
    exact: bool

    @property
    def record(self) -> Record:
        return msgspec.structs.replace(_EMPTY, **self.changes)


class _Operands(NamedTuple):
    texts: tuple[str, ...]
    numbers: tuple[float, ...]
    currencies: tuple[str, ...]

    def joined(self, other: "_Operands") -> "_Operands":
        return _Operands(
            (*self.texts, *other.texts),
            (*self.numbers, *other.numbers),
            (*self.currencies, *other.currencies),
        )


def _about(field: str, wheres: Sequence[Where]) -> list[Clause]:
    return [clause for where in wheres for clause in where if clause.field == field]


def _changing(field: str, wheres: Sequence[Where]) -> bool:
    """Whether a clause asks for more than the field's present value."""
    return field in MOMENTS or any(field in tracked(where) for where in wheres)


def _truth(part: Clause | Group, truth: Mapping[int, bool]) -> bool:
    if isinstance(part, Clause):
        return truth[id(part)]
    held = (_truth(each, truth) for each in part.parts)
    if part.word == "any":
        return any(held)
    return all(held) if part.word == "all" else not all(held)


def _joined(parts: Sequence[Mapping[int, bool]]) -> dict[int, bool]:
    return {key: value for part in parts for key, value in part.items()}


def _record(parts: Sequence["_Candidate"]) -> Record:
    """One record with all that is set in `parts`."""
    changes: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for part in parts:
        changes |= part.changes
        fields |= part.changes.get("fields", {})
    return msgspec.structs.replace(_EMPTY, **{**changes, "fields": fields})


def _operands(field: str, written: Any) -> _Operands:
    """The values that a field's clauses name, from what is written there."""
    operands = _Operands((), (), ())
    operators = written if isinstance(written, dict) else {"is": written}
    for name, operand in operators.items():
        compared = name in _COMPARED
        values = [read_amount(Node(operand), money=field == "value")] if compared else _scalars(operand)
        operands = operands.joined(_named_values(field, values))
    return operands


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _scalars(each)
    else:
        yield value


def _named_values(field: str, values: Iterable[Any]) -> _Operands:
    texts: list[str] = []
    numbers: list[float] = []
    currencies: list[str] = []
    for value in values:
        if isinstance(value, Amount):
            numbers.append(value.number)
            currencies += [] if value.currency is None else [value.currency]
        elif value is not None:
            texts.append(plain(value))
            with suppress(ValueError):
                numbers.append(float(value))
    return _Operands(tuple(texts), tuple(number for number in numbers if isfinite(number)), tuple(currencies))


def plain(value: Any) -> str:
    """A single value that is written in a condition, as the text that it is compared by."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _values(field: str, operands: _Operands) -> Iterator[_Candidate]:
    if field == "status":
        for status in ("open", "paused", "closed"):
            yield _Candidate({"status": status}, True)
        return
    if field in MOMENTS:
        yield _Candidate({}, False)
        return
    numbers = _between(operands.numbers)
    if field == "value":
        yield _Candidate({}, True)
        for number in numbers:
            for currency in dict.fromkeys((*operands.currencies, _OTHER_CURRENCY, None)):
                yield _Candidate({"value": number, "currency": currency}, False)
        return
    if field == "health":
        yield _Candidate({}, True)
        for number in numbers:
            yield _Candidate({"health": ((0, number),)}, False)
        return
    others: tuple[Any, ...] = (None, True, False, []) if field not in FACTS else (None,)
    for value in dict.fromkeys(("", *operands.texts)):
        yield _Candidate(_set(field, value), True)
    for value in others:
        yield _Candidate(_set(field, value), True)
    for number in numbers:
        yield _Candidate(_set(field, number), False)
        # The same number, written otherwise.
        yield _Candidate(_set(field, _unnamed(repr(number), operands.texts)), False)
    yield _Candidate(_set(field, _unnamed("x", operands.texts)), False)


def _set(field: str, value: Any) -> dict[str, Any]:
    return {field: value} if field in FACTS else {"fields": {field: value}}


def _unnamed(text: str, texts: Sequence[str]) -> str:
    while text in texts:
        text += " "
    return text


def _between(numbers: Sequence[float]) -> list[float]:
    """The numbers, one between each two of them, and one beyond either end."""
    points = sorted(set(numbers))
    if not points:
        return [0.0]
    found = [points[0] - max(1.0, abs(points[0]))]
    for low, high in pairwise(points):
        found += [low, (low + high) / 2]
    return [*found, points[-1], points[-1] + max(1.0, abs(points[-1]))]
