"""Order-flow imbalance at the best level (Cont, Kukanov and Stoikov, J. Financial Econometrics
2014; MIC-8).

    e_n = 1{b_n >= b_(n-1)} qb_n - 1{b_n <= b_(n-1)} qb_(n-1) - 1{a_n <= a_(n-1)} qa_n + 1{a_n >=
    a_(n-1)} qa_(n-1)

summed over the quotes of an interval: positive when buying interest arrives. All in integers of two
limbs: sums are exact and additive. An empty bid side counts as a bid below every price, an empty
ask side as an ask above every price. No event spans a stale stretch of the book or a snapshot,
which replaces the book and is no order.

Of several levels (Xu, Gould and Howison 2019): the same formula with price and quantity of the m-th
best level, whichever that is at the time. Integrated (Cont, Cucuringu and Zhang, Quantitative
Finance 2023): the levels' flows by fixed weights, against the mean depth.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric import wide
from streams.numeric.borrowing import inner_kernel
from streams.numeric.shared import shared_step

NAN = math.nan
NO_ASK = 2**63 - 1
NO_BID = -(2**63)
LEVELS = 5
LEVEL = np.dtype(
    [(name, np.int64) for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity")]
)
"""What stands at one level of both sides; quantity 0: nothing."""
FLOW_SUM = np.dtype([("high", np.int64), ("low", np.uint64)])


@inner_kernel
def order_flow_event(flow: Any, quote: Any) -> Any:
    """e_n of the change from the remembered quote to this one, as two limbs: up to four quantities.
    """
    bid_before = flow.bid_price if flow.bid_quantity > 0 else NO_BID
    ask_before = flow.ask_price if flow.ask_quantity > 0 else NO_ASK
    bid = quote.bid_price if quote.bid_quantity > 0 else NO_BID
    ask = quote.ask_price if quote.ask_quantity > 0 else NO_ASK
    high, low = np.int64(0), wide.ZERO
    if bid >= bid_before:
        high, low = wide.add(high, low, *wide.widen(quote.bid_quantity))
    if bid <= bid_before:
        high, low = wide.sub(high, low, *wide.widen(flow.bid_quantity))
    if ask <= ask_before:
        high, low = wide.sub(high, low, *wide.widen(quote.ask_quantity))
    if ask >= ask_before:
        high, low = wide.add(high, low, *wide.widen(flow.ask_quantity))
    return high, low


@inner_kernel
def order_flow_of_levels(before: Any, now: Any, sums: Any) -> None:
    """Add the event of each level to its sum, and remember what stands there now."""
    for level in range(len(before)):
        flow, quote = before[level], now[level]
        high, low = order_flow_event(flow, quote)
        sums[level].high, sums[level].low = wide.add(sums[level].high, sums[level].low, high, low)
        flow.bid_price, flow.bid_quantity = quote.bid_price, quote.bid_quantity
        flow.ask_price, flow.ask_quantity = quote.ask_price, quote.ask_quantity


@shared_step
def integrated_order_flow(flows: Any, weights: Any, mean_depth: Any) -> Any:
    """Sum of weight * flow over the levels, by the sum of |weights| and the mean depth; else nan.
    """
    total = norm = 0.0
    for level in range(len(weights)):
        total += weights[level] * float(flows[level])
        norm += abs(weights[level])
    return total / norm / mean_depth if norm > 0.0 and mean_depth > 0.0 else NAN
