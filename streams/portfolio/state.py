"""The state of the portfolio: accounts, their holdings, and the last mark of each instrument.

Amounts are integers in units of 10^-(price_precision + quantity_precision) of their instrument; cash is in units of 10^-amount_precision,
the largest of those over the instruments, so that it adds up exactly. An amount beyond 64 bits is kept as decimal text, because the
snapshot's msgpack has no larger integer: read one with ``int(...)``, write it with ``pack`` (or the same test written out, where hot).
"""

from __future__ import annotations

import msgspec

from schemas.records import Instrument, Mark
from schemas.vocabulary import InstrumentKind
from streams.numeric import fixed
from streams.numeric.mark import UNMARKED

SPOT = int(InstrumentKind.SPOT)
EQUITY = int(InstrumentKind.EQUITY)
NO_TIMER = 2**63 - 1
WIDE = 2**63
CASH_DECIMALS = 8
INSTRUMENT_IDS = 1 << 12
STRATEGY_IDS = 1 << 20


def pack(amount: int) -> int | str:
    """An amount as the state keeps it: text once it leaves 64 bits."""
    return amount if -WIDE < amount < WIDE else str(amount)


class Line(msgspec.Struct, array_like=True):
    """One instrument: what valuation needs of its specification, and its last mark."""

    precision: int
    """price_precision + quantity_precision: the unit of its amounts"""
    scale: int
    """10^(amount_precision - precision): from its amounts to the account's"""
    multiplier: int
    settled_in_cash: bool
    """True: a fill moves its whole notional through cash (spot). False: only realized P&L and fees do (a linear perpetual)."""
    mark: Mark = UNMARKED


class Holding(msgspec.Struct, array_like=True):
    """One strategy's position in one instrument; amounts in the instrument's unit."""

    strategy: int
    instrument: int
    quantity: int = 0
    cost: int | str = 0
    realized: int | str = 0
    fees: int | str = 0


class Account(msgspec.Struct, array_like=True):
    """Cash in account units, and holdings by ``strategy * 4096 + instrument`` in the order they were first traded."""

    cash: int | str
    holdings: dict[int, Holding]


class State(msgspec.Struct):
    """Everything the stage remembers."""

    timer: int
    amount_precision: int
    lines: dict[int, Line]
    accounts: dict[int, Account]
    changed_since_pnl: bool = False
    quiet_intervals: int = 0


def cash_amount(text: str | int, amount_precision: int) -> int:
    """Cash as written (at most 8 decimals, up to 92 billion) in account units, which may be finer than 64 bits allow."""
    decimals = min(amount_precision, CASH_DECIMALS)
    amount: int = fixed.parse(str(text), decimals) * 10 ** (amount_precision - decimals)
    return amount


def new_line(instrument: Instrument, amount_precision: int) -> Line:
    """The line of an instrument whose precision is at most `amount_precision`."""
    precision = instrument.price_precision + instrument.quantity_precision
    settled = instrument.kind in (SPOT, EQUITY)
    return Line(precision, 10 ** (amount_precision - precision), instrument.multiplier, settled)
