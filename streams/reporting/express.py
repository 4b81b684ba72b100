"""The compiled twin of reporting for one account, strategy and instrument (see ``streams/numeric/express.py``)."""

from __future__ import annotations

from typing import Any

from streams.numeric.express import AMOUNT_MAX, divide_half_even, fits, is_small, row_type, step_kernel
from streams.reporting.round_trips import OpenTrip

TRIP = ("opened", "position", "entered", "entry_notional", "exit_notional", "fees", "trip_fills")
TOTALS = ("trades", "wins", "losses", "profit", "loss", "largest_win", "largest_loss", "holding")
STATE = row_type(f"multiplier scale fills volume exposed exposed_since is_open {' '.join(TRIP)} {' '.join(TOTALS)}")


def lend(reporting: Any, row: Any, account: int, key: int) -> bool:
    """Copy the state of ``reporting`` into ``row``; False if only the ledger can act on it."""
    state = reporting.state
    found = state.accounts.get(account)
    if len(state.lines) != 1 or found is None or found.open_trips.keys() - {key}:
        return False
    (line,) = state.lines.values()
    trip, totals, activity = found.open_trips.get(key), found.totals, found.activity
    values = [line.scale, activity.volume, totals.profit, totals.loss, totals.largest_win, totals.largest_loss]
    if trip is not None:
        values += [trip.entry_notional, trip.exit_notional, trip.fees]
    if not all(map(is_small, values)):
        return False
    row["multiplier"], row["scale"], row["exposed_since"] = line.multiplier, line.scale, found.exposed_since
    row["fills"], row["volume"], row["exposed"] = activity.fills, activity.volume, activity.exposed
    row["is_open"] = trip is not None
    for name in TOTALS:
        row[name] = getattr(totals, name)
    if trip is not None:
        for name in TRIP:
            row[name] = getattr(trip, "fills" if name == "trip_fills" else name)
    return True


def take_back(reporting: Any, row: Any, account: int, key: int) -> None:
    """Copy row back."""
    found = reporting.state.accounts[account]
    found.exposed_since = int(row["exposed_since"])
    for name in ("fills", "volume", "exposed"):
        setattr(found.activity, name, int(row[name]))
    for name in TOTALS:
        setattr(found.totals, name, int(row[name]))
    if row["is_open"]:
        found.open_trips[key] = OpenTrip(*(int(row[name]) for name in TRIP))
    else:
        found.open_trips.pop(key, None)


@step_kernel
def can_take(t: Any, price: Any, quantity: Any, fee: Any) -> Any:
    """True if nothing in the accounting of this fill leaves 64 bits."""
    unit = price * t.multiplier
    if not (fits(price, t.multiplier) and fits(unit, quantity) and fits(fee, t.position)):
        return False
    most = max(max(max(t.volume, t.profit), -t.loss), abs(fee))
    if t.is_open != 0:
        most = max(most, max(max(max(abs(t.entry_notional), abs(t.exit_notional)), abs(t.fees)), max(abs(t.position), t.entered)))
    if most >= AMOUNT_MAX:
        return False
    if t.is_open != 0:
        if not fits(unit * quantity + abs(t.entry_notional) + abs(t.exit_notional) + abs(t.fees) + abs(fee), t.scale):
            return False
    return fits(unit * quantity, t.scale)


@step_kernel
def _open(t: Any, clock: Any, position: Any, quantity: Any, unit: Any, fee: Any) -> None:
    t.is_open = 1
    t.opened = clock
    t.position = position
    t.entered = quantity
    t.entry_notional = unit * quantity
    t.exit_notional = 0
    t.fees = fee
    t.trip_fills = 1


@step_kernel
def on_fill(t: Any, price: Any, signed: Any, fee: Any, clock: Any) -> None:
    """As the ledger's, with ``round_trips.book`` and ``add_trip``."""
    quantity = abs(signed)
    unit = price * t.multiplier
    t.fills += 1
    t.volume += unit * quantity * t.scale
    if t.is_open == 0:
        t.exposed_since = clock
        _open(t, clock, signed, quantity, unit, fee)
        return
    held = t.position
    t.trip_fills += 1
    if (held > 0) == (signed > 0):
        t.position = held + signed
        t.entered += quantity
        t.entry_notional += unit * quantity
        t.fees += fee
        return
    open_quantity = abs(held)
    if quantity < open_quantity:
        t.position = held + signed
        t.exit_notional += unit * quantity
        t.fees += fee
        return
    closing_fee = fee if quantity == open_quantity else divide_half_even(fee * open_quantity, quantity)
    brought = t.exit_notional + unit * open_quantity - t.entry_notional
    net = ((brought if held > 0 else -brought) - t.fees - closing_fee) * t.scale
    t.trades += 1
    t.holding += clock - t.opened
    if net > 0:
        t.wins += 1
        t.profit += net
        t.largest_win = max(t.largest_win, net)
    elif net < 0:
        t.losses += 1
        t.loss += net
        t.largest_loss = min(t.largest_loss, net)
    rest = quantity - open_quantity
    if rest == 0:
        t.is_open = 0
        t.exposed += clock - t.exposed_since
    else:
        _open(t, clock, held + signed, rest, unit, fee - closing_fee)
