"""What marks and fills change in an instrument: the prices of positions; the position, what each
strategy holds of it, at average cost on a perpetual; cash."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric.borrowing import inner_kernel
from streams.numeric.cost import add, reduce
from streams.numeric.int128 import high, is_decimal, is_int64, join, low, narrow, wide
from streams.numeric.pool import find_row
from streams.numeric.stage_records import (
    AMOUNT_TOO_LARGE,
    INSTRUMENT_KEY,
    enter,
    place_of,
    set_fault,
)
from streams.numeric.table import table_at
from streams.risk.exposure import can_release, release
from streams.risk.instruments import INSTRUMENT
from streams.risk.prices import UNUSABLE
from streams.risk.records import (
    HELD_KEY,
    HOLDING,
    HOLDINGS_FULL,
    QUANTITY_TOO_LARGE,
    WORKING,
)

BUY = int(Side.BUY)


@inner_kernel
def take_prices(listed: Any, mark: Any) -> None:
    """The prices at which positions are valued, where the mark may be used."""
    if mark.flags & UNUSABLE:
        return
    if mark.bid_price > 0:
        listed.long_price = mark.bid_price
    if mark.ask_price > 0:
        listed.short_price = mark.ask_price


@inner_kernel
def take_mark(listed: Any, mark: Any) -> None:
    """The last mark, and those prices."""
    listed.is_marked = 1
    listed.bid_price = mark.bid_price
    listed.ask_price = mark.ask_price
    listed.last_price = mark.last_price
    listed.book_time = mark.book_time
    listed.mark_flags = mark.flags
    take_prices(listed, mark)


@inner_kernel
def has_room(risk: Any) -> Any:
    """True if one more holding can be entered."""
    return risk.holdings_used < len(table_at(risk.holdings, HOLDING))


@inner_kernel
def on_fill(risk: Any, fill: Any) -> None:
    """Working quantity becomes position; cash moves for what settles in cash. Where it leaves a
    fault nothing changed.
    """
    instrument, strategy = np.int64(fill.instrument), np.int64(fill.strategy)
    place = place_of(risk, instrument, INSTRUMENT_KEY)
    if place < 0:
        return
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    at = find_row(risk.working, fill.order_id_high, fill.order_id_low)
    rows = table_at(risk.working.rows, WORKING)
    if at >= 0 and not can_release(risk, rows[at], listed, fill.quantity):
        set_fault(risk, AMOUNT_TOO_LARGE, instrument, fill.price, fill.quantity)
        return
    signed = fill.quantity if fill.side == BUY else -fill.quantity
    if risk.checks_cash != 0 and not _book(risk, place, strategy, signed, fill):
        return
    if at >= 0:
        release(risk, rows[at], listed, fill.quantity)
    position = join(listed.position_high, listed.position_low) + signed
    listed.position_high = high(position)
    listed.position_low = low(position)


@inner_kernel
def _book(risk: Any, place: Any, strategy: Any, signed: Any, fill: Any) -> Any:
    """A fill becomes part of what its strategy holds, and moves cash; False with a fault left and
    nothing changed if that is not possible.
    """
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    at = place_of(risk, strategy, HELD_KEY + place)
    if at < 0 and not has_room(risk):
        set_fault(risk, HOLDINGS_FULL, listed.instrument, strategy, risk.holdings_used)
        return False
    held = cost = wide(0)
    if at >= 0:
        holding = table_at(risk.holdings, HOLDING)[at]
        held = wide(holding.quantity)
        cost = join(holding.cost_high, holding.cost_low)
    after, cost_after, moved, is_booked = entry(listed, fill.price, wide(signed), held, cost)
    total = join(listed.cost_high, listed.cost_low) + cost_after - cost
    change = moved - join(fill.fee_high, fill.fee_low)
    scaled = change * join(listed.scale_high, listed.scale_low)
    cash = join(risk.cash_high, risk.cash_low) + scaled
    is_booked = is_booked and is_decimal(change) and is_decimal(scaled) and is_decimal(cash)
    if not (is_booked and is_decimal(cost_after) and is_decimal(total)):
        set_fault(risk, AMOUNT_TOO_LARGE, listed.instrument, fill.price, fill.quantity)
        return False
    if not is_int64(after):
        set_fault(risk, QUANTITY_TOO_LARGE, listed.instrument, fill.price, fill.quantity)
        return False
    if at < 0:
        at = _open_holding(risk, place, strategy)
    holding = table_at(risk.holdings, HOLDING)[at]
    holding.quantity = narrow(after)
    holding.cost_high = high(cost_after)
    holding.cost_low = low(cost_after)
    listed.cost_high = high(total)
    listed.cost_low = low(total)
    risk.cash_high = high(cash)
    risk.cash_low = low(cash)
    return True


@inner_kernel
def entry(listed: Any, price: Any, signed: Any, held: Any, cost: Any) -> Any:
    """(quantity held, its cost, what moves in cash before the fee, whether all of it can be
    booked) after a fill; notional unit.
    """
    notional = wide(price) * abs(signed) * listed.multiplier
    if listed.settled_in_cash != 0:
        return held + signed, cost, -notional if signed > 0 else notional, is_decimal(notional)
    is_booked = is_decimal(notional)
    gain = wide(0)
    if held != 0 and (held > 0) != (signed > 0):
        closing = signed if abs(signed) <= abs(held) else -held
        closed = wide(price) * abs(closing) * listed.multiplier
        held, cost, gain = reduce(held, cost, closing, closed)
        signed -= closing
        notional = wide(price) * abs(signed) * listed.multiplier
        is_booked = is_booked and is_decimal(gain) and is_decimal(cost)
    if signed != 0:
        held, cost, _ = add(held, cost, signed, notional)
    return held, cost, gain, is_booked


@inner_kernel
def _open_holding(risk: Any, place: Any, strategy: Any) -> Any:
    """Enter a holding behind the others of its instrument; returns its place. There must be
    room.
    """
    holdings = table_at(risk.holdings, HOLDING)
    listed = table_at(risk.instruments, INSTRUMENT)[place]
    at = risk.holdings_used
    risk.holdings_used = at + 1
    row = holdings[at]
    row.strategy = strategy
    row.instrument_place = place
    row.next_holding = -1
    if listed.last_holding < 0:
        listed.first_holding = at
    else:
        holdings[listed.last_holding].next_holding = at
    listed.last_holding = at
    enter(risk, strategy, HELD_KEY + place, at)
    return at
