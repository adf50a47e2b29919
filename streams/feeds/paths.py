"""Columns of nested JSON: dotted paths.

    status                  # at the top
    ticket.status           # in the object `ticket`; or a key that is written with the dot
    .sent_at                # of the whole message, where a column is of one of its items

A null on the way is a null: of `assignee: null`, `assignee.id` is null, too. A key that is not there
leaves the column absent.
"""

from collections.abc import Iterable
from typing import Any

from streams.feeds import Undecodable
from streams.feeds.values import Row, shown

Path = tuple[str, ...]


class Paths:
    """Takes the `columns` out of documents."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._plan = tuple((column, column[:1] == ".", split(column)) for column in sorted(columns))

    def row(self, item: Any, top: Any) -> Row:
        """The columns that are there: of `item`, and of the message it came in, `top`. Raises Undecodable."""
        row: Row = {}
        for column, of_top, path in self._plan:
            document = top if of_top else item
            if not of_top and column in document:
                row[column] = document[column]
                continue
            for at, key in enumerate(path):
                if not isinstance(document, dict):
                    if document is None:
                        break
                    way = ".".join(path[:at]) or "the message"
                    raise Undecodable(f"column {column!r}: {way!r} is {shown(document)}, not an object")
                if key not in document:
                    break
                document = document[key]
            else:
                row[column] = document
                continue
            if document is None:
                row[column] = None
        return row


def split(column: str) -> Path:
    return tuple(column.removeprefix(".").split("."))


def covers(one: str, other: str) -> bool:
    """Whether one of two columns is, or lies within, the other."""
    return all(a == b for a, b in zip(split(one), split(other), strict=False))
