"""A strategy that asks for the other side on every quote: orders as dense as quotes."""

from __future__ import annotations

from typing import Any

from streams.signals.strategy import Strategy, StrategyState


class FlippingState(StrategyState):
    """The side held."""

    direction: int = -1


class Flipping(Strategy):
    """Long, short, long: one market order a quote."""

    NAME = "flipping"
    WAKES = ("quotes",)
    State = FlippingState

    def on_quote(self, quote: Any, context: Any) -> None:
        """Turn the position over."""
        self.state.direction = -self.state.direction
        self.signal(context, quote.instrument, self.state.direction, size=100, sequence=quote.sequence)
