"""A venue behind a broker: fees have a cap for each order, the tick is coarser from a price on, and
the gateway takes one message at a time.

The defaults are those of retail trading in Indian equities: 20 rupees an order where the rate would
be more, a tick of 5 paise in place of 1 from 250 rupees on, ten messages a second. The rates and
the latency legs come from ``--fees`` and ``--latency``, as for the standard venue.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inlined_kernel
from streams.venue import models
from streams.venue.venues import standard
from streams.venue.venues.standard import is_on_lot, response_latency

__all__ = ["is_on_lot", "response_latency"]

ORDER_FIELDS: list[tuple[str, str]] = [("fee_left", "i8")]
"""What the order can still be charged, in units of the instrument's notional."""
MARKET_FIELDS: list[tuple[str, str]] = [
    ("fee_cap", "i8"), ("coarse_price", "i8"), ("coarse_tick", "i8")
]  # fmt: skip
SETTINGS_FIELDS: list[tuple[str, str]] = [("message_gap", "i8"), ("gateway_free", "i8")]
"""``gateway_free``: when the gateway can deliver the next message at the earliest."""
PARAMETERS: dict[str, int] = {
    "fee_cap_cents": 2000,
    "coarse_from": 250,
    "coarse_ticks": 5,
    "message_gap_ns": 100_000_000,
}
"""The cap in hundredths of the quote currency; from which price on, in the quote currency, the tick
is how many of the instrument's; nanoseconds between two messages."""
CONSTANT_LATENCY = False

ZERO = np.int64(0)
LARGEST = 1 << 62
GAP_MAX = 60_000_000_000
"""One minute: the most messages that can be under way are then delivered within 2^60 ns."""


def prepare(settings: Any, market: Any, instrument: Any, parameters: Any) -> None:
    """Amounts and prices at the instrument's precisions. Raises models.BadParameter."""
    units = 10 ** (instrument.price_precision + instrument.quantity_precision)
    market["fee_cap"] = _within(
        "fee_cap_cents", parameters["fee_cap_cents"] * units // 100, instrument
    )
    market["coarse_price"] = _within(
        "coarse_from", parameters["coarse_from"] * 10**instrument.price_precision, instrument
    )
    market["coarse_tick"] = _within(
        "coarse_ticks", max(1, parameters["coarse_ticks"]) * instrument.tick_size, instrument
    )
    if parameters["message_gap_ns"] > GAP_MAX:
        raise models.BadParameter(
            f"venue.parameters.message_gap_ns is {parameters['message_gap_ns']}; "
            f"give 0 to {GAP_MAX} (one minute)"
        )
    settings["message_gap"] = parameters["message_gap_ns"]


def _within(name: str, value: int, instrument: Any) -> int:
    """The value, if 62 bits hold it. Raises models.BadParameter."""
    if value > LARGEST:
        raise models.BadParameter(
            f"venue.parameters.{name} is too large for {instrument.symbol} "
            f"({instrument.price_precision} + {instrument.quantity_precision} decimals); give less"
        )
    return value


@inlined_kernel
def begin(state: Any, market: Any, command: Any) -> None:
    """Nothing was charged yet."""
    command.fee_left = market.fee_cap


@inlined_kernel
def is_on_tick(market: Any, price: int) -> Any:
    """A multiple of the tick that holds at this price."""
    tick = market.coarse_tick if price >= market.coarse_price else market.tick_size
    return price % tick == 0


@inlined_kernel
def charge(state: Any, order: Any, price: int, quantity: int, liquidity: int) -> Any:
    """As the standard venue, until the order's fees reach the cap; a rebate is not part of them."""
    high, low = standard.charge(state, order, price, quantity, liquidity)
    if high < 0:
        return high, low
    left = order.fee_left
    if high == 0 and low <= np.uint64(left):
        order.fee_left = left - np.int64(low)
        return high, low
    order.fee_left = 0
    return ZERO, np.uint64(left)


@inlined_kernel
def entry_latency(state: Any, command: Any) -> Any:
    """The feed and the entry leg, or longer, until the gateway is free."""
    settings = state.counters[0]
    arrival = max(state.clock[0] + settings.entry_delay, settings.gateway_free)
    settings.gateway_free = arrival + settings.message_gap
    return arrival - state.clock[0]
