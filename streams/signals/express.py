"""The compiled twin of sizing for one instrument, one strategy and signals of full strength (see ``streams/numeric/express.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.express import AMOUNT_MAX, ORDERS_MAX, SIZED, WANTED_LEAVES, is_small, row_type, step_kernel

NO_TIMER = 2**63 - 1
NEVER = -1
STATE = row_type(
    "strategy instrument account lot_size shortable size started trade_from warmup cooldown position working target traded_at", "threshold"
)
LEAVE, IGNORED, NOTED, ORDERED = range(4)
"""What becomes of a signal: the ledger's; nothing; the view is noted; an order."""


def lend(sizing: Any, row: Any, orders: Any, ids: list[str]) -> bool:
    """Copy the state of ``sizing`` into ``row`` and the orders' leaves into ``orders``; False if only the ledger can act on it."""
    state, settings = sizing.state, sizing.settings
    if len(state.lines) != 1 or len(state.desks) != 1 or state.timer != NO_TIMER or state.started == NEVER:
        return False
    (instrument, line), (desk,) = next(iter(state.lines.items())), state.desks.values()
    if not all(map(is_small, (settings.warmup, settings.cooldown, line.size, desk.position, desk.working, desk.target))):
        return False
    if desk.instrument != instrument or desk.pending or line.size == 0 or len(ids) > ORDERS_MAX:
        return False
    if [order_id for order_id in ids if order_id in state.orders] != list(state.orders):
        return False
    row["strategy"], row["instrument"], row["account"] = desk.strategy, instrument, settings.account
    row["lot_size"], row["shortable"], row["size"], row["started"] = line.lot_size, line.shortable, line.size, state.started
    row["trade_from"], row["warmup"], row["cooldown"], row["threshold"] = settings.trade_from, settings.warmup, settings.cooldown, settings.threshold
    row["position"], row["working"], row["target"], row["traded_at"] = desk.position, desk.working, desk.target, desk.traded_at
    for place, order_id in enumerate(ids):
        order = state.orders.get(order_id)
        orders[place, SIZED] = order is not None
        orders[place, WANTED_LEAVES] = order.leaves if order is not None else 0
    return True


def take_back(sizing: Any, row: Any, orders: Any, ids: list[str], working: Any) -> None:
    """Copy row and leaves back; ``working(desk, leaves)`` makes an entry."""
    state = sizing.state
    ((key, desk),) = state.desks.items()
    desk.position, desk.working, desk.target, desk.traded_at = (int(row[name]) for name in ("position", "working", "target", "traded_at"))
    entries = orders[: len(ids), [SIZED, WANTED_LEAVES]].tolist()
    state.orders = {order_id: working(key, leaves) for order_id, (sized, leaves) in zip(ids, entries, strict=True) if sized}


@step_kernel
def weigh(s: Any, signal: Any, clock: Any) -> Any:
    """(what becomes of the signal, target, signed quantity to order), as ``on_signal`` and ``_trade``; nothing is changed."""
    target = np.int64(0)
    if signal.instrument != s.instrument or signal.strategy != s.strategy:
        return LEAVE, target, target
    direction = signal.direction
    if direction != 0:
        if not signal.strength >= s.threshold:
            return IGNORED, target, target
        if signal.strength != 1.0:
            return LEAVE, target, target
        size = signal.size if signal.size != 0 else s.size
        if size < s.lot_size or (direction < 0 and s.shortable == 0):
            return LEAVE, target, target
        target = size if direction > 0 else -size
    if clock < s.trade_from or clock < s.started + s.warmup:
        return NOTED, target, np.int64(0)
    if s.cooldown != 0 and s.traded_at != NEVER and clock < s.traded_at + s.cooldown:
        return LEAVE, target, np.int64(0)
    if max(max(abs(target), abs(s.position)), abs(s.working)) >= AMOUNT_MAX:
        return LEAVE, target, np.int64(0)
    delta = target - s.position - s.working
    quantity = abs(delta)
    quantity -= quantity % s.lot_size
    if quantity == 0:
        return NOTED, target, np.int64(0)
    return ORDERED, target, quantity if delta > 0 else -quantity


@step_kernel
def on_fill(s: Any, order: Any, signed: Any) -> None:
    """As the ledger's."""
    s.position += signed
    if order[SIZED] != 0:
        order[WANTED_LEAVES] -= signed
        s.working -= signed


@step_kernel
def on_order_end(s: Any, order: Any) -> None:
    """What is left of an order of its own works no more; of another there is nothing."""
    s.working -= order[WANTED_LEAVES]
