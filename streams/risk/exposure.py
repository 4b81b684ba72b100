"""What an approved order reserves, and what fills and its end release."""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import high, is_decimal, join, low, wide
from streams.numeric.pool import append, take_row
from streams.numeric.table import table_at
from streams.risk.account import worst_fee
from streams.risk.instruments import INSTRUMENT
from streams.risk.records import WORKING


@inner_kernel
def reserve(
    risk: Any, place: Any, id_high: Any, id_low: Any, buy: Any, quantity: Any, worst: Any, fee: Any
) -> None:
    """An order was approved: its whole quantity works from now on. There must be room."""
    rows = table_at(risk.working.rows, WORKING)
    at = take_row(risk.working, rows, id_high, id_low)
    order = rows[at]
    order.order_id_high = id_high
    order.order_id_low = id_low
    order.instrument_place = place
    order.buy = 1 if buy else 0
    order.leaves = quantity
    order.worst_price = worst
    order.fee_bound_high = high(fee)
    order.fee_bound_low = low(fee)
    append(risk.open_orders, rows, at)
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    _count(listed, buy, wide(quantity), worst)
    if worst != 0:
        fees = join(risk.fees_bound_high, risk.fees_bound_low)
        _bind_fees(risk, fees + fee * join(listed.scale_high, listed.scale_low))


@inner_kernel
def can_release(risk: Any, order: Any, listed: Any, quantity: Any) -> Any:
    """True if what ``release`` books has 38 digits: not, only where a specification changed."""
    if order.worst_price == 0:
        return True
    part = min(quantity, order.leaves)
    worth = join(listed.worth_buy_high, listed.worth_buy_low)
    if order.buy == 0:
        worth = join(listed.worth_sell_high, listed.worth_sell_low)
    less = wide(order.worst_price) * part * listed.multiplier
    fees = join(risk.fees_bound_high, risk.fees_bound_low) - _freed_fee(order, listed, part)
    return is_decimal(less) and is_decimal(worth - less) and is_decimal(fees)


@inner_kernel
def release(risk: Any, order: Any, listed: Any, quantity: Any) -> None:
    """``quantity`` of an order works no more: it was filled, or the order ended. Never below
    zero."""
    quantity = min(quantity, order.leaves)
    if order.worst_price != 0:
        fees = join(risk.fees_bound_high, risk.fees_bound_low)
        _bind_fees(risk, fees - _freed_fee(order, listed, quantity))
        left = _fee_left(order, listed, quantity)
        order.fee_bound_high = high(left)
        order.fee_bound_low = low(left)
    order.leaves -= quantity
    _count(listed, order.buy != 0, -wide(quantity), order.worst_price)


@inner_kernel
def _fee_left(order: Any, listed: Any, part: Any) -> Any:
    """The worst fee of an order without a part of it; of one that bound none there is none."""
    bound = join(order.fee_bound_high, order.fee_bound_low)
    left = order.leaves - part
    if bound == 0 or left == 0:
        return wide(0)
    return worst_fee(listed, order.worst_price, left)


@inner_kernel
def _freed_fee(order: Any, listed: Any, part: Any) -> Any:
    """By how much that is less, in account units."""
    bound = join(order.fee_bound_high, order.fee_bound_low)
    less = bound - _fee_left(order, listed, part)
    return less * join(listed.scale_high, listed.scale_low)


@inner_kernel
def _bind_fees(risk: Any, fees: Any) -> None:
    risk.fees_bound_high = high(fees)
    risk.fees_bound_low = low(fees)


@inner_kernel
def _count(listed: Any, buy: Any, quantity: Any, worst: Any) -> None:
    """So much more of an order works; with its worth where it has a worst price."""
    worth = quantity * wide(worst) * listed.multiplier
    if buy:
        working = join(listed.working_buy_high, listed.working_buy_low) + quantity
        listed.working_buy_high = high(working)
        listed.working_buy_low = low(working)
        worth += join(listed.worth_buy_high, listed.worth_buy_low)
        listed.worth_buy_high = high(worth)
        listed.worth_buy_low = low(worth)
    else:
        working = join(listed.working_sell_high, listed.working_sell_low) + quantity
        listed.working_sell_high = high(working)
        listed.working_sell_low = low(working)
        worth += join(listed.worth_sell_high, listed.worth_sell_low)
        listed.worth_sell_high = high(worth)
        listed.worth_sell_low = low(worth)
