"""The market around each fill: the quotes in force before it and after it, and the extremes of the
touch until the next one.

One pass over the quotes, block by block, in memory that grows with the fills and not with the
quotes. What is computed from it: markouts and the spread captured (`markouts.py`), and the
excursions of round trips (`excursions.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.records import Fill
from streams.numeric.mark import UNUSABLE

HORIZONS = (100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000)
"""How long after a fill the market is looked at again, ns."""
BEFORE, AT, LATER = 0, 1, 2
"""Columns: the last quote before the fill, the last one not after it, and one column for each
horizon.
"""
COLUMNS = LATER + len(HORIZONS)
NONE_LOW, NONE_HIGH = 2**62, 0

Integers = NDArray[np.int64]


class AroundFills(msgspec.Struct):
    """What quotes say of each fill, in the order of the fills; a price of 0 is unknown, in
    10^-price_precision of the instrument.

    bid, ask: int64[fills, COLUMNS], 0 where the book was not usable then, or where the data end
    before. low_bid, high_bid, low_ask, high_ask: int64[fills], the extremes from the fill to the
    next one of its account, strategy and instrument, or to the end; `low` is NONE_LOW and `high`
    NONE_HIGH where no usable quote was in force.
    """

    source: str
    bid: Integers
    ask: Integers
    low_bid: Integers
    high_bid: Integers
    low_ask: Integers
    high_ask: Integers

    def of(self, chosen: Integers) -> AroundFills:
        """The same of some of the fills."""
        arrays = (self.bid, self.ask, self.low_bid, self.high_bid, self.low_ask, self.high_ask)
        return AroundFills(self.source, *(array[chosen] for array in arrays))


class _Instrument:
    """The open questions of one instrument: times to look at, and stretches between the fills of
    one position.
    """

    def __init__(self, times: Integers, places: Integers) -> None:
        order = np.argsort(times, kind="stable")
        self.times, self.places = times[order], places[order]
        self.answered = 0
        self.last: tuple[int, int] = (0, 0)
        self.positions: list[tuple[Integers, Integers]] = []


class FillsObserver:
    """Answers for all fills what quotes say of them. Feed it quotes in time order, instrument by
    instrument or mixed, then `finish`.

    Args:
        fills: in log order; of any accounts.
        ended: end of the data, ns: what would be looked at later stays unknown.
    """

    def __init__(self, fills: Sequence[Fill], ended: int) -> None:
        self.ended = ended
        count = len(fills)
        self.bid, self.ask = (
            np.zeros(count * COLUMNS, np.int64),
            np.zeros(count * COLUMNS, np.int64),
        )
        self.low_bid, self.low_ask = np.full(count, NONE_LOW), np.full(count, NONE_LOW)
        self.high_bid, self.high_ask = np.full(count, NONE_HIGH), np.full(count, NONE_HIGH)
        self._times = np.array([fill.event_time for fill in fills], np.int64)
        instruments = np.array([fill.instrument for fill in fills], np.int64)
        keys: dict[tuple[int, int, int], list[int]] = {}
        for number, fill in enumerate(fills):
            keys.setdefault((fill.instrument, fill.account, fill.strategy), []).append(number)
        offsets = np.array([-1, 0, *HORIZONS], np.int64)
        self._open: dict[int, _Instrument] = {}
        for instrument in dict.fromkeys(instruments.tolist()):
            rows = np.flatnonzero(instruments == instrument)
            places = (rows[:, None] * COLUMNS + np.arange(COLUMNS)).ravel()
            self._open[instrument] = _Instrument(
                (self._times[rows][:, None] + offsets).ravel(), places
            )
        for (instrument, _, _), numbers in keys.items():
            rows = np.array(numbers, np.int64)
            self._open[instrument].positions.append((self._times[rows], rows))

    def add(
        self,
        instrument: int,
        time: Integers,
        bid: Integers,
        ask: Integers,
        flags: Integers | None = None,
    ) -> None:
        """Take quotes of an instrument, none earlier than those before.

        An empty side is 0; `flags` say where the book is not usable.
        """
        open_ = self._open.get(instrument)
        if open_ is None or not len(time):
            return
        if flags is not None:
            usable = (flags & UNUSABLE) == 0
            bid, ask = np.where(usable, bid, 0), np.where(usable, ask, 0)
        self._answer(open_, time, bid, ask)
        for starts, rows in open_.positions:
            self._extremes(starts, rows, time, bid, ask)
        open_.last = (int(bid[-1]), int(ask[-1]))

    def _answer(self, open_: _Instrument, time: Integers, bid: Integers, ask: Integers) -> None:
        """Answer every question about a time before the last quote; a later quote may bear the last
        one's time.
        """
        first = open_.answered
        end = int(np.searchsorted(open_.times, time[-1]))
        if end <= first:
            return
        at = np.searchsorted(time, open_.times[first:end], side="right") - 1
        places = open_.places[first:end]
        self.bid[places] = np.where(at >= 0, bid[at], open_.last[0])
        self.ask[places] = np.where(at >= 0, ask[at], open_.last[1])
        open_.answered = end

    def _extremes(
        self, starts: Integers, rows: Integers, time: Integers, bid: Integers, ask: Integers
    ) -> None:
        """Widen the extremes of the stretches that these quotes fall in: [fill, next fill), for a
        quote follows the fill of its instant.
        """
        stretch = np.searchsorted(starts, time, side="right") - 1
        begin = int(np.searchsorted(stretch, 0))
        if begin == len(stretch):
            return
        stretch, bid, ask = stretch[begin:], bid[begin:], ask[begin:]
        edges = np.flatnonzero(np.concatenate([np.ones(1, bool), stretch[1:] != stretch[:-1]]))
        into = rows[stretch[edges]]
        for price, low, high in (
            (bid, self.low_bid, self.high_bid),
            (ask, self.low_ask, self.high_ask),
        ):
            low[into] = np.minimum(
                low[into], np.minimum.reduceat(np.where(price > 0, price, NONE_LOW), edges)
            )
            high[into] = np.maximum(high[into], np.maximum.reduceat(price, edges))

    def finish(self, source: str) -> AroundFills:
        """What is known at the end of the quotes. `source`: the topic they came from."""
        for open_ in self._open.values():
            end = int(np.searchsorted(open_.times, self.ended, side="right"))
            places = open_.places[open_.answered : end]
            self.bid[places], self.ask[places] = open_.last
        bid, ask = self.bid.reshape(-1, COLUMNS), self.ask.reshape(-1, COLUMNS)
        for price, low, high in (
            (bid[:, AT], self.low_bid, self.high_bid),
            (ask[:, AT], self.low_ask, self.high_ask),
        ):
            np.minimum(low, np.where(price > 0, price, NONE_LOW), out=low)
            np.maximum(high, price, out=high)
        return AroundFills(
            source, bid, ask, self.low_bid, self.high_bid, self.low_ask, self.high_ask
        )
