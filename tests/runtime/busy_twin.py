"""``busy_kernel.py`` in plain Python: the oracle of how a compiled strategy is called."""

import msgspec

from streams.signals.strategy import BUY, GTC, IOC, NO_TIMER, SELL, Strategy, StrategyState

PAST = 8


class BusyTwin(Strategy):
    NAME = "busy-kernel"
    WAKES = (
        "trades", "quotes", "bars", "marks", "features", "toxicity", "order_events", "decisions",
        "fills", "positions", "pnl", "timer",
    )  # fmt: skip
    STRATEGY = 3

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        seed: int = 1
        rate: int = 40

    class State(StrategyState):
        draw: int = -1
        bid: int = 0
        ask: int = 0
        made: int = 0
        orders: list[tuple[str, int, int]] = msgspec.field(default_factory=list)

    def drawn(self, given):
        state = self.state
        before = self.settings.seed if state.draw < 0 else state.draw
        state.draw = (before * 1103515245 + 12345 + given % 1000003) % 2147483648
        return state.draw >> 8

    def remember(self, order_id, instrument, side):
        state = self.state
        if len(state.orders) < PAST:
            state.orders.append((order_id, instrument, side))
        else:
            state.orders[state.made % PAST] = (order_id, instrument, side)
        state.made += 1

    def act(self, instrument, given, context):
        draw, state = self.drawn(given), self.state
        if draw % 100 >= self.settings.rate or state.bid <= 0 or state.ask <= 0:
            return
        side = BUY if (draw >> 7) % 2 == 0 else SELL
        near, far = (state.bid, state.ask) if side == BUY else (state.ask, state.bid)
        quantity, what = 1 + (draw >> 9) % 50, (draw >> 4) % 7
        if what == 0:
            self.remember(self.order(context, instrument, side, quantity), instrument, side)
        elif what == 1:
            order_id = self.order(context, instrument, side, quantity, price=near, post_only=True)
            self.remember(order_id, instrument, side)
        elif what == 2:
            order_id = self.order(
                context, instrument, side, quantity, price=far, time_in_force=IOC
            )
            self.remember(order_id, instrument, side)
        elif what == 3:
            order_id = self.order(
                context, instrument, side, quantity, price=near, time_in_force=GTC
            )
            self.remember(order_id, instrument, side)
            self.cancel(context, order_id, instrument, side)
        elif what == 4:
            self.signal(context, instrument, 1 if side == BUY else -1, size=quantity)
        elif state.made > 0:
            self.cancel(context, *state.orders[draw % min(state.made, PAST)])
        if draw % 5 == 0:
            state.timer = context.clock + 1 + (draw % 4) * 700_000_000

    def on_trade(self, trade, context):
        self.act(trade.instrument, trade.trade_id, context)

    def on_quote(self, quote, context):
        self.state.bid, self.state.ask = quote.bid_price, quote.ask_price
        self.act(quote.instrument, quote.sequence, context)

    def on_bar(self, bar, context):
        self.act(bar.instrument, bar.close, context)

    def on_mark(self, mark, context):
        self.act(mark.instrument, mark.bid_price, context)

    def on_market_features(self, features, context):
        self.act(features.instrument, 3, context)

    def on_toxicity(self, toxicity, context):
        self.act(toxicity.instrument, 4, context)

    def on_order_event(self, event, context):
        self.drawn(event.status)

    def on_risk_decision(self, decision, context):
        self.drawn(decision.code)

    def on_fill(self, fill, context):
        self.act(fill.instrument, fill.price, context)

    def on_position(self, position, context):
        self.drawn(abs(position.quantity))

    def on_pnl(self, pnl, context):
        self.act(1, pnl.event_time, context)

    def on_timer(self, deadline, context):
        self.state.timer = NO_TIMER
        self.act(1, deadline, context)

    def on_end(self, context):
        state = self.state
        if state.made > 0:
            self.cancel(context, *state.orders[(state.made - 1) % PAST])
