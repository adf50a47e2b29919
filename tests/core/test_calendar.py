"""Working-time arithmetic: what each rule means, and properties against a slow, obvious oracle."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.core.calendar import ALWAYS, Calendar, due
from streams.core.timestamps import SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Windows = list[tuple[int, int]]
ALL_DAY: Windows = [(0, 86_400)]


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return (local - EPOCH) // timedelta(microseconds=1)


def shown(moment: int, zone: str = "UTC") -> str:
    return f"{(EPOCH + timedelta(microseconds=moment)).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def hours(*spans: tuple[float, float]) -> Windows:
    return [(int(start * 3600), int(end * 3600)) for start, end in spans]


def weekly(windows: Windows, days: range = range(5)) -> dict[int, Windows]:
    return dict.fromkeys(days, windows)


@cache
def office(zone: str = "UTC") -> Calendar:
    return Calendar(zone, weekly(hours((9, 17))))


# 2024-01-15 is a Monday.


def test_only_open_hours_count() -> None:
    assert office().worked(at("2024-01-15 08:00"), at("2024-01-15 10:30")) == 90 * MINUTE
    assert office().worked(at("2024-01-19 16:00"), at("2024-01-22 10:00")) == 2 * HOUR


def test_an_end_before_the_start_has_no_working_time() -> None:
    assert office().worked(at("2024-01-16 10:00"), at("2024-01-15 10:00")) == 0
    assert office().worked(at("2024-01-15 10:00"), at("2024-01-15 10:00")) == 0


def test_several_windows_a_day() -> None:
    lunch = Calendar("UTC", weekly(hours((8, 12), (13, 17))))
    assert lunch.worked(at("2024-01-15 11:00"), at("2024-01-15 14:00")) == 2 * HOUR
    assert lunch.add(at("2024-01-15 11:30"), HOUR) == at("2024-01-15 13:30")
    assert lunch.subtract(at("2024-01-15 13:30"), HOUR) == at("2024-01-15 11:30")
    assert not lunch.is_open(at("2024-01-15 12:30"))


def test_each_weekday_has_its_own_hours() -> None:
    calendar = Calendar("UTC", {0: hours((10.5, 19)), 5: ALL_DAY})
    assert calendar.next_open(at("2024-01-15 09:00")) == at("2024-01-15 10:30")
    assert calendar.add(at("2024-01-15 18:00"), 2 * HOUR) == at("2024-01-20 01:00")


def test_an_exactly_filled_window_ends_at_closing_time() -> None:
    due_at = office().add(at("2024-01-15 09:00"), 8 * HOUR)
    assert due_at == at("2024-01-15 17:00")
    assert not office().is_open(due_at)
    assert office().next_open(due_at) == at("2024-01-16 09:00")
    assert office().add(at("2024-01-15 09:00"), 8 * HOUR + 1) == at("2024-01-16 09:00") + 1


def test_subtracting_exactly_to_an_opening_gives_the_opening() -> None:
    assert office().subtract(at("2024-01-16 10:00"), HOUR) == at("2024-01-16 09:00")
    assert office().subtract(at("2024-01-16 10:00"), HOUR + 1) == at("2024-01-15 17:00") - 1


def test_a_clock_started_outside_hours_runs_from_the_next_opening() -> None:
    assert office().add(at("2024-01-20 12:00"), HOUR) == at("2024-01-22 10:00")
    assert office().subtract(at("2024-01-21 12:00"), HOUR) == at("2024-01-19 16:00")


def test_adding_nothing_waits_for_an_opening_but_subtracting_nothing_stays() -> None:
    assert office().add(at("2024-01-15 10:00"), 0) == at("2024-01-15 10:00")
    assert office().add(at("2024-01-20 12:00"), 0) == at("2024-01-22 09:00")
    assert office().subtract(at("2024-01-20 12:00"), 0) == at("2024-01-20 12:00")


@pytest.mark.parametrize("method", [Calendar.add, Calendar.subtract])
def test_negative_amounts_are_refused(method: Callable[[Calendar, int, int], int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        method(office(), at("2024-01-15 10:00"), -1)


def test_opening_is_open_and_closing_is_not() -> None:
    assert not office().is_open(at("2024-01-15 09:00") - 1)
    assert office().is_open(at("2024-01-15 09:00"))
    assert office().is_open(at("2024-01-15 17:00") - 1)
    assert not office().is_open(at("2024-01-15 17:00"))


def test_midnight_ends_a_day_and_joins_the_next() -> None:
    night = Calendar("UTC", {0: hours((22, 24)), 1: hours((0, 6))})
    assert night.worked(at("2024-01-15 00:00"), at("2024-01-17 00:00")) == 8 * HOUR
    assert night.is_open(at("2024-01-16 00:00"))
    assert night.add(at("2024-01-15 23:00"), HOUR) == at("2024-01-16 00:00")
    assert night.add(at("2024-01-15 23:00"), 2 * HOUR) == at("2024-01-16 01:00")


def test_hours_at_the_turn_of_a_year() -> None:
    calendar = Calendar("UTC", weekly(ALL_DAY, range(7)), yearly_holidays=[(1, 2)])
    assert calendar.is_open(at("2025-01-01 00:00"))
    assert calendar.add(at("2024-12-31 23:00"), 2 * HOUR) == at("2025-01-01 01:00")
    assert calendar.subtract(at("2025-01-01 01:00"), 2 * HOUR) == at("2024-12-31 23:00")
    assert calendar.add(at("2023-12-31 23:00"), HOUR) == at("2024-01-01 00:00")


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("Europe/Berlin", "2024-03-31", 23),
        ("Europe/Berlin", "2024-10-27", 25),
        ("America/Sao_Paulo", "2015-10-18", 23),  # no midnight
        ("America/Sao_Paulo", "2015-02-21", 25),  # its last hour comes twice
        ("Asia/Tehran", "2016-03-21", 23),  # no midnight
        ("Asia/Tehran", "2016-09-20", 25),
        ("Australia/Lord_Howe", "2024-04-07", 24.5),
        ("America/New_York", "1965-04-25", 23),
        ("Europe/Berlin", "2045-10-29", 25),
        ("Pacific/Apia", "2011-12-30", 0),  # left out for the date line
    ],
)
def test_a_whole_day_has_its_real_length(zone: str, day: str, length: float) -> None:
    date_of = date.fromisoformat(day)
    calendar = Calendar(zone, {date_of.weekday(): ALL_DAY})
    start = at(f"{date_of - timedelta(days=1)} 12:00", zone)
    end = at(f"{date_of + timedelta(days=1)} 12:00", zone)
    assert calendar.worked(start, end) == length * HOUR


def test_windows_across_and_inside_a_skipped_hour() -> None:
    sundays = Calendar("Europe/Berlin", {6: hours((1, 2.5), (2.5, 2.75), (2.75, 5))})
    day = at("2024-03-31 00:00", "Europe/Berlin")
    # 01:00 to 02:00, then 03:00 to 05:00; the clock shows no time in between.
    assert sundays.worked(day, day + DAY) == 3 * HOUR
    assert shown(sundays.add(day, HOUR + 1), "Europe/Berlin") == "2024-03-31 03:00:00"


def test_windows_open_and_close_when_a_repeated_time_first_comes() -> None:
    zone = "Europe/Berlin"
    first, second = at("2024-10-27 02:30", zone, fold=0), at("2024-10-27 02:30", zone, fold=1)
    assert second - first == HOUR
    closing = Calendar(zone, {6: hours((1, 2.5))})
    assert closing.is_open(first - 1)
    assert not closing.is_open(first)
    assert not closing.is_open(second - 1)
    opening = Calendar(zone, {6: hours((2.5, 4))})
    assert opening.next_open(first - DAY) == first
    assert opening.worked(first - DAY, first + DAY) == 2.5 * HOUR


def test_office_hours_follow_the_local_clock() -> None:
    berlin = office("Europe/Berlin")
    assert berlin.next_open(at("2024-03-29 20:00")) == at("2024-04-01 07:00")
    assert berlin.next_open(at("2024-10-25 20:00")) == at("2024-10-28 08:00")


def test_holidays_are_closed_on_their_date_only() -> None:
    calendar = Calendar("UTC", weekly(hours((9, 17))), holidays=[date(2024, 1, 16), datetime(2024, 1, 17)])
    assert calendar.next_open(at("2024-01-15 18:00")) == at("2024-01-18 09:00")
    assert calendar.is_open(at("2025-01-16 10:00"))


def test_yearly_holidays_are_closed_every_year() -> None:
    calendar = Calendar("UTC", weekly(ALL_DAY, range(7)), yearly_holidays=[(12, 25), (2, 29)])
    for year in (1965, 2024, 2050):
        assert not calendar.is_open(at(f"{year}-12-25 12:00"))
        assert calendar.is_open(at(f"{year}-12-26 00:00"))
    assert calendar.worked(at("2024-02-28"), at("2024-03-02")) == 2 * DAY
    assert calendar.worked(at("2023-02-28"), at("2023-03-02")) == 2 * DAY


def test_holidays_can_be_a_rule() -> None:
    calendar = Calendar("UTC", weekly(hours((9, 17))), is_holiday=lambda day: day.day == 16)
    assert calendar.next_open(at("2024-01-15 18:00")) == at("2024-01-17 09:00")
    assert calendar.add_days(at("2024-01-15 10:00"), 1) == at("2024-01-17 10:00")


def test_a_holiday_ends_at_local_midnight() -> None:
    calendar = Calendar("Europe/Berlin", weekly(ALL_DAY, range(7)), holidays=[date(2024, 1, 16)])
    assert calendar.worked(at("2024-01-15 22:00"), at("2024-01-17 00:00")) == 2 * HOUR


def test_working_days_keep_the_local_clock_time() -> None:
    berlin = office("Europe/Berlin")
    friday = at("2024-03-29 10:00", "Europe/Berlin")
    assert shown(berlin.add_days(friday, 1), "Europe/Berlin") == "2024-04-01 10:00:00"
    assert shown(berlin.add_days(friday, -5), "Europe/Berlin") == "2024-03-22 10:00:00"


def test_working_days_ignore_the_hours_of_the_day_they_end_on() -> None:
    calendar = Calendar("UTC", {0: hours((10.5, 19)), 4: hours((8.5, 19))})
    assert calendar.add_days(at("2024-01-19 08:46"), 1) == at("2024-01-22 08:46")


def test_working_days_from_a_closed_day_count_from_the_next() -> None:
    assert office().add_days(at("2024-01-20 12:00"), 1) == at("2024-01-22 12:00")
    assert office().add_days(at("2024-01-20 12:00"), -1) == at("2024-01-19 12:00")
    assert office().add_days(at("2024-01-20 12:00"), 0) == at("2024-01-20 12:00")


def test_working_days_to_a_skipped_clock_time_end_when_it_is_skipped() -> None:
    daily = Calendar("Europe/Berlin", weekly(ALL_DAY, range(7)))
    saturday = at("2024-03-30 02:30", "Europe/Berlin")
    assert shown(daily.add_days(saturday, 1), "Europe/Berlin") == "2024-03-31 03:00:00"


def test_dates_long_before_1970_and_long_after_2038() -> None:
    for year in (1910, 1955, 2045, 2150):
        start, end = at(f"{year}-06-06 00:00"), at(f"{year}-06-20 00:00")
        assert office().worked(start, end) == 80 * HOUR
    calendar = Calendar("Europe/Berlin", weekly(ALL_DAY, range(7)), holidays=[date(2045, 3, 28)])
    assert calendar.worked(at("2045-03-25", "Europe/Berlin"), at("2045-03-29", "Europe/Berlin")) == 71 * HOUR


def test_questions_in_any_order_have_the_same_answers() -> None:
    moments = [at(f"{year}-07-01 12:00") for year in (2024, 1999, 2031, 1985, 2012, 2024)]
    used = Calendar("Europe/Berlin", weekly(hours((9, 17))))
    for start in moments:
        fresh = Calendar("Europe/Berlin", weekly(hours((9, 17))))
        assert used.add(start, 5000 * HOUR) == fresh.add(start, 5000 * HOUR)
        assert used.subtract(start, 5000 * HOUR) == fresh.subtract(start, 5000 * HOUR)
        assert used.worked(start, start + 900 * DAY) == fresh.worked(start, start + 900 * DAY)


def test_the_first_moment_of_a_year_can_be_asked_first() -> None:
    for year in (2024, 2019, 2027):
        fresh = Calendar("Europe/Berlin", weekly(hours((9, 17))))
        start = at(f"{year}-01-01 00:00", "Europe/Berlin")
        assert not fresh.is_open(start)
        assert fresh.worked(start, start + 7 * DAY) == 40 * HOUR


def test_always_is_plain_arithmetic_at_any_distance() -> None:
    now, never = at("2024-01-15 10:00"), at("9999-12-31 00:00")
    assert ALWAYS.zone == "UTC"
    assert ALWAYS.worked(now, never) == never - now
    assert ALWAYS.worked(never, now) == 0
    assert ALWAYS.add(now, never) == now + never
    assert ALWAYS.subtract(now, never) == now - never
    assert ALWAYS.is_open(never)
    assert ALWAYS.next_open(now) == now
    assert ALWAYS.add_days(now, 6) == now + 6 * DAY


def test_holidays_that_leave_no_working_time_are_an_error_not_a_loop() -> None:
    calendar = Calendar("UTC", weekly(hours((9, 17))), is_holiday=lambda day: True)
    now = at("2024-01-15 10:00")
    questions: list[Callable[[], int]] = [
        lambda: calendar.add(now, 1),
        lambda: calendar.subtract(now, 1),
        lambda: calendar.next_open(now),
        lambda: calendar.add_days(now, 1),
        lambda: calendar.add_days(now, -1),
    ]
    for question in questions:
        with pytest.raises(ValueError, match="no working time within 300 years"):
            question()
    assert calendar.worked(now, now + 30 * DAY) == 0
    assert not calendar.is_open(now)


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31"])
def test_moments_out_of_all_bounds_are_refused(moment: str) -> None:
    with pytest.raises(ValueError, match="outside the years 1900 to 2199"):
        office().next_open(at(moment))
    with pytest.raises(ValueError, match="outside the years 1900 to 2199"):
        office().add_days(at(moment), 1)


@pytest.mark.parametrize("zone", ["Europe/Berlim", "", "../etc", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        Calendar(zone, weekly(hours((9, 17))))


@pytest.mark.parametrize(
    ("open_hours", "message"),
    [
        ({}, "at least one open hour"),
        ({0: [], 1: []}, "at least one open hour"),
        ({0: hours((17, 9))}, "17:00-09:00 on Monday must end after it starts"),
        ({0: hours((9, 9))}, "must end after it starts"),
        ({6: hours((22, 25))}, "22:00-25:00 on Sunday must .* between 00:00 and 24:00"),
        ({1: hours((9, 12), (11, 17))}, "11:00-17:00 on Tuesday overlaps"),
        ({1: hours((13, 17), (9, 12))}, "09:00-12:00 on Tuesday overlaps the one before, or is out of order"),
        ({7: hours((9, 17))}, "no such weekday: 7"),
    ],
)
def test_impossible_hours_are_refused(open_hours: dict[int, Windows], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Calendar("UTC", open_hours)


def test_an_impossible_yearly_holiday_is_refused() -> None:
    with pytest.raises(ValueError, match="no such yearly holiday: month 2, day 30"):
        Calendar("UTC", weekly(hours((9, 17))), yearly_holidays=[(2, 30)])


def test_pauses_move_the_due_moment_by_the_working_time_in_them() -> None:
    start = at("2024-01-15 16:00")
    overnight = (at("2024-01-15 16:30"), at("2024-01-16 09:30"))
    assert due(office(), start, 2 * HOUR, []) == at("2024-01-16 10:00")
    assert due(office(), start, 2 * HOUR, [overnight]) == at("2024-01-16 11:00")


def test_pauses_outside_hours_change_nothing() -> None:
    assert due(
        office(), at("2024-01-15 16:00"), 2 * HOUR, [(at("2024-01-15 18:00"), at("2024-01-16 08:00"))]
    ) == at("2024-01-16 10:00")


def test_a_pause_never_puts_the_due_moment_past_closing_time() -> None:
    pause = (at("2024-01-15 10:00"), at("2024-01-15 11:00"))
    assert due(office(), at("2024-01-15 09:00"), 7 * HOUR, [pause]) == at("2024-01-15 17:00")
    assert due(office(), at("2024-01-15 09:00"), 8 * HOUR, [pause]) == at("2024-01-16 10:00")


def test_pauses_after_the_due_moment_or_before_the_start_do_not_count() -> None:
    start = at("2024-01-15 10:00")
    after = (at("2024-01-15 11:00"), at("2024-01-15 12:00"))
    before = (at("2024-01-15 09:00"), at("2024-01-15 09:30"))
    assert due(office(), start, HOUR, [after, before]) == at("2024-01-15 11:00")


def test_a_clock_that_starts_paused_waits() -> None:
    pause = (at("2024-01-15 09:00"), at("2024-01-15 10:30"))
    assert due(office(), at("2024-01-15 10:00"), HOUR, [pause]) == at("2024-01-15 11:30")


def test_overlapping_pauses_count_once() -> None:
    pauses = [
        (at("2024-01-15 11:00"), at("2024-01-15 13:00")),
        (at("2024-01-15 10:00"), at("2024-01-15 14:00")),
        (at("2024-01-15 13:30"), at("2024-01-15 14:30")),
    ]
    assert due(office(), at("2024-01-15 09:00"), 2 * HOUR, pauses) == at("2024-01-15 15:30")


# Places and days at which clocks do something unusual, and one at which they do not.
SCENES = [
    ("UTC", "2023-12-31"),
    ("Europe/Berlin", "2024-03-31"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/Sao_Paulo", "2015-10-18"),
    ("America/Sao_Paulo", "2015-02-22"),
    ("America/St_Johns", "2010-11-07"),  # 00:01 goes back to 23:01 of the day before
    ("Asia/Tehran", "2016-03-21"),
    ("Asia/Tehran", "2016-09-21"),
    ("Australia/Lord_Howe", "2024-04-07"),
    ("Pacific/Apia", "2011-12-30"),
]
SPAN = 3 * 24 * 60  # minutes


@st.composite
def windows_of_a_day(draw: st.DrawFn) -> Windows:
    edges = draw(st.lists(st.integers(0, 48), unique=True, max_size=6).map(sorted))
    return [(start * 1800, end * 1800) for start, end in pairwise(edges) if draw(st.booleans())]


@cache
def latest_shown(zone: str, start: int) -> list[datetime]:
    """For each minute of the span, the latest time that the local clock has shown so far."""
    latest = datetime.min
    shown_so_far = []
    lead = 24 * 60
    for minute in range(-lead, SPAN):
        shows = datetime.fromtimestamp((start + minute * MINUTE) // SECOND, ZoneInfo(zone))
        latest = max(latest, shows.replace(tzinfo=None, fold=0))
        shown_so_far.append(latest)
    return shown_so_far[lead:]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Calendar, int, list[bool]]:
    """A calendar, a moment before the change of the clocks, and which minutes from it are open."""
    zone, day = draw(st.sampled_from(SCENES))
    week = {weekday: draw(windows_of_a_day()) for weekday in range(7)}
    assume(any(week.values()))
    center = date.fromisoformat(day)
    holidays = {center + timedelta(days=draw(st.integers(-3, 3))) for _ in range(draw(st.integers(0, 2)))}
    start = at(f"{day} 00:00") - SPAN // 2 * MINUTE

    def is_open(local: datetime) -> bool:
        second = local.hour * 3600 + local.minute * 60
        within = any(opens <= second < closes for opens, closes in week[local.weekday()])
        return within and local.date() not in holidays

    minutes = [is_open(local) for local in latest_shown(zone, start)]
    return Calendar(zone, week, holidays=holidays), start, minutes


oracle = settings(max_examples=60)
minutes_in = st.integers(0, SPAN - 1)


@oracle
@given(scene=scenes(), a=minutes_in, b=minutes_in)
def test_worked_is_the_number_of_open_minutes(
    scene: tuple[Calendar, int, list[bool]], a: int, b: int
) -> None:
    calendar, start, minutes = scene
    assert calendar.worked(start + a * MINUTE, start + b * MINUTE) == sum(minutes[a:b]) * MINUTE
    assert calendar.is_open(start + a * MINUTE) == minutes[a]


@oracle
@given(scene=scenes(), a=minutes_in, data=st.data())
def test_add_walks_over_open_minutes(
    scene: tuple[Calendar, int, list[bool]], a: int, data: st.DataObject
) -> None:
    calendar, start, minutes = scene
    open_minutes = [minute for minute in range(a, SPAN) if minutes[minute]]
    assume(open_minutes)
    amount = data.draw(st.integers(1, len(open_minutes)))
    end = start + (open_minutes[amount - 1] + 1) * MINUTE
    assert calendar.add(start + a * MINUTE, amount * MINUTE) == end
    assert calendar.next_open(start + a * MINUTE) == start + open_minutes[0] * MINUTE


@oracle
@given(scene=scenes(), b=minutes_in, data=st.data())
def test_subtract_walks_back_over_open_minutes(
    scene: tuple[Calendar, int, list[bool]], b: int, data: st.DataObject
) -> None:
    calendar, start, minutes = scene
    open_minutes = [minute for minute in range(b) if minutes[minute]]
    assume(open_minutes)
    amount = data.draw(st.integers(1, len(open_minutes)))
    assert calendar.subtract(start + b * MINUTE, amount * MINUTE) == start + open_minutes[-amount] * MINUTE


@cache
def calendars() -> list[Calendar]:
    week = {0: hours((8, 12), (13, 17)), 2: ALL_DAY, 3: hours((0, 6)), 5: hours((22, 24)), 6: hours((1, 2.5))}
    return [
        office("Asia/Kathmandu"),
        *(
            Calendar(zone, week, yearly_holidays=[(1, 1), (12, 25)])
            for zone in ("Europe/Berlin", "Asia/Tehran")
        ),
        Calendar("America/St_Johns", weekly(ALL_DAY, range(7)), holidays=[date(2010, 11, 6)]),
        ALWAYS,
    ]


any_calendar = st.deferred(lambda: st.sampled_from(calendars()))
moments = st.integers(at("2005-01-01"), at("2040-01-01"))
amounts = st.integers(1, 3000 * HOUR)
properties = settings(max_examples=200)


@properties
@given(calendar=any_calendar, start=moments, amount=amounts)
def test_add_gives_the_earliest_end_with_the_amount(calendar: Calendar, start: int, amount: int) -> None:
    end = calendar.add(start, amount)
    assert calendar.worked(start, end) == amount
    assert calendar.worked(start, end - 1) == amount - 1
    assert calendar.subtract(end, amount) == calendar.next_open(start)


@properties
@given(calendar=any_calendar, end=moments, amount=amounts)
def test_subtract_gives_the_latest_start_with_the_amount(calendar: Calendar, end: int, amount: int) -> None:
    start = calendar.subtract(end, amount)
    assert calendar.worked(start, end) == amount
    assert calendar.worked(start + 1, end) == amount - 1
    assert calendar.is_open(start)
    last_worked = calendar.subtract(end, 1) + 1
    assert calendar.add(start, amount) == last_worked


@properties
@given(calendar=any_calendar, three=st.lists(moments, min_size=3, max_size=3).map(sorted))
def test_working_time_is_additive_and_never_more_than_elapsed(calendar: Calendar, three: list[int]) -> None:
    a, b, c = three
    assert calendar.worked(a, b) + calendar.worked(b, c) == calendar.worked(a, c)
    assert 0 <= calendar.worked(a, b) <= b - a
    assert calendar.worked(b, a) == 0


@properties
@given(calendar=any_calendar, start=moments, later=moments, amount=amounts, more=amounts)
def test_later_starts_and_larger_amounts_end_later(
    calendar: Calendar, start: int, later: int, amount: int, more: int
) -> None:
    start, later = sorted((start, later))
    assert calendar.add(start, amount) <= calendar.add(later, amount)
    assert calendar.add(start, amount) < calendar.add(start, amount + more)
    assert calendar.add(calendar.add(start, amount), more) == calendar.add(start, amount + more)


@properties
@given(calendar=any_calendar, at=moments)
def test_the_next_opening_is_open_with_nothing_before_it(calendar: Calendar, at: int) -> None:
    opening = calendar.next_open(at)
    assert opening >= at
    assert calendar.is_open(opening)
    assert calendar.worked(at, opening) == 0
    assert (opening == at) == calendar.is_open(at)


@properties
@given(calendar=any_calendar, start=moments, days=st.integers(-300, 300))
def test_working_days_can_be_taken_one_by_one(calendar: Calendar, start: int, days: int) -> None:
    # At noon, because a repeated or skipped time of day cannot be got back.
    start = start - start % DAY + 12 * HOUR
    step = 1 if days > 0 else -1
    walked = start
    for _ in range(abs(days)):
        walked = calendar.add_days(walked, step)
    assert walked == calendar.add_days(start, days)


@properties
@given(
    start=moments,
    amount=st.integers(1, 60 * HOUR),
    spans=st.lists(st.tuples(st.integers(-3 * DAY, 20 * DAY), st.integers(0, 4 * DAY)), max_size=4),
)
def test_due_is_the_earliest_end_with_the_amount_outside_the_pauses(
    start: int, amount: int, spans: list[tuple[int, int]]
) -> None:
    calendar = office()
    pauses = [(start + offset, start + offset + length) for offset, length in spans]
    end = due(calendar, start, amount, pauses)

    def counted(until: int) -> int:
        edges = sorted({start, until, *(min(max(edge, start), until) for pause in pauses for edge in pause)})
        return sum(
            calendar.worked(a, b)
            for a, b in pairwise(edges)
            if not any(opens <= a and b <= closes for opens, closes in pauses)
        )

    assert counted(end) == amount
    assert counted(end - 1) == amount - 1
