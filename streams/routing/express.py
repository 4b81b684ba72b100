"""The compiled twin of routing for orders of one instrument: sent, accepted, filled (see ``streams/numeric/express.py``)."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import OrderReason, OrderStatus
from streams.numeric.express import (
    ACCEPTED,
    FILLED,
    FIRST_TRADE,
    ORDER_TYPE,
    ORDERS_MAX,
    PRICE,
    QUANTITY,
    SIDE,
    STATUS,
    TIME_IN_FORCE,
    TRADES,
    TRADES_MAX,
    step_kernel,
)
from streams.numeric.ring import keep_all
from streams.routing.orders import Order

SUBMITTED = int(OrderStatus.SUBMITTED)
IS_ACCEPTED = int(OrderStatus.ACCEPTED)
PARTIALLY_FILLED = int(OrderStatus.PARTIALLY_FILLED)
ALL_FILLED = int(OrderStatus.FILLED)
NO_REASON = int(OrderReason.NONE)
COPIED = (("side", SIDE), ("order_type", ORDER_TYPE), ("time_in_force", TIME_IN_FORCE), ("quantity", QUANTITY), ("price", PRICE), ("status", STATUS),
          ("filled_quantity", FILLED), ("accepted", ACCEPTED))  # fmt: skip
COPIED_COLUMNS = [column for _, column in COPIED]


def lend(routing: Any, orders: Any, owner: tuple[int, int, int]) -> list[str] | None:
    """Copy the live orders into ``orders``; their ids, or None if only the ledger can act on them. ``owner``: account, strategy, instrument."""
    live = routing.state.live
    if len(live) > ORDERS_MAX:
        return None
    for place, order in enumerate(live.values()):
        if (order.account, order.strategy, order.instrument) != owner or order.cancel_reason or len(order.trade_ids) > TRADES_MAX:
            return None
        for name, column in COPIED:
            orders[place, column] = getattr(order, name)
        orders[place, TRADES] = len(order.trade_ids)
        for at, (trade_id, quantity) in enumerate(order.trade_ids.items()):
            orders[place, FIRST_TRADE + 2 * at], orders[place, FIRST_TRADE + 2 * at + 1] = trade_id, quantity
    return list(live)


def take_back(routing: Any, orders: Any, ids: list[str], closed: Any, closed_ids: list[str], owner: tuple[int, int, int]) -> None:
    """Copy the open orders back, and close those that ended, in the order they did."""
    state, orders_closed = routing.state, _orders_of(closed_ids, closed, owner)
    state.ring_next = keep_all(state.closed, state.ring, state.ring_next, closed_ids, orders_closed, routing.settings.closed_orders)
    state.live = dict(zip(ids, _orders_of(ids, orders[: len(ids)], owner), strict=True))


def _orders_of(ids: list[str], rows: Any, owner: tuple[int, int, int]) -> list[Order]:
    trades: list[dict[int, int]]
    if (rows[:, TRADES] == 1).all():  # most
        trades = [{trade: quantity} for trade, quantity in rows[:, FIRST_TRADE : FIRST_TRADE + 2].tolist()]
    else:
        ends = (FIRST_TRADE + 2 * rows[:, TRADES]).tolist()
        trades = [
            dict(zip(row[FIRST_TRADE:end:2], row[FIRST_TRADE + 1 : end : 2], strict=True))
            for row, end in zip(rows[:, : max(ends)].tolist(), ends, strict=True)
        ]
    account, strategy, instrument = owner
    terms = rows[:, COPIED_COLUMNS].tolist()
    return [
        Order(order_id, account, strategy, instrument, side, kind, in_force, quantity, price, status, filled, accepted != 0, 0, made)
        for order_id, (side, kind, in_force, quantity, price, status, filled, accepted), made in zip(ids, terms, trades, strict=True)
    ]


@step_kernel
def can_accept(order: Any) -> Any:
    """True if the venue's first word on the order is a plain acceptance."""
    return order[ACCEPTED] == 0 and order[STATUS] == SUBMITTED


@step_kernel
def can_fill(order: Any, report: Any) -> Any:
    """True if ``refuse_fill`` refuses nothing, the order works, and there is room to remember the fill."""
    if report.side != order[SIDE] or report.quantity <= 0 or report.price <= 0 or order[TRADES] == TRADES_MAX:
        return False
    if report.quantity > order[QUANTITY] - order[FILLED]:
        return False
    status = order[STATUS]
    if status != SUBMITTED and status != IS_ACCEPTED and status != PARTIALLY_FILLED:
        return False
    for at in range(order[TRADES]):  # noqa: SIM110 (a kernel has no generators)
        if order[FIRST_TRADE + 2 * at] == report.venue_trade_id:
            return False
    return True


@step_kernel
def fill(order: Any, report: Any) -> Any:
    """Book a fill to its order; True if it is the last."""
    at = FIRST_TRADE + 2 * order[TRADES]
    order[at] = report.venue_trade_id
    order[at + 1] = report.quantity
    order[TRADES] += 1
    order[FILLED] += report.quantity
    is_last = order[FILLED] == order[QUANTITY]
    order[STATUS] = ALL_FILLED if is_last else PARTIALLY_FILLED
    return is_last
