"""The reporting stage as the topology names it: a thin shell around the compiled handlers.

It follows fills and P&L by ``handlers.py``, and reports every metric of an account at the end of
the input: that is Python, over what the records say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.errors import AmountTooLarge, BadData
from schemas.records import Fill, Instrument, PerformanceReport, PnL
from streams.numeric.conversion import writer
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.stage_calls import StageCalls
from streams.numeric.stage_records import (
    INSTRUMENT_OUT_OF_RANGE,
    STRATEGY_OUT_OF_RANGE,
    UNKNOWN_INSTRUMENT,
)
from streams.numeric.stage_shell import StageShell
from streams.reporting import records as r
from streams.reporting.account import Account, account_of, measure_account, new_account
from streams.reporting.equity import Window
from streams.reporting.handlers import ON_FILL, ON_INSTRUMENT, ON_PNL, handle
from streams.reporting.state import GROWS, State

__all__ = [
    "NO_TIMER",
    "Account",
    "Reporting",
    "Settings",
    "UnknownInstrument",
    "measure_account",
    "new_account",
]


class UnknownInstrument(BadData):
    """A fill names an instrument without reference data."""

    code = "reporting.unknown_instrument"


class IdOutOfRange(BadData):
    """A strategy or instrument number does not fit the key of a round trip."""

    code = "reporting.id_out_of_range"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The time that is measured, in ns; the conventions are fixed, so that runs can be compared."""

    trade_from: int = 0
    """trading may not begin before"""
    warmup: int = 0
    """nor this long after the first mark"""
    trade_to: int = 0
    """end of the time traded where the data go on beyond it; 0: the end of the data"""


_WRITE_FILL = writer(
    "Fill", ("account", "strategy", "instrument", "event_time", "side", "price", "quantity", "fee")
)
_WRITE_PNL = writer("PnL")


class Reporting(StageShell[State]):
    """Fills and P&L in; one PerformanceReport for each metric and account at the end."""

    NAME = "reporting"
    ENTRY = handle
    INPUTS = ("fills", "pnl", "ref.instruments")
    OUTPUTS = ("reports",)
    STATE_VERSION = 3

    def __init__(
        self,
        instruments: Sequence[Instrument],
        settings: Settings,
        lengths: Mapping[str, int] | None = None,
    ) -> None:
        self.settings = settings
        super().__init__(State(settings.trade_from, settings.warmup, lengths))
        self._symbols: dict[int, str] = {}
        self._fill, self._pnl = np.zeros(1, r.FILL), np.zeros(1, r.PNL)
        self._specification = np.zeros(1, r.SPECIFICATION)
        self._fill_address, self._pnl_address = self._fill.ctypes.data, self._pnl.ctypes.data
        for instrument in instruments:
            self._list(instrument)

    # -- handlers

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification."""
        self._list(record)

    def on_pnl(self, record: PnL, context: Any) -> None:
        """A sample of equity."""
        _WRITE_PNL(record, self._pnl)
        self._handle(ON_PNL, self._pnl_address, 0)

    def on_fill(self, record: Fill, context: Any) -> None:
        """Volume, time in the market, and the round trip the fill belongs to."""
        _WRITE_FILL(record, self._fill)
        self._handle(ON_FILL, self._fill_address, 0)

    def on_end(self, context: Any) -> None:
        """One record for each account and metric, in the order of METRICS."""
        window = self.window(context.clock)
        for number in self.accounts():
            for measure in measure_account(self.account(number), self.amount_precision, window):
                name, value, reason, samples = measure
                report = PerformanceReport(number, context.clock, name, value, reason, samples)
                context.emit(report)

    # -- what others read

    @property
    def amount_precision(self) -> int:
        """Decimals of an account's sums."""
        return int(self.state.row["amount_precision"])

    def accounts(self) -> tuple[int, ...]:
        """Numbers of the accounts, in the order they were first seen."""
        return tuple(int(row["account"]) for row in self.state.used_rows("accounts"))

    def account(self, number: int) -> Account:
        """What the records say of an account; one that was never seen has done nothing."""
        rows, samples = self.state.used_rows("accounts"), self.state.used_rows("samples")
        for place in np.flatnonzero(rows["account"] == number):
            return account_of(rows[place], samples[samples["account_place"] == place])
        return new_account()

    def window(self, clock: int) -> Window:
        """The time that is measured were the input to end at `clock`."""
        began = int(self.state.row["began"])
        return Window(None if began == r.NO_TIME else began, self.settings.trade_to or clock)

    # -- the shell itself

    def settle(self, code: int, kind: int, context: Any) -> None:
        """Where a table is full let it grow; raise what any other fault stands for."""
        fault = self.state.take_fault()
        if code not in GROWS:
            raise self._error(int(code), **fault)
        self.state.grow(GROWS[code], fault["value"])

    def calls(self) -> StageCalls:
        """How the scheduler calls the handlers, which write nothing."""
        return StageCalls(handle, self._header_address, 0, {"fills": ON_FILL, "pnl": ON_PNL}, ())

    def _list(self, instrument: Instrument) -> None:
        """Add or change an instrument."""
        self._symbols[instrument.instrument] = instrument.symbol
        precision = instrument.price_precision + instrument.quantity_precision
        self._specification[0] = (instrument.instrument, precision, instrument.multiplier)
        self._handle(ON_INSTRUMENT, self._specification.ctypes.data, 0)

    def _error(self, code: int, entity: int, value: int, limit: int) -> BadData:
        """The error that a fault stands for."""
        if code == UNKNOWN_INSTRUMENT:
            text = f"a fill names instrument {entity}, which is not in ref.instruments"
            return UnknownInstrument(f"{text}; add it with --instruments FILE")
        if code == STRATEGY_OUT_OF_RANGE:
            return IdOutOfRange(
                f"strategy {entity} cannot be followed; number strategies from 0 to {limit}"
            )
        if code == INSTRUMENT_OUT_OF_RANGE:
            return IdOutOfRange(
                f"instrument {entity} cannot be followed; number instruments from 0 to {limit}"
            )
        name = f"{self._symbols.get(entity, 'unknown')} (instrument {entity})"
        name = f"{name}: a sum with the fill of {limit}"
        what = f"a sum of account {value}" if entity < 0 else f"{name} at price {value}"
        advice = "correct the precisions in the instrument table"
        return AmountTooLarge(f"{what} has more than the 38 digits of an amount; {advice}")
