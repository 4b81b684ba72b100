"""Busy, and it logs what it reads of its account, the book and the last records each time it is woken, before and after it acts."""

from busy import Busy

from streams.signals.strategy import GTC


class Observer(Busy):
    NAME = "observer"
    READS = ("account", "book", "trades", "quotes", "bars", "marks", "features", "toxicity")
    LOGS = True

    class Settings(Busy.Settings):
        reads: bool = True

    class State(Busy.State):
        woken: int = 0
        made: tuple[str, ...] = ()

    def on_trade(self, trade, context):
        self.show("trade", trade.trade_id, trade.instrument, context)
        super().on_trade(trade, context)
        self.show("acted", "", trade.instrument, context)

    def on_quote(self, quote, context):
        self.show("quote", quote.sequence, quote.instrument, context)
        super().on_quote(quote, context)
        self.show("acted", "", quote.instrument, context)

    def on_bar(self, bar, context):
        self.show("bar", bar.close_time, bar.instrument, context)
        super().on_bar(bar, context)

    def on_mark(self, mark, context):
        self.show("mark", mark.event_time, mark.instrument, context)
        super().on_mark(mark, context)

    def on_market_features(self, features, context):
        self.show("features", features.event_time, features.instrument, context)
        super().on_market_features(features, context)

    def on_toxicity(self, toxicity, context):
        self.show("toxicity", toxicity.event_time, toxicity.instrument, context)
        super().on_toxicity(toxicity, context)

    def on_order_event(self, event, context):
        self.show("event", event.order_id, event.instrument, context)
        super().on_order_event(event, context)

    def on_fill(self, fill, context):
        self.show("fill", fill.venue_trade_id, fill.instrument, context)
        super().on_fill(fill, context)
        self.show("acted", "", fill.instrument, context)

    def on_position(self, position, context):
        self.show("position", position.order_id, position.instrument, context)
        super().on_position(position, context)

    def on_timer(self, deadline, context):
        self.show("timer", deadline, self.instruments[0].instrument, context)
        super().on_timer(deadline, context)

    def on_end(self, context):
        self.show("end", "", self.instruments[0].instrument, context)

    def order(self, context, instrument, side, quantity, *, price=0, time_in_force=GTC, post_only=False):
        order_id = super().order(
            context, instrument, side, quantity, price=price, time_in_force=time_in_force, post_only=post_only
        )
        self.state.made = (*self.state.made[-2:], order_id)
        return order_id

    def show(self, woken_by, key, instrument, context):
        """One line: a tuple that ast.literal_eval reads."""
        if not self.settings.reads:
            return
        held = context.position(instrument)
        orders = tuple(
            (order.order_id, order.instrument, order.side, order.quantity, order.remaining, order.price, order.status)
            for order in context.open_orders()
        )
        self.state.woken += 1
        book = context.book(instrument, 3 if self.state.woken % 50 else None)
        asked = self.state.made
        trade, quote, mark = context.last_trade(instrument), context.last_quote(instrument), context.last_mark(instrument)
        bar, features, toxicity = context.last_bar(instrument), context.features(instrument), context.toxicity(instrument)
        last = (
            trade.trade_id if trade is not None else None,
            quote.sequence if quote is not None else None,
            mark.event_time if mark is not None else None,
            bar.close_time if bar is not None else None,
            features.event_time if features is not None else None,
            toxicity.event_time if toxicity is not None else None,
        )
        position = (held.quantity, held.average_price, held.cost, held.realized, held.unrealized, held.fees)
        depth = book.bids if len(book.bids) < 10 else book.bids[:3] + book.bids[-1:]
        asks = book.asks if len(book.asks) < 10 else book.asks[:3] + book.asks[-1:]
        what = (woken_by, key, instrument, position, context.cash, context.equity, orders, asked, depth, asks, book.flags, last)
        context.log(f"{what}")
