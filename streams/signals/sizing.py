"""Sizing: from a strategy's view to the order that brings the position there.

``signals``, ``orders.events``, ``fills``, ``md.marks``, ``ref.instruments``  ->  ``orders.requests``; ``orders.decisions``, ``risk.events``

- target = direction x size, scaled by min(strength, 2); a view weaker than the threshold (0.6) asks for nothing; direction 0 asks for flat;
- size is the signal's, else the setting, else 1 % of the account's starting cash at the first bid of the instrument, rounded down to the
  lot, but not less than what is safely tradable and not more than the instrument allows;
- order = target - position - what works already, rounded down to the lot, as a market order; nothing where that is zero, so that a view
  that is repeated while its order works sends nothing;
- where shorts are off or the instrument cannot be sold short, a negative target is flat, and what was not sold is a decision: denied,
  SHORT_NOT_ALLOWED. So is a target below one lot (MIN_QUANTITY) and a signal whose size is negative (INVALID_QUANTITY);
- an order that is denied, rejected or cancelled is not sent again until the next signal.

Before `trade_from`, and for `warmup` after the first mark, views are noted and not traded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.errors import BadData, WrongUse
from schemas.records import Fill, Instrument, Mark, OrderEvent, OrderRequest, RiskDecision, RiskEvent, Signal
from schemas.vocabulary import DecisionOutcome, OrderStatus, OrderType, RequestKind, RiskCode, Severity, Side, TimeInForce
from streams.numeric import fixed
from streams.numeric.stage_records import INSTRUMENT_IDS

BUY = int(Side.BUY)
SELL = int(Side.SELL)
NEW_ORDER = int(RequestKind.NEW)
DENIED = int(DecisionOutcome.DENIED)
SHORT_NOT_ALLOWED = int(RiskCode.SHORT_NOT_ALLOWED)
MIN_QUANTITY = int(RiskCode.MIN_QUANTITY)
INVALID_QUANTITY = int(RiskCode.INVALID_QUANTITY)
WARNING = int(Severity.WARNING)
CASH_DECIMALS = 8
MARKET = int(OrderType.MARKET)
IOC = int(TimeInForce.IOC)
NO_TIMER = 2**63 - 1
NEVER = -1
STRENGTH_UNIT = 1_000_000_000
END_STATES = (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.DENIED)
ENDED = tuple(status in END_STATES for status in range(len(OrderStatus)))
"""``ENDED[status]``: the order works no more."""


class UnknownInstrument(BadData):
    """A signal names an instrument without reference data."""

    code = "sizing.unknown_instrument"


class BadSize(WrongUse):
    """The setting `size` cannot be traded."""

    code = "sizing.bad_size"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How views become orders."""

    account: int = 1
    size: str | int = ""
    """target position of a full unit, decimal text in base units; "" is 1 % of the starting cash, at least what is safely tradable"""
    cash: str | int = ""
    """starting cash of the account, for that; "" takes the smallest size safely above the instrument's minimums"""
    short: bool = True
    """False: negative targets are flat on every instrument"""
    threshold: float = 0.6
    """weakest strength that is traded"""
    strength_max: float = 2.0
    """strength at which the size stops growing"""
    cooldown: int = 0
    """nanoseconds of clock between two orders of one strategy in one instrument; the last view of the meantime is traded when it ends"""
    trade_from: int = 0
    """nanoseconds UTC from which views are traded"""
    warmup: int = 0
    """nanoseconds after the first mark during which views are noted only"""

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= self.strength_max <= 1000.0:
            raise ValueError(f"threshold is {self.threshold} and strength_max {self.strength_max}; give 0 <= threshold <= strength_max <= 1000")
        if self.cooldown < 0 or self.warmup < 0 or self.trade_from < 0:
            raise ValueError("cooldown, warmup and trade_from are nanoseconds; give 0 or more")


class Line(msgspec.Struct, array_like=True):
    """What sizing needs of an instrument."""

    lot_size: int
    minimum_quantity: int
    minimum_notional: int
    multiplier: int
    shortable: bool
    size: int
    """full unit; 0 until it is known"""
    maximum_quantity: int
    """0: none"""
    stake: int
    """money of the default size, notional unit; 0: the smallest"""


class Desk(msgspec.Struct, array_like=True):
    """One strategy in one instrument; quantities signed."""

    strategy: int
    instrument: int
    position: int = 0
    working: int = 0
    """leaves of its working orders"""
    target: int = 0
    traded_at: int = NEVER
    """clock of its last order"""
    pending: bool = False
    """a view waits for the end of the cooldown"""


class Working(msgspec.Struct, array_like=True, gc=False):
    """One of our orders whose end has not been reported."""

    desk: int
    leaves: int
    """signed"""


class State(msgspec.Struct):
    """Everything the stage remembers; desks are keyed ``strategy * 4096 + instrument``."""

    timer: int
    started: int
    """clock of the first mark; -1 before"""
    lines: dict[int, Line]
    desks: dict[int, Desk]
    orders: dict[str, Working]


class Sizing:
    """Target positions by market orders."""

    NAME = "sizing"
    INPUTS = ("signals", "orders.events", "fills", "md.marks", "ref.instruments")
    OUTPUTS = ("orders.requests", "orders.decisions", "risk.events")
    STATE_VERSION = 2

    def __init__(self, instruments: Sequence[Instrument], settings: Settings) -> None:
        self.settings = settings
        self.state = State(NO_TIMER, NEVER, {}, {}, {})
        for instrument in instruments:
            self._add_line(instrument)

    def on_signal(self, record: Signal, context: Any) -> None:
        """Note the view; trade towards it unless it is weak, early, or in the cooldown."""
        state = self.state
        settings = self.settings
        clock = context.clock
        line = state.lines.get(record.instrument)
        if line is None:
            what = f"a signal names instrument {record.instrument}, which is not in ref.instruments"
            raise UnknownInstrument(f"{what}; name one that the strategy is given")
        target = dropped = 0
        code = SHORT_NOT_ALLOWED
        direction = record.direction
        if direction:
            strength = record.strength
            if not strength >= settings.threshold:
                return
            size = record.size or line.size or smallest_size(line, 0)
            if size < 0:
                self._drop(record, INVALID_QUANTITY, size, line, context)
                return
            if strength != 1.0:
                size = scaled(size, min(strength, settings.strength_max))
            if size < line.lot_size:
                code, dropped = MIN_QUANTITY, size
            elif direction < 0 and not line.shortable:
                dropped = size
            else:
                target = size if direction > 0 else -size
        key = record.strategy * INSTRUMENT_IDS + record.instrument
        desk = state.desks.get(key)
        if desk is None:
            desk = state.desks[key] = Desk(record.strategy, record.instrument)
        desk.target = target
        if clock < settings.trade_from or (settings.warmup and (state.started == NEVER or clock < state.started + settings.warmup)):
            return
        if dropped:
            self._drop(record, code, dropped, line, context)
        if settings.cooldown and desk.traded_at != NEVER and clock < desk.traded_at + settings.cooldown:
            desk.pending = True
            state.timer = min(state.timer, desk.traded_at + settings.cooldown)
            return
        self._trade(key, desk, line, clock, context)

    def on_timer(self, deadline: int, context: Any) -> None:
        """A cooldown ended: trade the views that waited for it."""
        state = self.state
        state.timer = NO_TIMER
        for key, desk in state.desks.items():
            if not desk.pending:
                continue
            due = desk.traded_at + self.settings.cooldown
            if due <= deadline:
                self._trade(key, desk, state.lines[desk.instrument], context.clock, context)
            else:
                state.timer = min(state.timer, due)

    def on_fill(self, record: Fill, context: Any) -> None:
        """Working quantity becomes position."""
        state = self.state
        key = record.strategy * INSTRUMENT_IDS + record.instrument
        desk = state.desks.get(key)
        if desk is None:
            desk = state.desks[key] = Desk(record.strategy, record.instrument)
        signed = record.quantity if record.side == BUY else -record.quantity
        desk.position += signed
        order = state.orders.get(record.order_id)
        if order is not None:
            order.leaves -= signed
            desk.working -= signed

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """The end of one of our orders: what is left of it works no more."""
        if ENDED[record.status] and not record.refused:
            order = self.state.orders.pop(record.order_id, None)
            if order is not None and order.leaves:
                self.state.desks[order.desk].working -= order.leaves

    def on_mark(self, record: Mark, context: Any) -> None:
        """The first mark starts the warm-up, and the first bid of an instrument fixes its default size."""
        state = self.state
        if state.started == NEVER:
            state.started = context.clock
        line = state.lines.get(record.instrument)
        if line is not None and line.size == 0 and record.bid_price > 0:
            line.size = default_size(line, record.bid_price)

    def on_mark_run(self, found: Sequence[Mark], context: Any) -> None:
        """Marks in a row, behind one that was taken by itself: what ``on_mark`` does with each."""
        lines = self.state.lines
        unsized = [instrument for instrument, line in lines.items() if line.size == 0]
        if unsized:
            for record in found:
                if record.bid_price > 0 and record.instrument in unsized:
                    self.on_mark(record, context)

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification."""
        self._add_line(record)

    def _trade(self, key: int, desk: Desk, line: Line, clock: int, context: Any) -> None:
        """Send the order that closes the distance to the target, if any."""
        desk.pending = False
        delta = desk.target - desk.position - desk.working
        quantity = delta if delta > 0 else -delta
        quantity -= quantity % line.lot_size
        if quantity == 0:
            return
        order_id = context.order_id()
        side = BUY
        signed = quantity
        if delta < 0:
            side = SELL
            signed = -quantity
        desk.working += signed
        desk.traded_at = clock
        self.state.orders[order_id] = Working(key, signed)
        account = self.settings.account
        context.emit(OrderRequest(order_id, account, desk.strategy, desk.instrument, clock, NEW_ORDER, side, MARKET, IOC, False, quantity, 0))

    def _drop(self, signal: Signal, code: int, quantity: int, line: Line, context: Any) -> None:
        """A target, or the part of it that would be short, is not traded: denied, as risk would deny the order for it."""
        clock, account = context.clock, self.settings.account
        side = BUY if signal.direction > 0 else SELL
        observed, limit = (-quantity, 0) if code == SHORT_NOT_ALLOWED else (quantity, line.lot_size)
        order_id = context.order_id()
        context.emit(
            RiskDecision(
                order_id, account, signal.strategy, signal.instrument, clock, NEW_ORDER, DENIED, code, 1 << code, observed, limit,
                side, MARKET, IOC, False, quantity, 0,
            )
        )  # fmt: skip
        context.emit(RiskEvent(clock, account, signal.strategy, signal.instrument, order_id, code, WARNING, observed, limit))

    def _add_line(self, instrument: Instrument) -> None:
        if not 0 <= instrument.instrument < INSTRUMENT_IDS:
            raise UnknownInstrument(f"instrument {instrument.instrument} is out of range; number instruments from 0 to {INSTRUMENT_IDS - 1}")
        settings = self.settings
        size = self._configured_size(instrument) if settings.size else 0
        line = Line(
            instrument.lot_size,
            instrument.minimum_quantity,
            instrument.minimum_notional,
            instrument.multiplier,
            instrument.shortable and settings.short,
            size,
            instrument.maximum_quantity,
            self._stake(instrument),
        )
        before = self.state.lines.get(instrument.instrument)
        if before is not None and size == 0:
            line.size = before.size
        self.state.lines[instrument.instrument] = line

    def _stake(self, instrument: Instrument) -> int:
        """1 % of the starting cash in the instrument's notional unit."""
        if self.settings.cash == "":
            return 0
        cash = fixed.parse(str(self.settings.cash), CASH_DECIMALS) * 10 ** (instrument.price_precision + instrument.quantity_precision)
        return int(min(cash // (100 * 10**CASH_DECIMALS), NO_TIMER))

    def _configured_size(self, instrument: Instrument) -> int:
        text = str(self.settings.size)
        size: int = fixed.parse(text, instrument.quantity_precision)
        if size <= 0 or size % instrument.lot_size:
            lot = fixed.format(instrument.lot_size, instrument.quantity_precision)
            raise BadSize(f"size {text} is not a positive multiple of {instrument.symbol}'s lot; give a multiple of {lot}")
        return size


def scaled(size: int, strength: float) -> int:
    """size x strength rounded down, the strength taken to 9 decimals: 10 x 0.6 is 6, although the float 0.6 lies just below."""
    return size * round(strength * STRENGTH_UNIT) // STRENGTH_UNIT


def default_size(line: Line, price: int) -> int:
    """What `stake` buys at `price`, rounded down to the lot, between the smallest size and the instrument's largest order."""
    size = line.stake // (price * line.multiplier)
    size = max(size - size % line.lot_size, smallest_size(line, price))
    if 0 < line.maximum_quantity < size:
        size = line.maximum_quantity - line.maximum_quantity % line.lot_size
    return size


def smallest_size(line: Line, price: int) -> int:
    """The smallest size safely tradable: the minimum quantity and, at `price`, twice the minimum notional, rounded up to the lot.

    Twice, so that the position can still be closed after the price has halved.
    """
    size = max(line.minimum_quantity, line.lot_size)
    if price > 0:
        size = max(size, -(-2 * line.minimum_notional // (price * line.multiplier)))
    return -(-size // line.lot_size) * line.lot_size
