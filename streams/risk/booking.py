"""What marks and fills change in an instrument's line: the prices of positions, and what is held, at average cost on a perpetual."""

from __future__ import annotations

from schemas.records import Mark
from streams.numeric.cost import add, reduce
from streams.risk.checks import UNUSABLE
from streams.risk.exposure import WIDE, Held, Line


def take_mark(line: Line, mark: Mark) -> None:
    """The last mark, and the prices at which positions are valued where it may be used."""
    line.mark = mark
    if not mark.flags & UNUSABLE:
        if mark.bid_price > 0:
            line.long_price = mark.bid_price
        if mark.ask_price > 0:
            line.short_price = mark.ask_price


def book(line: Line, strategy: int, signed: int, price: int) -> int:
    """A fill becomes part of what its strategy holds; returns what it moves in cash before its fee, notional unit."""
    held = line.held.get(strategy)
    if held is None:
        held = line.held[strategy] = Held()
    notional = price * abs(signed) * line.multiplier
    before = held.quantity
    if line.settled_in_cash:
        held.quantity = before + signed
        return -notional if signed > 0 else notional
    cost = paid = int(held.cost)
    gain = 0
    if before and (before > 0) != (signed > 0):
        closing = signed if abs(signed) <= abs(before) else -before
        before, cost, gain = reduce(before, cost, closing, price * abs(closing) * line.multiplier)
        signed -= closing
        notional = price * abs(signed) * line.multiplier
    if signed:
        before, cost, _ = add(before, cost, signed, notional)
    held.quantity, held.cost = before, cost if -WIDE < cost < WIDE else str(cost)
    total = int(line.cost) + cost - paid
    line.cost = total if -WIDE < total < WIDE else str(total)
    return gain
