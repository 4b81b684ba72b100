"""What an import knows of one instrument, and its frames as records."""

from __future__ import annotations

import msgspec

from connectors.captures.frames import (
    USDM,
    AggregateFrame,
    DepthFrame,
    SnapshotFrame,
    TickerFrame,
    TradeFrame,
)
from connectors.captures.numbers import BadField, Numbers
from connectors.captures.sequences import TradeIds, UpdateIds
from connectors.captures.times import Times
from schemas.records import BookTicker, DepthUpdate, Instrument, Trade
from schemas.vocabulary import DepthKind, Flag, Side

BUY, SELL = int(Side.BUY), int(Side.SELL)
DELTA, SNAPSHOT = int(DepthKind.DELTA), int(DepthKind.SNAPSHOT)
OFF_TICK, LATE, GAP = int(Flag.OFF_TICK), int(Flag.LATE), int(Flag.GAP)
ESTIMATED_TIME, CROSSED, ONE_SIDED = (
    int(Flag.ESTIMATED_TIME),
    int(Flag.CROSSED),
    int(Flag.ONE_SIDED),
)
FUTURES_CHAIN = int(Flag.FUTURES_CHAIN)
WHOLE_SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
MARKET = "MARKET"
NEARNESS = 10
"""A price lies near another one within a tenth of it, or within ``NEAR_TICKS``: a tick can be more
than a tenth of a price.
"""
NEAR_TICKS = 8
AGGREGATES_HELD = 256
"""Aggregated trades without a trade of the instrument among them, after which the recording has
none of them.
"""


class Feed:
    """One instrument's frames to records.

    Attributes:
        instrument: its specification.
        reached: running maximum of its event times, ns; 0 before any.
        started: event time of its first record that had one, ns.
        depth_gaps: updates that do not continue the one before. updates: depth updates taken.
        snapshots: placed so far.
        behind: records behind the time that their instrument's records of the topic had reached.
        early: tickers that wait for the first time there is.
    """

    def __init__(self, instrument: Instrument, times: Times) -> None:
        self.instrument = instrument
        self.is_futures = instrument.venue == USDM
        self.depth_gaps = 0
        self.updates = 0
        self.snapshots = 0
        self.behind = 0
        self.reached = 0
        self.started = 0
        self.early: list[BookTicker] = []
        self.trade_ids = TradeIds()
        self.aggregates: Aggregates = Aggregates()
        self._aggregate_ids = TradeIds()
        self._update_ids = UpdateIds("update")
        self._ticker_ids = UpdateIds("ticker")
        self._numbers = Numbers(instrument)
        self._times = times
        self._chain = -1
        self._snapshot_ids: set[int] = set()
        self._price = 0
        self._highest_bid = 0
        self._latest: dict[type, int] = {}

    def _time(self, time: int, received: int) -> tuple[int, int]:
        """(event time, flags)."""
        found, is_estimated = self._times.exact(time, received, self.is_futures, self.reached)
        return found, ESTIMATED_TIME if is_estimated else 0

    def _advance(self, kind: type, time: int) -> None:
        """Note the time of a record that is taken."""
        latest = self._latest.get(kind, 0)
        if time < latest:
            self.behind += 1
        else:
            self._latest[kind] = time
        if time > self.reached:
            self.reached = time
        if not self.started:
            self.started = time
        self._times.advance(time)

    def trade(self, frame: TradeFrame, received: int) -> Trade | None:
        """The print, or None for one that is not of the market (insurance fund, ADL): its id
        counts, its price was never quoted.
        """
        if isinstance(frame.X, str) and frame.X != MARKET:
            self.trade_ids.see(frame.t)
            return None
        return self._print(frame, self.trade_ids, frame.t, frame.t, 1, received)

    def aggregate(self, frame: AggregateFrame, received: int) -> Trade:
        """Several trades of one order at one price, as one print; its id is the last one's."""
        if frame.l < frame.f:
            raise BadField(
                "malformed_fields", f"first trade id {frame.f} is above the last one, {frame.l}"
            )
        return self._print(
            frame, self._aggregate_ids, frame.a, frame.l, frame.l - frame.f + 1, received
        )

    def _print(
        self,
        frame: TradeFrame | AggregateFrame,
        ids: TradeIds,
        number: int,
        trade_id: int,
        count: int,
        received: int,
    ) -> Trade:
        price, quantity = self._numbers.price[frame.p], self._numbers.quantity[frame.q]
        if quantity == 0:
            raise BadField("zero_quantity", "a trade of nothing")
        time, flags = self._time(frame.T, received)
        arrival = ids.see(number, time)
        flags |= OFF_TICK if self._numbers.is_off(price, quantity) else 0
        if arrival == "gap":
            flags |= GAP
        elif arrival == "late":
            flags |= LATE
        self._advance(Trade, time)
        self._price = price
        return Trade(
            self.instrument.instrument,
            time,
            received,
            trade_id,
            count,
            price,
            quantity,
            SELL if frame.m else BUY,
            flags,
        )

    def ticker(self, frame: TickerFrame, received: int) -> BookTicker:
        """The venue's best bid and ask; without a time of its own (spot) it gets its instrument's
        running maximum, 0 before there is one.
        """
        numbers = self._numbers
        bid, ask = numbers.best[frame.b], numbers.best[frame.a]
        bid_quantity, ask_quantity = numbers.quantity[frame.B], numbers.quantity[frame.A]
        if isinstance(frame.T, int):
            time, flags = self._time(frame.T, received)
        else:
            time, flags = self.reached, ESTIMATED_TIME
        self._ticker_ids.see(frame.u)
        if not (bid and ask and bid_quantity and ask_quantity):
            flags |= ONE_SIDED
        elif bid >= ask:
            flags |= CROSSED
        if numbers.is_off(bid, bid_quantity) or numbers.is_off(ask, ask_quantity):
            flags |= OFF_TICK
        if time:
            self._advance(BookTicker, time)
        self._price = bid or ask
        return BookTicker(
            self.instrument.instrument,
            time,
            received,
            frame.u,
            bid,
            bid_quantity,
            ask,
            ask_quantity,
            flags,
        )

    def depth(self, frame: DepthFrame, received: int) -> DepthUpdate:
        """The update; GAP where it does not continue the one before, which the book's state machine
        will find by itself.
        """
        if frame.u < frame.U:
            raise BadField(
                "malformed_fields", f"first update id {frame.U} is above the final one, {frame.u}"
            )
        bids, asks = self._numbers.levels(frame.b), self._numbers.levels(frame.a)
        if self.is_futures:
            if not (isinstance(frame.T, int) and isinstance(frame.pu, int)):
                raise BadField("malformed_fields", "depth: a futures update needs T and pu")
            time, flags = self._time(frame.T, received)
            previous, flags = frame.pu, flags | FUTURES_CHAIN
            is_continued = previous == self._chain
        else:
            time, flags = self._time(frame.E, received)
            previous = -1
            is_continued = self._chain == frame.U - 1
        self._update_ids.see(frame.u, frame.U, previous)
        if self._chain >= 0 and not is_continued:
            self.depth_gaps += 1
            flags |= GAP
        self._chain = frame.u
        if self._numbers.any_off(bids) or self._numbers.any_off(asks):
            flags |= OFF_TICK
        self._advance(DepthUpdate, time)
        self.updates += 1
        if not self._price:
            self._highest_bid = max(
                [self._highest_bid, *(price for price, quantity in bids if quantity)]
            )
        return DepthUpdate(
            self.instrument.instrument,
            time,
            received,
            frame.U,
            frame.u,
            previous,
            DELTA,
            flags,
            bids,
            asks,
        )

    @property
    def has_price(self) -> bool:
        """True once a trade or a ticker has shown a price."""
        return self._price > 0

    def is_near(self, snapshot: DepthUpdate) -> bool:
        """True if the snapshot's best prices could be this instrument's."""
        reference = self._price or self._highest_bid
        best = [rows[0][0] for rows in (snapshot.bids, snapshot.asks) if rows]
        bound = max(reference // NEARNESS, NEAR_TICKS * self.instrument.tick_size)
        return (
            bool(best) and reference > 0 and all(abs(price - reference) <= bound for price in best)
        )

    def snapshot(self, frame: SnapshotFrame, received: int) -> DepthUpdate:
        """The snapshot as one record, first and last of itself; its time is estimated where it has
        none of its own (spot).
        """
        final = frame.lastUpdateId
        bids, asks = self._numbers.levels(frame.bids), self._numbers.levels(frame.asks)
        if isinstance(frame.T, int):
            time, flags = self._time(frame.T, received)
        else:
            time, flags = self.reached or received, ESTIMATED_TIME
        flags |= WHOLE_SNAPSHOT
        if self.is_futures:
            flags |= FUTURES_CHAIN
        if self._numbers.any_off(bids) or self._numbers.any_off(asks):
            flags |= OFF_TICK
        return DepthUpdate(
            self.instrument.instrument,
            time,
            received,
            final,
            final,
            -1,
            SNAPSHOT,
            flags,
            bids,
            asks,
        )

    def note_snapshot(self, final: int) -> None:
        """A snapshot is placed, once. Raises BadField ``duplicate_snapshot``."""
        if final in self._snapshot_ids:
            raise BadField("duplicate_snapshot", f"snapshot {final} came before")
        self._snapshot_ids.add(final)
        self.snapshots += 1


class Aggregates(msgspec.Struct):
    """What becomes of an instrument's aggregated trades: they are its prints where the recording
    has no single ones, else they are left out.

    Attributes:
        held: prints that wait until that is known. is_used: it is known that there are no others.
    """

    held: list[Trade] = []
    is_used: bool = False
    has_trades: bool = False

    def add(self, trade: Trade) -> list[Trade]:
        """Prints to write now."""
        if self.is_used:
            return [trade]
        self.held.append(trade)
        return self.close() if len(self.held) >= AGGREGATES_HELD else []

    def close(self) -> list[Trade]:
        """There are no single trades: prints to write now."""
        found, self.held = self.held, []
        self.is_used = self.is_used or bool(found)
        return found

    def refuse(self) -> int:
        """A single trade came: how many prints are left out because of it."""
        self.has_trades = True
        count, self.held = len(self.held), []
        return count
