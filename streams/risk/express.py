"""The compiled twin of risk for market orders of one perpetual that pass every check (see ``streams/numeric/express.py``)."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import Side
from streams.numeric.express import RESERVED_LEAVES, SIDE, fits, row_type, step_kernel
from streams.numeric.mark import double_centre, is_marked
from streams.numeric.ring import keep_all
from streams.risk.checks import UNUSABLE
from streams.risk.limits import COLLAR_UNIT

BUY = int(Side.BUY)
LINE = (
    "lot_size multiplier shortable min_quantity max_quantity min_notional max_notional max_position price_collar_bp mark_age_max "
    "position working_buy working_sell"
)
CHANGING = ("position", "working_buy", "working_sell")
STATE = row_type(f"instrument account negative_ages {LINE} marked bid_price ask_price double_centre book_time flags")


def lend(risk: Any, row: Any, orders: Any, ids: list[str]) -> bool:
    """Copy the state of ``risk`` into ``row`` and the orders' leaves into ``orders``; False if only the ledger can act on it."""
    state = risk.state
    if len(state.lines) != 1 or state.killed or list(state.orders) != ids:
        return False
    ((instrument, line),) = state.lines.items()
    if risk.check_cash and line.settled_in_cash:
        return False
    row["instrument"], row["account"], row["negative_ages"] = instrument, risk.settings.account, state.negative_ages
    for name in LINE.split():
        row[name] = getattr(line, name)
    mark = line.mark
    row["marked"], row["double_centre"] = is_marked(mark), double_centre(mark)
    row["bid_price"], row["ask_price"], row["book_time"], row["flags"] = mark.bid_price, mark.ask_price, mark.book_time, mark.flags
    for place, order in enumerate(state.orders.values()):
        if order.reserved_price or order.instrument != instrument or order.buy != (orders[place, SIDE] == BUY):
            return False
        orders[place, RESERVED_LEAVES] = order.leaves
    return True


def take_back(risk: Any, row: Any, orders: Any, ids: list[str], working: Any, approved: list[str], mark: Any) -> None:
    """Copy row and leaves back, keep the last mark, None if there was none, and remember the ids approved.

    ``working(instrument, buy, leaves, reserved price)`` makes an entry.
    """
    state = risk.state
    ((instrument, line),) = state.lines.items()
    state.negative_ages = int(row["negative_ages"])
    for name in CHANGING:
        setattr(line, name, int(row[name]))
    if mark is not None:
        line.mark = mark
    entries = orders[: len(ids), [SIDE, RESERVED_LEAVES]].tolist()
    state.orders = {order_id: working(instrument, side == BUY, leaves, 0) for order_id, (side, leaves) in zip(ids, entries, strict=True)}
    state.ring_next = keep_all(state.recent, state.ring, state.ring_next, approved, [1] * len(approved), risk.settings.recent_orders)


@step_kernel
def passes(r: Any, signed: Any, clock: Any) -> Any:
    """True if a market order of this signed quantity passes every check of ``failed_checks`` but those of its own form."""
    quantity = abs(signed)
    if quantity % r.lot_size != 0 or r.flags & UNUSABLE or r.marked == 0:
        return False
    if clock - r.book_time > r.mark_age_max and r.mark_age_max >= 0:
        return False
    touch = r.ask_price if signed > 0 else r.bid_price
    centre = r.double_centre
    if touch <= 0 or (centre <= 0 and r.price_collar_bp >= 0):
        return False
    if quantity < r.min_quantity or (quantity > r.max_quantity and r.max_quantity >= 0):
        return False
    worst = touch
    if signed > 0 and r.price_collar_bp > 0:
        if not fits(touch, r.price_collar_bp):
            return False
        worst = touch + (touch * r.price_collar_bp + COLLAR_UNIT - 1) // COLLAR_UNIT
    if not fits(worst, quantity * r.multiplier) or not fits(quantity, r.multiplier):
        return False
    if touch * quantity * r.multiplier < r.min_notional:
        return False
    if r.max_notional >= 0 and worst * quantity * r.multiplier > r.max_notional:
        return False
    if signed > 0:
        if r.position + r.working_buy + quantity > r.max_position and r.max_position >= 0:
            return False
    else:
        after = r.position - r.working_sell - quantity
        if after < 0 and ((-after > r.max_position and r.max_position >= 0) or r.shortable == 0):
            return False
    if centre > 0 and r.price_collar_bp >= 0:
        if not fits(touch + touch + centre, COLLAR_UNIT) or not fits(r.price_collar_bp, centre):
            return False
        if abs(touch + touch - centre) * COLLAR_UNIT > r.price_collar_bp * centre:
            return False
    return True


@step_kernel
def approve(r: Any, signed: Any, clock: Any) -> None:
    """The order's whole quantity works from now on."""
    if clock < r.book_time:
        r.negative_ages += 1
    if signed > 0:
        r.working_buy += signed
    else:
        r.working_sell -= signed


@step_kernel
def release(r: Any, order: Any, quantity: Any) -> None:
    """``quantity`` of an order works no more."""
    quantity = min(quantity, order[RESERVED_LEAVES])
    order[RESERVED_LEAVES] -= quantity
    if order[SIDE] == BUY:
        r.working_buy -= quantity
    else:
        r.working_sell -= quantity


@step_kernel
def on_mark(r: Any, mark: Any) -> None:
    """As the ledger's."""
    bid, ask = mark.bid_price, mark.ask_price
    r.marked = 1
    r.bid_price = bid
    r.ask_price = ask
    r.double_centre = bid + ask if bid > 0 and ask > 0 else 2 * mark.last_price
    r.book_time = mark.book_time
    r.flags = mark.flags
