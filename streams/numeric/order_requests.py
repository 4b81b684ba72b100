"""Orders of a compiled strategy: what its handlers call.

    order_high, order_low = limit_order(out, quote.instrument, BUY, 10, price, GTC, True)
    cancel_order(out, order_high, order_low, quote.instrument, BUY)

An id is two int64, as the fields ``order_id_high`` and ``order_id_low`` of fills and order events
are; (0, 0) is no order's. Whole numbers only: a float does not compile. A request that its schema
does not allow, and more requests in a call than ``RESERVE`` says, end the run with an error that
names the strategy. Requests and ids are those that ``Strategy.order`` and ``Strategy.cancel`` make.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import OrderType, RequestKind, TimeInForce
from schemas.vocabulary import Side as _Side
from streams.numeric.borrowing import inner_kernel
from streams.numeric.identity import has_ids, next_id
from streams.numeric.replacements import drop
from streams.numeric.strategy_outputs import NO_IDS, READ_BIT, TOO_MANY_ROWS, WHOLE
from streams.numeric.strategy_view import note_request

BUY, SELL = int(_Side.BUY), int(_Side.SELL)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
_NEW, _CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
_MARKET, _LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
_ACCOUNT = READ_BIT["account"]


@inner_kernel
def market_order(out: Any, instrument: Any, side: Any, quantity: Any) -> Any:
    """Ask for a market order; returns the two halves of its id."""
    order_high, order_low = new_id(out)
    _ask(
        out, order_high, order_low, instrument, _NEW, side, _MARKET, IOC, False, quantity, WHOLE
    )  # fmt: skip
    return order_high, order_low


@inner_kernel
def limit_order(
    out: Any, instrument: Any, side: Any, quantity: Any, price: Any, time_in_force: Any,
    post_only: Any,
) -> Any:  # fmt: skip
    """Ask for a limit order; returns the two halves of its id.

    ``time_in_force``: GTC or IOC; ``post_only``: True for an order that may only add liquidity.
    """
    order_high, order_low = new_id(out)
    _ask(
        out, order_high, order_low, instrument, _NEW, side, _LIMIT, time_in_force, post_only,
        quantity, price,
    )  # fmt: skip
    return order_high, order_low


@inner_kernel
def cancel_order(out: Any, order_high: Any, order_low: Any, instrument: Any, side: Any) -> None:
    """Ask for the cancel of an order."""
    _ask(
        out, order_high, order_low, instrument, _CANCEL, side, _LIMIT, GTC, False, WHOLE, WHOLE
    )  # fmt: skip


@inner_kernel
def new_id(out: Any) -> Any:
    """The next id, (0, 0) with a fault if there is none."""
    if has_ids(out.ids[0], 1):
        return next_id(out.ids[0])
    out.orders[0].fault = NO_IDS
    return np.int64(0), np.int64(0)


@inner_kernel
def _ask(
    out: Any, order_high: Any, order_low: Any, instrument: Any, kind: Any, side: Any,
    order_type: Any, time_in_force: Any, post_only: Any, quantity: Any, price: Any,
) -> None:  # fmt: skip
    """One request more, in the columns of ``strategy_outputs.py``."""
    orders, place = out.orders[0], out.asked_count[0]
    if place == out.asked.shape[0]:
        orders.fault = TOO_MANY_ROWS
        return
    asked = out.asked
    asked[place, 0] = WHOLE | order_high
    asked[place, 1] = WHOLE | order_low
    asked[place, 2] = orders.account
    asked[place, 3] = orders.strategy
    asked[place, 4] = WHOLE | instrument
    asked[place, 5] = orders.clock
    asked[place, 6] = kind
    asked[place, 7] = WHOLE | side
    asked[place, 8] = order_type
    asked[place, 9] = WHOLE | time_in_force
    asked[place, 10] = WHOLE | post_only
    asked[place, 11] = WHOLE | quantity
    asked[place, 12] = WHOLE | price
    out.asked_count[0] = place + 1
    if out.reads[0].declared & _ACCOUNT != 0:
        note_request(
            out.reads[0].view_at, np.int64(kind), asked[place, 0], asked[place, 1], asked[place, 4],
            asked[place, 7], asked[place, 11], asked[place, 12],
        )  # fmt: skip
        if kind == _CANCEL:
            drop(out.reads[0].replacing_at, asked[place, 0], asked[place, 1])
