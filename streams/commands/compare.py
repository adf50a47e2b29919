"""`escalations compare`."""

import sys
from pathlib import Path

import click

from streams.commands.exit_codes import NO
from streams.commands.inputs import FEEDS, feed_files, read_history
from streams.commands.options import FILES, Moment, created, examples
from streams.commands.scoring import (
    MOST,
    NOTHING_SCORED,
    RECALL,
    SCORE_FROM,
    SCORE_UNTIL,
    find_outcomes,
    unscorable,
)


@click.command(
    "compare",
    epilog=examples(
        "escalations compare -c escalations.yaml -c new.yaml --feed tickets tickets.csv",
        "escalations compare -c main.yaml -c branch.yaml --max-added 100 --feed tickets tickets.csv",
    ),
)
@click.option(
    "-c",
    "--config",
    "configs",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="The configuration in force, then the new one.",
)
@FEEDS
@click.option("--until", type=Moment(), help="Let time run up to here. [default: the last change]")
@SCORE_FROM
@SCORE_UNTIL
@MOST
@RECALL
@click.option("--max-added", type=click.IntRange(0), help="How many escalations may come anew.")
@click.option(
    "--escalations",
    "out",
    type=FILES,
    help="Write the differences as JSON lines; with a dash, the summary goes to stderr.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=FILES)
def command(
    configs: tuple[Path, ...],
    feeds: tuple[str, ...],
    until: int | None,
    since: int | None,
    score_until: int | None,
    most: int | None,
    recall: float | None,
    max_added: int | None,
    out: Path | None,
    as_json: bool,
    files: tuple[Path, ...],
) -> None:
    """What a new configuration would do otherwise on a history.

    Escalations that are added, removed, earlier, later or for others, each with its reason. Exit 1 when
    the new one is over a budget: --max-per-recipient-week, --min-recall or --max-added.
    """
    import msgspec
    import orjson

    from streams.backtest.budget import Budget
    from streams.backtest.compare import Calls, differences
    from streams.backtest.compare import as_json as in_json
    from streams.backtest.compare_report import show
    from streams.backtest.replay import replay, up_to
    from streams.backtest.scores import Period, Scores
    from streams.config import load
    from streams.progress import counted

    if not (feeds or files):
        raise click.UsageError("Give --feed NAME FILE...")
    if len(configs) != 2:
        raise click.UsageError("Give -c twice: the configuration in force, then the new one.")
    if Path("-") in files:
        raise click.UsageError("Each configuration reads the history: standard input cannot be read twice.")
    old, new = map(load, configs)
    piped = out == Path("-")
    wrong: list[str] = []
    replays = []
    with created(out, "--escalations", files) as lines:
        for config in (old, new):
            inputs = feed_files(config, feeds, files)
            history = read_history(inputs, until, quiet=piped)
            found = find_outcomes(config.outcomes.values(), inputs, quiet=piped)
            if recall is not None and config is new and not found:
                raise click.UsageError(NOTHING_SCORED)
            known = [(outcome, each.bad) for outcome, each in found]
            scores, calls = Scores(config.rules, known, Period(since, score_until)), Calls()
            changes = counted(history.changes, "replaying", len(history.changes), quiet=piped)
            watched = scores.watch(up_to(until, changes))
            for _ in calls.keep(scores.count(replay(config.rules, watched, until))):
                pass
            replays.append((calls, scores))
            if config is new:
                wrong += unscorable(found, [scores.period], scores.births)
        (before, old_scores), (after, new_scores) = replays
        differing = differences(before, after)
        if lines is not None:
            for each in differing:
                lines.write(msgspec.json.encode(each) + b"\n")
    summary = in_json(differing)
    if as_json:
        summary["scores"] = {"old": old_scores.as_json(), "new": new_scores.as_json()}
        click.echo(orjson.dumps(summary, option=orjson.OPT_INDENT_2), err=piped)
    else:
        show(differing, err=piped)
    wrong += Budget(most, recall).exceeded(new_scores)
    if max_added is not None and summary["total"]["added"] > max_added:
        wrong.append(f"{summary['total']['added']:,} escalations are added, more than {max_added:,}")
    for sentence in wrong:
        click.echo(f"escalations: {sentence}.", err=True)
    if wrong:
        sys.exit(NO)
