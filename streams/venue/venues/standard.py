"""The standard venue: a maker and a taker rate of the notional, one tick and lot for an instrument,
and three constant latency legs. What most crypto venues are; the rates come from ``--fees``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Liquidity
from streams.numeric.borrowing import inlined_kernel
from streams.venue import fees

TAKER = np.int64(Liquidity.TAKER)

ORDER_FIELDS: list[tuple[str, str]] = []
MARKET_FIELDS: list[tuple[str, str]] = []
SETTINGS_FIELDS: list[tuple[str, str]] = []
PARAMETERS: dict[str, int] = {}
CONSTANT_LATENCY = True


def prepare(settings: Any, market: Any, instrument: Any, parameters: Any) -> None:
    """Its settings are those that every state has."""


@inlined_kernel
def begin(state: Any, market: Any, command: Any) -> None:
    """It keeps nothing of an order."""


@inlined_kernel
def is_on_lot(market: Any, quantity: int) -> Any:
    """A multiple of the instrument's lot."""
    return quantity % market.lot_size == 0


@inlined_kernel
def is_on_tick(market: Any, price: int) -> Any:
    """A multiple of the instrument's tick."""
    return price % market.tick_size == 0


@inlined_kernel
def charge(state: Any, order: Any, price: int, quantity: int, liquidity: int) -> Any:
    """The rate of the fill's liquidity, rounded half to even."""
    counters = state.counters[0]
    rate = counters.taker_rate if liquidity == TAKER else counters.maker_rate
    return fees.fee(price, quantity, rate)


@inlined_kernel
def entry_latency(state: Any, command: Any) -> Any:
    """The feed and the entry leg."""
    return state.counters[0].entry_delay


@inlined_kernel
def response_latency(state: Any, order: Any) -> Any:
    """The response leg less the feed leg."""
    return state.counters[0].response_delay
