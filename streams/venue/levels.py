"""The price levels the venue watches: those where our orders rest, and those that we took from.

A level is watched from the first order that rests or the first quantity that is taken until it has
neither. All levels of an instrument form one list, to compare them with the book; those with
resting orders form a second list per side, best price first. What can be taken of a level is what
it displays, less what printed there since its last update (``numeric/tape.py``), at most what the
venue's own ticker shows (by option), less what our orders took since its displayed size changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric import book, index, tape
from streams.numeric.book_queries import next_price, quantity_of, side_of
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.venue.state import FAULT_LEVELS, NONE, raise_fault

BUY = np.int64(Side.BUY)
UNLIMITED = np.int64(2**63 - 1)


@inlined_kernel
def find(state: Any, slot: int, side: int, price: int) -> Any:
    """The watched level at this price, NONE where it is not watched."""
    return index.find(state.level_index, price, slot * 4 + side)


@inner_kernel
def watch(state: Any, books: Any, slot: int, side: int, price: int) -> Any:
    """The level at this price, watched from now on if it was not; NONE when ``levels_max`` is
    reached.
    """
    found = find(state, slot, side, price)
    if found >= 0:
        return found
    counters = state.counters[0]
    chosen = counters.level_free
    if chosen != NONE:
        counters.level_free = state.levels[chosen].next
    elif counters.level_unused < len(state.levels):
        chosen = counters.level_unused
        counters.level_unused = chosen + 1
    else:
        raise_fault(
            state, FAULT_LEVELS, books.books[slot].instrument, counters.levels, len(state.levels)
        )
        return NONE
    counters.levels += 1
    index.put(state.level_index, price, slot * 4 + side, chosen)
    market = state.markets[slot]
    level = state.levels[chosen]
    level.price = price
    level.displayed = book.quantity_at(books, slot, side, price)
    level.traded = 0
    level.consumed = 0
    level.slot = slot
    level.side = side
    level.first_order = level.last_order = NONE
    level.better = level.worse = NONE
    level.previous = NONE
    level.next = market.first_level
    if market.first_level != NONE:
        state.levels[market.first_level].previous = chosen
    market.first_level = chosen
    market.levels += 1
    return chosen


@inner_kernel
def release(state: Any, place: int) -> None:
    """Stop watching the level if nothing of ours is left there."""
    level = state.levels[place]
    if level.first_order != NONE or level.consumed != 0:
        return
    counters = state.counters[0]
    market = state.markets[level.slot]
    if level.previous == NONE:
        market.first_level = level.next
    else:
        state.levels[level.previous].next = level.next
    if level.next != NONE:
        state.levels[level.next].previous = level.previous
    market.levels -= 1
    index.remove(state.level_index, level.price, level.slot * 4 + level.side)
    level.next = counters.level_free
    counters.level_free = place
    counters.levels -= 1


@inlined_kernel
def consume(state: Any, place: int, quantity: int) -> None:
    """Remember that we took this much of what the level displays."""
    level = state.levels[place]
    if level.consumed == 0:
        state.markets[level.slot].reduced_levels += 1
    level.consumed += quantity


@inlined_kernel
def forget_taken(state: Any, place: int) -> None:
    """The displayed size changed: what we took is forgotten."""
    level = state.levels[place]
    if level.consumed != 0:
        level.consumed = 0
        state.markets[level.slot].reduced_levels -= 1


@inner_kernel
def available(state: Any, books: Any, slot: int, side: int, price: int) -> Any:
    """What can be taken of the level, at least 0 (see above)."""
    shown = side_of(books, slot, side)
    quantity = quantity_of(books, shown, price) - tape.printed_of(books, shown, price)
    place = find(state, slot, side, price) if state.markets[slot].reduced_levels != 0 else NONE
    if _is_capped(state, books, slot):
        quantity = min(quantity, _shown_by_ticker(state.markets[slot], side, price))
    if place >= 0:
        quantity -= state.levels[place].consumed
    return max(0, quantity)


@inlined_kernel
def _is_capped(state: Any, books: Any, slot: int) -> Any:
    """True while the venue's own best bid and ask are newer than the book."""
    return state.markets[slot].ticker_id > books.books[slot].sequence


@inlined_kernel
def _shown_by_ticker(market: Any, side: int, price: int) -> Any:
    """The most the ticker allows at this price: nothing better than its best, there its size,
    beyond it anything.
    """
    best = market.ticker_bid if side == BUY else market.ticker_ask
    if price == best:
        return market.ticker_bid_quantity if side == BUY else market.ticker_ask_quantity
    if best == 0:
        return UNLIMITED
    is_better = price > best if side == BUY else price < best
    return 0 if is_better else UNLIMITED


@inner_kernel
def best_available(state: Any, books: Any, slot: int, side: int) -> Any:
    """Best price of the recorded side that still has something to take, 0 for none."""
    shown = side_of(books, slot, side)
    price = shown.price
    if (
        state.markets[slot].reduced_levels == 0
        and shown.printed_levels == 0
        and not _is_capped(state, books, slot)
    ):
        return price
    while price != 0 and available(state, books, slot, side, price) == 0:
        price = next_price(books, shown, price)
    return price


@inner_kernel
def link_resting(state: Any, place: int) -> None:
    """Enter a level that gets its first resting order into its side's list, best price first."""
    level = state.levels[place]
    market = state.markets[level.slot]
    sign = 1 if level.side == BUY else -1
    worse = market.best_bid if level.side == BUY else market.best_ask
    better = NONE
    while worse != NONE and sign * state.levels[worse].price > sign * level.price:
        better = worse
        worse = state.levels[worse].worse
    level.better = better
    level.worse = worse
    if worse != NONE:
        state.levels[worse].better = place
    if better != NONE:
        state.levels[better].worse = place
    elif level.side == BUY:
        market.best_bid = place
    else:
        market.best_ask = place


@inner_kernel
def unlink_resting(state: Any, place: int) -> None:
    """Take a level without resting orders out of its side's list."""
    level = state.levels[place]
    market = state.markets[level.slot]
    if level.worse != NONE:
        state.levels[level.worse].better = level.better
    if level.better != NONE:
        state.levels[level.better].worse = level.worse
    elif level.side == BUY:
        market.best_bid = level.worse
    else:
        market.best_ask = level.worse
    level.better = level.worse = NONE
