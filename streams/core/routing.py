"""Who is told, and who gets the record: decided when a step is due, with the reason.

    owner               the record's owner
    anna                a person, by name
    field:NAME          the person whom a field of the record names
    role:NAME           who holds a role: in order of preference, or by segment of the record
    oncall:NAME         who is on call in a rota
    team:NAME           all members who are there; as the target of `reassign`, the team as a whole
    ....manager         the manager of any but a team; `owner.manager.manager` is one further up

Where several are named in order, the first who is there is taken. When none of them is, their deputies
stand in, then their managers, then their managers' deputies and so on. When nobody is found, it is the
fallback, and the reason says so.

People are those in the configuration and those in a table that a feed brings, under their key there.
Whoever is written in the configuration is as it says, whatever the table has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import date
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from streams.core.document import Node, Problems, did_you_mean
from streams.core.record import Record
from streams.core.rota import Rota, read_rotas
from streams.core.tables import Tables, text
from streams.core.timestamps import MINUTE, from_rfc3339, moment

_SECTIONS: Final = {"team": "teams", "role": "roles", "oncall": "rotas"}
_QUARTER: Final = 15 * MINUTE
_TABLE: Final = "from"
"""The key of `people` that names a table: no person's name."""

COLUMNS: Final = ("name", "manager", "deputy", "active", "away", "away_from", "away_until")
"""What a table can say of people."""


class Person(msgspec.Struct, frozen=True):
    """`ids`: what the CRM calls this person. `leave`: first and last day, both away.

    manager, deputy: a name of the configuration; of a person out of a table, their key there.
    """

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
                since = "" if first == date.min else f" from {first}"
                until = "" if last == date.max else f" to {last}"
                return f"{self.name} is on leave{since}{until}"
        return None


class Role(msgspec.Struct, frozen=True):
    """Who holds a role, in order of preference: of `segments` by the record's `by`, else `otherwise`."""

    name: str
    otherwise: tuple[str, ...]
    by: str | None = None
    segments: Mapping[str, tuple[str, ...]] = {}

    def holders(self, record: Record) -> Iterator[tuple[str, str]]:
        """Each of them, and why."""
        names, where = self.otherwise, ""
        if self.by is not None:
            value = text(record.fact(self.by))
            names = self.segments.get(value, self.otherwise)
            known = f" for {self.by} {value}" if value else f" where no {self.by} is known"
            where = known if value in self.segments else f"{known}, as for any other"
        for number, name in enumerate(names):
            after = f" after {names[number - 1]}" if number else ""
            yield name, f"{name} is the {self.name}{where}{after}"


class Choice(msgspec.Struct, frozen=True):
    """Who was found for what the path asks for, and why. Names of people, or `team:name`.

    found: empty where the record is to stay with whom it is. fallback: nobody else was found.
    """

    asked: str
    found: tuple[str, ...]
    because: str
    fallback: bool = False


class Recipient(msgspec.Struct, frozen=True):
    """What a step asks for: `kind` is team, role, oncall, field or person; then so many managers up."""

    kind: str
    name: str
    levels: int = 0


class Directory:
    """People, and what leads to them. `zone`: where the days of a leave begin and end. `table`: the one
    that has people, too, or None; they are known once `among` has said where it is."""

    def __init__(
        self,
        people: Mapping[str, Person],
        teams: Mapping[str, tuple[str, ...]],
        roles: Mapping[str, Role],
        rotas: Mapping[str, Rota],
        fallback: str,
        zone: str,
        table: str | None = None,
    ) -> None:
        self.people = people
        self.table = table
        self._tables = Tables()
        self.teams = teams
        self.roles = roles
        self.rotas = rotas
        self.fallback = fallback
        self._zone = ZoneInfo(zone)
        self._by_id = {key: person for person in people.values() for key in (person.name, *person.ids)}
        self.named: Mapping[str, Mapping[str, object]] = {
            "person": people,
            "team": teams,
            "role": roles,
            "oncall": rotas,
        }
        self._parsed: dict[str, Recipient] = {}

    def among(self, tables: Tables) -> "Directory":
        """The same, with the people in `tables` as they are there at each moment."""
        directory = copy(self)
        directory._tables = tables
        return directory

    def notify(self, asked: str, record: Record, at: int) -> Choice:
        """The people to tell: always somebody."""
        choice = self._choose(asked, record, at)
        if choice.fallback and (gone := self._fallback_away(at)):
            because = f"{choice.because}; {gone}, but is told all the same"
            return msgspec.structs.replace(choice, because=because)
        return choice

    def reassign(self, asked: str, record: Record, at: int) -> Choice:
        """Who gets the record: a person, or a team as a whole; nobody if it is to stay where it is.

        It stays when its owner is the one to get it, and when nobody is there, not even the fallback.
        """
        if self.parse(asked).kind == "team":
            return Choice(asked, (asked,), f"{asked} is a queue")
        choice = self._choose(asked, record, at)
        if choice.fallback and (gone := self._fallback_away(at)):
            because = f"{choice.because}; {gone}, so that {record.key} stays where it is"
            return msgspec.structs.replace(choice, found=(), because=because)
        owner = self._person(record.owner or "", at)
        if owner is not None and choice.found == (owner.name,):
            because = f"{choice.because}; {owner.name} has {record.key} already"
            return msgspec.structs.replace(choice, found=(), because=because)
        return choice

    def parse(self, asked: str) -> Recipient:
        """What `asked` means. A name may have dots in it, and end in `.manager`."""
        recipient = self._parsed.get(asked)
        if recipient is None:
            recipient = _recipient(asked, 0)
            rest = asked
            while recipient.name not in self.named.get(recipient.kind, ()) and rest.endswith(".manager"):
                rest = rest.removesuffix(".manager")
                recipient = _recipient(rest, recipient.levels + 1)
            self._parsed[asked] = recipient
        return recipient

    def fact(self, asked: str) -> str | None:
        """The field of a record that decides who is found for `asked`, if any does."""
        recipient = self.parse(asked)
        if recipient.kind == "field":
            return recipient.name
        return self.roles[recipient.name].by if recipient.kind == "role" else None

    def _choose(self, asked: str, record: Record, at: int) -> Choice:
        recipient = self.parse(asked)
        day = _day(self._zone, at // _QUARTER)
        notes: list[str] = []
        away: list[Person] = []
        if recipient.kind == "team":
            away = [self.people[name] for name in self.teams[recipient.name]]
            here = tuple(person.name for person in away if person.away(day) is None)
            notes = [why for person in away if (why := person.away(day))]
            if here:
                return Choice(asked, here, "; ".join([f"the members of {asked} who are there", *notes]))
            if not away:
                notes.append(f"{asked} has no members")
        else:
            for person, why in self._candidates(recipient, record, at):
                if why:
                    notes.append(why)
                if person is not None:
                    gone = person.away(day)
                    if gone is None:
                        return Choice(asked, (person.name,), "; ".join(notes) or f"{person.name} is named")
                    notes.append(gone)
                    away.append(person)
        for person, why in self._standing_in(away, at):
            notes.append(why)
            gone = person.away(day)
            if gone is None:
                return Choice(asked, (person.name,), "; ".join(notes))
            notes.append(gone)
        notes.append(f"nobody found: {self.fallback} is the fallback")
        return Choice(asked, (self.fallback,), "; ".join(notes), fallback=True)

    def _candidates(
        self, recipient: Recipient, record: Record, at: int
    ) -> Iterator[tuple[Person | None, str]]:
        """Who is meant, best first, and why; None where that leads to nobody."""
        for name, why in self._names(recipient, record, at):
            notes = [why] if why else []
            person = None if name is None else self._person(name, at)
            if name is not None and person is None:
                notes.append(self._unknown(name))
            for _ in range(recipient.levels):
                if person is None:
                    break
                if person.manager is None:
                    notes.append(f"{person.name} has no manager")
                    person = None
                elif (manager := self._person(person.manager, at)) is None:
                    notes.append(f"the manager of {person.name}: {self._unknown(person.manager)}")
                    person = None
                else:
                    notes.append(f"{manager.name} is the manager of {person.name}")
                    person = manager
            yield person, "; ".join(notes)

    def _person(self, key: str, at: int) -> Person | None:
        """Whom a name or an id means at a moment."""
        person = self._by_id.get(key)
        if person is not None or self.table is None:
            return person
        row = self._tables.find(self.table, key, at)
        return None if row is None else self.people.get(text(row.get("name"))) or self._read_row(key, row)

    def _read_row(self, key: str, row: Mapping[str, Any]) -> Person:
        leave: tuple[tuple[date, date], ...] = ()
        if row.get("away"):
            leave = ((date.min, date.max),)
        elif row.get("away_from") or row.get("away_until"):
            first, last = (row.get(name) for name in ("away_from", "away_until"))
            leave = ((self._day(first) if first else date.min, self._day(last) if last else date.max),)
        return Person(
            text(row.get("name")) or key,
            ids=(key,),
            manager=text(row.get("manager")) or None,
            deputy=text(row.get("deputy")) or None,
            leave=leave,
            active=row.get("active") is not False,
        )

    def _day(self, written: str) -> date:
        return _day(self._zone, from_rfc3339(written) // _QUARTER)

    def _unknown(self, name: str) -> str:
        table = "" if self.table is None else f" nor in the table {self.table}"
        return f"{name} is not in `people`{table}"

    def _names(self, recipient: Recipient, record: Record, at: int) -> Iterator[tuple[str | None, str]]:
        name = recipient.name
        match recipient.kind:
            case "field":
                value = text(record.fact(name))
                yield (value, f"{value} is the {name}") if value else (None, f"{record.key} has no {name}")
            case "role":
                yield from self.roles[name].holders(record)
            case "oncall":
                yield from self.rotas[name].slots(at)
            case _:
                yield name, ""

    def _standing_in(self, away: Sequence[Person], at: int) -> Iterator[tuple[Person, str]]:
        """Whoever stands in for people who are `away`, each once, nearest first, and why.

        In the configuration managers form no circle, but in a table they may, as deputies may anywhere.
        """
        seen = set(away)
        for person in away:
            climbed: set[Person] = set()
            manager: Person | None = person
            while manager is not None and manager not in climbed:
                person = manager
                climbed.add(person)
                absent = person
                while (deputy := self._named(absent.deputy, at)) is not None and deputy not in seen:
                    seen.add(deputy)
                    yield deputy, f"{deputy.name} is the deputy of {absent.name}"
                    absent = deputy
                manager = self._named(person.manager, at)
                if manager is not None and manager not in seen:
                    seen.add(manager)
                    yield manager, f"{manager.name} is the manager of {person.name}"

    def _named(self, key: str | None, at: int) -> Person | None:
        return None if key is None else self._person(key, at)

    def _fallback_away(self, at: int) -> str | None:
        return self.people[self.fallback].away(_day(self._zone, at // _QUARTER))


@lru_cache(maxsize=1 << 12)
def _day(zone: ZoneInfo, quarter: int) -> date:
    """The local day of a quarter of an hour since 1970; since 2011 no zone's days begin between quarters."""
    return moment(quarter * _QUARTER).astimezone(zone).date()


def _recipient(text: str, levels: int) -> Recipient:
    if text == "owner":
        return Recipient("field", "owner", levels)
    prefix, colon, name = text.partition(":")
    if colon and (prefix == "field" or prefix in _SECTIONS):
        return Recipient(prefix, name, levels)
    return Recipient("person", text, levels)


def check_recipient(node: Node, directory: Directory) -> str:
    """The recipient that a step names. Raises Problem when it can never be found."""
    asked = node.text(example="owner, owner.manager, team:NAME or a person")
    recipient = directory.parse(asked)
    kind, name, known = recipient.kind, recipient.name, directory.named.get(recipient.kind, {})
    if kind == "field":
        if not name:
            node.fail(f"{asked!r} names no field", "Write the field that names a person: field:NAME")
    elif name not in known:
        if kind == "person":
            forms = ("owner", "owner.manager", *known, *_prefixed(directory, *_SECTIONS))
            kinds = ["team:NAME", *(f"{each}:NAME" for each in ("role", "oncall") if directory.named[each])]
            node.fail(
                f"{name!r} is not in `people`",
                f"{did_you_mean(name, forms)}"
                f"Write owner, owner.manager, {', '.join(kinds)} or one of: {_list(known)}",
            )
        section, named = _SECTIONS[kind], f"{kind}:{name}"
        node.fail(
            f"{named!r} is not in `{section}`",
            f"{did_you_mean(named, _prefixed(directory, kind))}Known {section}: {_list(known)}",
        )
    if kind == "team" and recipient.levels:
        node.fail(f"{asked!r}: a team has no manager", "Name the person, or a role: role:NAME")
    return asked


def _prefixed(directory: Directory, *kinds: str) -> Iterator[str]:
    return (f"{kind}:{name}" for kind in kinds for name in directory.named[kind])


def read_directory(root: Node, zone: str, problems: Problems) -> Directory:
    """People, teams, roles, rotas and the fallback from the document. Problems are collected, not raised."""
    people = _read_people(root, problems)
    table = None
    with problems.collect():
        if (listed := root.get("people")) and listed.has(_TABLE):
            table = _read_table(listed[_TABLE])

    def read_person(node: Node) -> str:
        return _known(node, people)

    teams: dict[str, tuple[str, ...]] = {}
    with problems.collect():
        if node := root.get("teams"):
            for name, each in node.items():
                # Stands in for one that cannot be read, so that it is not reported as missing too.
                teams[name] = ()
                with problems.collect():
                    teams[name] = _read_names(each.list(what="a list of people"), people, problems)
    roles: dict[str, Role] = {}
    with problems.collect():
        if node := root.get("roles"):
            for name, each in node.items():
                roles[name] = Role(name, ())
                with problems.collect():
                    roles[name] = _read_role(name, each, people, problems)
    rotas = read_rotas(root, zone, read_person, problems)
    fallback = ""
    with problems.collect():
        if not root.has("fallback"):
            root.fail(
                "there is no `fallback`",
                "Add `fallback: NAME`: who is told when nobody else is found",
                key=True,
            )
        fallback = read_person(root["fallback"])
    return Directory(people, teams, roles, rotas, fallback, zone, table)


def _read_people(root: Node, problems: Problems) -> dict[str, Person]:
    people: dict[str, Person] = {}
    with problems.collect():
        if node := root.get("people"):
            written = [(name, each) for name, each in node.items() if name != _TABLE]
            for name, each in written:
                # Stands in for one that cannot be read, so that it is not reported as missing too.
                people[name] = Person(name)
                with problems.collect():
                    people[name] = _read_person(name, each)
            taken: dict[str, str] = {}
            for name, each in written:
                for key in ("manager", "deputy"):
                    with problems.collect():
                        if isinstance(each.value, dict) and (other := each.get(key)):
                            _known(other, people)
                with problems.collect():
                    _check_managers(name, each, people)
                with problems.collect():
                    _check_ids(people[name], each, taken)
    return people


def _read_table(node: Node) -> str:
    if not isinstance(node.value, str):
        node.fail(
            "`from` names a table that has people, and nobody can be called so",
            "Write the table that a feed brings, `from: users`, or take another name",
        )
    return node.text(example="the name of a table")


def _read_person(name: str, node: Node) -> Person:
    if _recipient(name, 0).kind != "person":
        node.fail(
            f"{name!r} cannot be the name of a person",
            "Take another: owner, team:..., role:..., oncall:... and field:... mean something else",
            key=True,
        )
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


def _read_role(name: str, node: Node, people: Mapping[str, Person], problems: Problems) -> Role:
    if not isinstance(node.value, dict):
        return Role(name, _read_holders(node, people, problems))
    by, otherwise = node.get("by"), node.get("else")
    if by is None:
        node.fail(
            f"the role {name!r} does not say by which field",
            "Add a line `by: FIELD` above its values",
            key=True,
        )
    field = by.text(example="the name of a field")
    if otherwise is None:
        node.fail(
            f"the role {name!r} has no `else`",
            f"Add a line `else: NAME`: who it is for any other {field}",
            key=True,
        )
    return Role(
        name,
        _read_holders(otherwise, people, problems),
        field,
        {
            value: _read_holders(each, people, problems)
            for value, each in node.items()
            if value not in ("by", "else")
        },
    )


def _read_holders(node: Node, people: Mapping[str, Person], problems: Problems) -> tuple[str, ...]:
    if node.value == []:
        with problems.collect():
            node.fail(f"nobody is named for {node.name!r}", "Write a name, or a list of them, best first")
    return _read_names(node.one_or_many(), people, problems)


def _read_names(nodes: Iterable[Node], people: Mapping[str, Person], problems: Problems) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for each in nodes:
        with problems.collect():
            names[_known(each, people)] = None
    return tuple(names)


def _check_managers(name: str, node: Node, people: Mapping[str, Person]) -> None:
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


def _check_ids(person: Person, node: Node, taken: dict[str, str]) -> None:
    """Whoever comes later is the one to be told."""
    keys = sorted({person.name, *person.ids})
    shared = next((key for key in keys if key in taken), None)
    for key in keys:
        taken.setdefault(key, person.name)
    if shared is not None:
        node.fail(f"{shared!r} names {taken[shared]} already", "Give each person ids of their own")


def _known(node: Node, people: Mapping[str, Person]) -> str:
    name = node.text(example="the name of a person")
    if name not in people:
        node.fail(
            f"{name!r} is not in `people`", f"{did_you_mean(name, people)}Write one of: {_list(people)}"
        )
    return name


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none yet"
