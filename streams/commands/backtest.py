"""`escalations backtest`."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.exit_codes import INTERRUPTED, NO
from streams.commands.inputs import FEEDS, Offset, OnTopics, feed_files, nothing_judged, read_files
from streams.commands.options import BROKER, CONFIG, FILES, Moment, created, examples, reason
from streams.commands.scoring import (
    MOST,
    NOTHING_SCORED,
    RECALL,
    SCORE_FROM,
    SCORE_UNTIL,
    find_outcomes,
    unscorable,
)

if TYPE_CHECKING:
    from streams.backtest.alone import Alone
    from streams.backtest.jobs import Jobs
    from streams.backtest.log import LogReplay
    from streams.backtest.page.misses import Miss
    from streams.backtest.page.tuned import Tuned
    from streams.backtest.scores import Scores
    from streams.config import Config
    from streams.feeds import Feed

    Backtest = Alone | Jobs | LogReplay

_LARGE = 10_000_000
"""Bytes of text, some 50,000 changes, below which more processes take longer than one."""
_GZIP = 10
"""What compression makes of tables, about."""


@click.command(
    "backtest",
    epilog=examples(
        "escalations backtest --feed tickets tickets.csv",
        "escalations backtest --feed tickets 2025.csv.gz 2026.csv.gz --escalations out.jsonl",
        "escalations backtest --topic crm.changes --escalations out.jsonl",
        "escalations backtest --topic helpdesk.public.ticket --json",
        "escalations backtest --feed tickets tickets.csv --report report.html",
    ),
)
@CONFIG
@FEEDS
@click.option(
    "--topic",
    "topics",
    multiple=True,
    help="Read this topic of a feed instead of files, up to its present end; or the log, such as "
    "crm.changes: the rules that are in it decide on it once more.",
)
@BROKER
@click.option("--from-offset", type=Offset(), help="Read each partition from here on. [default: earliest]")
@click.option("--from-time", type=Moment(), help="Read the messages that came to the topic then or later.")
@click.option("--paths-of-file", is_flag=True, help="On the log, try the paths of the configuration.")
@click.option(
    "--escalations",
    "out",
    type=FILES,
    help="Write what would have fired, as JSON lines; with a dash, the summary goes to stderr.",
)
@click.option(
    "--until",
    type=Moment(),
    help="Let time run up to here, such as 2026-04-01T00:00:00Z, and read nothing after it. "
    "[default: the last change]",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="How many processes to use. [default: as many as there are cores for a large history, else 1]",
)
@SCORE_FROM
@SCORE_UNTIL
@MOST
@RECALL
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write one HTML file: what would have fired when, to whom, how early, what was missed and why.",
)
@click.option(
    "--tuned",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="What `escalations tune --json` wrote: the report draws its curves.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=FILES)
def command(
    path: Path,
    feeds: tuple[str, ...],
    topics: tuple[str, ...],
    broker: str,
    from_offset: int | None,
    from_time: int | None,
    paths_of_file: bool,
    out: Path | None,
    until: int | None,
    jobs: int | None,
    since: int | None,
    score_until: int | None,
    most: int | None,
    recall: float | None,
    page: Path | None,
    tuned: tuple[Path, ...],
    as_json: bool,
    paths: tuple[Path, ...],
) -> None:
    """What would have fired on a history.

    These are the very events that the topic would carry. The history need not be in order: it is
    replayed in the order in which things happened. FILE is what `escalations decode` reads; of several
    feeds: --feed tickets=tickets.csv --feed comments=comments.jsonl.

    Where `outcomes` say what went bad, it also shows how much of that each path would have told, how
    early, and how often for nothing. Exit 1 over --max-per-recipient-week or under --min-recall.
    """
    from streams.backtest import scores_report
    from streams.backtest.alone import Alone
    from streams.backtest.budget import Budget
    from streams.backtest.log import LogReplay
    from streams.backtest.page.observed import Observed
    from streams.backtest.report import show, show_json
    from streams.backtest.scores import Period, Scores
    from streams.backtest.summary import Summary
    from streams.config import load
    from streams.core.escalation import encode
    from streams.progress import counting

    files = bool(feeds and paths) or any("=" in each for each in feeds)
    if files == bool(topics) or (topics and (feeds or paths)):
        raise click.UsageError("Give either --feed NAME FILE... or --topic TOPIC.")
    config = load(path)
    curves = _read_tuned(tuned, page)
    piped = out == Path("-")
    inputs = feed_files(config, feeds, paths)
    on_topics = OnTopics(config, broker, topics, from_offset, from_time, quiet=piped)
    logged = on_topics.is_log and not paths_of_file
    scored = not logged and (config.outcomes or (since, score_until, most, recall) != (None,) * 4)
    found = find_outcomes(config.outcomes.values(), inputs, on_topics, quiet=piped) if scored else []
    if recall is not None and not found:
        raise click.UsageError(NOTHING_SCORED)
    known = [(outcome, each.bad) for outcome, each in found]
    scores = Scores(config.rules, known, Period(since, score_until)) if scored else None
    observed = None if page is None else Observed(scores, known)
    sources = tuple(each for _, files in inputs for each in files)
    code = 0
    with (
        created(out, "--escalations", sources) as lines,
        created(page, "--report", sources if out is None else (*sources, out)) as html,
        _backtest(config, inputs, logged, 1 if on_topics.is_log else jobs, scores, page) as backtest,
    ):
        summary = Summary(config.rules, backtest.replayed, until, backtest.unread)
        try:
            if isinstance(backtest, LogReplay):
                on_topics.fold(backtest)
            else:
                on_topics.read(backtest)
                read_files(backtest, inputs, quiet=piped)
            summary.problem = backtest.problem
            with counting("replaying", backtest.total, quiet=piped) as advance:
                if scores is not None and isinstance(backtest, Alone):
                    decided = scores.count(backtest.decide(until, advance, scores.watch))
                else:
                    decided = backtest.decide(until, advance)
                counted = summary.count(decided)
                for each in counted if observed is None else observed.watch(counted):
                    if lines is not None:
                        lines.write(encode(each) + b"\n")
        except KeyboardInterrupt:
            # Of a part of a history scores would tell of what is still to come as missed.
            code, scores = INTERRUPTED, None
            summary.problem = f"interrupted after {backtest.replayed.changes:,} changes"
        if html is not None and observed is not None:
            # It loads a library for plots, which nobody else should wait for.
            from streams.backtest.page.render import render

            misses = _misses(config, backtest, scores, until, quiet=piped)
            html.write(render(config.rules, summary, scores, observed, misses, curves).encode())
    something = summary.replayed.changes > 0
    if as_json:
        show_json(summary, scores, err=piped)
    elif something or summary.problem is None:
        show(summary, err=piped)
        if scores is not None:
            scores_report.show(scores, err=piped)
    if summary.problem is not None:
        counted_above = ". What came before it is counted above." if something else ""
        click.echo(f"escalations: {summary.problem}{counted_above}", err=True)
        sys.exit(code or NO)
    if not something and (backtest.total or summary.unread.count or scores is not None):
        click.echo(f"escalations: {nothing_judged(backtest.total, summary.unread.count)}", err=True)
        sys.exit(NO)
    if scores is not None:
        wrong = [
            *unscorable(found, [scores.period], scores.births),
            *Budget(most, recall).exceeded(scores),
        ]
        for sentence in wrong:
            click.echo(f"escalations: {sentence}.", err=True)
        if wrong:
            sys.exit(NO)


def _backtest(
    config: "Config",
    inputs: "list[tuple[Feed, tuple[Path, ...]]]",
    logged: bool,
    jobs: int | None,
    scores: "Scores | None",
    page: Path | None,
) -> "AbstractContextManager[Backtest]":
    from streams.backtest.alone import Alone

    if logged:
        from streams.backtest.log import LogReplay

        return nullcontext(LogReplay(config.live.partitions))
    count = _cores(inputs) if jobs is None else jobs
    if count > 1 and config.rules.bases:
        names = ", ".join(each.name for each in config.rules.paths if each.about in config.rules.bases)
        click.echo(f"One process: all records share what {names} knows of similar ones.", err=True)
        count = 1
    if count > 1 and scores is not None and page is not None:
        click.echo("One process: the report looks through the history again for what was missed.", err=True)
        count = 1
    if count == 1:
        return nullcontext(Alone(config.rules))
    # Beside a single process it would only cost the time to load it.
    from streams.backtest.jobs import Jobs

    return Jobs(count, config.feeds.values(), config.rules, scores)


def _read_tuned(files: tuple[Path, ...], page: Path | None) -> "list[Tuned]":
    if files and page is None:
        raise click.UsageError("--tuned goes with --report.")
    if not files:
        return []
    from streams.backtest.page.tuned import NotTuned, read_tuned

    try:
        return [read_tuned(each) for each in files]
    except NotTuned as error:
        raise click.BadParameter(str(error), param_hint="--tuned") from None
    except OSError as error:
        raise click.BadParameter(reason(error), param_hint="--tuned") from None


def _misses(
    config: "Config", backtest: "Backtest", scores: "Scores | None", until: int | None, *, quiet: bool
) -> "list[Miss]":
    """The costliest, explained by one more pass over the history."""
    from streams.backtest.alone import Alone
    from streams.backtest.page.misses import costliest, explained
    from streams.progress import counted

    end = backtest.replayed.last if until is None else until
    if scores is None or end is None or not isinstance(backtest, Alone):
        return []
    missed = costliest(scores)
    if not missed:
        return []
    changes = counted(backtest.changes, "explaining misses", backtest.total, quiet=quiet)
    return explained(config.rules, changes, missed, end)


def _cores(inputs: "list[tuple[Feed, tuple[Path, ...]]]") -> int:
    """As many as there are, if the files are worth it."""
    files = [path for _, paths in inputs for path in paths if path.is_file()]
    size = sum(path.stat().st_size * (_GZIP if path.suffix == ".gz" else 1) for path in files)
    return (os.cpu_count() or 1) if size > _LARGE else 1
