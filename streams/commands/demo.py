"""`escalations demo`."""

import click

from streams.commands.options import examples


@click.command("demo", epilog=examples("escalations demo", "escalations demo --keep"))
@click.option("--keep", is_flag=True, help="Stay up after the stories, until Ctrl-C.")
def command(keep: bool) -> None:
    """All of it in a minute.

    Runs on an embedded broker and an invented CRM, and leaves nothing behind.
    """
    from streams.demo.play import play

    play(keep)
