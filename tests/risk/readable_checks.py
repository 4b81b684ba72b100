"""The checks of the readable risk stage (``readable_risk.py``), its marks and fills."""

from __future__ import annotations

from typing import Any

from readable_liquidation import margin
from readable_money import (
    BEFORE_ALL_OTHERS,
    BUY,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    SELL,
    UNUSABLE,
    C,
    Held,
    Line,
    State,
    TooLarge,
    Working,
    check,
    free_money,
    is_killed,
    price_order,
    protection_price,
    shown,
)

from schemas.records import (
    Mark,
    OrderRequest,
    RiskDecision,
)
from streams.numeric.cost import add, reduce
from streams.risk.prices import COLLAR_UNIT


def first_code(failed: int) -> int:
    """The code of the first failing check."""
    for code in BEFORE_ALL_OTHERS:
        if failed & 1 << code:
            return code
    return (failed & -failed).bit_length() - 1


def failed_checks(
    state: State,
    line: Line | None,
    request: OrderRequest,
    account: int,
    clock: int,
    opens: int,
    closes: int,
) -> int:
    """The bit set of the checks a new order fails, but for those of money; 0 if it may go. Orders
    are allowed from `opens` until before `closes`.
    """
    failed = 1 << state.halted if state.halted else 0
    if clock < opens or clock >= closes:
        failed |= 1 << C.OUTSIDE_WINDOW
    if state.killed and is_killed(
        state.killed, request.account, request.strategy, request.instrument
    ):
        failed |= 1 << C.KILL_SWITCH
    if request.account != account:
        failed |= 1 << C.FOREIGN_ACCOUNT
    if request.order_id in state.recent or request.order_id in state.orders:
        failed |= 1 << C.DUPLICATE_ORDER
    if line is None:
        return failed | 1 << C.UNKNOWN_INSTRUMENT

    side = request.side
    quantity = request.quantity
    price = request.price
    market = request.order_type == MARKET
    if quantity <= 0 or quantity % line.lot_size or (side != BUY and side != SELL):
        failed |= 1 << C.INVALID_QUANTITY
    if price or not market or request.post_only:
        if not well_formed(line, request):
            failed |= 1 << C.INVALID_PRICE
    elif request.time_in_force != IOC and request.time_in_force != GTC:
        failed |= 1 << C.INVALID_PRICE

    mark = line.mark
    marked = mark.instrument >= 0
    if mark.flags & UNUSABLE or (clock - mark.book_time > line.mark_age_max >= 0 and marked):
        failed |= 1 << C.STALE_DATA
    touch = price
    if market:
        touch = mark.ask_price if side == BUY else mark.bid_price
    centre = double_centre(mark)
    if not marked or touch <= 0 or (centre <= 0 <= line.price_collar_bp):
        failed |= 1 << C.NO_REFERENCE_PRICE

    if quantity < line.min_quantity:
        failed |= 1 << C.MIN_QUANTITY
    if quantity > line.max_quantity >= 0:
        failed |= 1 << C.MAX_QUANTITY
    if touch > 0:
        notional = touch * quantity * line.multiplier
        if notional < line.min_notional:
            failed |= 1 << C.MIN_NOTIONAL
        if (
            line.max_notional >= 0
            and worst_price(line, touch, market, side) * quantity * line.multiplier
            > line.max_notional
        ):
            failed |= 1 << C.MAX_NOTIONAL

    if side == BUY:
        if line.position + line.working_buy + quantity > line.max_position >= 0:
            failed |= 1 << C.POSITION_LIMIT
    else:
        after = line.position - line.working_sell - quantity
        if after < 0:
            if -after > line.max_position >= 0:
                failed |= 1 << C.POSITION_LIMIT
            if not line.shortable:
                failed |= 1 << C.SHORT_NOT_ALLOWED
    if (
        centre > 0
        and touch > 0
        and abs(touch + touch - centre) * COLLAR_UNIT > line.price_collar_bp * centre
        and line.price_collar_bp >= 0
    ):
        failed |= 1 << C.PRICE_COLLAR
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
    """The price an order may cost: its limit, the bid for a market sell, the ask plus the collar
    (rounded up) for a market buy.
    """
    if market and side == BUY and line.price_collar_bp > 0:
        return touch - (-touch * line.price_collar_bp // COLLAR_UNIT)
    return touch


def explained(code: int, *told: Any) -> tuple[int, int]:
    observed, limit = explain(code, *told)
    return shown(observed), shown(limit)


def explain(
    code: int,
    state: State,
    line: Line | None,
    request: OrderRequest,
    account: int,
    clock: int,
    opens: int,
    closes: int,
) -> tuple[int, int]:
    """(observed, limit) of the check that failed first; units as in ``codes.CHECKS``."""
    if code == C.OUTSIDE_WINDOW:
        return clock, opens if clock < opens else closes
    if code == C.ACCOUNT_HALTED:
        return state.ruined_at, 0
    if code == C.LIQUIDATION:
        balance, maintenance = margin(state)[:2]
        return shown(balance), shown(maintenance)
    if code == C.FOREIGN_ACCOUNT:
        return request.account, account
    if line is None:
        return (request.instrument, 0) if code == C.UNKNOWN_INSTRUMENT else (1, 0)
    quantity = request.quantity
    market = request.order_type == MARKET
    buy = request.side == BUY
    touch = (line.mark.ask_price if buy else line.mark.bid_price) if market else request.price
    after = (
        line.position + line.working_buy + quantity
        if buy
        else line.position - line.working_sell - quantity
    )
    if code == C.INVALID_QUANTITY:
        return quantity, line.lot_size
    if code == C.INVALID_PRICE:
        return request.price, line.tick_size
    if code == C.STALE_DATA:
        flags = line.mark.flags & UNUSABLE
        return (flags, 0) if flags else (clock - line.mark.book_time, line.mark_age_max)
    if code == C.MIN_QUANTITY:
        return quantity, line.min_quantity
    if code == C.MAX_QUANTITY:
        return quantity, line.max_quantity
    if code == C.MIN_NOTIONAL:
        return touch * quantity * line.multiplier, line.min_notional
    if code == C.MAX_NOTIONAL:
        return worst_price(
            line, touch, market, request.side
        ) * quantity * line.multiplier, line.max_notional
    if code == C.POSITION_LIMIT:
        return abs(after), line.max_position
    if code == C.SHORT_NOT_ALLOWED:
        return after, 0
    if code == C.PRICE_COLLAR:
        return touch, band_edge(line, touch)
    if code in (C.INSUFFICIENT_CASH, C.INSUFFICIENT_MARGIN):
        order = Working(request.instrument, buy, quantity)
        price_order(line, order, protection_price(line, touch, buy) if market else touch)
        free = free_money(state)
        return free - free_money(state, order), free
    return (0, 0) if code == C.NO_REFERENCE_PRICE else (1, 0)


def band_edge(line: Line, price: int) -> int:
    """The last price of the band on the side where `price` lies."""
    centre = double_centre(line.mark)
    width = line.price_collar_bp * centre
    if price + price > centre:
        return (centre * COLLAR_UNIT + width) // (2 * COLLAR_UNIT)
    return -((width - centre * COLLAR_UNIT) // (2 * COLLAR_UNIT))


def take_mark(line: Line, mark: Mark) -> None:
    """The last mark, and the prices at which positions are valued where it may be used."""
    line.mark = mark
    if not mark.flags & UNUSABLE:
        if mark.bid_price > 0:
            line.long_price = mark.bid_price
        if mark.ask_price > 0:
            line.short_price = mark.ask_price


def book(line: Line, before: Held, signed: int, price: int) -> tuple[Held, int]:
    """What a strategy holds after a fill, and what that moves in cash before its fee, notional
    unit.
    """
    notional = price * abs(signed) * line.multiplier
    held, cost, gain = before.quantity, before.cost, 0
    check(notional)
    if line.settled_in_cash:
        after = Held(held + signed, cost)
        gain = -notional if signed > 0 else notional
    else:
        if held and (held > 0) != (signed > 0):
            closing = signed if abs(signed) <= abs(held) else -held
            held, cost, gain = reduce(held, cost, closing, price * abs(closing) * line.multiplier)
            check(gain, cost)
            signed -= closing
            notional = price * abs(signed) * line.multiplier
        if signed:
            held, cost, _ = add(held, cost, signed, notional)
        after = Held(held, cost)
    check(after.cost)
    if not -(2**63) < after.quantity < 2**63:
        raise TooLarge
    return after, gain


def double_centre(mark: Mark) -> int:
    bid, ask = mark.bid_price, mark.ask_price
    return bid + ask if bid > 0 and ask > 0 else 2 * mark.last_price


EXPOSURE_FIELDS = (
    "position", "working_buy", "working_sell", "mark", "worth_buy", "worth_sell", "cost",
    "long_price", "short_price", "held",
    "changed_limits",
)  # fmt: skip
"""What a line keeps when its specification changes."""


def decision(
    request: OrderRequest,
    clock: int,
    outcome: int,
    code: int,
    failed: int,
    observed: int,
    limit: int,
) -> RiskDecision:
    """The decision on a request, carrying the request's terms."""
    return RiskDecision(
        request.order_id,
        request.account,
        request.strategy,
        request.instrument,
        clock,
        request.kind,
        outcome,
        code,
        failed,
        observed,
        limit,
        request.side,
        request.order_type,
        request.time_in_force,
        request.post_only,
        request.quantity,
        request.price,
    )
