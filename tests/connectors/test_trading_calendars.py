"""Calendars of NSE and crypto. Oracles: lists of holidays as NSE published them; the recorded
minute bars of NSE; announced hours of Diwali; a walk through every minute of days."""

from __future__ import annotations

import os
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.reference.calendars import (
    BeyondCalendar,
    NoCalendar,
    TradingCalendar,
    calendar,
    nanoseconds,
    special_sessions,
)
from connectors.reference.kite import IST

DATA = Path(os.environ.get("SQ_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
MINUTE = 60_000_000_000
HOLIDAYS = {
    2024: "0122 0126 0308 0325 0329 0411 0417 0501 0520 0617 0717 0815 1002 1101 1115 1120 1225",
    2025: "0226 0314 0331 0410 0414 0418 0501 0815 0827 1002 1021 1022 1105 1225",
}
"""Holidays on weekdays, from NSE's circulars, those of general elections among them."""


@pytest.fixture(scope="module")
def nse() -> TradingCalendar:
    pytest.importorskip("exchange_calendars", reason="run 'make setup' for exchange-calendars")
    calendar.cache_clear()
    return calendar("nse")


def at(text: str) -> int:
    """A time of India as ns UTC."""
    return nanoseconds(datetime.fromisoformat(text).replace(tzinfo=IST))


@pytest.mark.parametrize("year", sorted(HOLIDAYS))
def test_holidays_are_those_that_were_published(nse: TradingCalendar, year: int) -> None:
    published = {date(year, int(each[:2]), int(each[2:])) for each in HOLIDAYS[year].split()}
    days = [date(year, 1, 1) + timedelta(days=day) for day in range(365)]
    ordinary = {each.day for each in nse.sessions(days[0], days[-1]) if not each.is_special}
    closed = [day for day in days if day.weekday() < 5 and day not in ordinary]
    assert closed == sorted(published)
    assert not any(day.weekday() >= 5 for day in ordinary)


@pytest.mark.parametrize("folder", ["index/minute/nifty50", "equity/minute/yesbank"])
def test_recorded_bars_lie_on_days_and_in_minutes_of_trading(
    nse: TradingCalendar, folder: str
) -> None:
    """LEAN's bars: ms since midnight in India, by their start; a day has its bars in pre-open,
    normal trading or after it, and most of its 375 minutes."""
    files = sorted((DATA / "india" / folder).glob("*.zip"))
    if not files:
        pytest.skip("no recorded market data: set SQ_DATA to the folder that holds it")
    for file in files:
        day = datetime.strptime(file.name[:8], "%Y%m%d").replace(tzinfo=IST)
        session = nse.session(day.date())
        assert session is not None and session.minutes == 375
        with zipfile.ZipFile(file) as packed:
            lines = packed.read(packed.namelist()[0]).decode().splitlines()
        starts = [nanoseconds(day) + int(line.split(",")[0]) * 1_000_000 for line in lines]
        phases = {
            phase.name
            for start in starts
            for phase in nse.phases(day.date())
            if phase.start <= start < phase.end
        }
        assert phases <= {"pre_open", "normal", "closing", "post_close"}
        assert 300 <= sum(nse.is_open(start) for start in starts) <= 375


def test_special_hours_are_as_they_were_announced(nse: TradingCalendar) -> None:
    evening = nse.session(date(2023, 11, 12))
    assert evening is not None and evening.is_special and evening.minutes == 60
    assert (evening.open, evening.close) == (at("2023-11-12T18:15"), at("2023-11-12T19:15"))
    found = {each.day: each.open for each in special_sessions()}
    assert found[date(2025, 10, 21)] == at("2025-10-21T13:45")
    assert [each.day.year for each in special_sessions()] == [2021, 2022, 2023, 2024, 2025]
    ordinary = (each for each in special_sessions() if each.day.weekday() < 5)
    assert all(nse.session(each.day) == each for each in ordinary)


@pytest.mark.parametrize("day", ["2025-10-17", "2025-10-18", "2025-10-21", "2025-10-22"])
@pytest.mark.parametrize("venue", ["nse", "nfo"])
def test_phases_partition_the_day_and_say_when_it_is_open(
    nse: TradingCalendar, day: str, venue: str
) -> None:
    """A Friday, a Saturday, Diwali, and the holiday after it: minute by minute."""
    found = nse if venue == "nse" else calendar(venue)
    phases = found.phases(date.fromisoformat(day))
    start = at(f"{day}T00:00")
    assert phases[0].start == start and phases[-1].end == start + 1440 * MINUTE
    assert all(one.end == other.start for one, other in zip(phases, phases[1:], strict=False))
    for minute in range(1440):
        now = start + minute * MINUTE
        (phase,) = [each for each in phases if each.start <= now < each.end]
        assert found.is_open(now) == (phase.name == "normal")


def test_the_hours_of_a_usual_day(nse: TradingCalendar) -> None:
    """Oracle: the exchange's page of market timings."""
    starts = {each.name: each.start for each in nse.phases(date(2025, 10, 17))[1:]}
    assert starts == {
        "pre_open": at("2025-10-17T09:00"),
        "normal": at("2025-10-17T09:15"),
        "closing": at("2025-10-17T15:30"),
        "post_close": at("2025-10-17T15:40"),
        "closed": at("2025-10-17T16:00"),
    }
    assert [each.name for each in calendar("nfo").phases(date(2025, 10, 17))] == [
        "closed", "normal", "closed",
    ]  # fmt: skip


def test_the_next_open_is_after_holidays(nse: TradingCalendar) -> None:
    assert nse.next_open(at("2025-10-17T15:30")) == at("2025-10-20T09:15")
    assert nse.next_open(at("2025-10-21T14:45")) == at("2025-10-23T09:15")
    assert nse.next_open(at("2025-10-20T11:00")) == at("2025-10-20T11:00")
    with pytest.raises(BeyondCalendar, match="holidays of nse are known from 1997-01-01 to 20"):
        nse.next_open(nanoseconds(datetime(2090, 1, 1, tzinfo=UTC)))


def test_crypto_never_closes(nse: TradingCalendar) -> None:
    found = calendar("binance")
    (sunday, monday) = found.sessions(date(2024, 8, 11), date(2024, 8, 12))
    assert sunday.close == monday.open and sunday.minutes == 1440
    assert [each.name for each in found.phases(date(2024, 8, 11))] == ["normal"]
    assert found.is_open(sunday.close - 1) and found.next_open(sunday.open) == sunday.open


def test_a_venue_without_a_calendar_says_which_there_are(nse: TradingCalendar) -> None:
    with pytest.raises(NoCalendar, match="no calendar of 'mcx'; there are those of nse, bse, nfo"):
        calendar("mcx")


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in the image."""
    blocked: dict[str, Any] = {"exchange_calendars": None}
    monkeypatch.setitem(sys.modules, *next(iter(blocked.items())))
    calendar.cache_clear()
    with pytest.raises(NoCalendar, match="pip install 'exchange-calendars>=4.13'"):
        calendar("nse")
