"""Books of exchanges that number no updates: what a frame changes, and whether the book behind it
is the exchange's own, by its checksum.

Kraken: CRC32 of the best ten asks, then of the best ten bids, price and quantity as they are
written, without point and leading zeros. OKX: of the best 25 of both sides in turn,
``bid:size:ask:size``. Updates are numbered here, so that a book's state machine sees where one does
not continue the one before: at a checksum that is another, or where the exchange names another
change before it (Deribit). From there on the book is not known until the next snapshot.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, insort
from collections.abc import Callable
from itertools import zip_longest

from connectors.captures.exchange_frames import NO_ID, BookFrame
from connectors.captures.feeds import (
    DELTA,
    ESTIMATED_TIME,
    GAP,
    OFF_TICK,
    SNAPSHOT,
    WHOLE_SNAPSHOT,
    Feed,
)
from connectors.captures.frames import Rows, TickerFrame, TradeFrame
from connectors.captures.numbers import BadField
from connectors.captures.times import Times
from schemas.records import BookTicker, DepthUpdate, Instrument, Trade

KRAKEN_LEVELS, OKX_LEVELS = 10, 25
Texts = tuple[str, str]
"""Price and quantity of a level, as they are written."""


class WrittenSide:
    """One side of a book: the texts of its levels by price, and the prices in order."""

    def __init__(self) -> None:
        self.levels: dict[int, Texts] = {}
        self.prices: list[int] = []

    def apply(self, levels: list[tuple[int, int]], rows: Rows) -> None:
        """Levels as integers and as they are written, in order; a quantity of 0 takes one away."""
        for (price, quantity), texts in zip(levels, rows, strict=True):
            if quantity == 0:
                self.remove(price)
                continue
            if price not in self.levels:
                insort(self.prices, price)
            self.levels[price] = texts

    def remove(self, price: int) -> None:
        """Take a level away, if it is there."""
        if self.levels.pop(price, None) is not None:
            del self.prices[bisect_left(self.prices, price)]


class WrittenBook:
    """Both sides of a book."""

    def __init__(self) -> None:
        self.bids, self.asks = WrittenSide(), WrittenSide()

    def best(self, count: int) -> tuple[list[Texts], list[Texts]]:
        """The best bids and asks, best first."""
        bids = [self.bids.levels[price] for price in reversed(self.bids.prices[-count:])]
        return bids, [self.asks.levels[price] for price in self.asks.prices[:count]]

    def cut(self, depth: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Take away what lies beyond the depth that the exchange keeps; returns it as updates."""
        bids = self.bids.prices[: max(len(self.bids.prices) - depth, 0)]
        asks = self.asks.prices[depth:]
        for side, prices in ((self.bids, bids), (self.asks, asks)):
            for price in prices:
                side.remove(price)
        return [(price, 0) for price in bids], [(price, 0) for price in asks]


def kraken_checksum(book: WrittenBook) -> int:
    """What Kraken sends as ``c``."""
    bids, asks = book.best(KRAKEN_LEVELS)
    digits = (text.replace(".", "").lstrip("0") for level in (*asks, *bids) for text in level)
    return zlib.crc32("".join(digits).encode())


def okx_checksum(book: WrittenBook) -> int:
    """What OKX sends as ``checksum``, without its sign."""
    pairs = zip_longest(*book.best(OKX_LEVELS))
    texts = (text for pair in pairs for level in pair if level for text in level)
    return zlib.crc32(":".join(texts).encode())


class ExchangeFeed(Feed):
    """One instrument's frames to records.

    Attributes:
        checked, differing: books that were compared with their checksum, and those that differ.
    """

    def __init__(
        self, instrument: Instrument, times: Times, checksum: Callable[[WrittenBook], int] | None
    ) -> None:
        super().__init__(instrument, times)
        self._checksum = checksum
        self._book = WrittenBook()
        self._depth = 0
        self._update_id = 0
        self._trade_id = self._ticker_id = 0
        self._change: int | None = None
        self._is_good = self._is_lost = False
        self.checked = self.differing = 0

    def deal(self, frame: TradeFrame, received: int) -> Trade:
        """The print; numbered from 1 where the exchange gives it no id."""
        if frame.t == NO_ID:
            self._trade_id += 1
            frame.t = self._trade_id
        return self._print(frame, self.trade_ids, frame.t, frame.t, 1, received)

    def best(self, frame: TickerFrame, received: int) -> BookTicker:
        """The exchange's best bid and ask, numbered from 1."""
        self._ticker_id += 1
        frame.u = self._ticker_id
        return self.ticker(frame, received)

    def book(self, frame: BookFrame, received: int) -> DepthUpdate:
        """The update or snapshot; GAP where the book behind it is not the exchange's."""
        try:
            bids, asks = self._numbers.levels(frame.bids), self._numbers.levels(frame.asks)
            if frame.time is None:
                time, flags = self._times.estimated(received, self.reached), ESTIMATED_TIME
            else:
                time, flags = self._time(frame.time, received)
        except BadField:
            self._is_lost = True  # the next update does not continue what was taken
            raise
        if frame.is_snapshot:
            self._book, self._is_good = WrittenBook(), True
            self._depth, flags = frame.depth, flags | WHOLE_SNAPSHOT
        book = self._book
        book.bids.apply(bids, frame.bids)
        book.asks.apply(asks, frame.asks)
        if self._depth:
            more = book.cut(self._depth)
            bids, asks = bids + more[0], asks + more[1]
        self._update_id += 1
        is_whole = self._is_equal(frame) and self._continues(frame)
        is_lost, self._is_lost = self._is_lost and not frame.is_snapshot, False
        if self._is_good and (is_lost or not is_whole):
            self._is_good = False
            self.depth_gaps += 1
            self._update_id += 1
            flags |= GAP
        if self._numbers.any_off(bids) or self._numbers.any_off(asks):
            flags |= OFF_TICK
        self._advance(DepthUpdate, time)
        self.updates += not frame.is_snapshot
        self.snapshots += frame.is_snapshot
        return DepthUpdate(
            self.instrument.instrument, time, received, self._update_id, self._update_id, -1,
            SNAPSHOT if frame.is_snapshot else DELTA, flags, bids, asks,
        )  # fmt: skip

    def _continues(self, frame: BookFrame) -> bool:
        """False where the exchange says that another change came before this one."""
        before, self._change = self._change, frame.change
        return frame.is_snapshot or frame.before in (None, before)

    def _is_equal(self, frame: BookFrame) -> bool:
        has_book = bool(self.snapshots) or frame.is_snapshot
        if frame.checksum is None or self._checksum is None or not has_book:
            return True
        self.checked += 1
        is_equal = self._checksum(self._book) == frame.checksum
        self.differing += not is_equal
        return is_equal
