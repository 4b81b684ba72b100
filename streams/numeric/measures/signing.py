"""Who was the aggressor of a trade (MIC-1).

The exchange's flag where there is one. Else Lee-Ready (1991, J. Finance 46): above the mid of the
last quote strictly before the trade is a buy, below a sell, at the mid the tick rule decides; mids
are compared doubled, in integers. The tick rule: the sign of the last price change, nothing before
the first change. Lee-Ready without such a quote, or with a stale or one-sided one, is the tick
rule, and recorded as it.
"""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import Flag, Side, SignMethod
from streams.numeric.borrowing import inner_kernel

BUY, SELL = int(Side.BUY), int(Side.SELL)
UNSIGNED = int(SignMethod.UNKNOWN)
EXCHANGE_FLAG = int(SignMethod.EXCHANGE_FLAG)
TICK_RULE = int(SignMethod.TICK_RULE)
LEE_READY = int(SignMethod.LEE_READY)
NO_MID = int(Flag.STALE | Flag.ONE_SIDED)
FIELDS = (
    # the last quote, and the doubled mid of the last quote strictly before it in time (_known 0:
    # none, stale or one-sided)
    "quote_known", "quote_time", "bid_price", "bid_quantity", "ask_price", "ask_quantity",
    "quote_flags", "mid_before", "mid_before_known", "time_before",
    # the tick rule
    "last_price", "last_sign",
)  # fmt: skip
"""What a stage keeps of each instrument for these steps, as int64 of its ``flow``."""


@inner_kernel
def tick_rule(flow: Any, price: Any) -> Any:
    """Sign of the last price change, this trade's included; 0 before the first."""
    if flow.last_price != 0 and price != flow.last_price:
        flow.last_sign = 1 if price > flow.last_price else -1
    flow.last_price = price
    return flow.last_sign


@inner_kernel
def sign_trade(flow: Any, lee_ready: Any, trade: Any) -> Any:
    """(sign, method) of a trade: sign +1 buy, -1 sell, 0 unknown (method UNKNOWN)."""
    tick = tick_rule(flow, trade.price)
    if trade.aggressor_side == BUY:
        return 1, EXCHANGE_FLAG
    if trade.aggressor_side == SELL:
        return -1, EXCHANGE_FLAG
    if lee_ready:
        known, mid = flow.mid_before_known, flow.mid_before
        if flow.quote_time < trade.event_time:
            known = 1 if flow.quote_known and not flow.quote_flags & NO_MID else 0
            mid = flow.bid_price + flow.ask_price
        elif flow.time_before >= trade.event_time:
            known = 0
        if known:
            if 2 * trade.price > mid:
                return 1, LEE_READY
            if 2 * trade.price < mid:
                return -1, LEE_READY
            if tick != 0:
                return tick, LEE_READY
            return 0, UNSIGNED
    if tick != 0:
        return tick, TICK_RULE
    return 0, UNSIGNED


@inner_kernel
def weaker_method(one: Any, other: Any) -> Any:
    """The less reliable of two methods: what an interval of mixed trades is labelled with (tick
    rule, then Lee-Ready, then the flag).
    """
    if one == TICK_RULE or other == TICK_RULE:
        return TICK_RULE
    return max(one, other)  # UNKNOWN < EXCHANGE_FLAG < LEE_READY


@inner_kernel
def remember_quote(flow: Any, quote: Any) -> None:
    """Keep the mid of the last quote that is strictly before this one in time."""
    if flow.quote_time < quote.event_time:
        flow.mid_before_known = 1 if flow.quote_known and not flow.quote_flags & NO_MID else 0
        flow.mid_before = flow.bid_price + flow.ask_price
        flow.time_before = flow.quote_time
