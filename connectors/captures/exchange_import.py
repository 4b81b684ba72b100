"""Import of captures of Kraken, OKX, Coinbase and Deribit: books, trades and, of Deribit, the best
bid and ask. Each book is compared with the checksum that the exchange sends, where it sends one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from connectors.captures.deribit_frames import deribit
from connectors.captures.exchange_books import (
    ExchangeFeed,
    WrittenBook,
    kraken_checksum,
    okx_checksum,
)
from connectors.captures.exchange_frames import BookFrame, Frames, Reader, coinbase, kraken, okx
from connectors.captures.feeds import Feed
from connectors.captures.frames import TickerFrame
from connectors.captures.importer import Import, Line, ReadLine
from connectors.captures.lines import Lines
from connectors.captures.summary import ImportSummary
from connectors.captures.times import Times
from connectors.instruments import Key
from schemas.records import BookTicker, DepthUpdate, Instrument, Trade
from streams.log.local import LocalLog


class Exchange(NamedTuple):
    """How an exchange's frames are read. ``checksum``: None where it sends none."""

    venue: str
    read: Reader
    checksum: Callable[[WrittenBook], int] | None


EXCHANGES = {
    "ws.kraken.com": Exchange("kraken", kraken, kraken_checksum),
    "ws.okx.com": Exchange("okx", okx, okx_checksum),
    "ws-feed.pro.coinbase.com": Exchange("coinbase", coinbase, None),
    "ws-feed.exchange.coinbase.com": Exchange("coinbase", coinbase, None),
    "www.deribit.com": Exchange("deribit", deribit, None),
}
"""By the host that sends the frames."""


class CaptureSummary(ImportSummary, frozen=True, kw_only=True):
    """What an import made of a capture. ``checked``, ``differing``: books that were compared with
    their checksum, and those that differ.
    """

    checked: int = 0
    differing: int = 0

    def remarks(self) -> list[str]:
        """What whoever uses the topics should know, a sentence each."""
        said = super().remarks()
        if self.checked:
            equal = self.checked - self.differing
            said.append(f"{equal:,} of {self.checked:,} books have the exchange's own checksum")
        if self.differing:
            said.append(
                "where a checksum first differs the update is flagged GAP: the book is not known "
                "until the next snapshot"
            )
        return said


class ExchangeImport(Import):
    """One import under way, of one exchange."""

    CONNECTOR = "captures.cryptofeed"

    def __init__(
        self, lines: Lines, table: Mapping[Key, Any], times: Times, log: LocalLog,
        read_line: ReadLine, exchange: Exchange,
    ) -> None:  # fmt: skip
        super().__init__(lines, table, times, log, read_line)
        self._exchange = exchange
        self._made: list[ExchangeFeed] = []

    def _new_feed(self, instrument: Instrument) -> Feed:
        feed = ExchangeFeed(instrument, self._times, self._exchange.checksum)
        self._made.append(feed)
        return feed

    def _time_of(self, frame: Frames) -> Any:
        times = [each.time if isinstance(each, BookFrame) else each.T for each in frame]
        return times[-1] if times else None

    def _take_frame(self, frame: Frames, received: int, line: Line) -> None:
        """Every book and trade of a line, or none of them."""
        if not frame:
            self._set_aside["frame of nothing"] += 1
        found: list[tuple[ExchangeFeed, DepthUpdate | Trade | BookTicker]] = []
        for each in frame:
            symbol = each.symbol if isinstance(each, BookFrame) else each.s
            feed = self._feed(self._exchange.venue, symbol)
            assert isinstance(feed, ExchangeFeed)
            if isinstance(each, BookFrame):
                found.append((feed, feed.book(each, received)))
            elif isinstance(each, TickerFrame):
                found.append((feed, feed.best(each, received)))
            else:
                found.append((feed, feed.deal(each, received)))
        for feed, record in found:
            if isinstance(record, Trade):
                self._write_trades([record])
            elif isinstance(record, BookTicker):
                self._take_ticker(feed, record)
            else:
                self._write_depth(record)

    def _summary(self) -> ImportSummary:
        plain = msgspec.structs.asdict(super()._summary())
        checked = sum(feed.checked for feed in self._made)
        differing = sum(feed.differing for feed in self._made)
        return CaptureSummary(**plain, checked=checked, differing=differing)
