"""`escalations calendar`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.commands.exit_codes import NO
from streams.commands.options import CONFIG, examples

if TYPE_CHECKING:
    from streams.core.document import Node


@click.command(
    "calendar",
    epilog=examples("escalations calendar support", "escalations calendar support --year 2027 --json"),
)
@CONFIG
@click.option("--year", type=click.IntRange(1901, 2198), help="Which year. [default: this one]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.argument("name")
def command(path: Path, year: int | None, as_json: bool, name: str) -> None:
    """Show which days and hours a calendar counts.

    NAME is one of `calendars` in the configuration. Shown are its week, the closed days of a year
    with the entry of `holidays` that brings each, those that `not_holidays` takes out, and the
    working hours of each month. Exit 1 when there are none in that year.
    """
    from datetime import datetime
    from zoneinfo import ZoneInfo

    import orjson

    from streams.config import load
    from streams.core.document import Node, did_you_mean

    document = load(path).rules.document
    calendars = document.get("calendars") or {}
    if name not in calendars:
        known = f"{did_you_mean(name, calendars)}Known: {', '.join(calendars) or 'none yet'}"
        raise click.BadParameter(f"there is no calendar {name!r}. {known}", param_hint="NAME")
    zone = calendars[name].get("zone") or document.get("zone") or "UTC"
    year = year or datetime.now(ZoneInfo(zone)).year
    counted = {"calendar": name, "zone": zone, "year": year, **_count_year(Node(calendars[name]), zone, year)}
    if as_json:
        click.echo(orjson.dumps(counted, option=orjson.OPT_INDENT_2))
    else:
        _show_year(counted)
    if not counted["hours"]:
        click.echo(f"escalations: {name} has no working hours in {year}", err=True)
        sys.exit(NO)


def _count_year(calendar: "Node", zone: str, year: int) -> dict[str, Any]:
    """`open`, `closed`, `excluded`, `months` and `hours` of a year of a calendar that has been checked.

    The hours of a closed or excluded day are those of its weekday.
    """
    from datetime import date, datetime, timedelta
    from zoneinfo import ZoneInfo

    from streams.core.calendars import Holiday, list_holidays, read_calendar
    from streams.core.document import Node
    from streams.core.timestamps import HOUR, micros

    def without(*keys: str) -> Node:
        return Node({key: value for key, value in calendar.value.items() if key not in keys})

    def midnight(day: date) -> int:
        return micros(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))

    def hours(micros: int) -> float:
        return round(micros / HOUR, 2)

    worked = read_calendar(calendar, zone).worked
    usual = read_calendar(without("holidays", "not_holidays"), zone).worked

    def row(holiday: Holiday) -> dict[str, Any]:
        day = holiday.day
        lost = usual(midnight(day), midnight(day + timedelta(days=1)))
        return {
            "day": day.isoformat(),
            "weekday": day.ctime()[:3].lower(),
            "hours": hours(lost),
            "name": holiday.name,
            "source": holiday.source,
        }

    span = date(year, 1, 1), date(year, 12, 31)
    closed = list_holidays(calendar, *span)
    listed = list_holidays(without("not_holidays"), *span)
    firsts = [midnight(date(year + month // 12, month % 12 + 1, 1)) for month in range(13)]
    return {
        "open": {days: " ".join(each.text().split()) for days, each in calendar["open"].items()},
        "closed": [row(each) for each in closed],
        "excluded": [row(each) for each in listed if each not in closed],
        "months": {
            f"{year}-{month:02}": hours(worked(*firsts[month - 1 : month + 1])) for month in range(1, 13)
        },
        "hours": hours(worked(firsts[0], firsts[-1])),
    }


def _show_year(counted: dict[str, Any]) -> None:
    from rich.table import Table

    from streams.console import console

    out = console()
    out.print(f"{counted['calendar']}: {counted['zone']}, {counted['year']}")
    week = Table("days", "open")
    for days, windows in counted["open"].items():
        week.add_row(days, windows)
    out.print(week)
    for what in ("closed", "excluded"):
        table = Table(what, "weekday", "hours", "holiday", "source")
        table.columns[2].justify = "right"
        for each in counted[what]:
            table.add_row(each["day"], each["weekday"], f"{each['hours']:.12g}", each["name"], each["source"])
        if counted[what]:
            out.print(table)
    if not counted["closed"]:
        out.print("No day is closed as a holiday.")
    months = Table("month", "hours")
    months.columns[1].justify = "right"
    for month, hours in counted["months"].items():
        months.add_row(month, f"{hours:,.12g}")
    months.add_section()
    months.add_row(str(counted["year"]), f"{counted['hours']:,.12g}")
    out.print(months)
