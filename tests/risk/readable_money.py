"""The money of the readable risk stage (``readable_risk.py``): what orders and positions bind."""

from __future__ import annotations

import msgspec

from schemas.records import (
    Mark,
)
from schemas.vocabulary import (
    DecisionOutcome,
    Flag,
    OrderStatus,
    OrderType,
    RequestKind,
    RiskCode,
    Severity,
    Side,
    TimeInForce,
)
from streams.risk.prices import COLLAR_UNIT

C = RiskCode
NO_TIMER = 2**63 - 1
PRICE_MAX = 2**62 - 1
OFF = -1
DECIMAL_LIMIT = 10**38
RATE_UNIT = 10**8
MAINTENANCE_MAX = RATE_UNIT // 20
PROTECTION = COLLAR_UNIT // 20
BUY, SELL = int(Side.BUY), int(Side.SELL)
MARKET, LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
NEW, CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
APPROVED, DENIED = int(DecisionOutcome.APPROVED), int(DecisionOutcome.DENIED)
INFO, WARNING, CRITICAL, EMERGENCY = (
    int(getattr(Severity, name)) for name in ("INFO", "WARNING", "CRITICAL", "EMERGENCY")
)
UNUSABLE = int(Flag.STALE | Flag.GAP | Flag.CROSSED)
UNMARKED = Mark(-1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
NO_ORDER = "0" * 20
ENDED = (
    OrderStatus.FILLED,
    OrderStatus.CANCELLED,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
    OrderStatus.DENIED,
)
BEFORE_ALL_OTHERS = (C.KILL_SWITCH, C.ACCOUNT_HALTED, C.LIQUIDATION, C.OUTSIDE_WINDOW)


class TooLarge(Exception):
    """An amount that would be booked has more than 38 digits."""


def is_decimal(*amounts: int) -> bool:
    return all(-DECIMAL_LIMIT < amount < DECIMAL_LIMIT for amount in amounts)


def check(*amounts: int) -> None:
    if not is_decimal(*amounts):
        raise TooLarge


def shown(amount: int) -> int:
    return max(1 - DECIMAL_LIMIT, min(amount, DECIMAL_LIMIT - 1))


class Held(msgspec.Struct, array_like=True):
    """One strategy's part of a position."""

    quantity: int = 0
    cost: int = 0
    """signed, of a perpetual (``streams/numeric/cost.py``)"""


class Line(msgspec.Struct, array_like=True):
    """One instrument. Prices, quantities and notionals in its units; limits are OFF (-1) where not
    set.
    """

    price_precision: int
    quantity_precision: int
    tick_size: int
    lot_size: int
    multiplier: int
    shortable: bool
    settled_in_cash: bool
    scale: int
    """from its notional unit to the account's amount unit"""
    min_quantity: int
    max_quantity: int
    min_notional: int
    max_notional: int
    max_position: int
    price_collar_bp: int
    """half-width of the price band in hundredths of a basis point"""
    mark_age_max: int
    """nanoseconds"""
    initial_rate: int
    """initial margin, in 1e-8 of the value"""
    maintenance_rate: int
    fee_rate: int
    """the higher of the venue's rates, in 1e-8; 0 where both are rebates"""
    position: int = 0
    working_buy: int = 0
    working_sell: int = 0
    mark: Mark = UNMARKED
    worth_buy: int = 0
    """working buys at their worst prices; notional unit"""
    worth_sell: int = 0
    cost: int = 0
    """of the position, on a perpetual"""
    long_price: int = 0
    """last usable bid: what longs are worth; 0 before there was one"""
    short_price: int = 0
    """last usable ask"""
    held: dict[int, Held] = {}
    """the position by strategy"""
    changed_limits: set[str] = set()
    """limits an operator set for this instrument alone; a new specification does not touch them"""


class Working(msgspec.Struct, array_like=True, gc=False):
    """An approved order whose end has not been reported."""

    instrument: int
    buy: bool
    leaves: int
    worst_price: int = 0
    """worst price of a fill; 0 where the order binds no money"""
    fee_bound: int = 0
    """worst fee of what is left, notional unit"""


class State(msgspec.Struct):
    """Everything the stage remembers."""

    lines: dict[int, Line]
    orders: dict[str, Working]
    killed: list[tuple[int, int]]
    """scope and number of the switches that are on"""
    recent: dict[str, int]
    amount_precision: int
    cash: int
    fees_bound: int
    opens: int
    halted: int = 0
    ruined_at: int = 0
    limits: dict[str, str] = {}
    negative_ages: int = 0


def reserve(state: State, order_id: str, line: Line, order: Working) -> None:
    """An order was approved: its whole quantity works from now on."""
    state.orders[order_id] = order
    quantity = order.leaves
    if order.buy:
        line.working_buy += quantity
    else:
        line.working_sell += quantity
    if order.worst_price:
        _count(line, order, quantity)
        fees = state.fees_bound + order.fee_bound * line.scale
        state.fees_bound = fees


def release(state: State, order: Working, line: Line, quantity: int, fee_left: int) -> None:
    """`quantity` of an order works no more: it was filled, or the order ended; `fee_left` is the
    worst fee of what is left. Never below zero.
    """
    quantity = min(quantity, order.leaves)
    order.leaves -= quantity
    if order.buy:
        line.working_buy -= quantity
    else:
        line.working_sell -= quantity
    if order.worst_price:
        _count(line, order, -quantity)
        if order.fee_bound:
            state.fees_bound = state.fees_bound - (order.fee_bound - fee_left) * line.scale
            order.fee_bound = fee_left


def _count(line: Line, order: Working, quantity: int) -> None:
    """The worth of so much more of an order."""
    worth = order.worst_price * quantity * line.multiplier
    if order.buy:
        worth += line.worth_buy
        line.worth_buy = worth
    else:
        worth += line.worth_sell
        line.worth_sell = worth


def protection_price(line: Line, touch: int, buy: bool) -> int:
    """The worst price at which the venue may fill a market order that sees this touch; 0 for none.
    """
    width = line.price_collar_bp if line.price_collar_bp >= 0 else PROTECTION
    if touch <= 0:
        return 0
    if buy:
        return min(touch - (-touch * width // COLLAR_UNIT), PRICE_MAX)
    return max(touch - touch * width // COLLAR_UNIT, 1) if touch > 0 else 0


def worst_fee(line: Line, price: int, quantity: int) -> int:
    """The most that fills of this quantity at this price or better can cost, in the notional unit:
    the venue rounds each half to even.

    Rounding adds at most half a unit a fill, of which there are no more than units of quantity,
    and never doubles a fee.
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
    """What a position of a perpetual has gained at the touch, or what buying sold-short spot back
    would cost, below zero; notional unit.
    """
    position = line.position
    if position == 0 or (line.settled_in_cash and position > 0):
        return 0
    worth = position * (line.long_price if position > 0 else line.short_price) * line.multiplier
    return worth if line.settled_in_cash else worth - line.cost


def opened(position: int, working: int) -> int:
    """By how much orders of one side, ``working`` in all, can add to a position, which is positive
    on their side.
    """
    return max(0, position + working) - max(0, position)


class Bound:
    """What the working orders of an instrument may bind at its present touch; amounts in the
    notional unit.
    """

    __slots__ = ("highest", "losses", "margins", "working")

    def __init__(self) -> None:
        self.losses = 0
        self.margins, self.highest, self.working = [0, 0], [0, 0], [0, 0]

    def add(self, line: Line, order: Working) -> None:
        """One more order. One without a worst price only closes a position, and adds to nothing but
        the quantity.
        """
        side = 0 if order.buy else 1
        self.working[side] += order.leaves
        if order.worst_price:
            margin, loss = order_prices(line, order.worst_price, order.buy)
            self.margins[side] += margin * order.leaves * line.multiplier
            self.highest[side] = max(self.highest[side], margin)
            self.losses += loss * order.leaves * line.multiplier

    def margin(self, side: int, position: int, multiplier: int) -> int:
        """Margin that the orders of one side may bind, where `position` is positive on that side:
        what closes a position binds none.
        """
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
    """What may still be spent or bound; with one more order, what it would leave. Orders count at
    the present touch.
    """
    lines = state.lines
    bounds: dict[int, Bound] = {}
    for order in state.orders.values() if more is None else (*state.orders.values(), more):
        bound = bounds.get(order.instrument)
        if bound is None:
            bound = bounds[order.instrument] = Bound()
        bound.add(lines[order.instrument], order)
    free = state.cash - state.fees_bound
    if more is not None:
        free -= more.fee_bound * lines[more.instrument].scale
    for instrument, line in lines.items():
        if line.position or instrument in bounds:
            free += (
                min(0, open_profit(line)) - needed(line, bounds.get(instrument, NOTHING))
            ) * line.scale
    return free


def is_whole(state: State, more: Working) -> bool:
    """True if every part of free money has 38 digits."""
    bounds: dict[int, Bound] = {}
    for order in (*state.orders.values(), more):
        bounds.setdefault(order.instrument, Bound()).add(state.lines[order.instrument], order)
    free = state.cash - state.fees_bound - more.fee_bound * state.lines[more.instrument].scale
    amounts = [free]
    for instrument, line in state.lines.items():
        if line.position or instrument in bounds:
            loss, need = min(0, open_profit(line)), needed(line, bounds.get(instrument, NOTHING))
            change = (loss - need) * line.scale
            free += change
            amounts += [loss, need, change, free]
    return is_decimal(*amounts)


def only_reduces(line: Line, order: Working) -> bool:
    """True if an order can add to no position, whatever else is filled before it."""
    position, working = (
        (line.position, line.working_buy) if order.buy else (-line.position, line.working_sell)
    )
    return opened(position, working + order.leaves) <= opened(position, working)


def price_order(line: Line, order: Working, worst: int) -> None:
    """Enter what an order may cost. A sale of spot that cannot be sold short costs nothing: its fee
    comes out of what it brings.
    """
    if order.buy or line.shortable or not line.settled_in_cash:
        order.worst_price = worst
        order.fee_bound = worst_fee(line, worst, order.leaves)


def bind(state: State, line: Line, order: Working, worst: int) -> bool:
    """Enter what an order may cost; False if the account cannot pay it."""
    price_order(line, order, worst)
    worth = order.worst_price * order.leaves * line.multiplier
    side = line.worth_buy if order.buy else line.worth_sell
    fee = order.fee_bound * line.scale
    if not is_decimal(worth, side + worth, fee, state.fees_bound + fee):
        return False
    if only_reduces(line, order):
        return True
    return is_plenty(state, line, order) or (
        free_money(state, order) >= 0 and is_whole(state, order)
    )


def is_plenty(state: State, line: Line, order: Working) -> bool:
    """True if the account has far more than everything can cost: a bound that needs no look at each
    order, for accounts of one instrument.

    A buy binds at most its worst price, a sale twice the higher of its worst price and the ask.
    """
    if len(state.lines) != 1 or line.scale != 1:
        return False
    worth, position = order.worst_price * order.leaves, line.position
    most = (
        line.worth_buy
        + 2 * line.worth_sell
        + (worth + worth + 2 * line.working_sell * line.short_price) * line.multiplier
    )
    if not order.buy:
        most += 2 * order.leaves * line.short_price * line.multiplier
    if position:
        most += 2 * abs(position) * max(line.long_price, line.short_price) * line.multiplier + abs(
            line.cost
        )
    return most + order.fee_bound <= state.cash - state.fees_bound


def is_killed(killed: list[tuple[int, int]], account: int, strategy: int, instrument: int) -> bool:
    covering = [(1, 0), (2, account), (3, strategy), (4, instrument)]
    return any(key in killed for key in covering)
