"""Prices of the recorded order book: ``md.depth``, what printed, and by option the venue's own best
bid and ask.
"""

from __future__ import annotations

from typing import Any

from schemas.records import Instrument
from streams.numeric import tape
from streams.numeric.borrowing import inlined_kernel
from streams.numeric.deadlines import NO_TIMER
from streams.venue import resting
from streams.venue.state import NONE

ARRAYS: dict[str, Any] = {}
OF_ORDERS = ()


def prepare(instruments: list[Instrument], settings: Any, fields: Any) -> dict[str, Any]:
    """It keeps nothing of its own."""
    return {}


@inlined_kernel
def on_trade(state: Any, books: Any, slot: int, trade: Any) -> None:
    """A print may fill resting orders, and takes from what the book displays."""
    if state.markets[slot].best_bid != NONE or state.markets[slot].best_ask != NONE:
        resting.trade(state, slot, trade.price, trade.quantity, trade.aggressor_side)
    tape.take(books, slot, trade.price, trade.quantity, trade.aggressor_side)


@inlined_kernel
def on_book_ticker(state: Any, books: Any, slot: int, ticker: Any) -> None:
    """By option: the venue's own best bid and ask, which bound what an order can take until the
    book is newer.
    """
    if state.counters[0].ticker_caps == 0:
        return
    market = state.markets[slot]
    market.ticker_id = ticker.update_id
    market.ticker_bid = ticker.bid_price
    market.ticker_bid_quantity = ticker.bid_quantity
    market.ticker_ask = ticker.ask_price
    market.ticker_ask_quantity = ticker.ask_quantity


@inlined_kernel
def on_bar(state: Any, books: Any, slot: int, bar: Any) -> None:
    """No bar says more than the book."""


@inlined_kernel
def due(state: Any) -> Any:
    """When it acts by itself: never."""
    return NO_TIMER


@inlined_kernel
def on_due(state: Any, books: Any) -> None:
    """It does not."""


@inlined_kernel
def holds(state: Any, books: Any, command: Any) -> Any:
    """No command waits for the market to open."""
    return False
