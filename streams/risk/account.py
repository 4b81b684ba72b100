"""The money of the account: what is there, what orders and positions bind of it, and when it is no longer enough.

One figure of cash, kept as the portfolio keeps it: a spot fill moves its notional, a fill of a perpetual what it realizes, both
their fees. All amounts here are integers in account units, or in the instrument's notional unit where a function says so.

- *Free money* = cash + open losses (open profits count as nothing) - what it takes to buy sold-short spot back
  - initial margin of positions - what working orders may bind - their worst fees. A new order that may open or add to a position
  must fit into it; an order that can only reduce one always passes.
- *What an order may bind*, for each unit of quantity (``order_prices``): the *margin* of the position it may open, valued at its worst price
  or at the touch; and the *loss*, by which its worst price is beyond the touch. On spot a buy's margin is the whole value. At leverage 1 the
  two of a buy are its worst price, so a long position is always paid for in full.
- Orders of one instrument may be filled in any order. What counts is the larger margin of "every buy fills" and "every sell fills", and
  the losses of all.
- *Worst price*: the limit; for a market order its protection price, which the venue keeps: the touch and the price collar (5 % where
  that is off).
- *Margin balance* = cash + open profit or loss - what it takes to buy sold-short spot back. Spot that is held is no collateral.
- *Maintenance*: a balance below the maintenance margin starts the liquidation. What it leaves decides: below zero, or no equity, is ruin.

Initial margin is 1 / leverage of the value, or the instrument's own where that is more; maintenance is half of it, at most 5 %, or the
instrument's own. Its own is what is configured for it, or what ``ref.instruments`` says. Rates are in units of 1e-8.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.numeric import fixed
from streams.risk.exposure import Line, State, Working, pack
from streams.risk.limits import COLLAR_UNIT

RATE_UNIT = fixed.RATE_UNIT
MAINTENANCE_MAX = RATE_UNIT // 20
PROTECTION = COLLAR_UNIT // 20
"""Distance of a protection price from the touch where there is no price collar, in the unit of ``price_collar_bp``."""


class BadMargin(WrongUse):
    """A margin in ``ref.instruments`` that is no fraction of the value."""

    code = "bad_margin"


def own_margin(margins: Mapping[str, str], instrument: Instrument, field: str) -> int:
    """An instrument's rate: what is configured for it or, without that, what its specification says; 0 for none.

    Two venues may name different instruments alike, so the venue's key wins.

    Raises:
        BadMargin: the specification says what no margin can be.
    """
    text = margins.get(f"{instrument.venue}:{instrument.symbol}", margins.get(instrument.symbol))
    if text is not None:
        return fixed.rate(text) or 0
    rate: int | None = getattr(instrument, field)
    if rate is None or 0 < rate <= RATE_UNIT:
        return rate or 0
    where = f"{instrument.symbol} on {instrument.venue} has the {field} {rate} of {RATE_UNIT} in ref.instruments"
    raise BadMargin(f"{where}; correct the instrument table ({fixed.RATE_ADVICE}), or set [risk] {field} for it")


def protection_price(line: Line, touch: int, buy: bool) -> int:
    """The worst price at which the venue may fill a market order that sees this touch; 0 for none."""
    width = line.price_collar_bp if line.price_collar_bp >= 0 else PROTECTION
    if buy:
        return touch - (-touch * width // COLLAR_UNIT)
    return max(touch - touch * width // COLLAR_UNIT, 1) if touch > 0 else 0


def worst_fee(line: Line, price: int, quantity: int) -> int:
    """The most that fills of this quantity at this price or better can cost, in the notional unit: the venue rounds each half to even.

    Rounding adds at most half a unit a fill, of which there are no more than units of quantity, and never doubles a fee.
    """
    exact = price * quantity * line.multiplier * line.fee_rate
    return (exact + min(exact, quantity * (RATE_UNIT // 2))) // RATE_UNIT


def order_prices(line: Line, worst: int, buy: bool) -> tuple[int, int]:
    """(margin, loss) of each unit of quantity of an order, as prices."""
    if not buy:
        touch = line.short_price or worst
        return share(max(worst, touch), line.initial_rate), max(0, touch - worst)
    if line.settled_in_cash:  # worth nothing as margin, and what it may buy back is owed at the ask
        touch = line.short_price or worst
        return min(worst, touch), max(0, worst - touch)
    touch = line.long_price or worst
    return share(min(worst, touch), line.initial_rate), max(0, worst - touch)


def share(amount: int, rate: int) -> int:
    """``amount * rate`` rounded up."""
    return -(-amount * rate // RATE_UNIT)


def open_profit(line: Line) -> int:
    """What a position of a perpetual has gained at the touch, or what buying sold-short spot back would cost, below zero; notional unit."""
    position = line.position
    if position == 0 or (line.settled_in_cash and position > 0):
        return 0
    worth = position * (line.long_price if position > 0 else line.short_price) * line.multiplier
    return worth if line.settled_in_cash else worth - int(line.cost)


def opened(position: int, working: int) -> int:
    """By how much orders of one side, ``working`` in all, can add to a position, which is positive on their side."""
    return max(0, position + working) - max(0, position)


class Bound:
    """What the working orders of an instrument may bind at its present touch; amounts in the notional unit."""

    __slots__ = ("highest", "losses", "margins", "working")

    def __init__(self) -> None:
        self.losses = 0
        self.margins, self.highest, self.working = [0, 0], [0, 0], [0, 0]

    def add(self, line: Line, order: Working) -> None:
        """One more order. One without a worst price only closes a position, and adds to nothing but the quantity."""
        side = 0 if order.buy else 1
        self.working[side] += order.leaves
        if order.worst_price:
            margin, loss = order_prices(line, order.worst_price, order.buy)
            self.margins[side] += margin * order.leaves * line.multiplier
            self.highest[side] = max(self.highest[side], margin)
            self.losses += loss * order.leaves * line.multiplier

    def margin(self, side: int, position: int, multiplier: int) -> int:
        """Margin that the orders of one side may bind, where `position` is positive on that side: what closes a position binds none."""
        adds = opened(position, self.working[side])
        return min(self.margins[side], adds * self.highest[side] * multiplier)


NOTHING = Bound()


def needed(line: Line, bound: Bound) -> int:
    """Money that the position and orders of an instrument bind; notional unit."""
    position = line.position
    long_side = bound.margin(0, position, line.multiplier)
    short_side = bound.margin(1, -position, line.multiplier)
    if position > 0 and not line.settled_in_cash:
        long_side += share(position * line.long_price * line.multiplier, line.initial_rate)
    elif position < 0:
        short_side += share(-position * line.short_price * line.multiplier, line.initial_rate)
    return max(long_side, short_side) + bound.losses


def free_money(state: State, more: Working | None = None) -> int:
    """What may still be spent or bound; with one more order, what it would leave. Orders count at the present touch."""
    lines = state.lines
    bounds: dict[int, Bound] = {}
    for order in state.orders.values() if more is None else (*state.orders.values(), more):
        bound = bounds.get(order.instrument)
        if bound is None:
            bound = bounds[order.instrument] = Bound()
        bound.add(lines[order.instrument], order)
    free = int(state.cash) - int(state.fees_bound)
    if more is not None:
        free -= int(more.fee_bound) * lines[more.instrument].scale
    for instrument, line in lines.items():
        if line.position or instrument in bounds:
            free += (min(0, open_profit(line)) - needed(line, bounds.get(instrument, NOTHING))) * line.scale
    return free


def only_reduces(line: Line, order: Working) -> bool:
    """True if an order can add to no position, whatever else is filled before it."""
    position, working = (line.position, line.working_buy) if order.buy else (-line.position, line.working_sell)
    return opened(position, working + order.leaves) <= opened(position, working)


def price_order(line: Line, order: Working, worst: int) -> None:
    """Enter what an order may cost. A sale of spot that cannot be sold short costs nothing: its fee comes out of what it brings."""
    if order.buy or line.shortable or not line.settled_in_cash:
        order.worst_price = worst
        order.fee_bound = pack(worst_fee(line, worst, order.leaves))


def bind(state: State, line: Line, order: Working, worst: int) -> bool:
    """Enter what an order may cost; False if the account cannot pay it."""
    price_order(line, order, worst)
    if only_reduces(line, order):
        return True
    return is_plenty(state, line, order) or free_money(state, order) >= 0


def is_plenty(state: State, line: Line, order: Working) -> bool:
    """True if the account has far more than everything can cost: a bound that needs no look at each order, for accounts of one instrument.

    A buy binds at most its worst price, a sale twice the higher of its worst price and the ask.
    """
    if len(state.lines) != 1 or line.scale != 1:
        return False
    worth, position = order.worst_price * order.leaves, line.position
    most = int(line.worth_buy) + 2 * int(line.worth_sell) + (worth + worth + 2 * line.working_sell * line.short_price) * line.multiplier
    if not order.buy:
        most += 2 * order.leaves * line.short_price * line.multiplier
    if position:
        most += 2 * abs(position) * max(line.long_price, line.short_price) * line.multiplier + abs(int(line.cost))
    return most + int(order.fee_bound) <= int(state.cash) - int(state.fees_bound)


def bears_margin(line: Line) -> bool:
    """True if the position can lose more than what was paid for it."""
    return line.position < 0 or (line.position > 0 and not line.settled_in_cash)


def margin(state: State) -> tuple[int, int, int]:
    """(margin balance, maintenance margin, equity)."""
    balance, held, maintenance = int(state.cash), 0, 0
    for line in state.lines.values():
        position = line.position
        if position == 0:
            continue
        balance += open_profit(line) * line.scale
        if bears_margin(line):
            worth = abs(position) * (line.long_price if position > 0 else line.short_price) * line.multiplier
            maintenance += share(worth, line.maintenance_rate) * line.scale
        else:
            held += position * line.long_price * line.multiplier * line.scale
    return balance, maintenance, balance + held
