"""A best bid and ask where there is no order book: from the venue's own best prices, or assumed
from prints.

What shows is written as the depth update that turns the book into these two levels, so a book made
of them is a book like any other. Rules, each on the safe side for who takes:

- best prices of the venue: as they are.
- a print at ``price``: an order to buy pays one spread more than the print, or what the last
  aggressive buyer paid if that was more; an order to sell gets one spread less, or what the last
  aggressive seller got. Each side displays the quantity of the print.
- a print without quantity, of data that have none at all: each side displays ``UNSIZED``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.records import Instrument
from schemas.vocabulary import DepthKind, Flag, Side
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.bounds import PRICE_MAX

DATA = ("book", "quotes", "trades", "bars")
"""What a run may trade on, the most telling first; a place in it is the number kernels have."""
BOOK, QUOTES, TRADES, BARS = range(4)
UNSIZED = 1 << 53
"""Displayed where the data have no quantities: more than an order has."""
SPREAD_MAX = 1_000_000
"""Ticks."""

BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)
DELTA = np.int64(DepthKind.DELTA)
SNAPSHOT = np.int64(DepthKind.SNAPSHOT)
WHOLE = np.int64(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
SYNTHETIC = np.int64(Flag.SYNTHETIC)

TOP = np.dtype(
    [
        (name, "i8")
        for name in (
            # what shows, 0 for no level
            "bid_price", "ask_price",
            "update_id",
            # price of the last print by side of its aggressor, 0 before the first
            "bought_at", "sold_at",
            # distance of an assumed price from the print; 1: the data have no quantities of it
            "spread", "is_unsized",
        )
    ]
)  # fmt: skip
"""One instrument's assumed book."""


def new_tops(instruments: Sequence[Instrument], settings: Any) -> Any:
    """Nothing shows yet. ``settings``: ``spread`` in ticks, numbers of the ``unsized``."""
    tops = np.zeros(len(instruments), TOP)
    for top, each in zip(tops, instruments, strict=True):
        top["spread"] = min(each.tick_size * settings.spread, PRICE_MAX)
        top["is_unsized"] = each.instrument in settings.unsized
    return tops


@inlined_kernel
def _change(levels: Any, row: Any, before: Any, price: Any, quantity: Any) -> Any:
    """Levels of one side that turn ``before`` into ``price``; returns the row behind them."""
    if before != 0 and before != price:
        levels[row].price = before
        levels[row].quantity = 0
        row += 1
    if price != 0:
        levels[row].price = price
        levels[row].quantity = quantity
        row += 1
    return row


@inner_kernel
def show(
    top: Any, update: Any, levels: Any, instrument: Any, time: Any, flags: Any,
    bid_price: Any, bid_quantity: Any, ask_price: Any, ask_quantity: Any,
) -> None:  # fmt: skip
    """Write the depth update after which these two levels show: a price of 0 is no level.

    Args:
        update: a row of DepthUpdate, to be written.
        levels: four rows of levels, to be written.
    """
    middle = _change(levels, 0, top.bid_price, bid_price, bid_quantity)
    end = _change(levels, middle, top.ask_price, ask_price, ask_quantity)
    top.bid_price = bid_price if bid_quantity != 0 else 0
    top.ask_price = ask_price if ask_quantity != 0 else 0
    top.update_id += 1
    update.instrument = instrument
    update.event_time = time
    update.receive_time = 0
    update.first_update_id = update.final_update_id = top.update_id
    update.previous_update_id = top.update_id - 1
    update.kind = SNAPSHOT if top.update_id == 1 else DELTA
    update.flags = flags | WHOLE if top.update_id == 1 else flags
    update.first_level = 0
    update.bid_count = middle
    update.ask_count = end - middle


@inner_kernel
def show_ticker(top: Any, update: Any, levels: Any, ticker: Any) -> None:
    """The update of the venue's own best prices, as they are."""
    has_bid = ticker.bid_price > 0 and ticker.bid_quantity > 0
    has_ask = ticker.ask_price > 0 and ticker.ask_quantity > 0
    show(
        top, update, levels, ticker.instrument, ticker.event_time, ticker.flags,
        ticker.bid_price if has_bid else 0, ticker.bid_quantity if has_bid else 0,
        ticker.ask_price if has_ask else 0, ticker.ask_quantity if has_ask else 0,
    )  # fmt: skip


@inner_kernel
def show_print(
    top: Any, update: Any, levels: Any, instrument: Any, time: Any, flags: Any, price: Any,
    quantity: Any, aggressor_side: Any,
) -> None:  # fmt: skip
    """The update that a print makes. ``aggressor_side``: neither BUY nor SELL where it is not
    known.
    """
    if aggressor_side != SELL:
        top.bought_at = price
    if aggressor_side != BUY:
        top.sold_at = price
    ask = max(price + top.spread, top.bought_at)
    bid = price - top.spread
    if top.sold_at != 0:
        bid = min(bid, top.sold_at)
    has_ask = 0 < ask <= PRICE_MAX and quantity > 0
    has_bid = 0 < bid <= PRICE_MAX and quantity > 0
    show(
        top, update, levels, instrument, time, flags | SYNTHETIC,
        bid if has_bid else 0, quantity if has_bid else 0,
        ask if has_ask else 0, quantity if has_ask else 0,
    )  # fmt: skip
