"""Imbalance of the book's best levels (MIC-2): (bid - ask) / (bid + ask) of summed quantities, null without both sides.

Fewer levels than asked for are taken as they are. Sums are integers, the quotient is one division, so every measure lies in [-1, 1] and
changes its sign when the sides are swapped.
"""

from __future__ import annotations

import math
from typing import Any

from schemas.vocabulary import Side
from streams.numeric import book
from streams.numeric.borrowing import borrowing_kernel

BUY, SELL = int(Side.BUY), int(Side.SELL)
NAN = math.nan


@borrowing_kernel
def ratio(bid: Any, ask: Any) -> Any:
    """(bid - ask) / (bid + ask), NaN without both."""
    if bid <= 0 or ask <= 0:
        return NAN
    return (bid - ask) / (bid + ask)


@borrowing_kernel
def side_sums(books: Any, slot: Any, side: Any, price: Any, quantity: Any) -> Any:
    """Quantity of the best 1, 3, 5 and 10 levels of a side and 4 q1 + 3 q2 + 2 q3 + q4, walking from its best level (price, quantity)."""
    one = three = five = ten = weighted = 0
    for level in range(10):
        if quantity == 0:
            break
        if level < 1:
            one += quantity
        if level < 3:
            three += quantity
        if level < 4:
            weighted += (4 - level) * quantity
        if level < 5:
            five += quantity
        ten += quantity
        price = book.next_level(books, slot, side, price)
        quantity = book.quantity_at(books, slot, side, price) if price != 0 else 0
    return one, three, five, ten, weighted


@borrowing_kernel
def write_depth(books: Any, slot: Any, row: Any) -> None:
    """Fill the depth measures of a MarketFeatures row from a synced book."""
    bid_price, bid_quantity = books.bid_price[slot], books.bid_quantity[slot]
    ask_price, ask_quantity = books.ask_price[slot], books.ask_quantity[slot]
    bids = side_sums(books, slot, BUY, bid_price, bid_quantity)
    asks = side_sums(books, slot, SELL, ask_price, ask_quantity)
    row.imbalance_1 = ratio(bids[0], asks[0])
    row.imbalance_3 = ratio(bids[1], asks[1])
    row.imbalance_5 = ratio(bids[2], asks[2])
    row.imbalance_10 = ratio(bids[3], asks[3])
    row.pressure = ratio(bids[4], asks[4])
    if bid_quantity > 0 and ask_quantity > 0:
        row.spread = ask_price - bid_price
        row.weighted_mid = bid_price + (ask_price - bid_price) * (bid_quantity / (bid_quantity + ask_quantity))
    else:
        row.spread = 0
        row.weighted_mid = NAN


@borrowing_kernel
def write_no_depth(row: Any) -> None:
    """The depth measures of a book that is not in sync: null."""
    row.imbalance_1 = row.imbalance_3 = row.imbalance_5 = row.imbalance_10 = NAN
    row.pressure = row.weighted_mid = NAN
    row.spread = 0
