"""The reporting stage: follows fills and P&L, and reports every metric of an account at the end of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.errors import BadData
from schemas.records import Fill, Instrument, PerformanceReport, PnL
from schemas.vocabulary import Flag
from streams.reporting.equity import WIDE, MinuteEquity, Window, beginning, closed_samples, observe, pack, sample_times
from streams.reporting.metrics import Activity, Measure, TripTotals, measure_all
from streams.reporting.round_trips import OpenTrip, RoundTrip, book

NO_TIMER = 2**63 - 1
INSTRUMENT_IDS = 1 << 12
PARTIAL = int(Flag.PARTIAL)


class UnknownInstrument(BadData):
    """A fill names an instrument without reference data."""

    code = "reporting.unknown_instrument"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The time that is measured; the conventions are fixed, so that numbers of different runs can be compared. All in ns."""

    trade_from: int = 0
    """trading may not begin before"""
    warmup: int = 0
    """nor this long after the first mark"""
    trade_to: int = 0
    """end of the time traded where the data go on beyond it; 0: the end of the data"""


class Line(msgspec.Struct, array_like=True):
    """What profits need of an instrument's specification."""

    precision: int
    multiplier: int
    scale: int
    """10^(amount_precision - precision): from its amounts to the account's"""


class Account(msgspec.Struct):
    """One account: its equity, open round trips by ``strategy * 4096 + instrument``, and sums over the closed ones."""

    equity: MinuteEquity
    open_trips: dict[int, OpenTrip]
    totals: TripTotals
    activity: Activity
    exposed_since: int = 0


class State(msgspec.Struct):
    """Grows by one number a minute and account, and with the number of positions open at once; never with orders."""

    timer: int
    amount_precision: int
    lines: dict[int, Line]
    accounts: dict[int, Account]
    began: int | None = None
    """when trading may begin; null before the account's opening P&L record"""


def new_account() -> Account:
    """An account that has done nothing."""
    return Account(MinuteEquity(), {}, TripTotals(), Activity())


class Reporting:
    """Fills and P&L in; one PerformanceReport for each metric and account at the end."""

    NAME = "reporting"
    INPUTS = ("fills", "pnl", "ref.instruments")
    OUTPUTS = ("reports",)
    STATE_VERSION = 2

    def __init__(self, instruments: Sequence[Instrument], settings: Settings) -> None:
        self.settings = settings
        self.state = State(NO_TIMER, 0, {}, {})
        for instrument in instruments:
            self._add_line(instrument)

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification."""
        self._add_line(record)

    def on_pnl(self, record: PnL, context: Any) -> None:
        """A sample of equity."""
        account = self.state.accounts.get(record.account)
        if account is None:
            account = self.state.accounts[record.account] = new_account()
        state = self.state
        if record.flags & PARTIAL and state.began is None:
            state.began = max(self.settings.trade_from, record.event_time + self.settings.warmup)
        observe(account.equity, record, state.began)

    def on_fill(self, record: Fill, context: Any) -> None:
        """Volume, time in the market, and the round trip the fill belongs to."""
        state = self.state
        line = state.lines.get(record.instrument)
        if line is None:
            raise UnknownInstrument(f"a fill names instrument {record.instrument}, which is not in ref.instruments; add it with --instruments FILE")
        account = state.accounts.get(record.account)
        if account is None:
            account = state.accounts[record.account] = new_account()
        scale = line.scale
        activity = account.activity
        activity.fills += 1
        volume = int(activity.volume) + record.price * record.quantity * line.multiplier * scale
        activity.volume = volume if volume < WIDE else str(volume)
        trips = account.open_trips
        if not trips:
            account.exposed_since = record.event_time
        key = record.strategy * INSTRUMENT_IDS + record.instrument
        trip, closed = book(trips.get(key), record, line.multiplier)
        if trip is not None:
            trips[key] = trip
        else:
            del trips[key]
            if not trips:
                activity.exposed += record.event_time - account.exposed_since
        if closed is not None:
            add_trip(account.totals, closed, scale)

    def on_end(self, context: Any) -> None:
        """One record for each account and metric, in the order of METRICS."""
        for number, account in self.state.accounts.items():
            for measure in measure_account(account, self.state.amount_precision, self.window(context.clock)):
                context.emit(PerformanceReport(number, context.clock, measure.name, measure.value, measure.reason, measure.samples))

    def window(self, clock: int) -> Window:
        """The time that is measured were the input to end at `clock`."""
        return Window(self.state.began, self.settings.trade_to or clock)

    def _add_line(self, instrument: Instrument) -> None:
        """Add or change a line; a finer precision than any before rescales what was summed, exactly."""
        state = self.state
        precision = instrument.price_precision + instrument.quantity_precision
        if precision > state.amount_precision:
            scale = 10 ** (precision - state.amount_precision)
            for account in state.accounts.values():
                account.activity.volume = pack(int(account.activity.volume) * scale)
                totals = account.totals
                for name in ("profit", "loss", "largest_win", "largest_loss"):
                    setattr(totals, name, pack(int(getattr(totals, name)) * scale))
            for line in state.lines.values():
                line.scale *= scale
            state.amount_precision = precision
        state.lines[instrument.instrument] = Line(precision, instrument.multiplier, 10 ** (state.amount_precision - precision))


def add_trip(totals: TripTotals, trip: RoundTrip, scale: int) -> None:
    """Add a closed round trip; `scale` takes its amounts to the account's unit."""
    net = trip.net * scale
    totals.trades += 1
    totals.holding += trip.closed - trip.opened
    if net > 0:
        totals.wins += 1
        totals.profit = pack(int(totals.profit) + net)
        totals.largest_win = pack(max(int(totals.largest_win), net))
    elif net < 0:
        totals.losses += 1
        totals.loss = pack(int(totals.loss) + net)
        totals.largest_loss = pack(min(int(totals.largest_loss), net))


def measure_account(account: Account, amount_precision: int, window: Window) -> list[Measure]:
    """The metrics of an account over the window; its state stays as it is."""
    series = account.equity
    samples = closed_samples(series, window)
    start = None if series.start is None else int(series.start)
    scale = 10 ** (amount_precision - series.amount_precision) if start is not None else 1
    exposed = account.activity.exposed + (window.ended - account.exposed_since if account.open_trips else 0)
    began = beginning(series, window)
    elapsed = max(0, window.ended - began) if samples else 0
    times = [time - began for time in sample_times(series, window, len(samples))]
    activity = Activity(account.activity.fills, account.activity.volume, min(exposed, elapsed), elapsed)
    if scale != 1:
        start = None if start is None else start * scale
        samples = [sample * scale for sample in samples]
    return measure_all(start, samples, account.totals, activity, amount_precision, times)
