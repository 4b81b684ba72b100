"""What strategies ask of the portfolio, as records: its handlers fill them (``StageCalls.reads``).
"""

from __future__ import annotations

import numpy as np

from schemas.compiled.pnl import DTYPE as PNL
from streams.numeric.stage_records import amounts, words

POSITION_READ = np.dtype(
    words("account strategy instrument quantity average_price is_valued")
    + amounts("cost", "realized", "unrealized", "fees")
)
"""One position; the first three fields say which. ``average_price``: rounded half to even, 0 of a
flat one; ``is_valued``: 1 if ``unrealized`` is known."""

ACCOUNT_READ = np.dtype([*words("account amount_precision is_known"), ("value", PNL)])
"""What an account is worth now: ``value`` is the P&L record that it would have. ``is_known``: 0 for
an account that was never seen, which has nothing."""
