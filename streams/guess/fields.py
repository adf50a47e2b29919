"""Which column may be which field of a record, by the words of its name and the look of its values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.guess.columns import Column, words

Look = Callable[[Column], bool]

KINDS = {
    "ticket": (
        "ticket",
        "incident",
        "case",
        "issue",
        "complaint",
        "problem",
        "request",
        "helpdesk",
        "support",
    ),
    "deal": ("deal", "opportunity", "pipeline", "loan", "declaration", "order", "quote", "sale", "sales"),
    "account": ("account", "company", "customer", "client", "subscription"),
}
"""Words that name a kind of record."""

ENDS = ("at", "on", "date", "time", "by", "code", "notes", "day")
ENDED = ("closed", "resolved", "solved", "close", "resolution", "churn", "completed", "ended")
CREATED = ("created", "opened", "submitted", "received", "registered", "reg", "signup", "creation", "engage")
CHANGED = ("updated", "modified", "changed", "update", "modification", "timestamp", "change")
_LONGEST = 40
"""Characters of an id."""

CLOSED = frozenset(
    [
        "closed",
        "close",
        "resolved",
        "solved",
        "done",
        "won",
        "lost",
        "cancelled",
        "canceled",
        "completed",
        "complete",
        "rejected",
        "finished",
        "merged",
        "deleted",
        "churned",
        "archived",
    ]
)
PAUSED = frozenset(["pending", "hold", "paused", "waiting", "awaiting", "wait", "suspended", "snoozed"])


@dataclass(frozen=True)
class Found:
    """A column for a field, and why it was taken."""

    column: Column
    why: str


def by_words(columns: Sequence[Column], wanted: Sequence[str], look: Look) -> Found | None:
    """The first of `columns` that looks right and has one of `wanted` in its name: first by the word,
    then by how much else is in the name."""
    for word in wanted:
        named = [each for each in columns if word in each.words and look(each)]
        if named:
            best = min(named, key=lambda each: len(each.words))
            return Found(best, f"its name says {word!r}")
    return None


def kind_of(*names: Sequence[str]) -> tuple[str, str] | None:
    """The kind of record that `names`, each in words, speak of first; and the word that does."""
    for name in names:
        for kind, known in KINDS.items():
            for word in name:
                # A table is mostly named in the plural.
                singular = word.removesuffix("s") if word not in known else word
                singular = "opportunity" if word == "opportunities" else singular
                singular = "company" if word == "companies" else singular
                if singular in known:
                    return kind, word
    return None


def find_id(columns: Sequence[Column], table: Sequence[str]) -> Found | None:
    """The column of the id. `table`: the words of the sample's name, which often names its records."""
    about = {each.removesuffix("s") for each in table}

    def rank(column: Column) -> tuple[int, int, int] | None:
        if not column.complete or column.times is not None:
            return None
        names = column.words
        if names == ("case", "concept", "name"):
            # What event logs in the form of IEEE 1849 (XES) call a case.
            return 0, 0, 0
        if names == ("id",):
            return 1, 0, 0
        if len(names) > 1 and names[-1] in ("id", "number", "key", "no"):
            known = next((place for place, each in enumerate(KINDS.values()) if names[0] in each), 9)
            own = names[0] in about or names[-2] in about
            if own or known < 9 or column is columns[0]:
                # One that says what the sample is about is its own; of others the first is.
                return 2 if own else 3, known, 0
            return (6, 0, 0) if names[-1] == "id" and len(column.texts) == len(column.values) else None
        if names in (("number",), ("key",), ("reference",)):
            return 4, 0, 0
        if len(names) == 1 and names[0] in about:
            return 5, 0, 0
        return None

    ranked = [(key, place) for place, each in enumerate(columns) if (key := rank(each)) is not None]
    if ranked:
        best = columns[min(ranked)[1]]
        return Found(best, f"its name; {best.spread}")
    unique = (each for each in columns if each.complete and len(each.texts) == len(each.values))
    first = next(
        (each for each in unique if each.times is None and max(map(len, each.texts)) <= _LONGEST), None
    )
    return Found(first, f"the first whose values differ in each row: {first.spread}") if first else None


def is_future(column: Column) -> bool:
    """Whether its name says how or when the record ended, which an export writes into each row."""
    return len(column.words) > 1 and column.words[0] in ENDED and column.words[-1] in ENDS


def statuses(column: Column) -> tuple[list[str], list[str]]:
    """The values of a stage that sound paused, and those that sound closed."""
    closed = [each for each in column.texts if CLOSED & set(words(each))]
    paused = [each for each in column.texts if each not in closed and PAUSED & set(words(each))]
    return paused, closed
