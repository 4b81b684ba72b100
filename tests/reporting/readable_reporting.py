"""The reporting stage in plain Python integers, as it was before its state became records: the
oracle of the compiled stage. Only what records are made of; metrics are measured by one code.

``largest`` is the largest size of any amount, so that a test knows where 38 digits end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from schemas.records import Fill, Instrument, PnL
from schemas.vocabulary import Flag, Side

BUY = int(Side.BUY)
MINUTE = 60_000_000_000


@dataclass
class Trip:
    opened: int
    position: int
    entered: int
    entry: int
    exit: int
    fees: int
    fills: int


@dataclass
class Account:
    trips: dict[tuple[int, int], Trip] = field(default_factory=dict)
    fills: int = 0
    volume: int = 0
    exposed: int = 0
    exposed_since: int = 0
    trades: int = 0
    wins: int = 0
    losses: int = 0
    profit: int = 0
    loss: int = 0
    largest_win: int = 0
    largest_loss: int = 0
    holding: int = 0
    start: int | None = None
    first_minute: int = -(2**62)
    minute: int = -(2**62)
    last: int = 0
    priced: bool = False
    unpriced: bool = False
    samples: list[int] = field(default_factory=list)
    carried: int = 0
    precision: int = 0


class ReadableReporting:
    """Fills and P&L in, sums and samples by account."""

    def __init__(self, instruments: list[Instrument], trade_from: int, warmup: int) -> None:
        self.trade_from, self.warmup = trade_from, warmup
        self.precision = 0
        self.lines: dict[int, tuple[int, int]] = {}
        self.accounts: dict[int, Account] = {}
        self.began: int | None = None
        self.largest = 0
        for each in instruments:
            self.on_instrument(each)

    def noted(self, *amounts: int) -> None:
        self.largest = max(self.largest, *map(abs, amounts))

    def on_instrument(self, record: Instrument) -> None:
        precision = record.price_precision + record.quantity_precision
        if precision > self.precision:
            factor = 10 ** (precision - self.precision)
            for account in self.accounts.values():
                for name in ("volume", "profit", "loss", "largest_win", "largest_loss"):
                    setattr(account, name, getattr(account, name) * factor)
                self.noted(account.volume, account.profit, account.loss)
            self.precision = precision
        self.lines[record.instrument] = precision, record.multiplier

    def on_fill(self, record: Fill) -> None:
        precision, multiplier = self.lines[record.instrument]
        scale = 10 ** (self.precision - precision)
        account = self.accounts.setdefault(record.account, Account())
        unit, size = record.price * multiplier, record.quantity
        signed = size if record.side == BUY else -size
        account.fills += 1
        account.volume += unit * size * scale
        self.noted(unit * size * scale, account.volume)
        if not account.trips:
            account.exposed_since = record.event_time
        key = record.strategy, record.instrument
        trip = account.trips.get(key)
        if trip is None:
            account.trips[key] = Trip(
                record.event_time, signed, size, unit * size, 0, record.fee, 1
            )
            return
        trip.fills += 1
        held = abs(trip.position)
        if (trip.position > 0) == (signed > 0):
            trip.position += signed
            trip.entered += size
            trip.entry += unit * size
            trip.fees += record.fee
        elif size < held:
            trip.position += signed
            trip.exit += unit * size
            trip.fees += record.fee
        else:
            closing = round(Fraction(record.fee * held, size))
            self.close(
                account,
                trip,
                trip.exit + unit * held,
                trip.fees + closing,
                record.event_time,
                scale,
            )
            del account.trips[key]
            rest = size - held
            if rest:
                left = trip.position + signed
                trip = Trip(record.event_time, left, rest, unit * rest, 0, record.fee - closing, 1)
                account.trips[key] = trip
            elif not account.trips:
                account.exposed += record.event_time - account.exposed_since
        self.noted(trip.entry, trip.exit, trip.fees)
        self.noted(10**38 if max(abs(trip.position), trip.entered) >= 2**63 else 0)

    def close(
        self, account: Account, trip: Trip, brought: int, fees: int, clock: int, scale: int
    ) -> None:
        gross = brought - trip.entry if trip.position > 0 else trip.entry - brought
        net = (gross - fees) * scale
        account.trades += 1
        account.holding += clock - trip.opened
        if net > 0:
            account.wins += 1
            account.profit += net
            account.largest_win = max(account.largest_win, net)
        elif net < 0:
            account.losses += 1
            account.loss += net
            account.largest_loss = min(account.largest_loss, net)
        self.noted(brought, fees, gross, gross - fees, net, account.profit, account.loss)

    def on_pnl(self, record: PnL) -> None:
        account = self.accounts.setdefault(record.account, Account())
        if record.flags & Flag.PARTIAL and self.began is None:
            self.began = max(self.trade_from, record.event_time + self.warmup)
        equity, unrealized = record.equity, record.unrealized
        minute = (record.event_time - 1) // MINUTE
        is_valued = equity is not None and unrealized is not None
        if equity is not None and unrealized is not None:
            profit = record.realized + unrealized
            self.noted(profit, equity - profit, equity - profit + record.fees)
        if account.start is None:
            if equity is None or unrealized is None:
                return
            account.start = equity - record.realized - unrealized + record.fees
            account.precision = record.amount_precision
            begins = (
                record.event_time if self.began is None else max(record.event_time, self.began + 1)
            )
            account.first_minute = account.minute = (begins - 1) // MINUTE
        while account.minute < minute:
            account.samples.append(account.last)
            account.carried += account.unpriced and not account.priced
            account.priced = account.unpriced = False
            account.minute += 1
        is_measured = self.began is None or record.event_time > self.began
        if not is_valued:
            account.unpriced = is_measured
            return
        factor = 10 ** (record.amount_precision - account.precision)
        if factor != 1:
            account.start *= factor
            account.samples = [sample * factor for sample in account.samples]
            self.noted(account.start, account.last * factor, *account.samples)
            account.precision = record.amount_precision
        account.last = equity or 0
        account.priced = is_measured


def facts(account: Account) -> dict[str, Any]:
    """Everything an account is, but for its open trips."""
    return {name: value for name, value in vars(account).items() if name != "trips"}
