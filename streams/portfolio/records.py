"""The state of the portfolio as records: one header, and tables of instruments, accounts and
holdings.

Amounts are 128-bit integers in two limbs (``streams/numeric/int128.py``), in units of
10^-(price_precision + quantity_precision) of their instrument; cash is in units of
10^-amount_precision, the largest of those over the instruments, so that it adds up exactly.

A row is never removed, so its place is its name. One index finds instruments, accounts and holdings
by their ids. Every field has eight bytes: rows have no padding, and their bytes are the snapshot.
"""

from __future__ import annotations

import numpy as np

from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.mark import DTYPE as MARK
from schemas.compiled.pnl import DTYPE as PNL
from schemas.compiled.position import DTYPE as POSITION
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.stage_records import FAULT, amounts, place_in, words

PORTFOLIO = np.dtype(
    words("timer amount_precision changed quiet_intervals")
    + words("instruments_used accounts_used holdings_used")
    + [*words("pnl_interval"), ("fault", FAULT)]
    + words("instruments accounts holdings index")
)
"""The header. Its first seven fields are state; ``pnl_interval`` is a setting, the last four are
addresses of tables. ``changed``: something happened since the last P&L; ``quiet_intervals``: P&L
records in a row that said the same."""
STATE_FIELDS = PORTFOLIO.names[:7] if PORTFOLIO.names else ()

INSTRUMENT = np.dtype(
    words("instrument precision multiplier settled_in_cash")
    + amounts("scale")
    + words("is_marked bid_price ask_price mark_flags")
)
"""What valuation needs of a specification, and the last mark. ``precision``: price_precision +
quantity_precision; ``scale``: 10^(amount_precision - precision), from its amounts to an account's;
``settled_in_cash``: 1 where a fill moves its whole notional through cash (spot), 0 where only
realized P&L and fees do (a linear perpetual)."""

ACCOUNT = np.dtype(words("account") + amounts("cash") + words("first_holding last_holding"))
"""Cash, and the ends of the chain of its holdings, in the order they were first traded; -1 for
none."""

HOLDING = np.dtype(
    words("account strategy instrument account_place instrument_place next_holding quantity")
    + amounts("cost", "realized", "fees")
)
"""One strategy's position in one instrument; ``cost`` is its signed total cost
(``numeric/cost.py``)."""

SPECIFICATION = np.dtype(words("instrument precision multiplier settled_in_cash"))
"""What the portfolio reads of ``ref.instruments``, whose records have text in them and so no
rows."""

OUTPUTS = np.dtype(words("positions positions_used pnl pnl_used"))
"""Addresses of the tables that take what is emitted, and how many rows of them are written."""

PRECISION_CHANGED = np.int64(5)
"""The stage's own fault that ends the run."""
HOLDINGS_FULL, POSITIONS_FULL, PNL_FULL = map(np.int64, range(13, 16))
"""Its own faults after which the owner lets the table grow and calls again."""

__all__ = [
    "ACCOUNT", "FILL", "HOLDING", "HOLDINGS_FULL", "INSTRUMENT", "MARK", "NO_TIMER", "OUTPUTS",
    "PNL", "PNL_FULL", "PORTFOLIO", "POSITION", "POSITIONS_FULL", "PRECISION_CHANGED",
    "SPECIFICATION", "STATE_FIELDS", "place_in",
]  # fmt: skip
