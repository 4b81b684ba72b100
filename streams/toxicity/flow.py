"""Order-flow imbalance at the best level (Cont, Kukanov and Stoikov, J. Financial Econometrics 2014; MIC-8).

    e_n = 1{b_n >= b_(n-1)} qb_n - 1{b_n <= b_(n-1)} qb_(n-1) - 1{a_n <= a_(n-1)} qa_n + 1{a_n >= a_(n-1)} qa_(n-1)

summed over the quotes of an interval: positive when buying interest arrives. All in integers of two limbs: sums are exact and additive. An empty bid
side counts as a bid below every price, an empty ask side as an ask above every price. No event spans a stale stretch of the book
or a snapshot, which replaces the book and is no order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import wide
from streams.numeric.borrowing import inner_kernel

NO_ASK = 2**63 - 1
NO_BID = -(2**63)


@inner_kernel
def order_flow_event(flow: Any, quote: Any) -> Any:
    """e_n of the change from the remembered quote to this one, as two limbs: up to four quantities."""
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
