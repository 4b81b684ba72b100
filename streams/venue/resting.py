"""What the market does to our resting orders. Two things fill them, at their limit price:

- a trade of the opposite aggressor. One at our price takes from the queue ahead first, then our
  orders in order of arrival. One through our price proves that the queue there is gone: orders at
  better prices than the print come first, best price first. In both cases the trade's volume is
  spent once: no fill exceeds what printed.
- a depth update after which the opposite side stands at or beyond our price: the full remainder,
  best price first. (An opposite offer cannot stand at our price while we are there: it would have
  traded with us.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import DepthKind, Liquidity, Side
from streams.numeric import book
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.venue import levels, matching, orders, queue
from streams.venue.state import NONE

BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)
APPLIED = book.APPLIED
SNAPSHOT = np.int64(DepthKind.SNAPSHOT)
MAKER = np.int64(Liquidity.MAKER)


@inner_kernel
def trade(state: Any, slot: int, price: int, quantity: int, aggressor_side: int) -> None:
    """Spend one print's volume on our orders; a print without an aggressor side can hit nobody."""
    market = state.markets[slot]
    if aggressor_side == SELL:
        place = market.best_bid
        sign = 1
    elif aggressor_side == BUY:
        place = market.best_ask
        sign = -1
    else:
        return
    left = quantity
    while place != NONE and sign * state.levels[place].price > sign * price:
        worse = state.levels[place].worse
        left = _print_through(state, place, left)
        place = worse
    if place != NONE and state.levels[place].price == price:
        queue.add_traded(state, place, quantity)
        _print_at(state, place, quantity, left)


@inner_kernel
def _print_through(state: Any, place: int, left: int) -> Any:
    """The market printed beyond this level: nobody is ahead of us any more. Returns the volume
    left.
    """
    at = state.levels[place].first_order
    while at != NONE:
        following = state.orders[at].next
        state.fill_model.print_through(state, state.levels[place], state.orders[at])
        quantity = min(left, state.orders[at].quantity - state.orders[at].filled)
        if quantity > 0:
            left -= quantity
            _fill(state, at, quantity)
        at = following
    return left


@inner_kernel
def _print_at(state: Any, place: int, printed: int, left: int) -> None:
    """Spend what is left of a print from the front of the level's queue.

    Others ahead of our first order come first, then it, then others between it and the next.
    """
    others = 0
    at = state.levels[place].first_order
    while at != NONE:
        following = state.orders[at].next
        level, order = state.levels[place], state.orders[at]
        passed = state.fill_model.print_at(state, level, order, printed, left, others)
        others += passed
        left -= passed
        quantity = min(left, state.orders[at].quantity - state.orders[at].filled)
        if quantity > 0:
            left -= quantity
            _fill(state, at, quantity)
        at = following


@inner_kernel
def follow(
    state: Any, books: Any, slot: int, update: Any, rows: Any, result: int, fills: bool
) -> None:
    """Follow an update after the book took it with ``result``: queue positions, what we took, and,
    where it ``fills``, prices the market moved through.

    Whatever is compared, every level that changed is: the levels of the update where they are fewer
    than those we watch, else all we watch. While the book is out of sync nothing is followed; when
    it is back every level is compared.
    """
    market = state.markets[slot]
    if books.books[slot].synced == 0:
        market.resync = 1
        return
    if result & APPLIED == 0:
        return
    first = update.first_level
    row_count = update.bid_count + update.ask_count
    takes_all = market.levels <= row_count and not state.fill_model.FOLLOWS_REPEATS
    if market.resync != 0 or update.kind == SNAPSHOT or takes_all:
        market.resync = 0
        place = market.first_level
        while place != NONE:
            following = state.levels[place].next
            _compare(state, books, place, False)
            place = following
    else:
        for row in range(first, first + row_count):
            side = BUY if row < first + update.bid_count else SELL
            place = levels.find(state, slot, side, rows[row].price)
            if place != NONE:
                _compare(state, books, place, True)
    if fills:
        _fill_passed(state, books, slot)


@inner_kernel
def _fill_passed(state: Any, books: Any, slot: int) -> None:
    """Fill the orders at whose price or beyond the other side now stands; what we took ourselves
    does not count as standing.
    """
    market = state.markets[slot]
    if market.best_bid != NONE:
        ask = levels.best_available(state, books, slot, SELL)
        while ask != 0 and market.best_bid != NONE and state.levels[market.best_bid].price >= ask:
            _fill_level(state, market.best_bid)
    if market.best_ask != NONE:
        bid = levels.best_available(state, books, slot, BUY)
        while bid != 0 and market.best_ask != NONE and state.levels[market.best_ask].price <= bid:
            _fill_level(state, market.best_ask)


@inner_kernel
def _compare(state: Any, books: Any, place: int, is_named: bool) -> None:
    """If the book now displays another size at this level, move the queue and forget what we took.

    ``is_named``: the level stands in the update; a fill model may follow it though its size is as
    before.
    """
    level = state.levels[place]
    new = book.quantity_at(books, level.slot, level.side, level.price)
    if new != level.displayed:
        queue.displayed_changed(state, place, new)
        levels.forget_taken(state, place)
        levels.release(state, place)
    elif state.fill_model.FOLLOWS_REPEATS and is_named:
        queue.displayed_changed(state, place, new)


@inner_kernel
def _fill_level(state: Any, place: int) -> None:
    """Fill every order of the level in full, in order of arrival."""
    at = state.levels[place].first_order
    while at != NONE:
        following = state.orders[at].next
        _fill(state, at, state.orders[at].quantity - state.orders[at].filled)
        at = following


@inlined_kernel
def _fill(state: Any, place: int, quantity: int) -> None:
    """Fill a resting order at its limit price; a full one leaves the table."""
    order = state.orders[place]
    order.filled += quantity
    matching.report_fill(state, order, order.price, quantity, order.filled, MAKER)
    if order.filled == order.quantity:
        orders.remove(state, place)
