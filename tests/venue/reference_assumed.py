"""A plain venue without an order book, by the rules of ``streams/venue/sources/assumed.py``,
written to be checked by reading: the reference venue with a book that is replaced whole each time
something shows.
"""

from __future__ import annotations

from typing import Any

from reference_venue import ReferenceVenue

from schemas.records import (
    Bar,
    BookTicker,
    DepthUpdate,
    ExecutionReport,
    Instrument,
    Trade,
    VenueCommand,
)
from schemas.vocabulary import DepthKind, Flag, OrderReason, ReportKind, RequestKind, Side
from streams.numeric.assumed_top import UNSIZED

WHOLE = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)


class ReferenceAssumedVenue(ReferenceVenue):
    """``points``: what is still to come of the bars that are open, as (time, instrument, price,
    quantity); a price of None shuts the market.
    """

    def __init__(self, instruments: list[Instrument], settings: Any) -> None:
        super().__init__(instruments, settings)
        self.data = settings.data
        self.bought: dict[int, int] = {}
        self.sold: dict[int, int] = {}
        self.points: list[tuple[int, int, int | None, int]] = []
        self.open: set[int] = set()
        self.waiting: list[VenueCommand] = []

    def due(self) -> int:
        return min([super().due(), *(point[0] for point in self.points)])

    def step(self) -> ExecutionReport | None:
        points = [point for point in self.points if point[0] <= self.clock]
        if not points:
            return super().step()
        first = min(points, key=lambda each: each[:2])
        self.points.remove(first)
        _, instrument, price, quantity = first
        if price is None:
            self.open.discard(instrument)
        else:
            self.print(instrument, price, quantity, Side.UNKNOWN)
        return None

    # what is known of prices

    def show(self, instrument: int, bid: tuple[int, int], ask: tuple[int, int]) -> None:
        """The book is these two levels from now on."""
        bids, asks = ([level] if level[0] > 0 and level[1] > 0 else [] for level in (bid, ask))
        last = self.books[instrument].last + 1
        update = DepthUpdate(
            instrument, self.clock, 0, last, last, -1, int(DepthKind.SNAPSHOT), WHOLE, bids, asks
        )
        self.on_depth_update(update)

    def on_book_ticker(self, ticker: BookTicker) -> None:
        if self.data == "quotes":
            bid = (ticker.bid_price, ticker.bid_quantity)
            self.show(ticker.instrument, bid, (ticker.ask_price, ticker.ask_quantity))

    def on_trade(self, trade: Trade) -> None:
        if self.data == "quotes":
            super().on_trade(trade)
        elif self.data == "trades" and trade.quantity > 0:
            self.print(trade.instrument, trade.price, trade.quantity, trade.aggressor_side)

    def print(self, instrument: int, price: int, quantity: int, aggressor: int) -> None:
        for side in (Side.SELL, Side.BUY):
            if aggressor in (side, Side.UNKNOWN):
                hit = Trade(instrument, self.clock, 0, 0, 1, price, quantity, int(side), 0)
                self.fill_resting(hit)
        if aggressor != Side.SELL:
            self.bought[instrument] = price
        if aggressor != Side.BUY:
            self.sold[instrument] = price
        spread = self.settings.spread * self.instruments[instrument].tick_size
        ask = max(price + spread, self.bought.get(instrument, 0))
        bid = min(price - spread, self.sold.get(instrument, price))
        self.show(instrument, (bid, quantity), (ask, quantity))

    # who fills

    def passes_fill(self) -> bool:
        return bool(self.data == "quotes")

    def fill_resting(self, trade: Trade) -> None:
        """Orders that the print is beyond, best price first; none at its price."""
        passive = Side.SELL if trade.aggressor_side == Side.BUY else Side.BUY
        left = trade.quantity if trade.aggressor_side in (Side.BUY, Side.SELL) else 0
        for order in self.side_of(trade.instrument, passive):
            sign = 1 if passive == Side.BUY else -1
            if left and sign * order.command.price > sign * trade.price:
                quantity = min(left, order.leaves)
                left -= quantity
                self.passive_fill(order, quantity)

    # bars

    def on_bar(self, bar: Bar) -> None:
        number = bar.instrument
        self.points = [point for point in self.points if point[1] != number]
        extremes = (bar.low, bar.high)
        if bar.high - bar.open < bar.open - bar.low:
            extremes = (bar.high, bar.low)
        prices = [bar.open, *extremes, bar.close]
        begins, third = bar.open_time, (bar.close_time - bar.open_time) // 3
        times = [begins, begins + third, begins + 2 * third, bar.close_time - 1]
        parts = [(bar.volume + 3 - step) // 4 for step in range(4)]
        if number in self.settings.unsized:
            parts = [UNSIZED] * 4
        self.points += list(zip(times[1:], [number] * 3, prices[1:], parts[1:], strict=True))
        self.points.append((bar.close_time, number, None, 0))
        self.open.add(number)
        self.print(number, prices[0], parts[0], Side.UNKNOWN)
        mine = [command for command in self.waiting if command.instrument == number]
        self.waiting = [command for command in self.waiting if command.instrument != number]
        for command in mine:
            self.arrive(command)

    def arrive(self, command: VenueCommand) -> None:
        if self.data != "bars" or command.instrument not in self.instruments:
            super().arrive(command)
        elif command.kind == RequestKind.NEW and command.instrument not in self.open:
            self.waiting.append(command)
        elif command.kind != RequestKind.NEW and (
            found := [
                each
                for each in self.waiting
                if (each.order_id, each.instrument) == (command.order_id, command.instrument)
            ]
        ):
            self.waiting.remove(found[0])
            self.report(found[0], ReportKind.CANCELLED, OrderReason.USER_CANCEL)
            self.remember(found[0].order_id)
        else:
            super().arrive(command)
