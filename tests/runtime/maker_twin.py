"""The market maker of docs/strategies.md in plain Python: the oracle of what the compiled one asks
for.
"""

import msgspec

from schemas.vocabulary import Flag, OrderStatus
from streams.signals.strategy import BUY, SELL, Strategy, StrategyState

ENDED = (
    OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
    OrderStatus.DENIED,
)  # fmt: skip


class Line(msgspec.Struct):
    order_id: str = ""
    price: int = 0
    leaving: bool = False
    wanted: int = 0


class MakerTwin(Strategy):
    NAME = "maker"
    WAKES = ("quotes", "order_events", "fills")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        size: int = 10
        away: int = 2
        most: int = 5

    class State(StrategyState):
        held: dict[int, int] = msgspec.field(default_factory=dict)
        lines: dict[int, dict[int, Line]] = msgspec.field(default_factory=dict)

    def on_quote(self, quote, context):
        if quote.flags & (Flag.STALE | Flag.ONE_SIDED):
            return
        ticks = {each.instrument: each.tick_size for each in self.instruments}
        tick = ticks[quote.instrument]
        lines = self.state.lines.setdefault(quote.instrument, {BUY: Line(), SELL: Line()})
        middle = (quote.bid_price + quote.ask_price) // 2 // tick
        lines[BUY].wanted = (middle - self.settings.away) * tick
        lines[SELL].wanted = (middle + self.settings.away + 1) * tick
        for side in (BUY, SELL):
            self.move(lines[side], quote.instrument, side, context)

    def move(self, line, instrument, side, context):
        size = self.settings.size
        if not line.order_id:
            held = self.state.held.get(instrument, 0)
            if self.settings.most * size - (held if side == BUY else -held) >= size:
                line.order_id = self.order(
                    context, instrument, side, size, price=line.wanted, post_only=True
                )
                line.price, line.leaving = line.wanted, False
        elif line.price != line.wanted and not line.leaving:
            self.cancel(context, line.order_id, instrument, side)
            line.leaving = True

    def on_order_event(self, event, context):
        if event.refused or event.status not in ENDED:
            return
        for side, line in self.state.lines.get(event.instrument, {}).items():
            if line.order_id == event.order_id:
                line.order_id = ""
                if event.status == OrderStatus.CANCELLED:
                    self.move(line, event.instrument, side, context)

    def on_fill(self, fill, context):
        held = self.state.held.get(fill.instrument, 0)
        signed = fill.quantity if fill.side == BUY else -fill.quantity
        self.state.held[fill.instrument] = held + signed
