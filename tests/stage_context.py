"""A stage context for tests of ledgers, and a small pipeline that delivers records as the runtime
does: depth-first, in stage order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.records import (
    ControlCommand,
    ExecutionReport,
    Fill,
    Instrument,
    Mark,
    OrderEvent,
    OrderRequest,
    RiskDecision,
    Signal,
    VenueCommand,
)
from schemas.vocabulary import (
    ControlKind,
    ControlScope,
    DecisionOutcome,
    InstrumentKind,
    Liquidity,
    OrderReason,
    OrderType,
    ReportKind,
    RequestKind,
    RiskCode,
    Side,
    TimeInForce,
)

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
HANDLERS = {
    "Signal": "on_signal",
    "OrderRequest": "on_order_request",
    "RiskDecision": "on_risk_decision",
    "OrderEvent": "on_order_event",
    "VenueCommand": "on_venue_command",
    "ExecutionReport": "on_execution_report",
    "Fill": "on_fill",
    "Mark": "on_mark",
    "ControlCommand": "on_control_command",
    "Instrument": "on_instrument",
}
TOPIC = {
    "Signal": "signals",
    "OrderRequest": "orders.requests",
    "RiskDecision": "orders.decisions",
    "OrderEvent": "orders.events",
    "VenueCommand": "venue.commands",
    "ExecutionReport": "venue.reports",
    "Fill": "fills",
    "Mark": "md.marks",
    "ControlCommand": "control",
    "Instrument": "ref.instruments",
}


def built_id(ordinal: int) -> str:
    """A 20-character id, distinct and sortable."""
    text = ""
    for _ in range(20):
        text = DIGITS[ordinal & 31] + text
        ordinal >>= 5
    return text


class StageContext:
    """Collects what a stage emits; the clock is set by the test."""

    journal_id = shard = first = sequence = last_sequence = 0

    def __init__(self, clock: int = 0) -> None:
        self.clock = clock
        self.emitted: list[Any] = []
        self.ordinal = 1  # of the next id, as a stage's handlers count

    def emit(self, record: Any) -> None:
        self.emitted.append(record)

    def order_id(self) -> str:
        self.ordinal += 1
        return built_id(self.ordinal - 1)

    def take(self, record_type: type | None = None) -> Any:
        """What was emitted since the last call, all or of one type; the rest is dropped."""
        taken = [each for each in self.emitted if record_type is None or type(each) is record_type]
        self.emitted.clear()
        return taken


class Pipeline:
    """Stages in their order; every record and its consequences are delivered before the next. Keeps
    all records seen.
    """

    def __init__(self, stages: Iterable[Any], clock: int = 0) -> None:
        self.stages = list(stages)
        self.context = StageContext(clock)
        self.records: list[Any] = []
        subscribers: dict[str, list[Any]] = {name: [] for name in HANDLERS}
        for name in HANDLERS:
            for stage in self.stages:
                if TOPIC[name] in stage.INPUTS:
                    subscribers[name].append(stage)
        self.subscribers = subscribers

    def send(self, record: Any) -> None:
        """Deliver a record and all its consequences, then what became due at once."""
        self._deliver(record)
        self._fire(self.context.clock)

    def at(self, clock: int) -> None:
        """Move the clock, firing the timers that are due first."""
        self._fire(clock)
        self.context.clock = clock

    def _deliver(self, record: Any) -> None:
        self.records.append(record)
        name = type(record).__name__
        for stage in self.subscribers.get(name, ()):
            getattr(stage, HANDLERS[name])(record, self.context)
            self._drain()

    def _fire(self, clock: int) -> None:
        while True:
            due = min(stage.state.timer for stage in self.stages)
            if due > clock:
                return
            stage = next(each for each in self.stages if each.state.timer == due)
            self.context.clock = max(due, self.context.clock)
            stage.on_timer(due, self.context)
            self._drain()

    def end(self) -> None:
        for stage in self.stages:
            if hasattr(stage, "on_end"):
                stage.on_end(self.context)
                self._drain()

    def of(self, record_type: type) -> list[Any]:
        return [each for each in self.records if type(each) is record_type]

    def _drain(self) -> None:
        waiting = self.context.emitted
        self.context.emitted = []
        for record in waiting:
            self._deliver(record)


def instrument(number: int = 1, **changes: Any) -> Instrument:
    """Spot BTCUSDT as Binance lists it: prices in cents, quantities in satoshi, lot 0.00001,
    minimum notional 5 USDT.
    """
    fields: dict[str, Any] = {
        "instrument": number,
        "venue": "binance",
        "symbol": "BTCUSDT",
        "kind": int(InstrumentKind.SPOT),
        "base": "BTC",
        "quote": "USDT",
        "price_precision": 2,
        "quantity_precision": 8,
        "tick_size": 1,
        "lot_size": 1_000,
        "minimum_quantity": 1_000,
        "maximum_quantity": 9_000 * 10**8,
        "minimum_notional": 5 * 10**10,
        "multiplier": 1,
        "shortable": False,
        "funding_interval": 0,
        "expiry": None,
        "valid_from": 0,
        "event_time": 0,
        "flags": 0,
    }
    return Instrument(**(fields | changes))


def perpetual(number: int = 2, **changes: Any) -> Instrument:
    """USD-M BTCUSDT: prices in dimes, quantities in 0.001, shortable, minimum notional 100 USDT."""
    fields: dict[str, Any] = {
        "venue": "binance_usdm",
        "kind": int(InstrumentKind.PERPETUAL),
        "price_precision": 1,
        "quantity_precision": 3,
        "lot_size": 1,
        "minimum_quantity": 1,
        "maximum_quantity": 1_000_000,
        "minimum_notional": 100 * 10**4,
        "shortable": True,
        "funding_interval": 8 * 3600 * 10**9,
    }
    return instrument(number, **(fields | changes))


def toy(number: int = 1, **changes: Any) -> Instrument:
    """Whole prices, whole quantities, no minimums, shortable: for vectors that a reader can follow.
    """
    fields: dict[str, Any] = {
        "price_precision": 0,
        "quantity_precision": 0,
        "lot_size": 1,
        "minimum_quantity": 1,
        "maximum_quantity": 10**9,
        "minimum_notional": 0,
        "shortable": True,
    }
    return instrument(number, **(fields | changes))


def mark(
    bid: int,
    ask: int,
    clock: int = 0,
    number: int = 1,
    last: int = 0,
    flags: int = 0,
    book_time: int | None = None,
) -> Mark:
    return Mark(
        number, clock, 1, bid, 10, ask, 10, last, clock if book_time is None else book_time, flags
    )


def signal(
    direction: int,
    size: int = 0,
    strength: float = 1.0,
    number: int = 1,
    strategy: int = 1,
    clock: int = 0,
) -> Signal:
    return Signal(number, clock, 0, strategy, direction, strength, size, 0.0, 0.0, 0)


def request(
    order_id: str,
    side: int = int(Side.BUY),
    quantity: int = 1,
    price: int = 0,
    number: int = 1,
    account: int = 1,
    strategy: int = 1,
    kind: int = int(RequestKind.NEW),
    order_type: int | None = None,
    time_in_force: int | None = None,
    post_only: bool = False,
) -> OrderRequest:
    """A market IOC order, or with a price a limit GTC order."""
    if order_type is None:
        order_type = int(OrderType.LIMIT if price else OrderType.MARKET)
    if time_in_force is None:
        time_in_force = int(TimeInForce.GTC if price else TimeInForce.IOC)
    return OrderRequest(
        order_id,
        account,
        strategy,
        number,
        0,
        kind,
        side,
        order_type,
        time_in_force,
        post_only,
        quantity,
        price,
    )


def approved(wanted: OrderRequest) -> RiskDecision:
    """The approval of a request."""
    return RiskDecision(
        wanted.order_id,
        wanted.account,
        wanted.strategy,
        wanted.instrument,
        0,
        wanted.kind,
        int(DecisionOutcome.APPROVED),
        int(RiskCode.NONE),
        0,
        0,
        0,
        wanted.side,
        wanted.order_type,
        wanted.time_in_force,
        wanted.post_only,
        wanted.quantity,
        wanted.price,
    )


def report(
    order_id: str,
    kind: ReportKind,
    quantity: int = 0,
    price: int = 0,
    trade_id: int = 0,
    side: int = int(Side.BUY),
    number: int = 1,
    reason: int = int(OrderReason.NONE),
    fee: int = 0,
    cumulative: int = 0,
    leaves: int = 0,
) -> ExecutionReport:
    """What the venue says."""
    liquidity = int(Liquidity.TAKER) if kind == ReportKind.FILL else int(Liquidity.UNKNOWN)
    return ExecutionReport(
        order_id,
        number,
        0,
        0,
        int(kind),
        reason,
        trade_id,
        side,
        price,
        quantity,
        cumulative,
        leaves,
        liquidity,
        fee,
    )


def fill(
    side: int,
    quantity: int,
    price: int,
    fee: int = 0,
    order_id: str = "0" * 20,
    number: int = 1,
    account: int = 1,
    strategy: int = 1,
    trade_id: int = 1,
) -> Fill:
    return Fill(
        order_id,
        account,
        strategy,
        number,
        0,
        side,
        price,
        quantity,
        int(Liquidity.TAKER),
        fee,
        trade_id,
    )


def control(
    kind: ControlKind,
    scope: ControlScope = ControlScope.SYSTEM,
    name: str = "",
    value: str = "",
    number: int = 0,
    account: int = 0,
    strategy: int = 0,
) -> ControlCommand:
    return ControlCommand(
        0, int(kind), int(scope), account, strategy, number, name, value, "operator", "test"
    )


def restored(stage: Any) -> Any:
    """The stage after a snapshot and a restore, as the runtime does it."""
    if hasattr(stage, "take_state"):
        stage.take_state(stage.encoded_state())
    else:
        stage.state = msgspec.msgpack.decode(
            msgspec.msgpack.encode(stage.state), type=type(stage.state)
        )
    return stage


def state_bytes(stage: Any) -> bytes:
    return (
        stage.encoded_state()
        if hasattr(stage, "encoded_state")
        else msgspec.msgpack.encode(stage.state)
    )


class ToyVenueState(msgspec.Struct):
    timer: int = 2**63 - 1
    waiting: list[VenueCommand] = []
    trades: int = 0


class ToyVenue:
    """Fills every market order in full at its price, with a fee of 1; keeps limit orders. Answers
    by a timer that is due at once.
    """

    NAME = "venue"
    INPUTS = ("venue.commands",)
    OUTPUTS = ("venue.reports",)

    def __init__(self, price: int = 100) -> None:
        self.state = ToyVenueState()
        self.price = price

    def on_venue_command(self, record: VenueCommand, context: Any) -> None:
        if record.kind == RequestKind.NEW:
            self.state.waiting.append(record)
            self.state.timer = context.clock

    def on_timer(self, deadline: int, context: Any) -> None:
        self.state.timer = 2**63 - 1
        waiting, self.state.waiting = self.state.waiting, []
        for order in waiting:
            order_id, side, number, quantity = (
                order.order_id,
                order.side,
                order.instrument,
                order.quantity,
            )
            context.emit(
                report(order_id, ReportKind.ACCEPTED, side=side, number=number, leaves=quantity)
            )
            if order.order_type == OrderType.MARKET:
                self.state.trades += 1
                trade = self.state.trades
                context.emit(
                    report(
                        order_id,
                        ReportKind.FILL,
                        quantity,
                        self.price,
                        trade,
                        side,
                        number,
                        fee=1,
                        cumulative=quantity,
                    )
                )


def last_event(records: Iterable[Any]) -> OrderEvent:
    return [each for each in records if type(each) is OrderEvent][-1]
