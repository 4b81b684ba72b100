"""Risk's handlers: what each record does to its records.

Every handler takes the state's header, what it handles, the clock and where its rows go, and leaves
a fault (``stage_records.FAULT``) in place of an exception: nothing was changed then. The scheduler,
or the shell in ``stage.py``, looks at it after each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import (
    DecisionOutcome,
    OrderStatus,
    OrderType,
    RequestKind,
    RiskCode,
    Severity,
    Side,
)
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.int128 import high, is_decimal, join, low, power_of_ten, wide
from streams.numeric.pool import can_remember, find_row, give_row, has_room, remember, unlink
from streams.numeric.stage_records import (
    AMOUNT_TOO_LARGE,
    INSTRUMENT_KEY,
    NO_ENTITY,
    NOTHING,
    list_instrument,
    listing_place,
    place_of,
    refine_scales,
    set_fault,
)
from streams.numeric.table import record_at, table_at
from streams.risk.account import bears_margin, binding_price, is_payable, worst_fee
from streams.risk.booking import on_fill, take_mark, take_prices
from streams.risk.evaluation import explain, failed_checks, failed_of_cancel, first_code
from streams.risk.exposure import can_release, release, reserve
from streams.risk.instruments import INSTRUMENT
from streams.risk.liquidation import is_breached, watch
from streams.risk.prices import UNUSABLE, protection_price, touch_of
from streams.risk.records import (
    FILL,
    ID_ROW,
    MARK,
    NO_TIMER,
    ORDER_EVENT,
    ORDER_REQUEST,
    OUTPUTS,
    RECENT_FULL,
    RISK,
    WORKING,
    WORKING_FULL,
)
from streams.risk.writing import decide, warn, write_room

BUY = int(Side.BUY)
MARKET = int(OrderType.MARKET)
NEW_ORDER, CANCEL_ORDER = int(RequestKind.NEW), int(RequestKind.CANCEL)
APPROVED, DENIED = np.int64(DecisionOutcome.APPROVED), np.int64(DecisionOutcome.DENIED)
NO_CODE = np.int64(RiskCode.NONE)
LIQUIDATION = int(RiskCode.LIQUIDATION)
BAD_QUANTITY = np.int64(1 << RiskCode.INVALID_QUANTITY)
WARNING = np.int64(Severity.WARNING)
FILLED, CANCELLED, REJECTED = (
    int(OrderStatus.FILLED),
    int(OrderStatus.CANCELLED),
    int(OrderStatus.REJECTED),
)
EXPIRED, WAS_DENIED = int(OrderStatus.EXPIRED), int(OrderStatus.DENIED)
ON_REQUEST, ON_FILL, ON_ORDER_EVENT, ON_MARK, ON_INSTRUMENT = range(5)
CHANGED = np.int64(-1)
ONE = np.int64(1)


# -- requests


@inner_kernel
def on_order_request(risk: Any, request: Any, clock: Any, out: Any) -> None:
    """Approve or deny."""
    failed = approve(risk, request, clock, out)
    if failed != 0 and risk.fault.code == 0:
        _deny(risk, request, failed, clock, out)


@inner_kernel
def approve(risk: Any, request: Any, clock: Any, out: Any) -> Any:
    """Approve a request that passes every check; else the bits of those it fails, with nothing
    changed. A fault is left where there is
    no room to do either."""
    if not _has_request_room(risk, out):
        return NOTHING
    if request.kind == CANCEL_ORDER:
        return _approve_cancel(risk, request, clock, out)
    place = place_of(risk, np.int64(request.instrument), INSTRUMENT_KEY)
    instruments = table_at(risk.instruments, INSTRUMENT)
    buy, quantity, price = request.side == BUY, request.quantity, request.price
    payable, worst, fee = True, NOTHING, wide(0)
    if place >= 0:
        listed = instruments[place]
        if request.order_type == MARKET and price == 0:
            price = protection_price(listed, touch_of(listed, buy), buy)
        if risk.checks_cash != 0 and price > 0 and quantity > 0:
            worst = binding_price(listed, buy, price)
            fee = worst_fee(listed, worst, quantity)
            payable = is_payable(risk, instruments, place, buy, quantity, worst, fee)
    failed = failed_checks(risk, place, request, clock, payable)
    if request.kind != NEW_ORDER:
        failed |= BAD_QUANTITY
    if failed != 0:
        return failed
    reserve(risk, place, request.order_id_high, request.order_id_low, buy, quantity, worst, fee)
    if clock < instruments[place].book_time:
        risk.negative_ages += 1
    ids = table_at(risk.recent.rows, ID_ROW)
    remember(
        risk.recent,
        risk.recent_ids,
        ids,
        risk.recent_max,
        request.order_id_high,
        request.order_id_low,
    )
    decide(out, request, clock, APPROVED, NO_CODE, NOTHING, wide(0), wide(0), price)
    return NOTHING


@inner_kernel
def _has_request_room(risk: Any, out: Any) -> Any:
    """True if a request can be approved or denied, else a fault is left."""
    rows = table_at(risk.working.rows, WORKING)
    if not has_room(risk.working, rows):
        set_fault(risk, WORKING_FULL, NO_ENTITY, NOTHING, len(rows))
        return False
    ids = table_at(risk.recent.rows, ID_ROW)
    if not can_remember(risk.recent, risk.recent_ids, ids, risk.recent_max):
        set_fault(risk, RECENT_FULL, NO_ENTITY, NOTHING, len(ids))
        return False
    return write_room(risk, out, ONE, ONE)


@inner_kernel
def _approve_cancel(risk: Any, request: Any, clock: Any, out: Any) -> Any:
    """Cancels always pass, except for an order that is not working."""
    failed = failed_of_cancel(risk, request)
    if failed != 0:
        return failed
    decide(out, request, clock, APPROVED, NO_CODE, NOTHING, wide(0), wide(0), request.price)
    return NOTHING


@inner_kernel
def _deny(risk: Any, request: Any, failed: Any, clock: Any, out: Any) -> None:
    """A decision with every failing check, and a warning about the first."""
    code = first_code(failed)
    place = place_of(risk, np.int64(request.instrument), INSTRUMENT_KEY)
    observed, limit = explain(risk, place, code, request, clock)
    decide(out, request, clock, DENIED, code, failed, observed, limit, request.price)
    warn(out, request, clock, code, WARNING, observed, limit)


# -- exposure


@inner_kernel
def on_order_event(risk: Any, event: Any) -> None:
    """The end of an order releases what is left of it."""
    status = event.status
    is_end = status in (FILLED, CANCELLED, REJECTED, EXPIRED, WAS_DENIED)
    if event.refused != 0 or not is_end:
        return
    at = find_row(risk.working, event.order_id_high, event.order_id_low)
    if at < 0:
        return
    rows = table_at(risk.working.rows, WORKING)
    order = rows[at]
    listed = table_at(risk.instruments, INSTRUMENT)[order.instrument_place]
    if not can_release(risk, order, listed, order.leaves):
        set_fault(risk, AMOUNT_TOO_LARGE, listed.instrument, order.worst_price, order.leaves)
        return
    if order.leaves != 0:
        release(risk, order, listed, order.leaves)
    unlink(risk.open_orders, rows, at)
    give_row(risk.working, rows, at, order.order_id_high, order.order_id_low)


@inner_kernel
def on_mark(risk: Any, mark: Any, clock: Any, out: Any) -> None:
    """The reference prices of an instrument from now on; the first mark starts the warm-up.

    A position may have become too large for its money. Where that leaves a fault the mark is
    taken already: it may be taken once more.
    """
    if take_quiet_mark(risk, mark, clock):
        return
    place = place_of(risk, np.int64(mark.instrument), INSTRUMENT_KEY)
    take_mark(table_at(risk.instruments, INSTRUMENT)[place], mark)
    _open_window(risk, clock)
    watch(risk, clock, out)


@inner_kernel
def take_quiet_mark(risk: Any, mark: Any, clock: Any) -> Any:
    """Take a mark after which the account need not be watched; False with nothing changed for any
    other.
    """
    place = place_of(risk, np.int64(mark.instrument), INSTRUMENT_KEY)
    if place >= 0:
        listed = table_at(risk.instruments, INSTRUMENT)[place]
        if risk.checks_cash != 0 and mark.flags & UNUSABLE == 0 and _is_loud(risk, listed, mark):
            return False
        take_mark(listed, mark)
    _open_window(risk, clock)
    return True


@inner_kernel
def _is_loud(risk: Any, listed: Any, mark: Any) -> Any:
    """True if a mark finds the account halted, or halts it."""
    if risk.halted != 0:
        return True
    if not bears_margin(listed):
        return False
    long_price, short_price = listed.long_price, listed.short_price
    take_prices(listed, mark)
    found = is_breached(risk)
    listed.long_price = long_price
    listed.short_price = short_price
    return found


@inner_kernel
def _open_window(risk: Any, clock: Any) -> None:
    """The first mark says from when orders are let through."""
    if risk.opens == NO_TIMER:
        risk.opens = max(risk.trade_from, clock + risk.warmup)


# -- reference data


@inner_kernel
def on_instrument(risk: Any, specification: Any) -> None:
    """A new or changed specification, a row of which the fields that it says are set: exposure and
    the last mark stay. A finer precision
    than any before rescales money, exactly."""
    instruments = table_at(risk.instruments, INSTRUMENT)
    place = listing_place(risk, instruments, specification.instrument)
    if place < 0:
        return
    finer = specification.precision - risk.amount_precision
    if finer > 0:
        factor = power_of_ten(finer)
        cash = join(risk.cash_high, risk.cash_low) * factor
        fees = join(risk.fees_bound_high, risk.fees_bound_low) * factor
        ruined_at = join(risk.ruined_at_high, risk.ruined_at_low) * factor
        if not (is_decimal(cash) and is_decimal(fees) and is_decimal(ruined_at)):
            set_fault(risk, AMOUNT_TOO_LARGE, NO_ENTITY, risk.account, NOTHING)
            return
        risk.cash_high = high(cash)
        risk.cash_low = low(cash)
        risk.fees_bound_high = high(fees)
        risk.fees_bound_low = low(fees)
        risk.ruined_at_high = high(ruined_at)
        risk.ruined_at_low = low(ruined_at)
        refine_scales(risk, instruments, factor)
        risk.amount_precision = specification.precision
    is_new = place == risk.instruments_used
    list_instrument(risk, instruments, place, specification)
    if is_new:
        instruments[place].first_holding = -1
        instruments[place].last_holding = -1


@borrowing_kernel
def handle(kind: Any, risk_address: Any, record_address: Any, clock: Any, out_address: Any) -> Any:
    """The one entry for Python: calls the handler of this kind on what lies at the addresses.

    Returns the fault's code, CHANGED if rows were written, else 0.
    """
    risk = record_at(risk_address, RISK)
    out = record_at(out_address, OUTPUTS)
    if kind == ON_REQUEST:
        on_order_request(risk, record_at(record_address, ORDER_REQUEST), clock, out)
    elif kind == ON_FILL:
        on_fill(risk, record_at(record_address, FILL))
    elif kind == ON_ORDER_EVENT:
        on_order_event(risk, record_at(record_address, ORDER_EVENT))
    elif kind == ON_MARK:
        on_mark(risk, record_at(record_address, MARK), clock, out)
    else:
        on_instrument(risk, record_at(record_address, INSTRUMENT))
    if risk.fault.code != 0:
        return risk.fault.code
    return CHANGED if out.sequence_used > 0 else NOTHING
