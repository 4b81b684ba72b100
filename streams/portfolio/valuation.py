"""What an account is worth at the last marks: longs at the bid, shorts at the ask (PFL-5).

A missing price is never zero: the value is null with the reason NO_MARK, or STALE_BOOK where the last mark is flagged stale or gapped.
One position without a value makes the account's unrealized P&L and equity null; realized, fees and cash are always known.

Cash is kept the way the instrument settles, and the P&L identity holds either way:

- spot: a fill moves price x quantity through cash; market value is quantity x price;
- linear perpetual: cash moves by realized P&L and fees only; market value is the unrealized P&L.
"""

from __future__ import annotations

from schemas.records import PnL
from schemas.vocabulary import Flag, NullReason
from streams.numeric.mark import is_marked
from streams.portfolio.state import Account, Line

UNUSABLE = int(Flag.STALE | Flag.GAP)
NONE = int(NullReason.NONE)
NO_MARK = int(NullReason.NO_MARK)
STALE_BOOK = int(NullReason.STALE_BOOK)


def exit_price(line: Line, quantity: int) -> int:
    """The price at which `quantity` could be closed at the touch; 0 where that side of the book is empty."""
    return line.mark.bid_price if quantity > 0 else line.mark.ask_price


def missing_value(line: Line, quantity: int) -> int:
    """Why a position of `quantity` cannot be valued: a NullReason, NONE if it can."""
    if quantity == 0:
        return NONE
    if not is_marked(line.mark):
        return NO_MARK
    if line.mark.flags & UNUSABLE:
        return STALE_BOOK
    return NONE if exit_price(line, quantity) > 0 else NO_MARK


def unrealized(line: Line, quantity: int, cost: int) -> int | None:
    """Profit of an open position at the last mark, in the unit of its cost; None if it cannot be valued."""
    return exit_price(line, quantity) * quantity * line.multiplier - cost if missing_value(line, quantity) == NONE else None


def value_account(number: int, account: Account, lines: dict[int, Line], amount_precision: int, clock: int) -> PnL:
    """The P&L record of an account at `clock`, every amount in units of 10^-amount_precision."""
    realized = unrealized = fees = market_value = flags = 0
    reason = NONE
    for holding in account.holdings.values():
        line = lines[holding.instrument]
        scale = line.scale
        realized += int(holding.realized) * scale
        fees += int(holding.fees) * scale
        quantity = holding.quantity
        if quantity == 0:
            continue
        flags |= line.mark.flags
        missing = missing_value(line, quantity)
        if missing != NONE:
            reason = missing if reason == NONE else reason
            continue
        worth = exit_price(line, quantity) * quantity * line.multiplier
        open_profit = (worth - int(holding.cost)) * scale
        unrealized += open_profit
        market_value += worth * scale if line.settled_in_cash else open_profit
    cash = int(account.cash)
    if reason != NONE:
        return PnL(number, clock, amount_precision, realized, None, fees, cash, None, reason, flags)
    return PnL(number, clock, amount_precision, realized, unrealized, fees, cash, cash + market_value, reason, flags)
