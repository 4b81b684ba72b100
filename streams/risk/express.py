"""The compiled twin of risk for market orders of one perpetual that pass every check (see ``streams/numeric/express.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric.express import (
    AMOUNT_MAX,
    FEE_BOUND,
    RESERVED_LEAVES,
    SIDE,
    WORST_PRICE,
    divide_half_even,
    fits,
    is_small,
    row_type,
    step_kernel,
)
from streams.numeric.mark import double_centre, is_marked
from streams.numeric.ring import keep_all
from streams.risk.account import PROTECTION, RATE_UNIT
from streams.risk.checks import UNUSABLE
from streams.risk.exposure import NO_TIMER, Held, Working
from streams.risk.limits import COLLAR_UNIT

BUY, SELL = int(Side.BUY), int(Side.SELL)
LINE = (
    "lot_size multiplier shortable min_quantity max_quantity min_notional max_notional max_position price_collar_bp mark_age_max "
    "initial_rate maintenance_rate fee_rate position working_buy working_sell worth_buy worth_sell cost "
    "long_price short_price"
)
CHANGING = ("position", "working_buy", "working_sell", "worth_buy", "worth_sell", "cost", "long_price", "short_price")
AMOUNTS = ("worth_buy", "worth_sell", "cost")
STATE = row_type(
    f"instrument account negative_ages {LINE} marked bid_price ask_price double_centre book_time flags checks_cash cash "
    "fees_bound opens closes traded"
)
HALF_RATE_UNIT = RATE_UNIT // 2


def lend(risk: Any, row: Any, orders: Any, strategy: int) -> bool:
    """Copy the state of ``risk`` into ``row`` and the orders' leaves into ``orders``; False if only the ledger can act on it."""
    state = risk.state
    if len(state.lines) != 1 or state.killed or state.halted or state.opens == NO_TIMER:
        return False
    ((instrument, line),) = state.lines.items()
    if risk.check_cash and line.settled_in_cash:
        return False
    if line.scale != 1 or not all(is_small(amount) for amount in (state.cash, state.fees_bound, *(getattr(line, name) for name in AMOUNTS))):
        return False
    if risk.check_cash and [(held.quantity, held.cost) for held in line.held.values()] not in ([], [(line.position, line.cost)]):
        return False
    if line.held and strategy not in line.held:
        return False
    row["checks_cash"], row["cash"], row["fees_bound"] = risk.check_cash, state.cash, state.fees_bound
    row["opens"], row["closes"], row["traded"] = state.opens, risk.settings.trade_to, 0
    row["instrument"], row["account"], row["negative_ages"] = instrument, risk.settings.account, state.negative_ages
    for name in LINE.split():
        row[name] = getattr(line, name)
    if not all(map(is_small, (line.position, line.working_buy, line.working_sell))):
        return False
    mark = line.mark
    row["marked"], row["double_centre"] = is_marked(mark), double_centre(mark)
    row["bid_price"], row["ask_price"], row["book_time"], row["flags"] = mark.bid_price, mark.ask_price, mark.book_time, mark.flags
    for place, order in enumerate(state.orders.values()):
        if order.instrument != instrument or not is_small(order.fee_bound):
            return False
        orders[place, SIDE] = BUY if order.buy else SELL
        orders[place, RESERVED_LEAVES] = order.leaves
        orders[place, WORST_PRICE], orders[place, FEE_BOUND] = order.worst_price, order.fee_bound
    return True


def take_back(risk: Any, row: Any, orders: Any, ids: list[str], approved: list[str], mark: Any, strategy: int) -> None:
    """Copy row and leaves back, keep the last mark, None if there was none, and remember the ids approved."""
    state = risk.state
    ((instrument, line),) = state.lines.items()
    state.negative_ages = int(row["negative_ages"])
    for name in CHANGING:
        setattr(line, name, int(row[name]))
    if mark is not None:
        line.mark = mark
    state.cash, state.fees_bound = int(row["cash"]), int(row["fees_bound"])
    if risk.check_cash and (line.held or row["traded"]):
        held = line.held.setdefault(strategy, Held())
        held.quantity, held.cost = line.position, line.cost
    entries = orders[: len(ids), [SIDE, RESERVED_LEAVES, WORST_PRICE, FEE_BOUND]].tolist()
    state.orders = {order_id: Working(instrument, side == BUY, *terms) for order_id, (side, *terms) in zip(ids, entries, strict=True)}
    state.ring_next = keep_all(state.recent, state.ring, state.ring_next, approved, [1] * len(approved), risk.settings.recent_orders)


@step_kernel
def passes(r: Any, signed: Any, clock: Any) -> Any:
    """True if a market order of this signed quantity passes every check of ``failed_checks`` but those of its own form."""
    quantity = abs(signed)
    if clock < r.opens or clock >= r.closes:
        return False
    if max(abs(r.position), max(r.working_buy, r.working_sell)) >= AMOUNT_MAX:
        return False
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
        if not fits(touch, 4 * COLLAR_UNIT) or not fits(centre, 2 * COLLAR_UNIT) or not fits(r.price_collar_bp, centre):
            return False
        if abs(touch + touch - centre) * COLLAR_UNIT > r.price_collar_bp * centre:
            return False
    return True


@step_kernel
def protection(r: Any, signed: Any) -> Any:
    """``account.protection_price`` of a market order that passed."""
    width = r.price_collar_bp if r.price_collar_bp >= 0 else PROTECTION
    if signed > 0:
        return r.ask_price + (r.ask_price * width + COLLAR_UNIT - 1) // COLLAR_UNIT
    return max(r.bid_price - r.bid_price * width // COLLAR_UNIT, 1)


@step_kernel
def can_protect(r: Any) -> Any:
    """True if ``protection`` stays in 64 bits."""
    return fits(max(r.ask_price, r.bid_price), max(r.price_collar_bp, PROTECTION) + COLLAR_UNIT)


@step_kernel
def share(amount: Any, rate: Any) -> Any:
    """``account.share`` of an amount from 0."""
    whole = amount // RATE_UNIT
    return whole * rate + ((amount - whole * RATE_UNIT) * rate + RATE_UNIT - 1) // RATE_UNIT


@step_kernel
def worst_fee(r: Any, price: Any, quantity: Any) -> Any:
    """``account.worst_fee`` where the notional and ``quantity * RATE_UNIT`` fit."""
    notional = price * quantity * r.multiplier
    whole = notional // RATE_UNIT
    part = (notional - whole * RATE_UNIT) * r.fee_rate
    rounding = quantity * HALF_RATE_UNIT
    if whole * r.fee_rate <= rounding // RATE_UNIT:
        rounding = min(rounding, whole * r.fee_rate * RATE_UNIT + part)
    return whole * r.fee_rate + (part + rounding) // RATE_UNIT


@step_kernel
def order_prices(r: Any, worst: Any, buy: Any) -> Any:
    """``account.order_prices`` on a perpetual."""
    if buy:
        touch = r.long_price if r.long_price != 0 else worst
        return share(min(worst, touch), r.initial_rate), max(0, worst - touch)
    touch = r.short_price if r.short_price != 0 else worst
    return share(max(worst, touch), r.initial_rate), max(0, touch - worst)


@step_kernel
def _opened(position: Any, working: Any) -> Any:
    return max(0, position + working) - max(0, position)


@step_kernel
def _needed(r: Any, orders: Any, count: Any, signed: Any, worst: Any) -> Any:
    """``account.needed`` with one more order."""
    margins_buy = margins_sell = highest_buy = highest_sell = losses = np.int64(0)
    for place in range(count + 1):
        buy = orders[place, SIDE] == BUY
        quantity, price = orders[place, RESERVED_LEAVES], orders[place, WORST_PRICE]
        if place == count:
            buy, quantity, price = signed > 0, abs(signed), worst
        if price != 0:
            margin, loss = order_prices(r, price, buy)
            losses += loss * quantity * r.multiplier
            if buy:
                margins_buy += margin * quantity * r.multiplier
                highest_buy = max(highest_buy, margin)
            else:
                margins_sell += margin * quantity * r.multiplier
                highest_sell = max(highest_sell, margin)
    adds = _opened(r.position, r.working_buy + max(signed, 0))
    long_side = min(margins_buy, adds * highest_buy * r.multiplier)
    adds = _opened(-r.position, r.working_sell + max(-signed, 0))
    short_side = min(margins_sell, adds * highest_sell * r.multiplier)
    if r.position > 0:
        long_side += share(r.position * r.long_price * r.multiplier, r.initial_rate)
    elif r.position < 0:
        short_side += share(-r.position * r.short_price * r.multiplier, r.initial_rate)
    return max(long_side, short_side) + losses


@step_kernel
def _profit(r: Any) -> Any:
    """``account.open_profit`` on a perpetual."""
    return r.position * (r.long_price if r.position > 0 else r.short_price) * r.multiplier - r.cost


@step_kernel
def can_pay(r: Any, orders: Any, count: Any, signed: Any) -> Any:
    """True if the account can pay what a market order of a perpetual that passed may bind; False too where that leaves 64 bits."""
    if not can_protect(r):
        return False
    if r.checks_cash == 0:
        return True
    quantity = abs(signed)
    buy = signed > 0
    worst = protection(r, signed)
    highest = max(max(worst, r.long_price), r.short_price)
    for place in range(count):
        highest = max(highest, orders[place, WORST_PRICE])
    reach = quantity + abs(r.position) + r.working_buy + r.working_sell
    if not fits(highest + highest, RATE_UNIT) or not fits(reach, RATE_UNIT) or not fits(4 * highest * r.multiplier, reach):
        return False
    position, working = (r.position, r.working_buy) if buy else (-r.position, r.working_sell)
    if _opened(position, working + quantity) <= _opened(position, working):
        return True
    profit = _profit(r) if r.position != 0 else 0
    return _needed(r, orders, count, signed, worst) + worst_fee(r, worst, quantity) + r.fees_bound <= r.cash + min(0, profit)


@step_kernel
def approve(r: Any, order: Any, signed: Any, clock: Any) -> None:
    """The order's whole quantity works from now on."""
    if clock < r.book_time:
        r.negative_ages += 1
    if signed > 0:
        r.working_buy += signed
    else:
        r.working_sell -= signed
    if r.checks_cash != 0:
        worst = protection(r, signed)
        order[WORST_PRICE] = worst
        order[FEE_BOUND] = worst_fee(r, worst, abs(signed))
        r.fees_bound += order[FEE_BOUND]
        _count(r, order, abs(signed))


@step_kernel
def _count(r: Any, order: Any, quantity: Any) -> None:
    """The worth of so much more of an order."""
    worth = order[WORST_PRICE] * quantity * r.multiplier
    if order[SIDE] == BUY:
        r.worth_buy += worth
    else:
        r.worth_sell += worth


@step_kernel
def release(r: Any, order: Any, quantity: Any) -> None:
    """``quantity`` of an order works no more."""
    quantity = min(quantity, order[RESERVED_LEAVES])
    order[RESERVED_LEAVES] -= quantity
    if order[SIDE] == BUY:
        r.working_buy -= quantity
    else:
        r.working_sell -= quantity
    _count(r, order, -quantity)
    if order[FEE_BOUND] != 0:
        left = worst_fee(r, order[WORST_PRICE], order[RESERVED_LEAVES])
        r.fees_bound -= order[FEE_BOUND] - left
        order[FEE_BOUND] = left


@step_kernel
def on_fill(r: Any, price: Any, signed: Any, fee: Any) -> None:
    """Position and money of a fill, as the ledger's ``book``; what it moves fits where the portfolio can book it."""
    held = r.position
    r.position += signed
    if r.checks_cash == 0:
        return
    r.traded = 1
    gain = np.int64(0)
    if held != 0 and (held > 0) != (signed > 0):
        closing = signed if abs(signed) <= abs(held) else -held
        released = r.cost if closing + held == 0 else divide_half_even(r.cost * abs(closing), abs(held))
        notional = price * abs(closing) * r.multiplier
        gain = (notional if closing < 0 else -notional) - released
        r.cost -= released
        signed -= closing
    r.cost += price * signed * r.multiplier
    r.cash += gain - fee


@step_kernel
def is_enough(r: Any, mark: Any) -> Any:
    """True if the margin balance is not below the maintenance margin at this mark; False too where that leaves 64 bits."""
    if r.checks_cash == 0 or r.position == 0 or mark.flags & UNUSABLE:
        return True
    price = mark.bid_price if r.position > 0 else mark.ask_price
    if price <= 0:
        price = r.long_price if r.position > 0 else r.short_price
    if not fits(price * r.multiplier, r.position) or not fits(price, r.multiplier):
        return False
    worth = price * r.position * r.multiplier
    return r.cash + worth - r.cost >= share(abs(worth), r.maintenance_rate)


@step_kernel
def on_mark(r: Any, mark: Any) -> None:
    """As the ledger's, of a mark that is enough."""
    bid, ask = mark.bid_price, mark.ask_price
    if not mark.flags & UNUSABLE:
        if bid > 0:
            r.long_price = bid
        if ask > 0:
            r.short_price = ask
    r.marked = 1
    r.bid_price = bid
    r.ask_price = ask
    r.double_centre = bid + ask if bid > 0 and ask > 0 else 2 * mark.last_price
    r.book_time = mark.book_time
    r.flags = mark.flags
