"""Whether a journal's order is one that the live rule allows: what is left to ask where the order
depends on what had arrived.

All records of a batch had arrived when its order was chosen. So its market data is in order of
(running maximum of event time, rank), and a control or reference record comes no later in it than
its own time asks for; when an operator says something now, it comes earlier than that.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from schemas.reasons import GOOD
from streams.runtime.order.feed import Feed
from streams.runtime.recovery.execution import Execution

Array = np.ndarray[Any, Any]


class Order(Protocol):
    """A rule that a journal's order must obey."""

    def misplaced(self, elements: Array) -> str:
        """Which record of the batch just executed is not where it may be; empty if all are."""


class AllowedOrder:
    """Asked of every batch of a journal, in order, once it was executed again.

    Args:
        execution: what executes it.
    """

    def __init__(self, execution: Execution) -> None:
        self._feeds = execution.feeds
        self._is_market = np.array([feed.is_market_data for feed in self._feeds])
        self._highest = [0] * len(self._feeds)

    def misplaced(self, elements: Array) -> str:
        """Which record of the batch the live order would not have put where it is; empty if all are
        where they may be.
        """
        runs = elements[elements["input"] >= 0]
        codes = np.repeat(runs["input"], runs["count"])
        keys = np.zeros(len(codes), np.int64)
        offsets = np.zeros(len(codes), np.int64)
        for feed in self._feeds:
            mine = codes == feed.code
            rows = slice(feed.first - int(mine.sum()), feed.first)
            if rows.start < rows.stop and feed.offsets is not None:
                keys[mine] = (
                    feed.keys[rows] if feed.is_market_data else self._latest_places(feed, rows)
                )
                offsets[mine] = feed.offsets[rows]
        is_market = self._is_market[codes]
        market = np.flatnonzero(is_market)
        before, after = market[:-1], market[1:]
        is_wrong = (keys[after] < keys[before]) | (
            (keys[after] == keys[before]) & (codes[after] < codes[before])
        )
        reached = np.maximum.accumulate(np.where(is_market, keys, -1)) if len(keys) else keys
        wrong = [
            *after[is_wrong].tolist(),
            *np.flatnonzero(~is_market & (reached >= keys)).tolist(),
        ]
        if not wrong:
            return ""
        place = min(wrong)
        return (
            f"{self._feeds[int(codes[place])].topic} offset {offsets[place]} comes later than "
            "the live order would have put it"
        )

    def _latest_places(self, feed: Feed, rows: slice) -> Array:
        """The keys that put these records last: those of nothing said now."""
        times = [
            feed.records[row].event_time if feed.status[row] == GOOD else 0
            for row in range(rows.start, rows.stop)
        ]
        keys = np.maximum.accumulate(np.array([self._highest[feed.code], *times], np.int64))[1:]
        self._highest[feed.code] = int(keys[-1])
        return keys
