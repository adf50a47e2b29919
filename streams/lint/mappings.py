"""What the mappings of feeds say of the values that a field of a kind of record has."""

from collections.abc import Iterator
from typing import Any

from streams.core.document import Position
from streams.feeds.formats import written_records
from streams.lint.finding import Subject
from streams.lint.logic import plain


def records(subject: Subject, kind: str, field: str) -> Iterator[tuple[str, Any]]:
    """What stands in the mapping of each feed that brings this field, with the feed's name; None where the
    field is not mapped by itself."""
    for name, feed in subject.config.feeds.items():
        brings = feed.kinds.get(kind)
        if brings is not None and field in brings.fields:
            ours = [each for each in written_records(subject.at("feeds", name)) if str(each["kind"]) == kind]
            mapped = [record[field] for record in ours if field in record]
            yield from ((name, each) for each in mapped or [None])


def closed_stages(subject: Subject, kind: str) -> frozenset[str]:
    """The stages in which a record of this kind is closed, whichever feed tells it."""
    stages = [frozenset(_listed(mapped, "closed")) for _, mapped in records(subject, kind, "stage")]
    return frozenset.intersection(*stages) if stages else frozenset()


def named_values(subject: Subject, kind: str, field: str) -> tuple[str, ...]:
    """The values of a field that the mappings name, in their order."""
    named: dict[str, None] = {}
    for _, mapped in records(subject, kind, field):
        named.update(
            dict.fromkeys((*_renamed(mapped), *_listed(mapped, "paused"), *_listed(mapped, "closed")))
        )
    return tuple(named)


def are_renamed(subject: Subject, kind: str, field: str) -> bool:
    """Whether every feed that brings the field names its values, by `values`."""
    mapped = [each for _, each in records(subject, kind, field)]
    return bool(mapped) and all(_renamed(each) for each in mapped)


def written_values(position: Position, written: Any) -> Iterator[tuple[Position, str]]:
    """The values that the clauses of one field name in full, each with where it stands."""
    operators = written if isinstance(written, dict) else {None: written}
    for name, operand in operators.items():
        here = position if name is None else (*position, name)
        if name in (None, "is", "not", "in", "not_in"):
            yield from _elements(here, operand)
        elif name == "changed":
            for side, each in operand.items():
                yield from _elements((*here, side), each)


def _elements(position: Position, written: Any) -> Iterator[tuple[Position, str]]:
    if isinstance(written, list):
        for index, each in enumerate(written):
            yield from _elements((*position, index), each)
    elif written is not None:
        yield position, plain(written)


def _renamed(mapped: Any) -> tuple[str, ...]:
    values = mapped.get("values") if isinstance(mapped, dict) else None
    return tuple(map(str, values.values())) if isinstance(values, dict) else ()


def _listed(mapped: Any, key: str) -> tuple[str, ...]:
    listed = mapped.get(key) if isinstance(mapped, dict) else None
    if listed is None:
        return ()
    return tuple(map(str, listed)) if isinstance(listed, list) else (str(listed),)
