"""What commands that score have in common: the period, budgets, and the outcomes of a history."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.options import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.backtest.outcomes import Known, Outcome
    from streams.backtest.scores import Births, Period
    from streams.commands.inputs import OnTopics
    from streams.feeds import Feed

SCORE_FROM = click.option(
    "--score-from", "since", type=Moment(), help="Score only records created at this moment or later."
)
SCORE_UNTIL = click.option("--score-until", type=Moment(), help="Score only records created before.")
MOST = click.option(
    "--max-per-recipient-week",
    "most",
    type=click.IntRange(0),
    help="How often a person may be told in a week.",
)
NOTHING_SCORED = "--min-recall needs an outcome, under `outcomes`, of a feed whose files or topic are given."
RECALL = click.option(
    "--min-recall", "recall", type=click.FloatRange(0, 1), help="The least recall, such as 0.9."
)


def find_outcomes(
    outcomes: "Iterable[Outcome]",
    inputs: "list[tuple[Feed, tuple[Path, ...]]]",
    on_topics: "OnTopics | None" = None,
    *,
    quiet: bool = False,
) -> "list[tuple[Outcome, Known]]":
    """What became of records, by those of `outcomes` that can be read: those in a file of their own, and
    those of a feed whose files or topic are given. Of the others standard error says so. Raises
    FileProblem, and what reading a topic raises."""
    from streams.backtest.outcomes import look_up
    from streams.feeds.files import read_messages
    from streams.progress import opening

    files = {feed.name: paths for feed, paths in inputs}
    found = []
    for outcome in outcomes:
        paths = (outcome.file,) if outcome.file is not None else files.get(outcome.feed or "", ())
        on_topic = on_topics and outcome.feed and on_topics.messages_of(outcome.feed)
        if on_topic:
            known = look_up(outcome, on_topic)
        elif not paths or Path("-") in paths:
            why = "standard input cannot be read twice" if paths else "it is not among what is given"
            click.echo(f"The outcome {outcome.name} of {outcome.feed} is not scored: {why}.", err=True)
            continue
        else:
            with opening(list(paths), f"looking up {outcome.name}", quiet=quiet) as open_file:
                messages = (each for path in paths for each in read_messages(outcome.rows, path, open_file))
                known = look_up(outcome, messages)
        if known.undecodable:
            rows = f"{known.undecodable:,} rows of the outcome {outcome.name}"
            click.echo(f"{rows} could not be read: {known.reason}.", err=True)
        found.append((outcome, known))
    return found


def unscorable(
    found: "list[tuple[Outcome, Known]]", periods: "Iterable[Period]", births: "Births"
) -> list[str]:
    """Outcomes none of whose records is in the history, and periods in which no record was created, a
    sentence each: of both nothing can be said."""
    wrong = []
    for outcome, known in found:
        there = outcome.file or f"the feed {outcome.feed}"
        if known.records.isdisjoint(births.created):
            example = f", such as {min(known.records)}," if known.records else ""
            wrong.append(
                f"none of the {len(known.records):,} records of the outcome {outcome.name}{example} is in "
                f"the history. Look whether `id` is the column of {there} that names them"
            )
    return wrong + [
        f"no record of the history was created {period}: nothing can be said of it"
        for period in periods
        if not any(at in period for at in births.created.values())
    ]
