"""A plain book of Binance's updates, and how often its top is the exchange's own."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Any

from schemas.vocabulary import Flag


class DictionaryBook:
    """The exchange's own procedure with two dictionaries (reference/exchanges.md 2.3)."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.last = -1
        self.is_loaded = self.is_synced = False
        self.gaps = 0

    def apply(self, update: dict[str, Any]) -> bool:
        """True if the update changed the book."""
        first, final, previous = (
            update["first_update_id"],
            update["final_update_id"],
            update["previous_update_id"],
        )
        if update["kind"] == "SNAPSHOT":
            self.bids.clear()
            self.asks.clear()
            self.is_loaded, self.is_synced = True, False
        elif not self.is_loaded:
            return False
        elif update["flags"] & Flag.FUTURES_CHAIN:
            if final < self.last:
                return False
            good = previous == self.last if self.is_synced else first <= self.last <= final
            self.gaps += not good
            self.is_synced = True
        else:
            if final <= self.last:
                return False
            self.gaps += not (
                first == self.last + 1 if self.is_synced else first <= self.last + 1 <= final
            )
            self.is_synced = True
        self.last = final
        for side, rows in ((self.bids, update["bids"]), (self.asks, update["asks"])):
            for row in rows:
                if row["quantity"]:
                    side[row["price"]] = row["quantity"]
                else:
                    side.pop(row["price"], None)
        return True

    def top(self) -> tuple[int, int, int, int]:
        bid, ask = max(self.bids), min(self.asks)
        return bid, self.bids[bid], ask, self.asks[ask]


def compared(
    book: DictionaryBook, updates: Iterable[dict[str, Any]], tickers: Iterable[dict[str, Any]]
) -> tuple[int, int]:
    """Applies the updates of one instrument to its book. Returns after how many of them the top
    equals the last ticker up to them, and after how many it does not.
    """
    best = sorted(
        (
            each["update_id"],
            each["bid_price"],
            each["bid_quantity"],
            each["ask_price"],
            each["ask_quantity"],
        )
        for each in tickers
    )
    ids = [each[0] for each in best]
    same = wrong = 0
    for update in updates:
        if not book.apply(update) or update["kind"] == "SNAPSHOT":
            continue
        at = bisect.bisect_right(ids, update["final_update_id"]) - 1
        if at >= 0:
            same, wrong = (same + 1, wrong) if best[at][1:] == book.top() else (same, wrong + 1)
    return same, wrong
