"""The table of resting orders, and the memory of closed ones.

Slots are reused, the last freed first, so that a run of a million orders touches as many slots as
orders ever rested at one time. One index holds resting orders (value: their slot) and remembered
closed ones (value: CLOSED).
"""

from __future__ import annotations

from typing import Any

from streams.numeric import index
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.venue import levels
from streams.venue.state import FAULT_ORDERS, NONE, raise_fault

CLOSED = 1 << 40
"""Index value of an order that was filled, cancelled or rejected."""
UNKNOWN = -1


@inlined_kernel
def find(state: Any, order_id_high: int, order_id_low: int) -> Any:
    """Slot of the resting order, CLOSED, or UNKNOWN: never seen or forgotten."""
    return index.find(state.order_index, order_id_high, order_id_low)


@inner_kernel
def rest(state: Any, books: Any, command: Any, slot: int, filled: int) -> Any:
    """Let what is left of the order rest at its limit, last at its level. Returns its place, NONE
    when a capacity is reached.
    """
    counters = state.counters[0]
    place = counters.order_free
    if place != NONE:
        counters.order_free = state.orders[place].next
    elif counters.order_unused < len(state.orders):
        place = counters.order_unused
        counters.order_unused = place + 1
    else:
        raise_fault(state, FAULT_ORDERS, command.instrument, counters.orders, len(state.orders))
        return NONE
    at = levels.watch(state, books, slot, command.side, command.price)
    if at == NONE:
        return NONE
    level = state.levels[at]
    order = state.orders[place]
    state.orders[place] = command
    order.filled = filled
    order.traded_before = level.traded
    order.level = at
    state.fill_model.join(state, level, order)
    order.next = NONE
    order.previous = level.last_order
    if level.last_order == NONE:
        level.first_order = place
        levels.link_resting(state, at)
    else:
        state.orders[level.last_order].next = place
    level.last_order = place
    counters.orders += 1
    state.working[0] += 1
    index.put(state.order_index, order.order_id_high, order.order_id_low, place)
    return place


@inner_kernel
def remove(state: Any, place: int) -> None:
    """Take a resting order off its level and remember it as closed; its slot is free."""
    counters = state.counters[0]
    order = state.orders[place]
    level = state.levels[order.level]
    if order.previous == NONE:
        level.first_order = order.next
    else:
        state.orders[order.previous].next = order.next
    if order.next == NONE:
        level.last_order = order.previous
    else:
        state.orders[order.next].previous = order.previous
    if level.first_order == NONE:
        levels.unlink_resting(state, order.level)
        levels.release(state, order.level)
    remember_closed(state, order.order_id_high, order.order_id_low)
    order.next = counters.order_free
    counters.order_free = place
    counters.orders -= 1
    state.working[0] -= 1


@inner_kernel
def remember_closed(state: Any, order_id_high: int, order_id_low: int) -> None:
    """Note the order as closed; the oldest of ``closed_max`` closed orders is forgotten."""
    counters = state.counters[0]
    entry = state.closed[counters.closed_next]
    if counters.closed == len(state.closed):
        index.remove(state.order_index, entry.order_id_high, entry.order_id_low)
    else:
        counters.closed += 1
    entry.order_id_high = order_id_high
    entry.order_id_low = order_id_low
    following = counters.closed_next + 1
    counters.closed_next = following if following < len(state.closed) else 0
    index.put(state.order_index, order_id_high, order_id_low, CLOSED)
