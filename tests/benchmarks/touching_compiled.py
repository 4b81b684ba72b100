"""A compiled market maker that joins the touch: ``replay.mm``'s rule, whose twin for hftbacktest is
in ``peers/hftbacktest_engine.py``.

On each side one post-only order of ``size`` at the best price, while what is held and the order
stay within ``most``. An order at another price is cancelled once the venue has acknowledged it, and
replaced when it has ended. Nothing is done before ``begin``. The rule looks at what is known, and
at no change of it: to ask it more often than needed decides nothing else.
"""

from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from schemas.vocabulary import Flag, OrderStatus
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.order_requests import BUY, GTC, SELL, cancel_order, limit_order

NAME = "touching"
INPUTS = ("md.quotes", "fills", "orders.events")
OUTPUTS = ("orders.requests",)
RESERVE = {"orders.requests": 2}
STATE_VERSION = 1

NEVER = 2**63 - 1
NO_TOUCH = int(Flag.STALE | Flag.ONE_SIDED)
ACCEPTED, DENIED = int(OrderStatus.ACCEPTED), int(OrderStatus.DENIED)
ENDED = sum(
    1 << int(status)
    for status in (
        OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
        OrderStatus.DENIED,
    )
)  # fmt: skip


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In units of the instrument's lot; ``begin`` is a time of the clock, ns."""

    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    most: Annotated[int, msgspec.Meta(ge=1)] = 10
    begin: Annotated[int, msgspec.Meta(ge=0)] = 0


# One side: the order that works (0, 0: none), its price, whether the venue has acknowledged it and
# whether its cancel is under way, and the price that is wanted now.
SIDE = np.dtype(
    [
        (name, "i8")
        for name in ("order_high", "order_low", "price", "is_known", "is_leaving", "wanted")
    ]
)
MAKER = np.dtype(
    [(name, "i8") for name in ("instrument", "size", "most", "has_begun", "held")]
    + [("bid", SIDE), ("ask", SIDE)]
)


class State(NamedTuple):
    """All it remembers; the first three are the runtime's."""

    clock: Any
    timer: Any
    fault: Any
    maker: Any


def new_state(instruments: Any, settings: Settings) -> State:
    """State before the first record."""
    maker = np.zeros(1, MAKER)
    lot = instruments[0].lot_size
    maker["size"], maker["most"] = settings.size * lot, settings.most * lot
    maker["instrument"] = instruments[0].instrument
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.array([settings.begin], np.int64),
        fault=np.zeros(4, np.int64),
        maker=maker,
    )


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    """Another touch."""
    if quote.flags & NO_TOUCH:
        return
    maker = state.maker[0]
    maker.bid.wanted = quote.bid_price
    maker.ask.wanted = quote.ask_price
    decide(maker, out)


@borrowing_kernel
def on_timer(state: Any, deadline: Any, out: Any) -> None:
    """It is time to begin."""
    state.timer[0] = NEVER
    state.maker[0].has_begun = 1
    decide(state.maker[0], out)


@borrowing_kernel
def on_fill(state: Any, fill: Any, out: Any) -> None:
    """Count what is held; the order's event follows."""
    state.maker[0].held += fill.quantity if fill.side == BUY else -fill.quantity


@borrowing_kernel
def on_order_event(state: Any, event: Any, out: Any) -> None:
    """Another state of an order; risk that denies is not asked again before the touch moves."""
    if event.refused:
        return
    maker = state.maker[0]
    follow(maker.bid, event)
    follow(maker.ask, event)
    if event.status != DENIED:
        decide(maker, out)


@borrowing_kernel
def follow(line: Any, event: Any) -> None:
    """What the event says of this side's order."""
    if line.order_high != event.order_id_high or line.order_low != event.order_id_low:
        return
    if event.status == ACCEPTED:
        line.is_known = 1
    elif (ENDED >> event.status) & 1:
        line.order_high = 0
        line.order_low = 0


@borrowing_kernel
def decide(maker: Any, out: Any) -> None:
    """Both sides."""
    if maker.has_begun == 0 or maker.bid.wanted == 0:
        return
    move(maker, maker.bid, maker.held, BUY, out)
    move(maker, maker.ask, -maker.held, SELL, out)


@borrowing_kernel
def move(maker: Any, line: Any, held: Any, side: Any, out: Any) -> None:
    """Order where nothing works and there is room; cancel what works at another price."""
    if line.order_low == 0 and line.order_high == 0:
        if held + maker.size <= maker.most:
            line.order_high, line.order_low = limit_order(
                out, maker.instrument, side, maker.size, line.wanted, GTC, True
            )
            line.price = line.wanted
            line.is_known = 0
            line.is_leaving = 0
    elif line.price != line.wanted and line.is_known == 1 and line.is_leaving == 0:
        cancel_order(out, line.order_high, line.order_low, maker.instrument, side)
        line.is_leaving = 1
