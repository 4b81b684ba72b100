"""``weight.py`` of docs/strategies.md in plain Python."""

import msgspec

from streams.signals.strategy import BUY, SELL, Strategy


class WeightTwin(Strategy):
    NAME = "weight"
    WAKES = ("quotes",)
    READS = ("account", "book")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        size: int = 10
        levels: int = 5
        times: int = 2

    def on_quote(self, quote, context):
        number, size, times = quote.instrument, self.settings.size, self.settings.times
        book = context.book(number, self.settings.levels or None)
        bids = sum(quantity for _, quantity in book.bids)
        asks = sum(quantity for _, quantity in book.asks)
        if not bids or not asks or context.open_orders(number):
            return
        held = context.position(number).quantity
        if bids > times * asks and held <= 0:
            self.order(context, number, BUY, size - held)
        elif asks > times * bids and held >= 0:
            self.order(context, number, SELL, size + held)
