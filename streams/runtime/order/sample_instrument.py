"""Reference data of an instrument that no market has: what a made-up one is given where nothing
else is said.
"""

from __future__ import annotations

from schemas.records import Instrument
from schemas.vocabulary import InstrumentKind

MADE_UP = Instrument(
    instrument=0,
    venue="sample",
    symbol="SAMPLE",
    kind=int(InstrumentKind.SPOT),
    base="SAMPLE",
    quote="USDT",
    price_precision=2,
    quantity_precision=3,
    tick_size=1,
    lot_size=1,
    minimum_quantity=1,
    maximum_quantity=1_000_000_000,
    minimum_notional=0,
    multiplier=1,
    shortable=True,
    funding_interval=0,
    expiry=None,
    valid_from=0,
    event_time=0,
    flags=0,
)
"""Prices to 0.01, quantities to 0.001; others are made of it by ``msgspec.structs.replace``."""
