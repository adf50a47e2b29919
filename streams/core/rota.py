"""The `rotas` of a configuration: who is on call at a moment.

    support:
      people: [anna, bert, carla]
      start: 2026-01-05                 # anna's first turn begins
      handover: mon 09:00               # midnight, unless it is given
      length: week                      # which is the default; or: day, 3 days, 2 weeks
      only: office                      # a calendar, or windows: {mon-fri: "18:00-24:00"}
      overrides: [{from: 2026-12-24 09:00, to: 2026-12-26, person: carla}]

One person who is always on call needs `people` alone. In place of people and turns there may be
`layers`, a list of such: where one has nobody, the next is asked. An override comes before all of
them, whatever their hours; the last of its days is in it, the time at which it ends is not.

Times are those of the clocks in the rota's zone. A turn or an override begins when they first show its
time or a later one: once, also on days on which the clocks change. Who takes over at a moment has it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from streams.core.calendar import ALWAYS, Calendar
from streams.core.calendars import read_calendar, read_zone
from streams.core.document import Node, Problem, Problems, did_you_mean
from streams.core.timestamps import micros, moment

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HANDOVER = re.compile(rf"(?:({'|'.join(_WEEKDAYS)})\s+)?([01]?\d|2[0-3]):([0-5]\d)")
_LENGTH = re.compile(r"(?:([1-9]\d{0,2})\s*)?(d|days?|w|weeks?)")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}))?")
_YEARS: Final = range(1970, 2200)
_DAY: Final = timedelta(days=1)


class Turns(msgspec.Struct, frozen=True):
    """When people hand over: at `first`, by the local clock, and every so many `days` from then on."""

    first: datetime
    days: int


class Layer(msgspec.Struct, frozen=True):
    """`people` in the order of their `turns`; without turns, the first of them. On call in `hours` only."""

    name: str
    people: tuple[str, ...]
    turns: Turns | None = None
    hours: Calendar | None = None


class Override(msgspec.Struct, frozen=True):
    """`person` is on call from `start` until `end`, by the local clock."""

    start: datetime
    end: datetime
    person: str


class Rota:
    """Who is on call. Immutable. `overrides` do not overlap."""

    def __init__(
        self, name: str, zone: str, layers: Sequence[Layer], overrides: Sequence[Override] = ()
    ) -> None:
        self.name = name
        self._zone = ZoneInfo(zone)
        self._layers = layers
        self._overrides = overrides

    def on_call(self, at: int) -> tuple[str | None, str]:
        """Who is on call at `at`, and why: None when nobody is."""
        passed: list[str] = []
        for person, because in self.slots(at):
            passed.append(because)
            if person is not None:
                return person, "; ".join(passed)
        return None, "; ".join(passed)

    def slots(self, at: int) -> Iterator[tuple[str | None, str]]:
        """Everybody who is on call at `at`, whom to ask first first, and why: None for an empty layer."""
        clock = _Clock(at, moment(at).astimezone(self._zone))
        for each in self._overrides:
            if clock.reached(each.start) and not clock.reached(each.end):
                span = f"from {_written(each.start)} to {_written(each.end)}"
                yield each.person, f"{each.person} is on call in {self.name} by an override {span}"
        for layer in self._layers:
            yield _turn(layer, clock)


class _Clock(NamedTuple):
    """A moment, and what the clocks show then."""

    at: int
    local: datetime

    def reached(self, wall: datetime) -> bool:
        """Whether the clocks have shown `wall`, or a later time, by now."""
        if self.local.replace(tzinfo=None) >= wall:
            return True
        # In the hour that is shown twice the clocks have already been further.
        return bool(self.local.fold) and micros(wall.replace(tzinfo=self.local.tzinfo)) <= self.at


def _turn(layer: Layer, clock: _Clock) -> tuple[str | None, str]:
    if layer.hours is not None and not layer.hours.is_open(clock.at):
        return None, f"nobody is on call in {layer.name} at this hour"
    if layer.turns is None:
        return layer.people[0], f"{layer.people[0]} is on call in {layer.name}"
    first, days = layer.turns.first, layer.turns.days
    number = (clock.local.date() - first.date()).days // days
    if clock.reached(first + (number + 1) * days * _DAY):
        # The clocks went back over midnight.
        number += 1
    elif not clock.reached(first + number * days * _DAY):
        number -= 1
    if number < 0:
        return None, f"nobody is on call in {layer.name} before {_written(first)}"
    person = layer.people[number % len(layer.people)]
    start = first + number * days * _DAY
    span = f"from {_written(start)} to {_written(start + days * _DAY)}"
    return person, f"{person} is on call in {layer.name} {span}"


def _written(wall: datetime) -> str:
    return wall.isoformat(" ", "minutes")


def read_rotas(
    root: Node, zone: str, read_person: Callable[[Node], str], problems: Problems
) -> dict[str, Rota]:
    """The rotas of a document, by name; `zone` holds where a rota names none.

    read_person: reads the name of somebody in `people`, or raises Problem.
    """
    rotas: dict[str, Rota] = {}
    with problems.collect():
        if node := root.get("rotas"):
            for name, each in node.items():
                # Stands in for one that cannot be read, so that it is not reported as missing too.
                rotas[name] = Rota(name, zone, ())
                with problems.collect():
                    rotas[name] = _Reader(name, each, root, zone, read_person, problems).read()
    return rotas


_LAYER_KEYS: Final = ("people", "start", "handover", "length", "only")


class _Reader:
    """Reads one rota. What is wrong in one part does not hide what is wrong in another."""

    def __init__(
        self,
        name: str,
        node: Node,
        root: Node,
        zone: str,
        read_person: Callable[[Node], str],
        problems: Problems,
    ) -> None:
        self._name = name
        self._node = node
        self._root = root
        self._read_person = read_person
        self._problems = problems
        self._default_zone = self._zone = zone

    def read(self) -> Rota:
        node = self._node
        node.keys(*_LAYER_KEYS, "zone", "layers", "overrides")
        with self._problems.collect():
            if zone := node.get("zone"):
                self._zone = read_zone(zone)
        layers: list[Layer] = []
        with self._problems.collect():
            if node.has("layers"):
                layers = self._read_layers(node["layers"])
            else:
                layers = [self._read_layer(self._name, node)]
        overrides: list[Override] = []
        with self._problems.collect():
            if listed := node.get("overrides"):
                for each in listed.list(what="a list of overrides"):
                    with self._problems.collect():
                        overrides.append(self._read_override(each, overrides))
        return Rota(self._name, self._zone, layers, overrides)

    def _read_layers(self, node: Node) -> list[Layer]:
        for key in _LAYER_KEYS:
            if self._node.has(key):
                self._node[key].fail(f"{key!r} stands beside `layers`", "Write it in each layer", key=True)
        layers: list[Layer] = []
        for number, each in enumerate(node.list(what="a list of layers"), 1):
            with self._problems.collect():
                each.keys(*_LAYER_KEYS)
                layers.append(self._read_layer(f"layer {number} of {self._name}", each))
        if not node.value:
            node.fail(f"the rota {self._name!r} has no layers", "Write at least one: - people: [NAME, NAME]")
        return layers

    def _read_layer(self, name: str, node: Node) -> Layer:
        listed = node.get("people")
        if listed is None or listed.value == []:
            node.fail(f"{name} has no people", "Add a line `people: [NAME, NAME]`", key=True)
        people: list[str] = []
        for each in listed.one_or_many():
            with self._problems.collect():
                people.append(self._read_person(each))
        hours, turns = None, None
        with self._problems.collect():
            if only := node.get("only"):
                hours = self._read_hours(only)
        with self._problems.collect():
            turns = _read_turns(
                name, node, alone=not isinstance(listed.value, list) or len(listed.value) == 1
            )
        return Layer(name, tuple(people), turns, hours)

    def _read_hours(self, node: Node) -> Calendar:
        if isinstance(node.value, dict):
            try:
                return read_calendar(Node({"open": node.value}, node.position), self._zone)
            except Problem as problem:
                # In the document the windows stand without the word `open`.
                rest = problem.position[len(node.position) + 1 :]
                position = (*node.position, *rest)
                raise Problem(position, problem.message, problem.remedy, key=problem.key) from None
        name = node.text(example='the name of a calendar, or windows: {mon-fri: "18:00-24:00"}')
        calendars = self._root.get("calendars") or Node({})
        if not calendars.has(name):
            known = calendars.value if isinstance(calendars.value, dict) else ()
            listed = ", ".join(map(str, known)) or "none yet"
            node.fail(f"there is no calendar {name!r}", f"{did_you_mean(name, known)}Known: {listed}")
        # What is wrong with a calendar is told by who reads all of them.
        with suppress(Problem):
            return read_calendar(calendars[name], self._default_zone)
        return ALWAYS

    def _read_override(self, node: Node, others: Sequence[Override]) -> Override:
        node.keys(required=("from", "to", "person"))
        start, end = _read_moment(node["from"], 0), _read_moment(node["to"], 1)
        person = self._read_person(node["person"])
        if end <= start:
            node["to"].fail(
                f"the override ends at {_written(end)}, but begins at {_written(start)}",
                "Let it end after it begins",
            )
        for other in others:
            if start < other.end and other.start < end:
                span = f"{_written(other.start)} to {_written(other.end)}"
                node.fail(
                    f"the override overlaps that of {other.person} from {span}",
                    "Let one end where the other begins",
                )
        return Override(start, end, person)


def _read_turns(name: str, node: Node, *, alone: bool) -> Turns | None:
    start, handover, length = (node.get(key) for key in ("start", "handover", "length"))
    if start is None:
        if alone and not (handover or length):
            return None
        node.fail(
            f"{name} has no `start`", "Add the day on which the first turn begins: 2026-01-05", key=True
        )
    first = _read_moment(start, 0)
    if first.time() != time():
        start.fail(f"{start.value!r} is no day", "Write the day alone, and the time in `handover: 09:00`")
    days = _read_length(length) if length else 7
    if handover is None:
        return Turns(first, days)
    weekday, at = _read_handover(handover)
    if weekday is not None and days % 7:
        handover.fail(
            f"turns of {days} days do not always begin on a {_WEEKDAYS[weekday]}",
            f"Write the time alone: {at:%H:%M}, or turns of whole weeks: `length: week`",
        )
    if weekday not in (None, first.weekday()):
        earlier = first - (first.weekday() - weekday) % 7 * _DAY
        start.fail(
            f"{first:%Y-%m-%d} is a {_WEEKDAYS[first.weekday()]}, but turns begin on a {_WEEKDAYS[weekday]}",
            f"Write {earlier:%Y-%m-%d}, or another day in `handover`",
        )
    return Turns(datetime.combine(first, at), days)


def _read_length(node: Node) -> int:
    match = _LENGTH.fullmatch(node.text(example="day, week, 3 days or 2 weeks"))
    if match is None:
        node.fail(f"{node.value!r} is no length of a turn", "Write day, week, 3 days or 2 weeks")
    return int(match[1] or 1) * (7 if match[2].startswith("w") else 1)


def _read_handover(node: Node) -> tuple[int | None, time]:
    match = _HANDOVER.fullmatch(node.text(example="mon 09:00 or 09:00"))
    if match is None:
        node.fail(f"{node.value!r} is no time to hand over", "Write mon 09:00, or 09:00 without a weekday")
    return _WEEKDAYS.index(match[1]) if match[1] else None, time(int(match[2]), int(match[3]))


def _read_moment(node: Node, whole_days: int) -> datetime:
    """What the local clock shows; of a day alone its midnight, `whole_days` later."""
    match = _MOMENT.fullmatch(node.text(example="a day, or a day with a time: 2026-12-24 09:00"))
    try:
        if match is None:
            raise ValueError
        day = date.fromisoformat(match[1])
        if day.year not in _YEARS:
            raise ValueError
        if match[2]:
            return datetime.combine(day, time.fromisoformat(match[2]))
        return datetime.combine(day, time()) + whole_days * _DAY
    except ValueError:
        node.fail(f"{node.value!r} is no moment", "Write 2026-12-24, or with a time 2026-12-24 09:00")
