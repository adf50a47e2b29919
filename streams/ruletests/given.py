"""What happens in a test: the lines of `given`, as entries of the log.

- ticket:1: {owner: anna, stage: open}                       # a change; `at` is that of the line before
- {at: +1h, ticket:1: touched, by: customer, said: I want to cancel}
- {at: +2h, ticket:1: deleted}
- {at: +3h, ticket:2: {stage: open}, snapshot: true}         # read so; nobody did anything
- {at: +4h, acknowledge: ticket:1, by: anna, until: +2d}     # or snooze, noise, reopen; one `path`
- {feed: tickets, row: {id: 1, changed: 02.03.2026 09:00, status: open}}
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import msgspec
import orjson

from streams.config import Config
from streams.core import customers
from streams.core.document import Node, did_you_mean
from streams.core.entries import MOST_TEXT, Author, Change, Command, Deed, Happened, Reference, Said, Source
from streams.core.record import MOMENTS
from streams.core.timestamps import micros, moment, rfc3339
from streams.feeds import Message, PassedOver, Undecodable
from streams.ruletests.kinds import Kind
from streams.ruletests.moments import Clock

Entries = list[Happened]

DEEDS: tuple[Deed, ...] = get_args(Deed)
AUTHORS: tuple[Author, ...] = get_args(Author)
STATUSES = ("open", "paused", "closed")
_BESIDE = ("at", "by", "said", "snapshot", "path", "until", "feed")
_TOPIC = "tests"


class Given:
    """Reads lines, one after the other. at: the moment of the latest. customers: by the records that
    there are, whose each is; None where that was not told."""

    def __init__(self, config: Config, kinds: Mapping[str, Kind], clock: Clock) -> None:
        assert clock.start is not None
        self.at = clock.start
        self.entries: Entries = []
        self.records: dict[str, str | None] = {}
        self._config = config
        self._kinds = kinds
        self._clock = clock
        self._paths = [path.name for path in config.rules.paths]
        self._with_customers = any(path.about == customers.KIND for path in config.rules.paths)

    def read(self, node: Node) -> None:
        """Add what one line says to `entries`. Raises Problem."""
        keys = [key for key, _ in node.items()]
        heads = [key for key in keys if ":" in key or key in DEEDS or key == "row"]
        if len(heads) > 1:
            node[heads[1]].fail(
                f"this line has {' and '.join(map(repr, heads))}", "Write a line for each", key=True
            )
        if not heads:
            node.keys("KIND:ID", "row", *DEEDS, *_BESIDE)
            node.fail(
                "nothing happens in this line",
                "Write a record with its fields, `ticket:1: {stage: open}`, or `acknowledge: ticket:1`",
            )
        (head,) = heads
        if head == "row":
            self._row(node)
        elif head in DEEDS:
            self._command(node, next(deed for deed in DEEDS if deed == head))
        else:
            self._change(node, head)

    def known(self, node: Node) -> str:
        """The record that `node` names, which must be there. Raises Problem."""
        record = node.text(example="a record such as ticket:1")
        if record not in self.records:
            known = ", ".join(self.records) or "none yet"
            node.fail(
                f"nothing is known of {record!r} here", f"{did_you_mean(record, self.records)}Known: {known}"
            )
        return record

    def _time(self, node: Node) -> None:
        if node.has("at"):
            self._move(node["at"], self._clock.read(node["at"]))

    def _move(self, node: Node, at: int) -> None:
        if at < self.at:
            node.fail(
                f"time runs backwards: this is {self._clock.show(at)}, after {self._clock.show(self.at)}",
                "Write the lines in the order in which things happen, from the test's `at` on",
            )
        self.at = at

    def _change(self, node: Node, record: str) -> None:
        node.keys("at", "by", "said", "snapshot", required=(record,))
        self._time(node)
        name, _, number = record.partition(":")
        if name not in self._kinds or not number:
            remedy = f"{did_you_mean(name, self._kinds)}Kinds there are: {', '.join(self._kinds)}"
            node[record].fail(f"no feed brings records such as {record!r}", remedy, key=True)
        kind = self._kinds[name]
        snapshot, said, by = node.get("snapshot"), node.get("said"), node.get("by")
        op: Literal["upsert", "refresh", "delete"] = "refresh" if snapshot and snapshot.flag() else "upsert"
        fields: dict[str, Any] = {}
        body = node[record]
        if isinstance(body.value, dict):
            fields = self._fields(body, kind)
        elif body.choice("touched", "deleted") == "deleted":
            op = "delete"
        if op != "upsert" and (said or body.value == "touched"):
            node.fail(
                f"nobody says or touches anything when a record is {'deleted' if op == 'delete' else 'read'}",
                "Write a line for each",
            )
        feeds = " or ".join(kind.feeds)
        for each, fact, what in ((said, "heard", "what is said about"), (by, "by", "who has changed")):
            if each is not None and fact not in kind.facts:
                each.fail(
                    f"no feed brings {what} a {name}",
                    f"Take it out, or map `{each.name}` under `record` of the feed: {feeds}",
                    key=True,
                )
        self._add(
            Change(
                record=record,
                op=op,
                at=moment(self.at),
                feed=kind.feeds[0],
                source=Source(_TOPIC, 0, len(self.entries)),
                by=_author(by) if by else None,
                fields=kind.derived(fields),
                said=_said(said) if said else None,
            )
        )

    def _add(self, change: Change) -> None:
        customer = change.fields.get("customer", self.records.get(change.record))
        self.records[change.record] = customer
        self.entries.append(change)
        if self._with_customers:
            # A feed's rows have the customer each time; a test says it once.
            fields = {**change.fields, "customer": customer}
            if of := customers.of(msgspec.structs.replace(change, fields=fields)):
                self.records.setdefault(of.record, None)
                self.entries.append(of)

    def _command(self, node: Node, deed: Deed) -> None:
        node.keys("at", "path", "until", required=(deed, "by"))
        self._time(node)
        until, path = node.get("until"), node.get("path")
        if until is None and deed == "snooze":
            node.fail(
                "a snooze needs a moment at which it ends", "Add `until: +2d`, counted from the beginning"
            )
        if until is not None and deed in ("noise", "reopen"):
            until.fail(f"{deed!r} does not end by itself", "Take `until` out", key=True)
        ends = self._clock.read(until) if until else None
        if until is not None and ends is not None and ends <= self.at:
            until.fail("it would end before it begins", "An offset counts from the test's `at`, as all do")
        self.entries.append(
            Command(
                id=f"{_TOPIC}-{len(self.entries)}",
                record=self.known(node[deed]),
                path=read_path(path, self._paths) if path else None,
                do=deed,
                by=node["by"].text(example="a name"),
                at=moment(self.at),
                until=moment(ends) if ends is not None else None,
            )
        )

    def _row(self, node: Node) -> None:
        node.keys(required=("feed", "row"))
        feed = self._config.feeds.get(node["feed"].text(example="the name of a feed"))
        if feed is None:
            known = self._config.feeds
            node["feed"].fail(
                f"there is no feed {node['feed'].value!r}",
                f"{did_you_mean(str(node['feed'].value), known)}Known: {', '.join(known)}",
            )
        if feed.rows is None:
            node["row"].fail(
                f"messages of {feed.name!r} are no rows of text", "Write the record with its fields", key=True
            )
        row = {column: None if each.value is None else each.text() for column, each in node["row"].items()}
        message = Message(feed.topic, 0, len(self.entries), None, orjson.dumps(row))
        try:
            changes = feed.decode(message)
        except Undecodable as error:
            node["row"].fail(str(error), "The mapping of the feed says which columns there are", key=True)
        if isinstance(changes, PassedOver):
            node["row"].fail(f"it is passed over: {changes.reason}", "Write a row that is a change", key=True)
        for each in changes:
            if isinstance(each, Reference):
                self.entries.append(each)
                continue
            self._move(node["row"], micros(each.at))
            self.records[each.record] = each.fields.get("customer", self.records.get(each.record))
            self.entries.append(each)

    def _fields(self, node: Node, kind: Kind) -> dict[str, Any]:
        if not node.value:
            node.fail(
                "no field is changed here", "Write `touched` for a change that leaves all fields as they are"
            )
        fields: dict[str, Any] = {}
        for name, each in node.items():
            if source := kind.sources.get(name):
                each.fail(
                    f"{name!r} follows from the {source}",
                    f"Take it out: the feed says it by the {source}",
                    key=True,
                )
            if name not in kind.fields:
                known = sorted(kind.fields - kind.sources.keys())
                each.fail(
                    f"no feed brings a field {name!r} of a {kind.name}",
                    f"{did_you_mean(name, known)}Known here: {', '.join(known)}",
                    key=True,
                )
            fields[name] = None if each.value is None else self._field(name, each)
        return fields

    def _field(self, name: str, node: Node) -> Any:
        if name in MOMENTS:
            return rfc3339(self._clock.read(node))
        if reader := _READERS.get(name):
            return reader(node)
        return [each.scalar() for each in node.list()] if isinstance(node.value, list) else node.scalar()


def read_path(node: Node, known: list[str]) -> str:
    """The name of a path of the configuration. Raises Problem."""
    name = node.text(example="the name of a path")
    if name not in known:
        node.fail(f"there is no path {name!r}", f"{did_you_mean(name, known)}Known: {', '.join(known)}")
    return name


def _text(node: Node) -> str:
    return node.text()


def _number(node: Node) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        node.fail(
            f"{node.value!r} is no number", "Write a number such as 10000; a currency is a field of its own"
        )
    return float(node.value)


def _count(node: Node) -> int:
    if type(node.value) is not int or node.value < 0:
        node.fail(f"{node.value!r} is no number of {node.name}", "Write a whole number from 0")
    return node.value


def _record(node: Node) -> str:
    record = node.text(example="a record such as ticket:2")
    if ":" not in record:
        node.fail(f"{record!r} names no record", "Write kind:id, such as ticket:2")
    return record


_READERS: dict[str, Callable[[Node], Any]] = {
    **dict.fromkeys(("owner", "stage", "customer", "priority", "currency"), _text),
    "status": lambda node: node.choice(*STATUSES),
    "merged": _record,
    "value": _number,
    "health": _number,
    "contacts": _count,
}
"""By field; other fields are plain values, as the feed's rows have them."""


def _author(node: Node) -> Author:
    chosen = node.choice(*AUTHORS)
    return next(author for author in AUTHORS if author == chosen)


def _said(node: Node) -> Said:
    if not isinstance(node.value, dict):
        return Said(node.text(example="what was said")[:MOST_TEXT])
    node.keys("text", "channel", "public", "automatic", "negativity")
    said: dict[str, Any] = {}
    for name, each in node.items():
        if name in ("text", "channel"):
            said[name] = each.text()[:MOST_TEXT]
        elif name == "negativity":
            said[name] = number = _number(each)
            if not -1 <= number <= 1:
                each.fail(f"{number:g} is no negativity", "Write a number from -1, delighted, to 1, furious")
        else:
            said[name] = each.flag()
    return Said(**said)
