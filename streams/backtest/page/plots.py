"""The plots of a report: what is drawn, of which numbers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from statistics import median
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from streams.backtest.page.svg import INK, ONE, SERIES, TWO, label, plot
from streams.backtest.page.tuned import Row, Tuned
from streams.core.timestamps import DAY, HOUR, SECOND, duration

_DAYS = 100
"""A longer history is drawn by week."""

PEOPLE = 40
"""In the map of load: those who are told most often in a week."""

_EVENTS = (("opened", "opened"), ("advanced", "further steps"), ("warned", "warnings"))


def time_line(days: Mapping[tuple[str, str], Counter[int]], paths: Sequence[str]) -> Markup:
    """One row for each path, each on a scale of its own. days: how many by path and event, by the day's
    ordinal; there must be some."""
    every = [day for counted in days.values() for day in counted]
    step = 1 if max(every) - min(every) < _DAYS else 7
    # Weeks begin on Monday.
    first, last = (min(every) - 1) // step, (max(every) - 1) // step
    edges = [number * step + 1 for number in range(first, last + 2)]
    fired = [path for path in paths if any(days.get((path, event)) for event, _ in _EVENTS)]
    unit = "week" if step == 7 else "day"

    def draw(figure: Figure, narrow: bool) -> None:
        rows = figure.subplots(len(fired), 1, sharex=True, squeeze=False)[:, 0]
        start = date(1970, 1, 1).toordinal()
        shown: dict[str, Any] = {}
        for axes, path in zip(rows, fired, strict=True):
            below = [0] * (len(edges) - 1)
            for (event, words), colour in zip(_EVENTS, SERIES, strict=True):
                counted: Counter[int] = Counter()
                for day, count in days.get((path, event), {}).items():
                    counted[(day - 1) // step - first] += count
                if counted:
                    upper = [low + counted[number] for number, low in enumerate(below)]
                    moments = [edge - start for edge in edges]
                    axes.stairs(upper, moments, baseline=below, fill=True, color=colour, label=words)
                    below = upper
            axes.set_title(label(path, 40 if narrow else 80))
            axes.set_ylim(0)
            axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
            handles, names = axes.get_legend_handles_labels()
            shown |= dict(zip(names, handles, strict=True))
        _dates(rows[-1], narrow)
        if len(shown) > 1:
            figure.legend(shown.values(), shown.keys(), loc="outside upper right", fontsize=10, ncols=3)

    says = f"For each of {len(fired)} paths, how many escalations there would have been in each {unit}."
    return plot("timeline", f"Escalations by {unit}", says, 50 + 110 * len(fired), draw)


def _dates(axes: Axes, narrow: bool) -> None:
    axes.xaxis_date()
    locator = AutoDateLocator(minticks=2, maxticks=5 if narrow else 9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


class Point:
    """A path held against an outcome. Recall with its interval and lead with its quartiles (seconds) are None
    where there are too few to say."""

    def __init__(
        self,
        name: str,
        per_week: float,
        recall: tuple[float, float, float] | None,
        lead: tuple[float, float, float] | None,
    ) -> None:
        self.name, self.per_week, self.recall, self.lead = name, per_week, recall, lead


def noise(points: Sequence[Point]) -> Markup:
    """Escalations per week against what is found and how early."""

    def draw(figure: Figure, narrow: bool) -> None:
        shape = (2, 1) if narrow else (1, 2)
        found, early = figure.subplots(*shape).flat
        scale, unit = _unit([point.lead[2] for point in points if point.lead])
        for number, point in enumerate(points):
            colour, marker = SERIES[number % 3], "osD^v"[number // 3 % 5]
            if point.recall:
                _whiskers(found, point.per_week, point.recall, colour, marker, point.name)
            if point.lead:
                _whiskers(early, point.per_week, _scaled(point.lead, scale), colour, marker, point.name)
        found.set_ylim(-0.03, 1.05)
        found.set_title("Recall: told before it went bad")
        found.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        early.set_title(f"Lead in {unit}: median and quartiles")
        early.set_ylim(0)
        for axes in (found, early):
            axes.set_xlim(0, 1.15 * max(point.per_week for point in points) or 1)
            axes.set_xlabel("escalations per week")
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="lower left", fontsize=10)

    says = (
        "Each path and outcome is a point: to the right it is louder, further up it finds more, and earlier."
    )
    return plot("noise", "Noise against lateness", says, 300, draw, 560)


def _whiskers(
    axes: Axes, x: float, value: tuple[float, float, float], colour: str, marker: str, name: str
) -> None:
    low, middle, high = value
    error = [[middle - low], [high - middle]]
    axes.errorbar(
        [x], [middle], yerr=error, color=colour, marker=marker, markersize=7, capsize=4, label=label(name, 36)
    )


def loudness(per_week: Mapping[str, float]) -> Markup:
    """Escalations per week of each path, where nothing says what they were worth."""

    def draw(figure: Figure, narrow: bool) -> None:
        axes = figure.subplots()
        names = [label(name, 20 if narrow else 40) for name in per_week]
        bars = axes.barh(range(len(names)), list(per_week.values()), color=ONE)
        axes.bar_label(bars, fmt="{:,.3g}", padding=4)
        axes.set_yticks(range(len(names)), names)
        axes.margins(x=0.15)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("escalations per week")

    says = "How often each path would have escalated in a week, on average."
    return plot("noise", "Escalations per week", says, 60 + 34 * len(per_week), draw)


def leads(found: Mapping[str, Sequence[int]]) -> Markup:
    """How long before it went bad, in microseconds, by path and outcome; each has some."""

    def draw(figure: Figure, narrow: bool) -> None:
        rows = figure.subplots(len(found), 1, squeeze=False)[:, 0]
        for axes, (name, spans) in zip(rows, found.items(), strict=True):
            # The longest would leave no room for where most are.
            end = sorted(spans)[int(0.99 * (len(spans) - 1))] / SECOND
            scale, unit = _unit([end])
            shown = [min(span / SECOND, end) / scale for span in spans]
            axes.hist(shown, bins=20 if narrow else 40, color=ONE)
            middle = median(spans) / SECOND / scale
            said = f"median {duration(round(median(spans)))}"
            axes.axvline(min(middle, end / scale), color=TWO, linewidth=2, label=said)
            axes.set_title(label(name, 40 if narrow else 80))
            axes.set_xlabel(f"{unit} before it had gone bad")
            axes.set_ylabel("records")
            axes.set_xlim(0)
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.legend(loc="upper right", fontsize=10)

    says = "How many of the records that were told of in time were told of how long before."
    return plot("leads", "Lead times", says, 210 * len(found), draw)


def load(told: Mapping[str, Mapping[int, int]]) -> Markup:
    """People by weeks, the number of notices as strength of colour. Weeks are counted from the first Monday
    there is. `told` has somebody."""
    most = max(count for counted in told.values() for count in counted.values())
    weeks = [week for counted in told.values() for week in counted]

    def draw(figure: Figure, narrow: bool) -> dict[str, str]:
        axes = figure.subplots()
        tips = {}
        start = date(1970, 1, 1).toordinal()
        for row, (person, counted) in enumerate(told.items()):
            for week, count in counted.items():
                monday = week * 7 + 1
                # By the root: one notice must be seen beside a thousand.
                strength = 0.08 + 0.92 * (count / most) ** 0.5
                cell = Rectangle(
                    (monday - start, row - 0.46), 7, 0.92, facecolor=ONE, alpha=strength, linewidth=0
                )
                name = f"load-{row}-{week}"
                cell.set_gid(name)
                tips[name] = f"{person}, week of {date.fromordinal(monday)}: {count:,}"
                axes.add_patch(cell)
        names = [label(person, 14 if narrow else 30) for person in told]
        axes.set_yticks(range(len(names)), names, color=INK)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(min(weeks) * 7 + 1 - start, max(weeks) * 7 + 8 - start)
        axes.grid(visible=False)
        axes.tick_params(axis="y", length=0)
        _dates(axes, narrow)
        return tips

    says = f"A row for each person, a column for each week; the strongest colour is {most:,} notices."
    return plot("load", "Notices per person and week", says, 60 + 24 * len(told), draw)


def curve(number: int, tuned: Tuned) -> Markup:
    """What other thresholds would have meant; a curve for each period."""
    every = [row for period in tuned.periods.values() for row in period.rows]
    scale, unit = _unit([row.lead_seconds.median for row in every if row.lead_seconds])
    measures: list[tuple[str, Callable[[Row], float | None]]] = [
        ("recall", lambda row: None if row.recall is None else row.recall.value),
        (
            f"median lead, {unit}",
            lambda row: None if row.lead_seconds is None else row.lead_seconds.median / scale,
        ),
        ("worst week of a person", lambda row: row.worst_week),
    ]
    shown = [(title, of) for title, of in measures if any(of(row) is not None for row in every)]
    marks = (
        ("knee", tuned.knee, "D", 9),
        ("within budget", tuned.within_budget, "s", 12),
        ("has the recall", tuned.with_recall, "o", 15),
    )

    def draw(figure: Figure, narrow: bool) -> None:
        panels = figure.subplots(*((len(shown), 1) if narrow else (1, len(shown))), squeeze=False).flat
        for axes, (title, of) in zip(panels, shown, strict=True):
            for (name, period), colour in zip(tuned.periods.items(), SERIES, strict=False):
                points = [(row.escalations, of(row)) for row in period.rows if of(row) is not None]
                axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, label=name)
            for words, values, marker, size in marks:
                for row in tuned.periods["fit"].rows:
                    if row.values == values:
                        style = {"marker": marker, "markersize": size, "linestyle": "", "color": INK}
                        axes.plot(row.escalations, of(row), markerfacecolor="none", label=words, **style)
            axes.set_title(title)
            axes.set_xlabel("escalations")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            if title == "recall":
                axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.legend(loc="lower right", fontsize=10)

    says = (
        f"{', '.join(title for title, _ in shown)} against escalations, for each threshold of {tuned.path}."
    )
    return plot(f"tuned{number}", f"Thresholds of {tuned.path}", says, 290, draw, 260 * len(shown))


def _unit(seconds: Sequence[float]) -> tuple[float, str]:
    """Seconds of the unit in which the longest is best told."""
    longest = max(seconds, default=0.0)
    if longest >= 3 * DAY / SECOND:
        return DAY / SECOND, "days"
    if longest >= 3 * HOUR / SECOND:
        return HOUR / SECOND, "hours"
    return 60.0, "minutes"


def _scaled(spans: tuple[float, float, float], scale: float) -> tuple[float, float, float]:
    first, middle, third = spans
    return first / scale, middle / scale, third / scale
