"""Strategies that do nothing but order, bought and sold in turn: on every quote, on every own fill.
"""

from __future__ import annotations

from typing import Any

from schemas.records import OrderRequest
from streams.signals.strategy import (
    BUY,
    IOC,
    MARKET,
    NEW,
    NO_TIMER,
    SELL,
    Strategy,
    StrategyState,
)

SECOND = 1_000_000_000


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
        context.emit(
            OrderRequest(
                context.order_id(),
                1,
                1,
                quote.instrument,
                context.clock,
                NEW,
                side,
                MARKET,
                IOC,
                False,
                100,
                0,
            )
        )


class Answering(Strategy):
    """One market order an own fill; a timer begins."""

    NAME = "answering"
    WAKES = ("fills", "timer")

    class State(OrderingState):
        """The first order is sent a second after the market began (``recordings.START``; a strategy
        imports no module of another folder).
        """

        timer: int = 1_704_067_201_000_000_000

    def on_timer(self, deadline: int, context: Any) -> None:
        """The first order; again a second later while none was filled."""
        self.state.timer = context.clock + SECOND
        self.buy_or_sell(context)

    def on_fill(self, fill: Any, context: Any) -> None:
        """The next order."""
        self.state.timer = NO_TIMER
        self.buy_or_sell(context)

    def buy_or_sell(self, context: Any) -> None:
        """Buy, then sell, then buy."""
        state = self.state
        state.orders += 1
        self.order(context, 1, BUY if state.orders & 1 else SELL, 100)
