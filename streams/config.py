"""The configuration file: feeds, rules, channels and the settings of the live worker, checked as a whole."""

import dataclasses
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from streams.backtest.outcomes import Outcome, read_outcome
from streams.core import customers, rules
from streams.core.document import Node, Position, Problem, Problems, did_you_mean
from streams.core.record import Record
from streams.core.rules import Rules, read_rules
from streams.core.spans import read_span
from streams.core.timestamps import SECOND
from streams.core.triggers import TRIGGERS
from streams.diagnostics import ConfigError as ConfigError
from streams.feeds import Feed
from streams.feeds.customers import WithCustomers
from streams.feeds.formats import read_feed
from streams.feeds.references import check_tables, with_references
from streams.holiday_files import inline
from streams.ingest.settings import Source, read_ingest
from streams.log.security import Security, read_security
from streams.secret import Secret, SecurityProblem, read_secret
from streams.yaml_source import YamlDocument, read_yaml

_KEYS = ("version", "feeds", *rules.KEYS, "outcomes", "notify", "kafka", "ingest", "live")
_NOUNS = {
    "feeds": "feed",
    "calendars": "calendar",
    "people": "person",
    "teams": "team",
    "roles": "role",
    "rotas": "rota",
    "paths": "path",
    "outcomes": "outcome",
    "notify": "channel",
    "ingest": "source",
}
# Facts that stay empty unless a feed brings them: what they are, and how a feed does so.
_SOURCES = {
    **{
        name: (name, f"Map `{name}`")
        for name in ("stage", "priority", "owner", "customer", "value", "health")
    },
    "currency": ("currency", "Map `value` with its `currency`"),
    "contacts": ("number of contacts", "Map `contacts`"),
    "planned": ("next activity", "Map `planned`"),
    "by": ("author of each change", "Map `by`"),
    "heard": ("messages", "Map `said`"),
    "asked": ("open question", "Map `asked`, `contacts`, or `said` together with `by`,"),
    "responded": ("first answer", "Map `responded`, or `said` together with `by`,"),
    "replied": ("latest answer", "Map `replied`, or `said` together with `by`,"),
    "visits": ("contacts", "Map `customer`, `said` and `by`"),
    "issues": ("open issues", "Map `customer`, and `stage` with what is `closed`,"),
}
_KNOWN = frozenset(Record.__struct_fields__) - _SOURCES.keys()
_KAFKA_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True)
class Channel:
    """Where notices go: POSTed to a webhook, printed on the console, or both.

    webhook: its URL, or where that is kept because it is a secret.
    """

    name: str
    webhook: Secret | str | None = field(default=None, repr=False)
    prints: bool = False

    def url(self) -> str | None:
        """The webhook's URL, read anew from where the configuration says it is; None without a webhook.

        Raises ValueError when it is not there or is no URL. The error does not name the URL.
        """
        if not isinstance(self.webhook, Secret):
            return self.webhook
        try:
            url = self.webhook.read()
        except SecurityProblem as error:
            raise ValueError(f"{self.name}: {error}") from None
        if _url(url) is None:
            raise ValueError(f"{self.name}: {self.webhook} holds no http or https URL")
        return url


@dataclass(frozen=True)
class Live:
    """Settings of `escalations run`. Where the broker is is no part of the file.

    partitions, replication: of the topics that are created.
    prefix: the beginning of their names. tick: seconds between two ticks.
    lag: seconds that a change may take from the CRM into its topic; time is told so much later.
    stuck: after so many seconds a partition of a feed that cannot be read holds time back no longer.
    batch: how many messages are taken at once at most; larger is faster, smaller is sooner.
    app: the consumer group, and the beginning of the transactional ids.
    health: where health and metrics are served, host and port; None for nowhere.
    """

    partitions: int = 4
    replication: int = 1
    prefix: str = "crm."
    tick: float = 1.0
    lag: float = 0.0
    stuck: float = 900.0
    batch: int = 10_000
    app: str = "escalations"
    health: tuple[str, int] | None = None


@dataclass(frozen=True)
class Config:
    """A configuration in which nothing is wrong."""

    path: Path
    feeds: Mapping[str, Feed]
    rules: Rules
    outcomes: Mapping[str, Outcome]
    notify: Mapping[str, Channel]
    ingest: Mapping[str, Source]
    live: Live
    kafka: Security

    def summary(self) -> str:
        """One line: what there is, and the version of the rules."""
        counts = {
            "feed": len(self.feeds),
            "path": len(self.rules.paths),
            "person": len(self.rules.directory.people),
            "channel": len(self.notify),
        }
        plurals = {"person": "people"}
        listed = [
            f"{count} {noun if count == 1 else plurals.get(noun, noun + 's')}"
            for noun, count in counts.items()
        ]
        return f"{self.path}: {', '.join(listed)}; version {self.rules.version}"


def load(path: Path) -> Config:
    """The configuration in the file at `path`. Raises ConfigError with everything that is wrong with it."""
    return load_with_source(path)[0]


def load_bare(path: Path) -> tuple[Config, Mapping[str, Any]]:
    """The same of a file that need not have `paths`, nor people; and what stands in for people then, by the
    keys of the file."""
    config, document = load_with_source(path, bare=True)
    return config, _stand_ins(Node(document.data))


def load_with_source(path: Path, *, bare: bool = False) -> tuple[Config, YamlDocument]:
    """The same as `load`, and the document, which knows where in the file everything stands; `bare`: as
    `load_bare` takes it."""
    document = read_yaml(path, _NOUNS)
    problems = Problems()
    config = _read(path, Node(document.data), problems, bare)
    found = [*document.duplicates, *map(document.diagnose, problems)]
    if found:
        raise ConfigError(found)
    return config, document


def _stand_ins(root: Node) -> Mapping[str, Any]:
    """Somebody to be told, where the file names nobody at all."""
    if root.has("people") or root.has("fallback"):
        return {}
    return {"people": {"manager": None}, "fallback": "manager"}


def _read(path: Path, root: Node, problems: Problems, bare: bool) -> Config:
    for key, node in root.items():
        # One by one, so that every misspelt key is reported.
        with problems.collect():
            Node({key: node.value}).keys(*_KEYS)
    with problems.collect():
        _check_version(root)
    feeds: dict[str, Feed] = {}
    with problems.collect():
        _read_feeds(root, feeds, problems)
    document = {"feeds": list(feeds), **{key: root.value[key] for key in rules.KEYS if root.has(key)}}
    if bare:
        document = {**_stand_ins(root), **document, "paths": document.get("paths") or {}}
    if isinstance(document.get("people"), dict):
        document["people"] = {name: _without_address(each) for name, each in document["people"].items()}
    document = inline(document, path.parent, problems)
    compiled = read_rules(document, problems)
    with_customers = any(each.about == customers.KIND for each in compiled.paths)
    if feeds and len(feeds) == len(root.value["feeds"]):
        check_tables(root, feeds, problems, with_customers=with_customers)
    if with_customers:
        feeds = {name: WithCustomers(feed) for name, feed in feeds.items()}
    # What a feed that cannot be read would have brought is not known.
    outcomes: dict[str, Outcome] = {}
    if feeds and len(feeds) == len(root.value["feeds"]):
        problems.extend(_check_fields(feeds, compiled))
        with problems.collect():
            if asked := root.get("outcomes"):
                for name, each in asked.items():
                    with problems.collect():
                        outcomes[name] = read_outcome(name, each, root["feeds"], feeds, compiled, path.parent)
    channels: dict[str, Channel] = {}
    with problems.collect():
        if notify := root.get("notify"):
            for name, each in notify.items():
                with problems.collect():
                    channels[name] = _read_channel(name, each, path.parent)
    ingest: Mapping[str, Source] = {}
    with problems.collect():
        if sources := root.get("ingest"):
            ingest = read_ingest(sources, path.parent, [feed.topic for feed in feeds.values()], problems)
    live = Live()
    with problems.collect():
        if settings := root.get("live"):
            live = _read_live(settings)
    kafka = Security()
    with problems.collect():
        if settings := root.get("kafka"):
            kafka = read_security(settings, path.parent)
    return Config(path, feeds, compiled, outcomes, channels, ingest, live, kafka)


def _without_address(person: Any) -> Any:
    """The rules travel in the log, for whoever may read it: how people are reached stays here."""
    if not isinstance(person, dict):
        return person
    return {key: value for key, value in person.items() if key != "email"}


def _check_version(root: Node) -> None:
    if not root.has("version"):
        root.fail("there is no `version`", "Begin the file with `version: 1`", key=True)
    version = root["version"]
    if version.text(example="1") != "1":
        version.fail(f"the version {version.value!r} is not known", "This release reads `version: 1`")


def _read_feeds(root: Node, feeds: dict[str, Feed], problems: Problems) -> None:
    if not root.value.get("feeds"):
        root.fail("there are no `feeds`", "Add at least one under `feeds:`", key=True)
    by_topic: dict[str, str] = {}
    for name, node in root["feeds"].items():
        with problems.collect():
            feed = feeds[name] = with_references(read_feed(name, node))
            first = by_topic.setdefault(feed.topic, name)
            if first != name:
                raise Problem(
                    (*node.position, "topic"),
                    f"the topic {feed.topic!r} is read by two feeds, {first!r} and {name!r}",
                    "Make them one feed, or give each its own topic",
                )


def _check_fields(feeds: Mapping[str, Feed], compiled: Rules) -> Iterator[Problem]:
    """What paths ask for and no feed brings."""
    for path in compiled.paths:
        matching = {name: feed.kinds[path.about] for name, feed in feeds.items() if path.about in feed.kinds}
        if not matching:
            kinds = sorted({kind for feed in feeds.values() for kind in feed.kinds})
            hint = did_you_mean(path.about, kinds)
            if path.about == customers.KIND:
                hint = "They follow from records whose feed maps `customer`, `said` and `by`. "
            yield Problem(
                ("paths", path.name, "about"),
                f"no feed brings records of the kind {path.about!r}",
                f"{hint}Kinds there are: {', '.join(kinds)}",
            )
            continue
        fields = sorted({name for brings in matching.values() for name in brings.fields})
        facts = {name for brings in matching.values() for name in brings.facts}
        for clause in path.where:
            if clause.field not in fields:
                yield Problem(
                    clause.position,
                    f"no feed brings a field {clause.field!r} of a {path.about}",
                    f"{did_you_mean(clause.field, fields)}Known here: {', '.join(fields)}",
                    key=True,
                )
        for place, name in _asked(path, compiled):
            if name not in fields:
                yield Problem(
                    place,
                    f"no feed brings a field {name!r} of a {path.about}, which decides who is found here",
                    f"{did_you_mean(name, fields)}Known here: {', '.join(fields)}",
                )
        for place, needed in _needs(path, compiled):
            if needed not in facts:
                what, remedy = _SOURCES.get(needed, (needed, "Name it in `fields`"))
                yield Problem(
                    place,
                    f"this needs the {what} of a {path.about}, which no feed brings",
                    f"{remedy} under `record` of the feed: {' or '.join(matching)}",
                    key=True,
                )


def _asked(path: rules.Path, compiled: Rules) -> Iterator[tuple[Position, str]]:
    """The fields that decide who is found for a step, each with the place that asks for it."""
    for number, step in enumerate(compiled.document["paths"][path.name]["steps"]):
        for action in ("notify", "reassign"):
            recipients = step.get(action) or ()
            many = isinstance(recipients, list)
            for index, asked in enumerate(recipients if many else [recipients] if recipients else ()):
                name = compiled.directory.fact(asked)
                # Without an owner the fallback is told, and a path may well be content with that.
                if name is not None and name != "owner":
                    yield ("paths", path.name, "steps", number, action, *([index] if many else [])), name


def _needs(path: rules.Path, compiled: Rules) -> Iterator[tuple[Position, str]]:
    """The facts without which a path does not fire as it should, each with the place that asks for it."""
    when = compiled.document["paths"][path.name]["when"]
    place = ("paths", path.name, "when", next(key for key in TRIGGERS if key in when))
    for name in sorted(path.trigger.needs() - _KNOWN):
        yield place, name
    for clause in path.where:
        for name in clause.reads - {clause.field}:
            yield clause.position, name


def _read_channel(name: str, node: Node, folder: Path) -> Channel:
    node.keys("webhook", "print")
    webhook, prints = node.get("webhook"), node.get("print")
    channel = Channel(
        name,
        webhook=_read_webhook(webhook, folder) if webhook else None,
        prints=prints.flag() if prints else False,
    )
    if channel.webhook is None and not channel.prints:
        node.fail(f"the channel {name!r} leads nowhere", "Add `webhook: env:NAME` or `print: true`", key=True)
    return channel


def _read_webhook(node: Node, folder: Path) -> Secret | str:
    text = node.text(example="env:NAME, file:PATH or a URL without secrets")
    if text.startswith(("env:", "file:")):
        return read_secret(node, folder)
    # No message names the value: it may be a secret, and messages end in build logs.
    url = _url(text)
    if url is None:
        node.fail("the webhook is no URL", "Write env:NAME, file:PATH or https://HOST/...")
    if "@" in url.netloc or url.query:
        remedy = "Keep secrets out of this file: write env:NAME or file:PATH"
        node.fail("the webhook carries a password or a token", remedy)
    if url.scheme != "https" and not _is_loopback(url.hostname or ""):
        node.fail("the webhook is not encrypted", "Write https://; http is for this machine only")
    return text


def _url(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        return None
    return url if usable else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_live(node: Node) -> Live:
    node.keys(*(each.name for each in dataclasses.fields(Live)))
    partitions, replication, prefix, tick, lag, stuck, batch, app, health = map(
        node.get, ("partitions", "replication", "prefix", "tick", "lag", "stuck", "batch", "app", "health")
    )
    return Live(
        partitions=_read_count(partitions) if partitions else Live.partitions,
        replication=_read_count(replication) if replication else Live.replication,
        prefix=_read_kafka_name(prefix) if prefix else Live.prefix,
        tick=_read_seconds(tick) if tick else Live.tick,
        lag=_read_seconds(lag) if lag else Live.lag,
        stuck=_read_seconds(stuck) if stuck else Live.stuck,
        batch=_read_count(batch) if batch else Live.batch,
        app=_read_kafka_name(app) if app else Live.app,
        health=read_place(health) if health else Live.health,
    )


def _read_count(node: Node) -> int:
    count = node.value
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        node.fail(f"{count!r} is no number of {node.name}", "Write a whole number from 1")
    return count


def _read_kafka_name(node: Node) -> str:
    text = node.text(example="a name")
    if not _KAFKA_NAME.fullmatch(text):
        node.fail(
            f"{text!r} cannot be part of a topic's name",
            "Write up to 100 of: letters, digits, dots, hyphens and underscores",
        )
    return text


def read_place(node: Node) -> tuple[str, int]:
    """HOST:PORT to listen at. Raises Problem."""
    host, colon, port = node.text(example="127.0.0.1:9464").rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        node.fail(f"{node.value!r} is no place to listen at", "Write HOST:PORT, for example 127.0.0.1:9464")
    return host.strip("[]"), int(port)


def _read_seconds(node: Node) -> float:
    span = read_span(node, None)
    if not span.micros:
        node.fail(f"the span {span.text!r} is empty", "Write for example 1s")
    return span.micros / SECOND
