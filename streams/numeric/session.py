"""Sessions and times of day, from event time: pure functions of nanoseconds since 1970 (UTC), in
kernels and in Python.

A session is a market's day at a fixed distance from UTC (India has no summer time). Days are
numbered from 1970-01-01 of the market's own calendar. Holidays are the user's to give, for
exchanges declare them from year to year: ``holidays = days_of("2026-01-26 2026-03-03")``.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from schemas.errors import WrongUse
from streams.numeric.shared import shared_step

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
THURSDAY = 3  # 1970-01-01


class BadDate(WrongUse):
    """Text that is no date of the calendar."""

    code = "bad_date"


class Session(NamedTuple):
    """A market's day, in nanoseconds.

    Attributes:
        offset: of its clock from UTC.
        pre_open: time of day at which orders for the opening are taken.
        opens, closes: time of day of continuous trading; it is closed at ``closes``.
        weekdays: bit n is set if it trades on weekday n, 0 for Monday.
    """

    offset: int
    pre_open: int
    opens: int
    closes: int
    weekdays: int


NSE = Session(
    5 * HOUR + 30 * MINUTE, 9 * HOUR, 9 * HOUR + 15 * MINUTE, 15 * HOUR + 30 * MINUTE, 0b0011111
)
"""Equities of India's National Stock Exchange: pre-open 09:00, 09:15 to 15:30 at UTC+5:30."""
CRYPTO = Session(0, 0, 0, DAY, 0b1111111)
"""Markets that never close: the UTC day."""


@shared_step
def session_day(session: Any, time: Any) -> Any:
    """The day's number: it changes at midnight of the market's clock."""
    return (time + session.offset) // DAY


@shared_step
def time_of_day(session: Any, time: Any) -> Any:
    """Nanoseconds since midnight of the market's clock."""
    return (time + session.offset) % DAY


@shared_step
def weekday(day: Any) -> Any:
    """Weekday of a day's number, 0 for Monday."""
    return (day + THURSDAY) % 7


@shared_step
def in_session(session: Any, time: Any) -> Any:
    """True during continuous trading on one of the session's weekdays; see ``is_holiday``."""
    passed = time_of_day(session, time)
    trades = (session.weekdays >> weekday(session_day(session, time))) & 1
    return trades == 1 and session.opens <= passed and passed < session.closes


@shared_step
def in_pre_open(session: Any, time: Any) -> Any:
    """True between the start of the pre-open and the opening."""
    passed = time_of_day(session, time)
    trades = (session.weekdays >> weekday(session_day(session, time))) & 1
    return trades == 1 and session.pre_open <= passed and passed < session.opens


@shared_step
def is_holiday(session: Any, time: Any, holidays: Any) -> Any:
    """True if the day is one of ``holidays`` (``days_of``): a tuple, or an array in a kernel."""
    day = session_day(session, time)
    for each in holidays:  # noqa: SIM110 - a kernel compiles no generator
        if each == day:
            return True
    return False


@shared_step
def minutes_since_open(session: Any, time: Any) -> Any:
    """Whole minutes since that day's opening; below 0 before it."""
    return (time_of_day(session, time) + DAY - session.opens) // MINUTE - DAY // MINUTE


@shared_step
def minutes_to_close(session: Any, time: Any) -> Any:
    """Minutes until that day's close, begun ones counted; 0 or below from the close on."""
    return DAY // MINUTE - (time_of_day(session, time) + DAY - session.closes) // MINUTE


@shared_step
def opening(session: Any, day: Any) -> Any:
    """Time, ns UTC, at which a day opens: a deadline for a timer."""
    return day * DAY - session.offset + session.opens


@shared_step
def closing(session: Any, day: Any) -> Any:
    """Time, ns UTC, at which a day closes."""
    return day * DAY - session.offset + session.closes


def day_of(date: str) -> int:
    """Number of a day from its date, ``2026-01-26``. Raises BadDate."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", date)
    if found is None:
        raise BadDate(f"{date!r} is no date; write it as 2026-01-26")
    year, month, day = (int(part) for part in found.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not 1 <= month <= 12 or not 1 <= day <= lengths[month - 1]:
        raise BadDate(f"there is no {date}; write a date of the calendar")
    before = year - 1
    return (
        before * 365
        + before // 4
        - before // 100
        + before // 400
        + sum(lengths[: month - 1])
        + day
        - 1
        - 719_162
    )


def days_of(dates: str) -> tuple[int, ...]:
    """Numbers of days, ascending, from dates with spaces or commas between them. Raises BadDate."""
    return tuple(sorted(dict.fromkeys(day_of(date) for date in dates.replace(",", " ").split())))
