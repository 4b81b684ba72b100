"""The rows that sizing writes: requests for market orders, and what it says of a target dropped."""

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
from streams.numeric.identity import next_id
from streams.numeric.int128 import high, low, wide
from streams.numeric.table import table_at
from streams.signals.sizing.records import DECISION, REQUEST, RISK_EVENT

BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW_ORDER = int(RequestKind.NEW)
MARKET, IOC = int(OrderType.MARKET), int(TimeInForce.IOC)
DENIED, WARNING = int(DecisionOutcome.DENIED), int(Severity.WARNING)
SHORT_NOT_ALLOWED = np.int64(RiskCode.SHORT_NOT_ALLOWED)


@inner_kernel
def write_request(
    sizing: Any, row: Any, signed: Any, order_high: Any, order_low: Any, clock: Any, out: Any
) -> None:
    """Ask for a market order; ``row`` is the strategy position."""
    request = table_at(out.requests, REQUEST)[out.requests_used]
    out.requests_used += 1
    request.order_id_high = order_high
    request.order_id_low = order_low
    request.account = sizing.account
    request.strategy = row.strategy
    request.instrument = row.instrument
    request.event_time = clock
    request.kind = NEW_ORDER
    request.side = BUY if signed > 0 else SELL
    request.order_type = MARKET
    request.time_in_force = IOC
    request.post_only = 0
    request.quantity = abs(signed)
    request.price = 0


@inner_kernel
def write_drop(
    sizing: Any, signal: Any, code: Any, quantity: Any, lot_size: Any, clock: Any, ids: Any,
    out: Any,
) -> None:  # fmt: skip
    """A target, or the part of it that would be short, is not traded: denied, as risk would deny
    the order for it.
    """
    observed, limit = wide(quantity), wide(lot_size)
    if code == SHORT_NOT_ALLOWED:
        observed, limit = -wide(quantity), wide(0)
    order_high, order_low = next_id(ids)
    decision = table_at(out.decisions, DECISION)[out.decisions_used]
    out.decisions_used += 1
    decision.order_id_high = order_high
    decision.order_id_low = order_low
    decision.account = sizing.account
    decision.strategy = signal.strategy
    decision.instrument = signal.instrument
    decision.event_time = clock
    decision.kind = NEW_ORDER
    decision.outcome = DENIED
    decision.code = code
    decision.failed_checks = 1 << code
    decision.observed_high = high(observed)
    decision.observed_low = low(observed)
    decision.limit_high = high(limit)
    decision.limit_low = low(limit)
    decision.side = BUY if signal.direction > 0 else SELL
    decision.order_type = MARKET
    decision.time_in_force = IOC
    decision.post_only = 0
    decision.quantity = quantity
    decision.price = 0
    event = table_at(out.events, RISK_EVENT)[out.events_used]
    out.events_used += 1
    event.event_time = clock
    event.account = sizing.account
    event.strategy = signal.strategy
    event.instrument = signal.instrument
    event.order_id_high = order_high
    event.order_id_low = order_low
    event.code = code
    event.severity = WARNING
    event.observed_high = high(observed)
    event.observed_low = low(observed)
    event.limit_high = high(limit)
    event.limit_low = low(limit)
