"""The report of an audit, for people and for programs."""

from collections.abc import Mapping
from typing import Any

import click
import orjson
from rich.table import Table

from streams.backtest.audit import Audit
from streams.console import console

_LISTED = 10
"""How many of the stages and segments that no path looks at are shown."""


def show(audit: Audit) -> None:
    """Tables on standard output."""
    out = console()
    numbers = audit.as_json()
    if not numbers["changes"]:
        out.print("No changes.")
        return
    out.print(
        f"{numbers['changes']:,} changes of {numbers['records']:,} records, "
        f"{numbers['first']} to {numbers['last']}"
    )
    if not numbers["failures"]:
        out.print("Nothing in it that an audit would call a failure.")
    else:
        out.print(_failures(numbers["failures"]))
    for each in numbers["failures"]:
        out.print()
        out.print(_worst(each))
    if numbers["coverage"] is not None:
        out.print()
        for line in _coverage(numbers["coverage"]):
            out.print(line)
    if (start := numbers["start_with"]) is not None:
        out.print()
        where = "under `paths`" if start["under"] else "at the end of the file"
        out.print(f"Start with one path; paste it {where}:\n\n{start['yaml']}")
        for line in _load(start, numbers["max_per_recipient_week"]):
            out.print(line)
    elif numbers["failures"]:
        out.print()
        out.print(_no_start(numbers))
    if numbers["undecodable"]:
        count = numbers["undecodable"]
        out.print(f"{count:,} message{'s' * (count != 1)} could not be read; `escalations decode` shows why.")


def show_json(audit: Audit) -> None:
    """One JSON object on standard output."""
    click.echo(orjson.dumps(audit.as_json(), option=orjson.OPT_INDENT_2))


def _failures(failures: list[dict[str, Any]]) -> Table:
    table = Table()
    table.add_column("what nobody caught, the costliest first", overflow="fold")
    for column in ("records", "unnoticed, median", "worst", "in all", "worth"):
        table.add_column(column, justify="right")
    for each in failures:
        table.add_row(
            f"{each['about']}: {each['failure']}",
            f"{each['records']:,}",
            _days(each["median_days"]),
            _days(each["worst_days"]),
            _days(each["days"]),
            _money(each["value"]),
        )
    return table


def _worst(failure: Mapping[str, Any]) -> Table:
    table = Table(title=f"{failure['about']}: {failure['failure']}, the worst", title_justify="left")
    table.add_column("record", overflow="fold")
    for column in ("began", "noticeable", "over"):
        table.add_column(column)
    table.add_column("unnoticed", justify="right")
    table.add_column("worth", justify="right")
    table.add_column("what", overflow="fold")
    for each in failure["worst"]:
        value = each["value"]
        table.add_row(
            each["record"],
            *((each[name] or "never")[:16].replace("T", " ") for name in ("began", "noticeable", "over")),
            _days(each["days"]),
            "" if value is None else _money({each["currency"] or "": value}),
            each["what"],
        )
    return table


def _coverage(coverage: Mapping[str, Any]) -> list[str]:
    lines = [f"No path is about {each['kind']}: {each['records']:,} records." for each in coverage["kinds"]]
    segments = coverage["segments"]
    lines += [
        f"No path looks at a {each['kind']} of {each['field']} {each['value']}: {each['records']:,} records."
        for each in segments[:_LISTED]
    ]
    if len(segments) > _LISTED:
        lines.append(f"... and {len(segments) - _LISTED} more; --json has all of them.")
    lines += [f"The path {name} never fires." for name in coverage["never_fire"]]
    lines += [
        f"The path {each['path']} fires for nearly every record that it looks at: "
        f"{each['records']:,} of {each['of']:,}."
        for each in coverage["always_fire"]
    ]
    return lines or ["Each kind and stage has a path, and each path fires now and then."]


def _no_start(numbers: Mapping[str, Any]) -> str:
    most, least = numbers["max_per_recipient_week"], numbers["least_worst_week"]
    if least is None:
        return "No path to start with: none that could be proposed would have told anybody in time."
    return (
        f"No path to start with: where one helps, somebody would be told more than {most:,} times "
        f"in the worst week, {least:,} times at the least. See what --max-per-recipient-week {least} gives."
    )


def _load(start: Mapping[str, Any], most: int) -> list[str]:
    lines = [
        f"On this history: {start['episodes']:,} episodes of {start['records']:,} records, "
        f"{start['episodes_a_week']:,g} a week."
    ]
    if start["usual_worst_week"] > most:
        lines.append(
            f"Its limit is raised: with the usual one somebody would be told {start['usual_worst_week']:,} "
            f"times in the worst week, more than {most:,}."
        )
    return lines + [
        f"{name} is told {told['median_week']:,g} times in the median week, "
        f"{told['worst_week']:,} in the worst."
        for name, told in sorted(
            start["recipients"].items(), key=lambda each: (-each[1]["notices"], each[0])
        )[:_LISTED]
    ]


def _days(days: float) -> str:
    return f"{days:,.1f} d"


def _money(values: Mapping[str, float]) -> str:
    return ", ".join(f"{value:,.0f} {currency}".strip() for currency, value in sorted(values.items()))
