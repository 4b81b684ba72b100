"""VPIN over exact integer volume buckets (Easley, Lopez de Prado and O'Hara, RFS 2012; TOX-2).

Prints fill buckets of exactly ``bucket_size``, split where they do not fit, so OI_k = |buy_k -
sell_k| is an exact integer and

    vpin = (sum of the last ``window`` OI) / (window * bucket_size)

is null (WARMING_UP) until the window is full. VPIN measures trading intensity first of all: under
iid unsigned noise of n equal prints a bucket it is about sqrt(2 / (pi n)). That null, at the mean
number of prints over the window, is published beside it with the excess. A print counts in each
bucket it reaches; volume that could not be signed fills its bucket and counts on neither side.
"""

from __future__ import annotations

import math
from typing import Any

from schemas.vocabulary import Flag, NullReason, ToxicityRegime
from streams.numeric import wide
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.bounds import INT32_MAX, saturated
from streams.numeric.measures.signing import weaker_method
from streams.numeric.quality import VALIDITY

NONE = int(NullReason.NONE)
WARMING_UP = int(NullReason.WARMING_UP)
NO_REGIME = int(ToxicityRegime.UNKNOWN)
OVERFLOW = int(Flag.OVERFLOW)
NAN = math.nan
TWO_OVER_PI = 2.0 / math.pi
BUCKETS_A_CALL = 8


@inner_kernel
def close_bucket(state: Any, slot: Any, out: Any) -> None:
    """Enter the full bucket into the window, publish it and begin the next."""
    flow = state.flows[slot]
    imbalances, prints = state.imbalances[slot], state.prints[slot]
    window = imbalances.shape[0]
    at = flow.ring_next
    imbalance = abs(flow.bucket_buy - flow.bucket_sell)
    flow.imbalance_sum += imbalance - imbalances[at]
    flow.prints_sum += flow.bucket_prints - prints[at]
    imbalances[at] = imbalance
    prints[at] = flow.bucket_prints
    flow.ring_next = at + 1 if at + 1 < window else 0
    flow.ring_count = min(flow.ring_count + 1, window)

    rows, count = out.md_toxicity
    row = rows[count[0]]
    row.instrument = flow.instrument
    row.event_time = state.clock[0]
    row.bucket = flow.bucket
    row.bucket_size = flow.bucket_size
    row.buy_volume = flow.bucket_buy
    row.sell_volume = flow.bucket_sell
    row.window = window
    row.imbalance_sum = flow.imbalance_sum
    if flow.ring_count == window:
        row.vpin = flow.imbalance_sum / (window * flow.bucket_size)
        row.vpin_null = math.sqrt(TWO_OVER_PI * window / flow.prints_sum)
        row.vpin_excess = row.vpin - row.vpin_null
        row.reason = NONE
    else:
        row.vpin = row.vpin_null = row.vpin_excess = NAN
        row.reason = WARMING_UP
    row.order_flow_imbalance = saturated(flow.bucket_ofi_high, flow.bucket_ofi_low)
    row.order_flow_imbalance_wide_high = flow.bucket_ofi_high
    row.order_flow_imbalance_wide_low = flow.bucket_ofi_low
    row.trade_count = min(flow.bucket_prints, INT32_MAX)
    row.method = flow.bucket_method
    row.regime = NO_REGIME
    row.flags = flow.bucket_flags
    if (
        not wide.fits_int64(flow.bucket_ofi_high, flow.bucket_ofi_low)
        or flow.bucket_prints > INT32_MAX
    ):
        row.flags |= OVERFLOW
    count[0] += 1

    flow.bucket += 1
    flow.bucket_filled = flow.bucket_buy = flow.bucket_sell = flow.bucket_prints = (
        flow.bucket_ofi_high
    ) = 0
    flow.bucket_ofi_low = 0
    flow.bucket_method = 0
    flow.bucket_flags = flow.quote_flags & VALIDITY  # how the quote stands when the bucket begins


@inlined_kernel
def fill_buckets(state: Any, slot: Any, out: Any) -> Any:
    """Pour the pending volume into buckets, closing at most ``BUCKETS_A_CALL``; returns True when
    nothing is left.
    """
    flow = state.flows[slot]
    closed = 0
    while flow.pending > 0:
        if closed == BUCKETS_A_CALL:
            return False
        take = min(flow.pending, flow.bucket_size - flow.bucket_filled)
        flow.pending -= take
        flow.bucket_filled += take
        flow.bucket_prints += 1
        if flow.pending_sign > 0:
            flow.bucket_buy += take
        elif flow.pending_sign < 0:
            flow.bucket_sell += take
        flow.bucket_method = weaker_method(flow.bucket_method, flow.pending_method)
        flow.bucket_flags |= flow.pending_flags
        if flow.bucket_filled == flow.bucket_size:
            close_bucket(state, slot, out)
            closed += 1
    return True
