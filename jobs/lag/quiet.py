"""When a market is expected to be quiet: so that "no message" alerts are silent on nights and
holidays.

The calendar is a TOML file; a market that is not in it is never expected to be quiet (crypto trades
around the clock)::

    [nse]
    timezone = "Asia/Kolkata"
    days = ["mon", "tue", "wed", "thu", "fri"]
    open = "09:15"
    close = "15:30"
    holidays = ["2026-01-26"]
    [nse.sessions]                 # a day with hours of its own
    "2026-11-08" = ["18:00", "19:15"]

    [binance]
    maintenance = [["2026-03-01T02:00:00Z", "2026-03-01T04:00:00Z"]]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from schemas.errors import WrongUse

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class BadCalendar(WrongUse):
    """The calendar's file cannot be used."""

    code = "bad_calendar"


class Market(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of one market: see the module's head. Without ``open`` and ``close`` it is open all
    day.
    """

    timezone: str = "UTC"
    days: tuple[str, ...] = DAYS
    open: str = ""
    close: str = ""
    holidays: tuple[str, ...] = ()
    sessions: dict[str, tuple[str, str]] = {}
    maintenance: tuple[tuple[datetime, datetime], ...] = ()

    def is_quiet(self, at: datetime) -> bool:
        """True if no messages are expected at this instant. Open is inclusive, close exclusive."""
        if any(start <= at < end for start, end in self.maintenance):
            return True
        local = at.astimezone(ZoneInfo(self.timezone))
        day = local.date().isoformat()
        if day in self.sessions:
            return not _within(local.time(), *self.sessions[day])
        if day in self.holidays or DAYS[local.weekday()] not in self.days:
            return True
        return bool(self.open) and not _within(local.time(), self.open, self.close)


class Calendar:
    """Markets by name."""

    def __init__(self, markets: Mapping[str, Market] | None = None) -> None:
        self.markets = dict(markets or {})

    def quiet(self, now: float) -> dict[str, bool]:
        """Which markets are expected to be quiet at ``now``, wall-clock seconds."""
        at = datetime.fromtimestamp(now, UTC)
        return {name: market.is_quiet(at) for name, market in self.markets.items()}


def load(path: Path) -> Calendar:
    """Read a calendar. Raises BadCalendar, naming the market."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as problem:
        raise BadCalendar(f"cannot read {path}: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadCalendar(f"{path} is no TOML: {problem}") from problem
    markets = {}
    for name, given in content.items():
        try:
            markets[name] = msgspec.convert(given, Market, strict=False)
            _check(markets[name])
        except (msgspec.ValidationError, ValueError, KeyError) as problem:
            raise BadCalendar(f"{path}, market {name}: {problem}") from problem
    return Calendar(markets)


def _check(market: Market) -> None:
    """Raises ValueError or KeyError with a text for people."""
    ZoneInfo(market.timezone)
    if bool(market.open) != bool(market.close):
        raise ValueError("open and close come together")
    for text in (
        market.open,
        market.close,
        *(each for hours in market.sessions.values() for each in hours),
    ):
        if text:
            time.fromisoformat(text)
    for text in (*market.holidays, *market.sessions):
        date.fromisoformat(text)
    for day in market.days:
        if day not in DAYS:
            raise ValueError(f"{day!r} is no day; days are {', '.join(DAYS)}")
    for start, end in market.maintenance:
        if start.tzinfo is None or end.tzinfo is None or start >= end:
            raise ValueError(
                "maintenance is a list of [start, end] with offsets, like 2026-03-01T02:00:00Z"
            )


def _within(at: time, start: str, end: str) -> bool:
    return time.fromisoformat(start) <= at < time.fromisoformat(end)
