"""A strategy to copy: buy after bars that fell, sell after bars that rose, step aside when the flow
is toxic.

Copy this file, rename the class, and run it:

    sq backtest data/toy --strategy my_file.py:BarReversal --set bars=3

Its test is tests/signals/test_strategy_template.py; copy that too.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from schemas.records import Bar, Toxicity
from schemas.vocabulary import Flag
from streams.signals.strategy import Strategy, StrategyState

UNFIT = int(Flag.PARTIAL | Flag.SYNTHETIC)  # bars that do not say how a whole interval traded


class BarReversal(Strategy):
    """After ``bars`` falling closes in a row go long, after as many rising ones go short, flat
    while VPIN exceeds its null by ``limit``.
    """

    NAME = "bar-reversal"
    WAKES = ("bars", "toxicity")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Every parameter has a type, a bound and a default; ``--set bars=5`` changes one."""

        bars: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
        limit: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.3

    class State(StrategyState):
        """All the strategy remembers, by instrument id: it is what a snapshot holds."""

        last_close: dict[int, int] = msgspec.field(default_factory=dict)
        # +n: n rising closes in a row, -n: falling
        run: dict[int, int] = msgspec.field(default_factory=dict)
        direction: dict[int, int] = msgspec.field(default_factory=dict)
        toxic: dict[int, bool] = msgspec.field(default_factory=dict)

    def on_bar(self, bar: Bar, context: Any) -> None:
        """Count rising and falling closes; a first version of a whole bar only."""
        state = self.state
        if bar.flags & UNFIT or bar.version != 1:
            return
        before = state.last_close.get(bar.instrument, bar.close)
        run = state.run.get(bar.instrument, 0)
        state.last_close[bar.instrument] = bar.close
        if bar.close > before:
            run = run + 1 if run > 0 else 1
        elif bar.close < before:
            run = run - 1 if run < 0 else -1
        state.run[bar.instrument] = run
        if abs(run) >= self.settings.bars and not state.toxic.get(bar.instrument, False):
            self.go(bar.instrument, -1 if run > 0 else 1, context)

    def on_toxicity(self, toxicity: Toxicity, context: Any) -> None:
        """Leave while flow is more one-sided than noise explains."""
        excess = toxicity.vpin_excess
        toxic = excess is not None and excess > self.settings.limit
        self.state.toxic[toxicity.instrument] = toxic
        if toxic:
            self.go(toxicity.instrument, 0, context)

    def go(self, instrument: int, direction: int, context: Any) -> None:
        """Publish a view that differs from the last one."""
        if self.state.direction.get(instrument, 0) != direction:
            self.state.direction[instrument] = direction
            self.signal(context, instrument, direction)
