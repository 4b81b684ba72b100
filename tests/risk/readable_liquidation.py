"""When the money of the readable risk stage (``readable_risk.py``) is no longer enough."""

from __future__ import annotations

from typing import Any

from readable_money import (
    APPROVED,
    BUY,
    CANCEL,
    EMERGENCY,
    GTC,
    INFO,
    IOC,
    LIMIT,
    MARKET,
    NEW,
    NO_ORDER,
    SELL,
    C,
    Line,
    State,
    TooLarge,
    Working,
    is_decimal,
    is_killed,
    open_profit,
    protection_price,
    reserve,
    share,
)

from schemas.records import RiskDecision, RiskEvent


def bears_margin(line: Line) -> bool:
    """True if the position can lose more than what was paid for it."""
    return line.position < 0 or (line.position > 0 and not line.settled_in_cash)


def margin(state: State) -> tuple[int, int, int, bool]:
    """(margin balance, maintenance margin, equity, whether all of it has 38 digits)."""
    balance, held, maintenance = state.cash, 0, 0
    amounts = []
    for line in state.lines.values():
        position = line.position
        if position == 0:
            continue
        profit = open_profit(line) * line.scale
        balance += profit
        worth = position * (line.long_price if position > 0 else line.short_price) * line.multiplier
        if bears_margin(line):
            maintenance += share(abs(worth), line.maintenance_rate) * line.scale
        else:
            held += worth * line.scale
        amounts += [worth, profit, balance, maintenance, held]
    return balance, maintenance, balance + held, is_decimal(*amounts, balance + held)


def watch(state: State, account: int, context: Any) -> None:
    """Validator the account at a mark, and go on with a liquidation that has begun."""
    balance, maintenance, equity, is_told = margin(state)
    if not is_told:
        raise TooLarge
    if not state.halted:
        if balance >= maintenance:
            return
        state.halted = C.LIQUIDATION
        _report(state, account, C.LIQUIDATION, EMERGENCY, balance, maintenance, context)
        _cancel_all(state, account, context)
    if state.halted == C.LIQUIDATION and equity <= 0:
        _ruin(state, account, equity, context)
    is_open = False
    for instrument, line in state.lines.items():
        if bears_margin(line):
            is_open |= _close(state, account, instrument, line, context)
    if state.halted == C.LIQUIDATION and not is_open and not state.orders:
        if balance < 0:
            _ruin(state, account, equity, context)
        else:
            state.halted = 0
            _report(state, account, C.LIQUIDATION, INFO, balance, maintenance, context)


def _report(
    state: State, account: int, code: int, severity: int, observed: int, limit: int, context: Any
) -> None:
    context.emit(RiskEvent(context.clock, account, 0, 0, NO_ORDER, code, severity, observed, limit))


def _ruin(state: State, account: int, equity: int, context: Any) -> None:
    state.halted = C.ACCOUNT_HALTED
    state.ruined_at = equity
    _report(state, account, C.ACCOUNT_HALTED, EMERGENCY, equity, 0, context)


def _cancel_all(state: State, account: int, context: Any) -> None:
    """Ask for the cancel of every working order."""
    for order_id, order in state.orders.items():
        side = BUY if order.buy else SELL
        context.emit(
            RiskDecision(
                order_id,
                account,
                0,
                order.instrument,
                context.clock,
                CANCEL,
                APPROVED,
                C.LIQUIDATION,
                0,
                0,
                0,
                side,
                LIMIT,
                GTC,
                False,
                0,
                0,
            )
        )


def _close(state: State, account: int, instrument: int, line: Line, context: Any) -> bool:
    """Send what closes the position, strategy by strategy; True if something is still open that can
    be closed.
    """
    position = line.position
    buy = position < 0
    touch = line.mark.ask_price if buy else line.mark.bid_price
    left = abs(position) - (line.working_buy if buy else line.working_sell)
    is_open = _tradable(line, abs(position), line.short_price if buy else line.long_price) > 0
    for strategy, held in line.held.items():
        if (
            touch <= 0
            or (held.quantity < 0) != buy
            or is_killed(state.killed, account, strategy, instrument)
        ):
            continue
        quantity = _tradable(line, min(left, abs(held.quantity)), touch)
        if quantity <= 0:
            continue
        left -= quantity
        order_id = context.order_id()
        reserve(state, order_id, line, Working(instrument, buy, quantity))
        price = protection_price(line, touch, buy)
        context.emit(
            RiskDecision(
                order_id, account, strategy, instrument, context.clock, NEW, APPROVED, C.NONE, 0, 0,
                0,
                BUY if buy else SELL, MARKET, IOC, False, quantity, price,
            )
        )  # fmt: skip
    return is_open


def _tradable(line: Line, quantity: int, touch: int) -> int:
    """As much of a quantity as one order may have, 0 where that is less than the venue accepts."""
    if line.max_quantity >= 0:
        quantity = min(quantity, line.max_quantity)
    quantity -= quantity % line.lot_size
    if quantity < line.min_quantity or quantity * touch * line.multiplier < line.min_notional:
        return 0
    return max(quantity, 0)
