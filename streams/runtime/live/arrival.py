"""What arrives: control and reference data before anything else, and how long the order waits for a
partition that holds what comes next.
"""

from __future__ import annotations

from collections.abc import Callable

from streams.runtime.live.order import LiveOrder
from streams.runtime.live.spec import Bounds
from streams.runtime.order.feed import Feed
from streams.runtime.recovery.execution import Execution

POLL_SECONDS = 0.001
LINGER_RECORDS = 4096
LINGER_POLL_SECONDS = 0.005


class Arrival:
    """Fills a task's feeds.

    A feed that was waited for in vain is waited for again only once something of it has arrived. An
    input of which nothing ever arrived, as tickers that nobody feeds, is looked at and not waited
    at: it delays no other.

    Args:
        bounds: how long the order waits.
        monotonic: seconds.
    """

    def __init__(self, bounds: Bounds, monotonic: Callable[[], float]) -> None:
        self.bounds = bounds
        self.monotonic = monotonic
        self._impatient: set[int] = set()
        self._heard: set[int] = set()

    def take(self, order: LiveOrder, wait_seconds: float) -> None:
        """Take what has arrived; wait for something if nothing has."""
        feeds = order.execution.feeds
        deadline = self.monotonic() + wait_seconds
        while True:
            for feed in feeds:
                if feed.fill(0):
                    self._hear(feed)
            # before the first batch, what has arrived may not be enough to begin with
            is_ready = order.is_ready()
            if (is_ready and any(feed.waiting for feed in feeds)) or self.monotonic() >= deadline:
                return
            # the wait ends at once for the partition waited at, and within a millisecond for the
            # others
            for feed in feeds:
                if (self._is_waited_at(feed) if is_ready else not feed.waiting) and feed.fill(
                    POLL_SECONDS
                ):
                    self._hear(feed)
                    break

    def _hear(self, feed: Feed) -> None:
        self._impatient.discard(feed.code)
        if feed.is_market_data:
            self._heard.add(feed.code)

    def _is_waited_at(self, feed: Feed) -> bool:
        return feed.is_market_data and (feed.code in self._heard or not self._heard)

    def is_due(self, execution: Execution, since_seconds: float, wanted: int) -> bool:
        """False while market data alone waits, less than a batch of it, and the last batch was not
        long ago.
        """
        feeds = execution.feeds
        if since_seconds >= self.bounds.linger_seconds or any(
            feed.waiting for feed in feeds if not feed.is_market_data
        ):
            return True
        if sum(feed.waiting for feed in feeds) >= min(wanted, LINGER_RECORDS):
            return True
        for feed in feeds:
            if self._is_waited_at(feed) and feed.fill(LINGER_POLL_SECONDS):
                break
        return False

    def mark_awaited(self, execution: Execution) -> None:
        """Say of every feed whether the order must wait for it once what waits is consumed."""
        for feed in execution.feeds:
            feed.is_awaited = feed.code not in self._impatient and feed.is_behind

    def wait_for(self, feed: Feed) -> None:
        """Wait until the feed's next records arrive, at most as long as the order may wait."""
        deadline = self.monotonic() + self.bounds.order_wait_seconds
        while self.monotonic() < deadline:
            if feed.fill(POLL_SECONDS) or not feed.is_behind:
                return
        self._impatient.add(feed.code)
