"""Liquidation: what happens when the money behind the positions falls below the maintenance margin.

Judged at every mark of an instrument whose position can lose more than what was paid for it. On a breach the account is halted (new orders
are denied with LIQUIDATION), its working orders are cancelled, and such positions are closed at the touch by market orders that pay the
taker's fee; what one leaves open is tried again at the next mark. When they are closed the account trades again, if money is left. If not,
or where the equity is gone already, it is ruined: halted for ever, with ACCOUNT_HALTED. Each step is a RiskEvent.

What is smaller than the venue accepts stays open. A kill switch stops these orders as any other.
"""

from __future__ import annotations

from typing import Any

from schemas.records import RiskDecision, RiskEvent
from schemas.vocabulary import DecisionOutcome, OrderType, RequestKind, RiskCode, Severity, Side, TimeInForce
from streams.risk.account import bears_margin, margin, protection_price
from streams.risk.exposure import Line, State, Working, pack, reserve
from streams.risk.kill_switch import is_killed

LIQUIDATION = int(RiskCode.LIQUIDATION)
ACCOUNT_HALTED = int(RiskCode.ACCOUNT_HALTED)
NO_CODE = int(RiskCode.NONE)
NEW, CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
APPROVED = int(DecisionOutcome.APPROVED)
BUY, SELL = int(Side.BUY), int(Side.SELL)
MARKET, LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
INFO, EMERGENCY = int(Severity.INFO), int(Severity.EMERGENCY)
NO_ORDER = "0" * 20


def watch(state: State, account: int, context: Any) -> None:
    """Judge the account at a mark, and go on with a liquidation that has begun."""
    balance, maintenance, equity = margin(state)
    if not state.halted:
        if balance >= maintenance:
            return
        state.halted = LIQUIDATION
        _report(state, account, LIQUIDATION, EMERGENCY, balance, maintenance, context)
        _cancel_all(state, account, context)
    if state.halted == LIQUIDATION and equity <= 0:
        _ruin(state, account, equity, context)
    is_open = False
    for instrument, line in state.lines.items():
        if bears_margin(line):
            is_open |= _close(state, account, instrument, line, context)
    if state.halted == LIQUIDATION and not is_open and not state.orders:
        if balance < 0:
            _ruin(state, account, equity, context)
        else:
            state.halted = 0
            _report(state, account, LIQUIDATION, INFO, balance, maintenance, context)


def _report(state: State, account: int, code: int, severity: int, observed: int, limit: int, context: Any) -> None:
    context.emit(RiskEvent(context.clock, account, 0, 0, NO_ORDER, code, severity, observed, limit))


def _ruin(state: State, account: int, equity: int, context: Any) -> None:
    state.halted = ACCOUNT_HALTED
    state.ruined_at = pack(equity)
    _report(state, account, ACCOUNT_HALTED, EMERGENCY, equity, 0, context)


def _cancel_all(state: State, account: int, context: Any) -> None:
    """Ask for the cancel of every working order."""
    for order_id, order in state.orders.items():
        side = BUY if order.buy else SELL
        context.emit(
            RiskDecision(
                order_id, account, 0, order.instrument, context.clock, CANCEL, APPROVED, LIQUIDATION, 0, 0, 0, side, LIMIT, GTC, False, 0, 0
            )
        )


def _close(state: State, account: int, instrument: int, line: Line, context: Any) -> bool:
    """Send what closes the position, strategy by strategy; True if something is still open that can be closed."""
    position = line.position
    buy = position < 0
    touch = line.mark.ask_price if buy else line.mark.bid_price
    left = abs(position) - (line.working_buy if buy else line.working_sell)
    is_open = _tradable(line, abs(position), line.short_price if buy else line.long_price) > 0
    for strategy, held in line.held.items():
        if touch <= 0 or (held.quantity < 0) != buy or is_killed(state.killed, account, strategy, instrument):
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
                order_id, account, strategy, instrument, context.clock, NEW, APPROVED, NO_CODE, 0, 0, 0,
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
