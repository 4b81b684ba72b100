"""The state of the portfolio as records: one header, and tables of instruments, accounts and
holdings.

Amounts are 128-bit integers in two limbs (``streams/numeric/int128.py``), in units of
10^-(price_precision + quantity_precision) of their instrument; cash is in units of
10^-amount_precision, the largest of those over the instruments, so that it adds up exactly.

A row is never removed, so its place is its name. One index finds instruments, accounts and holdings
by their ids. Every field has eight bytes: rows have no padding, and their bytes are the snapshot.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.mark import DTYPE as MARK
from schemas.compiled.pnl import DTYPE as PNL
from schemas.compiled.position import DTYPE as POSITION

NO_TIMER = 2**63 - 1
INSTRUMENT_IDS = 1 << 12
STRATEGY_IDS = 1 << 20

FAULT = np.dtype([(name, "i8") for name in ("code", "entity", "value", "limit")])
"""What a handler leaves in place of an exception; ``code`` 0 is none. Nothing was changed then."""

PORTFOLIO = np.dtype(
    [(name, "i8") for name in ("timer", "amount_precision", "changed", "quiet_intervals")]
    + [(name, "i8") for name in ("instruments_used", "accounts_used", "holdings_used")]
    + [("pnl_interval", "i8"), ("fault", FAULT)]
    + [(name, "i8") for name in ("instruments", "accounts", "holdings", "index")]
)
"""The header. Its first seven fields are state; ``pnl_interval`` is a setting, the last four are
addresses of tables. ``changed``: something happened since the last P&L; ``quiet_intervals``: P&L
records in a row that said the same."""
STATE_FIELDS = PORTFOLIO.names[:7] if PORTFOLIO.names else ()

INSTRUMENT = np.dtype(
    [
        (name, "i8")
        for name in ("instrument", "precision", "multiplier", "settled_in_cash", "scale_high")
    ]
    + [("scale_low", "u8")]
    + [(name, "i8") for name in ("is_marked", "bid_price", "ask_price", "mark_flags")]
)
"""What valuation needs of a specification, and the last mark. ``precision``: price_precision +
quantity_precision; ``scale``: 10^(amount_precision - precision), from its amounts to an account's;
``settled_in_cash``: 1 where a fill moves its whole notional through cash (spot), 0 where only
realized P&L and fees do (a linear perpetual)."""

ACCOUNT = np.dtype(
    [
        ("account", "i8"),
        ("cash_high", "i8"),
        ("cash_low", "u8"),
        ("first_holding", "i8"),
        ("last_holding", "i8"),
    ]
)
"""Cash, and the ends of the chain of its holdings, in the order they were first traded; -1 for
none."""

HOLDING = np.dtype(
    [
        (name, "i8")
        for name in (
            "account",
            "strategy",
            "instrument",
            "account_place",
            "instrument_place",
            "next_holding",
            "quantity",
        )
    ]
    + [
        (f"{name}_{limb}", kind)
        for name in ("cost", "realized", "fees")
        for limb, kind in (("high", "i8"), ("low", "u8"))
    ]
)
"""One strategy's position in one instrument; ``cost`` is its signed total cost
(``numeric/cost.py``)."""

SPECIFICATION = np.dtype(
    [(name, "i8") for name in ("instrument", "precision", "multiplier", "settled_in_cash")]
)
"""What the portfolio reads of ``ref.instruments``, whose records have text in them and so no
rows."""

OUTPUTS = np.dtype([(name, "i8") for name in ("positions", "positions_used", "pnl", "pnl_used")])
"""Addresses of the tables that take what is emitted, and how many rows of them are written."""

(
    UNKNOWN_INSTRUMENT,
    STRATEGY_OUT_OF_RANGE,
    INSTRUMENT_OUT_OF_RANGE,
    PRECISION_CHANGED,
    AMOUNT_TOO_LARGE,
) = map(np.int64, range(1, 6))
"""Faults that end the run. (NumPy's integers, for Numba compiles a function anew for each of
Python's constants that it is called with.)"""
INSTRUMENTS_FULL, ACCOUNTS_FULL, HOLDINGS_FULL, POSITIONS_FULL, PNL_FULL = map(
    np.int64, range(11, 16)
)
"""Faults after which the owner lets the table grow and calls again."""

NOTHING, NO_ENTITY = np.int64(0), np.int64(-1)


def place_of(dtype: Any, name: str) -> int:
    """Bytes before a field in its record."""
    place: int = dtype.fields[name][1]
    return place


ACCOUNT_KEY, INSTRUMENT_KEY = np.int64(1 << 40), np.int64(1 << 41)
"""Second half of a key in the index, where a holding has strategy and instrument."""

__all__ = [
    "ACCOUNT", "ACCOUNTS_FULL", "ACCOUNT_KEY", "AMOUNT_TOO_LARGE", "FAULT", "FILL", "HOLDING",
    "HOLDINGS_FULL", "INSTRUMENT", "INSTRUMENTS_FULL", "INSTRUMENT_IDS", "INSTRUMENT_KEY",
    "INSTRUMENT_OUT_OF_RANGE", "MARK", "NOTHING", "NO_ENTITY", "NO_TIMER", "OUTPUTS", "PNL",
    "PNL_FULL", "PORTFOLIO", "POSITION", "POSITIONS_FULL", "PRECISION_CHANGED", "SPECIFICATION",
    "STATE_FIELDS", "STRATEGY_IDS", "STRATEGY_OUT_OF_RANGE", "UNKNOWN_INSTRUMENT", "place_of",
]  # fmt: skip
