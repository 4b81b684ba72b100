"""The test kit estimates queue positions, as a run does: 100 ahead, prints of 80 and 30, then a
cancellation.
"""

from __future__ import annotations

from typing import Any

from schemas.records import DepthUpdate, LogLine, OrderEvent, Quote, Trade
from schemas.vocabulary import DepthKind, Flag, OrderStatus, Side
from streams.signals import kit
from streams.signals.strategy import Strategy

SECOND = 1_000_000_000


def test_queue_positions_are_estimated_in_the_kit() -> None:
    """Oracle: by hand."""

    class Waiting(Strategy):
        WAKES = ("quotes", "trades", "depth", "order_events")
        READS = ("account", "queue")
        LOGS = True

        def on_quote(self, quote: Quote, context: Any) -> None: ...

        def on_trade(self, trade: Trade, context: Any) -> None:
            self.say(context)

        def on_depth_update(self, update: DepthUpdate, context: Any) -> None:
            self.say(context)

        def on_order_event(self, event: OrderEvent, context: Any) -> None:
            self.say(context)

        def say(self, context: Any) -> None:
            estimates = [context.queue_estimate(each.order_id) for each in context.open_orders()]
            context.log(f"{estimates}")

    def depth(at: int, bid: int, kind: DepthKind = DepthKind.DELTA, flags: int = 0) -> DepthUpdate:
        update = {2: 6, 4: 7, 7: 8}[at]
        times = (at * SECOND, at * SECOND)
        levels = ([(100, bid), (99, 70)], [(102, 4)])
        return DepthUpdate(1, *times, update, update, update - 1, int(kind), flags, *levels)

    def sold(at: int, quantity: int) -> Trade:
        return Trade(1, at * SECOND, at * SECOND, at, at, 100, quantity, int(Side.SELL), 0)

    def event(at: int, order: int, status: OrderStatus, price: int) -> OrderEvent:
        name = f"{order:020d}"
        return OrderEvent(name, 1, 1, 1, at * SECOND, int(status), 0, 1, 50, price, 0, False)

    snapshot = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT | Flag.FUTURES_CHAIN)
    records = [
        event(1, 1, OrderStatus.ACCEPTED, 100),
        depth(2, 100, DepthKind.SNAPSHOT, snapshot),
        sold(3, 80),
        depth(4, 60, flags=int(Flag.FUTURES_CHAIN)),
        event(5, 2, OrderStatus.ACCEPTED, 100),
        sold(6, 30),
        depth(7, 5, flags=int(Flag.FUTURES_CHAIN)),
        event(8, 3, OrderStatus.SUBMITTED, 99),
        Trade(1, 9 * SECOND, 9 * SECOND, 9, 9, 99, 1, int(Side.SELL), 0),
    ]
    lines = [record.text for record in kit.run(Waiting, records) if isinstance(record, LogLine)]
    assert lines == [
        "[None]",  # no book
        "[100]",
        "[20]",
        "[20]",  # 40 less are displayed, 80 have traded
        "[20, 60]",
        "[0, 40]",  # 20 ahead of the first, which is filled by what is left; 20 of the 60 are gone
        "[0, 5]",  # 25 more than traded
        "[0, 5, None]",
        "[0, 0, None]",
    ]
