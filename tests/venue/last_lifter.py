"""A strategy with one order: to buy two levels behind the print of 15 that a seller made."""

from __future__ import annotations

from typing import Any

from streams.signals.strategy import BUY, SELL, Strategy


class LastLifter(Strategy):
    """Orders once."""

    WAKES = ("trades",)

    def on_trade(self, trade: Any, context: Any) -> None:
        if trade.quantity == 15 and trade.aggressor_side == SELL:
            self.order(context, trade.instrument, BUY, 90)
