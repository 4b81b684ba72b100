"""``keeper.py`` of docs/strategies.md in plain Python."""

import msgspec

from schemas.vocabulary import OrderStatus
from streams.signals.strategy import BUY, SELL, Strategy

LEAVING = int(OrderStatus.PENDING_CANCEL)


class KeeperTwin(Strategy):
    NAME = "keeper"
    WAKES = ("quotes",)
    READS = ("account",)

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        size: int = 10
        most: int = 5
        floor: int = 0

    def on_quote(self, quote, context):
        if quote.bid_price <= 0 or quote.ask_price <= 0:
            return
        held, equity = context.position(quote.instrument).quantity, context.equity
        floor, room = self.settings.floor * 10**context.amount_precision, 0
        if equity is not None and equity >= floor:
            room = self.settings.size * self.settings.most
        self.quote_side(quote.instrument, BUY, quote.bid_price, room - held, context)
        self.quote_side(quote.instrument, SELL, quote.ask_price, room + held, context)

    def quote_side(self, number, side, price, may, context):
        orders = [order for order in context.open_orders(number) if order.side == side]
        for order in orders:
            if order.price != price and order.status != LEAVING:
                self.cancel(context, order.order_id, number, side)
        if not orders and may >= self.settings.size:
            self.order(context, number, side, self.settings.size, price=price, post_only=True)
