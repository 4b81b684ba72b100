"""The L2 book in plain Python: two dictionaries and a sort. It is the specification of book.py, and its twin in the tests."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.vocabulary import Side
from streams.numeric import sync
from streams.numeric.book import APPLIED, BECAME_STALE, BECAME_SYNCED, IGNORED, MALFORMED, TOP_CHANGED

Level = tuple[int, int]
"""Price and absolute quantity; 0 removes the level."""


class ReferenceBook:
    """One instrument's book. ``bids`` and ``asks`` map price to quantity and hold no zero; ``top`` is what may be shown."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: no levels, unsynced, waiting for a snapshot."""
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.phase = sync.UNSYNCED
        self.sequence = 0
        self.time = 0
        self.top = (0, 0, 0, 0)

    @property
    def synced(self) -> bool:
        return self.phase >= sync.AWAITING

    def apply(
        self, kind: int, flags: int, first: int, final: int, previous: int, time: int, bids: Sequence[Level], asks: Sequence[Level]
    ) -> int:
        """Take one depth record; the same bits as ``book.apply``."""
        verdict, phase = sync.step(self.phase, self.sequence, kind, flags, first, final, previous)
        if verdict == sync.IGNORE:
            return IGNORED
        applies = verdict in (sync.APPLY, sync.RESET)
        if verdict == sync.REFUSE or (applies and any(price < 1 or quantity < 0 for price, quantity in (*bids, *asks))):
            return MALFORMED
        result, was_synced, old_top = 0, self.synced, self.top
        if verdict in (sync.RESET, sync.DROP):
            self.bids, self.asks = {}, {}
        if applies:
            for side, levels in ((self.bids, bids), (self.asks, asks)):
                for price, quantity in levels:
                    if quantity:
                        side[price] = quantity
                    else:
                        side.pop(price, None)
            self.sequence, self.time = final, time
            result = APPLIED
        self.phase = phase
        if verdict != sync.GAP:
            self.top = (*self.best(Side.BUY), *self.best(Side.SELL)) if self.synced else (0, 0, 0, 0)
            result |= TOP_CHANGED if self.top != old_top else 0
        if was_synced != self.synced:
            result |= BECAME_STALE if was_synced else BECAME_SYNCED
        return result

    def levels(self, side: int) -> list[Level]:
        """All levels of a side, best first."""
        return sorted(self.asks.items()) if side == Side.SELL else sorted(self.bids.items(), reverse=True)

    def best(self, side: int) -> Level:
        """Best level of a side, (0, 0) for none."""
        levels = self.asks if side == Side.SELL else self.bids
        if not levels:
            return 0, 0
        price = min(levels) if side == Side.SELL else max(levels)
        return price, levels[price]

    def quantity_at(self, side: int, price: int) -> int:
        """Quantity at a price, 0 for none."""
        return (self.asks if side == Side.SELL else self.bids).get(price, 0)

    def next_level(self, side: int, price: int) -> int:
        """Price of the next worse level than ``price`` (0: the best one), 0 for none."""
        if price < 1:
            return self.best(side)[0]
        if side == Side.SELL:
            return min((other for other in self.asks if other > price), default=0)
        return max((other for other in self.bids if other < price), default=0)
