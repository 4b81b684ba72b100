"""How strategy positions are found and entered into their table."""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inner_kernel
from streams.numeric.stage_records import NOTHING, enter, place_of
from streams.numeric.table import table_at
from streams.signals.sizing.records import NEVER, STRATEGY_POSITION

_UNSIGNED = 0xFFFFFFFF


def key_of_position(row: Any) -> tuple[int, int]:
    """Of a strategy position's row, for the owner of the table."""
    return int(row["strategy"]) & _UNSIGNED, int(row["instrument"])


@inner_kernel
def position_place(sizing: Any, strategy: Any, instrument: Any) -> Any:
    """Place of a strategy's position in an instrument, -1 if there is none."""
    return place_of(sizing, strategy, instrument)


@inner_kernel
def open_position(sizing: Any, strategy: Any, instrument: Any) -> Any:
    """Enter a strategy position of nothing; returns its place. There must be room."""
    place = sizing.positions_used
    sizing.positions_used = place + 1
    row = table_at(sizing.positions, STRATEGY_POSITION)[place]
    row.strategy = strategy
    row.instrument = instrument
    row.position = NOTHING
    row.working = NOTHING
    row.target = NOTHING
    row.traded_at = NEVER
    row.is_pending = NOTHING
    enter(sizing, strategy, instrument, place)
    return place
