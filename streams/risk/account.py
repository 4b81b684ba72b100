"""The money of the account: what is there, what orders and positions bind of it, and when it is no
longer enough.

One figure of cash, kept as the portfolio keeps it: a spot fill moves its notional, a fill of a
perpetual what it realizes, both their fees. All amounts here are wide integers in account units,
or in the instrument's notional unit where a function says so; products saturate. What an order
would book must have 38 digits, and so must what free money is the sum of, else the order cannot
be paid.

- *Free money* = cash + open losses (open profits count as nothing) - what it takes to buy
  sold-short spot back
  - initial margin of positions - what working orders may bind - their worst fees. A new order
    that may open or add to a position must fit into it; an order that can only reduce one always
    passes.
- *What an order may bind*, for each unit of quantity (``order_prices``): the *margin* of the
  position it may open, valued at its worst price or at the touch; and the *loss*, by which its
  worst price is beyond the touch. On spot a buy's margin is the whole value. At leverage 1 the
  two of a buy are its worst price, so a long position is always paid for in full.
- Orders of one instrument may be filled in any order. What counts is the larger margin of "every
  buy fills" and "every sell fills", and the losses of all.
- *Worst price*: the limit; for a market order its protection price, which the venue keeps: the
  touch and the price collar (5 % where that is off).
- *Margin balance* = cash + open profit or loss - what it takes to buy sold-short spot back. Spot
  that is held is no collateral.
- *Maintenance*: a balance below the maintenance margin starts the liquidation. What it leaves
  decides: below zero, or no equity, is ruin.

Initial margin is 1 / leverage of the value, or the instrument's own where that is more;
maintenance is half of it, at most 5 %, or the instrument's own. Its own is what is configured
for it, or what ``ref.instruments`` says. Rates are in units of 1e-8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric import fixed
from streams.numeric.borrowing import inner_kernel
from streams.numeric.fixed import divide_down
from streams.numeric.int128 import high, is_decimal, join, larger, low, smaller, wide
from streams.numeric.table import table_at
from streams.risk.prices import BUY, MARKET, NO_PRICE, protection_price, seen_price
from streams.risk.records import BOUND, WORKING

RATE_UNIT = fixed.RATE_UNIT
HALF_UNIT = RATE_UNIT // 2
MAINTENANCE_MAX = RATE_UNIT // 20
NO_ORDER = np.int64(-1)


@inner_kernel
def of_rate(amount: Any, rate: Any, rounding: Any) -> Any:
    """``(amount * rate + rounding) // RATE_UNIT`` of an amount from 0: exact where it has 127 bits,
    however many the product has.
    """
    whole = divide_down(amount, RATE_UNIT)
    rest = amount - whole * RATE_UNIT
    return whole * rate + divide_down(rest * rate + rounding, RATE_UNIT)


@inner_kernel
def share(amount: Any, rate: Any) -> Any:
    """``amount * rate`` rounded up, of an amount from 0."""
    return of_rate(amount, rate, wide(RATE_UNIT - 1))


@inner_kernel
def worst_fee(listed: Any, price: Any, quantity: Any) -> Any:
    """The most that fills of this quantity at this price or better can cost, in the notional unit:
    the venue rounds each half to even.

    Rounding adds at most half a unit a fill, of which there are no more than units of quantity,
    and never doubles a fee.
    """
    notional = wide(price) * quantity * listed.multiplier
    rounding = smaller(notional * listed.fee_rate, wide(quantity) * HALF_UNIT)
    return of_rate(notional, listed.fee_rate, rounding)


@inner_kernel
def order_prices(listed: Any, worst: Any, buy: Any) -> Any:
    """(margin, loss) of each unit of quantity of an order, as prices."""
    if not buy:
        touch = listed.short_price if listed.short_price != 0 else worst
        return share(wide(max(worst, touch)), listed.initial_rate), wide(max(0, touch - worst))
    if (
        listed.settled_in_cash != 0
    ):  # worth nothing as margin, and what it may buy back is owed at the ask
        touch = listed.short_price if listed.short_price != 0 else worst
        return wide(min(worst, touch)), wide(max(0, worst - touch))
    touch = listed.long_price if listed.long_price != 0 else worst
    return share(wide(min(worst, touch)), listed.initial_rate), wide(max(0, worst - touch))


@inner_kernel
def closing_worth(listed: Any, position: Any) -> Any:
    """What a position is worth at the touch, signed; notional unit."""
    price = listed.long_price if position > 0 else listed.short_price
    return position * price * listed.multiplier


@inner_kernel
def open_profit(listed: Any, position: Any) -> Any:
    """What a position of a perpetual has gained at the touch, or what buying sold-short spot back
    would cost, below zero; notional unit.
    """
    if position == 0 or (listed.settled_in_cash != 0 and position > 0):
        return wide(0)
    worth = closing_worth(listed, position)
    return worth if listed.settled_in_cash != 0 else worth - join(listed.cost_high, listed.cost_low)


@inner_kernel
def opened(position: Any, working: Any) -> Any:
    """By how much orders of one side, ``working`` in all, can add to a position, which is positive
    on their side.
    """
    return larger(wide(0), position + working) - larger(wide(0), position)


@inner_kernel
def clear_bound(bound: Any) -> None:
    """No orders yet."""
    bound.is_bound = 0
    bound.losses_high = 0
    bound.losses_low = 0
    bound.working_buy_high = 0
    bound.working_buy_low = 0
    bound.margins_buy_high = 0
    bound.margins_buy_low = 0
    bound.highest_buy_high = 0
    bound.highest_buy_low = 0
    bound.working_sell_high = 0
    bound.working_sell_low = 0
    bound.margins_sell_high = 0
    bound.margins_sell_low = 0
    bound.highest_sell_high = 0
    bound.highest_sell_low = 0


@inner_kernel
def add_to_bound(bound: Any, listed: Any, buy: Any, leaves: Any, worst: Any) -> None:
    """One more order. One without a worst price only closes a position, and adds to nothing but the
    quantity.
    """
    bound.is_bound = 1
    margin = loss = wide(0)
    if worst != 0:
        margin, loss = order_prices(listed, worst, buy)
    margins = margin * leaves * listed.multiplier
    losses = join(bound.losses_high, bound.losses_low) + loss * leaves * listed.multiplier
    bound.losses_high = high(losses)
    bound.losses_low = low(losses)
    if buy:
        working = join(bound.working_buy_high, bound.working_buy_low) + leaves
        margins += join(bound.margins_buy_high, bound.margins_buy_low)
        highest = larger(join(bound.highest_buy_high, bound.highest_buy_low), margin)
        bound.working_buy_high = high(working)
        bound.working_buy_low = low(working)
        bound.margins_buy_high = high(margins)
        bound.margins_buy_low = low(margins)
        bound.highest_buy_high = high(highest)
        bound.highest_buy_low = low(highest)
    else:
        working = join(bound.working_sell_high, bound.working_sell_low) + leaves
        margins += join(bound.margins_sell_high, bound.margins_sell_low)
        highest = larger(join(bound.highest_sell_high, bound.highest_sell_low), margin)
        bound.working_sell_high = high(working)
        bound.working_sell_low = low(working)
        bound.margins_sell_high = high(margins)
        bound.margins_sell_low = low(margins)
        bound.highest_sell_high = high(highest)
        bound.highest_sell_low = low(highest)


@inner_kernel
def side_margin(adds: Any, highest: Any, multiplier: Any, margins: Any) -> Any:
    """Margin that the orders of one side may bind, of which so much quantity can add to the
    position: what closes a position binds none.
    """
    return smaller(margins, adds * highest * multiplier)


@inner_kernel
def needed(bound: Any, listed: Any, position: Any) -> Any:
    """Money that the position and orders of an instrument bind; notional unit."""
    long_side = side_margin(
        opened(position, join(bound.working_buy_high, bound.working_buy_low)),
        join(bound.highest_buy_high, bound.highest_buy_low),
        listed.multiplier,
        join(bound.margins_buy_high, bound.margins_buy_low),
    )
    short_side = side_margin(
        opened(-position, join(bound.working_sell_high, bound.working_sell_low)),
        join(bound.highest_sell_high, bound.highest_sell_low),
        listed.multiplier,
        join(bound.margins_sell_high, bound.margins_sell_low),
    )
    if position > 0 and listed.settled_in_cash == 0:
        long_side += share(closing_worth(listed, position), listed.initial_rate)
    elif position < 0:
        short_side += share(-closing_worth(listed, position), listed.initial_rate)
    return larger(long_side, short_side) + join(bound.losses_high, bound.losses_low)


@inner_kernel
def free_money(
    risk: Any, instruments: Any, more: Any, buy: Any, quantity: Any, worst: Any, fee: Any
) -> Any:
    """(what may still be spent or bound; whether all of it has 38 digits). Orders count at the
    present touch.

    ``more``: place of the instrument of one more order, NO_ORDER for none: what it would leave.
    """
    bounds = table_at(risk.bounds, BOUND)
    working = table_at(risk.working.rows, WORKING)
    for place in range(risk.instruments_used):
        clear_bound(bounds[place])
    at = risk.open_orders.first
    while at >= 0:
        order = working[at]
        place = order.instrument_place
        add_to_bound(
            bounds[place], instruments[place], order.buy != 0, order.leaves, order.worst_price
        )
        at = order.next_row
    free = join(risk.cash_high, risk.cash_low) - join(risk.fees_bound_high, risk.fees_bound_low)
    is_whole = True
    if more >= 0:
        listed = instruments[more]
        add_to_bound(bounds[more], listed, buy, quantity, worst)
        free -= fee * join(listed.scale_high, listed.scale_low)
        is_whole = is_decimal(free)
    for place in range(risk.instruments_used):
        listed = instruments[place]
        position = join(listed.position_high, listed.position_low)
        if position != 0 or bounds[place].is_bound != 0:
            loss = smaller(wide(0), open_profit(listed, position))
            need = needed(bounds[place], listed, position)
            change = (loss - need) * join(listed.scale_high, listed.scale_low)
            free += change
            is_whole = (
                is_whole
                and is_decimal(loss)
                and is_decimal(need)
                and is_decimal(change)
                and is_decimal(free)
            )
    return free, is_whole


@inner_kernel
def only_reduces(listed: Any, buy: Any, quantity: Any) -> Any:
    """True if an order can add to no position, whatever else is filled before it."""
    position = join(listed.position_high, listed.position_low)
    working = join(listed.working_buy_high, listed.working_buy_low)
    if not buy:
        position = -position
        working = join(listed.working_sell_high, listed.working_sell_low)
    return opened(position, working + quantity) <= opened(position, working)


@inner_kernel
def binding_price(listed: Any, buy: Any, worst: Any) -> Any:
    """What an order may cost, a price. A sale of spot that cannot be sold short costs nothing: its
    fee comes out of what it brings.
    """
    return worst if buy or listed.shortable != 0 or listed.settled_in_cash == 0 else NO_PRICE


@inner_kernel
def is_payable(
    risk: Any, instruments: Any, place: Any, buy: Any, quantity: Any, worst: Any, fee: Any
) -> Any:
    """False if the account cannot pay what an order may cost, or that has more digits than can be
    booked.
    """
    listed = instruments[place]
    worth = wide(worst) * quantity * listed.multiplier
    side = join(listed.worth_buy_high, listed.worth_buy_low)
    if not buy:
        side = join(listed.worth_sell_high, listed.worth_sell_low)
    bound = fee * join(listed.scale_high, listed.scale_low)
    fees = join(risk.fees_bound_high, risk.fees_bound_low) + bound
    if not (
        is_decimal(worth) and is_decimal(side + worth) and is_decimal(bound) and is_decimal(fees)
    ):
        return False
    if only_reduces(listed, buy, quantity) or is_plenty(risk, listed, buy, quantity, worst, fee):
        return True
    free, is_whole = free_money(risk, instruments, place, buy, quantity, worst, fee)
    return is_whole and free >= 0


@inner_kernel
def needed_and_free(risk: Any, instruments: Any, place: Any, request: Any) -> Any:
    """(money that an order needs, money that is free)."""
    listed, buy, quantity = instruments[place], request.side == BUY, request.quantity
    worst = seen_price(listed, request)
    if request.order_type == MARKET:
        worst = protection_price(listed, worst, buy)
    worst = binding_price(listed, buy, worst)
    fee = worst_fee(listed, worst, quantity)
    free, _ = free_money(risk, instruments, NO_ORDER, buy, quantity, worst, fee)
    left, _ = free_money(risk, instruments, place, buy, quantity, worst, fee)
    return free - left, free


@inner_kernel
def is_plenty(risk: Any, listed: Any, buy: Any, quantity: Any, worst: Any, fee: Any) -> Any:
    """True if the account has far more than everything can cost: a bound that needs no look at each
    order, for accounts of one instrument.

    A buy binds at most its worst price, a sale twice the higher of its worst price and the ask.
    """
    if risk.instruments_used != 1 or join(listed.scale_high, listed.scale_low) != 1:
        return False
    position = join(listed.position_high, listed.position_low)
    worth = wide(worst) * quantity
    sells = join(listed.working_sell_high, listed.working_sell_low) + (
        wide(0) if buy else wide(quantity)
    )
    units = 2 * worth + 2 * sells * listed.short_price
    if position != 0:
        units += 2 * abs(position) * max(listed.long_price, listed.short_price)
    most = join(listed.worth_buy_high, listed.worth_buy_low) + 2 * join(
        listed.worth_sell_high, listed.worth_sell_low
    )
    most += units * listed.multiplier + fee
    if position != 0:
        most += abs(join(listed.cost_high, listed.cost_low))
    return most <= join(risk.cash_high, risk.cash_low) - join(
        risk.fees_bound_high, risk.fees_bound_low
    )


@inner_kernel
def bears_margin(listed: Any) -> Any:
    """True if the position can lose more than what was paid for it."""
    position = join(listed.position_high, listed.position_low)
    return position < 0 or (position > 0 and listed.settled_in_cash == 0)


@inner_kernel
def margin(risk: Any, instruments: Any) -> Any:
    """(margin balance, maintenance margin, equity, whether all of it has 38 digits)."""
    balance = join(risk.cash_high, risk.cash_low)
    held = maintenance = wide(0)
    is_whole = True
    for place in range(risk.instruments_used):
        listed = instruments[place]
        position = join(listed.position_high, listed.position_low)
        if position == 0:
            continue
        scale = join(listed.scale_high, listed.scale_low)
        profit = open_profit(listed, position) * scale
        worth = closing_worth(listed, position)
        balance += profit
        if bears_margin(listed):
            maintenance += share(abs(worth), listed.maintenance_rate) * scale
        else:
            held += worth * scale
        is_whole = is_whole and is_decimal(worth) and is_decimal(profit) and is_decimal(balance)
        is_whole = is_whole and is_decimal(maintenance) and is_decimal(held)
    equity = balance + held
    return balance, maintenance, equity, is_whole and is_decimal(equity)
