"""Trading days and hours of venues, from the library ``exchange_calendars``: the one module that
needs it, and pandas with it. It is imported when a calendar is asked for.

The exchanges of India keep the same holidays; the library has those of BSE (``XBOM``), so they
stand for NSE too. The special sessions of ``calendars.toml`` are added. Venues of crypto never
close (24/7); their maintenance windows are announced, and in no calendar.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from connectors.reference.kite import IST
from schemas.errors import WrongUse

TABLE = Path(__file__).with_name("calendars.toml")
CASH, DERIVATIVES = ("nse", "bse"), ("nfo", "bfo")
CRYPTO = ("binance", "binance_usdm", "coinbase", "deribit", "kraken", "okx")
OPEN, CLOSE = time(9, 15), time(15, 30)
PRE_OPEN = timedelta(minutes=15)
CLOSING, POST_CLOSE = timedelta(minutes=10), timedelta(minutes=20)
"""Of the cash market, after the close: the closing price is found, then orders at it are taken."""
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoCalendar(WrongUse):
    """A venue without a calendar, or a machine without the library of calendars."""

    code = "no_calendar"


class BeyondCalendar(WrongUse):
    """A day for which holidays are not known."""

    code = "beyond_calendar"


class Phase(NamedTuple):
    """A part of a day; times are ns UTC, the end is not part of it."""

    name: str
    start: int
    end: int


class Session(NamedTuple):
    """Continuous trading of a day; times are ns UTC, the close is not part of it."""

    day: date
    open: int
    close: int
    is_special: bool

    @property
    def minutes(self) -> int:
        """Its length."""
        return (self.close - self.open) // 60_000_000_000


class TradingCalendar:
    """The sessions of a venue. Days are those of its zone."""

    def __init__(
        self, venue: str, zone: tzinfo, sessions: Mapping[date, Session], first: date, last: date
    ) -> None:
        """Args:
        first: the first day whose holidays are known; ``last``: the last one.
        """
        self.venue = venue
        self.zone = zone
        self.first, self.last = first, last
        self._sessions = [sessions[day] for day in sorted(sessions)]
        self._days = [each.day for each in self._sessions]
        self._opens = [each.open for each in self._sessions]

    def session(self, day: date) -> Session | None:
        """The session of a day; None on a holiday. Raises BeyondCalendar."""
        self._check(day)
        at = bisect_right(self._days, day) - 1
        return self._sessions[at] if at >= 0 and self._days[at] == day else None

    def sessions(self, first: date, last: date) -> list[Session]:
        """Those of the days from ``first`` to ``last``, both included. Raises BeyondCalendar."""
        self._check(first)
        self._check(last)
        days = self._days
        return self._sessions[bisect_right(days, first - DAY) : bisect_right(days, last)]

    def is_open(self, instant: int) -> bool:
        """True in continuous trading. Raises BeyondCalendar."""
        self._check(self._day(instant))
        at = bisect_right(self._opens, instant) - 1
        return at >= 0 and instant < self._sessions[at].close

    def next_open(self, instant: int) -> int:
        """When the venue next opens, ns UTC; now, if it is open. Raises BeyondCalendar."""
        if self.is_open(instant):
            return instant
        at = bisect_right(self._opens, instant)
        if at == len(self._opens):
            raise self._beyond(self.last + DAY)
        return self._opens[at]

    def phases(self, day: date) -> list[Phase]:
        """The parts of a day, in order and without holes. Raises BeyondCalendar."""
        session = self.session(day)
        midnight = nanoseconds(datetime.combine(day, time(), self.zone))
        end = nanoseconds(datetime.combine(day + DAY, time(), self.zone))
        marks: list[tuple[str, int]] = [("closed", midnight)]
        if session is not None:
            if self.venue in CASH:
                marks.append(("pre_open", session.open - _length(PRE_OPEN)))
            marks.append(("normal", session.open))
            after = session.close
            if self.venue in CASH and not session.is_special:
                marks += [("closing", after), ("post_close", after + _length(CLOSING))]
                after += _length(CLOSING + POST_CLOSE)
            marks.append(("closed", after))
        ends = [start for _, start in marks[1:]] + [end]
        parts = zip(marks, ends, strict=True)
        return [Phase(name, start, stop) for (name, start), stop in parts if start < stop]

    def _day(self, instant: int) -> date:
        return (EPOCH + timedelta(microseconds=instant // 1000)).astimezone(self.zone).date()

    def _check(self, day: date) -> None:
        if not self.first <= day <= self.last:
            raise self._beyond(day)

    def _beyond(self, day: date) -> BeyondCalendar:
        return BeyondCalendar(
            f"holidays of {self.venue} are known from {self.first} to {self.last}, not on {day}; "
            "a newer exchange-calendars may know them"
        )


def zone_of(venue: str) -> tzinfo:
    """The zone of a venue's days. Raises NoCalendar."""
    if venue in CRYPTO:
        return UTC
    if venue in (*CASH, *DERIVATIVES):
        return IST
    known = ", ".join((*CASH, *DERIVATIVES, *CRYPTO))
    raise NoCalendar(f"there is no calendar of {venue!r}; there are those of {known}")


@lru_cache(maxsize=8)
def calendar(venue: str) -> TradingCalendar:
    """The calendar of a venue. Raises NoCalendar."""
    zone = zone_of(venue)
    if venue in CRYPTO:
        days, first, last = _days("24/7", date(2010, 1, 1), date(2049, 12, 31))
        return TradingCalendar(venue, zone, dict(_always(days)), first, last)
    days, first, last = _days("XBOM", date.min, date.max)
    sessions = {day: _session(day, OPEN, CLOSE, is_special=False) for day in days}
    sessions.update({each.day: each for each in special_sessions() if each.day <= last})
    return TradingCalendar(venue, zone, sessions, first, last)


def special_sessions() -> list[Session]:
    """Those of the table, on days that are holidays otherwise."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["session"]
    return [_session(each["day"], each["open"], each["close"], is_special=True) for each in entries]


def nanoseconds(moment: datetime) -> int:
    """ns UTC of an aware time."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def _days(name: str, first: date, last: date) -> tuple[list[date], date, date]:
    """The days of trading that the library knows of a calendar between two days."""
    library = _library()
    # the first and the last day are said: the library's own depend on the day on which it is asked
    kind = type(library.get_calendar(name))
    low, high = kind.bound_min(), kind.bound_max()
    start = first if low is None else max(first, low.date())
    end = last if high is None else min(last, high.date())
    found = library.get_calendar(name, start=str(start), end=str(end))
    return [each.date() for each in found.sessions], start, end


def _library() -> Any:
    try:
        import exchange_calendars
    except ImportError:
        raise NoCalendar(
            "calendars need the package exchange-calendars, which is not installed here: "
            "pip install 'exchange-calendars>=4.13'"
        ) from None
    return exchange_calendars


def _session(day: date, opens: time, closes: time, *, is_special: bool) -> Session:
    start, end = (nanoseconds(datetime.combine(day, each, IST)) for each in (opens, closes))
    return Session(day, start, end, is_special)


def _always(days: list[date]) -> Iterator[tuple[date, Session]]:
    length = _length(DAY)
    for day in days:
        start = nanoseconds(datetime.combine(day, time(), UTC))
        yield day, Session(day, start, start + length, False)


def _length(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
