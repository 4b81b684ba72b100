"""``acting_kernel.py`` in plain Python: the oracle of what a compiled strategy does."""

import msgspec

from streams.signals.strategy import Strategy, StrategyState

SECOND = 1_000_000_000


class ActingTwin(Strategy):
    NAME = "acting"
    WAKES = ("quotes", "marks", "order_events", "fills", "timers")
    READS = ("account", "quotes")
    STRATEGY = 2
    LOGS = True

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        seed: int = 1
        rate: int = 20
        unit: int = 1_000_000

    class State(StrategyState):
        draw: int = -1

    def mix(self, given):
        before = self.settings.seed if self.state.draw < 0 else self.state.draw
        self.state.draw = (before * 1103515245 + 12345 + (given & 0x7FFFFFFF)) % 2147483648

    def drawn(self, bound):
        self.mix(1)
        return (self.state.draw >> 8) % bound

    def act(self, number, context):
        self.mix(context.position(number).quantity)
        self.mix(context.working(number))
        quote = context.last_quote(number)
        if self.drawn(100) >= self.settings.rate or quote is None:
            return
        bid, ask = quote.bid_price, quote.ask_price
        if bid <= 0 or ask <= 0:
            return
        what = self.drawn(10)
        if what < 3:
            self.aim(what, number, bid if self.drawn(2) == 0 else ask, context)
        elif what == 3:
            for order in context.open_orders()[:1]:
                self.cancel(context, order.order_id, order.instrument, order.side)
        elif what < 6:
            self.change(context)
        elif what > 7:
            self.wind(context)
        self.mix(context.working(number))

    def wind(self, context):
        for _ in range(3):
            timer = "abcde"[self.drawn(5)]
            if self.drawn(4) == 0:
                context.cancel_timer(timer)
            else:
                at = (context.clock // SECOND + 1 + self.drawn(3)) * SECOND
                context.set_timer(timer, at)

    def on_timer(self, timer, context):
        self.mix("abcde".index(timer) + context.clock)
        number, clock = "abcde".index(timer), context.clock
        context.log(f"timer {number}: {-clock}{clock * 10**18}")
        self.wind(context)
        if timer == "c":
            self.act(self.instruments[0].instrument, context)

    def change(self, context):
        order = next((each for each in context.open_orders() if each.price), None)
        if order is None:
            return
        known = context.instrument(order.instrument)
        quantity = self.drawn(3) * 25 * known.lot_size
        step = known.tick_size * (self.drawn(5) - 2)
        price = order.price + step if self.drawn(3) != 0 else 0
        new_id = context.modify(order.order_id, quantity=quantity, price=price)
        self.mix(int(new_id[10:], 32))
        self.mix(context.working(order.instrument))
        what = self.drawn(6)
        if what == 0:
            new_id = context.modify(new_id, price=order.price, post_only=True)
            self.mix(int(new_id[10:], 32))
        elif what == 1:
            self.cancel(context, new_id, order.instrument, order.side)
        elif what == 2:
            self.cancel(context, order.order_id, order.instrument, order.side)

    def aim(self, kind, number, near, context):
        size = self.drawn(401) - 200
        price = near if self.drawn(2) == 0 else 0
        post_only = price != 0 and self.drawn(2) == 0
        terms = {"price": price, "post_only": post_only}
        if kind == 0:
            target = size * context.instrument(number).lot_size
            order_id = context.order_target(number, target, **terms)
        elif kind == 1:
            value = size * self.settings.unit * 1000
            order_id = context.order_target_value(number, value, **terms)
        else:
            order_id = context.order_target_percent(number, size / 300.0, **terms)
        self.mix(int(order_id[10:], 32) if order_id else 0)
        symbol = context.instrument(number).symbol
        held, worth = context.position(number).quantity, context.equity or 0
        context.log(f"{symbol} {held} at {price}: equity {worth}")

    def on_quote(self, quote, context):
        self.act(quote.instrument, context)

    def on_mark(self, mark, context):
        self.act(mark.instrument, context)

    def on_order_event(self, event, context):
        self.mix(int(event.order_id[10:], 32) + event.status)
        context.log(f"event of {event.order_id} {int(event.status)}")
        self.mix(context.working(event.instrument))

    def on_fill(self, fill, context):
        context.log("woken")
        self.act(fill.instrument, context)
