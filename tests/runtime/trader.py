"""A strategy that uses every way to act by the context: targets, modified orders, named timers. It logs what it asks for and what came of it.

What it does next comes from a generator kept in its state.
"""

import msgspec

from streams.signals.strategy import BUY, SELL, Strategy, StrategyState

NAMES = ("near", "far", "other")


class Trader(Strategy):
    NAME = "trader"
    WAKES = ("md.quotes", "fills", "order_events", "pnl", "decisions", "risk_events", "depth", "timers", "instruments")
    READS = ("account",)
    LOGS = True

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        seed: int = 1
        rate: int = 4

    class State(StrategyState):
        draw: int = 1
        depths: int = 0
        recent: list[str] = msgspec.field(default_factory=list)

    def on_quote(self, quote, context):
        state = self.state
        state.draw = (state.draw * 6364136223846793005 + 2 * (quote.sequence + self.settings.seed) + 1) % 2**63
        number = state.draw >> 32
        if number % self.settings.rate or not quote.bid_price or not quote.ask_price:
            return
        self.act(quote, number // 64, context)

    def act(self, quote, number, context):
        """One thing, and its line."""
        instrument, kind = quote.instrument, number % 9
        orders = [order for order in context.open_orders() if order.price]
        amount = number // 16 % 81 - 40
        if kind < 4:
            mark = context.last_mark(instrument)
            held, working = context.position(instrument).quantity, context.working(instrument)
            price = 0 if number // 7 % 2 else quote.bid_price if amount > 0 else quote.ask_price
            asked = amount
            if kind < 2:
                order_id = context.order_target(instrument, amount, price=price)
            elif kind == 2:
                asked = amount * 10**8 + 12_345
                order_id = context.order_target_value(instrument, asked, price=price)
            else:
                asked = amount / 1000
                order_id = context.order_target_percent(instrument, asked, price=price)
            touch = (mark.bid_price, mark.ask_price, mark.flags) if mark is not None else None
            self.say(context, "target", kind, instrument, asked, price, held, working, touch, context.equity, order_id)
        elif kind == 4:
            side = BUY if amount > 0 else SELL
            far = (number // 11 % 4) * 10
            price = quote.bid_price - far if side == BUY else quote.ask_price + far
            state = self.state
            state.recent = [*state.recent[-3:], self.order(context, instrument, side, 2 + 2 * (abs(amount) // 2), price=price)]
        elif kind in (5, 6) and orders:
            order = orders[number // 13 % len(orders)]
            self.amend(order.order_id, order.price, number, context)
        elif kind == 7:
            name = NAMES[number // 3 % 3]
            if number // 9 % 4:
                at = context.clock + 1 + number // 5 % 1_500_000_000
                context.set_timer(name, at)
                self.say(context, "set", name, at)
            else:
                context.cancel_timer(name)
                self.say(context, "unset", name)
        elif kind == 8 and self.state.recent:
            order_id = self.state.recent[number // 13 % len(self.state.recent)]
            self.cancel(context, order_id, instrument, BUY)
            self.say(context, "cancel", order_id)

    def amend(self, order_id, price, number, context):
        """Modify an order, and now and then what takes its place at once."""
        quantity = 2 + 2 * (number // 17 % 20)
        price = price + 10 * (number // 19 % 5 - 2) if number % 3 else 0
        new = context.modify(order_id, quantity=quantity, price=price)
        self.say(context, "modify", order_id, new, quantity, price)
        if not number // 23 % 3:
            again = context.modify(new, quantity=quantity + 2)
            self.say(context, "modify", new, again, quantity + 2, 0)
        self.state.recent = [*self.state.recent[-3:], new]

    def on_timer(self, name, context):
        self.say(context, "timer", name)
        if name == "near":
            context.set_timer("far", context.clock + 1)
            self.say(context, "set", "far", context.clock + 1)

    def on_order_event(self, event, context):
        orders = tuple((order.order_id, order.instrument, order.side, order.quantity, order.remaining) for order in context.open_orders())
        self.say(context, "event", event.order_id, event.instrument, context.working(event.instrument), orders)

    def on_fill(self, fill, context):
        self.say(context, "fill", fill.venue_trade_id)

    def on_pnl(self, pnl, context):
        self.say(context, "pnl", pnl.cash, pnl.equity, context.cash, context.equity)

    def on_risk_decision(self, decision, context):
        self.say(context, "decision", decision.order_id)

    def on_risk_event(self, event, context):
        self.say(context, "risk", event.order_id)

    def on_depth_update(self, depth, context):
        self.state.depths += 1

    def on_instrument(self, instrument, context):
        self.say(context, "instrument", instrument.instrument)

    def on_end(self, context):
        self.say(context, "end", self.state.depths)

    def say(self, context, *what):
        """One line: a tuple that ast.literal_eval reads."""
        context.log(f"{(context.clock, *what)}")
