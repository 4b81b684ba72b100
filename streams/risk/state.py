"""Owns risk's records (``streams/numeric/pooled_state.py``), and the texts of
limits that an operator set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np

from streams.numeric import fixed
from streams.numeric.int128 import high, join, low
from streams.numeric.pooled_state import PooledState
from streams.numeric.stage_records import INSTRUMENTS_FULL, key_of_instrument
from streams.numeric.table import Table
from streams.risk import records as r
from streams.risk.instruments import INSTRUMENT

CASH_DECIMALS = 8
GROWS: dict[Any, str] = {
    INSTRUMENTS_FULL: "instruments",
    r.HOLDINGS_FULL: "holdings",
    r.WORKING_FULL: "working",
    r.RECENT_FULL: "recent",
    r.DECISIONS_FULL: "decisions",
    r.EVENTS_FULL: "events",
    r.SEQUENCE_FULL: "sequence",
}
"""Fault -> the table that is to grow."""


class Exposure(NamedTuple):
    """What risk knows of an instrument, in Python integers: see ``instruments.INSTRUMENT``."""

    position: int
    working_buy: int
    working_sell: int
    worth_buy: int
    worth_sell: int
    cost: int


class State(PooledState):
    """The records of one risk stage.

    Attributes:
        limits: texts of the limits that an operator set for all instruments, those still to be
            listed included.
    """

    NAME = "risk"
    HEADER = r.RISK
    STATE_FIELDS = r.STATE_FIELDS
    ROWS: ClassVar[Any] = {
        "instruments": INSTRUMENT,
        "holdings": r.HOLDING,
        "switches": r.SWITCH,
    }
    POOLS: ClassVar[Any] = {"working": r.WORKING, "recent": r.ID_ROW}
    CHAINS: ClassVar[Any] = {"open_orders": "working", "recent_ids": "recent"}
    LENGTHS: ClassVar[Any] = {
        "instruments": 16, "holdings": 16, "switches": 4, "working": 128, "recent": 4096,
        "decisions": 64, "events": 64, "sequence": 64, "new_ids": 4,
    }  # fmt: skip
    OUTPUTS = r.OUTPUTS
    OUTPUT_ROWS: ClassVar[Any] = {
        "decisions": r.RISK_DECISION,
        "events": r.RISK_EVENT,
        "sequence": r.SEQUENCE,
        "new_ids": r.NEW_ID,
    }
    KEYS: ClassVar[Any] = {
        "instruments": key_of_instrument,
        "holdings": r.key_of_holding,
        "working": r.key_of_id,
        "recent": r.key_of_id,
    }

    def __init__(self, lengths: Mapping[str, int] | None = None) -> None:
        super().__init__(lengths)
        self.limits: dict[str, str] = {}

    def put(self, name: str, table: Table) -> None:
        """Make a table the one of this name; with instruments grows the room to count in."""
        super().put(name, table)
        if name == "instruments":
            self.tables["bounds"] = bounds = Table(r.BOUND, len(table))
            self.row["bounds"] = bounds.address

    # -- rows

    def row_of(self, instrument: int) -> Any:
        """The row of an instrument, None if it is not listed."""
        rows = self.used_rows("instruments")
        places = np.flatnonzero(rows["instrument"] == instrument)
        return rows[places[0]] if len(places) else None

    def exposure(self, instrument: int) -> Exposure:
        """Of an instrument that is listed."""
        row = self.row_of(instrument)
        return Exposure(*(amount_of(row, name) for name in Exposure._fields))

    def put_switches(self, keys: list[int]) -> None:
        """Make these the kill switches that are on."""
        if len(keys) > len(self.tables["switches"]):
            self.grow("switches", len(keys))
        rows = self.tables["switches"].rows
        rows["key"] = 0
        rows["key"][: len(keys)] = keys
        self.row["switches_used"] = len(keys)

    # -- amounts

    def amount(self, name: str) -> int:
        """An amount of the header."""
        return amount_of(self.row, name)

    def set_amount(self, name: str, value: int) -> None:
        """Write an amount of the header."""
        write_amount(self.row, name, value)

    # -- parts of the snapshot

    def contents(self) -> dict[str, bytes]:
        """Those of the tables and pools, and the texts of limits."""
        return super().contents() | {"limits": msgspec.msgpack.encode(self.limits)}

    def is_whole(self, name: str, contents: Mapping[str, bytes], values: Mapping[str, int]) -> bool:
        """Texts tell their number."""
        if name != "limits":
            return super().is_whole(name, contents, values)
        try:
            msgspec.msgpack.decode(contents[name], type=dict[str, str])
        except msgspec.MsgspecError:
            return False
        return True

    def take_contents(self, contents: Mapping[str, bytes]) -> None:
        """Make these parts the state's."""
        super().take_contents(contents)
        self.limits = msgspec.msgpack.decode(contents["limits"], type=dict[str, str])


def amount_of(row: Any, name: str) -> int:
    """The amount of this name in a row."""
    return join(row[f"{name}_high"], row[f"{name}_low"])


def write_amount(row: Any, name: str, value: int) -> None:
    """Write an amount into a row."""
    row[f"{name}_high"] = high(value)
    row[f"{name}_low"] = low(value)


def cash_amount(text: str | int, amount_precision: int) -> int:
    """Cash as written (at most 8 decimals, up to 92 billion) in account units.

    Those may be finer than 64 bits allow.
    """
    decimals = min(amount_precision, CASH_DECIMALS)
    amount: int = fixed.parse(str(text), decimals) * 10 ** (amount_precision - decimals)
    return amount
