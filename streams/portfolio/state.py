"""Owns the portfolio's records: allocates the tables, lets them grow, and gives and takes the
snapshot."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from schemas.errors import BadData
from streams.numeric import fixed
from streams.numeric.index import ENTRY, put, slots_for
from streams.numeric.table import Table, table_at
from streams.portfolio import records as r

CASH_DECIMALS = 8
FIRST_LENGTHS = {"instruments": 16, "accounts": 4, "holdings": 16}
"""Rows at first: accounts and holdings have no natural maximum, so each table doubles when it is
full."""
FIRST_OUTPUTS = {"positions": 64, "pnl": 64}
ROW_TYPES = {
    "instruments": r.INSTRUMENT,
    "accounts": r.ACCOUNT,
    "holdings": r.HOLDING,
    "positions": r.POSITION,
    "pnl": r.PNL,
}
GROWS: dict[Any, str] = {
    r.INSTRUMENTS_FULL: "instruments",
    r.ACCOUNTS_FULL: "accounts",
    r.HOLDINGS_FULL: "holdings",
    r.POSITIONS_FULL: "positions",
    r.PNL_FULL: "pnl",
}
"""Fault -> the table that is to grow."""


NOT_OURS = "the state of the portfolio is not of the form that this version writes"


class BadState(BadData):
    """Bytes that are no state of the portfolio."""

    code = "portfolio.bad_state"


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """The state in canonical form: the header's state fields, and the bytes of the rows in use."""

    header: list[int]
    instruments: bytes
    accounts: bytes
    holdings: bytes


class State:
    """The records of one portfolio.

    Attributes:
        timer: the header's, as the driver reads it between calls.
        header, outputs: arrays of one record each.
        tables: by name.

    Args:
        pnl_interval: nanoseconds.
        lengths: rows of each table at first.
    """

    def __init__(self, pnl_interval: int, lengths: dict[str, int] | None = None) -> None:
        self.header, self.outputs = np.zeros(1, r.PORTFOLIO), np.zeros(1, r.OUTPUTS)
        self.row, self.out = self.header[0], self.outputs[0]
        self.row["timer"], self.row["pnl_interval"] = r.NO_TIMER, pnl_interval
        self.timer = r.NO_TIMER
        self.tables: dict[str, Table] = {}
        for name, length in {**FIRST_LENGTHS, **FIRST_OUTPUTS, **(lengths or {})}.items():
            self._put(name, Table(ROW_TYPES[name], length))
        self._build_index()

    def _put(self, name: str, table: Table) -> None:
        self.tables[name] = table
        (self.out if name in FIRST_OUTPUTS else self.row)[name] = table.address

    def used(self, name: str) -> int:
        """Rows in use of a table."""
        return int((self.out if name in FIRST_OUTPUTS else self.row)[f"{name}_used"])

    def grow(self, name: str, length: int = 0) -> None:
        """Twice the rows, or so many; the index grows with the tables it finds rows of."""
        table = self.tables[name]
        self._put(name, table.grown(max(2 * len(table), length, 1)))
        if name in FIRST_LENGTHS:
            self._build_index()

    def _build_index(self) -> None:
        """An index with room for every row that the tables have, of those in use."""
        index = Table(ENTRY, slots_for(sum(len(self.tables[name]) for name in FIRST_LENGTHS)))
        self.tables["index"] = index
        self.row["index"] = index.address
        view = _entries(index)
        for place, row in enumerate(self.used_rows("instruments")):
            put(view, int(row["instrument"]), r.INSTRUMENT_KEY, place)
        for place, row in enumerate(self.used_rows("accounts")):
            put(view, int(row["account"]) & 0xFFFFFFFF, r.ACCOUNT_KEY, place)
        for place, row in enumerate(self.used_rows("holdings")):
            put(
                view,
                int(row["account"]) & 0xFFFFFFFF,
                int(row["strategy"]) * r.INSTRUMENT_IDS + int(row["instrument"]),
                place,
            )

    def used_rows(self, name: str) -> Any:
        """The rows in use of a table."""
        return self.tables[name].rows[: self.used(name)]

    def encoded(self) -> bytes:
        """The state in canonical form: equal states have equal bytes, whatever the tables'
        lengths are.
        """
        rows = {name: self.used_rows(name).tobytes() for name in FIRST_LENGTHS}
        return msgspec.msgpack.encode(
            Snapshot([int(self.row[name]) for name in r.STATE_FIELDS], **rows)
        )

    def take(self, encoded: bytes) -> None:
        """Become what ``encoded`` says. Raises BadState, with nothing changed."""
        try:
            found = msgspec.msgpack.decode(encoded, type=Snapshot)
        except msgspec.DecodeError as problem:
            raise BadState(f"{NOT_OURS}: {problem}") from problem
        used = dict(zip(r.STATE_FIELDS, found.header, strict=False))
        for name in FIRST_LENGTHS:
            if (
                len(found.header) != len(r.STATE_FIELDS)
                or len(getattr(found, name)) != used[f"{name}_used"] * ROW_TYPES[name].itemsize
            ):
                raise BadState(f"{NOT_OURS}: its lengths do not agree")
        for name in FIRST_LENGTHS:
            rows = np.frombuffer(getattr(found, name), ROW_TYPES[name])
            table = Table(ROW_TYPES[name], max(len(self.tables[name]), len(rows)))
            table.rows[: len(rows)] = rows
            self._put(name, table)
        for name, value in used.items():
            self.row[name] = value
        self.timer = used["timer"]
        self._build_index()


def _entries(index: Table) -> Any:
    """The index as ``put`` takes it: compiled code takes the array, plain Python a view."""
    return index.rows if hasattr(put, "py_func") else table_at(index.address, ENTRY)


def cash_amount(text: str | int, amount_precision: int) -> int:
    """Cash as written (at most 8 decimals, up to 92 billion) in account units, which may be
    finer than 64 bits allow.
    """
    decimals = min(amount_precision, CASH_DECIMALS)
    amount: int = fixed.parse(str(text), decimals) * 10 ** (amount_precision - decimals)
    return amount
