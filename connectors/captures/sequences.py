"""Each trade and each update once, whatever was sent twice: reconnects overlap, recorders repeat.

Trade ids are contiguous per instrument, so the ids seen are exactly: everything from the first to
the last, but for a few gaps. Update ids are not, so the last 65,536 to 131,072 of them are
remembered. Where a venue numbers anew (a test network's reset, a relisting), ids go back while
times go on: that is believed from the second print on that continues the first.
"""

from __future__ import annotations

import bisect

from connectors.captures.numbers import BadField

GAPS_MAX = 4096
RESTARTS_MAX = 64
"""Numberings that are remembered, to tell a repeated print of an older one."""
TICKERS_ANEW = 8
"""Tickers that follow each other below the last id, after which the venue is believed to number
anew: their ids do not say what they continue.
"""
REMEMBERED_IDS = 1 << 16


class TradeIds:
    """The trade ids of one instrument.

    Attributes:
        missing: ids that are in a gap now, or were when their gap was forgotten.
        restarts: how often the venue numbered anew.
    """

    def __init__(self) -> None:
        self._first = -1
        self._last = -1
        self._gap_ends: list[int] = []
        self._gap_firsts: list[int] = []
        self.missing = 0
        self.restarts = 0
        self._time = 0
        self._before: list[tuple[int, int, int]] = []
        self._anew = (-1, 0)

    def see(self, trade_id: int, time: int = 0) -> str:
        """Where the id belongs: "next"; "gap" if ids before it are missing; "late" if it fills a
        gap.

        Args:
            time: event time, ns; a print that is later than all before it is none of them.

        Raises:
            BadField: ``duplicate_trade``; ``regressing_trade`` for an id before the first one seen.
        """
        if self._before and trade_id != self._last + 1 and self._came_before(trade_id, time):
            raise BadField("duplicate_trade", f"trade id {trade_id} came before the ids began anew")
        try:
            where = self._place(trade_id)
        except BadField:
            if not self._begins_anew(trade_id, time):
                raise
            where = "next"
        self._time = max(self._time, time)
        return where

    @property
    def following(self) -> int:
        """The id that continues the last one."""
        return self._last + 1

    def continued_to(self, trade_id: int, time: int) -> None:
        """Prints came whose ids continue one another up to this one, which is at ``time``, as if
        :meth:`see` had been given each.
        """
        self._last = max(self._last, trade_id)
        self._time = max(self._time, time)

    def _came_before(self, trade_id: int, time: int) -> bool:
        return any(
            first <= trade_id <= last and time <= until for first, last, until in self._before
        )

    def _begins_anew(self, trade_id: int, time: int) -> bool:
        """True for the second of two prints that continue each other and are later than every print
        taken: the venue numbers anew.
        """
        if time <= self._time:
            return False
        before, self._anew = self._anew, (trade_id, time)
        if before[0] != trade_id - 1 or before[1] > time:
            return False
        self._before = [*self._before[1 - RESTARTS_MAX :], (self._first, self._last, self._time)]
        self._first = self._last = trade_id
        self._gap_ends, self._gap_firsts = [], []
        self._anew = (-1, 0)
        self.restarts += 1
        return True

    def _place(self, trade_id: int) -> str:
        """Where the id belongs among those of one numbering."""
        if trade_id == self._last + 1 or self._last < 0:
            if self._last < 0:
                self._first = trade_id
            self._last = trade_id
            return "next"
        if trade_id > self._last:
            self._gap_firsts.append(self._last + 1)
            self._gap_ends.append(trade_id)
            self.missing += trade_id - self._last - 1
            self._last = trade_id
            if len(self._gap_ends) > GAPS_MAX:
                del self._gap_ends[0], self._gap_firsts[0]
            return "gap"
        if trade_id < self._first:
            raise BadField(
                "regressing_trade",
                f"trade id {trade_id} lies before the recording's first, {self._first}",
            )
        at = bisect.bisect_right(self._gap_ends, trade_id)
        if at == len(self._gap_ends) or trade_id < self._gap_firsts[at]:
            raise BadField("duplicate_trade", f"trade id {trade_id} came before")
        self._split(at, trade_id)
        return "late"

    def _split(self, at: int, trade_id: int) -> None:
        """Take one id out of a gap."""
        first, end = self._gap_firsts.pop(at), self._gap_ends.pop(at)
        for new_first, new_end in ((trade_id + 1, end), (first, trade_id)):
            if new_first < new_end:
                self._gap_firsts.insert(at, new_first)
                self._gap_ends.insert(at, new_end)
        self.missing -= 1


class UpdateIds:
    """The final update ids of one stream of one instrument.

    Args:
        name: "update" or "ticker", for the reason.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = -1
        self._regressed = -1
        self._rising = 0
        self._young: set[int] = set()
        self._old: set[int] = set()

    def see(self, final: int, first: int = -1, previous: int = -1) -> None:
        """One update: its final id, and of depth the first id and the final id of the update
        before, which tell a reset.

        Two regressing updates of which the second continues the first are a venue that numbers
        anew, or come after an id that was wrong: they are believed from the second on, and the
        chain shows the break. Of tickers it takes several, each above the one before.

        Raises:
            BadField: ``duplicate_<name>`` if it came before; ``regressing_<name>`` if it lies
                before the last.
        """
        if final <= self._last:
            if final in self._young or final in self._old:
                raise BadField(f"duplicate_{self._name}", f"update id {final} came before")
            is_chained = first >= 0
            is_reset = self._regressed >= 0 and self._regressed in (previous, first - 1)
            if not is_chained:
                self._rising = self._rising + 1 if 0 <= self._regressed < final else 1
                is_reset = self._rising >= TICKERS_ANEW
            self._regressed = final
            if not is_reset:
                raise BadField(
                    f"regressing_{self._name}", f"update id {final} lies before {self._last}"
                )
        self._regressed = -1
        self._rising = 0
        if len(self._young) >= REMEMBERED_IDS:
            self._old, self._young = self._young, set()
        self._young.add(final)
        self._last = final
