"""The portfolio in plain Python integers, as it was before its state became records: the oracle of
the compiled stage.

Nothing of the compiled stage is imported. ``largest`` is the largest size of any amount that was
booked or valued, whole or on the way, so that a test knows where 38 digits end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec

from schemas.records import Fill, Instrument, Mark, PnL, Position
from schemas.vocabulary import Flag, InstrumentKind, NullReason, Side

BUY = int(Side.BUY)
UNUSABLE = int(Flag.STALE | Flag.GAP)
NONE, NO_MARK, STALE_BOOK = (
    int(NullReason.NONE),
    int(NullReason.NO_MARK),
    int(NullReason.STALE_BOOK),
)
NO_TIMER = 2**63 - 1
MINUTE = 60_000_000_000


@dataclass
class Line:
    precision: int
    scale: int
    multiplier: int
    settled_in_cash: bool
    mark: Mark | None = None


@dataclass
class Holding:
    instrument: int
    quantity: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0


@dataclass
class Account:
    cash: int
    holdings: dict[tuple[int, int], Holding] = field(default_factory=dict)


class ReadablePortfolio:
    """Positions after every fill; P&L at multiples of the interval, at minutes and at the end."""

    def __init__(
        self,
        instruments: list[Instrument],
        account: int,
        cash: int,
        pnl_interval: int,
        quiet_max: int,
    ) -> None:
        self.interval, self.quiet_max = pnl_interval, quiet_max
        self.timer = NO_TIMER
        self.precision = max(
            (each.price_precision + each.quantity_precision for each in instruments), default=0
        )
        self.lines: dict[int, Line] = {}
        self.accounts = {account: Account(cash * 10**self.precision)}
        self.changed = False
        self.quiet = 0
        self.largest = 0
        for each in instruments:
            self.on_instrument(each)

    def noted(self, *amounts: int) -> None:
        self.largest = max(self.largest, *map(abs, amounts))

    def on_instrument(self, record: Instrument, context: Any = None) -> None:
        precision = record.price_precision + record.quantity_precision
        before = self.lines.get(record.instrument)
        assert before is None or before.precision == precision
        finer = precision - self.precision
        if finer > 0:
            self.precision = precision
            for account in self.accounts.values():
                account.cash *= 10**finer
                self.noted(account.cash)
            for line in self.lines.values():
                line.scale *= 10**finer
        settled = record.kind in (InstrumentKind.SPOT, InstrumentKind.EQUITY)
        mark = before.mark if before is not None else None
        self.lines[record.instrument] = Line(
            precision, 10 ** (self.precision - precision), record.multiplier, settled, mark
        )

    def on_fill(self, record: Fill, context: Any) -> None:
        self.changed = True
        line = self.lines[record.instrument]
        account = self.accounts.setdefault(record.account, Account(0))
        holding = account.holdings.setdefault(
            (record.strategy, record.instrument), Holding(record.instrument)
        )
        signed = record.quantity if record.side == BUY else -record.quantity
        held = holding.quantity
        if held and (held > 0) != (signed > 0) and record.quantity > abs(held):
            closing_fee = round(Fraction(record.fee * abs(held), record.quantity))
            self.book(record, account, holding, line, -held, closing_fee, context)
            self.book(
                record, account, holding, line, signed + held, record.fee - closing_fee, context
            )
        else:
            self.book(record, account, holding, line, signed, record.fee, context)
        if self.timer == NO_TIMER:
            self.start_timer(context.clock)

    def book(
        self,
        fill: Fill,
        account: Account,
        holding: Holding,
        line: Line,
        signed: int,
        fee: int,
        context: Any,
    ) -> None:
        held = holding.quantity
        notional = fill.price * abs(signed) * line.multiplier
        gain = 0
        if held == 0 or (held > 0) == (signed > 0):
            holding.cost += notional if signed > 0 else -notional
        else:
            released = round(Fraction(holding.cost * abs(signed), abs(held)))
            gain = (notional if signed < 0 else -notional) - released
            holding.cost -= released
        holding.quantity += signed
        holding.realized += gain
        holding.fees += fee
        moved = (-notional if signed > 0 else notional) if line.settled_in_cash else gain
        change = (moved - fee) * line.scale
        account.cash += change
        self.noted(
            notional,
            gain,
            moved - fee,
            change,
            holding.cost,
            holding.realized,
            holding.fees,
            account.cash,
        )
        self.noted(10**38 if abs(holding.quantity) >= 2**63 else 0)
        amounts = holding.quantity, holding.cost, holding.realized, holding.fees
        context.emit(
            Position(
                fill.account, fill.strategy, fill.instrument, context.clock, fill.order_id, *amounts
            )
        )

    def on_mark(self, record: Mark, context: Any) -> None:
        self.lines[record.instrument].mark = record
        if self.timer == NO_TIMER and self.quiet:
            self.start_timer(context.clock)
        elif self.timer == NO_TIMER:
            for number in self.accounts:
                opening = self.value(number, context.clock)
                context.emit(msgspec.structs.replace(opening, flags=opening.flags | Flag.PARTIAL))
            self.start_timer(context.clock)
        self.changed = True

    def on_timer(self, deadline: int, context: Any) -> None:
        self.quiet = 0 if self.changed else self.quiet + 1
        self.emit_values(deadline, context)
        self.start_timer(deadline)
        if self.quiet >= self.quiet_max:
            self.timer = NO_TIMER

    def on_end(self, context: Any) -> None:
        if self.changed:
            self.emit_values(context.clock, context)

    def emit_values(self, clock: int, context: Any) -> None:
        for number in self.accounts:
            context.emit(self.value(number, clock))
        self.changed = False

    def start_timer(self, clock: int) -> None:
        self.timer = min(
            (clock // self.interval + 1) * self.interval, (clock // MINUTE + 1) * MINUTE
        )

    def value(self, number: int, clock: int) -> PnL:
        account = self.accounts[number]
        realized = unrealized = fees = market_value = flags = 0
        reason = NONE
        for holding in account.holdings.values():
            line = self.lines[holding.instrument]
            self.noted(holding.realized * line.scale, holding.fees * line.scale)
            realized += holding.realized * line.scale
            fees += holding.fees * line.scale
            self.noted(realized, fees)
            if holding.quantity == 0:
                continue
            mark = line.mark
            flags |= mark.flags if mark is not None else 0
            touch = (
                0 if mark is None else mark.bid_price if holding.quantity > 0 else mark.ask_price
            )
            missing = (
                STALE_BOOK
                if mark is not None and mark.flags & UNUSABLE
                else NONE
                if touch > 0
                else NO_MARK
            )
            if missing != NONE:
                reason = missing if reason == NONE else reason
                continue
            worth = touch * holding.quantity * line.multiplier
            profit = (worth - holding.cost) * line.scale
            unrealized += profit
            market_value += worth * line.scale if line.settled_in_cash else profit
            self.noted(
                worth,
                profit,
                unrealized,
                market_value,
                worth * line.scale if line.settled_in_cash else 0,
            )
        if reason != NONE:
            return PnL(
                number,
                clock,
                self.precision,
                realized,
                None,
                fees,
                account.cash,
                None,
                reason,
                flags,
            )
        equity = account.cash + market_value
        self.noted(equity)
        return PnL(
            number,
            clock,
            self.precision,
            realized,
            unrealized,
            fees,
            account.cash,
            equity,
            reason,
            flags,
        )
