"""What becomes of a view: how it is weighed, what it needs room for, and what is done of it.

Three steps: capacities are checked before the first store, and what is needed is known by then.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inner_kernel
from streams.numeric.identity import has_ids
from streams.numeric.int128 import is_int64, narrow
from streams.numeric.stage_records import (
    INSTRUMENT_KEY,
    NO_ENTITY,
    NOTHING,
    UNKNOWN_INSTRUMENT,
    place_of,
    set_fault,
)
from streams.numeric.table import table_at
from streams.signals.sizing.orders import can_send, send, to_target, too_large
from streams.signals.sizing.places import open_position, position_place
from streams.signals.sizing.records import (
    DECISION,
    DECISIONS_FULL,
    EVENTS_FULL,
    INSTRUMENT,
    NEVER,
    POSITIONS_FULL,
    RISK_EVENT,
    STRATEGY_POSITION,
)
from streams.signals.sizing.sizes import scaled, smallest_size, within_64_bits
from streams.signals.sizing.writing import SHORT_NOT_ALLOWED, write_drop

MIN_QUANTITY = np.int64(RiskCode.MIN_QUANTITY)
INVALID_QUANTITY = np.int64(RiskCode.INVALID_QUANTITY)
AT_FAULT, IGNORED, NOTED, WAITS, TRADED = map(np.int64, range(5))
"""What becomes of a signal: a fault is left; nothing; its target is noted; the target waits for the
end of the cooldown; it is traded towards."""
ONE = np.int64(1)


@inner_kernel
def weigh(sizing: Any, signal: Any, clock: Any) -> Any:
    """(what becomes of a signal, target, signed quantity to order, code, quantity dropped).

    Nothing is changed, but a fault may be left. A quantity dropped is denied under the code.
    """
    strategy, instrument = np.int64(signal.strategy), np.int64(signal.instrument)
    listed_place = place_of(sizing, instrument, INSTRUMENT_KEY)
    target, dropped, code = NOTHING, NOTHING, SHORT_NOT_ALLOWED
    if listed_place < 0:
        set_fault(sizing, UNKNOWN_INSTRUMENT, instrument, NOTHING, NOTHING)
        return AT_FAULT, target, NOTHING, code, dropped
    listed = table_at(sizing.instruments, INSTRUMENT)[listed_place]
    if signal.direction != 0:
        if not signal.strength >= sizing.threshold:
            return IGNORED, target, NOTHING, code, dropped
        size = _full_unit(listed, signal)
        if size < 0:
            return IGNORED, target, NOTHING, INVALID_QUANTITY, size
        if signal.strength != 1.0:
            amount = scaled(size, min(signal.strength, sizing.strength_max))
            if not is_int64(amount):
                too_large(sizing, strategy, instrument)
                return AT_FAULT, target, NOTHING, code, dropped
            size = narrow(amount)
        if size < listed.lot_size:
            code, dropped = MIN_QUANTITY, size
        elif signal.direction < 0 and listed.shortable == 0:
            dropped = size
        else:
            target = size if signal.direction > 0 else -size
    if clock < sizing.trade_from or _is_warming_up(sizing, clock):
        return NOTED, target, NOTHING, code, NOTHING
    position, working = NOTHING, NOTHING
    place = position_place(sizing, strategy, instrument)
    if place >= 0:
        row = table_at(sizing.positions, STRATEGY_POSITION)[place]
        if sizing.cooldown != 0 and row.traded_at != NEVER and clock < cooled(sizing, row):
            return WAITS, target, NOTHING, code, dropped
        position, working = row.position, row.working
    signed = to_target(sizing, signal, target, position, working, listed.lot_size)
    return TRADED if sizing.fault.code == 0 else AT_FAULT, target, signed, code, dropped


@inner_kernel
def _full_unit(listed: Any, signal: Any) -> Any:
    """The size of a signal of strength 1: its own, else the instrument's, else the smallest."""
    if signal.size != 0:
        return np.int64(signal.size)
    if listed.size != 0:
        return listed.size
    return within_64_bits(smallest_size(listed, NOTHING), listed.lot_size)


@inner_kernel
def _is_warming_up(sizing: Any, clock: Any) -> Any:
    return sizing.warmup != 0 and (
        sizing.started == NEVER or clock < sizing.started + sizing.warmup
    )


@inner_kernel
def cooled(sizing: Any, row: Any) -> Any:
    """When the cooldown of a strategy position that has traded ends."""
    return row.traded_at + sizing.cooldown


@inner_kernel
def has_room(
    sizing: Any, signal: Any, what: Any, signed: Any, dropped: Any, ids: Any, out: Any
) -> Any:
    """True if there is room for what a signal leads to, else a fault is left."""
    drops, orders = ONE if dropped != 0 else NOTHING, ONE if signed != 0 else NOTHING
    positions = table_at(sizing.positions, STRATEGY_POSITION)
    if what != IGNORED and sizing.positions_used == len(positions):
        if position_place(sizing, np.int64(signal.strategy), np.int64(signal.instrument)) < 0:
            set_fault(sizing, POSITIONS_FULL, NO_ENTITY, NOTHING, NOTHING)
            return False
    if drops != 0:
        if out.decisions_used == len(table_at(out.decisions, DECISION)):
            set_fault(sizing, DECISIONS_FULL, NO_ENTITY, NOTHING, NOTHING)
            return False
        if out.events_used == len(table_at(out.events, RISK_EVENT)):
            set_fault(sizing, EVENTS_FULL, NO_ENTITY, NOTHING, NOTHING)
            return False
    needed = drops + orders
    return needed == 0 or can_send(sizing, orders, has_ids(ids, needed), out)


@inner_kernel
def follow(
    sizing: Any, signal: Any, what: Any, target: Any, signed: Any, code: Any, dropped: Any,
    clock: Any, ids: Any, out: Any,
) -> None:  # fmt: skip
    """Do what ``weigh`` said, for which ``has_room`` found room."""
    if dropped != 0:
        listed_place = place_of(sizing, np.int64(signal.instrument), INSTRUMENT_KEY)
        lot_size = table_at(sizing.instruments, INSTRUMENT)[listed_place].lot_size
        write_drop(sizing, signal, code, dropped, lot_size, clock, ids, out)
    if what == IGNORED:
        return
    strategy, instrument = np.int64(signal.strategy), np.int64(signal.instrument)
    place = position_place(sizing, strategy, instrument)
    if place < 0:
        place = open_position(sizing, strategy, instrument)
    row = table_at(sizing.positions, STRATEGY_POSITION)[place]
    row.target = target
    if what == WAITS:
        row.is_pending = ONE
        sizing.timer = min(sizing.timer, cooled(sizing, row))
    elif what == TRADED:
        send(sizing, place, signed, clock, ids, out)
