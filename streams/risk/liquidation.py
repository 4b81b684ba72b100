"""Liquidation: what happens when the money behind the positions falls below the maintenance margin.

Judged at every mark of an instrument whose position can lose more than what was paid for it. On
a breach the account is halted (new orders are denied with LIQUIDATION), its working orders are
cancelled, and such positions are closed at the touch by market orders that pay the taker's fee;
what one leaves open is tried again at the next mark. When they are closed the account trades
again, if money is left. If not, or where the equity is gone already, it is ruined: halted for
ever, with ACCOUNT_HALTED. Each step is a RiskEvent.

What is smaller than the venue accepts stays open. A kill switch stops these orders as any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import (
    DecisionOutcome,
    OrderType,
    RequestKind,
    RiskCode,
    Severity,
    Side,
    TimeInForce,
)
from streams.numeric.borrowing import inner_kernel
from streams.numeric.fixed import divide_down
from streams.numeric.int128 import high, join, larger, low, narrow, smaller, wide
from streams.numeric.stage_records import AMOUNT_TOO_LARGE, NO_ENTITY, NOTHING, set_fault
from streams.numeric.table import table_at
from streams.risk.account import bears_margin, margin
from streams.risk.exposure import reserve
from streams.risk.instruments import INSTRUMENT
from streams.risk.kill_switch import is_killed
from streams.risk.prices import protection_price, touch_of
from streams.risk.records import (
    HOLDING,
    IDS_FEW,
    NEW_ID,
    RISK_DECISION,
    RISK_EVENT,
    WORKING,
    WORKING_FULL,
)
from streams.risk.writing import new_decision, new_event, set_figures, set_terms, write_room

LIQUIDATION, ACCOUNT_HALTED = np.int64(RiskCode.LIQUIDATION), np.int64(RiskCode.ACCOUNT_HALTED)
NO_CODE = np.int64(RiskCode.NONE)
NEW, CANCEL = np.int64(RequestKind.NEW), np.int64(RequestKind.CANCEL)
APPROVED = np.int64(DecisionOutcome.APPROVED)
BUY, SELL = np.int64(Side.BUY), np.int64(Side.SELL)
MARKET, LIMIT = np.int64(OrderType.MARKET), np.int64(OrderType.LIMIT)
GTC, IOC = np.int64(TimeInForce.GTC), np.int64(TimeInForce.IOC)
INFO, EMERGENCY = np.int64(Severity.INFO), np.int64(Severity.EMERGENCY)
ONE = np.int64(1)
EVENTS_MAX = np.int64(3)
"""Of one mark: the breach, the ruin, the end."""


@inner_kernel
def is_breached(risk: Any) -> Any:
    """True if the money behind the positions is below the maintenance margin, or cannot be told."""
    balance, maintenance, _, is_whole = margin(risk, table_at(risk.instruments, INSTRUMENT))
    return balance < maintenance or not is_whole


@inner_kernel
def watch(risk: Any, clock: Any, out: Any) -> None:
    """Validator the account at a mark, and go on with a liquidation that has begun. A fault is left
    before anything was changed.
    """
    balance, maintenance, equity, is_whole = margin(risk, table_at(risk.instruments, INSTRUMENT))
    if not is_whole:
        set_fault(risk, AMOUNT_TOO_LARGE, NO_ENTITY, np.int64(risk.account), NOTHING)
        return
    if risk.halted == 0 and balance >= maintenance:
        return
    closing, is_open = _close_all(risk, clock, out, NOTHING)
    if not _has_room(risk, closing, out):
        return
    if risk.halted == 0:
        risk.halted = LIQUIDATION
        _report(risk, LIQUIDATION, EMERGENCY, balance, maintenance, clock, out)
        _cancel_all(risk, clock, out)
    if risk.halted == LIQUIDATION and equity <= 0:
        _ruin(risk, equity, clock, out)
    _close_all(risk, clock, out, ONE)
    if risk.halted == LIQUIDATION and not is_open and risk.open_orders.count == 0:
        if balance < 0:
            _ruin(risk, equity, clock, out)
        else:
            risk.halted = 0
            _report(risk, LIQUIDATION, INFO, balance, maintenance, clock, out)


@inner_kernel
def _has_room(risk: Any, closing: Any, out: Any) -> Any:
    """True if so many closing orders can be entered and written, else a fault is left."""
    rows = len(table_at(risk.working.rows, WORKING))
    if risk.open_orders.count + closing > rows:
        set_fault(risk, WORKING_FULL, NO_ENTITY, risk.open_orders.count + closing, rows)
        return False
    if closing > out.new_ids_used:
        set_fault(risk, IDS_FEW, NO_ENTITY, closing, out.new_ids_used)
        return False
    return write_room(risk, out, risk.open_orders.count + closing, EVENTS_MAX)


@inner_kernel
def _report(
    risk: Any, code: Any, severity: Any, observed: Any, limit: Any, clock: Any, out: Any
) -> None:
    event = table_at(out.events, RISK_EVENT)[new_event(out)]
    event.event_time = clock
    event.account = risk.account
    event.strategy = 0
    event.instrument = 0
    event.order_id_high = 0
    event.order_id_low = 0
    event.code = code
    event.severity = severity
    set_figures(event, observed, limit)


@inner_kernel
def _ruin(risk: Any, equity: Any, clock: Any, out: Any) -> None:
    risk.halted = ACCOUNT_HALTED
    risk.ruined_at_high = high(equity)
    risk.ruined_at_low = low(equity)
    _report(risk, ACCOUNT_HALTED, EMERGENCY, equity, wide(0), clock, out)


@inner_kernel
def _cancel_all(risk: Any, clock: Any, out: Any) -> None:
    """Ask for the cancel of every working order."""
    rows, instruments = table_at(risk.working.rows, WORKING), table_at(risk.instruments, INSTRUMENT)
    at = risk.open_orders.first
    while at >= 0:
        order = rows[at]
        row = table_at(out.decisions, RISK_DECISION)[new_decision(out)]
        row.order_id_high = order.order_id_high
        row.order_id_low = order.order_id_low
        row.strategy = 0
        row.instrument = instruments[order.instrument_place].instrument
        _set_own(row, risk, clock, CANCEL, LIQUIDATION)
        set_terms(row, BUY if order.buy != 0 else SELL, LIMIT, GTC, NOTHING, NOTHING, NOTHING)
        at = order.next_row


@inner_kernel
def _set_own(row: Any, risk: Any, clock: Any, kind: Any, code: Any) -> None:
    """What the decisions on orders of risk's own have in common."""
    row.account = risk.account
    row.event_time = clock
    row.kind = kind
    row.outcome = APPROVED
    row.code = code
    row.failed_checks = 0
    set_figures(row, wide(0), wide(0))


@inner_kernel
def _close_all(risk: Any, clock: Any, out: Any, is_sent: Any) -> Any:
    """(number of orders, whether something is open that can be closed): send what closes the
    positions, or only count it.
    """
    instruments = table_at(risk.instruments, INSTRUMENT)
    closing, is_open = np.int64(0), False
    for place in range(risk.instruments_used):
        if bears_margin(instruments[place]):
            count, can_close = _close(risk, place, closing, clock, out, is_sent)
            closing += count
            is_open = is_open or can_close
    if is_sent != 0:
        out.new_ids_used = 0
    return closing, is_open


@inner_kernel
def _close(risk: Any, place: Any, before: Any, clock: Any, out: Any, is_sent: Any) -> Any:
    """The same of one instrument, strategy by strategy; ``before``: ids that others took."""
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    position = join(listed.position_high, listed.position_low)
    buy = position < 0
    touch = touch_of(listed, buy)
    left = abs(position)
    if buy:
        left -= join(listed.working_buy_high, listed.working_buy_low)
    else:
        left -= join(listed.working_sell_high, listed.working_sell_low)
    is_open = _tradable(listed, abs(position), listed.short_price if buy else listed.long_price) > 0
    count = np.int64(0)
    at = listed.first_holding
    while at >= 0:
        holding = table_at(risk.holdings, HOLDING)[at]
        at = holding.next_holding
        is_side = (holding.quantity < 0) == buy
        if (
            touch <= 0
            or not is_side
            or is_killed(risk, risk.account, holding.strategy, listed.instrument)
        ):
            continue
        quantity = _tradable(listed, smaller(left, abs(wide(holding.quantity))), touch)
        if quantity <= 0:
            continue
        left -= quantity
        if is_sent != 0:
            given = table_at(out.new_ids, NEW_ID)[before + count]
            _send(risk, place, holding.strategy, given, buy, narrow(quantity), touch, clock, out)
        count += 1
    return count, is_open


@inner_kernel
def _send(
    risk: Any,
    place: Any,
    strategy: Any,
    given: Any,
    buy: Any,
    quantity: Any,
    touch: Any,
    clock: Any,
    out: Any,
) -> None:
    """One closing order; it binds no money."""
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    reserve(risk, place, given.order_id_high, given.order_id_low, buy, quantity, NOTHING, wide(0))
    row = table_at(out.decisions, RISK_DECISION)[new_decision(out)]
    row.order_id_high = given.order_id_high
    row.order_id_low = given.order_id_low
    row.strategy = strategy
    row.instrument = listed.instrument
    _set_own(row, risk, clock, NEW, NO_CODE)
    price = protection_price(listed, touch, buy)
    set_terms(row, BUY if buy else SELL, MARKET, IOC, NOTHING, quantity, price)


@inner_kernel
def _tradable(listed: Any, quantity: Any, touch: Any) -> Any:
    """As much of a quantity as one order may have, 0 where that is less than the venue accepts."""
    most = join(listed.max_quantity_high, listed.max_quantity_low)
    if most >= 0:
        quantity = smaller(quantity, most)
    quantity = divide_down(quantity, listed.lot_size) * listed.lot_size
    worth = quantity * touch * listed.multiplier
    if quantity < join(listed.min_quantity_high, listed.min_quantity_low):
        return wide(0)
    if worth < join(listed.min_notional_high, listed.min_notional_low):
        return wide(0)
    return larger(quantity, wide(0))
