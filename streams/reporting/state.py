"""Owns the reporting stage's records (``streams/numeric/stage_state.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from streams.numeric.stage_records import (
    ACCOUNTS_FULL,
    INSTRUMENTS_FULL,
    key_of_account,
    key_of_instrument,
    key_of_pair,
)
from streams.numeric.stage_state import StageState
from streams.reporting import records as r

GROWS: dict[Any, str] = {
    INSTRUMENTS_FULL: "instruments",
    ACCOUNTS_FULL: "accounts",
    r.TRIPS_FULL: "trips",
    r.SAMPLES_FULL: "samples",
}
"""Fault -> the table that is to grow."""


class State(StageState):
    """Grows by one sample a minute and account, and with the strategies' instruments; never with
    orders.

    Attributes:
    """

    NAME = "reporting"
    HEADER = r.REPORTING
    STATE_FIELDS = r.STATE_FIELDS
    ROWS: ClassVar[Any] = {
        "instruments": r.INSTRUMENT,
        "accounts": r.ACCOUNT,
        "trips": r.TRIP,
        "samples": r.SAMPLE,
    }
    LENGTHS: ClassVar[Any] = {"instruments": 16, "accounts": 4, "trips": 16, "samples": 1024}
    KEYS: ClassVar[Any] = {
        "instruments": key_of_instrument,
        "accounts": key_of_account,
        "trips": key_of_pair,
    }

    def __init__(
        self, trade_from: int, warmup: int, lengths: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(lengths)
        self.row["began"] = r.NO_TIME
        self.row["trade_from"], self.row["warmup"] = trade_from, warmup
