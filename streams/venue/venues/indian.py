"""A venue that charges as an Indian broker's contract note does: brokerage, STT, the exchange's
charge, SEBI's fee, stamp duty and GST, each of an order's whole value, each rounded to paise once.

An order that has filled in parts was charged for its value so far; a fill costs the difference. The
rates are parameters, which ``--charges`` takes from a dated table
(``connectors/reference/charges.py``); they are part of the run. Latency, lots and ticks are those
of the standard venue.

The rates of the run, which risk keeps free, are set to at least what is charged of an order of 300
rupees or more; of a smaller one rounding may be three paise more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Side
from streams.numeric import wide
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.venue import models
from streams.venue.venues import standard
from streams.venue.venues.standard import entry_latency, is_on_lot, is_on_tick, response_latency

__all__ = ["entry_latency", "is_on_lot", "is_on_tick", "response_latency"]

ORDER_FIELDS: list[tuple[str, str]] = [("value", "i8"), ("charged", "i8"), ("paisa", "i8")]
"""Value filled and charged so far, and a paisa, in units of the instrument's notional."""
MARKET_FIELDS: list[tuple[str, str]] = [("market_paisa", "i8")]
RATES = ("brokerage", "stt_buy", "stt_sell", "exchange", "sebi", "stamp_buy", "stamp_sell")
SETTINGS_FIELDS: list[tuple[str, str]] = [
    (name, "i8") for name in (*RATES, "brokerage_most", "gst_percent")
]
PARAMETERS: dict[str, int] = dict.fromkeys((*RATES, "brokerage_most", "gst_percent"), 0)
"""Rates in 1e-8 of an order's value; the most brokerage of an order in paise; GST in percent of
brokerage, exchange's charge and SEBI's fee."""
CONSTANT_LATENCY = True

BUY = np.int64(Side.BUY)
RATE_SCALE = 100_000_000
RATE_MAX = RATE_SCALE // 10
"""A tenth of the value."""
MOST_MAX = 1_000_000
"""10,000 rupees of brokerage."""
VALUE_MAX = 1 << 62
"""Units. An order beyond is charged the run's own rate."""
DECIMALS_MAX = 10
NO_HIGH = np.int64(0)


def prepare(settings: Any, market: Any, instrument: Any, parameters: Any) -> None:
    """Rates as they are given, a paisa at the instrument's precisions. Raises models.BadParameter.
    """
    decimals = instrument.price_precision + instrument.quantity_precision
    if instrument.quote != "INR" or not 2 <= decimals <= DECIMALS_MAX:
        raise models.BadParameter(
            f"venue indian charges paise; {instrument.symbol} is quoted in {instrument.quote} with "
            f"{decimals} decimals of value, not in INR with 2 to {DECIMALS_MAX}"
        )
    bounds = {"brokerage_most": MOST_MAX, "gst_percent": 100}
    for name, value in parameters.items():
        if name in PARAMETERS and value > bounds.get(name, RATE_MAX):
            most = bounds.get(name, RATE_MAX)
            raise models.BadParameter(f"venue.parameters.{name} is {value}; give 0 to {most}")
    if not any(parameters[name] for name in RATES):
        raise models.BadParameter(
            "venue indian has no rates; choose them by --charges, for example intraday@nse"
        )
    market["market_paisa"] = 10 ** (decimals - 2)
    for name in PARAMETERS:
        settings[name] = parameters[name]


@inlined_kernel
def begin(state: Any, market: Any, command: Any) -> None:
    """Nothing was filled yet."""
    command.value = 0
    command.charged = 0
    command.paisa = market.market_paisa


@inner_kernel
def charge(state: Any, order: Any, price: int, quantity: int, liquidity: int) -> Any:
    """What the order's value costs with this fill, less what it was charged before."""
    high, low = wide.mul(price, quantity)
    left = VALUE_MAX - order.value
    if high != 0 or low > np.uint64(left):
        return standard.charge(state, order, price, quantity, liquidity)
    order.value += np.int64(low)
    total = charges_on(state.counters[0], order.side == BUY, order.value, order.paisa)
    fee = total - order.charged
    order.charged = total
    return NO_HIGH, np.uint64(fee)


@inner_kernel
def charges_on(rates: Any, is_buy: Any, value: Any, paisa: Any) -> Any:
    """All charges on a value, in its units."""
    stt = rates.stt_buy if is_buy else rates.stt_sell
    stamp = rates.stamp_buy if is_buy else rates.stamp_sell
    most_high, most_low = wide.mul(rates.brokerage_most * paisa, RATE_SCALE)
    high, low = wide.mul(value, rates.brokerage)
    is_capped = wide.compare(high, low, most_high, most_low) > 0
    paise = _rounded(value, stt, paisa)
    paise += _rounded(value, rates.exchange, paisa)
    paise += _rounded(value, rates.sebi, paisa)
    paise += _rounded(value, stamp, paisa)
    paise += rates.brokerage_most if is_capped else _rounded(value, rates.brokerage, paisa)
    taxed_high, taxed_low = wide.mul(value, (rates.exchange + rates.sebi) * rates.gst_percent)
    if is_capped:
        high, low = wide.mul(rates.brokerage_most * paisa, RATE_SCALE * rates.gst_percent)
    else:
        high, low = wide.mul(value, rates.brokerage * rates.gst_percent)
    taxed_high, taxed_low = wide.add(taxed_high, taxed_low, high, low)
    _, gst = wide.div_half_even(taxed_high, taxed_low, 100 * RATE_SCALE * paisa)
    return (paise + np.int64(gst)) * paisa


@inlined_kernel
def _rounded(value: Any, rate: Any, paisa: Any) -> Any:
    """A share of the value in paise, rounded half to even."""
    high, low = wide.mul(value, rate)
    _, paise = wide.div_half_even(high, low, RATE_SCALE * paisa)
    return np.int64(paise)
