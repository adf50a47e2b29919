"""Who did it and what was said: `by` and `said` of a feed's `record`.

    by: {field: author_role, person: [agent, admin], customer: [end-user], automation: [system]}
    said:
      text: body
      channel: via                            # or {always: email}
      public: {field: private, is: ["false"]}     # or a column that is true or false itself
      automatic: is_auto_reply
      negativity: {field: sentiment, best: 5, worst: 1}

A row without the column of the text, or with neither a text nor a negativity, says nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any, get_args

import msgspec

from streams.core.document import Node
from streams.core.entries import MOST_TEXT, Author, Said
from streams.feeds import Undecodable
from streams.feeds.values import Reader, Row, Values, read_column, shown

AUTHORS: tuple[Author, ...] = get_args(Author)

_FLAGS = {"true": True, "t": True, "yes": True, "y": True, "1": True}
_FLAGS |= {"false": False, "f": False, "no": False, "n": False, "0": False}
_FARTHEST = 1_000_000


class Writer(msgspec.Struct, frozen=True):
    """Reads who did it. `authors` by the text in `column`; any other text is nobody that we know."""

    column: str
    text: Reader
    authors: dict[str, Author]

    def read(self, row: Row) -> Author | None:
        """Raises Undecodable."""
        value = row.get(self.column)
        if value is None:
            return None
        try:
            return self.authors.get(self.text(value))
        except ValueError as error:
            raise Undecodable(f"by, column {self.column!r}: {error}") from None


class Saying(msgspec.Struct, frozen=True):
    """Reads what was said. `columns`: by the field of `Said` that comes from each, with its reader;
    `always`: the fields that are the same in every row."""

    columns: dict[str, tuple[str, Reader]]
    always: dict[str, Any]

    def read(self, row: Row) -> Said | None:
        """Raises Undecodable."""
        if "text" in self.columns and self.columns["text"][0] not in row:
            return None
        said = dict(self.always)
        name = column = ""
        try:
            for name, (column, reader) in self.columns.items():
                value = row.get(column)
                if value is not None:
                    said[name] = reader(value)
        except (ValueError, ArithmeticError) as error:
            raise Undecodable(f"said.{name}, column {column!r}: {error}") from None
        if not said.get("text") and "negativity" not in said:
            return None
        return Said(**said)


def read_writer(node: Node, text: Reader) -> Writer:
    """Compiles `by`. Raises Problem."""
    column = read_column(node, *AUTHORS)
    authors: dict[str, Author] = {}
    for author in AUTHORS:
        if node.has(author):
            for each, word in _words(node[author], text):
                if authors.setdefault(word, author) != author:
                    each.fail(f"{word!r} is both {authors[word]} and {author}", "Keep it in one of the lists")
    return Writer(column, text, authors or {author: author for author in AUTHORS})


def read_saying(node: Node, text: Reader, values: Values) -> Saying:
    """Compiles `said`. Raises Problem."""
    node.keys("text", "channel", "public", "automatic", "negativity")
    if not (node.has("text") or node.has("negativity")):
        node.fail("`said` says nothing", "Name the column of the text: said: {text: body}", key=True)
    columns: dict[str, tuple[str, Reader]] = {}
    always: dict[str, Any] = {}
    if node.has("text"):
        columns["text"] = read_column(node["text"]), _cut(text)
    if node.has("channel"):
        channel = node["channel"]
        if isinstance(channel.value, dict):
            channel.keys(required=("always",))
            always["channel"] = channel["always"].text(example="a channel such as email")
        else:
            columns["channel"] = read_column(channel), text
    for name in ("public", "automatic"):
        if node.has(name):
            columns[name] = read_flag(node[name], text)
    if node.has("negativity"):
        columns["negativity"] = _read_negativity(node["negativity"], values)
    return Saying(columns, always)


def _cut(text: Reader) -> Reader:
    def cut(value: Any) -> str:
        written: str = text(value)[:MOST_TEXT]
        return "" if written.isspace() else written

    return cut


def read_flag(node: Node, text: Reader) -> tuple[str, Reader]:
    """The column of something that is so or not, and its reader. Raises Problem."""
    column = read_column(node, "is")
    if node.has("is"):
        words = frozenset(word for _, word in _words(node["is"], text))
        return column, lambda value: text(value) in words

    def flag(value: Any) -> bool:
        known = _FLAGS.get(text(value).lower())
        if known is None:
            raise ValueError(
                f"{shown(value)} is neither true nor false: say which values are, "
                f"{node.name}: {{field: {column}, is: [...]}}"
            )
        return known

    return column, flag


def _read_negativity(node: Node, values: Values) -> tuple[str, Reader]:
    column, number = values.number(node, "best", "worst")
    best, worst = -1.0, 1.0
    scaled = isinstance(node.value, dict) and (node.has("best") or node.has("worst"))
    if scaled:
        node.keys("scale", required=("field", "best", "worst"))
        best, worst = _read_end(node["best"]), _read_end(node["worst"])
        if best == worst:
            node["worst"].fail("the best and the worst are the same", "Write the two ends of the scale")
    low, high = sorted((best, worst))

    def negativity(value: Any) -> float:
        given: float = number(value)
        if not low <= given <= high:
            raise ValueError(
                f"{given:g} is not between {low:g} and {high:g}: say what its ends mean, "
                f"negativity: {{field: {column}, best: 5, worst: 1}}"
            )
        return 2 * (given - best) / (worst - best) - 1 if scaled else given

    return column, negativity


def _read_end(node: Node) -> float:
    end = node.value
    if isinstance(end, bool) or not isinstance(end, int | float) or not -_FARTHEST <= end <= _FARTHEST:
        node.fail(f"{shown(end)} is no end of a scale", "Write a number, such as 5")
    return float(end)


def _words(node: Node, text: Callable[[Any], str]) -> Iterator[tuple[Node, str]]:
    """The values of a column that a list names, as the column's texts."""
    for each in node.one_or_many():
        value = each.scalar()
        if value is None:
            each.fail(f"{each.name!r} is empty", "Write a value of the column")
        yield each, text(value)
