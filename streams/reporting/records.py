"""The state of the reporting stage as records: one header, and tables of instruments, accounts,
round trips and samples of equity.

As the portfolio's (``streams/portfolio/records.py``): amounts are 128-bit integers in two limbs,
rows are never removed, and every field has eight bytes.
"""

from __future__ import annotations

import numpy as np

from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.pnl import DTYPE as PNL

INSTRUMENT_IDS = 1 << 12
STRATEGY_IDS = 1 << 20
NO_TIME = -(1 << 62)
"""A time, or a minute, that is not known yet."""


def _amounts(*names: str) -> list[tuple[str, str]]:
    """Fields of amounts: two limbs each."""
    return [
        (f"{name}_{limb}", kind) for name in names for limb, kind in (("high", "i8"), ("low", "u8"))
    ]


def _words(names: str) -> list[tuple[str, str]]:
    return [(name, "i8") for name in names.split()]


FAULT = np.dtype(_words("code entity value limit"))
"""What a handler leaves in place of an exception; ``code`` 0 is none. Nothing was changed then."""

REPORTING = np.dtype(
    _words("amount_precision began instruments_used accounts_used trips_used samples_used")
    + _words("trade_from warmup")
    + [("fault", FAULT)]
    + _words("instruments accounts trips samples index")
)
"""The header. Its first six fields are state, two are settings, the last five addresses of tables.
``began``: when trading may begin; NO_TIME before the account's opening P&L record."""
STATE_FIELDS = REPORTING.names[:6] if REPORTING.names else ()

INSTRUMENT = np.dtype(_words("instrument precision multiplier") + _amounts("scale"))
"""``scale``: 10^(amount_precision - precision), from its amounts to the account's."""

ACCOUNT = np.dtype(
    _words("account fills exposed exposed_since open_trips")
    + _words("trades wins losses")
    + _amounts("volume", "profit", "loss", "largest_win", "largest_loss", "holding")
    + _words("has_start equity_precision first_minute minute is_priced is_unpriced carried")
    + _amounts("start", "last")
)
"""What was traded and for how long; sums over its closed round trips; its equity by the minute,
whose closed samples lie in the table of samples (``equity.py`` says what each means)."""

TRIP = np.dtype(
    _words(
        "account strategy instrument account_place instrument_place opened position entered fills"
    )
    + _amounts("entry_notional", "exit_notional", "fees")
)
"""The round trip of a strategy in an instrument; none is open while ``position`` is 0."""

SAMPLE = np.dtype(_words("account_place") + _amounts("equity"))
SPECIFICATION = np.dtype(_words("instrument precision multiplier"))

UNKNOWN_INSTRUMENT, STRATEGY_OUT_OF_RANGE, INSTRUMENT_OUT_OF_RANGE, AMOUNT_TOO_LARGE = map(
    np.int64, range(1, 5)
)
"""Faults that end the run."""
INSTRUMENTS_FULL, ACCOUNTS_FULL, TRIPS_FULL, SAMPLES_FULL = map(np.int64, range(11, 15))
"""Faults after which the owner lets the table grow, to ``value`` rows, and calls again."""

NOTHING, NO_ENTITY = np.int64(0), np.int64(-1)
ACCOUNT_KEY, INSTRUMENT_KEY = np.int64(1 << 40), np.int64(1 << 41)
"""Second half of a key in the index, where a round trip has strategy and instrument."""

__all__ = [
    "ACCOUNT", "ACCOUNTS_FULL", "ACCOUNT_KEY", "AMOUNT_TOO_LARGE", "FAULT", "FILL", "INSTRUMENT",
    "INSTRUMENTS_FULL", "INSTRUMENT_IDS", "INSTRUMENT_KEY", "INSTRUMENT_OUT_OF_RANGE", "NOTHING",
    "NO_ENTITY", "NO_TIME", "PNL", "REPORTING", "SAMPLE", "SAMPLES_FULL", "SPECIFICATION",
    "STATE_FIELDS", "STRATEGY_IDS", "STRATEGY_OUT_OF_RANGE", "TRIP", "TRIPS_FULL",
    "UNKNOWN_INSTRUMENT",
]  # fmt: skip
