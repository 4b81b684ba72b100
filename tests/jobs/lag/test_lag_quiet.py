"""Expected-quiet calendars. Oracle: the exchange's published hours (NSE normal market 09:15 to
15:30 IST, Monday to Friday).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from jobs.lag.quiet import BadCalendar, load

CALENDAR = Path(__file__).resolve().parents[3] / "infra" / "prometheus" / "calendar.toml"


@pytest.mark.parametrize(
    ("market", "instant", "quiet"),
    [
        ("nse", "2026-01-27T09:14:59+05:30", True),
        ("nse", "2026-01-27T09:15:00+05:30", False),
        ("nse", "2026-01-27T15:29:59+05:30", False),
        ("nse", "2026-01-27T15:30:00+05:30", True),
        ("nse", "2026-01-26T11:00:00+05:30", True),  # Republic Day, a Monday
        ("nse", "2026-01-25T11:00:00+05:30", True),  # a Sunday
        ("nse", "2026-11-08T18:30:00+05:30", False),  # a Sunday evening session
        ("nse", "2026-11-08T11:00:00+05:30", True),
        ("nse", "2026-01-27T04:00:00+00:00", False),  # 09:30 IST given in UTC
        ("binance", "2026-01-25T03:00:00+00:00", False),
        ("binance", "2026-03-01T03:00:00+00:00", True),
        ("binance", "2026-03-01T04:00:00+00:00", False),
    ],
)
def test_hours(market: str, instant: str, quiet: bool) -> None:
    assert load(CALENDAR).quiet(datetime.fromisoformat(instant).timestamp())[market] is quiet


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[nse]\ntimezone = 'Asia/Bombai'", "nse"),
        ("[nse]\nopen = '09:15'", "open and close"),
        ("[nse]\nopne = '09:15'", "opne"),
        ("[nse]\ndays = ['monday']", "monday"),
        ("[nse]\nopen = '9.15'\nclose = '15:30'", "nse"),
        ("[nse]\nholidays = ['26.1.2026']", "nse"),
        ("nse", "no TOML"),
        ("nse = 1", "nse"),
        ("[a]\nmaintenance = [['2026-03-01T02:00:00', '2026-03-01T04:00:00']]", "maintenance"),
    ],
)
def test_a_bad_calendar_is_refused_by_name(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "calendar.toml"
    path.write_text(content)
    with pytest.raises(BadCalendar, match=named):
        load(path)


def test_a_missing_calendar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCalendar, match="cannot read"):
        load(tmp_path / "none.toml")
