"""The risk stage: decides every request, keeps exposure from fills and order events, obeys the operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.records import ControlCommand, Fill, Instrument, Mark, OrderEvent, OrderRequest, RiskDecision, RiskEvent
from schemas.vocabulary import (
    ControlKind,
    ControlScope,
    DecisionOutcome,
    InstrumentKind,
    OrderStatus,
    OrderType,
    RequestKind,
    RiskCode,
    Severity,
    Side,
)
from streams.numeric import fixed
from streams.risk import account
from streams.risk.booking import book, take_mark
from streams.risk.checks import NO_CASH, NO_MARGIN, UNUSABLE, explain, failed_checks, first_code
from streams.risk.exposure import NO_TIMER, WIDE, Line, State, Working, cash_amount, pack, release, remember, reserve
from streams.risk.kill_switch import command_key
from streams.risk.limits import CODE_OF_LIMIT, BadLimit, convert, in_force, own_limit, put_in_force
from streams.risk.liquidation import watch

BUY = int(Side.BUY)
MARKET = int(OrderType.MARKET)
NEW_ORDER = int(RequestKind.NEW)
CANCEL_ORDER = int(RequestKind.CANCEL)
APPROVED = int(DecisionOutcome.APPROVED)
DENIED = int(DecisionOutcome.DENIED)
NO_CODE = int(RiskCode.NONE)
UNKNOWN_CODE = int(RiskCode.UNKNOWN)
KILL_SWITCH = int(RiskCode.KILL_SWITCH)
UNKNOWN_ORDER = int(RiskCode.UNKNOWN_ORDER)
LIQUIDATION = int(RiskCode.LIQUIDATION)
INVALID_QUANTITY = int(RiskCode.INVALID_QUANTITY)
INFO = int(Severity.INFO)
WARNING = int(Severity.WARNING)
CRITICAL = int(Severity.CRITICAL)
EMERGENCY = int(Severity.EMERGENCY)
KILL = int(ControlKind.KILL)
REARM = int(ControlKind.REARM)
LIMIT = int(ControlKind.LIMIT)
SCOPE_SYSTEM = int(ControlScope.SYSTEM)
SCOPE_ACCOUNT = int(ControlScope.ACCOUNT)
SCOPE_INSTRUMENT = int(ControlScope.INSTRUMENT)
SPOT = int(InstrumentKind.SPOT)
EQUITY = int(InstrumentKind.EQUITY)
NO_ORDER = "0" * 20
END_STATES = (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.DENIED)
ENDED = tuple(status in END_STATES for status in range(len(OrderStatus)))
"""``ENDED[status]``: the order works no more."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits as decimal text in the units of ``limits.py``: "" takes the instrument's own or none, "off" checks nothing."""

    account: int = 1
    """the account this shard trades"""
    short: bool = True
    """False: no instrument may be sold short, borrowable or not"""
    min_quantity: str | int = ""
    max_quantity: str | int = ""
    min_notional: str | int = ""
    max_notional: str | int = ""
    max_position: str | int = ""
    price_collar_bp: str | int = "500"
    mark_age_max: str | int = "5000000000"
    cash: str | int = ""
    """starting cash in the settlement currency, for the check of spot buys; "" checks nothing"""
    recent_orders: int = 4096
    """approved order ids kept against repetition; the oldest is forgotten first"""
    leverage: int = 1
    """positions of at most so many times the money behind them; 1 / leverage is the initial margin"""
    initial_margin: dict[str, str] = {}
    """initial margin of single instruments, a fraction of the value, where it is more, by symbol or, which goes before it, venue and symbol;
    it goes before the instrument table's: ``{ BTCUSDT = "0.2", "binance_usdm:BTCUSDT" = "0.1" }``"""
    maintenance_margin: dict[str, str] = {}
    """maintenance margin, by the same keys; without one it is half of the initial margin, at most 0.05"""
    maker_rate: int = 0
    """the venue's rates, in 1e-8 of the notional"""
    taker_rate: int = 0
    trade_from: int = 0
    """nanoseconds UTC from which orders are let through"""
    trade_to: int = NO_TIMER
    """nanoseconds UTC from which they are not any more"""
    warmup: int = 0
    """nanoseconds after the first mark during which they are not"""

    def __post_init__(self) -> None:
        if not 1 <= self.recent_orders <= 1_000_000:
            raise ValueError(f"recent_orders is {self.recent_orders}; give between 1 and 1000000")
        if not 1 <= self.leverage <= account.RATE_UNIT:
            raise ValueError(f"leverage is {self.leverage}; give 1 or more")
        if self.warmup < 0 or self.trade_from < 0 or self.trade_to < 0:
            raise ValueError("warmup, trade_from and trade_to are nanoseconds; give 0 or more")
        for name in ("initial_margin", "maintenance_margin"):
            for symbol, text in getattr(self, name).items():
                if fixed.rate(text) is None:
                    raise ValueError(f"{name} of {symbol} is {text!r}; {fixed.RATE_ADVICE}")


class Risk:
    """Ordered coded checks, limits, kill switch."""

    NAME = "risk"
    INPUTS = ("orders.requests", "orders.events", "fills", "md.marks", "control", "ref.instruments")
    OUTPUTS = ("orders.decisions", "risk.events")
    STATE_VERSION = 2

    def __init__(self, instruments: Sequence[Instrument], settings: Settings) -> None:
        self.settings = settings
        self.check_cash = settings.cash != ""
        precision = max((each.price_precision + each.quantity_precision for each in instruments), default=0)
        cash = cash_amount(settings.cash, precision) if self.check_cash else 0
        self.state = State(NO_TIMER, {}, {}, [], {}, [], 0, precision, pack(cash), 0, NO_TIMER if settings.warmup else settings.trade_from)
        for instrument in instruments:
            self._add_line(instrument)

    # -- requests

    def on_order_request(self, record: OrderRequest, context: Any) -> None:
        """Approve or deny."""
        if record.kind == CANCEL_ORDER:
            self._decide_cancel(record, context)
            return
        state = self.state
        clock = context.clock
        instrument = record.instrument
        line = state.lines.get(instrument)
        settings = self.settings
        failed = failed_checks(state, line, record, settings.account, clock, state.opens, settings.trade_to)
        if record.kind != NEW_ORDER:
            failed |= 1 << INVALID_QUANTITY
        if line is None:
            self._deny(record, failed, context)
            return
        order_id = record.order_id
        side = record.side
        quantity = record.quantity
        price = record.price
        order_type = record.order_type
        buy = side == BUY
        if order_type == MARKET and not price:
            price = account.protection_price(line, line.mark.ask_price if buy else line.mark.bid_price, buy)
        order = Working(instrument, buy, quantity)
        if self.check_cash and price > 0 and quantity > 0 and not account.bind(state, line, order, price):
            failed |= NO_CASH if buy and line.settled_in_cash else NO_MARGIN
        if failed:
            self._deny(record, failed, context)
            return
        reserve(state, order_id, line, order)
        if clock < line.mark.book_time:
            state.negative_ages += 1
        remember(state, order_id, settings.recent_orders)
        context.emit(
            RiskDecision(
                order_id, record.account, record.strategy, instrument, clock, NEW_ORDER, APPROVED, NO_CODE, 0, 0, 0,
                side, order_type, record.time_in_force, record.post_only, quantity, price,
            )
        )  # fmt: skip

    def _decide_cancel(self, request: OrderRequest, context: Any) -> None:
        """Cancels always pass, except for an order that is not working."""
        if request.order_id in self.state.orders:
            context.emit(decision(request, context.clock, APPROVED, NO_CODE, 0, 0, 0))
        else:
            self._deny(request, 1 << UNKNOWN_ORDER, context)

    def _deny(self, request: OrderRequest, failed: int, context: Any) -> None:
        """A decision with every failing check, and a warning about the first."""
        state = self.state
        clock = context.clock
        code = first_code(failed)
        observed = limit = 0
        if code != UNKNOWN_ORDER:
            line, settings = state.lines.get(request.instrument), self.settings
            observed, limit = explain(code, state, line, request, settings.account, clock, state.opens, settings.trade_to)
        context.emit(decision(request, clock, DENIED, code, failed, observed, limit))
        context.emit(RiskEvent(clock, request.account, request.strategy, request.instrument, request.order_id, code, WARNING, observed, limit))

    # -- exposure

    def on_fill(self, record: Fill, context: Any) -> None:
        """Working quantity becomes position; cash moves for what settles in cash."""
        state = self.state
        line = state.lines.get(record.instrument)
        if line is None:
            return
        quantity = record.quantity
        order = state.orders.get(record.order_id)
        if order is not None:
            fee_left = account.worst_fee(line, order.worst_price, order.leaves - quantity) if order.leaves > quantity else 0
            release(state, order, line, quantity, fee_left)
        signed = quantity if record.side == BUY else -quantity
        line.position += signed
        if self.check_cash:
            cash = int(state.cash) + (book(line, record.strategy, signed, record.price) - record.fee) * line.scale
            state.cash = cash if -WIDE < cash < WIDE else str(cash)

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """The end of an order releases what is left of it."""
        if ENDED[record.status] and not record.refused:
            state = self.state
            order = state.orders.pop(record.order_id, None)
            if order is not None and order.leaves:
                release(state, order, state.lines[order.instrument], order.leaves, 0)

    def on_mark(self, record: Mark, context: Any) -> None:
        """The reference prices of an instrument from now on; the first starts the warm-up. A position may have become too large for its money."""
        state = self.state
        if state.opens == NO_TIMER:
            state.opens = max(self.settings.trade_from, context.clock + self.settings.warmup)
        line = state.lines.get(record.instrument)
        if line is not None:
            take_mark(line, record)
            if self.check_cash and (state.halted or (line.position and account.bears_margin(line))) and not record.flags & UNUSABLE:
                watch(state, self.settings.account, context)

    def on_mark_run(self, found: Sequence[Mark], context: Any) -> None:
        """Marks in a row, behind one that was taken by itself: what ``on_mark`` does with each where ``takes_runs``."""
        line_of = self.state.lines.get
        for record in found:
            line = line_of(record.instrument)
            if line is not None:
                take_mark(line, record)

    def takes_runs(self) -> bool:
        """True while no mark has a consequence: no position can lose more than was paid for it."""
        if not self.check_cash:
            return True
        if self.state.halted == LIQUIDATION:
            return False
        return not any(line.position and account.bears_margin(line) for line in self.state.lines.values())

    # -- the operator

    def on_control_command(self, record: ControlCommand, context: Any) -> None:
        """KILL, REARM and LIMIT; whatever cannot be obeyed changes nothing and is reported."""
        if record.kind == KILL:
            self._kill(record, context)
        elif record.kind == REARM:
            self._rearm(record, context)
        elif record.kind == LIMIT:
            self._change_limit(record, context)

    def _kill(self, command: ControlCommand, context: Any) -> None:
        killed = self.state.killed
        key = command_key(command)
        if key not in killed:
            killed.append(key)
        self._report(command, KILL_SWITCH, EMERGENCY, 1, 0, context)

    def _rearm(self, command: ControlCommand, context: Any) -> None:
        killed = self.state.killed
        key = command_key(command)
        if command.scope and key in killed:
            killed.remove(key)
            self._report(command, KILL_SWITCH, INFO, 0, 0, context)
        else:
            self._report(command, KILL_SWITCH, WARNING, 0, 0, context)

    def _change_limit(self, command: ControlCommand, context: Any) -> None:
        """Convert for every line in scope first, then put in force: all lines or none."""
        name = command.name
        code = CODE_OF_LIMIT.get(name, UNKNOWN_CODE)
        lines = self.state.lines
        if command.scope == SCOPE_INSTRUMENT:
            chosen = [lines[command.instrument]] if command.instrument in lines else []
        elif command.scope == SCOPE_SYSTEM or (command.scope == SCOPE_ACCOUNT and command.account == self.settings.account):
            chosen = list(lines.values())
        else:
            chosen = []
        try:
            values = [convert(name, command.value, line.price_precision, line.quantity_precision) for line in chosen]
        except BadLimit:
            values = []
        if not values:
            self._report(command, code, CRITICAL, 0, 0, context)
            return
        before = in_force(chosen[0], name)
        alone = command.scope == SCOPE_INSTRUMENT
        if not alone:
            self.state.limits[name] = command.value
        for line, value in zip(chosen, values, strict=True):
            put_in_force(line, name, value, alone)
        self._report(command, code, INFO, before, values[0], context)

    def _report(self, command: ControlCommand, code: int, severity: int, observed: int, limit: int, context: Any) -> None:
        context.emit(
            RiskEvent(context.clock, command.account, command.strategy, command.instrument, NO_ORDER, code, severity, observed, limit),
        )

    # -- reference data

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification: what the operator set, exposure and the last mark stay."""
        self._add_line(record)

    def _add_line(self, instrument: Instrument) -> None:
        state = self.state
        precision = instrument.price_precision + instrument.quantity_precision
        if precision > state.amount_precision:
            self._refine_amounts(precision - state.amount_precision)
        line = Line(
            instrument.price_precision,
            instrument.quantity_precision,
            instrument.tick_size,
            instrument.lot_size,
            instrument.multiplier,
            instrument.shortable and self.settings.short,
            instrument.kind in (SPOT, EQUITY),
            10 ** (state.amount_precision - precision),
            self._limit("min_quantity", instrument),
            self._limit("max_quantity", instrument),
            self._limit("min_notional", instrument),
            self._limit("max_notional", instrument),
            self._limit("max_position", instrument),
            self._limit("price_collar_bp", instrument),
            self._limit("mark_age_max", instrument),
            *self._rates(instrument),
        )
        before = state.lines.get(instrument.instrument)
        if before is not None:
            for name in EXPOSURE_FIELDS:
                setattr(line, name, getattr(before, name))
        state.lines[instrument.instrument] = line

    def _limit(self, name: str, instrument: Instrument) -> int:
        before = self.state.lines.get(instrument.instrument)
        if before is not None and name in before.changed_limits:
            return in_force(before, name)
        text: str | int = self.state.limits.get(name, getattr(self.settings, name))
        if text == "":
            return own_limit(name, instrument)
        return convert(name, str(text), instrument.price_precision, instrument.quantity_precision)

    def _rates(self, instrument: Instrument) -> tuple[int, int, int]:
        """Initial and maintenance margin and the worst fee of an instrument."""
        settings = self.settings
        initial = max(-(-account.RATE_UNIT // settings.leverage), account.own_margin(settings.initial_margin, instrument, "initial_margin"))
        maintenance = account.own_margin(settings.maintenance_margin, instrument, "maintenance_margin") or min(initial // 2, account.MAINTENANCE_MAX)
        return initial, maintenance, max(settings.maker_rate, settings.taker_rate, 0)

    def _refine_amounts(self, decimals: int) -> None:
        """A finer precision than any before: cash and scales grow by it, exactly."""
        state = self.state
        state.amount_precision += decimals
        state.cash = pack(int(state.cash) * 10**decimals)
        state.fees_bound = pack(int(state.fees_bound) * 10**decimals)
        state.ruined_at = pack(int(state.ruined_at) * 10**decimals)
        for line in state.lines.values():
            line.scale *= 10**decimals


EXPOSURE_FIELDS = (
    "position",
    "working_buy",
    "working_sell",
    "mark",
    "worth_buy",
    "worth_sell",
    "cost",
    "long_price",
    "short_price",
    "held",
    "changed_limits",
)
"""What a line keeps when its specification changes."""


def decision(request: OrderRequest, clock: int, outcome: int, code: int, failed: int, observed: int, limit: int) -> RiskDecision:
    """The decision on a request, carrying the request's terms."""
    return RiskDecision(
        request.order_id,
        request.account,
        request.strategy,
        request.instrument,
        clock,
        request.kind,
        outcome,
        code,
        failed,
        observed,
        limit,
        request.side,
        request.order_type,
        request.time_in_force,
        request.post_only,
        request.quantity,
        request.price,
    )
