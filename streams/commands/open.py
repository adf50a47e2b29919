"""`escalations open`."""

from pathlib import Path

import click

from streams.commands.options import BROKER, CONFIG, examples, workers_topics


@click.command("open", epilog=examples("escalations open", "escalations open --json | jq .record"))
@CONFIG
@BROKER
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(path: Path, broker: str, as_json: bool) -> None:
    """What is open now.

    Each episode that has escalated and not resolved, the longest open first.
    """
    import orjson

    from streams.agents.open_episodes import open_episodes, show
    from streams.config import load
    from streams.log.connection import Connection

    config = load(path)
    connection = Connection(broker, config.kafka)
    episodes = open_episodes(connection, workers_topics(config, connection))
    if as_json:
        for each in episodes:
            click.echo(orjson.dumps(each))
    elif episodes:
        show(episodes)
    else:
        click.echo("Nothing is open.")
