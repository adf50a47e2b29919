"""Conditions on a record's fields: the `where` of a path.

    where:
      stage: {not: Prospecting}
      value: {at_least: 10000 EUR, below: 50000 EUR}
      any:
        - priority: [high, urgent]
        - status: {changed: {from: closed, to: open}}
      not: {region: test, tier: {ignoring_case: internal}}

All that a mapping says must hold. `all` and `any` take lists of such mappings, `not` takes one.

A clause holds or it does not: a comparison of a value that is missing, or of a wrong kind, does
not hold, and `not` holds wherever what it negates does not. Nothing depends on the passing of
time: while a record stays as it is, so does the answer.
"""

import operator
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

import msgspec

from streams.core.document import Node, Position, did_you_mean
from streams.core.record import FACTS, MOMENTS, Record
from streams.core.timestamps import DAY, micros, rfc3339

_MONEY = re.compile(r"(-?[0-9][0-9_]{0,30}(?:\.[0-9]{1,9})?)\s+([A-Z]{3})")

Get = Callable[[Record], Any]
Test = Callable[[Record], bool]
Build = Callable[[Get], Test]
"""A test of what the `Get` finds in a record."""


class Amount(msgspec.Struct, frozen=True):
    """A threshold, with its currency (ISO 4217) where it is money."""

    number: float
    currency: str | None = None

    def __str__(self) -> str:
        number = f"{self.number:,.2f}".removesuffix(".00")
        return f"{number} {self.currency}" if self.currency else number


def read_amount(node: Node, *, money: bool) -> Amount:
    """A number, or with `money` a number and a currency."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        if money:
            node.fail(
                f"the amount {node.value} has no currency", f"State it, for example: {node.value:g} EUR"
            )
        return Amount(float(node.value))
    match = _MONEY.fullmatch(node.text(example="an amount such as 10000 EUR" if money else "a number"))
    if match is None:
        node.fail(
            f"{node.value!r} is not an amount",
            f"Write a number{' and' if money else ', or one with'} a currency of three letters: 10000 EUR",
        )
    return Amount(float(match[1].replace("_", "")), match[2])


class Clause(msgspec.Struct, frozen=True):
    """One condition: `field operator wanted`, with `holds` to test a record.

    position: where the field stands in the document. reads: facts on which the answer depends.
    """

    field: str
    operator: str
    wanted: str
    position: Position
    reads: frozenset[str]
    holds: Test


class Group(msgspec.Struct, frozen=True):
    """Conditions within a condition. `not` holds unless all of `parts` do."""

    word: Literal["all", "any", "not"]
    parts: tuple["Clause | Group", ...]
    holds: Test


class Where(msgspec.Struct, frozen=True):
    """All that a path asks of a record's fields; without `parts`, nothing.

    Iterating gives the clauses, those within groups too, in the order of the document.
    """

    parts: tuple[Clause | Group, ...] = ()
    tests: tuple[Test, ...] = ()
    clauses: tuple[Clause, ...] = ()

    def __iter__(self) -> Iterator[Clause]:
        return iter(self.clauses)

    def __getitem__(self, index: int) -> Clause:
        return self.clauses[index]


def holds(where: Where, record: Record) -> bool:
    for test in where.tests:  # noqa: SIM110 - a generator for all() costs more than the tests do
        if not test(record):
            return False
    return True


def reads(where: Where) -> frozenset[str]:
    """The facts on which the answer depends."""
    return frozenset().union(*(clause.reads for clause in where))


def tracked(where: Where) -> frozenset[str]:
    """The facts whose value before the present one must be kept in `Record.was`."""
    return frozenset(clause.field for clause in where if clause.operator == _CHANGED)


def explain(where: Where, record: Record) -> list[dict[str, Any]]:
    """Each clause with the value it was tested on; a group as {word: [what is in it], "holds": ...}."""
    return [_explain(part, record) for part in where.parts]


def _explain(part: Clause | Group, record: Record) -> dict[str, Any]:
    if isinstance(part, Group):
        return {part.word: [_explain(each, record) for each in part.parts], "holds": part.holds(record)}
    explained = {
        "field": part.field,
        "is": _shown(record, part.field),
        "wanted": f"{part.operator} {part.wanted}",
        "holds": part.holds(record),
    }
    if part.operator == _CHANGED and part.field in record.was:
        explained["was"] = record.was[part.field]
    return explained


def _shown(record: Record, field: str) -> Any:
    if field not in _MOMENTS:
        return record.fact(field)
    at = getattr(record, field)
    return None if at is None else rfc3339(at)


# Reading mappings and groups


def read_where(node: Node | None) -> Where:
    """Compiles the `where` of a path. Raises Problem."""
    if node is None:
        return Where()
    parts = tuple(_read_mapping(node))
    return Where(parts, tuple(part.holds for part in parts), tuple(_clauses(parts)))


def _clauses(parts: tuple[Clause | Group, ...]) -> Iterator[Clause]:
    for part in parts:
        if isinstance(part, Group):
            yield from _clauses(part.parts)
        else:
            yield part


def _read_mapping(node: Node) -> Iterator[Clause | Group]:
    for key, each in node.items():
        if key == "all":
            yield _read_list("all", each)
        elif key == "any":
            yield _read_list("any", each)
        elif key == "not":
            yield _read_not(each)
        else:
            yield from _read_field(key, each)


def _read_list(word: Literal["all", "any"], node: Node) -> Group:
    if not isinstance(node.value, list):
        node.fail(
            f"{word!r} has no list of conditions",
            f"Write `{word}: [{{priority: high}}, {{contacts: {{at_least: 3}}}}]`; {_RESERVED}",
        )
    parts = tuple(map(_read_element, node.list()))
    if not parts:
        node.fail(f"the list of {word!r} is empty", f"Name conditions, or take {word!r} out", key=True)
    tests = tuple(part.holds for part in parts)
    return Group(word, parts, _all(tests) if word == "all" else _any(tests))


def _read_element(node: Node) -> Clause | Group:
    parts = _read_some(node)
    return parts[0] if len(parts) == 1 else Group("all", parts, _all(tuple(part.holds for part in parts)))


def _read_not(node: Node) -> Group:
    if isinstance(node.value, list):
        node.fail("'not' has a list", "Write `not: {any: [...]}` for none of them, `not: {all: [...]}` else")
    if not isinstance(node.value, dict):
        node.fail("'not' has no conditions", f"Write `not: {{stage: Prospecting}}`; {_RESERVED}")
    parts = _read_some(node)
    inner = _all(tuple(part.holds for part in parts))
    return Group("not", parts, lambda record: not inner(record))


def _read_some(node: Node) -> tuple[Clause | Group, ...]:
    parts = tuple(_read_mapping(node))
    if not parts:
        node.fail("this is no condition", "Write `field: value`, or take it out")
    return parts


_RESERVED = "a field of that name needs another one: `fields: {crm_NAME: COLUMN}` in the feed's `record`"


def _all(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(record: Record) -> bool:
        for each in tests:  # noqa: SIM110 - as in holds()
            if not each(record):
                return False
        return True

    return test


def _any(tests: tuple[Test, ...]) -> Test:
    def test(record: Record) -> bool:
        for each in tests:  # noqa: SIM110 - as in holds()
            if each(record):
                return True
        return False

    return test


# Reading a field's clauses

_NUMBER_FACTS = frozenset({"value", "health", "contacts"})
_MOMENTS = frozenset(MOMENTS) & frozenset(Record.__struct_fields__)
_CHANGED = "has changed"


class _Reading(msgspec.Struct, frozen=True):
    """An operator with its operand.

    values: those it asks for, where it does so. low, high: bounds that a value must keep; strict: and
    must not reach. currency: in which the record must be.
    """

    operator: str
    wanted: str
    build: Build
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    strict: bool = False
    currency: str | None = None


def _read_field(field: str, node: Node) -> list[Clause]:
    if field in MOMENTS and field not in _MOMENTS:
        node.fail(f"{field!r} is no field for conditions", "Take it out", key=True)
    operators = _operators(field)
    if isinstance(node.value, dict):
        readings = [
            operators[name](field, operand) if name in operators else _unknown(name, operand, field)
            for name, operand in node.items()
        ]
        if not readings:
            node.fail(f"{field!r} has no operator", f"Write one of: {', '.join(operators)}; or a value")
    elif "is" in operators:
        readings = [_is(field, node)]
    else:
        node.fail(f"{field!r} is a moment", f"Write {field}: {{before: 2027-01-01}}, or after, or empty")
    _check_possible(field, node, readings)
    get = _getter(field)
    return [
        Clause(
            field,
            each.operator,
            each.wanted,
            node.position,
            frozenset({field, "currency"} if each.currency else {field}),
            each.build(get),
        )
        for each in readings
    ]


def _unknown(name: str, node: Node, field: str) -> NoReturn:
    if name in ("older_than", "younger_than", "within", "for"):
        remedy = "Conditions know no passing of time: it belongs into `when`, such as {untouched: 8d}"
        node.fail(f"{name!r} is no operator", remedy, key=True)
    operators = _operators(field)
    meant = _MEANT.get(name)
    hint = f"Did you mean {meant!r}? " if meant in operators else did_you_mean(name, operators)
    node.fail(
        f"{name!r} is no operator for {field!r}" if name in _OPERATORS else f"{name!r} is no operator",
        f"{hint}Write one of: {', '.join(operators)}" + ("; or a value, or a list" * ("is" in operators)),
        key=True,
    )


def _check_possible(field: str, node: Node, readings: list[_Reading]) -> None:
    """Refuse what holds for no value at all."""
    one = f"No {field} can meet it: keep what is meant, or write `any: [...]` where one of them is enough"
    currencies = {each.currency for each in readings if each.currency}
    if len(currencies) > 1:
        node.fail(f"{field!r} is compared in {' and '.join(sorted(currencies))}", one, key=True)
    for low in readings:
        for high in readings:
            # The bounds of numbers are floats, those of moments whole.
            if low.low is None or high.high is None or type(low.low) is not type(high.high):
                continue
            if low.low > high.high or (low.low == high.high and (low.strict or high.strict)):
                wanted = f"{low.operator} {low.wanted} and {high.operator} {high.wanted}"
                node.fail(f"{field!r} {wanted} never holds", one, key=True)
    values = [value for each in readings for value in each.values]
    tests = [each.build(_itself) for each in readings if each.operator != _CHANGED and not each.currency]
    if values and not any(all(test(value) for test in tests) for value in values):
        wanted = " and ".join(f"{each.operator} {each.wanted}" for each in readings)
        node.fail(f"{field!r} {wanted} never holds", one, key=True)


def _itself(value: Any) -> Any:
    return value


def _getter(field: str) -> Get:
    """As `Record.fact`, and faster; also the moments, in microseconds UTC."""
    if field == "health":
        return lambda record: record.health[-1][1] if record.health else None
    if field in FACTS or field in _MOMENTS:
        return operator.attrgetter(field)
    return lambda record: record.fields.get(field)


# Values

_NUMBERS = (int, float)
_LISTS = (list, tuple)
"""Written as `int | float` in a function it would be made anew for each call."""


def _number(value: Any) -> float | None:
    """A value as a number; a CSV has texts only."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if isinstance(value, _NUMBERS) else None


def text_of(value: Any) -> Any:
    """A value as the text it is compared by, for what is a number in one feed is a text in another."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return str(value) if isinstance(value, int) else value


def _moment(value: Any) -> int | None:
    """A date or a moment as text; one without offset is in UTC."""
    if type(value) is not str:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return micros(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def _values(field: str, node: Node) -> tuple[Any, ...]:
    nodes = list(node.one_or_many())
    if not nodes:
        node.fail(f"the list of {node.name!r} is empty", "Name at least one value")
    if any(isinstance(each.value, dict) for each in nodes) and isinstance(node.value, list):
        node.fail(
            f"{node.name!r} has a list of mappings", "Conditions are joined by `all: [...]` or `any: [...]`"
        )
    if field == "status":
        return tuple(each.choice("open", "paused", "closed") for each in nodes)
    if field in _NUMBER_FACTS:
        return tuple(_read_number(field, each) for each in nodes)
    return tuple(text_of(each.scalar()) for each in nodes)


def _read_number(field: str, node: Node) -> Any:
    """A number as text, or None."""
    value = node.scalar()
    number = None if isinstance(value, bool) else _number(value)
    if number is None and value is not None:
        example = f"{field}: {{at_least: {'10000 EUR' if field == 'value' else 3}}}"
        node.fail(f"{value!r} is no number, and {field!r} is one", f"Write a number, or {example}")
    return text_of(number)


def _parts(node: Node) -> tuple[str, ...]:
    parts = tuple(each.text() for each in node.one_or_many())
    if not parts:
        node.fail(f"the list of {node.name!r} is empty", "Name at least one text")
    return parts


def _listed(node: Node) -> str:
    return " or ".join("null" if each.value is None else text_of(each.value) for each in node.one_or_many())


# Operators


def _is(field: str, node: Node) -> _Reading:
    values = _values(field, node)
    texts = frozenset(values)

    def build(get: Get) -> Test:
        def test(record: Record) -> bool:
            value = get(record)
            # Not always the set: a field may hold a list, which has no hash.
            return value in texts if type(value) is str else text_of(value) in values

        return test

    return _Reading("is", _listed(node), build, values)


def _not(field: str, node: Node) -> _Reading:
    values = _values(field, node)
    texts = frozenset(values)

    def build(get: Get) -> Test:
        def test(record: Record) -> bool:
            value = get(record)
            return value not in texts if type(value) is str else text_of(value) not in values

        return test

    return _Reading("is not", _listed(node), build)


def _in(field: str, node: Node) -> _Reading:
    return _is(field, _list(node))


def _not_in(field: str, node: Node) -> _Reading:
    return _not(field, _list(node))


def _list(node: Node) -> Node:
    if not isinstance(node.value, list):
        node.fail(f"{node.name!r} has no list", "Write several values, `[first, second]`, or `is` for one")
    return node


def _compared(words: str, compare: Callable[[float, float], bool]) -> Callable[[str, Node], _Reading]:
    def read(field: str, node: Node) -> _Reading:
        amount = read_amount(node, money=field == "value")
        bound, currency = amount.number, amount.currency

        def build(get: Get) -> Test:
            def test(record: Record) -> bool:
                if currency is not None and record.currency != currency:
                    return False
                value = get(record)
                if type(value) is not float:
                    value = _number(value)
                return value is not None and compare(value, bound)

            return test

        return _Reading(
            words,
            str(amount),
            build,
            low=bound if compare in (operator.ge, operator.gt) else None,
            high=bound if compare in (operator.le, operator.lt) else None,
            strict=compare in (operator.gt, operator.lt),
            currency=currency,
        )

    return read


def _before(field: str, node: Node) -> _Reading:
    bound = _read_moment(node)
    return _Reading("is before", node.text(), _dated(field, operator.lt, bound), high=bound, strict=True)


def _after(field: str, node: Node) -> _Reading:
    # After a day is after its end.
    bound = _read_moment(node) + (DAY if len(node.text()) == _DATE else 1)
    return _Reading("is after", node.text(), _dated(field, operator.ge, bound), low=bound)


_DATE = len("2027-01-01")
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?")


def _read_moment(node: Node) -> int:
    moment = _moment(node.value)
    if moment is None or not _DATED.fullmatch(node.text()):
        node.fail(
            f"{node.value!r} is neither a date nor a moment", "Write 2027-01-01 or 2027-01-01T09:00:00Z"
        )
    return moment


def _dated(field: str, compare: Callable[[int, int], bool], bound: int) -> Build:
    ours = field in _MOMENTS

    def build(get: Get) -> Test:
        def test(record: Record) -> bool:
            at = get(record) if ours else _moment(get(record))
            return at is not None and compare(at, bound)

        return test

    return build


def _contains(field: str, node: Node) -> _Reading:
    parts = _parts(node)

    def build(get: Get) -> Test:
        def test(record: Record) -> bool:
            value = get(record)
            if isinstance(value, _LISTS):
                for each in value:  # noqa: SIM110 - as in holds()
                    if text_of(each) in parts:
                        return True
                return False
            value = text_of(value)
            if type(value) is str:
                for part in parts:
                    if part in value:
                        return True
            return False

        return test

    return _Reading("contains", _listed(node), build)


def _starts_with(field: str, node: Node) -> _Reading:
    parts = _parts(node)

    def build(get: Get) -> Test:
        def test(record: Record) -> bool:
            value = text_of(get(record))
            return type(value) is str and value.startswith(parts)

        return test

    return _Reading("starts with", _listed(node), build)


def _ignoring_case(field: str, node: Node) -> _Reading:
    texts = frozenset(part.casefold() for part in _parts(node))

    def build(get: Get) -> Test:
        def test(record: Record) -> bool:
            value = text_of(get(record))
            return type(value) is str and value.casefold() in texts

        return test

    return _Reading("is, ignoring case,", _listed(node), build)


def _empty(field: str, node: Node) -> _Reading:
    wanted = node.flag()

    def build(get: Get) -> Test:
        return lambda record: (get(record) in (None, "", [])) is wanted

    return _Reading("is", "empty" if wanted else "not empty", build, (None,) if wanted else ())


def _changed(field: str, node: Node) -> _Reading:
    example = "Write `changed: {from: closed, to: open}`, or one of the two"
    if not isinstance(node.value, dict) or not node.value:
        node.fail("'changed' says neither from nor to what", example)
    node.keys("from", "to")
    sides = {side: _values(field, node[side]) for side in ("from", "to") if node.has(side)}
    before, after = sides.get("from"), sides.get("to")
    if before is not None and after is not None and len({*before, *after}) == 1:
        node.fail("'from' and 'to' are the same, which is no change", example)

    def build(get: Get) -> Test:
        def test(record: Record) -> bool:
            was = record.was
            return (
                field in was
                and (before is None or text_of(was[field]) in before)
                and (after is None or text_of(get(record)) in after)
            )

        return test

    wanted = " ".join(f"{side} {_listed(node[side])}" for side in sides)
    return _Reading(_CHANGED, wanted, build)


_OPERATORS: dict[str, Callable[[str, Node], _Reading]] = {
    "is": _is,
    "not": _not,
    "in": _in,
    "not_in": _not_in,
    "at_least": _compared("is at least", operator.ge),
    "at_most": _compared("is at most", operator.le),
    "above": _compared("is above", operator.gt),
    "below": _compared("is below", operator.lt),
    "before": _before,
    "after": _after,
    "contains": _contains,
    "starts_with": _starts_with,
    "ignoring_case": _ignoring_case,
    "empty": _empty,
    "changed": _changed,
}
_MEANT = {
    "equals": "is",
    "==": "is",
    "!=": "not",
    "is_not": "not",
    "none_of": "not_in",
    "any_of": "in",
    ">=": "at_least",
    "min": "at_least",
    "<=": "at_most",
    "max": "at_most",
    ">": "above",
    "over": "above",
    "<": "below",
    "under": "below",
    "since": "after",
    "until": "before",
    "exists": "empty",
    "has": "contains",
}
"""What goes by other names elsewhere."""

_FOR_STATUS = frozenset({"is", "not", "in", "not_in", "changed"})
_FOR_NUMBERS = _FOR_STATUS | {"at_least", "at_most", "above", "below", "empty"}
_FOR_MOMENTS = frozenset({"before", "after", "empty"})


def _operators(field: str) -> dict[str, Callable[[str, Node], _Reading]]:
    """Those that can hold for a field."""
    if field == "status":
        names = _FOR_STATUS
    elif field in _NUMBER_FACTS:
        names = _FOR_NUMBERS
    elif field in _MOMENTS:
        names = _FOR_MOMENTS
    else:
        return _OPERATORS
    return {name: read for name, read in _OPERATORS.items() if name in names}
