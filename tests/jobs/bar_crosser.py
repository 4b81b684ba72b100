"""A strategy on bars: long while the close is above the mean of the last closes, else flat."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.signals.strategy import Strategy, StrategyState


class BarCrosser(Strategy):
    NAME = "bar-crosser"
    WAKES = ("bars",)
    READS = ("account",)

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        length: int = 5
        quantity: int = 2

    class State(StrategyState):
        closes: list[int] = msgspec.field(default_factory=list)

    def on_bar(self, bar: Any, context: Any) -> None:
        closes = [*self.state.closes[1 - self.settings.length :], bar.close]
        self.state.closes = closes
        if len(closes) < self.settings.length:
            return
        is_above = bar.close * len(closes) > sum(closes)
        context.order_target(bar.instrument, self.settings.quantity if is_above else 0)


class BookReader(Strategy):
    """Asks for depth, which no data but a book's have."""

    NAME = "book-reader"
    WAKES = ("depth",)

    def on_depth_update(self, update: Any, context: Any) -> None:
        """Nothing."""


class TradeReader(Strategy):
    """Asks for trades."""

    NAME = "trade-reader"
    WAKES = ("trades",)

    def on_trade(self, trade: Any, context: Any) -> None:
        """Nothing."""
