"""The L2 book in plain Python: per side a dictionary and a sorted list. It is the specification of
book.py, and its twin in the tests.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

from schemas.vocabulary import Side
from streams.numeric import sync
from streams.numeric.book import (
    APPLIED,
    BECAME_STALE,
    BECAME_SYNCED,
    IGNORED,
    MALFORMED,
    TOP_CHANGED,
)
from streams.numeric.bounds import PRICE_MAX

Level = tuple[int, int]
"""Price and absolute quantity; 0 removes the level."""


class ReferenceSide:
    """Levels of one side: ``quantities`` by price, without zeros, and their prices, ascending."""

    def __init__(self, better: int) -> None:
        self.better = better
        """+1 where a higher price is better (bids), -1 where a lower one is (asks)."""
        self.quantities: dict[int, int] = {}
        self.prices: list[int] = []

    def apply(self, levels: Iterable[Level]) -> None:
        for price, quantity in levels:
            if price not in self.quantities:
                if quantity:
                    insort(self.prices, price)
                    self.quantities[price] = quantity
            elif quantity:
                self.quantities[price] = quantity
            else:
                del self.quantities[price]
                del self.prices[bisect_left(self.prices, price)]

    def best(self) -> Level:
        if not self.prices:
            return 0, 0
        price = self.prices[-1 if self.better > 0 else 0]
        return price, self.quantities[price]

    def next_level(self, price: int) -> int:
        if price < 1:
            return self.best()[0]
        place = (
            bisect_left(self.prices, price) - 1
            if self.better > 0
            else bisect_right(self.prices, price)
        )
        return self.prices[place] if 0 <= place < len(self.prices) else 0

    def levels(self) -> list[Level]:
        return [(price, self.quantities[price]) for price in self.prices[:: -self.better]]


class ReferenceBook:
    """One instrument's book. ``top`` is what may be shown: bid price and quantity, ask price and
    quantity.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: no levels, unsynced, waiting for a snapshot."""
        self._empty()
        self.phase = sync.UNSYNCED
        self.sequence = 0
        self.time = 0
        self.top = (0, 0, 0, 0)

    def _empty(self) -> None:
        self.bids, self.asks = ReferenceSide(1), ReferenceSide(-1)

    @property
    def synced(self) -> bool:
        return self.phase >= sync.AWAITING

    def apply(
        self,
        kind: int,
        flags: int,
        first: int,
        final: int,
        previous: int,
        time: int,
        bids: Sequence[Level],
        asks: Sequence[Level],
    ) -> int:
        """Take one depth record; the same bits as ``book.apply``."""
        verdict, phase = sync.step(self.phase, self.sequence, kind, flags, first, final, previous)
        if verdict == sync.IGNORE:
            return IGNORED
        applies = verdict in (sync.APPLY, sync.RESET)
        if verdict == sync.REFUSE or (
            applies
            and any(
                not 1 <= price <= PRICE_MAX or quantity < 0 for price, quantity in (*bids, *asks)
            )
        ):
            return MALFORMED
        result, was_synced, old_top = 0, self.synced, self.top
        if verdict in (sync.RESET, sync.DROP):
            self._empty()
        if applies:
            self.bids.apply(bids)
            self.asks.apply(asks)
            self.sequence, self.time = final, time
            result = APPLIED
        self.phase = phase
        if verdict != sync.GAP:
            self.top = (*self.bids.best(), *self.asks.best()) if self.synced else (0, 0, 0, 0)
            result |= TOP_CHANGED if self.top != old_top else 0
        if was_synced != self.synced:
            result |= BECAME_STALE if was_synced else BECAME_SYNCED
        return result

    def _side(self, side: int) -> ReferenceSide:
        return self.asks if side == Side.SELL else self.bids

    def levels(self, side: int) -> list[Level]:
        """All levels of a side, best first. ``side``: Side.BUY for bids, Side.SELL for asks."""
        return self._side(side).levels()

    def quantity_at(self, side: int, price: int) -> int:
        """Quantity at a price, 0 for none."""
        return self._side(side).quantities.get(price, 0)

    def next_level(self, side: int, price: int) -> int:
        """Price of the next worse level than ``price`` (0: the best one), 0 for none."""
        return self._side(side).next_level(price)
