"""The conditions of the checks, in the order of ``codes.CHECKS``; ``failed_checks`` sets one bit
for each that fails.

Valuation. A limit order is valued at its price. A market order is valued at the far touch of the
last mark: buys at the ask, sells at the bid; against the *maximum* notional a market buy is
valued at the ask plus the collar, the worst price the band lets pass. What it may cost the
account is in ``account.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag, OrderType, RiskCode, Side, TimeInForce
from streams.numeric.borrowing import inner_kernel
from streams.numeric.fixed import divide_down
from streams.numeric.int128 import high, join, larger, low, smaller, wide
from streams.numeric.mark import double_centre
from streams.numeric.pool import find_row
from streams.numeric.table import table_at
from streams.numeric.wide import DECIMAL_LIMIT
from streams.risk.account import (
    NO_ORDER,
    binding_price,
    collared,
    free_money,
    margin,
    protection_price,
    touch_of,
    worst_fee,
)
from streams.risk.kill_switch import is_killed
from streams.risk.limits import COLLAR_UNIT
from streams.risk.records import INSTRUMENT

BUY = int(Side.BUY)
SELL = int(Side.SELL)
MARKET = int(OrderType.MARKET)
LIMIT = int(OrderType.LIMIT)
GTC = int(TimeInForce.GTC)
IOC = int(TimeInForce.IOC)
UNUSABLE = int(Flag.STALE | Flag.GAP | Flag.CROSSED)

KILL_SWITCH = np.int64(RiskCode.KILL_SWITCH)
UNKNOWN_INSTRUMENT = np.int64(RiskCode.UNKNOWN_INSTRUMENT)
FOREIGN_ACCOUNT = np.int64(RiskCode.FOREIGN_ACCOUNT)
INVALID_QUANTITY = np.int64(RiskCode.INVALID_QUANTITY)
INVALID_PRICE = np.int64(RiskCode.INVALID_PRICE)
DUPLICATE_ORDER = np.int64(RiskCode.DUPLICATE_ORDER)
STALE_DATA = np.int64(RiskCode.STALE_DATA)
NO_REFERENCE_PRICE = np.int64(RiskCode.NO_REFERENCE_PRICE)
MIN_QUANTITY = np.int64(RiskCode.MIN_QUANTITY)
MAX_QUANTITY = np.int64(RiskCode.MAX_QUANTITY)
MIN_NOTIONAL = np.int64(RiskCode.MIN_NOTIONAL)
MAX_NOTIONAL = np.int64(RiskCode.MAX_NOTIONAL)
POSITION_LIMIT = np.int64(RiskCode.POSITION_LIMIT)
SHORT_NOT_ALLOWED = np.int64(RiskCode.SHORT_NOT_ALLOWED)
PRICE_COLLAR = np.int64(RiskCode.PRICE_COLLAR)
INSUFFICIENT_CASH = np.int64(RiskCode.INSUFFICIENT_CASH)
INSUFFICIENT_MARGIN = np.int64(RiskCode.INSUFFICIENT_MARGIN)
OUTSIDE_WINDOW = np.int64(RiskCode.OUTSIDE_WINDOW)
LIQUIDATION = np.int64(RiskCode.LIQUIDATION)
ACCOUNT_HALTED = np.int64(RiskCode.ACCOUNT_HALTED)
UNKNOWN_ORDER = np.int64(RiskCode.UNKNOWN_ORDER)
BIT = tuple(np.int64(1 << code) for code in range(len(RiskCode)))

KILLED = BIT[KILL_SWITCH]
NOT_LISTED = BIT[UNKNOWN_INSTRUMENT]
FOREIGN = BIT[FOREIGN_ACCOUNT]
BAD_QUANTITY = BIT[INVALID_QUANTITY]
BAD_PRICE = BIT[INVALID_PRICE]
REPEATED = BIT[DUPLICATE_ORDER]
STALE = BIT[STALE_DATA]
NO_REFERENCE = BIT[NO_REFERENCE_PRICE]
TOO_SMALL = BIT[MIN_QUANTITY]
TOO_LARGE = BIT[MAX_QUANTITY]
WORTH_TOO_LITTLE = BIT[MIN_NOTIONAL]
WORTH_TOO_MUCH = BIT[MAX_NOTIONAL]
POSITION_TOO_LARGE = BIT[POSITION_LIMIT]
SHORT = BIT[SHORT_NOT_ALLOWED]
OUTSIDE_COLLAR = BIT[PRICE_COLLAR]
NO_CASH = BIT[INSUFFICIENT_CASH]
NO_MARGIN = BIT[INSUFFICIENT_MARGIN]
OUTSIDE = BIT[OUTSIDE_WINDOW]
LIQUIDATED = BIT[LIQUIDATION]
HALTED = BIT[ACCOUNT_HALTED]
MOST_HIGH: Any = np.int64(high(DECIMAL_LIMIT - 1))
MOST_LOW: Any = np.uint64(low(DECIMAL_LIMIT - 1))
"""Limbs of the largest amount of a decimal field."""


@inner_kernel
def first_code(failed: Any) -> Any:
    """The code of the first failing check."""
    if failed & KILLED:
        return KILL_SWITCH
    if failed & HALTED:
        return ACCOUNT_HALTED
    if failed & LIQUIDATED:
        return LIQUIDATION
    if failed & OUTSIDE:
        return OUTSIDE_WINDOW
    code = np.int64(0)
    while failed >> code & 1 == 0:
        code += 1
    return code


@inner_kernel
def is_known(risk: Any, id_high: Any, id_low: Any) -> Any:
    """True if an order of this id works, or is among those approved last."""
    return (
        find_row(risk.working, id_high, id_low) >= 0 or find_row(risk.recent, id_high, id_low) >= 0
    )


@inner_kernel
def failed_checks(risk: Any, place: Any, request: Any, clock: Any) -> Any:
    """The bit set of the checks a new order fails, but for those of money; 0 if it may go.

    ``place``: of its instrument, -1 where that is not listed.
    """
    failed = np.int64(0)
    if risk.halted != 0:
        failed |= np.int64(1) << risk.halted
    if clock < risk.opens or clock >= risk.closes:
        failed |= OUTSIDE
    if risk.switches_used > 0 and is_killed(
        risk, np.int64(request.account), np.int64(request.strategy), np.int64(request.instrument)
    ):
        failed |= KILLED
    if request.account != risk.account:
        failed |= FOREIGN
    if is_known(risk, request.order_id_high, request.order_id_low):
        failed |= REPEATED
    if place < 0:
        return failed | NOT_LISTED
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    return (
        failed
        | _failed_of_form(listed, request)
        | _failed_of_mark(listed, request, clock)
        | _failed_of_size(listed, request)
    )


@inner_kernel
def _failed_of_form(listed: Any, request: Any) -> Any:
    """What the request says by itself."""
    failed = np.int64(0)
    quantity, side = request.quantity, request.side
    if quantity <= 0 or quantity % listed.lot_size != 0 or (side != BUY and side != SELL):
        failed |= BAD_QUANTITY
    if request.price != 0 or request.order_type != MARKET or request.post_only != 0:
        if not well_formed(listed, request):
            failed |= BAD_PRICE
    elif request.time_in_force != IOC and request.time_in_force != GTC:
        failed |= BAD_PRICE
    return failed


@inner_kernel
def well_formed(listed: Any, request: Any) -> Any:
    """True if type, time in force, post-only and price go together."""
    in_force = request.time_in_force
    if in_force != GTC and in_force != IOC:
        return False
    if request.order_type == MARKET:
        return request.price == 0 and request.post_only == 0
    if request.order_type != LIMIT or (request.post_only != 0 and in_force != GTC):
        return False
    return request.price > 0 and request.price % listed.tick_size == 0


@inner_kernel
def seen_price(listed: Any, request: Any) -> Any:
    """The price at which an order is valued: its own, or the far touch for a market order."""
    return touch_of(listed, request.side == BUY) if request.order_type == MARKET else request.price


@inner_kernel
def _failed_of_mark(listed: Any, request: Any, clock: Any) -> Any:
    """What it is compared with: the mark, and the band around it."""
    failed = np.int64(0)
    is_marked = listed.is_marked != 0
    age_max, collar = listed.mark_age_max, listed.price_collar_bp
    if listed.mark_flags & UNUSABLE or (
        is_marked and age_max >= 0 and clock - listed.book_time > age_max
    ):
        failed |= STALE
    touch = seen_price(listed, request)
    centre = double_centre(listed)
    if not is_marked or touch <= 0 or (centre <= 0 and collar >= 0):
        failed |= NO_REFERENCE
    if centre > 0 and touch > 0 and collar >= 0:
        away = abs(wide(touch) + touch - centre)
        if away * COLLAR_UNIT > wide(collar) * centre:
            failed |= OUTSIDE_COLLAR
    return failed


@inner_kernel
def _failed_of_size(listed: Any, request: Any) -> Any:
    """Its quantity, value and what it may make of the position."""
    failed = np.int64(0)
    quantity = request.quantity
    if quantity < join(listed.min_quantity_high, listed.min_quantity_low):
        failed |= TOO_SMALL
    most = join(listed.max_quantity_high, listed.max_quantity_low)
    if most >= 0 and quantity > most:
        failed |= TOO_LARGE
    touch = seen_price(listed, request)
    if touch > 0:
        if wide(touch) * quantity * listed.multiplier < join(
            listed.min_notional_high, listed.min_notional_low
        ):
            failed |= WORTH_TOO_LITTLE
        most = join(listed.max_notional_high, listed.max_notional_low)
        if most >= 0 and worst_price(listed, request, touch) * quantity * listed.multiplier > most:
            failed |= WORTH_TOO_MUCH
    after = position_after(listed, request)
    most = join(listed.max_position_high, listed.max_position_low)
    if request.side == BUY:
        if most >= 0 and after > most:
            failed |= POSITION_TOO_LARGE
    elif after < 0:
        if most >= 0 and -after > most:
            failed |= POSITION_TOO_LARGE
        if listed.shortable == 0:
            failed |= SHORT
    return failed


@inner_kernel
def position_after(listed: Any, request: Any) -> Any:
    """The worst position of its side with this order, signed."""
    position = join(listed.position_high, listed.position_low)
    if request.side == BUY:
        return position + join(listed.working_buy_high, listed.working_buy_low) + request.quantity
    return position - join(listed.working_sell_high, listed.working_sell_low) - request.quantity


@inner_kernel
def worst_price(listed: Any, request: Any, touch: Any) -> Any:
    """The price an order may cost: its limit, the bid for a market sell, the ask plus the collar
    (rounded up) for a market buy.
    """
    if request.order_type == MARKET and request.side == BUY and listed.price_collar_bp > 0:
        return collared(touch, listed.price_collar_bp)
    return wide(touch)


@inner_kernel
def explain(risk: Any, place: Any, code: Any, request: Any, clock: Any) -> Any:
    """(observed, limit) of the check that failed first; units as in ``codes.CHECKS``. What has more
    than 38 digits is the largest that has.
    """
    observed, limit = _explain_account(risk, code, request, clock)
    if place >= 0:
        observed, limit = _explain_order(risk, place, code, request, clock, observed, limit)
    return _shown(observed), _shown(limit)


@inner_kernel
def _shown(amount: Any) -> Any:
    """An amount, cut to the digits of a decimal field."""
    most = join(MOST_HIGH, MOST_LOW)
    return larger(-most, smaller(amount, most))


@inner_kernel
def _explain_account(risk: Any, code: Any, request: Any, clock: Any) -> Any:
    """Of the checks that need no listed instrument; (1, 0) for the others."""
    if code == OUTSIDE_WINDOW:
        return wide(clock), wide(risk.opens if clock < risk.opens else risk.closes)
    if code == ACCOUNT_HALTED:
        return join(risk.ruined_at_high, risk.ruined_at_low), wide(0)
    if code == LIQUIDATION:
        balance, maintenance, _, _ = margin(risk)
        return balance, maintenance
    if code == FOREIGN_ACCOUNT:
        return wide(request.account), wide(risk.account)
    if code == UNKNOWN_INSTRUMENT:
        return wide(request.instrument), wide(0)
    if code in (NO_REFERENCE_PRICE, UNKNOWN_ORDER):
        return wide(0), wide(0)
    return wide(1), wide(0)


@inner_kernel
def _explain_order(
    risk: Any, place: Any, code: Any, request: Any, clock: Any, observed: Any, limit: Any
) -> Any:
    """Of the checks of the order itself; what is given for the others."""
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    asked = wide(request.quantity)
    touch = seen_price(listed, request)
    if code == INVALID_QUANTITY:
        return asked, wide(listed.lot_size)
    if code == INVALID_PRICE:
        return wide(request.price), wide(listed.tick_size)
    if code == STALE_DATA:
        flags = listed.mark_flags & UNUSABLE
        if flags:
            return wide(flags), wide(0)
        return wide(clock) - listed.book_time, wide(listed.mark_age_max)
    if code == MIN_QUANTITY:
        return asked, join(listed.min_quantity_high, listed.min_quantity_low)
    if code == MAX_QUANTITY:
        return asked, join(listed.max_quantity_high, listed.max_quantity_low)
    if code == MIN_NOTIONAL:
        return touch * asked * listed.multiplier, join(
            listed.min_notional_high, listed.min_notional_low
        )
    if code == MAX_NOTIONAL:
        worst = worst_price(listed, request, touch)
        return worst * asked * listed.multiplier, join(
            listed.max_notional_high, listed.max_notional_low
        )
    if code == POSITION_LIMIT:
        return abs(position_after(listed, request)), join(
            listed.max_position_high, listed.max_position_low
        )
    if code == SHORT_NOT_ALLOWED:
        return position_after(listed, request), wide(0)
    if code == PRICE_COLLAR:
        return wide(touch), band_edge(listed, touch)
    if code in (INSUFFICIENT_CASH, INSUFFICIENT_MARGIN):
        return _explain_money(risk, place, request, touch)
    return observed, limit


@inner_kernel
def _explain_money(risk: Any, place: Any, request: Any, touch: Any) -> Any:
    """(money needed, money that is free)."""
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    buy = request.side == BUY
    worst = protection_price(listed, touch, buy) if request.order_type == MARKET else touch
    worst = binding_price(listed, buy, worst)
    fee = worst_fee(listed, worst, request.quantity)
    free, _ = free_money(risk, NO_ORDER, buy, request.quantity, worst, fee)
    left, _ = free_money(risk, place, buy, request.quantity, worst, fee)
    return free - left, free


@inner_kernel
def band_edge(listed: Any, price: Any) -> Any:
    """The last price of the band on the side where `price` lies."""
    centre = double_centre(listed)
    middle = wide(centre) * COLLAR_UNIT
    width = wide(listed.price_collar_bp) * centre
    if wide(price) + price > centre:
        return divide_down(middle + width, 2 * COLLAR_UNIT)
    return -divide_down(width - middle, 2 * COLLAR_UNIT)
