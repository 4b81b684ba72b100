"""Sizing's handlers: what each record and a timer do to its records.

Every handler takes the state's header, what it handles, the clock and where ids come from and rows
go, and leaves a fault (``records.FAULT``) in place of an exception: nothing was changed then. The
scheduler, or the shell in ``stage.py``, looks at it after each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import OrderStatus, Side
from streams.numeric.borrowing import borrowing_kernel, inner_kernel
from streams.numeric.identity import ID_SOURCE, has_ids
from streams.numeric.int128 import is_int64, narrow, wide
from streams.numeric.stage_records import (
    INSTRUMENT_KEY,
    NO_ENTITY,
    NOTHING,
    enter,
    listing_place,
    place_of,
    set_fault,
)
from streams.numeric.table import record_at, table_at
from streams.signals.sizing.orders import (
    can_send,
    close_order,
    find_order,
    send,
    to_target,
    too_large,
)
from streams.signals.sizing.places import open_position, position_place
from streams.signals.sizing.records import (
    EVENT,
    FILL,
    INSTRUMENT,
    MARK,
    NEVER,
    NO_TIMER,
    ORDER,
    OUTPUTS,
    POSITIONS_FULL,
    SIGNAL,
    SIZING,
    STRATEGY_POSITION,
)
from streams.signals.sizing.sizes import default_size
from streams.signals.sizing.views import AT_FAULT, cooled, follow, has_room, weigh

BUY = int(Side.BUY)
ENDED = sum(
    1 << status
    for status in (
        OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
        OrderStatus.DENIED,
    )
)  # fmt: skip
"""Bit ``status`` is set: the order works no more."""
ON_SIGNAL, ON_TIMER, ON_FILL, ON_ORDER_EVENT, ON_MARK, ON_INSTRUMENT = range(6)
CHANGED = np.int64(-1)


@inner_kernel
def on_signal(sizing: Any, signal: Any, clock: Any, ids: Any, out: Any) -> None:
    """Note the view; trade towards it unless it is weak, early, or in the cooldown."""
    what, target, signed, code, dropped = weigh(sizing, signal, clock)
    if what != AT_FAULT and has_room(sizing, signal, what, signed, dropped, ids, out):
        follow(sizing, signal, what, target, signed, code, dropped, clock, ids, out)


@inner_kernel
def on_timer(sizing: Any, deadline: Any, clock: Any, ids: Any, out: Any) -> None:
    """A cooldown ended: trade the views that waited for it, in the order in which their strategy
    positions came.
    """
    rows = table_at(sizing.positions, STRATEGY_POSITION)
    timer, count = np.int64(NO_TIMER), NOTHING
    for place in range(sizing.positions_used):
        if rows[place].is_pending != 0:
            if cooled(sizing, rows[place]) > deadline:
                timer = min(timer, cooled(sizing, rows[place]))
                continue
            if _awaited_order(sizing, rows[place]) != 0:
                count += 1
            if sizing.fault.code != 0:
                return
    if count != 0 and not can_send(sizing, count, has_ids(ids, count), out):
        return
    sizing.timer = timer
    for place in range(sizing.positions_used):
        row = rows[place]
        if row.is_pending != 0 and cooled(sizing, row) <= deadline:
            send(sizing, place, _awaited_order(sizing, row), clock, ids, out)


@inner_kernel
def _awaited_order(sizing: Any, row: Any) -> Any:
    """Signed quantity of the order that a view waits for; a fault may be left."""
    place = place_of(sizing, row.instrument, INSTRUMENT_KEY)
    lot_size = table_at(sizing.instruments, INSTRUMENT)[place].lot_size
    return to_target(sizing, row, row.target, row.position, row.working, lot_size)


# -- what becomes of orders


@inner_kernel
def on_fill(sizing: Any, fill: Any) -> None:
    """Working quantity becomes position."""
    strategy, instrument = np.int64(fill.strategy), np.int64(fill.instrument)
    place = position_place(sizing, strategy, instrument)
    rows = table_at(sizing.positions, STRATEGY_POSITION)
    if place < 0 and sizing.positions_used == len(rows):
        set_fault(sizing, POSITIONS_FULL, NO_ENTITY, NOTHING, NOTHING)
        return
    signed = wide(fill.quantity)
    if fill.side != BUY:
        signed = -signed
    position, working, leaves = signed, wide(0), wide(0)
    if place >= 0:
        position = signed + rows[place].position
        working = wide(rows[place].working)
    orders = table_at(sizing.orders.rows, ORDER)
    at = find_order(sizing, fill)
    if at >= 0:
        working = working - signed
        leaves = orders[at].leaves - signed
    if not (is_int64(position) and is_int64(working) and is_int64(leaves)):
        too_large(sizing, strategy, instrument)
        return
    if place < 0:
        place = open_position(sizing, strategy, instrument)
    rows[place].position = narrow(position)
    rows[place].working = narrow(working)
    if at >= 0:
        orders[at].leaves = narrow(leaves)


@inner_kernel
def on_order_event(sizing: Any, event: Any) -> None:
    """The end of one of our orders: what is left of it works no more."""
    if (ENDED >> np.int64(event.status)) & 1 == 0 or event.refused != 0:
        return
    at = find_order(sizing, event)
    if at < 0:
        return
    order = table_at(sizing.orders.rows, ORDER)[at]
    row = table_at(sizing.positions, STRATEGY_POSITION)[order.position_place]
    working = wide(row.working) - order.leaves
    if not is_int64(working):
        too_large(sizing, row.strategy, row.instrument)
        return
    row.working = narrow(working)
    close_order(sizing, at)


# -- the market


@inner_kernel
def on_mark(sizing: Any, mark: Any, clock: Any) -> None:
    """The first mark starts the warm-up, and the first bid of an instrument fixes its default
    size.
    """
    if sizing.awaited == 0:
        return
    if sizing.started == NEVER:
        sizing.started = clock
        sizing.awaited -= 1
    place = place_of(sizing, np.int64(mark.instrument), INSTRUMENT_KEY)
    if place < 0 or mark.bid_price <= 0:
        return
    listed = table_at(sizing.instruments, INSTRUMENT)[place]
    if listed.size == 0:
        listed.size = default_size(listed, mark.bid_price)
        if listed.size != 0:
            sizing.awaited -= 1


@inner_kernel
def on_instrument(sizing: Any, specification: Any) -> None:
    """A new or changed specification, as the row that it becomes; a size once known stays, unless
    the settings give one.
    """
    instrument = specification.instrument
    instruments = table_at(sizing.instruments, INSTRUMENT)
    place = listing_place(sizing, instruments, instrument)
    if place < 0:
        return
    listed = instruments[place]
    if place == sizing.instruments_used:
        sizing.instruments_used = place + 1
        enter(sizing, instrument, INSTRUMENT_KEY, place)
        listed.size = NOTHING
        sizing.awaited += 1
    if specification.size != 0:
        if listed.size == 0:
            sizing.awaited -= 1
        listed.size = specification.size
    listed.instrument = instrument
    listed.lot_size = specification.lot_size
    listed.minimum_quantity = specification.minimum_quantity
    listed.maximum_quantity = specification.maximum_quantity
    listed.multiplier = specification.multiplier
    listed.shortable = specification.shortable
    listed.minimum_notional_high = specification.minimum_notional_high
    listed.minimum_notional_low = specification.minimum_notional_low
    listed.stake_high = specification.stake_high
    listed.stake_low = specification.stake_low


@borrowing_kernel
def handle(
    kind: Any, sizing_address: Any, given: Any, clock: Any, out_address: Any
) -> Any:
    """The one entry: calls the handler of this kind on what lies at the addresses.

    ``given`` is the address of the record, or a timer's deadline. Returns the fault's code, CHANGED
    if rows were written or the timer moved, else 0.
    """
    sizing = record_at(sizing_address, SIZING)
    out = record_at(out_address, OUTPUTS)
    timer = sizing.timer
    if kind == ON_SIGNAL:
        ids = record_at(out.ids, ID_SOURCE)
        on_signal(sizing, record_at(given, SIGNAL), clock, ids, out)
    elif kind == ON_TIMER:
        on_timer(sizing, given, clock, record_at(out.ids, ID_SOURCE), out)
    elif kind == ON_FILL:
        on_fill(sizing, record_at(given, FILL))
    elif kind == ON_ORDER_EVENT:
        on_order_event(sizing, record_at(given, EVENT))
    elif kind == ON_MARK:
        on_mark(sizing, record_at(given, MARK), clock)
    else:
        on_instrument(sizing, record_at(given, INSTRUMENT))
    if sizing.fault.code != 0:
        return sizing.fault.code
    is_written = out.requests_used > 0 or out.decisions_used > 0
    return CHANGED if sizing.timer != timer or is_written else NOTHING
