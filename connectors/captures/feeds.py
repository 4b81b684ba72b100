"""What an import knows of one instrument, and its frames as records."""

from __future__ import annotations

from connectors.captures.frames import USDM, DepthFrame, SnapshotFrame, TickerFrame, TradeFrame
from connectors.captures.numbers import BadField, Numbers
from connectors.captures.sequences import TradeIds, UpdateIds
from connectors.captures.times import Times
from schemas.records import BookTicker, DepthUpdate, Instrument, Trade
from schemas.vocabulary import DepthKind, Flag, Side

BUY, SELL = int(Side.BUY), int(Side.SELL)
DELTA, SNAPSHOT = int(DepthKind.DELTA), int(DepthKind.SNAPSHOT)
OFF_TICK, LATE, GAP = int(Flag.OFF_TICK), int(Flag.LATE), int(Flag.GAP)
ESTIMATED_TIME, CROSSED, ONE_SIDED = int(Flag.ESTIMATED_TIME), int(Flag.CROSSED), int(Flag.ONE_SIDED)
FUTURES_CHAIN = int(Flag.FUTURES_CHAIN)
WHOLE_SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
MARKET = "MARKET"
NEARNESS = 10
"""A snapshot belongs to an instrument whose price lies within a tenth of the snapshot's."""


class Feed:
    """One instrument's frames to records.

    Attributes:
        instrument: its specification.
        depth_gaps: updates that do not continue the one before.
        snapshots: placed so far.
    """

    def __init__(self, instrument: Instrument, times: Times) -> None:
        self.instrument = instrument
        self.is_futures = instrument.venue == USDM
        self.depth_gaps = 0
        self.snapshots = 0
        self.trade_ids = TradeIds()
        self._update_ids = UpdateIds("update")
        self._ticker_ids = UpdateIds("ticker")
        self._numbers = Numbers(instrument)
        self._times = times
        self._chain = -1
        self._last_snapshot = -1
        self._price = 0
        self._highest_bid = 0

    def trade(self, frame: TradeFrame, received: int) -> Trade | None:
        """The print, or None for one that is not of the market (insurance fund, ADL): its id counts, its price was never quoted."""
        if isinstance(frame.X, str) and frame.X != MARKET:
            self.trade_ids.see(frame.t)
            return None
        price, quantity = self._numbers.price[frame.p], self._numbers.quantity[frame.q]
        if quantity == 0:
            raise BadField("zero_quantity", "a trade of nothing")
        time = self._times.exact(frame.T, received, self.is_futures)
        arrival = self.trade_ids.see(frame.t)
        flags = OFF_TICK if self._numbers.is_off(price, quantity) else 0
        if arrival == "gap":
            flags |= GAP
        elif arrival == "late":
            flags |= LATE
        self._times.advance(time)
        self._price = price
        return Trade(self.instrument.instrument, time, received, frame.t, 1, price, quantity, SELL if frame.m else BUY, flags)

    def ticker(self, frame: TickerFrame, received: int) -> BookTicker:
        """The venue's best bid and ask; without a time of its own (spot) it gets the running maximum, 0 before there is one."""
        numbers = self._numbers
        bid, ask = numbers.best[frame.b], numbers.best[frame.a]
        bid_quantity, ask_quantity = numbers.quantity[frame.B], numbers.quantity[frame.A]
        flags = 0
        if isinstance(frame.T, int):
            time = self._times.exact(frame.T, received, True)
        else:
            time = self._times.last
            flags = ESTIMATED_TIME
        self._ticker_ids.see(frame.u)
        if not (bid and ask and bid_quantity and ask_quantity):
            flags |= ONE_SIDED
        elif bid >= ask:
            flags |= CROSSED
        if numbers.is_off(bid, bid_quantity) or numbers.is_off(ask, ask_quantity):
            flags |= OFF_TICK
        self._times.advance(time)
        self._price = bid or ask
        return BookTicker(self.instrument.instrument, time, received, frame.u, bid, bid_quantity, ask, ask_quantity, flags)

    def depth(self, frame: DepthFrame, received: int) -> DepthUpdate:
        """The update; GAP where it does not continue the one before, which the book's state machine will find by itself."""
        if frame.u < frame.U:
            raise BadField("malformed_fields", f"first update id {frame.U} is above the final one, {frame.u}")
        bids, asks = self._numbers.levels(frame.b), self._numbers.levels(frame.a)
        if self.is_futures:
            if not (isinstance(frame.T, int) and isinstance(frame.pu, int)):
                raise BadField("malformed_fields", "depth: a futures update needs T and pu")
            time = self._times.exact(frame.T, received, True)
            previous, flags = frame.pu, FUTURES_CHAIN
            is_continued = previous == self._chain
        else:
            time = self._times.exact(frame.E, received, False)
            previous, flags = -1, 0
            is_continued = self._chain == frame.U - 1
        self._update_ids.see(frame.u, frame.U, previous)
        if self._chain >= 0 and not is_continued:
            self.depth_gaps += 1
            flags |= GAP
        self._chain = frame.u
        if self._numbers.any_off(bids) or self._numbers.any_off(asks):
            flags |= OFF_TICK
        self._times.advance(time)
        if not self._price:
            self._highest_bid = max([self._highest_bid, *(price for price, quantity in bids if quantity)])
        return DepthUpdate(self.instrument.instrument, time, received, frame.U, frame.u, previous, DELTA, flags, bids, asks)

    def owns(self, frame: SnapshotFrame) -> bool:
        """True if the snapshot's best prices are this instrument's: REST snapshots name no symbol."""
        reference = self._price or self._highest_bid
        try:
            best = [self._numbers.price[rows[0][0]] for rows in (frame.bids, frame.asks) if rows]
        except BadField:
            return False
        return bool(best) and reference > 0 and all(abs(price - reference) * NEARNESS <= reference for price in best)

    def snapshot(self, frame: SnapshotFrame, received: int) -> DepthUpdate:
        """The snapshot as one record, first and last of itself; its time is estimated where it has none of its own (spot)."""
        final = frame.lastUpdateId
        bids, asks = self._numbers.levels(frame.bids), self._numbers.levels(frame.asks)
        if isinstance(frame.T, int):
            time, flags = self._times.exact(frame.T, received, True), WHOLE_SNAPSHOT
        else:
            time, flags = self._times.last or received, WHOLE_SNAPSHOT | ESTIMATED_TIME
        if final == self._last_snapshot:
            raise BadField("duplicate_snapshot", f"snapshot {final} came before")
        if self.is_futures:
            flags |= FUTURES_CHAIN
        if self._numbers.any_off(bids) or self._numbers.any_off(asks):
            flags |= OFF_TICK
        self._last_snapshot = final
        return DepthUpdate(self.instrument.instrument, time, received, final, final, -1, SNAPSHOT, flags, bids, asks)
