"""A strategy that orders on every quote, bought and sold in turn: orders as dense as quotes."""

from __future__ import annotations

from typing import Any

from streams.signals.strategy import BUY, SELL, Strategy, StrategyState


class OrderingState(StrategyState):
    """Orders so far."""

    orders: int = 0


class Ordering(Strategy):
    """One market order a quote."""

    NAME = "ordering"
    WAKES = ("quotes",)
    State = OrderingState

    def on_quote(self, quote: Any, context: Any) -> None:
        """Buy, then sell, then buy."""
        state = self.state
        state.orders += 1
        self.order(context, quote.instrument, BUY if state.orders & 1 else SELL, 100)
