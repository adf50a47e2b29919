"""The kinds of record that the configuration's feeds bring, and what a change of one can say.

A test gives the fields as they are after the feed's mapping. What the mapping derives, the status
from the stage and a currency that is always the same, is derived here by the same lists, so that no
test passes with what no feed would ever bring.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from streams.config import Config
from streams.core.document import Node
from streams.feeds import Brings
from streams.feeds.formats import written_records
from streams.yaml_source import read_yaml


class Kind(msgspec.Struct, frozen=True):
    """One kind of record. feeds: that bring it; a change comes by the first. fields, facts: as
    `streams.feeds.Brings` has them, of all these feeds. statuses: by the stages that are not open;
    None where the stage says nothing of that. currency: the one that every value is in, if it is so.
    """

    name: str
    feeds: tuple[str, ...]
    fields: frozenset[str]
    facts: frozenset[str]
    statuses: dict[str, str] | None = None
    currency: str | None = None

    @property
    def sources(self) -> dict[str, str]:
        """Fields that follow from another, and from which."""
        status = {} if self.statuses is None else {"status": "stage"}
        return status if self.currency is None else {**status, "currency": "value"}

    def derived(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """`fields` and what follows from them."""
        more: dict[str, Any] = {}
        if self.statuses is not None and "stage" in fields:
            more["status"] = self.statuses.get(fields["stage"], "open")
        if self.currency is not None and "value" in fields:
            more["currency"] = self.currency
        return {**fields, **more}


def read_kinds(config: Config) -> dict[str, Kind]:
    """By name. Raises ConfigError when the configuration's file cannot be read any more."""
    feeds = read_yaml(config.path, {}).data["feeds"]
    kinds: dict[str, Kind] = {}
    for name, feed in config.feeds.items():
        for kind, brings in feed.kinds.items():
            known = kinds.get(kind, Kind(kind, (), frozenset(), frozenset()))
            kinds[kind] = _with_feed(known, name, brings, map(Node, written_records(feeds[name])))
    return kinds


def _with_feed(kind: Kind, feed: str, brings: Brings, records: Iterable[Node]) -> Kind:
    statuses, currency = kind.statuses, kind.currency
    for record in records:
        # Customers come beside what the feed's own mapping brings.
        if record["kind"].text() == kind.name:
            statuses = statuses or dict(_statuses(record)) or None
            if (value := record.get("value")) and (named := value.get("currency")) and named.has("always"):
                currency = named["always"].text()
    return msgspec.structs.replace(
        kind,
        feeds=(*kind.feeds, feed),
        fields=kind.fields | brings.fields,
        facts=kind.facts | brings.facts,
        statuses=statuses,
        currency=currency,
    )


def _statuses(record: Node) -> Iterator[tuple[str, str]]:
    stage = record.get("stage")
    for status in ("paused", "closed"):
        if stage is not None and stage.has(status):
            for each in stage[status].one_or_many():
                yield each.text(), status
