"""`escalations test`."""

import sys
from pathlib import Path

import click

from streams.commands.exit_codes import NO, WRONG_USE
from streams.commands.options import CONFIG, examples

_SUFFIX = ".tests.yaml"


@click.command(
    "test",
    epilog=examples(
        "escalations test",
        "escalations test --filter 'on leave'",
        "escalations test -c crm/escalations.yaml crm/escalations.tests.yaml --json",
    ),
)
@CONFIG
@click.option("--filter", "wanted", metavar="TEXT", help="Only tests with this in their name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.argument(
    "files",
    metavar="[FILE]...",
    nargs=-1,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
def command(path: Path, wanted: str | None, as_json: bool, files: tuple[Path, ...]) -> None:
    """Test the paths by stories with a simulated clock.

    FILE says what happens to records and which escalations must come of it; by default every
    *.tests.yaml beside the configuration. docs/testing-rules.md describes it. Exit 1 when a test
    fails, 2 when there are none or a file has mistakes.
    """
    from streams.config import ConfigError, load
    from streams.ruletests.document import TestFile, read_tests
    from streams.ruletests.report import show, show_json, show_summary
    from streams.ruletests.run import run

    config = load(path)
    if not files:
        files = tuple(sorted(path.parent.glob(f"*{_SUFFIX}")))
        if not files:
            raise click.UsageError(
                f"There are no tests: no file {path.parent / ('*' + _SUFFIX)}. "
                "`escalations init --starter csv` writes examples."
            )
    read: list[TestFile] = []
    mistakes: list[ConfigError] = []
    for each in files:
        try:
            read.append(read_tests(each, config))
        except ConfigError as error:
            mistakes.append(error)
    if mistakes:
        click.echo("\n\n".join(map(str, mistakes)), err=True)
        sys.exit(WRONG_USE)
    outcomes = []
    for file in read:
        tests = [each for each in file.tests if wanted is None or wanted.lower() in each.name.lower()]
        done = [run(each, file.rules) for each in tests]
        if done and not as_json:
            show(file, done)
        outcomes += done
    if not outcomes:
        raise click.UsageError(f"No test has {wanted!r} in its name.")
    # Of some of the tests it would say nothing.
    tested = {name for each in outcomes for name in each.test.paths}
    untested = [each.name for each in config.rules.paths if wanted is None and each.name not in tested]
    (show_json if as_json else show_summary)(outcomes, untested)
    if not all(each.passed for each in outcomes):
        sys.exit(NO)
