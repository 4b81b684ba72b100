"""A strategy that keeps its own estimate of each queue, in plain Python by what
``docs/strategies.md`` says, and compares it with the context's whenever it is woken. It says in a
line what differs.
"""

import msgspec

from schemas.vocabulary import Liquidity, OrderStatus
from streams.signals.strategy import BUY, SELL, Strategy, StrategyState

ENDED = (
    OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
    OrderStatus.DENIED,
)  # fmt: skip
AT_VENUE = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class Queued(msgspec.Struct):
    instrument: int
    side: int
    price: int
    left: int
    ahead: int | None = None
    shown: int = 0
    printed: int = 0


class QueueTwin(Strategy):
    NAME = "queue-twin"
    WAKES = ("trades", "depth", "order_events", "fills", "quotes")
    READS = ("account", "book", "queue")
    LOGS = True

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        seed: int = 1
        rate: int = 10
        most: int = 12

    class State(StrategyState):
        draw: int = -1
        queues: dict[str, Queued] = msgspec.field(default_factory=dict)
        wakes: int = 0
        compared: int = 0
        moved: int = 0
        wrong: int = 0

    def compare(self, context):
        state = self.state
        state.wakes += 1
        if state.wakes % 3:
            return  # what is not read for a while is followed all the same
        for order in context.open_orders():
            twin = state.queues.get(order.order_id)
            if twin is not None:
                self.follow(context, twin)
            expected = None if twin is None else twin.ahead
            found = context.queue_estimate(order.order_id)
            state.compared += 1
            state.moved += bool(twin and twin.ahead and twin.ahead < twin.shown)
            if found != expected:
                state.wrong += 1
                if state.wrong < 20:
                    context.log(f"wrong {order.order_id} {found} {expected} {twin}")

    def size(self, context, queued):
        seen = context.book(queued.instrument, None)
        if seen.flags & 1 or not (seen.bids or seen.asks):
            return None
        return dict(seen.bids if queued.side == BUY else seen.asks).get(queued.price, 0)

    def follow(self, context, queued):
        shown = self.size(context, queued)
        if shown is None or (queued.ahead is not None and shown == queued.shown):
            return
        if queued.ahead is None or queued.shown - queued.printed > shown:
            queued.ahead = shown if queued.ahead is None else min(queued.ahead, shown)
        queued.shown, queued.printed = shown, 0

    def on_depth_update(self, update, context):
        for queued in self.state.queues.values():
            if queued.instrument == update.instrument:
                self.follow(context, queued)
        self.compare(context)

    def on_trade(self, trade, context):
        hit = {BUY: SELL, SELL: BUY}.get(trade.aggressor_side)
        sign = 1 if hit == BUY else -1
        same = [
            each for each in self.state.queues.values()
            if each.instrument == trade.instrument and each.side == hit and each.ahead is not None
        ]  # fmt: skip
        left = trade.quantity
        for each in same:
            if sign * each.price > sign * trade.price:
                each.ahead = 0
                left = max(0, left - each.left)
        gone = 0
        for each in same:
            if each.price == trade.price:
                each.printed += trade.quantity
                ahead = max(0, each.ahead - gone)
                taken = min(ahead, left)
                each.ahead, gone, left = ahead - taken, gone + taken, left - taken
                left = max(0, left - each.left)
        self.compare(context)

    def on_fill(self, fill, context):
        if fill.liquidity == Liquidity.MAKER and fill.order_id in self.state.queues:
            if self.state.queues[fill.order_id].ahead is not None:
                self.state.queues[fill.order_id].ahead = 0
        self.compare(context)

    def on_order_event(self, event, context):
        queues = self.state.queues
        if not event.refused and event.status in ENDED:
            queues.pop(event.order_id, None)
        elif not event.refused:
            known = queues.get(event.order_id)
            if known is not None:
                known.left = event.quantity - event.filled_quantity
            elif event.status in AT_VENUE and event.price:
                left = event.quantity - event.filled_quantity
                queued = Queued(event.instrument, event.side, event.price, left)
                queues[event.order_id] = queued
                self.follow(context, queued)
        self.compare(context)

    def on_quote(self, quote, context):
        self.compare(context)
        draw = self.settings.seed if self.state.draw < 0 else self.state.draw
        self.state.draw = draw = (draw * 1103515245 + 12345) % 2147483648
        draw >>= 8
        if draw % 100 >= self.settings.rate or quote.bid_price <= 0 or quote.ask_price <= 0:
            return
        own = context.open_orders(quote.instrument)
        if len(own) >= self.settings.most:
            self.cancel(context, own[0].order_id, own[0].instrument, own[0].side)
            return
        side, deep = (BUY, SELL)[(draw >> 7) % 2], (draw >> 9) % 3
        seen = context.book(quote.instrument, 3)
        levels = seen.bids if side == BUY else seen.asks
        price = levels[min(deep, len(levels) - 1)][0]
        self.order(context, quote.instrument, side, 1 + (draw >> 11) % 20, price=price)

    def on_end(self, context):
        state = self.state
        context.log(f"compared {state.compared} moved {state.moved} wrong {state.wrong}")
