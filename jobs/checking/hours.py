"""Which missing bars a venue's hours explain: an interval in which it was closed has no bar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from connectors.reference.calendars import CRYPTO, TradingCalendar, calendar
from schemas.errors import WrongUse
from schemas.records import Instrument

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Hours:
    """The hours of the venues of a recording.

    Attributes:
        known: venues that were asked for, and whether a calendar was there. A venue of crypto never
            closes and is not asked for.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._venues = [each.venue for each in instruments]
        self._calendars: dict[str, TradingCalendar | None] = {}
        self.known: dict[str, bool] = {}

    def open_intervals(self, slot: int, start: int, end: int, interval: int) -> int:
        """How many intervals from ``start`` to ``end``, ns UTC, have time in which the venue of an
        instrument was open; all of them where that is not known.
        """
        total = -((start - end) // interval)
        venue = self._venues[slot] if slot < len(self._venues) else ""
        found = None if venue in (*CRYPTO, "") else self._calendar(venue)
        if found is None:
            return total
        try:
            sessions = found.sessions(_day(start) - DAY, _day(end) + DAY)
        except WrongUse:  # beyond the days that the calendar knows
            self.known[venue] = False
            return total
        counted = reached = 0
        for each in sessions:
            first = max((each.open - start) // interval, reached)
            last = min(-((start - each.close) // interval), total)
            if last > first:
                counted, reached = counted + last - first, last
        return counted

    def _calendar(self, venue: str) -> TradingCalendar | None:
        if venue not in self._calendars:
            try:
                self._calendars[venue] = calendar(venue)
            except WrongUse:  # no calendar, or no library of them
                self._calendars[venue] = None
            self.known[venue] = self._calendars[venue] is not None
        return self._calendars[venue]


def _day(instant: int) -> date:
    return (EPOCH + timedelta(microseconds=instant // 1000)).date()
