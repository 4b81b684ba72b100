"""Modified orders of a compiled strategy: what its handlers call to change an order that is open.
READS has "account".

    new_high, new_low = modify(out, order.order_high, order.order_low, 0, price, True)

The order is cancelled, and the new one is sent once it has ended. The rules are those of a strategy
in plain Python (``replacements.py``); docs/strategies.md says them.
"""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inner_kernel
from streams.numeric.order_requests import cancel_order, new_id
from streams.numeric.replacements import (
    PENDING_CANCEL,
    REPLACEMENT,
    REPLACING,
    amend,
    replace,
    replacement_place,
)
from streams.numeric.strategy_outputs import BAD_TERMS, NOT_MODIFIABLE, TOO_MANY_ROWS, WHOLE, refuse
from streams.numeric.strategy_reads import find_order, open_order
from streams.numeric.table import record_at, table_at


@inner_kernel
def modify(
    out: Any, order_high: Any, order_low: Any, quantity: Any, price: Any, post_only: Any
) -> Any:
    """Cancel a limit order and send it again with another quantity or price (0: as it is); returns
    the two halves of the new one's id.

    Each order that is modified counts as one request more of RESERVE.
    """
    old_high, old_low = WHOLE | order_high, WHOLE | order_low
    size, at, passive = WHOLE | quantity, WHOLE | price, WHOLE | post_only
    if size < 0 or at < 0:
        refuse(out, BAD_TERMS, size, at)
        return WHOLE, WHOLE
    order = open_order(out, find_order(out, old_high, old_low))
    replacing_at = out.reads[0].replacing_at
    if replacing_at == 0:  # READS has no account: the call ends with a fault
        return WHOLE, WHOLE
    place = replacement_place(replacing_at, old_high, old_low)
    if place >= 0:
        amend(replacing_at, place, size, at, passive)
        known = table_at(record_at(replacing_at, REPLACING).orders.rows, REPLACEMENT)[place]
        return known.new_high, known.new_low
    if order.price == 0:
        refuse(out, NOT_MODIFIABLE, old_high, old_low)
        return WHOLE, WHOLE
    if out.orders[0].modified == out.asked.shape[0]:
        out.orders[0].fault = TOO_MANY_ROWS
        return WHOLE, WHOLE
    out.orders[0].modified += 1
    new_high, new_low = new_id(out)
    if order.status != PENDING_CANCEL:
        cancel_order(out, old_high, old_low, order.instrument, order.side)
    replace(
        replacing_at, old_high, old_low, new_high, new_low, order.instrument, order.side,
        size if size != 0 else order.quantity, at if at != 0 else order.price, passive,
    )  # fmt: skip
    return new_high, new_low
