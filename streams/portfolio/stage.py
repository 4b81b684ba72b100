"""The portfolio stage: books fills at average cost and reports P&L on the minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.errors import BadData
from schemas.records import Fill, Instrument, Mark, PnL, Position
from schemas.vocabulary import Flag, Side
from streams.numeric.cost import add, reduce
from streams.numeric.fixed import divide_half_even
from streams.portfolio.reading import PositionView
from streams.portfolio.state import INSTRUMENT_IDS, NO_TIMER, STRATEGY_IDS, WIDE, Account, Holding, Line, State, cash_amount, new_line, pack
from streams.portfolio.valuation import unrealized, value_account

BUY = int(Side.BUY)
PARTIAL = int(Flag.PARTIAL)
MINUTE = 60_000_000_000


class UnknownInstrument(BadData):
    """A fill or mark names an instrument without reference data."""

    code = "portfolio.unknown_instrument"


class IdOutOfRange(BadData):
    """A strategy or instrument number does not fit the key of a holding."""

    code = "portfolio.id_out_of_range"


class PrecisionChanged(BadData):
    """An instrument's precision changed after it was listed."""

    code = "portfolio.precision_changed"


QUIET_INTERVALS_MAX = 10_080
"""P&L records in a row that say the same (a week of minutes): a clock that jumps over years is no reason to write millions of them."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Starting cash and the reporting interval."""

    account: int = 1
    """the account that owns the starting cash; any other account seen starts with none"""
    cash: str | int = "0"
    """decimal text in the settlement currency, for example "1000000"; at most 8 decimals"""
    pnl_interval: int = 60_000_000_000
    """nanoseconds of event time between P&L records, which fall on its multiples, and on every minute: what
    is measured must not depend on how often it is published"""

    def __post_init__(self) -> None:
        if not 1_000_000 <= self.pnl_interval <= 86_400_000_000_000:
            raise ValueError(f"pnl_interval is {self.pnl_interval} ns; give between 1000000 (1 ms) and 86400000000000 (1 day)")


class Portfolio:
    """Positions after every fill; P&L at multiples of `pnl_interval` and at the end of the input."""

    NAME = "portfolio"
    INPUTS = ("fills", "md.marks", "ref.instruments")
    OUTPUTS = ("positions", "pnl")
    STATE_VERSION = 1

    def __init__(self, instruments: Sequence[Instrument], settings: Settings) -> None:
        self.settings = settings
        precision = max((each.price_precision + each.quantity_precision for each in instruments), default=0)
        cash = cash_amount(settings.cash, precision)
        self.state = State(NO_TIMER, precision, {}, {settings.account: Account(pack(cash), {})})
        for instrument in instruments:
            self._add_line(instrument)

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification; the last mark stays."""
        self._add_line(record)

    def on_fill(self, record: Fill, context: Any) -> None:
        """Book one fill: one ledger entry, or two where it flips the position."""
        state = self.state
        state.changed_since_pnl = True
        line = state.lines.get(record.instrument)
        if line is None:
            raise unknown_instrument(record.instrument, "fill")
        account = state.accounts.get(record.account)
        if account is None:
            account = state.accounts[record.account] = Account(0, {})
        key = record.strategy * INSTRUMENT_IDS + record.instrument
        holding = account.holdings.get(key)
        if holding is None:
            holding = self._open_holding(account, key, record)
        quantity = record.quantity
        signed = quantity if record.side == BUY else -quantity
        held = holding.quantity
        if held and (held > 0) != (signed > 0) and quantity > abs(held):
            closing_fee = divide_half_even(record.fee * abs(held), quantity)
            self._book(record, account, holding, line, -held, closing_fee, context)
            self._book(record, account, holding, line, signed + held, record.fee - closing_fee, context)
        else:
            self._book(record, account, holding, line, signed, record.fee, context)
        if state.timer == NO_TIMER:
            self._start_timer(context.clock)

    def on_mark(self, record: Mark, context: Any) -> None:
        """The prices at which longs and shorts are valued from now on."""
        state = self.state
        line = state.lines.get(record.instrument)
        if line is None:
            raise unknown_instrument(record.instrument, "mark")
        line.mark = record
        if state.timer == NO_TIMER and state.quiet_intervals:
            self._start_timer(context.clock)
        elif state.timer == NO_TIMER:
            self._open(context)
        state.changed_since_pnl = True

    def on_mark_run(self, found: Sequence[Mark], context: Any) -> None:
        """Marks in a row, behind one that was taken by itself: what ``on_mark`` does with each."""
        line_of = self.state.lines.get
        for record in found:
            line = line_of(record.instrument)
            if line is None:
                raise unknown_instrument(record.instrument, "mark")
            line.mark = record

    def on_timer(self, deadline: int, context: Any) -> None:
        """A multiple of the interval, or a minute, is due: one P&L record an account. After many that say the same the next change is waited for."""
        state = self.state
        state.quiet_intervals = 0 if state.changed_since_pnl else state.quiet_intervals + 1
        self._emit_pnl(deadline, context)
        self._start_timer(deadline)
        if state.quiet_intervals >= QUIET_INTERVALS_MAX:
            state.timer = NO_TIMER

    def on_end(self, context: Any) -> None:
        """The closing P&L, unless nothing happened since the last one."""
        if self.state.changed_since_pnl:
            self._emit_pnl(context.clock, context)

    @property
    def amount_precision(self) -> int:
        """Decimals of :meth:`cash` and :meth:`equity`; an instrument that is listed later may add some."""
        return self.state.amount_precision

    def accounts(self) -> tuple[int, ...]:
        """Numbers of the accounts, in the order they were first seen."""
        return tuple(self.state.accounts)

    def holding(self, account: int, strategy: int, instrument: int) -> PositionView:
        """Position of a strategy in an instrument; zeros if it has never traded there."""
        found = self.state.accounts.get(account)
        held = found.holdings.get(strategy * INSTRUMENT_IDS + instrument) if found is not None else None
        return PositionView(held.quantity, int(held.cost), int(held.realized), int(held.fees)) if held is not None else PositionView()

    def cash(self, account: int) -> int:
        """Cash of an account in units of 10^-amount_precision; 0 for an account that was never seen."""
        found = self.state.accounts.get(account)
        return int(found.cash) if found is not None else 0

    def value(self, account: int, clock: int) -> PnL:
        """The P&L record that the account would have now. KeyError if it was never seen."""
        return value_account(account, self.state.accounts[account], self.state.lines, self.amount_precision, clock)

    def equity(self, account: int) -> int | None:
        """Cash and market value at the last marks, in units of 10^-amount_precision; None while a position cannot be valued."""
        return self.value(account, 0).equity if account in self.state.accounts else 0

    def unrealized(self, account: int, strategy: int, instrument: int) -> int | None:
        """Profit of a position at the last mark in the unit of its cost, 0 without one, None while it cannot be valued."""
        found = self.state.accounts.get(account)
        held = found.holdings.get(strategy * INSTRUMENT_IDS + instrument) if found is not None else None
        return unrealized(self.state.lines[instrument], held.quantity, int(held.cost)) if held is not None else 0

    def _book(self, fill: Fill, account: Account, holding: Holding, line: Line, signed: int, fee: int, context: Any) -> None:
        """One ledger entry: `signed` quantity at the fill's price, with its share of the fee."""
        held = holding.quantity
        notional = fill.price * (signed if signed > 0 else -signed) * line.multiplier
        if held == 0 or (held > 0) == (signed > 0):
            held, cost, gain = add(held, int(holding.cost), signed, notional)
        else:
            held, cost, gain = reduce(held, int(holding.cost), signed, notional)
        realized = int(holding.realized) + gain
        fees = int(holding.fees) + fee
        moved = (-notional if signed > 0 else notional) if line.settled_in_cash else gain
        cash = int(account.cash) + (moved - fee) * line.scale
        holding.quantity = held
        holding.cost = cost if -WIDE < cost < WIDE else str(cost)
        holding.realized = realized if -WIDE < realized < WIDE else str(realized)
        holding.fees = fees if -WIDE < fees < WIDE else str(fees)
        account.cash = cash if -WIDE < cash < WIDE else str(cash)
        context.emit(
            Position(fill.account, fill.strategy, fill.instrument, context.clock, fill.order_id, held, cost, realized, fees),
        )

    def _emit_pnl(self, clock: int, context: Any) -> None:
        state = self.state
        for number, account in state.accounts.items():
            context.emit(value_account(number, account, state.lines, state.amount_precision, clock))
        state.changed_since_pnl = False

    def _open(self, context: Any) -> None:
        """The first mark: the account as it begins, flagged PARTIAL for no interval lies behind it."""
        for number, account in self.state.accounts.items():
            opening = value_account(number, account, self.state.lines, self.state.amount_precision, context.clock)
            context.emit(msgspec.structs.replace(opening, flags=opening.flags | PARTIAL))
        self._start_timer(context.clock)

    def _start_timer(self, clock: int) -> None:
        interval = self.settings.pnl_interval
        self.state.timer = min((clock // interval + 1) * interval, (clock // MINUTE + 1) * MINUTE)

    def _open_holding(self, account: Account, key: int, fill: Fill) -> Holding:
        if not 0 <= fill.strategy < STRATEGY_IDS:
            raise IdOutOfRange(f"strategy {fill.strategy} cannot be booked; number strategies from 0 to {STRATEGY_IDS - 1}")
        holding = account.holdings[key] = Holding(fill.strategy, fill.instrument)
        return holding

    def _add_line(self, instrument: Instrument) -> None:
        """Add or change a line; a finer precision than any before rescales cash, exactly."""
        if not 0 <= instrument.instrument < INSTRUMENT_IDS:
            raise IdOutOfRange(f"instrument {instrument.instrument} cannot be booked; number instruments from 0 to {INSTRUMENT_IDS - 1}")
        state = self.state
        precision = instrument.price_precision + instrument.quantity_precision
        before = state.lines.get(instrument.instrument)
        if before is not None and before.precision != precision:
            raise PrecisionChanged(f"instrument {instrument.instrument} changed its precision; give the new specification a new instrument number")
        finer = precision - state.amount_precision
        if finer > 0:
            state.amount_precision += finer
            for account in state.accounts.values():
                account.cash = pack(int(account.cash) * 10**finer)
            for line in state.lines.values():
                line.scale *= 10**finer
        line = new_line(instrument, state.amount_precision)
        if before is not None:
            line.mark = before.mark
        state.lines[instrument.instrument] = line


def unknown_instrument(instrument: int, record: str) -> UnknownInstrument:
    """The error for a record whose instrument has no reference data."""
    return UnknownInstrument(f"a {record} names instrument {instrument}, which is not in ref.instruments; add it with --instruments FILE")
