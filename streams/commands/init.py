"""`escalations init`."""

import os
import sys
from pathlib import Path

import click

from streams.commands.exit_codes import NO
from streams.commands.options import examples, reason


@click.command(
    "init",
    epilog=examples(
        "escalations init",
        "escalations init crm --starter csv",
        "escalations init mine --from crm/tickets.csv",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--starter", default="helpdesk", show_default=True, help="Which one; see --list.")
@click.option("--list", "listing", is_flag=True, help="List the starters.")
@click.option(
    "--from",
    "sample",
    type=click.Path(path_type=Path),
    help="Propose a configuration for this sample of a feed: CSV, or JSON lines of Debezium's events.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "debezium"]),
    help="The format of the sample. [default: by its name]",
)
def command(folder: Path, starter: str, listing: bool, sample: Path | None, form: str | None) -> None:
    """Write a commented starter.

    It goes into FOLDER (default: here) as escalations.yaml, with tests in escalations.tests.yaml. What
    is there already is left as it is.

    With --from, what the columns of a sample may mean is guessed from their names and values, and each
    guess says why. What a sample cannot show, such as the zone of its times, is left as TODO, which
    `escalations check` refuses.
    """
    if sample is not None:
        _propose(folder, sample, form)
        return
    if form is not None:
        raise click.UsageError("--format is of the sample: give --from FILE with it.")
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


def _propose(folder: Path, sample: Path, form: str | None) -> None:
    from streams.guess.sample import is_json, propose

    path = folder / "escalations.yaml"
    if os.path.lexists(path):
        click.echo(f"escalations: {path} exists already and is left as it is", err=True)
        sys.exit(NO)
    proposal = propose(sample, messages=form == "debezium" if form else is_json(sample))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(proposal.text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(reason(error), param_hint="FOLDER") from None
    places = {0: "", 1: "; 1 TODO is left to you"}.get(
        proposal.todo, f"; {proposal.todo} TODO are left to you"
    )
    click.echo(f"wrote {path}{places}")
    click.echo(f"Next: escalations check{'' if folder == Path() else f' -c {path}'}")
