"""EMA cross in plain Python: the twin of the kernel in ``ema_cross.py``, whose text holds the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.records import Instrument, Quote, Signal
from streams.signals.ema_cross import NO_MID, STRATEGY, Settings, alpha
from streams.signals.strategy import Strategy, StrategyState


class Means(msgspec.Struct):
    """The two means of one instrument and what was last published."""

    fast: float = 0.0
    slow: float = 0.0
    inputs: int = 0
    direction: int = 0
    quiet_until: int = 0


class EmaCrossState(StrategyState):
    """Means by instrument id."""

    means: dict[int, Means] = msgspec.field(default_factory=dict)


class EmaCross(Strategy):
    """Follow the faster of two exponential means of bid + ask."""

    NAME = "ema-cross-python"
    WAKES = ("quotes",)
    Settings = Settings
    State = EmaCrossState

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        super().__init__(instruments, settings)
        self.alpha_fast = alpha(settings.fast)
        self.alpha_slow = alpha(settings.slow)
        self.warm = settings.slow
        for instrument in instruments:
            self.state.means[instrument.instrument] = Means()

    def on_quote(self, quote: Quote, context: Any) -> None:
        """Update the means and publish a changed direction."""
        if quote.flags & NO_MID:
            return
        means = self.state.means.get(quote.instrument)
        if means is None:
            return
        mid2 = float(quote.bid_price + quote.ask_price)
        if means.inputs:
            fast = means.fast = means.fast + self.alpha_fast * (mid2 - means.fast)
            slow = means.slow = means.slow + self.alpha_slow * (mid2 - means.slow)
        else:
            fast = means.fast = slow = means.slow = mid2
        means.inputs += 1
        if means.inputs < self.warm or fast == slow:
            return
        direction = 1 if fast > slow else -1
        if direction == means.direction or context.clock < means.quiet_until:
            return
        means.direction = direction
        means.quiet_until = context.clock + self.settings.cooldown
        context.emit(
            Signal(
                quote.instrument,
                context.clock,
                quote.sequence,
                STRATEGY,
                direction,
                1.0,
                self.settings.size,
                fast,
                slow,
                quote.flags,
            )
        )
