"""Strategies of the Kafka benchmarks, in plain Python: ledgers, as every stage behind them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from schemas.records import Trade
from schemas.vocabulary import Side
from streams.signals.strategy import Strategy, StrategyState

MINUTE = 60 * 10**9


class OrderOnTrade(Strategy):
    """Asks for an order of one lot on every ``every``-th trade, bought and sold in turn: each trade
    a tick, each request an order.
    """

    NAME = "order-on-trade"
    WAKES = ("trades",)

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """every: trades from order to order."""

        every: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1

    class State(StrategyState):
        """How many trades were seen."""

        trades: int = 0

    def on_trade(self, trade: Trade, context: Any) -> None:
        """Order on the first trade and on every ``every``-th after it."""
        seen = self.state.trades
        self.state.trades = seen + 1
        if seen % self.settings.every == 0:
            self.order(
                context,
                trade.instrument,
                int(Side.BUY if seen // self.settings.every % 2 == 0 else Side.SELL),
                1,
            )


class BarsInPython(Strategy):
    """The benchmark's one-minute bars as a ledger makes them: each bar leaves as a flat signal
    (nothing is traded on it) that carries its numbers.

    size: volume. sequence: trade count. fast, slow: high and low. strength: close. All below 2^53,
    so exact as floats.
    """

    NAME = "bars-in-python"
    WAKES = ("trades",)

    class State(StrategyState):
        """By instrument: open time, open, high, low, close, volume, trade count."""

        opened: dict[int, list[int]] = msgspec.field(default_factory=dict)

    def on_trade(self, trade: Trade, context: Any) -> None:
        """Add the trade to its bar, or publish the bar that it closes and start the next one."""
        bar = self.state.opened.get(trade.instrument)
        time, price = trade.event_time, trade.price
        if bar is not None and time < bar[0] + MINUTE:
            bar[2], bar[3], bar[4] = max(bar[2], price), min(bar[3], price), price
            bar[5] += trade.quantity
            bar[6] += trade.trade_count
            return
        if bar is not None:
            high, low, close = float(bar[2]), float(bar[3]), float(bar[4])
            self.signal(
                context,
                trade.instrument,
                0,
                strength=close,
                size=bar[5],
                sequence=bar[6],
                fast=high,
                slow=low,
            )
        self.state.opened[trade.instrument] = [
            time - time % MINUTE,
            price,
            price,
            price,
            price,
            trade.quantity,
            trade.trade_count,
        ]
