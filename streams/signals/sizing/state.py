"""Owns sizing's records (``streams/numeric/pooled_state.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from streams.numeric.bounds import TIME_MAX
from streams.numeric.pooled_state import PooledState
from streams.numeric.stage_records import INSTRUMENTS_FULL, key_of_instrument
from streams.signals.sizing import records as r
from streams.signals.sizing.places import key_of_position
from streams.signals.sizing.settings import Settings

GROWS: dict[Any, str] = {
    INSTRUMENTS_FULL: "instruments",
    r.POSITIONS_FULL: "positions",
    r.ORDERS_FULL: "orders",
    r.REQUESTS_FULL: "requests",
    r.DECISIONS_FULL: "decisions",
    r.EVENTS_FULL: "events",
}
"""Fault -> the table that is to grow."""


class State(PooledState):
    """The records of one sizing.

    Args:
        lengths: rows of tables at first.
    """

    NAME = "sizing"
    HEADER = r.SIZING
    STATE_FIELDS = r.STATE_FIELDS
    ROWS: ClassVar[Any] = {"instruments": r.INSTRUMENT, "positions": r.STRATEGY_POSITION}
    LENGTHS: ClassVar[Any] = {
        "instruments": 16, "positions": 16, "orders": 64,
        "requests": 16, "decisions": 2, "events": 2,
    }  # fmt: skip
    OUTPUTS = r.OUTPUTS
    OUTPUT_ROWS: ClassVar[Any] = {
        "requests": r.REQUEST,
        "decisions": r.DECISION,
        "events": r.RISK_EVENT,
    }
    POOLS: ClassVar[Any] = {"orders": r.ORDER}
    CHAINS: ClassVar[Any] = {"working": "orders"}
    KEYS: ClassVar[Any] = {
        "instruments": key_of_instrument,
        "positions": key_of_position,
    }

    def __init__(self, settings: Settings, lengths: Mapping[str, int] | None = None) -> None:
        super().__init__(lengths)
        row = self.row
        row["timer"], row["started"], row["awaited"] = r.NO_TIMER, r.NEVER, 1
        row["account"], row["threshold"] = settings.account, settings.threshold
        row["strength_max"] = settings.strength_max
        for name in ("cooldown", "trade_from", "warmup"):
            row[name] = min(getattr(settings, name), TIME_MAX - 1)  # no clock comes that far
