"""Prices where no order book was recorded: the venue's own best prices, trades or bars
(``numeric/assumed_top.py`` says what shows).

- **Best prices**: an order takes what they show; a resting order is filled in full once the other
  side stands at its price or beyond, and by prints beyond it.
- **Trades**: a print fills the resting orders whose price it is beyond, at most its own quantity.
  Orders to take get the assumed prices, and at most the last print's quantity.
- **Bars**: a bar is four prints, a quarter of its volume each: its open when it begins, then low
  and high, the nearer to the open first, at a third and two thirds of the interval, and its close
  as it ends. Each is treated as a print without an aggressor. From the close of a bar to the open
  of the next one the market is shut: new orders wait for the open, in the order they came;
  cancellations are carried out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.codec import LEVEL
from schemas.compiled.depth_update import DTYPE as UPDATE
from schemas.records import Instrument
from schemas.vocabulary import RequestKind, Side
from streams.numeric import assumed_top, book
from streams.numeric.assumed_top import BARS, DATA, QUOTES, TOP, TRADES, UNSIZED
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.state_arrays import array_of
from streams.venue import matching, resting
from streams.venue.sources import recorded_book
from streams.venue.state import FAULT_COMMANDS, NONE, ORDER, raise_fault

OF_ORDERS = ("held",)
NEW = np.int64(RequestKind.NEW)
BUY = np.int64(Side.BUY)
SELL = np.int64(Side.SELL)
UNKNOWN = np.int64(Side.UNKNOWN)

PATH = np.dtype([
    (name, "i8")
    for name in (
        # when the next point is due, and its number: 0 to 3 are prints, 4 shuts the market
        "due", "step",
        "begin", "end", "open", "first", "second", "close", "volume", "flags",
        # 1: no bar is open, new orders wait
        "is_shut",
    )
])  # fmt: skip
"""The bar of an instrument that is under way."""

SHARED = np.dtype([("data", "i8"), ("due", "i8"), ("held", "i8")])
"""What the run trades on, the next point of any path, and how many orders wait."""

ARRAYS = {
    "shown": array_of(TOP),
    "paths": array_of(PATH),
    "shared": array_of(SHARED),
    "held": array_of(ORDER),
    "update": array_of(UPDATE),
    "update_levels": array_of(LEVEL),
}
"""Kept beside the venue's state: by instrument, by instrument, (1,), orders that wait, (1,), (4,).
"""


def prepare(instruments: list[Instrument], settings: Any, fields: Any) -> dict[str, Any]:
    """The arrays before the first record."""
    paths = np.zeros(len(instruments), PATH)
    paths["due"], paths["is_shut"] = NO_TIMER, 1
    data = (DATA.index(settings.data), NO_TIMER, 0)
    return {
        "shown": assumed_top.new_tops(instruments, settings),
        "paths": paths,
        "shared": np.array([data], SHARED),
        "held": np.zeros(settings.commands_max, fields["held"].dtype),
        "update": np.zeros(1, UPDATE),
        "update_levels": np.zeros(4, LEVEL),
    }


@inner_kernel
def on_trade(state: Any, books: Any, slot: int, trade: Any) -> None:
    """Beside best prices as beside a book; else the print is all there is."""
    if state.shared[0].data == QUOTES:
        recorded_book.on_trade(state, books, slot, trade)
    elif state.shared[0].data == TRADES:
        _print(
            state, books, slot, trade.instrument, trade.event_time, trade.flags, trade.price,
            trade.quantity, trade.aggressor_side,
        )  # fmt: skip


@inner_kernel
def on_book_ticker(state: Any, books: Any, slot: int, ticker: Any) -> None:
    """The venue's best prices are the book."""
    if state.shared[0].data != QUOTES:
        return
    assumed_top.show_ticker(state.shown[slot], state.update[0], state.update_levels, ticker)
    _follow(state, books, slot, True)


@inner_kernel
def on_bar(state: Any, books: Any, slot: int, bar: Any) -> None:
    """A bar opens: its path begins, and orders that waited are carried out."""
    if state.shared[0].data != BARS:
        return
    path = state.paths[slot]
    path.begin, path.end = bar.open_time, bar.close_time
    path.open, path.close = bar.open, bar.close
    is_low_first = bar.open - bar.low <= bar.high - bar.open
    path.first = bar.low if is_low_first else bar.high
    path.second = bar.high if is_low_first else bar.low
    path.volume, path.flags = bar.volume, bar.flags
    path.step = 0
    path.is_shut = 0
    _point(state, books, slot)
    _release(state, books, bar.instrument)
    _set_due(state)


@inlined_kernel
def due(state: Any) -> Any:
    """When the next point of a path is due."""
    return state.shared[0].due


@inner_kernel
def on_due(state: Any, books: Any) -> None:
    """Every point that is due at the clock, instruments in the order of their slots."""
    if state.shared[0].due > state.clock[0]:
        return
    for slot in range(len(state.paths)):
        while state.paths[slot].due <= state.clock[0]:
            _point(state, books, slot)
    _set_due(state)


@inner_kernel
def holds(state: Any, books: Any, command: Any) -> Any:
    """True for a command that was dealt with here: a new order while the market is shut waits, and
    what waits can be cancelled.
    """
    if state.shared[0].data != BARS:
        return False
    slot = book.slot_of(books, command.instrument)
    if slot == NONE:
        return False
    if command.kind != NEW:
        return _cancelled(state, command)
    if state.paths[slot].is_shut == 0:
        return False
    count = state.shared[0].held
    if count == len(state.held):
        raise_fault(state, FAULT_COMMANDS, command.instrument, count, len(state.held))
        return True
    state.held[count] = command
    state.shared[0].held = count + 1
    state.working[0] += 1
    return True


@inner_kernel
def _cancelled(state: Any, command: Any) -> Any:
    """True if the order of a cancellation waits, and is cancelled now."""
    for at in range(state.shared[0].held):
        order = state.held[at]
        if (
            order.order_id_high == command.order_id_high
            and order.order_id_low == command.order_id_low
            and order.instrument == command.instrument
        ):
            matching.report_unplaced(state, order)
            _drop(state, at)
            return True
    return False


@inner_kernel
def _drop(state: Any, at: int) -> None:
    """Take an order out of those that wait."""
    count = state.shared[0].held - 1
    for place in range(at, count):
        state.held[place] = state.held[place + 1]
    state.shared[0].held = count
    state.working[0] -= 1


@inner_kernel
def _release(state: Any, books: Any, instrument: int) -> None:
    """Carry out the orders of an instrument that waited, in the order they came."""
    at = 0
    while at < state.shared[0].held:
        if state.held[at].instrument == instrument:
            matching.arrive(state, books, state.held[at])
            _drop(state, at)
        else:
            at += 1


@inner_kernel
def _point(state: Any, books: Any, slot: int) -> None:
    """The next point of a bar's path, and when the one behind it is due."""
    path = state.paths[slot]
    step = path.step
    path.step += 1
    third = (path.end - path.begin) // 3
    if step == 4:
        path.is_shut = 1
        path.due = NO_TIMER
        return
    price = path.open
    path.due = path.begin + third
    if step == 1:
        price = path.first
        path.due += third
    elif step == 2:
        price = path.second
        path.due = path.end - 1
    elif step == 3:
        price = path.close
        path.due = path.end
    quantity = path.volume // 4
    if step < path.volume % 4:
        quantity += 1
    if state.shown[slot].is_unsized != 0:
        quantity = UNSIZED
    _print(
        state, books, slot, books.books[slot].instrument, state.clock[0], path.flags, price,
        quantity, UNKNOWN,
    )  # fmt: skip


@inner_kernel
def _set_due(state: Any) -> None:
    """The next point of any path."""
    earliest = NO_TIMER
    for slot in range(len(state.paths)):
        earliest = min(earliest, state.paths[slot].due)
    state.shared[0].due = earliest


@inner_kernel
def _print(
    state: Any, books: Any, slot: int, instrument: int, time: int, flags: int, price: int,
    quantity: int, aggressor_side: int,
) -> None:  # fmt: skip
    """Fill the resting orders that the print is beyond, then show what it tells of both sides. One
    without an aggressor is beyond orders of one side at most.
    """
    if aggressor_side != BUY:
        resting.trade(state, slot, price, quantity, SELL)
    if aggressor_side != SELL:
        resting.trade(state, slot, price, quantity, BUY)
    assumed_top.show_print(
        state.shown[slot], state.update[0], state.update_levels, instrument, time, flags, price,
        quantity, aggressor_side,
    )  # fmt: skip
    _follow(state, books, slot, False)


@inlined_kernel
def _follow(state: Any, books: Any, slot: int, fills: bool) -> None:
    """Into the venue's book, and what it does to our orders. ``fills``: the other side fills what
    rests at its price; prices assumed from a print do not.
    """
    result = book.apply(books, slot, state.update[0], state.update_levels)
    if state.markets[slot].levels != 0:
        resting.follow(state, books, slot, state.update[0], state.update_levels, result, fills)
