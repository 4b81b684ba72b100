"""Questions to a book, for kernels: best level, any level, the next one. ``side`` is Side.BUY for bids, Side.SELL for asks."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag, Side
from streams.numeric import tail, window
from streams.numeric.book_state import INSTRUMENTS_MAX
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel

SELL = int(Side.SELL)
STALE = int(Flag.STALE)
CROSSED = int(Flag.CROSSED)
ONE_SIDED = int(Flag.ONE_SIDED)


@inlined_kernel
def slot_of(books: Any, instrument: Any) -> Any:
    """Slot of an instrument id, -1 for an unknown or impossible one."""
    if instrument < 0 or instrument >= INSTRUMENTS_MAX:
        return np.int64(-1)
    return np.int64(books.slots[instrument])


@inlined_kernel
def best_level(books: Any, row: Any, sign: Any, tick: Any) -> Any:
    """Best level of a side: (price, quantity), (0, 0) for none. ``row``: 2 * slot, plus 1 for asks; ``sign``: +1 bids, -1 asks."""
    price = np.int64(0)
    quantity = np.int64(0)
    top = books.top[row]
    if top >= 0:
        price = sign * (books.base[row] + top) * tick
        quantity = books.quantity[row, top]
    off = books.off_tick_best[row]
    if off != 0 and (price == 0 or sign * off > sign * price):
        price = off
        quantity = tail.quantity_in_tail(books, row, off)
    return price, quantity


@inlined_kernel
def place_in_window(books: Any, row: Any, sign: Any, tick: Any, price: Any) -> Any:
    """Place of a price (at least 1) in the side's window, -1 if it lies outside or off the tick."""
    unit = price if tick == 1 else price // tick
    place = sign * unit - books.base[row]
    return place if 0 <= place < books.quantity.shape[1] and unit * tick == price else np.int64(-1)


@borrowing_kernel
def quantity_at(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """Displayed quantity at a price, 0 for none. ``side``: BUY reads bids, SELL asks."""
    return quantity_of(books, 2 * slot + (side == SELL), -1 if side == SELL else 1, books.tick[slot], price)


@inlined_kernel
def quantity_of(books: Any, row: Any, sign: Any, tick: Any, price: Any) -> Any:
    """``quantity_at`` by the row of the side, and its sign: +1 for bids, -1 for asks."""
    if price < 1:
        return np.int64(0)
    place = place_in_window(books, row, sign, tick, price)
    if place >= 0:
        return books.quantity[row, place]
    return tail.quantity_in_tail(books, row, price)


@borrowing_kernel
def next_level(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """Price of the next worse level than ``price`` (0: the best one), 0 for none. Cheap inside the window; a scan of the tail beyond it."""
    return next_price(books, 2 * slot + (side == SELL), -1 if side == SELL else 1, books.tick[slot], price)


@inlined_kernel
def next_price(books: Any, row: Any, sign: Any, tick: Any, price: Any) -> Any:
    """``next_level`` by the row of the side, and its sign: +1 for bids, -1 for asks."""
    if price < 1:
        return best_level(books, row, sign, tick)[0]
    unit = price // tick
    if sign < 0 or unit * tick == price:
        start = sign * unit - books.base[row] - 1
    else:
        start = unit - books.base[row]
    place = window.highest_from(books.occupied[row], min(start, books.top[row]))
    on_tick = sign * (books.base[row] + place) * tick if place >= 0 else np.int64(0)
    if place >= 0 and books.off_tick_count[row] == 0:
        return on_tick
    other = tail.best_after(books, row, sign, price, tick, place >= 0)
    if on_tick == 0 or (other != 0 and sign * other > sign * on_tick):
        return other
    return on_tick


@inlined_kernel
def top_flags(books: Any, slot: Any) -> Any:
    """Quality flags of the top: STALE if not synced, ONE_SIDED if a side is empty, CROSSED if bid >= ask (locked included)."""
    flags = 0 if books.synced[slot] else STALE
    bid, ask = books.bid_price[slot], books.ask_price[slot]
    if bid == 0 or ask == 0:
        return flags | ONE_SIDED
    return flags | CROSSED if bid >= ask else flags
