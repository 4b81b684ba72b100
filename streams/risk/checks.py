"""The conditions of the checks, in the order of ``codes.CHECKS``; ``failed_checks`` sets one bit for each that fails.

Valuation. A limit order is valued at its price. A market order is valued at the far touch of the last mark: buys at the ask, sells at the
bid; against the *maximum* notional a market buy is valued at the ask plus the collar, the worst price the band lets pass. What it may cost the
account is in ``account.py``.
"""

from __future__ import annotations

from schemas.records import OrderRequest
from schemas.vocabulary import Flag, OrderType, RiskCode, Side, TimeInForce
from streams.numeric.mark import double_centre, is_marked
from streams.risk import account as account_money
from streams.risk.exposure import Line, State, Working
from streams.risk.kill_switch import is_killed
from streams.risk.limits import COLLAR_UNIT

BUY = int(Side.BUY)
SELL = int(Side.SELL)
MARKET = int(OrderType.MARKET)
LIMIT = int(OrderType.LIMIT)
GTC = int(TimeInForce.GTC)
IOC = int(TimeInForce.IOC)
UNUSABLE = int(Flag.STALE | Flag.GAP | Flag.CROSSED)

KILL_SWITCH = int(RiskCode.KILL_SWITCH)
UNKNOWN_INSTRUMENT = int(RiskCode.UNKNOWN_INSTRUMENT)
FOREIGN_ACCOUNT = int(RiskCode.FOREIGN_ACCOUNT)
INVALID_QUANTITY = int(RiskCode.INVALID_QUANTITY)
INVALID_PRICE = int(RiskCode.INVALID_PRICE)
DUPLICATE_ORDER = int(RiskCode.DUPLICATE_ORDER)
STALE_DATA = int(RiskCode.STALE_DATA)
NO_REFERENCE_PRICE = int(RiskCode.NO_REFERENCE_PRICE)
MIN_QUANTITY = int(RiskCode.MIN_QUANTITY)
MAX_QUANTITY = int(RiskCode.MAX_QUANTITY)
MIN_NOTIONAL = int(RiskCode.MIN_NOTIONAL)
MAX_NOTIONAL = int(RiskCode.MAX_NOTIONAL)
POSITION_LIMIT = int(RiskCode.POSITION_LIMIT)
SHORT_NOT_ALLOWED = int(RiskCode.SHORT_NOT_ALLOWED)
PRICE_COLLAR = int(RiskCode.PRICE_COLLAR)
INSUFFICIENT_CASH = int(RiskCode.INSUFFICIENT_CASH)
INSUFFICIENT_MARGIN = int(RiskCode.INSUFFICIENT_MARGIN)
OUTSIDE_WINDOW = int(RiskCode.OUTSIDE_WINDOW)
LIQUIDATION = int(RiskCode.LIQUIDATION)
ACCOUNT_HALTED = int(RiskCode.ACCOUNT_HALTED)
BIT = tuple(1 << code for code in range(len(RiskCode)))

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
BEFORE_ALL_OTHERS = (KILL_SWITCH, ACCOUNT_HALTED, LIQUIDATION, OUTSIDE_WINDOW)
"""Checked first, whatever their bits; the others in the order of their bits."""


def first_code(failed: int) -> int:
    """The code of the first failing check."""
    for code in BEFORE_ALL_OTHERS:
        if failed & BIT[code]:
            return code
    return (failed & -failed).bit_length() - 1


def failed_checks(state: State, line: Line | None, request: OrderRequest, account: int, clock: int, opens: int, closes: int) -> int:
    """The bit set of the checks a new order fails, but for those of money; 0 if it may go. Orders are allowed from `opens` until before `closes`."""
    failed = BIT[state.halted] if state.halted else 0
    if clock < opens or clock >= closes:
        failed |= OUTSIDE
    if state.killed and is_killed(state.killed, request.account, request.strategy, request.instrument):
        failed |= KILLED
    if request.account != account:
        failed |= FOREIGN
    if request.order_id in state.recent or request.order_id in state.orders:
        failed |= REPEATED
    if line is None:
        return failed | NOT_LISTED

    side = request.side
    quantity = request.quantity
    price = request.price
    market = request.order_type == MARKET
    if quantity <= 0 or quantity % line.lot_size or (side != BUY and side != SELL):
        failed |= BAD_QUANTITY
    if price or not market or request.post_only:
        if not well_formed(line, request):
            failed |= BAD_PRICE
    elif request.time_in_force != IOC and request.time_in_force != GTC:
        failed |= BAD_PRICE

    mark = line.mark
    marked = is_marked(mark)
    if mark.flags & UNUSABLE or (clock - mark.book_time > line.mark_age_max >= 0 and marked):
        failed |= STALE
    touch = price
    if market:
        touch = mark.ask_price if side == BUY else mark.bid_price
    centre = double_centre(mark)
    if not marked or touch <= 0 or (centre <= 0 <= line.price_collar_bp):
        failed |= NO_REFERENCE

    if quantity < line.min_quantity:
        failed |= TOO_SMALL
    if quantity > line.max_quantity >= 0:
        failed |= TOO_LARGE
    if touch > 0:
        notional = touch * quantity * line.multiplier
        if notional < line.min_notional:
            failed |= WORTH_TOO_LITTLE
        if line.max_notional >= 0 and worst_price(line, touch, market, side) * quantity * line.multiplier > line.max_notional:
            failed |= WORTH_TOO_MUCH

    if side == BUY:
        if line.position + line.working_buy + quantity > line.max_position >= 0:
            failed |= POSITION_TOO_LARGE
    else:
        after = line.position - line.working_sell - quantity
        if after < 0:
            if -after > line.max_position >= 0:
                failed |= POSITION_TOO_LARGE
            if not line.shortable:
                failed |= SHORT
    if centre > 0 and touch > 0 and abs(touch + touch - centre) * COLLAR_UNIT > line.price_collar_bp * centre and line.price_collar_bp >= 0:
        failed |= OUTSIDE_COLLAR
    return failed


def well_formed(line: Line, request: OrderRequest) -> bool:
    """True if type, time in force, post-only and price go together."""
    if request.time_in_force not in (GTC, IOC):
        return False
    if request.order_type == MARKET:
        return request.price == 0 and not request.post_only
    if request.order_type != LIMIT or (request.post_only and request.time_in_force != GTC):
        return False
    return request.price > 0 and request.price % line.tick_size == 0


def worst_price(line: Line, touch: int, market: bool, side: int) -> int:
    """The price an order may cost: its limit, the bid for a market sell, the ask plus the collar (rounded up) for a market buy."""
    if market and side == BUY and line.price_collar_bp > 0:
        return touch - (-touch * line.price_collar_bp // COLLAR_UNIT)
    return touch


def explain(code: int, state: State, line: Line | None, request: OrderRequest, account: int, clock: int, opens: int, closes: int) -> tuple[int, int]:
    """(observed, limit) of the check that failed first; units as in ``codes.CHECKS``."""
    if code == OUTSIDE_WINDOW:
        return clock, opens if clock < opens else closes
    if code == ACCOUNT_HALTED:
        return int(state.ruined_at), 0
    if code == LIQUIDATION:
        return account_money.margin(state)[:2]
    if code == FOREIGN_ACCOUNT:
        return request.account, account
    if line is None:
        return (request.instrument, 0) if code == UNKNOWN_INSTRUMENT else (1, 0)
    quantity = request.quantity
    market = request.order_type == MARKET
    buy = request.side == BUY
    touch = (line.mark.ask_price if buy else line.mark.bid_price) if market else request.price
    after = line.position + line.working_buy + quantity if buy else line.position - line.working_sell - quantity
    if code == INVALID_QUANTITY:
        return quantity, line.lot_size
    if code == INVALID_PRICE:
        return request.price, line.tick_size
    if code == STALE_DATA:
        flags = line.mark.flags & UNUSABLE
        return (flags, 0) if flags else (clock - line.mark.book_time, line.mark_age_max)
    if code == MIN_QUANTITY:
        return quantity, line.min_quantity
    if code == MAX_QUANTITY:
        return quantity, line.max_quantity
    if code == MIN_NOTIONAL:
        return touch * quantity * line.multiplier, line.min_notional
    if code == MAX_NOTIONAL:
        return worst_price(line, touch, market, request.side) * quantity * line.multiplier, line.max_notional
    if code == POSITION_LIMIT:
        return abs(after), line.max_position
    if code == SHORT_NOT_ALLOWED:
        return after, 0
    if code == PRICE_COLLAR:
        return touch, band_edge(line, touch)
    if code in (INSUFFICIENT_CASH, INSUFFICIENT_MARGIN):
        order = Working(request.instrument, buy, quantity)
        account_money.price_order(line, order, account_money.protection_price(line, touch, buy) if market else touch)
        free = account_money.free_money(state)
        return free - account_money.free_money(state, order), free
    return (0, 0) if code == NO_REFERENCE_PRICE else (1, 0)


def band_edge(line: Line, price: int) -> int:
    """The last price of the band on the side where `price` lies."""
    centre = double_centre(line.mark)
    width = line.price_collar_bp * centre
    if price + price > centre:
        return (centre * COLLAR_UNIT + width) // (2 * COLLAR_UNIT)
    return -((width - centre * COLLAR_UNIT) // (2 * COLLAR_UNIT))
