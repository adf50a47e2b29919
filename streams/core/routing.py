"""Who is told, and who gets the record: decided when a step is due, with the reason.

Somebody who is away falls through to the deputy, then to the manager, then to the manager's
deputy and so on. When nobody is found, the fallback is told, and the reason says so.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from streams.core.document import Node, Problems, did_you_mean
from streams.core.record import Record
from streams.core.timestamps import moment


class Person(msgspec.Struct, frozen=True):
    """`ids`: what the CRM calls this person. `leave`: first and last day, both away."""

    name: str
    ids: tuple[str, ...] = ()
    manager: str | None = None
    deputy: str | None = None
    leave: tuple[tuple[date, date], ...] = ()
    active: bool = True

    def away(self, day: date) -> str | None:
        """Why this person is not to be told on `day`, or None."""
        if not self.active:
            return f"{self.name} is no longer active"
        for first, last in self.leave:
            if first <= day <= last:
                return f"{self.name} is on leave from {first} to {last}"
        return None


class Choice(msgspec.Struct, frozen=True):
    """Who was found for what the path asks for, and why. Names of people, or `team:name`."""

    asked: str
    found: tuple[str, ...]
    because: str


class Directory:
    """People and teams. `zone`: where the days of a leave begin and end."""

    def __init__(
        self, people: Mapping[str, Person], teams: Mapping[str, tuple[str, ...]], fallback: str, zone: str
    ) -> None:
        self.people = people
        self.teams = teams
        self.fallback = fallback
        self._zone = ZoneInfo(zone)
        self._by_id = {key: person for person in people.values() for key in (person.name, *person.ids)}

    def notify(self, asked: str, record: Record, at: int) -> Choice:
        """The people to tell for `asked`: `owner`, `owner.manager`, `team:name` or a person."""
        if asked.startswith("team:"):
            return self._members(asked, at)
        return self._one(asked, record, at)

    def reassign(self, asked: str, record: Record, at: int) -> Choice:
        """Who gets the record. A team gets it as a whole."""
        if asked.startswith("team:"):
            return Choice(asked, (asked,), f"{asked} is a queue")
        return self._one(asked, record, at)

    def _members(self, asked: str, at: int) -> Choice:
        day = self._day(at)
        members = self.teams[asked.removeprefix("team:")]
        here = tuple(name for name in members if self.people[name].away(day) is None)
        gone = [why for name in members if (why := self.people[name].away(day))]
        if here:
            return Choice(asked, here, "; ".join([f"the members of {asked} who are there", *gone]))
        return self._fallback(asked, gone)

    def _one(self, asked: str, record: Record, at: int) -> Choice:
        name, steps = parse_recipient(asked, self.people)
        notes: list[str] = []
        if name == "owner":
            if not record.owner:
                return self._fallback(asked, [f"{record.key} has no owner"])
            name = record.owner
            notes.append(f"{name} is the owner")
        person = self._by_id.get(name)
        if person is None:
            return self._fallback(asked, [*notes, f"{name} is not in `people`"])
        for _ in range(steps):
            if person.manager is None:
                return self._fallback(asked, [*notes, f"{person.name} has no manager"])
            notes.append(f"{person.manager} is the manager of {person.name}")
            person = self.people[person.manager]
        day = self._day(at)
        for candidate, why in self._standing_in(person):
            if why:
                notes.append(why)
            gone = candidate.away(day)
            if gone is None:
                return Choice(asked, (candidate.name,), "; ".join(notes) or f"{candidate.name} is named")
            notes.append(gone)
        return self._fallback(asked, notes)

    def _standing_in(self, person: Person) -> Iterator[tuple[Person, str]]:
        """`person`, then whoever stands in, nearest first. Managers form no cycle: checked on reading."""
        yield person, ""
        while True:
            if person.deputy is not None:
                yield self.people[person.deputy], f"{person.deputy} is the deputy of {person.name}"
            if person.manager is None:
                return
            yield self.people[person.manager], f"{person.manager} is the manager of {person.name}"
            person = self.people[person.manager]

    def _fallback(self, asked: str, notes: list[str]) -> Choice:
        return Choice(
            asked, (self.fallback,), "; ".join([*notes, f"nobody found: {self.fallback} is the fallback"])
        )

    def _day(self, at: int) -> date:
        return moment(at).astimezone(self._zone).date()


def read_directory(root: Node, zone: str, problems: Problems) -> Directory:
    """People, teams and the fallback from the document. Problems are collected, not raised."""
    people: dict[str, Person] = {}
    with problems.collect():
        if node := root.get("people"):
            for name, each in node.items():
                # Stands in for one that cannot be read, so that it is not reported as missing too.
                people[name] = Person(name)
                with problems.collect():
                    people[name] = _read_person(name, each)
            for name, each in node.items():
                with problems.collect():
                    _check_person(name, each, people)
                with problems.collect():
                    _check_ids(name, each, people)
    teams: dict[str, tuple[str, ...]] = {}
    with problems.collect():
        if node := root.get("teams"):
            for name, each in node.items():
                teams[name] = ()
                with problems.collect():
                    teams[name] = tuple(
                        _known(member, people) for member in each.list(what="a list of people")
                    )
    fallback = ""
    with problems.collect():
        if not root.has("fallback"):
            root.fail(
                "there is no `fallback`",
                "Add `fallback: NAME`: who is told when nobody else is found",
                key=True,
            )
        fallback = _known(root["fallback"], people)
    return Directory(people, teams, fallback, zone)


def parse_recipient(asked: str, people: Mapping[str, Person]) -> tuple[str, int]:
    """`owner` or a person, and how many managers up from there. A name may have dots in it."""
    name, steps = asked, 0
    while name not in people and name.endswith(".manager"):
        name, steps = name.removesuffix(".manager"), steps + 1
    return name, steps


def check_recipient(node: Node, directory: Directory) -> str:
    """The recipient that a step names. Raises Problem when it can never be found."""
    asked = node.text(example="owner, owner.manager, team:NAME or a person")
    if asked.startswith("team:"):
        if asked.removeprefix("team:") not in directory.teams:
            node.fail(
                f"{asked!r} is not in `teams`",
                f"{did_you_mean(asked, (f'team:{name}' for name in directory.teams))}"
                f"Known teams: {_list(directory.teams)}",
            )
        return asked
    name, _ = parse_recipient(asked, directory.people)
    if name != "owner" and name not in directory.people:
        node.fail(
            f"{name!r} is not in `people`",
            f"{did_you_mean(asked, ('owner', 'owner.manager', *directory.people))}"
            f"Write owner, owner.manager, team:NAME or one of: {_list(directory.people)}",
        )
    return asked


def _read_person(name: str, node: Node) -> Person:
    if node.value is None:
        return Person(name)
    node.keys("id", "manager", "deputy", "leave", "active")
    ids = node.get("id")
    manager, deputy, leave, active = (node.get(key) for key in ("manager", "deputy", "leave", "active"))
    return Person(
        name,
        ids=tuple(each.text() for each in ids.one_or_many()) if ids else (),
        manager=manager.text() if manager else None,
        deputy=deputy.text() if deputy else None,
        leave=tuple(_read_leave(each) for each in leave.one_or_many()) if leave else (),
        active=active.flag() if active else True,
    )


def _read_leave(node: Node) -> tuple[date, date]:
    remedy = "Write first and last day: 2026-12-01/2026-12-14"
    first, _, last = node.text(example="2026-12-01/2026-12-14").partition("/")
    try:
        span = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        node.fail(f"{node.value!r} is not a leave", remedy)
    if span[1] < span[0]:
        node.fail(f"the leave {node.value!r} ends before it begins", remedy)
    return span


def _check_person(name: str, node: Node, people: Mapping[str, Person]) -> None:
    for key in ("manager", "deputy"):
        if isinstance(node.value, dict) and (each := node.get(key)):
            _known(each, people)
    chain = [name]
    while (person := people.get(chain[-1])) and person.manager is not None:
        if person.manager in chain:
            # Once for each circle, at the first of its members.
            if person.manager == name == next(each for each in people if each in chain):
                circle = " -> ".join([*chain, name])
                node["manager"].fail(
                    f"managers form a circle: {circle}", "Give one of them another manager, or none"
                )
            return
        chain.append(person.manager)


def _check_ids(name: str, node: Node, people: Mapping[str, Person]) -> None:
    for other in people.values():
        if other.name == name:
            # Whoever comes later is the one to be told.
            return
        if shared := {other.name, *other.ids} & {name, *people[name].ids}:
            node.fail(f"{min(shared)!r} names {other.name} already", "Give each person ids of their own")


def _known(node: Node, people: Mapping[str, Person]) -> str:
    name = node.text(example="the name of a person")
    if name not in people:
        node.fail(
            f"{name!r} is not in `people`", f"{did_you_mean(name, people)}Write one of: {_list(people)}"
        )
    return name


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none yet"
