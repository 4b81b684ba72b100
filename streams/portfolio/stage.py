"""The portfolio stage as the topology names it: a thin shell around the compiled handlers.

It converts a record to its row, calls the handler in ``handlers.py``, and emits the rows that the
handler wrote. No rule stands here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.records import Fill, Instrument, Mark, PnL
from schemas.vocabulary import InstrumentKind
from streams.numeric.conversion import bytes_of, reader, writer
from streams.numeric.int128 import high, is_decimal, join, low
from streams.numeric.portfolio_reads import POSITION_READ
from streams.numeric.stage_calls import StageCalls, outputs_at
from streams.numeric.stage_records import INSTRUMENT_IDS, STRATEGY_IDS
from streams.numeric.stage_shell import StageShell
from streams.portfolio import records as r
from streams.portfolio.faults import (
    IdOutOfRange,
    PrecisionChanged,
    UnknownInstrument,
    error_of,
    too_large,
)
from streams.portfolio.handlers import (
    ON_ACCOUNT,
    ON_END,
    ON_FILL,
    ON_INSTRUMENT,
    ON_MARK,
    ON_OPENING,
    ON_POSITION,
    ON_TIMER,
    QUIET_INTERVALS_MAX,
    handle,
)
from streams.portfolio.reading import PositionView, find_account, find_holding, read_value
from streams.portfolio.state import GROWS, State, cash_amount

__all__ = [
    "QUIET_INTERVALS_MAX",
    "IdOutOfRange",
    "Portfolio",
    "PrecisionChanged",
    "Settings",
    "UnknownInstrument",
]

SETTLED_IN_CASH = (int(InstrumentKind.SPOT), int(InstrumentKind.EQUITY))


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Starting cash and the reporting interval."""

    account: int = 1
    """the account that owns the starting cash; any other account seen starts with none"""
    cash: str | int = "0"
    """decimal text in the settlement currency, for example "1000000"; at most 8 decimals"""
    pnl_interval: int = 60_000_000_000
    """nanoseconds of event time between P&L records, which fall on its multiples, and on every
    minute: what is measured must not depend on how often it is published"""

    def __post_init__(self) -> None:
        if not 1_000_000 <= self.pnl_interval <= 86_400_000_000_000:
            raise ValueError(
                f"pnl_interval is {self.pnl_interval} ns; "
                "give between 1000000 (1 ms) and 86400000000000 (1 day)"
            )


_WRITE_FILL = writer(
    "Fill", ("account", "strategy", "instrument", "side", "price", "quantity", "fee")
)
_WRITE_MARK = writer("Mark", ("instrument", "bid_price", "ask_price", "flags"))
_READ_POSITION, _READ_PNL = reader("Position", "order_id"), reader("PnL")
_AMOUNTS = struct.Struct(f"={r.place_in(r.HOLDING, 'quantity')}x" + "q" + 3 * "qQ")
"""Quantity, cost, realized and fees of a holding."""
_POSITION = struct.Struct("=24x3q" + 4 * "qQ")
"""Of a POSITION_READ, what is asked left out."""
POSITIONS_USED, PNL_USED = (
    r.place_in(r.OUTPUTS, name) // 8 for name in ("positions_used", "pnl_used")
)
"""Words of the outputs' record."""


class Portfolio(StageShell[State]):
    """Positions after every fill; P&L at multiples of `pnl_interval` and at the end of the
    input.
    """

    NAME = "portfolio"
    ENTRY = handle
    INPUTS = ("fills", "md.marks", "ref.instruments")
    OUTPUTS = ("positions", "pnl")
    STATE_VERSION = 2

    def __init__(
        self,
        instruments: Sequence[Instrument],
        settings: Settings,
        lengths: dict[str, int] | None = None,
    ) -> None:
        self.settings = settings
        super().__init__(State(settings.pnl_interval, lengths))
        self._symbols: dict[int, str] = {}
        self._fill, self._mark, self._specification = (
            np.zeros(1, r.FILL),
            np.zeros(1, r.MARK),
            np.zeros(1, r.SPECIFICATION),
        )
        self._position = np.zeros(1, POSITION_READ)
        self._position_words, self._position_bytes = (
            self._position.view(np.int64).data, bytes_of(self._position),
        )  # fmt: skip
        self._fill_address, self._mark_address = self._fill.ctypes.data, self._mark.ctypes.data
        self._position_address = self._position.ctypes.data
        self._out_words = self.state.outputs.data.cast("B").cast("q")
        precision = max(
            (each.price_precision + each.quantity_precision for each in instruments), default=0
        )
        self._open_account(settings.account, cash_amount(settings.cash, precision), precision)
        for instrument in instruments:
            self._list(instrument)

    # -- handlers

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification; the last mark stays."""
        self._list(record)

    def on_fill(self, record: Fill, context: Any) -> None:
        """Book one fill: one entry, or two where it flips the position."""
        _WRITE_FILL(record, self._fill)
        self._handle(ON_FILL, self._fill_address, context.clock)
        rows = self.state.tables["positions"].rows
        for place in range(self._out_words[POSITIONS_USED]):
            context.emit(_READ_POSITION(rows, place * r.POSITION.itemsize, record.order_id))
        self._out_words[POSITIONS_USED] = 0

    def on_mark(self, record: Mark, context: Any) -> None:
        """The prices at which longs and shorts are valued from now on."""
        _WRITE_MARK(record, self._mark)
        self._handle(ON_MARK, self._mark_address, context.clock)
        self._emit_pnl(context)

    def on_timer(self, deadline: int, context: Any) -> None:
        """A multiple of the interval, or a minute, is due: one P&L record an account."""
        self._handle(ON_TIMER, 0, deadline)
        self._emit_pnl(context)

    def on_end(self, context: Any) -> None:
        """The closing P&L, unless nothing happened since the last one."""
        self._handle(ON_END, 0, context.clock)
        self._emit_pnl(context)

    # -- what others read

    @property
    def amount_precision(self) -> int:
        """Decimals of :meth:`cash` and :meth:`equity`; an instrument that is listed later may
        add some.
        """
        return int(self.state.row["amount_precision"])

    def accounts(self) -> tuple[int, ...]:
        """Numbers of the accounts, in the order they were first seen."""
        return tuple(int(row["account"]) for row in self.state.used_rows("accounts"))

    def holdings(self, account: int) -> tuple[tuple[int, int], ...]:
        """(strategy, instrument) of all that was ever held, in the order it was first traded."""
        rows = self.state.used_rows("holdings")
        return tuple(
            (int(row["strategy"]), int(row["instrument"]))
            for row in rows[rows["account"] == account]
        )

    def holding(self, account: int, strategy: int, instrument: int) -> PositionView:
        """Position of a strategy in an instrument; zeros if it has never traded there."""
        place = self._place_of(account, strategy, instrument)
        if place < 0:
            return PositionView()
        quantity, *limbs = _AMOUNTS.unpack_from(
            self.state.tables["holdings"].rows.data, place * r.HOLDING.itemsize
        )
        return PositionView(quantity, *(join(limbs[at], limbs[at + 1]) for at in (0, 2, 4)))

    def _place_of(self, account: int, strategy: int, instrument: int) -> int:
        """Place of a holding, -1 if there is none."""
        if not (0 <= strategy < STRATEGY_IDS and 0 <= instrument < INSTRUMENT_IDS):
            return -1
        place: int = find_holding(self._header_address, account, strategy, instrument)
        return place

    def cash(self, account: int) -> int:
        """Cash of an account in units of 10^-amount_precision; 0 for an account that was never
        seen.
        """
        place = find_account(self._header_address, account)
        row = self.state.tables["accounts"].rows[place]
        return join(row["cash_high"], row["cash_low"]) if place >= 0 else 0

    def value(self, account: int, clock: int) -> PnL:
        """The P&L record that the account would have now. KeyError if it was never seen."""
        place = find_account(self._header_address, account)
        if place < 0:
            raise KeyError(account)
        row = np.zeros(1, r.PNL)
        if not read_value(self._header_address, place, clock, row.ctypes.data):
            raise too_large(f"the value of account {account}")
        found: PnL = _READ_PNL(row, 0)
        return found

    def equity(self, account: int) -> int | None:
        """Cash and market value at the last marks, in units of 10^-amount_precision; None while
        a position cannot be valued.
        """
        return (
            self.value(account, 0).equity if find_account(self._header_address, account) >= 0 else 0
        )

    def position(self, account: int, strategy: int, instrument: int) -> tuple[Any, ...]:
        """(quantity, average price, cost, realized, unrealized, fees) of a position; ``unrealized``
        is at the last mark, None while it cannot be valued.
        """
        words = self._position_words
        words[0], words[1], words[2] = account, strategy, instrument
        self._handle(ON_POSITION, self._position_address, 0)
        quantity, average, is_valued, *limbs = _POSITION.unpack_from(self._position_bytes)
        cost, realized, profit, fees = (join(limbs[at], limbs[at + 1]) for at in (0, 2, 4, 6))
        return quantity, average, cost, realized, profit if is_valued else None, fees

    def unrealized(self, account: int, strategy: int, instrument: int) -> int | None:
        """Profit of a position at the last mark in the unit of its cost.

        0 without one, None while it cannot be valued.
        """
        found: int | None = self.position(account, strategy, instrument)[4]
        return found

    # -- the shell itself

    def settle(self, code: int, kind: int, context: Any) -> None:
        """Where a table is full let it grow; raise what any other fault stands for."""
        fault = self.state.take_fault()
        if code not in GROWS:
            what = "fill" if kind == ON_FILL else "mark"
            raise error_of(int(code), what, self._symbols, **fault)
        self.state.grow(GROWS[code], fault["value"] if code == r.PNL_FULL else 0)

    def calls(self) -> StageCalls:
        """How the scheduler calls the handlers."""
        header, out = self._header_address, self._out_address
        return StageCalls(
            handle,
            header,
            out,
            {"fills": ON_FILL, "md.marks": ON_MARK},
            outputs_at(r.OUTPUTS, out, {"positions": "positions", "pnl": "pnl"}),
            (header + r.place_in(r.PORTFOLIO, "timer"), ON_TIMER),
            reads={"position": ON_POSITION, "account": ON_ACCOUNT},
        )

    def _emit_pnl(self, context: Any) -> None:
        rows = self.state.tables["pnl"].rows
        for place in range(self._out_words[PNL_USED]):
            context.emit(_READ_PNL(rows, place * r.PNL.itemsize))
        self._out_words[PNL_USED] = 0

    def _open_account(self, account: int, cash: int, precision: int) -> None:
        if not is_decimal(cash):
            raise too_large(f"the cash of {cash} units of 10^-{precision}")
        self.state.row["amount_precision"] = precision
        opening = np.zeros(1, r.ACCOUNT)
        opening[0] = (account, high(cash), low(cash), 0, 0)
        self._handle(ON_OPENING, opening.ctypes.data, 0)

    def _list(self, instrument: Instrument) -> None:
        """Add or change an instrument."""
        self._symbols[instrument.instrument] = instrument.symbol
        precision = instrument.price_precision + instrument.quantity_precision
        self._specification[0] = (
            instrument.instrument,
            precision,
            instrument.multiplier,
            instrument.kind in SETTLED_IN_CASH,
        )
        self._handle(ON_INSTRUMENT, self._specification.ctypes.data, 0)
