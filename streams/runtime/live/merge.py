"""The live order: the same merge over what has arrived.

The next record is the head with the lowest (running maximum of event time, topic rank, partition). An empty buffer whose partition holds more is
waited for, by the caller and for a bounded time; one at its end does not block. The journal records the order chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.runtime.live.feed import LiveFeed
from streams.runtime.loop import SKIP
from streams.runtime.merge import DRY, Merger, Slice, _merge

NEVER = 2**63 - 1
CLOCK = -2
"""Input of a clock element."""
AHEAD = -3
"""Minus the number of an input: an element that says which of its records was dated ahead, and of what the host's clock said."""


class LiveMerger(Merger):
    """See the module's head.

    Args:
        feeds: input partitions in rank order.
        is_wall: the clock is placed by the runner, and no record moves it.
    """

    def __init__(self, feeds: Sequence[LiveFeed], is_wall: bool) -> None:
        super().__init__(feeds, NEVER)
        self.is_wall = is_wall
        self.live = list(feeds)

    def _enter(self, feed: LiveFeed, head: int) -> None:  # type: ignore[override]
        super()._enter(feed, head)
        if self.is_wall:
            self._table[feed.code, 5] = 0

    def take_live(self, target: Slice, wanted: int, present: int, first_of: LiveFeed | None = None) -> LiveFeed | None:
        """Fill the slice with at most ``wanted`` of the records that have arrived; returns the awaited feed at which the order stopped, if one did.

        ``first_of``: all of this feed's records come first (the instruments, in the first batch).
        """
        for feed in self.live:
            feed.compact()
            self._enter(feed, feed.first)
        filled = 0
        if first_of is not None:
            first, filled = first_of.first, first_of.count - first_of.first
            target.origin[:filled] = first_of.code
            target.source[:filled] = np.where(first_of.status[first : first + filled] == 0, first_of.code, SKIP)
            target.index[:filled] = np.arange(first, first + filled)
            target.clock[:filled] = present
            self._table[first_of.code, 3] = first + filled
        control = self._control
        control[0], control[1], control[2], control[3] = filled, max(wanted, filled), present, NEVER
        _merge(control, self._table, target.source, target.origin, target.index, target.clock)
        target.count = int(control[0])
        target.ended = target.ticked = False
        return self.live[int(control[5])] if control[4] == DRY else None

    def tick(self, target: Slice, clock: int) -> None:
        """Make the slice one tick of the clock without a record."""
        target.count = 0
        target.ended, target.ticked = False, True
        target.source[0] = target.origin[0] = SKIP
        target.index[0] = 0
        target.clock[0] = clock
