"""Conditions on a record's fields: the `where` of a path. All of them must hold."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from streams.core.document import Node
from streams.core.record import Record

_MONEY = re.compile(r"(-?[0-9][0-9_]{0,30}(?:\.[0-9]{1,9})?)\s+([A-Z]{3})")


class Amount(msgspec.Struct, frozen=True):
    """A threshold, with its currency (ISO 4217) where it is money."""

    number: float
    currency: str | None = None

    def __str__(self) -> str:
        number = f"{self.number:,.2f}".removesuffix(".00")
        return f"{number} {self.currency}" if self.currency else number

    def reached_by(self, number: Any, record: Record) -> bool:
        """Whether `number` of `record` reaches this amount. Currencies are never converted."""
        if self.currency is not None and record.currency != self.currency:
            return False
        return (number := _number(number)) is not None and number >= self.number


def read_amount(node: Node, *, money: bool) -> Amount:
    """A number, or with `money` a number and a currency."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        if money:
            node.fail(
                f"the amount {node.value} has no currency", f"State it, for example: {node.value:g} EUR"
            )
        return Amount(float(node.value))
    match = _MONEY.fullmatch(node.text(example="an amount such as 10000 EUR"))
    if match is None:
        node.fail(
            f"{node.value!r} is not an amount", "Write a number and a currency of three letters: 10000 EUR"
        )
    return Amount(float(match[1].replace("_", "")), match[2])


class Clause(msgspec.Struct, frozen=True):
    """One condition: `field operator wanted`, with `holds` to test a value of the field."""

    field: str
    operator: str
    wanted: str
    holds: Callable[[Any, Record], bool]


Where = tuple[Clause, ...]


def holds(where: Where, record: Record) -> bool:
    for clause in where:  # noqa: SIM110 - a generator for all() costs more than the clauses do
        if not clause.holds(record.fact(clause.field), record):
            return False
    return True


def reads(where: Where) -> frozenset[str]:
    """The facts that the clauses look at."""
    fields = frozenset(clause.field for clause in where)
    return fields | {"currency"} if "value" in fields else fields


def explain(where: Where, record: Record) -> list[dict[str, Any]]:
    """Each clause with the value it was tested on."""
    return [
        {
            "field": clause.field,
            "is": record.fact(clause.field),
            "wanted": f"{clause.operator} {clause.wanted}",
            "holds": clause.holds(record.fact(clause.field), record),
        }
        for clause in where
    ]


def read_where(node: Node | None) -> Where:
    if node is None:
        return ()
    clauses: list[Clause] = []
    for field, wanted in node.items():
        if isinstance(wanted.value, dict):
            for operator, operand in wanted.items():
                clauses.append(_read_operator(field, operator, operand))
        else:
            clauses.append(_is(field, wanted))
    return tuple(clauses)


def _read_operator(field: str, operator: str, operand: Node) -> Clause:
    read = _OPERATORS.get(operator)
    if read is None:
        operand.fail(
            f"{operator!r} is no operator",
            f"Write one of: {', '.join(_OPERATORS)}; or a value, or a list",
            key=True,
        )
    return read(field, operand)


_NUMBERS = (int, float)
"""Written as `int | float` in a function it would be made anew for each call."""


def _number(value: Any) -> float | None:
    """A value as a number; a CSV has texts only."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if isinstance(value, _NUMBERS) else None


def _text(value: Any) -> Any:
    """A value as the text it is compared by, for what is a number in one feed is a text in another."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value) if isinstance(value, int) else value


def _values(field: str, node: Node) -> tuple[Any, ...]:
    nodes = list(node.one_or_many())
    if field == "status":
        return tuple(each.choice("open", "paused", "closed") for each in nodes)
    # Not a set: a field may hold a list, which has no hash.
    return tuple(_text(each.scalar()) for each in nodes)


def _listed(node: Node) -> str:
    return " or ".join(str(each.value) for each in node.one_or_many())


def _is(field: str, node: Node) -> Clause:
    values = _values(field, node)
    return Clause(field, "is", _listed(node), lambda value, _: _text(value) in values)


def _not(field: str, node: Node) -> Clause:
    values = _values(field, node)
    return Clause(field, "is not", _listed(node), lambda value, _: _text(value) not in values)


def _at_least(field: str, node: Node) -> Clause:
    amount = read_amount(node, money=field == "value")
    return Clause(field, "is at least", str(amount), amount.reached_by)


def _below(field: str, node: Node) -> Clause:
    amount = read_amount(node, money=field == "value")

    def test(value: Any, record: Record) -> bool:
        comparable = amount.currency is None or record.currency == amount.currency
        return comparable and (number := _number(value)) is not None and number < amount.number

    return Clause(field, "is below", str(amount), test)


def _contains(field: str, node: Node) -> Clause:
    part = node.text()

    def test(value: Any, _: Record) -> bool:
        return isinstance(value, str | list | tuple) and part in value

    return Clause(field, "contains", part, test)


def _empty(field: str, node: Node) -> Clause:
    wanted = node.flag()
    return Clause(
        field, "is", "empty" if wanted else "not empty", lambda value, _: (value in (None, "", [])) is wanted
    )


_OPERATORS: dict[str, Callable[[str, Node], Clause]] = {
    "not": _not,
    "at_least": _at_least,
    "below": _below,
    "contains": _contains,
    "empty": _empty,
}
