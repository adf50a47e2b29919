"""`escalations init`."""

import os
import sys
from pathlib import Path

import click

from streams.commands.exit_codes import NO
from streams.commands.options import examples, reason


@click.command("init", epilog=examples("escalations init", "escalations init crm --starter csv"))
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--starter", default="helpdesk", show_default=True, help="Which one; see --list.")
@click.option("--list", "listing", is_flag=True, help="List the starters.")
def command(folder: Path, starter: str, listing: bool) -> None:
    """Write a commented starter.

    It goes into FOLDER (default: here) as escalations.yaml, with tests in escalations.tests.yaml. What
    is there already is left as it is.
    """
    from importlib.resources import files as resources

    source = resources("streams") / "starters"
    starters = {
        each.name.removesuffix(".yaml"): each
        for each in sorted(source.iterdir(), key=lambda each: each.name)
        if each.name.endswith(".yaml")
    }
    if listing:
        for name, each in starters.items():
            click.echo(f"{name:10} {each.read_text(encoding='utf-8').partition(chr(10))[0].lstrip('# ')}")
        return
    if starter not in starters:
        known = ", ".join(starters)
        raise click.BadParameter(f"there is no starter {starter!r}; known: {known}", param_hint="--starter")
    wanted = {
        "escalations.yaml": starters[starter],
        "escalations.tests.yaml": source / "tests" / f"{starter}.yaml",
    }
    if starter == "csv":
        wanted["tickets.csv"] = source / "tickets.csv"
    for name in wanted:
        if os.path.lexists(folder / name):
            click.echo(f"escalations: {folder / name} exists already and is left as it is", err=True)
            sys.exit(NO)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in wanted.items():
            (folder / name).write_bytes(content.read_bytes())
            click.echo(f"wrote {folder / name}")
    except OSError as error:
        raise click.BadParameter(reason(error), param_hint="FOLDER") from None
    config = "" if folder == Path() else f" -c {folder / 'escalations.yaml'}"
    click.echo(f"Next: escalations check{config}")
    click.echo(f"      escalations test{config}")
    if starter == "csv":
        click.echo(f"      escalations backtest{config} --feed tickets {folder / 'tickets.csv'}")
