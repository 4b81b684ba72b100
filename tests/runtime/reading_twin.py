"""``reading_kernel.py`` in plain Python: the oracle of what a compiled strategy reads."""

import msgspec

from streams.signals.strategy import BUY, GTC, IOC, SELL, Strategy, StrategyState

MINUTE = 60_000_000_000


def time_of(record):
    return 0 if record is None else record.event_time


def close_of(bar):
    return 0 if bar is None else bar.close_time


class ReadingTwin(Strategy):
    NAME = "reading"
    WAKES = (
        "trades", "quotes", "bars", "marks", "features", "toxicity", "order_events", "fills",
        "positions",
    )  # fmt: skip
    READS = (
        "account", "book", "queue", "trades", "quotes", "bars", "marks", "features", "toxicity",
    )  # fmt: skip
    STRATEGY = 2

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        seed: int = 1
        rate: int = 20

    class State(StrategyState):
        draw: int = -1

    def mix(self, given):
        before = self.settings.seed if self.state.draw < 0 else self.state.draw
        self.state.draw = (before * 1103515245 + 12345 + (given & 0x7FFFFFFF)) % 2147483648

    def look(self, number, context):
        held, equity = context.position(number), context.equity
        for value in (
            held.quantity, held.average_price, held.cost, held.realized,
            77 if held.unrealized is None else held.unrealized, held.fees, context.cash,
            78 if equity is None else equity, context.amount_precision,
        ):  # fmt: skip
            self.mix(value)
        for order in context.open_orders():
            self.mix(int(order.order_id[10:], 32))
            self.mix(order.instrument + 10 * order.side + 100 * order.status)
            ahead = context.queue_estimate(order.order_id)
            ahead = -1 if ahead is None else ahead
            for value in (order.quantity, order.remaining, order.price, ahead, 1):
                self.mix(value)
        for order in context.open_orders(number):
            self.mix(int(order.order_id[10:], 32))
        self.mix(context.working(number))
        known = context.instrument(number)
        self.mix(known.tick_size + 10 * known.lot_size + 100 * known.multiplier)
        self.mix(known.price_precision + 100 * known.quantity_precision)
        seen, few = context.book(number, None), context.book(number, 2)
        for levels, first in ((seen.bids, few.bids), (seen.asks, few.asks)):
            self.mix(len(levels) + 1000 * len(first))
            for price, quantity in levels:
                self.mix(price)
                self.mix(quantity)
            for price, quantity in first:
                self.mix(price + quantity)
        self.mix(seen.flags + 100 * few.flags)
        trade, quote = context.last_trade(number), context.last_quote(number)
        self.mix(0 if trade is None else trade.trade_id)
        self.mix(0 if quote is None else quote.sequence)
        self.mix(close_of(context.last_bar(number)))
        self.mix(close_of(context.last_bar(number, MINUTE)))
        self.mix(time_of(context.last_mark(number)))
        self.mix(time_of(context.features(number)))
        self.mix(time_of(context.toxicity(number)))

    def act(self, number, context):
        self.look(number, context)
        draw, quote = self.state.draw >> 8, context.last_quote(number)
        if draw % 100 >= self.settings.rate or quote is None:
            return
        bid, ask = quote.bid_price, quote.ask_price
        if bid <= 0 or ask <= 0:
            return
        side = BUY if (draw >> 7) % 2 == 0 else SELL
        near, far = (bid, ask) if side == BUY else (ask, bid)
        quantity, what = 1 + (draw >> 9) % 50, (draw >> 4) % 7
        if what == 0:
            self.order(context, number, side, quantity)
        elif what == 1:
            self.order(context, number, side, quantity, price=near, post_only=True)
        elif what == 2:
            self.order(context, number, side, quantity, price=far, time_in_force=IOC)
        elif what == 3:
            order_id = self.order(context, number, side, quantity, price=near, time_in_force=GTC)
            self.look(number, context)
            self.cancel(context, order_id, number, side)
        elif what == 4:
            direction = 1 if side == BUY else -1
            self.signal(context, number, direction, size=quantity, sequence=self.state.draw)
        else:
            for order in context.open_orders()[:1]:
                self.cancel(context, order.order_id, order.instrument, order.side)
        self.look(number, context)

    def on_trade(self, trade, context):
        self.act(trade.instrument, context)

    def on_quote(self, quote, context):
        self.act(quote.instrument, context)

    def on_bar(self, bar, context):
        self.act(bar.instrument, context)

    def on_mark(self, mark, context):
        self.act(mark.instrument, context)

    def on_market_features(self, features, context):
        self.act(features.instrument, context)

    def on_toxicity(self, toxicity, context):
        self.act(toxicity.instrument, context)

    def on_order_event(self, event, context):
        self.look(event.instrument, context)

    def on_fill(self, fill, context):
        self.act(fill.instrument, context)

    def on_position(self, position, context):
        self.look(position.instrument, context)
