"""A strategy that orders on every quote, bought and sold in turn: orders as dense as quotes."""

from __future__ import annotations

from typing import Any

from schemas.records import OrderRequest
from streams.signals.strategy import BUY, IOC, MARKET, NEW, SELL, Strategy, StrategyState


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
        side = BUY if state.orders & 1 else SELL
        context.emit(OrderRequest(context.order_id(), 1, 1, quote.instrument, context.clock, NEW, side, MARKET, IOC, False, 100, 0))
