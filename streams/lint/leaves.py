"""The leaves of people, with where they stand."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from streams.core.document import Position
from streams.core.routing import Person
from streams.lint.finding import Subject


class Leave(NamedTuple):
    """`first` and `last` are both away."""

    person: Person
    position: Position
    first: date
    last: date


def leaves(subject: Subject) -> Iterator[Leave]:
    for name, person in subject.config.rules.directory.people.items():
        position = ("people", name, "leave")
        listed = isinstance(subject.at(*position), list)
        for index, (first, last) in enumerate(person.leave):
            yield Leave(person, (*position, index) if listed else position, first, last)
