"""Imbalance of the book's best levels (MIC-2): (bid - ask) / (bid + ask) of summed quantities, null
without both sides.

Fewer levels than asked for are taken as they are. Sums are exact integers of two limbs, the
quotient is one division, so every measure lies in [-1, 1] and changes its sign when the sides are
swapped.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric import wide
from streams.numeric.book_queries import next_price, quantity_of
from streams.numeric.borrowing import inner_kernel
from streams.numeric.measures.weighted_mid import weighted_mid

NAN = math.nan


@inner_kernel
def ratio(bid_high: Any, bid_low: Any, ask_high: Any, ask_low: Any) -> Any:
    """(bid - ask) / (bid + ask) of sums in two limbs, NaN without both."""
    if (bid_high == 0 and bid_low == 0) or (ask_high == 0 and ask_low == 0):
        return NAN
    above_high, above_low = wide.sub(bid_high, bid_low, ask_high, ask_low)
    whole_high, whole_low = wide.add(bid_high, bid_low, ask_high, ask_low)
    return wide.to_float(above_high, above_low) / wide.to_float(whole_high, whole_low)


@inner_kernel
def side_sums(books: Any, side: Any) -> Any:
    """Quantity of the best 1, 3, 5 and 10 levels of a side and 4 q1 + 3 q2 + 2 q3 + q4, walking
    from its best level.

    Each is two limbs: ten quantities below 2^63 leave int64.
    """
    one_high = three_high = five_high = ten_high = weighted_high = np.int64(0)
    one_low = three_low = five_low = ten_low = weighted_low = wide.ZERO
    price, quantity = side.price, side.quantity
    for level in range(10):
        if quantity == 0:
            break
        high, low = wide.widen(quantity)
        ten_high, ten_low = wide.add(ten_high, ten_low, high, low)
        if level < 1:
            one_high, one_low = ten_high, ten_low
        if level < 3:
            three_high, three_low = ten_high, ten_low
        if level < 4:
            high, low = wide.mul(4 - level, quantity)
            weighted_high, weighted_low = wide.add(weighted_high, weighted_low, high, low)
        if level < 5:
            five_high, five_low = ten_high, ten_low
        price = next_price(books, side, price)
        quantity = quantity_of(books, side, price) if price != 0 else 0
    return (
        one_high,
        one_low,
        three_high,
        three_low,
        five_high,
        five_low,
        ten_high,
        ten_low,
        weighted_high,
        weighted_low,
    )


@inner_kernel
def write_depth(books: Any, known: Any, row: Any) -> None:
    """Fill the depth measures of a MarketFeatures row from a synced book."""
    bid, ask = known.bids, known.asks
    bids = side_sums(books, bid)
    asks = side_sums(books, ask)
    row.imbalance_1 = ratio(bids[0], bids[1], asks[0], asks[1])
    row.imbalance_3 = ratio(bids[2], bids[3], asks[2], asks[3])
    row.imbalance_5 = ratio(bids[4], bids[5], asks[4], asks[5])
    row.imbalance_10 = ratio(bids[6], bids[7], asks[6], asks[7])
    row.pressure = ratio(bids[8], bids[9], asks[8], asks[9])
    if bid.quantity > 0 and ask.quantity > 0:
        row.spread = ask.price - bid.price
        row.weighted_mid = weighted_mid(bid.price, bid.quantity, ask.price, ask.quantity)
    else:
        row.spread = 0
        row.weighted_mid = NAN


@inner_kernel
def write_no_depth(row: Any) -> None:
    """The depth measures of a book that is not in sync: null."""
    row.imbalance_1 = row.imbalance_3 = row.imbalance_5 = row.imbalance_10 = NAN
    row.pressure = row.weighted_mid = NAN
    row.spread = 0
