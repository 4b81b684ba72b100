"""A strategy that does everything at once: wakes on all there is, sets timers near, far and in the past, orders, cancels and signals.

What it does next comes from a generator kept in its state, so it is deterministic and hard on the engine.
"""

import msgspec

from streams.signals.strategy import GTC, IOC, NO_TIMER, Strategy, StrategyState

MINUTE = 60_000_000_000


class Busy(Strategy):
    NAME = "busy"
    WAKES = ("trades", "quotes", "bars", "marks", "features", "toxicity", "order_events", "fills", "positions", "timer")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        seed: int = 1
        rate: int = 40

    class State(StrategyState):
        draw: int = 1
        bid: int = 0
        ask: int = 0
        working: list[str] = msgspec.field(default_factory=list)
        asleep: bool = False

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
        if event.order_id in self.state.working and event.status not in (3, 4, 5):
            self.draw(event.status)

    def on_fill(self, fill, context):
        self.act(fill.instrument, fill.price, context)

    def on_position(self, position, context):
        self.draw(position.quantity)

    def on_timer(self, deadline, context):
        self.state.timer = NO_TIMER
        self.act(1, deadline, context)
        if self.state.timer <= deadline:
            self.state.timer = deadline + 1

    def draw(self, salt: int) -> int:
        """The next number, 31 bits."""
        self.state.draw = (self.state.draw * 6364136223846793005 + 2 * (salt + self.settings.seed) + 1) % 2**63
        return self.state.draw >> 32

    def act(self, instrument: int, salt: int, context) -> None:
        """Now and then something."""
        number = self.draw(salt)
        if number % self.settings.rate or not self.state.bid or not self.state.ask:
            return
        state, kind, side = self.state, number // 64 % 12, 1 + number // 7 % 2
        if kind < 3:
            self.order(context, instrument, side, 1 + number % 50)
        elif kind < 6:
            touch = state.bid if side == 1 else state.ask
            away = number // 1024 % 9 * 10 - 20
            price = touch - away if side == 1 else touch + away
            life = IOC if kind == 5 else GTC
            state.working.append(self.order(context, instrument, side, 1 + number % 50, price=price, time_in_force=life, post_only=kind == 4))
        elif kind == 6 and state.working:
            self.cancel(context, state.working.pop(number // 99 % len(state.working)), instrument, side)
        elif kind == 7:
            self.signal(context, instrument, number // 5 % 3 - 1)
        elif kind == 8:
            state.timer = context.clock + number // 3 % 3_000_000_000
        elif kind == 9:
            state.timer = (context.clock // MINUTE + 1) * MINUTE
        elif kind == 10:
            state.timer = context.clock
        elif kind == 11:
            state.timer = max(1, context.clock - 1_000_000_000)
