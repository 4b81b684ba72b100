"""A compiled strategy that asks, once a quote, for what its settings say: for what is refused."""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.order_requests import cancel_order, limit_order

NAME = "asking"
INPUTS = ("md.quotes", "fills")
OUTPUTS = ("orders.requests",)
RESERVE = {"orders.requests": 2}
STATE_VERSION = 1
NEVER = 2**63 - 1


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instrument: int = 1
    side: int = 1
    life: int = 1
    post_only: int = 1
    orders: int = 1
    cancel_high: int = 0
    cancel_low: int = 0
    own_fault: int = 0
    timer: int = NEVER


class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    asked: Any  # the settings, in their order


def new_state(instruments: Any, settings: Settings) -> State:
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, settings.timer, np.int64),
        fault=np.zeros(4, np.int64),
        asked=np.array(msgspec.structs.astuple(settings), np.int64),
    )


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    asked = state.asked
    state.fault[0] = asked[7]
    for _ in range(asked[4]):
        limit_order(out, asked[0], asked[1], 10, quote.bid_price, asked[2], asked[3])
    if asked[5] != 0:
        cancel_order(out, asked[5], asked[6], asked[0], asked[1])


@borrowing_kernel
def on_fill(state: Any, fill: Any, out: Any) -> None:
    state.asked[4] = 0


@borrowing_kernel
def on_timer(state: Any, deadline: Any, out: Any) -> None:
    state.asked[4] = 0
