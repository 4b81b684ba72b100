"""The tape takes from the book it printed against: until a level's next update what printed there cannot be taken again.

A depth feed tells of a trade later than the trade does (Binance: up to 100 ms). Without this rule an order could lift what the tape
just showed to be gone. A print at a price takes from the level it names, at most all of it; one beyond better levels proves that those
are gone. A print without an aggressor hits the side that displays its price or a better one. Queue positions are not moved by this:
``resting.py`` follows trades there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric import book
from streams.venue import levels
from streams.venue.inlining import inlined_kernel
from streams.venue.state import NONE

BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)


@inlined_kernel
def take(state: Any, books: Any, slot: int, price: int, quantity: int, aggressor_side: int) -> None:
    """Take a print's volume from the displayed levels: all of those better than its price, ``quantity`` of the one at it.

    Nothing is taken where the book is out of sync, or displays neither the price nor a better one. The front is the first level that
    the last print did not leave behind: better ones are taken already and need not be walked again before the next update.
    """
    market = state.markets[slot]
    bid = books.bid_price[slot]
    ask = books.ask_price[slot]
    if books.synced[slot] == 0:
        return
    if ask != 0 and price >= ask and aggressor_side != SELL:
        side, sign, at = SELL, 1, ask if market.ask_front == 0 else market.ask_front
    elif bid != 0 and price <= bid and aggressor_side != BUY:
        side, sign, at = BUY, -1, bid if market.bid_front == 0 else market.bid_front
    else:
        return
    while at > 0 and sign * at <= sign * price:
        place = levels.watch(state, books, slot, side, at)
        if place == NONE:
            return
        levels.print_on(state, place, quantity if at == price else state.levels[place].displayed)
        if at == price:
            break
        at = book.next_level(books, slot, side, at)
    if at == 0:
        at = NONE
    if side == SELL:
        market.ask_front = at
    else:
        market.bid_front = at
