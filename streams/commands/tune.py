"""`escalations tune`."""

import sys
from pathlib import Path

import click

from streams.commands.exit_codes import NO
from streams.commands.inputs import FEEDS, feed_files, read_history
from streams.commands.options import CONFIG, FILES, Moment, examples
from streams.commands.scoring import (
    MOST,
    RECALL,
    SCORE_FROM,
    SCORE_UNTIL,
    find_outcomes,
    unscorable,
)


@click.command(
    "tune",
    epilog=examples(
        "escalations tune --path ticket-waiting --over in_stage=1d..14d/14 --feed tickets tickets.csv",
        "escalations tune --path ticket-resolution --over target.urgent=2h,4h,8h --feed tickets tickets.csv",
    ),
)
@CONFIG
@click.option("--path", "name", required=True, help="Which path of the configuration.")
@click.option(
    "--over",
    required=True,
    multiple=True,
    metavar="KEY=VALUES",
    help="What to try in the place KEY of its `when`: FIRST..LAST/COUNT, or a list with commas. Twice for "
    "every combination.",
)
@FEEDS
@click.option("--outcome", help="Which outcome to hold it against. [default: the path's only one]")
@click.option("--until", type=Moment(), help="Let time run up to here. [default: the last change]")
@click.option("--fit-until", type=Moment(), help="Choose by the records created before.")
@SCORE_FROM
@SCORE_UNTIL
@MOST
@RECALL
@click.option("--json", "as_json", is_flag=True, help="All numbers as JSON.")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=FILES)
def command(
    path: Path,
    name: str,
    over: tuple[str, ...],
    feeds: tuple[str, ...],
    outcome: str | None,
    until: int | None,
    fit_until: int | None,
    since: int | None,
    score_until: int | None,
    most: int | None,
    recall: float | None,
    as_json: bool,
    files: tuple[Path, ...],
) -> None:
    """What other thresholds would have meant.

    For each value, in one pass over a history: how often the path would have escalated, what the worst
    week of a person would have been, and, where `outcomes` say what went bad, how much of that it would
    have told, how early. It marks the knee, the most sensitive value within --max-per-recipient-week and
    the least sensitive with --min-recall. With --fit-until values are chosen by older records, and a
    second table shows what they did to later ones. Exit 1 when no value keeps to what was asked.
    """
    import orjson

    from streams.backtest.scores import Births, Period
    from streams.backtest.sweep import BadSweep, only_moves_deadline, read_sweep, variants
    from streams.backtest.tune import answers, sweep
    from streams.backtest.tune_report import as_json as in_json
    from streams.backtest.tune_report import show
    from streams.config import load
    from streams.core.document import did_you_mean
    from streams.progress import counted

    config = load(path)
    known = [each.name for each in config.rules.paths]
    if name not in known:
        hint = f"{did_you_mean(name, known)}Known: {', '.join(known)}"
        raise click.BadParameter(f"there is no path {name!r}. {hint}", param_hint="--path")
    if not (feeds or files):
        raise click.UsageError("Give --feed NAME FILE...")
    if len(over) > 2:
        raise click.BadParameter("two thresholds at once are the most", param_hint="--over")
    when = config.rules.document["paths"][name]["when"]
    try:
        sweeps = [read_sweep(each, when) for each in over]
        tried = variants(config.rules, name, sweeps)
    except BadSweep as error:
        raise click.BadParameter(str(error), param_hint="--over") from None
    inputs = feed_files(config, feeds, files)
    mine = [each for each in config.outcomes.values() if name in each.paths and outcome in (None, each.name)]
    if len(mine) > 1 or (outcome is not None and not mine):
        names = ", ".join(each.name for each in config.outcomes.values() if name in each.paths)
        which = f"outcomes of {name}: {names}; name one" if names else f"{name} is a path of no outcome"
        raise click.BadParameter(which, param_hint="--outcome")
    found = find_outcomes(mine, inputs)
    if recall is not None and not found:
        raise click.UsageError(f"--min-recall needs an outcome of {name}, under `outcomes`.")
    history = read_history(inputs, until)
    changes = counted(history.changes, "replaying", len(history.changes))
    periods = [Period(None if fit_until is not None else since, fit_until or score_until)]
    if fit_until is not None:
        periods.append(Period(fit_until if since is None else since, score_until))
    births = Births()
    swept = sweep(
        config.rules,
        tried,
        changes,
        periods,
        found[0][1].bad if found else None,
        births,
        until=until,
        sleeping=only_moves_deadline(sweeps, tried),
    )
    chosen = answers(swept[0], most, recall)
    if as_json:
        numbers = in_json(name, sweeps, periods, swept, chosen)
        click.echo(orjson.dumps(numbers, option=orjson.OPT_INDENT_2))
    else:
        show(sweeps, periods, swept, chosen)
    wrong = [*unscorable(found, periods, births), *chosen.missing]
    for each in wrong:
        click.echo(f"escalations: {each}.", err=True)
    if wrong:
        sys.exit(NO)
