"""Targets of a compiled strategy: what its handlers call to hold a quantity, a value or a share of
the equity. READS has "account".

    order_high, order_low = order_target(out, quote.instrument, 100, 0, False)

Each asks for one order, and returns its id: a market order, or a limit order where ``price`` is not
0. (0, 0): nothing is ordered. The rules are those of a strategy in plain Python (``targets.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import wide
from streams.numeric.log_lines import NO_EQUITY, NO_LOT, NO_PRICE
from streams.numeric.order_requests import BUY, GTC, SELL, limit_order, market_order
from streams.numeric.strategy_log import log_refusal
from streams.numeric.strategy_outputs import WHOLE
from streams.numeric.strategy_reads import (
    amount_precision,
    equity,
    has_equity,
    instrument,
    last_mark,
    position,
    working,
)
from streams.numeric.targets import (
    SHARE_UNIT,
    entry_price,
    is_share,
    missing_quantity,
    part_of,
    quantity_worth,
)


@inner_kernel
def order_target(out: Any, number: Any, quantity: Any, price: Any, post_only: Any) -> Any:
    """Order what is missing to hold ``quantity`` (signed), in lots, towards zero. What works
    already counts as if it were filled.
    """
    return _order_missing(out, number, wide(WHOLE | quantity), price, post_only)


@inner_kernel
def order_target_value(out: Any, number: Any, value: Any, price: Any, post_only: Any) -> Any:
    """The same for a position worth ``value`` (signed, wide or int64, in units of
    10^-amount_precision) at ``price``, or at the touch that it would be traded at. Nothing is
    ordered where there is no price, or less than a lot.
    """
    amount = wide(value)
    if amount == 0:
        return _order_missing(out, number, amount, price, post_only)
    known = instrument(out, number)
    at = WHOLE | price
    if at == 0:
        at = entry_price(amount, last_mark(out, number))
    if known.lot_size < 1:  # no such instrument: the call ends with a fault
        return WHOLE, WHOLE
    if at <= 0:
        log_refusal(out, NO_PRICE, WHOLE | number)
        return WHOLE, WHOLE
    finer = amount_precision(out) - known.price_precision - known.quantity_precision
    target = quantity_worth(amount, at, finer, known)
    if target == 0:
        log_refusal(out, NO_LOT, WHOLE | number, abs(amount), at)
        return WHOLE, WHOLE
    return _order_missing(out, number, target, price, post_only)


@inner_kernel
def order_target_percent(out: Any, number: Any, share: Any, price: Any, post_only: Any) -> Any:
    """The same for a share of the account's equity: 0.5 is half of it, -0.5 as much short; taken to
    nine decimals, at most 1,000,000. Nothing is ordered while a position has no price.
    """
    if not has_equity(out):
        log_refusal(out, NO_EQUITY, WHOLE | number)
        return WHOLE, WHOLE
    if not is_share(share):
        out.reads[0].is_no_share = 1
        return WHOLE, WHOLE
    parts = np.int64(np.rint(share * SHARE_UNIT))
    return order_target_value(out, number, part_of(equity(out), parts), price, post_only)


@inner_kernel
def _order_missing(out: Any, number: Any, target: Any, price: Any, post_only: Any) -> Any:
    """One order for what is missing to hold a wide quantity; its id, (0, 0) for none."""
    lot_size = instrument(out, number).lot_size
    if lot_size < 1:  # no such instrument: the call ends with a fault
        return WHOLE, WHOLE
    held = position(out, number).quantity
    size = missing_quantity(target, held, working(out, number), lot_size)
    if size == 0:
        return WHOLE, WHOLE
    side = BUY if size > 0 else SELL
    if price == 0:
        return market_order(out, number, side, abs(size))
    return limit_order(out, number, side, abs(size), price, GTC, post_only)
