"""Risk in Python integers, as the stage was before it became compiled: the oracle of
``test_risk_against_readable.py``. Rules only: no settings by text, no snapshots.

Amounts that are booked have at most 38 digits: beyond is TooLarge, with nothing changed. What an
order would book is checked before it is approved: such an order cannot be paid.
"""

from __future__ import annotations

from typing import Any

from readable_checks import (
    EXPOSURE_FIELDS,
    book,
    decision,
    explained,
    failed_checks,
    first_code,
    take_mark,
)
from readable_liquidation import bears_margin, watch
from readable_money import (
    APPROVED,
    BUY,
    CANCEL,
    CRITICAL,
    DENIED,
    EMERGENCY,
    ENDED,
    INFO,
    MAINTENANCE_MAX,
    MARKET,
    NEW,
    NO_ORDER,
    NO_TIMER,
    OFF,
    RATE_UNIT,
    UNUSABLE,
    WARNING,
    C,
    Held,
    Line,
    State,
    Working,
    bind,
    check,
    protection_price,
    release,
    reserve,
    worst_fee,
)

from schemas.records import (
    ControlCommand,
    Fill,
    Instrument,
    Mark,
    OrderEvent,
    OrderRequest,
    RiskDecision,
    RiskEvent,
)
from schemas.vocabulary import (
    ControlKind,
    ControlScope,
    InstrumentKind,
)
from streams.risk.codes import CODE_OF_LIMIT
from streams.risk.limits import BadLimit, convert


class Risk:
    """Ordered coded checks, limits, kill switch."""

    def __init__(self, instruments: list[Instrument], settings: Any, cash: int | None) -> None:
        """``cash``: whole units of the settlement currency, None where money is not checked."""
        self.settings = settings
        self.check_cash = cash is not None
        precision = max(each.price_precision + each.quantity_precision for each in instruments)
        opens = NO_TIMER if settings.warmup else settings.trade_from
        self.state = State({}, {}, [], {}, precision, (cash or 0) * 10**precision, 0, opens)
        for instrument in instruments:
            self.on_instrument(instrument, None)

    # -- requests

    def on_order_request(self, record: OrderRequest, context: Any) -> None:
        """Approve or deny."""
        if record.kind == CANCEL:
            self._decide_cancel(record, context)
            return
        state = self.state
        clock = context.clock
        instrument = record.instrument
        line = state.lines.get(instrument)
        settings = self.settings
        failed = failed_checks(
            state, line, record, settings.account, clock, state.opens, settings.trade_to
        )
        if record.kind != NEW:
            failed |= 1 << C.INVALID_QUANTITY
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
            price = protection_price(line, line.mark.ask_price if buy else line.mark.bid_price, buy)
        order = Working(instrument, buy, quantity)
        if self.check_cash and price > 0 and quantity > 0 and not bind(state, line, order, price):
            failed |= 1 << (
                C.INSUFFICIENT_CASH if buy and line.settled_in_cash else C.INSUFFICIENT_MARGIN
            )
        if failed:
            self._deny(record, failed, context)
            return
        reserve(state, order_id, line, order)
        if clock < line.mark.book_time:
            state.negative_ages += 1
        state.recent[order_id] = 1
        if len(state.recent) > settings.recent_orders:
            del state.recent[next(iter(state.recent))]
        context.emit(
            RiskDecision(
                order_id, record.account, record.strategy, instrument, clock, NEW, APPROVED, C.NONE,
                0, 0, 0,
                side, order_type, record.time_in_force, record.post_only, quantity, price,
            )
        )  # fmt: skip

    def _decide_cancel(self, request: OrderRequest, context: Any) -> None:
        """Cancels always pass, except for an order that is not working."""
        if request.order_id in self.state.orders:
            context.emit(decision(request, context.clock, APPROVED, C.NONE, 0, 0, 0))
        else:
            self._deny(request, 1 << C.UNKNOWN_ORDER, context)

    def _deny(self, request: OrderRequest, failed: int, context: Any) -> None:
        """A decision with every failing check, and a warning about the first."""
        state = self.state
        clock = context.clock
        code = first_code(failed)
        observed = limit = 0
        if code != C.UNKNOWN_ORDER:
            line, settings = state.lines.get(request.instrument), self.settings
            observed, limit = explained(
                code, state, line, request, settings.account, clock, state.opens, settings.trade_to
            )
        context.emit(decision(request, clock, DENIED, code, failed, observed, limit))
        context.emit(
            RiskEvent(
                clock,
                request.account,
                request.strategy,
                request.instrument,
                request.order_id,
                code,
                WARNING,
                observed,
                limit,
            )
        )

    # -- exposure

    def on_fill(self, record: Fill, context: Any) -> None:
        """Working quantity becomes position; cash moves for what settles in cash."""
        state = self.state
        line = state.lines.get(record.instrument)
        if line is None:
            return
        quantity = record.quantity
        order = state.orders.get(record.order_id)
        signed = quantity if record.side == BUY else -quantity
        cash, strategy, held, total = self._booked(line, record, signed)
        if order is not None:
            fee_left = (
                worst_fee(line, order.worst_price, order.leaves - quantity)
                if order.leaves > quantity
                else 0
            )
            release(state, order, line, quantity, fee_left)
        line.position += signed
        if self.check_cash:
            line.held[strategy], line.cost, state.cash = held, total, cash

    def _booked(self, line: Line, fill: Fill, signed: int) -> tuple[int, int, Held, int]:
        """(cash, strategy, what it holds, cost of all) after a fill; nothing is changed."""
        if not self.check_cash:
            return 0, 0, Held(), 0
        before = line.held.get(fill.strategy, Held())
        held, moved = book(line, before, signed, fill.price)
        change = moved - fill.fee
        cash, total = self.state.cash + change * line.scale, line.cost + held.cost - before.cost
        check(change, change * line.scale, cash, total)
        return cash, fill.strategy, held, total

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """The end of an order releases what is left of it."""
        if record.status in ENDED and not record.refused:
            state = self.state
            order = state.orders.pop(record.order_id, None)
            if order is not None and order.leaves:
                release(state, order, state.lines[order.instrument], order.leaves, 0)

    def on_mark(self, record: Mark, context: Any) -> None:
        """The reference prices of an instrument from now on; the first starts the warm-up. A
        position may have become too large for its money.
        """
        state = self.state
        if state.opens == NO_TIMER:
            state.opens = max(self.settings.trade_from, context.clock + self.settings.warmup)
        line = state.lines.get(record.instrument)
        if line is not None:
            take_mark(line, record)
            if (
                self.check_cash
                and (state.halted or (line.position and bears_margin(line)))
                and not record.flags & UNUSABLE
            ):
                watch(state, self.settings.account, context)

    # -- the operator

    def on_control_command(self, record: ControlCommand, context: Any) -> None:
        """KILL, REARM and LIMIT; whatever cannot be obeyed changes nothing and is reported."""
        if record.kind == ControlKind.KILL:
            self._kill(record, context)
        elif record.kind == ControlKind.REARM:
            self._rearm(record, context)
        elif record.kind == ControlKind.LIMIT:
            self._change_limit(record, context)

    def _kill(self, command: ControlCommand, context: Any) -> None:
        killed = self.state.killed
        scopes = {
            ControlScope.ACCOUNT: command.account,
            ControlScope.STRATEGY: command.strategy,
            ControlScope.INSTRUMENT: command.instrument,
        }
        scope = ControlScope(command.scope)
        key = (int(scope), scopes[scope]) if scope in scopes else (1, 0)
        if key not in killed:
            killed.append(key)
        self._report(command, C.KILL_SWITCH, EMERGENCY, 1, 0, context)

    def _rearm(self, command: ControlCommand, context: Any) -> None:
        killed = self.state.killed
        scopes = {
            ControlScope.ACCOUNT: command.account,
            ControlScope.STRATEGY: command.strategy,
            ControlScope.INSTRUMENT: command.instrument,
        }
        scope = ControlScope(command.scope)
        key = (int(scope), scopes[scope]) if scope in scopes else (1, 0)
        if command.scope and key in killed:
            killed.remove(key)
            self._report(command, C.KILL_SWITCH, INFO, 0, 0, context)
        else:
            self._report(command, C.KILL_SWITCH, WARNING, 0, 0, context)

    def _change_limit(self, command: ControlCommand, context: Any) -> None:
        """Convert for every line in scope first, then put in force: all lines or none."""
        name = command.name
        code = CODE_OF_LIMIT.get(name, C.UNKNOWN)
        lines = self.state.lines
        if command.scope == ControlScope.INSTRUMENT:
            chosen = [lines[command.instrument]] if command.instrument in lines else []
        elif command.scope == ControlScope.SYSTEM or (
            command.scope == ControlScope.ACCOUNT and command.account == self.settings.account
        ):
            chosen = list(lines.values())
        else:
            chosen = []
        try:
            values = [
                convert(name, command.value, line.price_precision, line.quantity_precision)
                for line in chosen
            ]
        except BadLimit:
            values = []
        if not values:
            self._report(command, code, CRITICAL, 0, 0, context)
            return
        before = getattr(chosen[0], name)
        alone = command.scope == ControlScope.INSTRUMENT
        if not alone:
            self.state.limits[name] = command.value
        for line, value in zip(chosen, values, strict=True):
            setattr(line, name, value)
            line.changed_limits.discard(name)
            if alone:
                line.changed_limits.add(name)
        self._report(command, code, INFO, before, values[0], context)

    def _report(
        self,
        command: ControlCommand,
        code: int,
        severity: int,
        observed: int,
        limit: int,
        context: Any,
    ) -> None:
        context.emit(
            RiskEvent(
                context.clock,
                command.account,
                command.strategy,
                command.instrument,
                NO_ORDER,
                code,
                severity,
                observed,
                limit,
            ),
        )

    # -- reference data

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification: what the operator set, exposure and the last mark stay.
        """
        state, instrument = self.state, record
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
            instrument.kind in (InstrumentKind.SPOT, InstrumentKind.EQUITY),
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
            return int(getattr(before, name))
        text: str | int = self.state.limits.get(name, getattr(self.settings, name))
        if text == "":
            own = {
                "min_quantity": instrument.minimum_quantity,
                "min_notional": instrument.minimum_notional,
            }
            own["max_quantity"] = (
                instrument.maximum_quantity if instrument.maximum_quantity > 0 else OFF
            )
            return own.get(name, OFF)
        return convert(name, str(text), instrument.price_precision, instrument.quantity_precision)

    def _rates(self, instrument: Instrument) -> tuple[int, int, int]:
        """Initial and maintenance margin and the worst fee of an instrument."""
        settings = self.settings
        initial = max(-(-RATE_UNIT // settings.leverage), instrument.initial_margin or 0)
        maintenance = instrument.maintenance_margin or min(initial // 2, MAINTENANCE_MAX)
        return initial, maintenance, max(settings.maker_rate, settings.taker_rate, 0)

    def _refine_amounts(self, decimals: int) -> None:
        """A finer precision than any before: cash and scales grow by it, exactly."""
        state = self.state
        more = 10**decimals
        check(state.cash * more, state.fees_bound * more, state.ruined_at * more)
        state.amount_precision += decimals
        state.cash = state.cash * 10**decimals
        state.fees_bound = state.fees_bound * 10**decimals
        state.ruined_at = state.ruined_at * 10**decimals
        for line in state.lines.values():
            line.scale *= 10**decimals
