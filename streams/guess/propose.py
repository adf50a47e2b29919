"""A configuration for a sample, as commented YAML."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.feeds.mapping import RESERVED
from streams.guess.columns import NULLS, TODO, Column, Times, words
from streams.guess.fields import CHANGED, CREATED, Found, by_words, find_id, is_future, kind_of, statuses

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off"}
_COMMENT = 58
"""Where the comments begin."""
_WIDTH = 110
_MOST_FIELDS = 8
_OF_CUSTOMERS = ("issue", "issue_status", "visit")

_OWNER = ("owner", "assignee", "assigned", "agent", "rep", "handler", "resource")
_CUSTOMER = (
    "requester",
    "customer",
    "caller",
    "client",
    "contact",
    "account",
    "company",
    "organization",
)
_VALUE = ("amount", "value", "arr", "mrr", "revenue", "price", "total")
_PRIORITY = ("priority", "severity", "urgency")
_STAGE = ("stage", "status", "state", "phase")
_ORDER = ("revision", "version", "sequence", "seq", "mod")
_CURRENCIES = ("usd", "eur", "gbp", "chf", "jpy", "cad", "aud")


@dataclass
class _Lines:
    """Lines of YAML. `todo`: how many places in them are left to the user."""

    lines: list[str] = field(default_factory=list)
    todo: int = 0

    def add(self, depth: int, text: str, why: str = "") -> None:
        indent = "  " * depth
        self.todo += text.count(TODO) + why.startswith(TODO)
        # What comes out of the sample must not end the comment.
        why = " ".join("".join(each if each.isprintable() else " " for each in why).split())
        if why and len(indent + text) < _COMMENT - 1 and _COMMENT + len(why) < _WIDTH - 2:
            self.lines.append(f"{indent + text:{_COMMENT}}# {why}")
            return
        start = f"{indent}# "
        self.lines += textwrap.wrap(why, _WIDTH, initial_indent=start, subsequent_indent=start)
        self.lines.append(indent + text)


@dataclass(frozen=True)
class Proposal:
    """`text`: the configuration. `todo`: how many places of it only the user can fill in."""

    text: str
    todo: int


@dataclass(frozen=True)
class Table:
    """A sample of one table. `keys`: the columns of the messages' keys, empty for a file of rows."""

    name: str
    columns: Sequence[Column]
    keys: Sequence[str] = ()


def quoted(text: str) -> str:
    """`text` as a YAML scalar that is read as this text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def propose_rows(name: str, header: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str) -> Proposal:
    """For a file of rows, each a change. Rows of another length than the header count for nothing."""
    whole = [row for row in rows if len(row) == len(header)]
    nulls = [each for each in NULLS if any(each in row for row in whole)]
    empty = {"", *nulls}
    columns = [
        Column(each, [None if row[place] in empty else row[place] for row in whole])
        for place, each in enumerate(header)
        # A column that comes twice, or has no name, cannot be read.
        if each and list(header).count(each) == 1
    ]
    table = Table(name, columns)
    out = _Lines()
    _begin(out)
    out.add(1, f"{quoted(name)}:")
    out.add(2, "format: csv")
    future = [each for each in columns if is_future(each)]
    if not any(each.times for each in columns if each not in future):
        # Then how it ended is all that each row says, and when.
        future = []
    kept = [each for each in columns if each not in future]
    times = [each for each in kept if each.times is not None]
    at = _find_at(times)
    if at is None:
        out.add(2, "at:", f"{TODO}: no column holds times; which one says when the row changed?")
        out.add(2, f"time: {{format: {TODO}}}", 'such as iso, or {format: "%d/%m/%Y", zone: Europe/Berlin}')
    else:
        out.add(2, f"at: {quoted(at.column.name)}", f"guess: {at.why}")
        assert at.column.times is not None
        _add_time(out, at.column.times, at.column.texts[0])
    if delimiter != ",":
        out.add(2, f"delimiter: {quoted(delimiter)}")
    if nulls:
        out.add(2, f"null: [{', '.join(map(quoted, nulls))}]", "guess: what such texts mostly stand for")
    order = by_words(kept, _ORDER, lambda each: each.whole and each.complete)
    if at is not None and order is not None:
        listed = f"[{quoted(at.column.name)}, {quoted(order.column.name)}]"
        out.add(2, f"order: {listed}", f"guess: whole numbers, and {order.why}")
        kept.remove(order.column)
    if future:
        listed = ", ".join(quoted(each.name) for each in future)
        out.add(2, f"withhold: [{listed}]", "guess: the names say how it ended, which nobody knew then")
    form = at.column.times if at else None

    def moment(column: Column) -> str | None:
        return quoted(column.name) if _reads_alike(form, column.times) else None

    kind, owner = _add_record(
        out, Table(table.name, kept), moment=moment, is_time=lambda c: c.times is not None
    )
    _end(out, {kind: owner})
    return Proposal("\n".join(out.lines) + "\n", out.todo)


def propose_debezium(tables: Mapping[str, Table]) -> Proposal:
    """For change events of Debezium without their schema; `tables` by topic."""
    out = _Lines()
    _begin(out)
    kinds: dict[str, bool] = {}
    for topic, table in tables.items():
        out.add(1, f"{quoted(table.name)}:")
        out.add(2, "format: debezium")
        out.add(2, f"topic: {quoted(topic)}")
        kind, owner = _add_record(
            out, table, moment=_debezium_moment, is_time=_is_debezium_time, is_packed=_is_packed
        )
        kinds[kind] = kinds.get(kind, False) or owner
    _end(out, kinds)
    return Proposal("\n".join(out.lines) + "\n", out.todo)


def _find_at(times: Sequence[Column]) -> Found | None:
    """Of the columns of times, the one that says when the row changed."""
    later = [each for each in times if not _speaks(each, CREATED)]
    found = by_words(times, CHANGED, lambda _: True) or by_words(
        later, ("at", "date", "time"), lambda _: True
    )
    if found is not None or not times:
        return found
    return Found(times[0], "the first column of times; what changed later is not in this file")


def _begin(out: _Lines) -> None:
    out.lines += [
        "# A proposal, made from a sample. Each guess says why: look at all of them, then at what",
        "# `escalations check` says, which refuses every TODO, and at `escalations decode`.",
    ]
    out.add(0, "version: 1")
    out.add(0, "")
    out.add(0, "feeds:")


def _end(out: _Lines, kinds: Mapping[str, bool]) -> None:
    out.add(0, "")
    out.add(0, "people:")
    out.add(1, "somebody:", "write the names that stand in the column of the owner")
    out.add(0, "")
    out.add(0, "fallback: somebody", "who is told when nobody else is found")
    out.add(0, "")
    out.add(0, "paths:")
    for kind, owner in kinds.items():
        out.add(1, f"{kind}-untouched:", "one to begin with")
        out.add(2, f"about: {kind}")
        out.add(2, "when: {untouched: 8d}")
        out.add(2, f"steps: [{{notify: {'owner' if owner else 'somebody'}}}]")


def _add_time(out: _Lines, times: Times, example: str) -> None:
    named = [quoted(each) for each in times.formats]
    zone = "" if times.offset else f", zone: {TODO}"
    one = len(named) == 1
    why = [f"guess: {example!r} and the like"]
    if not one:
        why.append(f"day and month cannot be told apart: {' or '.join(named)}?")
    if zone:
        why.append("they have no offset: the zone of which clock, such as Europe/Berlin?")
    out.add(2, f"time: {{format: {named[0] if one else TODO}{zone}}}", "; ".join(why))


def _reads_alike(form: Times | None, times: Times | None) -> bool:
    """Whether what reads the one reads the other."""
    if form is None or times is None or (times.offset != form.offset and "iso" not in form.formats):
        return False
    # Of ISO texts those without an offset need the zone that the others do without.
    return set(form.formats) <= set(times.formats) and not (form.offset and not times.offset)


def _is_debezium_time(column: Column) -> bool:
    if column.times is not None:
        return True
    # Numbers that are moments since 2001 in milliseconds or finer, and have a name that says so.
    return _unit(column) is not None and bool(
        set(column.words) & {"at", "on", "date", "time", "local", "due"}
    )


def _unit(column: Column) -> str | None:
    if not column.filled or not all(type(each) is int for each in column.filled):
        return None
    smallest = min(map(abs, column.filled))
    for unit, least in (("ns", 10**18), ("us", 10**15), ("ms", 10**12)):
        if least <= smallest < least * 1000:
            return unit
    return None


def _debezium_moment(column: Column) -> str | None:
    if column.times is not None:
        zone = "" if column.times.offset else f", zone: {TODO}"
        return f"{{field: {quoted(column.name)}{zone}}}" if zone else quoted(column.name)
    return f"{{field: {quoted(column.name)}, unit: {_unit(column)}, zone: {TODO}}}"


def _speaks(column: Column, of: Sequence[str]) -> bool:
    return not set(column.words).isdisjoint(of)


def _add_record(
    out: _Lines,
    table: Table,
    *,
    moment: Callable[[Column], str | None],
    is_time: Callable[[Column], bool],
    is_packed: Callable[[Column], bool] = lambda _: False,
) -> tuple[str, bool]:
    """Add `record`; its kind, and whether it has an owner.

    moment: how a column of times is mapped, None where it cannot be. is_packed: whether a column may
    hold decimals as bytes.
    """
    columns = table.columns
    found = find_id(columns, words(table.name))
    identity = [each for each in columns if each.name in table.keys]
    if found is not None and not identity:
        identity = [found.column]
    spoken = kind_of(words(table.name), *(each.words for each in identity))
    kind = spoken[0] if spoken else "record"
    out.add(2, "record:")
    why = (
        f"guess: the sample speaks of {spoken[1]!r}"
        if spoken
        else "guess: none; what is a record of it called?"
    )
    out.add(3, f"kind: {kind}", f"{why}; paths name it in `about`")
    if table.keys:
        named = ", ".join(map(quoted, table.keys))
        out.add(3, f"id: {named if len(table.keys) == 1 else f'[{named}]'}", "the key of the messages")
    elif found is not None:
        out.add(3, f"id: {quoted(found.column.name)}", f"guess: {found.why}")
    else:
        out.add(3, "id:", f"{TODO}: no column looks like one; several are written [first, second]")
    rest = [each for each in columns if each not in identity]

    def take(field: str, found: Found | None, form: str | None = None, more: str = "") -> bool:
        if found is None:
            return False
        rest.remove(found.column)
        text = form or quoted(found.column.name)
        out.add(3, f"{field}: {text}", f"guess: {found.why}{more}")
        return True

    def person(column: Column) -> bool:
        return not is_time(column) and column.words[-1] not in ("group", "type", "number", "name", "count")

    has_owner = take("owner", by_words(rest, _OWNER, lambda each: person(each) and each.words[-1] != "role"))
    if kind != "account":
        take("customer", by_words(rest, _CUSTOMER, lambda each: person(each)))
    stage = by_words(rest, _STAGE, lambda each: each.choice and not is_time(each)) or by_words(
        rest, ("activity", "concept"), lambda each: each.few and each.words[0] != "case"
    )
    if stage is not None:
        paused, closed = statuses(stage.column)
        parts = [f"field: {quoted(stage.column.name)}"]
        parts += [
            f"{name}: [{', '.join(map(quoted, values))}]"
            for name, values in (("paused", paused), ("closed", closed))
            if values
        ]
        seen = ", ".join(stage.column.texts[:12]) + (", ..." if len(stage.column.texts) > 12 else "")
        take("stage", stage, f"{{{', '.join(parts)}}}", f", {stage.column.spread}: {seen}")
    priority = by_words(rest, _PRIORITY, lambda each: each.choice and len(each.texts) <= 10)
    if priority is not None:
        take("priority", priority, more=f": {', '.join(priority.column.texts)}")
    _take_value(rest, take, is_packed)
    created = by_words(rest, CREATED, is_time)
    if created is not None:
        form = moment(created.column)
        if form is not None:
            take("created", created, form)
        else:
            rest.remove(created.column)
            out.add(
                3, f"# created: {quoted(created.column.name)}", "its times are not written as those of `at`"
            )
    text = by_words(
        rest, ("text", "body", "message", "comment"), lambda each: bool(each.filled) and _is_prose(each)
    )
    if text is not None:
        rest.remove(text.column)
        out.add(3, f"said: {{text: {quoted(text.column.name)}}}", f"guess: {text.why}; `by` would say who")
    health = by_words(rest, ("health",), lambda each: each.numeric)
    take("health", health)
    extras = [
        each
        for each in rest
        if each.few
        and len(each.texts) > 1
        and not is_time(each)
        # Some exports have a column twice, under two names.
        and not any(each.values == other.values for other in columns if other not in rest)
    ][:_MOST_FIELDS]
    if extras:
        names = {_free(each.name): each.name for each in extras}
        if all(name == column for name, column in names.items()):
            form = f"[{', '.join(map(quoted, names))}]"
        else:
            form = f"{{{', '.join(f'{quoted(name)}: {quoted(column)}' for name, column in names.items())}}}"
        out.add(3, f"fields: {form}", "guess: few values each, for conditions")
    return kind, has_owner


def _take_value(rest: list[Column], take: Callable[..., bool], is_packed: Callable[[Column], bool]) -> None:
    value = by_words(rest, _VALUE, lambda each: each.numeric or is_packed(each))
    if value is None:
        return
    column = value.column
    parts = [f"field: {quoted(column.name)}"]
    if not column.numeric:
        parts.append(f"scale: {TODO}")
    currency = by_words(rest, ("currency",), lambda each: all(len(text) == 3 for text in each.texts))
    code = next((each for each in _CURRENCIES if each in column.words), None)
    more = ""
    if currency is not None:
        parts.append(f"currency: {quoted(currency.column.name)}")
        rest.remove(currency.column)
    elif code is not None:
        parts.append(f"currency: {{always: {code.upper()}}}")
    else:
        more = "; for paths on it add its currency, such as currency: {always: EUR}"
    take("value", value, f"{{{', '.join(parts)}}}", more)


def _is_packed(column: Column) -> bool:
    """Whether the values look like the base64 of Debezium's precise decimals."""
    return bool(column.filled) and all(
        isinstance(each, str)
        and re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?", each)
        for each in column.filled
    )


def _is_prose(column: Column) -> bool:
    return sum(" " in each for each in column.texts) * 2 > len(column.texts)


def _free(name: str) -> str:
    """A name for a field that means nothing else."""
    return f"crm_{name}" if name in RESERVED or name in _OF_CUSTOMERS else name
