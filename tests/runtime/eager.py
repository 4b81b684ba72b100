"""A strategy that reads nothing of the order side and asks it for everything: it runs ahead of the other ledgers, and must be none the wiser.

What it does next comes from a generator kept in its state. ``what`` is a text of the things it does, each as often as its letter: market orders (m),
limit orders (l), cancels (c), ids asked for twice (d), too large orders (x), signals (s), two orders at once (t).
"""

import msgspec

from streams.signals.strategy import BUY, IOC, MARKET, NEW, SELL, OrderRequest, Strategy, StrategyState


class Eager(Strategy):
    NAME = "eager"
    WAKES = ("trades", "quotes", "bars", "marks", "features")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        seed: int = 1
        rate: int = 10
        what: str = "mlcdxst"

    class State(StrategyState):
        draw: int = 1
        bid: int = 0
        ask: int = 0
        recent: list[str] = msgspec.field(default_factory=list)

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

    def act(self, instrument: int, salt: int, context) -> None:
        """Now and then something."""
        state = self.state
        state.draw = (state.draw * 6364136223846793005 + 2 * (salt + self.settings.seed) + 1) % 2**63
        number = state.draw >> 32
        if number % self.settings.rate or not state.bid or not state.ask:
            return
        side, what = BUY + number // 7 % 2 * (SELL - BUY), self.settings.what[number // 64 % len(self.settings.what)]
        if what in "mt":
            for _ in range(1 + (what == "t")):
                state.recent = [*state.recent[-4:], self.order(context, instrument, side, 1 + number % 50)]
        elif what == "l":
            price = state.bid if side == BUY else state.ask
            state.recent = [*state.recent[-4:], self.order(context, instrument, side, 1 + number % 50, price=price)]
        elif what == "x":
            self.order(context, instrument, side, 10**12)
        elif what == "s":
            self.signal(context, instrument, number // 1024 % 3 - 1, size=1 + number % 30)
        elif state.recent:
            order_id = state.recent[number // 4096 % len(state.recent)]
            if what == "c":
                self.cancel(context, order_id, instrument, side)
            else:
                context.emit(OrderRequest(order_id, context.account, 1, instrument, context.clock, NEW, side, MARKET, IOC, False, 3, 0))
