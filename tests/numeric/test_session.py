"""Sessions and times of day, in Python and compiled. Oracle: ``datetime`` and ``zoneinfo``."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from schemas.kernel import kernel
from streams.numeric.session import (
    CRYPTO,
    NSE,
    SECOND,
    BadDate,
    Session,
    closing,
    day_of,
    days_of,
    in_pre_open,
    in_session,
    is_holiday,
    minutes_since_open,
    minutes_to_close,
    opening,
    session_day,
    time_of_day,
    weekday,
)

YEARS = datetime(1971, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 - the zone is given later
INDIA = ZoneInfo("Asia/Kolkata")
HOLIDAYS = days_of("2026-01-26, 2026-03-03 2026-01-26")


def at(text: str) -> int:
    """ns UTC of a moment in India."""
    return int(datetime.fromisoformat(text).replace(tzinfo=INDIA).timestamp()) * SECOND


@kernel
def facts(moment: Any, holidays: Any) -> Any:
    """What a kernel knows of a moment."""
    day = session_day(NSE, moment)
    is_open = in_session(NSE, moment), in_pre_open(NSE, moment), in_session(CRYPTO, moment)
    minutes = minutes_since_open(NSE, moment), minutes_to_close(NSE, moment)
    return (
        is_open,
        is_holiday(NSE, moment, holidays),
        day,
        weekday(day),
        time_of_day(NSE, moment),
        minutes,
    )


@pytest.mark.parametrize(
    ("moment", "trades", "pre_open", "since", "left"),
    [
        ("2026-01-29 08:59:59", False, False, -16, 391),
        ("2026-01-29 09:00:00", False, True, -15, 390),
        ("2026-01-29 09:14:59", False, True, -1, 376),
        ("2026-01-29 09:15:00", True, False, 0, 375),
        ("2026-01-29 15:29:59", True, False, 374, 1),
        ("2026-01-29 15:30:00", False, False, 375, 0),
        ("2026-01-31 11:00:00", False, False, 105, 270),  # a Saturday
        ("2026-02-01 11:00:00", False, False, 105, 270),  # a Sunday
        ("2026-02-02 11:00:00", True, False, 105, 270),
    ],
)
def test_a_day_of_the_national_stock_exchange(
    moment: str, trades: bool, pre_open: bool, since: int, left: int
) -> None:
    time = at(moment)
    assert (in_session(NSE, time), in_pre_open(NSE, time)) == (trades, pre_open)
    assert (minutes_since_open(NSE, time), minutes_to_close(NSE, time)) == (since, left)


@settings(deadline=None, max_examples=100)
@given(some.datetimes(*YEARS), some.integers(0, SECOND - 1))
def test_every_moment_is_what_the_calendar_says(moment: datetime, rest: int) -> None:
    """From 1971 on India's clock is 5:30 ahead."""
    utc = moment.replace(tzinfo=UTC, microsecond=0)
    local = utc.astimezone(INDIA)
    number = (utc - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * SECOND + rest
    midnight = local.replace(hour=0, minute=0, second=0)
    passed = (local - midnight) // timedelta(seconds=1) * SECOND + rest
    day = (local.date() - date(1970, 1, 1)).days
    trades = local.weekday() < 5 and time(9, 15) <= local.time() < time(15, 30)
    opens = local.weekday() < 5 and time(9) <= local.time() < time(9, 15)
    since = (passed - (9 * 60 + 15) * 60 * SECOND) // (60 * SECOND)
    left = -((passed - (15 * 60 + 30) * 60 * SECOND) // (60 * SECOND))
    expected = (trades, opens, True), day in HOLIDAYS, day, local.weekday(), passed, (since, left)
    assert (
        facts(number, np.array(HOLIDAYS, np.int64)) == expected == facts.py_func(number, HOLIDAYS)
    )
    assert number - passed == opening(NSE, day) - NSE.opens == closing(NSE, day) - NSE.closes
    assert day_of(local.date().isoformat()) == day


def test_holidays_are_days_of_the_markets_own_calendar() -> None:
    dates = date(2026, 1, 26), date(2026, 3, 3)
    assert tuple((each - date(1970, 1, 1)).days for each in dates) == HOLIDAYS
    for moment, expected in (
        ("25 23:59", False),
        ("26 00:00", True),
        ("26 23:59", True),
        ("27 00:00", False),
    ):
        assert is_holiday(NSE, at(f"2026-01-{moment}"), HOLIDAYS) == expected
    assert not is_holiday(NSE, at("2026-01-26 11:00"), ()) and days_of("") == ()


def test_a_session_of_ones_own() -> None:
    """New York in winter: 09:30 to 16:00 at UTC-5."""
    hour = 3600 * SECOND
    exchange = Session(-5 * hour, 4 * hour, 9 * hour + hour // 2, 16 * hour, 0b0011111)
    noon = int(datetime(2026, 1, 29, 12, tzinfo=ZoneInfo("America/New_York")).timestamp()) * SECOND
    assert in_session(exchange, noon) and minutes_since_open(exchange, noon) == 150


BAD = ["2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "26-01-26", "tomorrow", "2026-1-26"]


@pytest.mark.parametrize("text", BAD)
def test_a_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadDate, match=text):
        days_of(f"2026-01-26 {text}")
