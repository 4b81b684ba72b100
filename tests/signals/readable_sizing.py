"""Sizing in plain Python integers, as it was before its state became records: the oracle of the
compiled stage.

Nothing of the compiled stage is imported. A quantity that 64 bits do not hold is ``Beyond``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.records import (
    Fill,
    Instrument,
    Mark,
    OrderEvent,
    OrderRequest,
    RiskDecision,
    RiskEvent,
    Signal,
)
from schemas.vocabulary import (
    DecisionOutcome,
    OrderStatus,
    OrderType,
    RequestKind,
    RiskCode,
    Severity,
    Side,
    TimeInForce,
)

BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW = int(RequestKind.NEW)
MARKET, IOC = int(OrderType.MARKET), int(TimeInForce.IOC)
NO_TIMER = 2**63 - 1
BILLION = 10**9
ENDED = (
    OrderStatus.FILLED,
    OrderStatus.CANCELLED,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
    OrderStatus.DENIED,
)


class Beyond(Exception):
    """A quantity leaves 64 bits."""


def held(quantity: int) -> int:
    """The quantity, if 64 bits hold it."""
    if abs(quantity) >= 2**63:
        raise Beyond
    return quantity


@dataclass
class Line:
    instrument: Instrument
    shortable: bool
    size: int
    stake: int


@dataclass
class Position:
    position: int = 0
    working: int = 0
    target: int = 0
    traded_at: int | None = None
    pending: bool = False


class ReadableSizing:
    """Target positions by market orders."""

    def __init__(self, instruments: list[Instrument], settings: Any) -> None:
        self.settings = settings
        self.timer = NO_TIMER
        self.started: int | None = None
        self.lines: dict[int, Line] = {}
        self.positions: dict[tuple[int, int], Position] = {}
        self.orders: dict[str, list[Any]] = {}
        for instrument in instruments:
            self.on_instrument(instrument)

    def on_instrument(self, record: Instrument) -> None:
        settings = self.settings
        unit = 10 ** (record.price_precision + record.quantity_precision)
        stake = int(settings.cash) * unit // 100 if settings.cash else 0
        size = int(settings.size) * 10**record.quantity_precision if settings.size else 0
        before = self.lines.get(record.instrument)
        if before is not None and size == 0:
            size = before.size
        self.lines[record.instrument] = Line(
            record, record.shortable and settings.short, size, stake
        )

    def on_mark(self, record: Mark, context: Any) -> None:
        if self.started is None:
            self.started = context.clock
        line = self.lines.get(record.instrument)
        if line is not None and line.size == 0 and record.bid_price > 0:
            line.size = default_size(line, record.bid_price)

    def on_signal(self, record: Signal, context: Any) -> None:
        settings, clock = self.settings, context.clock
        line = self.lines[record.instrument]
        lot = line.instrument.lot_size
        target = dropped = 0
        code = RiskCode.SHORT_NOT_ALLOWED
        if record.direction:
            if not record.strength >= settings.threshold:
                return
            size = record.size or line.size or within(smallest_size(line.instrument, 0), lot)
            if size < 0:
                self.drop(record, RiskCode.INVALID_QUANTITY, size, lot, context)
                return
            if record.strength != 1.0:
                strength = min(record.strength, settings.strength_max)
                size = held(size * round(strength * BILLION) // BILLION)
            if size < lot:
                code, dropped = RiskCode.MIN_QUANTITY, size
            elif record.direction < 0 and not line.shortable:
                dropped = size
            else:
                target = size if record.direction > 0 else -size
        key = record.strategy, record.instrument
        position = self.positions.get(key, Position())
        warm = self.started is not None and clock >= self.started + settings.warmup
        is_early = clock < settings.trade_from or (settings.warmup and not warm)
        waits = (
            position.traded_at is not None
            and settings.cooldown
            and clock < position.traded_at + settings.cooldown
        )
        if not is_early and not waits:
            self.distance(position, target, lot)
        self.positions[key] = position
        position.target = target
        if is_early:
            return
        if dropped:
            self.drop(record, code, dropped, lot, context)
        if waits:
            position.pending = True
            self.timer = min(self.timer, position.traded_at + settings.cooldown)
            return
        self.trade(key, context)

    def on_timer(self, deadline: int, context: Any) -> None:
        self.timer = NO_TIMER
        due = []
        for key, position in self.positions.items():
            if position.pending:
                cooled = (position.traded_at or 0) + self.settings.cooldown
                if cooled <= deadline:
                    self.distance(position, position.target, self.lot(key))
                    due.append(key)
                else:
                    self.timer = min(self.timer, cooled)
        for key in due:
            self.trade(key, context)

    def on_fill(self, record: Fill) -> None:
        position = self.positions.get((record.strategy, record.instrument), Position())
        signed = record.quantity if record.side == BUY else -record.quantity
        order = self.orders.get(record.order_id)
        changed = held(position.position + signed)
        if order is not None:
            leaves, working = held(order[1] - signed), held(position.working - signed)
            order[1], position.working = leaves, working
        position.position = changed
        self.positions[record.strategy, record.instrument] = position

    def on_order_event(self, record: OrderEvent) -> None:
        if record.status in ENDED and not record.refused and record.order_id in self.orders:
            key, leaves = self.orders[record.order_id]
            self.positions[key].working = held(self.positions[key].working - leaves)
            del self.orders[record.order_id]

    def lot(self, key: tuple[int, int]) -> int:
        return self.lines[key[1]].instrument.lot_size

    def distance(self, position: Position, target: int, lot: int) -> int:
        delta = held(target - position.position - position.working)
        quantity = abs(delta) // lot * lot
        signed = quantity if delta > 0 else -quantity
        held(position.working + signed)
        return signed

    def trade(self, key: tuple[int, int], context: Any) -> None:
        position = self.positions[key]
        position.pending = False
        signed = self.distance(position, position.target, self.lot(key))
        if not signed:
            return
        order_id = context.order_id()
        position.working += signed
        position.traded_at = context.clock
        self.orders[order_id] = [key, signed]
        side = BUY if signed > 0 else SELL
        context.emit(
            OrderRequest(
                order_id, self.settings.account, *key, context.clock, NEW, side, MARKET, IOC,
                False, abs(signed), 0,
            )
        )  # fmt: skip

    def drop(self, signal: Signal, code: RiskCode, quantity: int, lot: int, context: Any) -> None:
        account, clock, order_id = self.settings.account, context.clock, context.order_id()
        side = BUY if signal.direction > 0 else SELL
        is_short = code == RiskCode.SHORT_NOT_ALLOWED
        observed, limit = (-quantity, 0) if is_short else (quantity, lot)
        context.emit(
            RiskDecision(
                order_id, account, signal.strategy, signal.instrument, clock, NEW,
                int(DecisionOutcome.DENIED), int(code), 1 << code, observed, limit, side, MARKET,
                IOC, False, quantity, 0,
            )
        )  # fmt: skip
        context.emit(
            RiskEvent(
                clock, account, signal.strategy, signal.instrument, order_id, int(code),
                int(Severity.WARNING), observed, limit,
            )
        )  # fmt: skip


def default_size(line: Line, price: int) -> int:
    """What the stake buys, between the smallest size and the instrument's largest order."""
    listed = line.instrument
    size = line.stake // (price * listed.multiplier) // listed.lot_size * listed.lot_size
    size = max(size, smallest_size(listed, price))
    if 0 < listed.maximum_quantity < size:
        size = listed.maximum_quantity // listed.lot_size * listed.lot_size
    return within(size, listed.lot_size)


def smallest_size(listed: Instrument, price: int) -> int:
    """The minimum quantity and twice the minimum notional, rounded up to the lot."""
    size = max(listed.minimum_quantity, listed.lot_size)
    if price > 0:
        size = max(size, -(-2 * listed.minimum_notional // (price * listed.multiplier)))
    return -(-size // listed.lot_size) * listed.lot_size


def within(size: int, lot: int) -> int:
    """At most the largest multiple of the lot that 64 bits hold."""
    return min(size, (2**63 - 1) // lot * lot)
