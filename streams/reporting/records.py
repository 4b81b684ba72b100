"""The state of the reporting stage as records: one header, and tables of instruments, accounts,
round trips and samples of equity.

As the portfolio's (``streams/portfolio/records.py``): amounts are 128-bit integers in two limbs,
rows are never removed, and every field has eight bytes.
"""

from __future__ import annotations

import numpy as np

from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.pnl import DTYPE as PNL
from streams.numeric.stage_records import FAULT, amounts, words

NO_TIME = -(1 << 62)
"""A time, or a minute, that is not known yet."""

REPORTING = np.dtype(
    words("amount_precision began instruments_used accounts_used trips_used samples_used")
    + words("trade_from warmup")
    + [("fault", FAULT)]
    + words("instruments accounts trips samples index")
)
"""The header. Its first six fields are state, two are settings, the last five addresses of tables.
``began``: when trading may begin; NO_TIME before the account's opening P&L record."""
STATE_FIELDS = REPORTING.names[:6] if REPORTING.names else ()

INSTRUMENT = np.dtype(words("instrument precision multiplier") + amounts("scale"))
"""``scale``: 10^(amount_precision - precision), from its amounts to the account's."""

ACCOUNT = np.dtype(
    words("account fills exposed exposed_since open_trips")
    + words("trades wins losses")
    + amounts("volume", "profit", "loss", "largest_win", "largest_loss", "holding")
    + words("has_start equity_precision first_minute minute is_priced is_unpriced carried")
    + amounts("start", "last")
)
"""What was traded and for how long; sums over its closed round trips; its equity by the minute,
whose closed samples lie in the table of samples (``equity.py`` says what each means)."""

TRIP = np.dtype(
    words(
        "account strategy instrument account_place instrument_place opened position entered fills"
    )
    + amounts("entry_notional", "exit_notional", "fees")
)
"""The round trip of a strategy in an instrument; none is open while ``position`` is 0."""

SAMPLE = np.dtype(words("account_place") + amounts("equity"))
SPECIFICATION = np.dtype(words("instrument precision multiplier"))

TRIPS_FULL, SAMPLES_FULL = map(np.int64, range(13, 15))
"""The stage's own faults after which the owner lets the table grow, to ``value`` rows, and calls
again."""

__all__ = [
    "ACCOUNT", "FILL", "INSTRUMENT", "NO_TIME", "PNL", "REPORTING", "SAMPLE", "SAMPLES_FULL",
    "SPECIFICATION", "STATE_FIELDS", "TRIP", "TRIPS_FULL",
]  # fmt: skip
