"""A compiled strategy that does nothing but order: a market order a quote, bought and sold in turn,
the orders of ``ordering.Ordering``.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.order_requests import BUY, SELL, market_order

NAME = "ordering"
INPUTS = ("md.quotes",)
OUTPUTS = ("orders.requests",)
RESERVE = {"orders.requests": 1}
STATE_VERSION = 1

NEVER = 2**63 - 1
QUANTITY = 100


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None."""


class State(NamedTuple):
    """Orders so far; the first three are the runtime's."""

    clock: Any
    timer: Any
    fault: Any
    orders: Any


def new_state(instruments: Any, settings: Settings) -> State:
    """State before the first record."""
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        orders=np.zeros(1, np.int64),
    )


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    """Buy, then sell, then buy."""
    state.orders[0] += 1
    side = BUY if state.orders[0] & 1 else SELL
    market_order(out, quote.instrument, side, QUANTITY)
