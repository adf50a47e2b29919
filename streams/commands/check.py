"""`escalations check`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.exit_codes import NO
from streams.commands.options import CONFIG, examples

if TYPE_CHECKING:
    from streams.diagnostics import Diagnostic


@click.command(
    "check",
    epilog=examples(
        "escalations check", "escalations check -c crm/escalations.yaml --strict", "escalations check --json"
    ),
)
@CONFIG
@click.option("--strict", is_flag=True, help="Exit 1 on warnings, too.")
@click.option("--json", "as_json", is_flag=True, help="What was found, as one JSON object.")
def command(path: Path, strict: bool, as_json: bool) -> None:
    """Look for mistakes in the configuration. Exit 1 when there are errors.

    Errors, warnings and infos go to stderr; docs/checks.md says what each is about. A comment
    in the line of a path switches a check off there: `# check: ignore overlap`.
    """
    from datetime import date

    from streams.config import ConfigError, load_with_source
    from streams.diagnostics import counted, render
    from streams.lint import lint

    found: Sequence[Diagnostic]
    try:
        config, document = load_with_source(path)
    except ConfigError as error:
        found, summary = error.diagnostics, None
        said = str(error)
    else:
        found, summary = lint(config, document, date.today()), config.summary()
        said = "\n\n".join([*map(render, found), f"{counted(found)} in {path}."])
    if as_json:
        click.echo(_as_json(path, found))
    else:
        if found:
            click.echo(said, err=True)
        if summary is not None:
            click.echo(summary)
    if any(each.weight == "error" or (strict and each.weight == "warning") for each in found):
        sys.exit(NO)


def _as_json(path: Path, found: "Sequence[Diagnostic]") -> bytes:
    """`name` is null for what keeps the file from being read as a configuration."""
    import orjson

    from streams.diagnostics import WEIGHTS

    counts = {weight: sum(each.weight == weight for each in found) for weight in WEIGHTS}
    findings = [
        {
            "name": each.name or None,
            "severity": each.weight,
            "file": each.file,
            "line": each.line,
            "column": each.column,
            "length": each.length,
            "where": each.where,
            "message": each.message,
            "remedy": each.remedy,
        }
        for each in found
    ]
    return orjson.dumps(
        {"file": str(path), "counts": counts, "findings": findings}, option=orjson.OPT_INDENT_2
    )
