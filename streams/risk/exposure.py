"""The state of risk: per instrument its specification, limits, last mark and exposure; money; working orders; kill switches.

Exposure is conservative on each side by itself: the worst long is position + every working buy, the worst short is position - every
working sell. What an order reserves is its leaves; fills move leaves into position, and the end of an order releases what is left.
"""

from __future__ import annotations

import msgspec

from schemas.records import Mark
from streams.numeric import fixed
from streams.numeric.mark import UNMARKED
from streams.numeric.ring import keep

NO_TIMER = 2**63 - 1
OFF = -1
"""A limit that is not set."""
WIDE = 2**63
CASH_DECIMALS = 8


class Held(msgspec.Struct, array_like=True):
    """One strategy's part of a position."""

    quantity: int = 0
    cost: int | str = 0
    """signed, of a perpetual (``streams/numeric/cost.py``)"""


class Line(msgspec.Struct, array_like=True):
    """One instrument. Prices, quantities and notionals in its units; limits are OFF (-1) where not set."""

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
    worth_buy: int | str = 0
    """working buys at their worst prices; notional unit"""
    worth_sell: int | str = 0
    cost: int | str = 0
    """of the position, on a perpetual"""
    long_price: int = 0
    """last usable bid: what longs are worth; 0 before there was one"""
    short_price: int = 0
    """last usable ask"""
    held: dict[int, Held] = {}
    """the position by strategy"""
    changed_limits: list[str] = []
    """limits an operator set for this instrument alone; a new specification does not touch them"""


class Working(msgspec.Struct, array_like=True, gc=False):
    """An approved order whose end has not been reported."""

    instrument: int
    buy: bool
    leaves: int
    worst_price: int = 0
    """worst price of a fill; 0 where the order binds no money"""
    fee_bound: int | str = 0
    """worst fee of what is left, notional unit"""


class State(msgspec.Struct):
    """Everything the stage remembers."""

    timer: int
    lines: dict[int, Line]
    orders: dict[str, Working]
    killed: list[int]
    """keys of the kill switches that are on, in the order they were thrown"""
    recent: dict[str, int]
    ring: list[str]
    """ids approved last; once full, the slot at `ring_next` is the oldest"""
    ring_next: int
    amount_precision: int
    cash: int | str
    """in units of 10^-amount_precision; decimal text beyond 64 bits; meaningless unless the setting `cash` is given"""
    fees_bound: int | str
    """worst fees of working orders"""
    opens: int
    """clock from which orders are let through; NO_TIMER while the warm-up waits for the first mark"""
    halted: int = 0
    """RiskCode LIQUIDATION or ACCOUNT_HALTED where orders are denied with it, else 0"""
    ruined_at: int | str = 0
    """equity at the ruin"""
    limits: dict[str, str] = {}
    """texts of the limits an operator set for all instruments, those still to be listed included"""
    negative_ages: int = 0
    """requests that saw a mark younger than the clock"""


def cash_amount(text: str | int, amount_precision: int) -> int:
    """Cash as written (at most 8 decimals, up to 92 billion) in account units, which may be finer than 64 bits allow."""
    decimals = min(amount_precision, CASH_DECIMALS)
    amount: int = fixed.parse(str(text), decimals) * 10 ** (amount_precision - decimals)
    return amount


def pack(amount: int) -> int | str:
    """An amount as the state keeps it: text once it leaves 64 bits, the largest integer of msgpack."""
    return amount if -WIDE < amount < WIDE else str(amount)


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
        fees = int(state.fees_bound) + int(order.fee_bound) * line.scale
        state.fees_bound = fees if fees < WIDE else str(fees)


def release(state: State, order: Working, line: Line, quantity: int, fee_left: int) -> None:
    """`quantity` of an order works no more: it was filled, or the order ended; `fee_left` is the worst fee of what is left. Never below zero."""
    quantity = min(quantity, order.leaves)
    order.leaves -= quantity
    if order.buy:
        line.working_buy -= quantity
    else:
        line.working_sell -= quantity
    if order.worst_price:
        _count(line, order, -quantity)
        if order.fee_bound:
            state.fees_bound = pack(int(state.fees_bound) - (int(order.fee_bound) - fee_left) * line.scale)
            order.fee_bound = pack(fee_left)


def _count(line: Line, order: Working, quantity: int) -> None:
    """The worth of so much more of an order."""
    worth = order.worst_price * quantity * line.multiplier
    if order.buy:
        worth += int(line.worth_buy)
        line.worth_buy = worth if worth < WIDE else str(worth)
    else:
        worth += int(line.worth_sell)
        line.worth_sell = worth if worth < WIDE else str(worth)


def remember(state: State, order_id: str, capacity: int) -> None:
    """Keep an id against repetition; the oldest is forgotten where `capacity` are kept already."""
    state.ring_next = keep(state.recent, state.ring, state.ring_next, order_id, 1, capacity)
