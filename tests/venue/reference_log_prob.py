"""The reference venue with the log-probability queue: floats and the machine's own logarithm.

OutputReader from hftbacktest's documents of ``ProbQueueModel``; beside it the rules of this venue
hold: what an order of ours takes of a print, the next one does not get.
"""

from __future__ import annotations

import math
from typing import Any

from reference_venue import Order, ReferenceVenue, opposite

from schemas.records import DepthUpdate, Trade, VenueCommand
from schemas.vocabulary import DepthKind, Side


def log1(x: float) -> float:
    """ln(1 + x): no number below -1."""
    return math.log(1.0 + x) if x > -1.0 else -math.inf if x == -1.0 else math.nan


def behind_us(model: str, front: float, back: float) -> float:
    """The part of a cancellation that was behind us."""
    part = log1(back)
    whole = part + log1(front) if model == "log-prob" else log1(back + front)
    return part / whole if whole else 1.0


def moved(model: str, front: float, previous: float, cancelled: float, new: float) -> float:
    """Quantity ahead of us after ``cancelled`` left the level."""
    back = previous - front
    part = behind_us(model, front, back)
    lost_behind = part * cancelled
    estimate = front - (cancelled - lost_behind) - max(0.0, lost_behind - back)
    return new if math.isnan(estimate) else min(estimate, new)


class LogProbVenue(ReferenceVenue):
    """``fronts``: quantity ahead of each resting order, by its id, in base units."""

    def __init__(self, instruments: list[Any], settings: Any) -> None:
        super().__init__(instruments, settings)
        self.fronts: dict[str, float] = {}

    def new_order(self, command: VenueCommand) -> None:
        self.fronts.pop(command.order_id, None)  # an id that was forgotten may come again
        super().new_order(command)

    def in_base(self, instrument: int, quantity: int) -> float:
        return quantity / 10 ** self.instruments[instrument].quantity_precision

    def front(self, order: Order) -> float:
        """Where the order is now; one met for the first time has joined behind ``ahead``."""
        command = order.command
        joined = self.in_base(command.instrument, order.ahead)
        return self.fronts.setdefault(command.order_id, joined)

    def fill_resting(self, trade: Trade) -> None:
        if trade.quantity <= 0 or trade.aggressor_side not in (Side.BUY, Side.SELL):
            return
        passive = opposite(trade.aggressor_side)
        left, others = trade.quantity, 0
        lot = (
            self.instruments[trade.instrument].lot_size
            if trade.instrument in self.instruments
            else 1
        )
        for order in self.side_of(trade.instrument, passive):
            front, price = self.front(order), order.command.price
            share = left
            if price == trade.price:
                order.traded += trade.quantity
                front -= self.in_base(trade.instrument, others + left)
                lots = math.floor(-front / self.in_base(trade.instrument, lot) + 0.5)
                share = min(left, max(0, lots) * lot)
                self.fronts[order.command.order_id] = 0.0 if lots > 0 else front
                others += left - share
                left = share
            elif (price > trade.price) == (passive == Side.BUY):
                self.fronts[order.command.order_id] = 0.0
            else:
                continue
            quantity = min(share, order.leaves)
            left -= quantity
            if quantity:
                self.passive_fill(order, quantity)

    def on_depth_update(self, update: DepthUpdate) -> None:
        book = self.books.get(update.instrument)
        before = dict(self.known)
        queued = {id(order): (order, self.front(order), order.traded) for order in self.resting}
        last = book.last if book is not None else 0
        super().on_depth_update(update)
        if book is None or not book.synced:
            return
        was_updated = book.last != last and update.kind == DepthKind.DELTA
        sides = ((Side.BUY, update.bids), (Side.SELL, update.asks))
        named = {(int(side), price) for side, rows in sides for price, _ in rows}
        for order, front, traded in queued.values():
            command = order.command
            if command.instrument != update.instrument:
                continue
            key = (command.instrument, command.side, command.price)
            old, new = before.get(key, 0), book.sizes[command.side].get(command.price, 0)
            if old == new and not (was_updated and key[1:] in named):
                continue
            sizes = [
                self.in_base(command.instrument, each) for each in (old, old - new - traded, new)
            ]
            if old - new < traded:
                self.fronts[command.order_id] = min(front, sizes[2])
            else:
                self.fronts[command.order_id] = moved(self.settings.queue_model, front, *sizes)
            order.traded = 0
