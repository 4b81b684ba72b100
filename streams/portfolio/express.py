"""The compiled twin of the portfolio for one account, strategy and instrument (see ``streams/numeric/express.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.express import AMOUNT_MAX, divide_half_even, fits, is_small, row_type, step_kernel

NO_TIMER = 2**63 - 1
STATE = row_type(
    "account strategy instrument multiplier settled_in_cash scale quantity cost realized fees cash changed"
)
AMOUNTS = ("quantity", "cost", "realized", "fees")


def lend(portfolio: Any, row: Any, account: int, strategy: int, key: int) -> bool:
    """Copy the state of ``portfolio`` into ``row``; False if only the ledger can act on it."""
    state = portfolio.state
    if len(state.lines) != 1 or state.timer == NO_TIMER or account not in state.accounts:
        return False
    ((instrument, line),) = state.lines.items()
    cash, holding = state.accounts[account].cash, state.accounts[account].holdings.get(key)
    if holding is None or holding.instrument != instrument or not is_small(cash) or not is_small(line.scale):
        return False
    if not all(is_small(getattr(holding, name)) for name in AMOUNTS):
        return False
    row["account"], row["strategy"], row["instrument"], row["cash"] = account, strategy, instrument, cash
    for name in AMOUNTS:
        row[name] = getattr(holding, name)
    for name in ("multiplier", "settled_in_cash", "scale"):
        row[name] = getattr(line, name)
    row["changed"] = state.changed_since_pnl
    return True


def take_back(portfolio: Any, row: Any, account: int, key: int, mark: Any) -> None:
    """Copy row back, and keep the last mark, None if there was none."""
    state = portfolio.state
    (line,) = state.lines.values()
    holding = state.accounts[account].holdings[key]
    state.accounts[account].cash = int(row["cash"])
    for name in AMOUNTS:
        setattr(holding, name, int(row[name]))
    if mark is not None:
        line.mark = mark
    state.changed_since_pnl = bool(row["changed"])


@step_kernel
def can_book(p: Any, price: Any, quantity: Any, fee: Any) -> Any:
    """True if nothing in the booking of this fill leaves 64 bits."""
    unit = price * p.multiplier
    if not (fits(price, p.multiplier) and fits(unit, quantity) and fits(p.cost, quantity) and fits(fee, p.quantity)):
        return False
    most = max(max(max(abs(p.cost), abs(p.realized)), max(abs(p.fees), abs(p.cash))), max(abs(p.quantity), abs(fee)))
    return most < AMOUNT_MAX and fits(unit * quantity + abs(p.cost) + abs(fee), p.scale)


@step_kernel
def _book(p: Any, price: Any, signed: Any, fee: Any, clock: Any, high: Any, low: Any, row: Any) -> None:
    """One ledger entry, as ``Portfolio._book`` with ``cost.add`` and ``cost.reduce``; the Position is written into ``row``."""
    held = p.quantity
    quantity = abs(signed)
    notional = price * quantity * p.multiplier
    gain = np.int64(0)
    if held == 0 or (held > 0) == (signed > 0):
        p.cost += notional if signed > 0 else -notional
    else:
        released = p.cost if signed + held == 0 else divide_half_even(p.cost * quantity, abs(held))
        gain = (notional if signed < 0 else -notional) - released
        p.cost -= released
    p.quantity = held + signed
    p.realized += gain
    p.fees += fee
    moved = gain
    if p.settled_in_cash != 0:
        moved = -notional if signed > 0 else notional
    p.cash += (moved - fee) * p.scale
    row.account = p.account
    row.strategy = p.strategy
    row.instrument = p.instrument
    row.event_time = clock
    row.order_id_high = high
    row.order_id_low = low
    row.quantity = p.quantity
    row.cost_high = p.cost >> 63
    row.cost_low = np.uint64(p.cost)
    row.realized_high = p.realized >> 63
    row.realized_low = np.uint64(p.realized)
    row.fees_high = p.fees >> 63
    row.fees_low = np.uint64(p.fees)


@step_kernel
def on_fill(p: Any, price: Any, signed: Any, fee: Any, clock: Any, high: Any, low: Any, rows: Any, count: Any) -> Any:
    """As the ledger's: one entry, or two where the fill flips the position; returns the new count of rows."""
    p.changed = 1
    held = p.quantity
    quantity = abs(signed)
    if held != 0 and (held > 0) != (signed > 0) and quantity > abs(held):
        closing_fee = divide_half_even(fee * abs(held), quantity)
        _book(p, price, -held, closing_fee, clock, high, low, rows[count])
        _book(p, price, signed + held, fee - closing_fee, clock, high, low, rows[count + 1])
        return count + 2
    _book(p, price, signed, fee, clock, high, low, rows[count])
    return count + 1
