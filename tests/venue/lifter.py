"""A strategy that takes at market what was just printed: with phantom size in the book it is paid for it (issue 12, A9)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from streams.signals.strategy import BUY, SELL, Strategy, StrategyState


class Lifter(Strategy):
    """An order for about 200 of the quote currency behind every n-th print, to its side; the position is kept near zero."""

    WAKES = ("trades", "fills")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        every: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 7
        most: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20

    class State(StrategyState):
        seen: int = 0
        position: int = 0

    def on_trade(self, trade: Any, context: Any) -> None:
        self.state.seen += 1
        if self.state.seen % self.settings.every:
            return
        line = self.instruments[0]
        quantity = 200 * 10 ** (line.price_precision + line.quantity_precision) // trade.price // line.lot_size * line.lot_size
        side = BUY if trade.aggressor_side == BUY else SELL
        if abs(self.state.position) >= self.settings.most * quantity:
            side = SELL if self.state.position > 0 else BUY
        self.order(context, trade.instrument, side, quantity)

    def on_fill(self, fill: Any, context: Any) -> None:
        self.state.position += fill.quantity if fill.side == BUY else -fill.quantity
