"""`escalations topics`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.exit_codes import NO
from streams.commands.options import BROKER, CONFIG, examples

if TYPE_CHECKING:
    from streams.config import Config
    from streams.log.topics import Difference, Found, Topic, Topics


@click.command(
    "topics",
    epilog=examples(
        "escalations topics",
        "escalations topics --create --broker kafka:9092",
        "escalations topics --acls User:escalations --broker kafka:9092",
    ),
)
@CONFIG
@BROKER
@click.option("--create", is_flag=True, help="Create the product's own topics that are missing.")
@click.option("--acls", "principal", metavar="PRINCIPAL", help="Only print what PRINCIPAL must be allowed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each topic, a line each.")
def command(path: Path, broker: str, create: bool, principal: str | None, as_json: bool) -> None:
    """The topics that are needed, and whether they are there.

    Exit 1 when one is missing or not as it is to be. The topics of feeds belong to whoever writes
    them and are never created. --acls prints commands of Kafka's own kafka-acls, by part of the
    product, and asks no broker.
    """
    from streams.config import load
    from streams.log.topics import Topics

    config = load(path)
    topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
    if principal is not None:
        if create or as_json:
            raise click.UsageError("--acls goes with neither --create nor --json.")
        if ":" not in principal:
            raise click.BadParameter(f"write its type, too: User:{principal}", param_hint="--acls")
        _print_acls(config, topics, principal, broker)
        return
    needed = _needed(config, topics)
    found = _look(config, topics, needed, broker, create)
    from streams.log.topics import differences

    wrong = {each.name: differences(each, found[each.name]) for each in needed if each.name in found}
    (_show_json if as_json else _show)(needed, found, wrong)
    if len(found) < len(needed) or any(wrong.values()):
        sys.exit(NO)


def _print_acls(config: "Config", topics: "Topics", principal: str, broker: str) -> None:
    from streams.log.acls import acls

    for part, needed in acls(topics, [feed.topic for feed in config.feeds.values()]).items():
        click.echo(f"# {part}")
        for each in needed:
            click.echo(each.command(principal, broker))


def _needed(config: "Config", topics: "Topics") -> "list[Topic]":
    from streams.log.topics import Topic

    feeds = [Topic(feed.topic, None, f"the feed {name}") for name, feed in config.feeds.items()]
    return [*feeds, *topics.all()]


def _look(
    config: "Config", topics: "Topics", needed: "list[Topic]", broker: str, create: bool
) -> "dict[str, Found]":
    from streams.log.connection import Connection
    from streams.log.topics import create as create_topics
    from streams.log.topics import look

    admin = Connection(broker, config.kafka).admin()
    found = look(admin, needed)
    missing = [topic for topic in topics.all() if topic.name not in found]
    if create and missing:
        create_topics(admin, missing, topics.partitions, config.live.replication)
        found = look(admin, needed)
    return found


def _show(needed: "list[Topic]", found: "dict[str, Found]", wrong: "dict[str, list[Difference]]") -> None:
    from rich.table import Table

    from streams.console import console

    table = Table("topic", "partitions", "settings", "there", "what for")
    for each in needed:
        is_there = "missing" if each.name not in found else "differs" if wrong[each.name] else "yes"
        partitions = "any" if each.partitions is None else str(each.partitions)
        settings = "\n".join(f"{key}={value}" for key, value in each.config.items())
        table.add_row(each.name, partitions, settings, is_there, each.why)
    console().print(table)
    for differences in wrong.values():
        for difference in differences:
            click.echo(difference)


def _show_json(
    needed: "list[Topic]", found: "dict[str, Found]", wrong: "dict[str, list[Difference]]"
) -> None:
    import orjson

    for each in needed:
        there = found.get(each.name)
        line = {
            "topic": each.name,
            "for": each.why,
            "needed": {"partitions": each.partitions, "config": each.config},
            "found": there
            and {
                "partitions": there.partitions,
                "config": {key: there.config[key] for key in each.config if key in there.config},
            },
            "differences": [
                {"what": difference.what, "remedy": difference.remedy}
                for difference in wrong.get(each.name, ())
            ],
        }
        click.echo(orjson.dumps(line))
